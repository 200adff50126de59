"""Who goes: one joint assignment of all waiting requirements and all eligible units.

For: choosing units for every slot at once, at least priority-weighted cost, with bans, pins and
a bonus for what was already proposed; and naming who would have been next. Not for: deciding who
is eligible or how long anybody takes (the desk and ``dispatch.travel_times`` bring that), nor
for one unit in two roles or all-or-nothing packages, which a flow can't say. Relies on:
OR-Tools' minimum-cost flow (cost-scaling push-relabel; Goldberg, An efficient implementation of
a scaling minimum-cost flow algorithm, J. Algorithms 22, 1997).

The model: source → unit (1) → slot (1, cost of the pair) → sink (count), and a shortage arc
source → slot whose cost is beyond that of any way. All numbers are whole. A few cost units that
depend on the ids alone make ties unique; units and slots are sorted by id first, so the order
in which they are given changes nothing.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from models.errors import GridcommandError

PRIORITY_WEIGHT = {1: 64, 2: 16, 3: 4, 4: 1}
"""How much a second counts by priority: a life-threatening one like 64 routine ones."""

LATE_FACTOR = 3
"""A second beyond the target counts this many seconds more."""

LONGEST_S = 6 * 3600.0
"""Ways longer than this all cost the same."""

NEAREST = 100
"""Units looked at for one slot. As long as no more than this are wanted in all, nothing is lost
by it: a slot never needs one beyond its best n when n units are sent altogether."""

_TICKS_PER_S = 10
_TIE_RANGE = 1 << 10
_SHORTAGE_S = 8 * (1 + LATE_FACTOR) * LONGEST_S


def second(priority: int) -> int:
    """Return what a second of that priority costs, in the unit of `Candidate.cost`."""
    return _TICKS_PER_S * PRIORITY_WEIGHT[priority] * _TIE_RANGE


Pair = tuple[str, str]
"""(unit id, slot id)."""


class AssignmentError(GridcommandError, ValueError):
    """A problem that contradicts itself, or that the solver refused."""


class Status(StrEnum):
    """How a solution ended."""

    COMPLETE = "complete"
    SHORT = "short"


class PinRefusal(StrEnum):
    """Why a pin could not be kept."""

    UNKNOWN = "unknown"
    NOT_ELIGIBLE = "not_eligible"
    UNREACHABLE = "unreachable"
    BANNED = "banned"
    PINNED_ELSEWHERE = "pinned_elsewhere"


@dataclass(frozen=True)
class Slot:
    """`count` like units wanted at one place: a requirement, or what is still missing of it.

    Attributes
    ----------
    id
        Unique in the problem; also breaks ties.
    priority
        1 (life-threatening) to 4 (routine).
    count
        Units still wanted, 0 or more.
    within_s
        Target in seconds from now; later than this costs `LATE_FACTOR` times more.
    rank
        Place in the order of arrival; only `nearest_first` looks at it.
    """

    id: str
    priority: int
    count: int
    within_s: float
    rank: int = 0


@dataclass(frozen=True)
class Problem:
    """What `solve` is asked. Rows are units, columns are slots, in any order.

    Attributes
    ----------
    unit_ids, slots
        Each id once.
    eligible : bool (n_units, n_slots)
        False where a skill is missing or a rule forbids it: never chosen, not by a pin either.
    time_s : float (n_units, n_slots)
        Seconds to get there; inf where no open way leads, which forbids the pair too.
    banned
        Pairs that a person forbade.
    pinned
        Pairs that a person ordered; they hold even beyond the slot's count.
    kept
        Pairs proposed before; each may be up to `stickiness_s` slower than a better one and
        stays, so that proposals don't flicker.
    added_s : float (n_units, n_slots), optional
        Seconds that a pair must gain before it is worth while, or that it is preferred by where
        negative: what a diversion costs, how tired a crew is.
    bare_s : float (n_units,), optional
        Seconds that future life-threatening calls wait longer, as is expected, when this unit
        goes: what its going leaves bare. Weighs as priority 1, whatever it goes to.
    """

    unit_ids: Sequence[str]
    slots: Sequence[Slot]
    eligible: NDArray[np.bool_]
    time_s: NDArray[np.floating]
    banned: frozenset[Pair] = frozenset()
    pinned: frozenset[Pair] = frozenset()
    kept: frozenset[Pair] = frozenset()
    stickiness_s: float = 20.0
    added_s: NDArray[np.floating] | None = None
    bare_s: NDArray[np.floating] | None = None


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
    """

    status: Status
    cost: int
    slots: tuple[SlotResult, ...]
    refused_pins: tuple[tuple[str, str, PinRefusal], ...] = ()
    _by_id: dict[str, SlotResult] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {slot.slot_id: slot for slot in self.slots})

    def __getitem__(self, slot_id: str) -> SlotResult:
        return self._by_id[slot_id]


