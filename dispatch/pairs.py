"""Who could go where at what cost, as lists of pairs: few of the many that there are.

For: :mod:`dispatch.assignment` and :mod:`dispatch.flow`. Of 30 million pairs of 5000 units and
6000 slots a solution needs some ten thousand, so only those are kept that are cheapest for each
slot, beside the bound under which no other one is. Not for: choosing among them.

Units and slots are counted by their ids' order here (row, column), so the order in which they were
given changes nothing. Costs are whole numbers: ticks of a tenth of a second by priority, times
`TIE_RANGE`, and below that a few units that depend on the ids alone and make ties unique.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dispatch.problem import LATE_FACTOR, LONGEST_S, PRIORITY_WEIGHT, Pair, PinRefusal, Problem

TICKS_PER_S = 10
TIE_RANGE = 1 << 10

SHORTAGE_S = 8 * (1 + LATE_FACTOR) * LONGEST_S
"""What a missing unit counts as, in seconds: more than any way."""

ALL_LISTED = np.iinfo(np.int64).max
"""Floor of a slot whose pairs are all listed."""

_AT_ONCE = 1 << 16
"""Pairs computed together: what fits into a core's cache."""


@dataclass(frozen=True)
class Group:
    """Slots that the same units may serve.

    Attributes
    ----------
    columns, rows : int (m,), (n,)
        Ascending.
    """

    columns: NDArray[np.intp]
    rows: NDArray[np.intp]


@dataclass(frozen=True)
class Listed:
    """Pairs, sorted by column, cost and row.

    Attributes
    ----------
    column, row : int (k,)
    cost : int64 (k,)
    floor : int64 (n_slots,)
        No pair of the slot that isn't listed is cheaper; `ALL_LISTED` where there is none.
    """

    column: NDArray[np.intp]
    row: NDArray[np.intp]
    cost: NDArray[np.int64]
    floor: NDArray[np.int64]


