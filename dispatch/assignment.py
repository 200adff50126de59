"""Who goes: one joint assignment of all waiting requirements and all eligible units.

For: choosing units for every slot at once, at least priority-weighted cost, with bans, pins and
a bonus for what was already proposed; and naming who would have been next. Not for: deciding who
is eligible or how long anybody takes (the desk and ``dispatch.travel_times`` bring that). Relies
on: :mod:`dispatch.problem` for the question, :mod:`dispatch.pairs` for what a pair costs,
:mod:`dispatch.flow` for the choice and :mod:`dispatch.packages` for what a flow can't say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dispatch import packages
from dispatch.flow import Choice
from dispatch.pairs import TICKS_PER_S, TIE_RANGE, Listed, Pairs
from dispatch.problem import (
    LATE_FACTOR,
    LONGEST_S,
    PRIORITY_WEIGHT,
    AssignmentError,
    Pair,
    PinRefusal,
    Problem,
    Reserve,
    Slot,
)

__all__ = [
    "LATE_FACTOR",
    "LONGEST_S",
    "PRIORITY_WEIGHT",
    "AssignmentError",
    "Candidate",
    "Pair",
    "PinRefusal",
    "Problem",
    "Reserve",
    "Slot",
    "SlotResult",
    "Solution",
    "Status",
    "nearest_first",
    "second",
    "solve",
]

WHOLE = 20_000
"""A problem of no more pairs than this is posed whole: that is quicker than proving less."""

NEAREST = 32
"""Units that a larger problem begins with for each slot."""


def second(priority: int) -> int:
    """Return what a second of that priority costs, in the unit of `Candidate.cost`."""
    return TICKS_PER_S * PRIORITY_WEIGHT[priority] * TIE_RANGE


class Status(StrEnum):
    """How a solution ended."""

    COMPLETE = "complete"
    SHORT = "short"


@dataclass(frozen=True)
class Candidate:
    """A unit that could fill a slot.

    Attributes
    ----------
    cost
        Weighted ticks, comparable within one slot only; smaller is better.
    taken_by
        Id of the slot that the solution gave it to, or None while it is free.
    """

    unit_id: str
    time_s: float
    cost: int
    taken_by: str | None = None


@dataclass(frozen=True)
class SlotResult:
    """What became of one slot: who goes, best first, how many are missing, who was next."""

    slot_id: str
    chosen: tuple[Candidate, ...]
    shortage: int
    runners_up: tuple[Candidate, ...]


@dataclass(frozen=True)
class Solution:
    """Answer of `solve`; `slots` are sorted by id.

    Attributes
    ----------
    cost
        Total of what was minimised, shortages included, pins excluded.
    refused_pins
        (unit id, slot id, reason), sorted.
    solved
        Empty where the flow said it all; else how CP-SAT ended, `packages.OPTIMAL` or
        `packages.FEASIBLE`.
    gap
        Relative gap to the best answer that may still be hidden; 0 where it is the best.
    """

    status: Status
    cost: int
    slots: tuple[SlotResult, ...]
    refused_pins: tuple[tuple[str, str, PinRefusal], ...] = ()
    solved: str = ""
    gap: float = 0.0
    _by_id: dict[str, SlotResult] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {slot.slot_id: slot for slot in self.slots})

    def __getitem__(self, slot_id: str) -> SlotResult:
        return self._by_id[slot_id]


def solve(problem: Problem, *, runners_up: int = 2, whole: bool = False) -> Solution:
    """Assign units to all slots at once, at the least total cost.

    Parameters
    ----------
    problem
        See `Problem`.
    runners_up
        How many of the next best are named for each slot; units given to another slot are
        named too and say so in `Candidate.taken_by`.
    whole
        Pose every pair, however many there are: as good and slower, to compare with.

    Returns
    -------
    Solution
        `Status.SHORT` where some slot got fewer units than it wanted.

    Raises
    ------
    AssignmentError
        Ids repeat, shapes don't fit, a priority is none, or the solver refused.

    Notes
    -----
    Serving a slot always beats leaving it short; between slots that want the same unit the
    more urgent wins. 1000 units × 600 slots take some 50 ms, 5000 × 6000 some 800 ms.
    """
    return _solved(problem, packages.least_cost, runners_up, None if whole else NEAREST)


def nearest_first(problem: Problem, *, runners_up: int = 2) -> Solution:
    """Give each slot, by priority and then in order of arrival, the nearest units that are free.

    What most dispatch centres do, and the baseline that `solve` is measured against. Looks at
    time alone: no target, no stickiness, nothing added. Pins, bans, packages and reserves hold
    here too; nobody has two roles.
    """
    return _solved(problem, _nearest, runners_up, None)


_Chooser: TypeAlias = Callable[[Pairs, Listed, set[int], Sequence[int]], Choice]
"""Gives the pairs for what is still wanted of each slot; takes rows in use and counts by column."""


def _solved(problem: Problem, choose: _Chooser, runners_up: int, nearest: int | None) -> Solution:
    problem.check()
    pairs = Pairs(packages.with_empty_reserves(problem))
    pinned, refused = pairs.pins()
    pinned_in = np.bincount([column for _, column in pinned], minlength=len(pairs.slots))
    counts = np.array([slot.count for slot in pairs.slots], dtype=np.int64)
    wanted = np.maximum(0, counts - pinned_in)
    if nearest is not None:
        # So many that the runners-up are among them whoever is chosen.
        listed_most = int(np.maximum(counts, pinned_in).max(initial=0)) + runners_up
        nearest = None if pairs.size <= WHOLE else max(nearest, listed_most)
    listed = pairs.cheapest(nearest)
    chosen = choose(pairs, listed, {row for row, _ in pinned}, wanted.tolist())
    rows = np.concatenate([np.array([row for row, _ in pinned], np.intp), chosen.row])
    columns = np.concatenate([np.array([column for _, column in pinned], np.intp), chosen.column])
    return _answer(pairs, listed, rows, columns, runners_up, chosen, refused)


def _answer(
    pairs: Pairs,
    listed: Listed,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    runners_up: int,
    found: Choice,
    refused: Sequence[tuple[str, str, PinRefusal]],
) -> Solution:
    """Name who goes and who was next, slot by slot."""
    taken = {
        row: pairs.slots[column].id
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    }
    costs = pairs.cost(rows, columns)
    order = np.lexsort((rows, costs, columns))
    chosen = _candidates(pairs, rows[order], columns[order], costs[order], taken)
    wide = len(pairs.slots)
    gone = np.isin(listed.row * wide + listed.column, rows * wide + columns)
    others = np.flatnonzero(~gone)
    of = listed.column[others]
    place = np.arange(len(others)) - np.searchsorted(of, of)
    others = others[place < runners_up]
    next_best = _candidates(
        pairs, listed.row[others], listed.column[others], listed.cost[others], taken
    )
    results = tuple(
        SlotResult(
            slot_id=slot.id,
            chosen=tuple(chosen.get(column, ())),
            shortage=max(0, slot.count - len(chosen.get(column, ()))),
            runners_up=tuple(next_best.get(column, ())),
        )
        for column, slot in enumerate(pairs.slots)
    )
    short = any(result.shortage for result in results)
    return Solution(
        status=Status.SHORT if short else Status.COMPLETE,
        cost=found.cost,
        slots=results,
        refused_pins=tuple(refused),
        solved=found.solved,
        gap=found.gap,
    )


def _candidates(
    pairs: Pairs,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    costs: NDArray[np.int64],
    taken: dict[int, str],
) -> dict[int, list[Candidate]]:
    """Candidates by column, in the order of these pairs."""
    found: dict[int, list[Candidate]] = {}
    times = pairs.time_s(rows, columns)
    for row, column, time_s, cost in zip(
        rows.tolist(), columns.tolist(), times.tolist(), costs.tolist(), strict=True
    ):
        one = Candidate(pairs.units[row], time_s, cost, taken.get(row))
        found.setdefault(column, []).append(one)
    return found


def _nearest(pairs: Pairs, listed: Listed, used: set[int], wanted: Sequence[int]) -> Choice:
    gone = set(used)
    rows: list[int] = []
    columns: list[int] = []
    times = pairs.time_s(listed.row, listed.column)
    first = np.searchsorted(listed.column, np.arange(len(wanted) + 1))
    order = sorted(
        range(len(wanted)), key=lambda c: (pairs.slots[c].priority, pairs.slots[c].rank, c)
    )
    for column in order:
        mine = slice(first[column], first[column + 1])
        by_time = np.lexsort((listed.row[mine], times[mine]))
        able = [row for row in listed.row[mine][by_time].tolist() if row not in gone]
        nearest = able[: wanted[column]]
        gone.update(nearest)
        rows.extend(nearest)
        columns.extend([column] * len(nearest))
    row, column_of = np.array(rows, np.intp), np.array(columns, np.intp)
    found = Choice(row, column_of, int(pairs.cost(row, column_of).sum()))
    return packages.kept_whole(pairs, found, used, wanted)