def solve(problem: Problem, *, runners_up: int = 2) -> Solution:
    """Assign units to all slots at once, at the least total cost.

    Parameters
    ----------
    problem
        See `Problem`.
    runners_up
        How many of the next best are named for each slot; units given to another slot are
        named too and say so in `Candidate.taken_by`.

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
    more urgent wins. 1000 units × 200 slots take some 100 ms.
    """
    return _solved(problem, _flow, runners_up)


def nearest_first(problem: Problem, *, runners_up: int = 2) -> Solution:
    """Give each slot, by priority and then in order of arrival, the nearest units that are free.

    What most dispatch centres do, and the baseline that `solve` is measured against. Looks at
    time alone: no target, no stickiness, nothing added. Pins and bans hold here too.
    """
    return _solved(problem, _nearest, runners_up)


def _solved(problem: Problem, choose: _Chooser, runners_up: int) -> Solution:
    table = _Table(problem)
    pinned, refused = table.pins()
    used = {unit for unit, _ in pinned}
    wanted = [
        max(0, slot.count - sum(column == mine for _, column in pinned))
        for mine, slot in enumerate(table.slots)
    ]
    chosen, cost = choose(table, used, wanted)
    pairs = sorted(set(pinned) | set(chosen))
    taken = {unit: table.slots[column].id for unit, column in pairs}
    results = []
    for column, slot in enumerate(table.slots):
        units = [unit for unit, mine in pairs if mine == column]
        results.append(
            SlotResult(
                slot_id=slot.id,
                chosen=table.candidates(column, units, taken, len(units)),
                shortage=max(0, slot.count - len(units)),
                runners_up=table.candidates(
                    column, table.open_to(column, set(units)), taken, runners_up
                ),
            )
        )
    short = any(result.shortage for result in results)
    return Solution(
        status=Status.SHORT if short else Status.COMPLETE,
        cost=cost,
        slots=tuple(results),
        refused_pins=tuple(refused),
    )