class Pairs:
    """A problem's pairs.

    Parameters
    ----------
    problem
        Checked.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        shape = (len(problem.unit_ids), len(problem.slots))
        # The given places of rows and columns.
        self._given_row = _order(list(problem.unit_ids))
        self._given_column = _order([slot.id for slot in problem.slots])
        self.units = [problem.unit_ids[at] for at in self._given_row.tolist()]
        self.slots = [problem.slots[at] for at in self._given_column.tolist()]
        self.row = {unit: row for row, unit in enumerate(self.units)}
        self.column = {slot.id: column for column, slot in enumerate(self.slots)}
        self._time_s = np.asarray(problem.time_s).reshape(shape)
        self._eligible = np.asarray(problem.eligible, dtype=np.bool_).reshape(shape)
        self._added_s: NDArray[np.floating] | None = None
        if problem.added_s is not None and np.any(problem.added_s):
            self._added_s = np.asarray(problem.added_s).reshape(shape)
        self._bare: NDArray[np.float64] | None = None
        if problem.bare_s is not None:
            bare_s = np.asarray(problem.bare_s, dtype=np.float64)[self._given_row]
            self._bare = np.rint(bare_s * TICKS_PER_S) * PRIORITY_WEIGHT[1]
        self._within_s = np.array([slot.within_s for slot in self.slots], dtype=np.float64)
        self._weight = np.array([PRIORITY_WEIGHT[slot.priority] for slot in self.slots], np.int64)
        self._unit_ties = np.array([_tie(unit) for unit in self.units], np.int64)
        self._slot_ties = np.array([_tie(slot.id) for slot in self.slots], np.int64)
        self._kept = self._known(problem.kept - problem.banned)
        self._kept_keys = np.sort(self._kept[0] * shape[1] + self._kept[1])
        self.groups = self._grouped()

    @property
    def size(self) -> int:
        """How many pairs are eligible, reachable or not."""
        return sum(len(group.rows) * len(group.columns) for group in self.groups)

    def shortage(self) -> NDArray[np.int64]:
        """Return what it costs each slot to get one unit less than it wants."""
        waited_s = np.array([slot.waited_s for slot in self.slots], dtype=np.float64)
        # A second that somebody waits beyond the target counts like one of a way beyond it. Never
        # so much that one priority outweighs another.
        felt_s = SHORTAGE_S + np.clip((1 + LATE_FACTOR) * waited_s, 0.0, SHORTAGE_S)
        unsure = np.array([slot.unsure for slot in self.slots], dtype=np.bool_)
        if unsure.any():
            felt_s[~unsure] += SHORTAGE_S
        return np.rint(felt_s * TICKS_PER_S).astype(np.int64) * self._weight * TIE_RANGE

    def time_s(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the seconds of these pairs."""
        times = self._time_s[self._given_row[rows], self._given_column[columns]]
        return np.asarray(times, dtype=np.float64)

    def cost(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return the costs of these pairs, which must be allowed."""
        felt_s = self._felt_s(self.time_s(rows, columns), self._within_s[columns])
        if len(self._kept_keys):
            keys = rows * len(self.slots) + columns
            at = np.searchsorted(self._kept_keys, keys)
            kept = self._kept_keys[np.minimum(at, len(self._kept_keys) - 1)] == keys
            felt_s[kept] -= self.problem.stickiness_s
        if self._added_s is not None:
            felt_s += self._added_s[self._given_row[rows], self._given_column[columns]]
        ticks = np.rint(felt_s * TICKS_PER_S).astype(np.int64) * self._weight[columns]
        if self._bare is not None:
            ticks += self._bare[rows].astype(np.int64)
        own, other = self._unit_ties[rows], self._slot_ties[columns]
        # Mixing by multiplication tells pairs apart, not only units, for the price of two hashes.
        mixed = ((own * 2_654_435_761 + other * 40_503) ^ (own * (other | 1))) % TIE_RANGE
        return np.asarray(ticks * TIE_RANGE + mixed, dtype=np.int64)

    def cheapest(self, most: int | None) -> Listed:
        """Return for each slot the `most` pairs that cost least, and those just as good.

        Parameters
        ----------
        most
            None: all that are allowed.
        """
        found = [(np.zeros(0, np.intp), np.zeros(0, np.intp))]
        floor = np.full(len(self.slots), ALL_LISTED)
        for group in self.groups:
            for columns, ticks in self.blocks(group.columns, group.rows):
                wanted = np.isfinite(ticks)
                if most is not None and most < len(group.rows):
                    last = np.partition(ticks, most - 1, axis=1)[:, most - 1]
                    wanted &= ticks <= last[:, None]
                    some = np.isfinite(last)
                    floor[columns[some]] = (last[some].astype(np.int64) + 1) * TIE_RANGE
                line, place = np.nonzero(wanted)
                found.append((columns[line], group.rows[place]))
        column = np.concatenate([columns for columns, _ in found])
        row = np.concatenate([rows for _, rows in found])
        if most is not None:
            column, row = self._with_kept(column, row)
        cost = self.cost(row, column)
        order = np.lexsort((row, cost, column))
        return Listed(column[order], row[order], cost[order], floor)

    def blocks(
        self, columns: NDArray[np.intp], rows: NDArray[np.intp]
    ) -> Iterable[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield ticks, whole but for inf, of some columns (lines) and all rows at a time.

        What was proposed before counts here as if it weren't.
        """
        wide = max(1, _AT_ONCE // max(1, len(rows)))
        for first in range(0, len(columns) if len(rows) else 0, wide):
            now = columns[first : first + wide]
            times = self._block(self._time_s, now, rows)
            ticks = self._felt_s(times, self._within_s[now, None])
            if self._added_s is not None:
                ticks += self._block(self._added_s, now, rows)
            ticks *= TICKS_PER_S
            np.rint(ticks, out=ticks)
            ticks *= self._weight[now, None]
            if self._bare is not None:
                ticks += self._bare[rows]
            ticks[np.isinf(times)] = np.inf
            yield now, ticks

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
            given = self._given_row[row], self._given_column[column]
            if not self._eligible[given]:
                refused.append((unit, slot, PinRefusal.NOT_ELIGIBLE))
            elif not np.isfinite(self._time_s[given]):
                refused.append((unit, slot, PinRefusal.UNREACHABLE))
            elif (unit, slot) in self.problem.banned:
                refused.append((unit, slot, PinRefusal.BANNED))
            elif row in used:
                refused.append((unit, slot, PinRefusal.PINNED_ELSEWHERE))
            else:
                used.add(row)
                held.append((row, column))
        return held, sorted(refused)

    def _grouped(self) -> list[Group]:
        """Columns by who may serve them; what a person forbade is left out."""
        bits = np.packbits(self._eligible.T, axis=1)
        rows, columns = self._known(self.problem.banned)
        for row, column in zip(self._given_row[rows], self._given_column[columns], strict=True):
            bits[column, row >> 3] &= ~np.uint8(128 >> (row & 7))
        alike: dict[bytes, list[int]] = {}
        for column, given in enumerate(self._given_column.tolist()):
            alike.setdefault(bits[given].tobytes(), []).append(column)
        groups = []
        for packed, mine in alike.items():
            can = np.unpackbits(np.frombuffer(packed, np.uint8), count=len(self.units))
            fit = np.flatnonzero(can[self._given_row])
            if len(fit):
                groups.append(Group(np.array(mine, np.intp), fit))
        return groups

    def _known(self, pairs: frozenset[Pair]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        known = [
            (self.row[unit], self.column[slot])
            for unit, slot in pairs
            if unit in self.row and slot in self.column
        ]
        rows, columns = np.array(known, np.intp).reshape(-1, 2).T
        return rows, columns

    def _with_kept(
        self, column: NDArray[np.intp], row: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Add the pairs proposed before: they cost less than what they were sifted by."""
        rows, columns = self._kept
        given = self._given_row[rows], self._given_column[columns]
        may = self._eligible[given] & np.isfinite(self._time_s[given])
        if not may.any():
            return column, row
        keys = np.concatenate([column, columns[may]]) * len(self.units)
        keys = np.unique(keys + np.concatenate([row, rows[may]]))
        return np.divmod(keys, len(self.units))

    def _block(
        self, table: NDArray[np.floating], columns: NDArray[np.intp], rows: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        lines = table.T[self._given_column[columns]].astype(np.float64, copy=False)
        return np.asarray(lines.take(self._given_row[rows], axis=1))

    @staticmethod
    def _felt_s(time_s: NDArray[np.float64], within_s: NDArray[np.float64]) -> NDArray[np.float64]:
        felt_s = np.minimum(time_s, LONGEST_S)
        late_s = felt_s - within_s
        np.maximum(late_s, 0.0, out=late_s)
        late_s *= LATE_FACTOR
        felt_s += late_s
        return felt_s


def _order(ids: list[str]) -> NDArray[np.intp]:
    return np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.intp)


@lru_cache(maxsize=1 << 16)
def _tie(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big") >> 4