class _Table:
    """A checked problem, sorted by id, with the integer cost of every pair."""

    def __init__(self, problem: Problem) -> None:
        _check(problem)
        self.problem = problem
        rows = sorted(range(len(problem.unit_ids)), key=lambda row: problem.unit_ids[row])
        columns = sorted(range(len(problem.slots)), key=lambda column: problem.slots[column].id)
        self.units = [problem.unit_ids[row] for row in rows]
        self.slots = [problem.slots[column] for column in columns]
        self.row = {unit: row for row, unit in enumerate(self.units)}
        self.column = {slot.id: column for column, slot in enumerate(self.slots)}
        self._grid = grid = np.ix_(rows, columns)
        shape = (len(rows), len(columns))
        self.time_s = np.asarray(problem.time_s, dtype=np.float64).reshape(shape)[grid]
        self.eligible = np.asarray(problem.eligible, dtype=np.bool_).reshape(shape)[grid]
        self.allowed = self.eligible & np.isfinite(self.time_s)
        for unit, slot in problem.banned:
            if unit in self.row and slot in self.column:
                self.allowed[self.row[unit], self.column[slot]] = False
        self.cost = self._costs()

    def pins(self) -> tuple[list[tuple[int, int]], list[tuple[str, str, PinRefusal]]]:
        """Pins that hold as (row, column), and those that can't with the reason."""
        held: list[tuple[int, int]] = []
        refused: list[tuple[str, str, PinRefusal]] = []
        known = [p for p in self.problem.pinned if p[0] in self.row and p[1] in self.column]
        strangers = self.problem.pinned - set(known)
        refused.extend((unit, slot, PinRefusal.UNKNOWN) for unit, slot in strangers)
        known.sort(key=lambda pair: (self.slots[self.column[pair[1]]].priority, pair[1], pair[0]))
        used: set[int] = set()
        for unit, slot in known:
            row, column = self.row[unit], self.column[slot]
            if not self.eligible[row, column]:
                refused.append((unit, slot, PinRefusal.NOT_ELIGIBLE))
            elif not np.isfinite(self.time_s[row, column]):
                refused.append((unit, slot, PinRefusal.UNREACHABLE))
            elif not self.allowed[row, column]:
                refused.append((unit, slot, PinRefusal.BANNED))
            elif row in used:
                refused.append((unit, slot, PinRefusal.PINNED_ELSEWHERE))
            else:
                used.add(row)
                held.append((row, column))
        return held, sorted(refused)

    def open_to(self, column: int, without: set[int]) -> list[int]:
        """Rows that may fill a slot and aren't in `without`."""
        return [row for row in np.flatnonzero(self.allowed[:, column]).tolist()
                if row not in without]  # fmt: skip

    def candidates(
        self, column: int, rows: Sequence[int], taken: dict[int, str], most: int
    ) -> tuple[Candidate, ...]:
        """The best `most` of `rows` for a slot, best first."""
        if not rows or not most:
            return ()
        costs = self.cost[rows, column].tolist()
        return tuple(
            Candidate(
                unit_id=self.units[row],
                time_s=float(self.time_s[row, column]),
                cost=cost,
                taken_by=taken.get(row),
            )
            for cost, row in heapq.nsmallest(most, zip(costs, rows, strict=True))
        )

    def _costs(self) -> NDArray[np.int64]:
        time_s = np.where(self.allowed, np.minimum(self.time_s, LONGEST_S), 0.0)
        within_s = np.array([slot.within_s for slot in self.slots])[None, :]
        felt_s = time_s + LATE_FACTOR * np.maximum(0.0, time_s - within_s)
        for unit, slot in self.problem.kept:
            if unit in self.row and slot in self.column:
                felt_s[self.row[unit], self.column[slot]] -= self.problem.stickiness_s
        if self.problem.added_s is not None:
            felt_s += np.asarray(self.problem.added_s).reshape(felt_s.shape)[self._grid]
        weight = np.array([PRIORITY_WEIGHT[slot.priority] for slot in self.slots])[None, :]
        ticks = np.rint(felt_s * _TICKS_PER_S).astype(np.int64) * weight
        if self.problem.bare_s is not None:
            bare_s = np.asarray(self.problem.bare_s, dtype=np.float64)[self._grid[0].ravel()]
            ticks += np.rint(bare_s * _TICKS_PER_S).astype(np.int64)[:, None] * PRIORITY_WEIGHT[1]
        ticks *= _TIE_RANGE
        own = np.array([_tie(unit) for unit in self.units], dtype=np.int64)[:, None]
        other = np.array([_tie(slot.id) for slot in self.slots], dtype=np.int64)[None, :]
        # Mixing by multiplication tells pairs apart, not only units, for the price of two hashes.
        mixed = ((own * 2_654_435_761 + other * 40_503) ^ (own * (other | 1))) % _TIE_RANGE
        return np.asarray(ticks + mixed, dtype=np.int64)


_Chooser: TypeAlias = Callable[[_Table, set[int], Sequence[int]], tuple[list[tuple[int, int]], int]]
"""Gives the pairs (row, column) for what is still wanted of each slot, and their total cost."""


def _nearest(
    table: _Table, used: set[int], wanted: Sequence[int]
) -> tuple[list[tuple[int, int]], int]:
    gone = set(used)
    pairs: list[tuple[int, int]] = []
    order = sorted(
        range(len(wanted)), key=lambda c: (table.slots[c].priority, table.slots[c].rank, c)
    )
    for column in order:
        open_rows = table.open_to(column, gone) if wanted[column] else []
        seconds = table.time_s[open_rows, column].tolist()
        nearest = heapq.nsmallest(wanted[column], zip(seconds, open_rows, strict=True))
        gone.update(row for _, row in nearest)
        pairs.extend((row, column) for _, row in nearest)
    return pairs, sum(int(table.cost[pair]) for pair in pairs)


def _flow(
    table: _Table, used: set[int], wanted: Sequence[int]
) -> tuple[list[tuple[int, int]], int]:
    """(row, column) of every pair chosen, and the total cost."""
    total = sum(wanted)
    if total == 0:
        return [], 0
    free = np.ones(len(table.units), dtype=np.bool_)
    free[list(used)] = False
    rows: list[NDArray[np.intp]] = []
    columns: list[NDArray[np.intp]] = []
    for column, count in enumerate(wanted):
        if count == 0:
            continue
        near = np.flatnonzero(table.allowed[:, column] & free)
        order = np.lexsort((near, table.cost[near, column]))
        near = near[order[: max(count, min(total, NEAREST))]]
        rows.append(np.sort(near))
        columns.append(np.full(len(near), column))
    row, column_of = np.concatenate(rows), np.concatenate(columns)
    names = np.unique(row)
    units, slots = len(names), len(wanted)
    source, sink = units + slots, units + slots + 1
    counts = np.array(wanted)
    shortage = np.array(
        [
            round(_SHORTAGE_S * _TICKS_PER_S) * PRIORITY_WEIGHT[slot.priority] * _TIE_RANGE
            for slot in table.slots
        ]
    )
    of_slot = units + np.arange(slots)
    tails = [np.searchsorted(names, row), np.full(units, source), of_slot, np.full(slots, source)]
    heads = [units + column_of, np.arange(units), np.full(slots, sink), of_slot]
    caps = [np.ones(len(row), int), np.ones(units, int), counts, counts]
    costs = [table.cost[row, column_of], np.zeros(units, int), np.zeros(slots, int), shortage]
    flow = SimpleMinCostFlow()
    arcs = flow.add_arcs_with_capacity_and_unit_cost(
        *(np.concatenate(part).astype(np.int64) for part in (tails, heads, caps, costs))
    )
    flow.set_node_supply(source, total)
    flow.set_node_supply(sink, -total)
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise AssignmentError(f"minimum-cost flow ended with {status}; the costs are out of range")
    on = np.flatnonzero(np.asarray(flow.flows(arcs[: len(row)])) > 0)
    pairs = list(zip(row[on].tolist(), column_of[on].tolist(), strict=True))
    return pairs, int(flow.optimal_cost())


@lru_cache(maxsize=1 << 16)
def _tie(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big") >> 4


def _check(problem: Problem) -> None:
    shape = (len(problem.unit_ids), len(problem.slots))
    for name, array in (("eligible", problem.eligible), ("time_s", problem.time_s)):
        # Nobody or nothing to do leaves an empty array, whatever its shape.
        if np.shape(array) != shape and (np.size(array) or 0 not in shape):
            raise AssignmentError(f"{name} has the shape {np.shape(array)}, not {shape}")
    if len(set(problem.unit_ids)) != shape[0]:
        raise AssignmentError("a unit id is given twice")
    if len({slot.id for slot in problem.slots}) != shape[1]:
        raise AssignmentError("a slot id is given twice")
    for slot in problem.slots:
        if slot.priority not in PRIORITY_WEIGHT:
            raise AssignmentError(f"slot {slot.id!r}: priority {slot.priority} must be 1 to 4")
        if slot.count < 0 or slot.within_s < 0:
            raise AssignmentError(f"slot {slot.id!r}: count and within_s must not be negative")
    if np.isnan(problem.time_s).any() or (np.asarray(problem.time_s) < 0).any():
        raise AssignmentError("time_s must be 0 or more, or inf")
