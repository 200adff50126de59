"""What a flow can't say: all-or-nothing packages, one unit in two roles, reserves.

For: :func:`dispatch.assignment.solve`. The flow answers first. Packages and reserves only forbid,
so a flow that keeps to them is the best already and nothing else is asked; CP-SAT (OR-Tools) is,
where the flow breaks a package or a reserve, or where some unit fits both of two roles. It
begins with the flow's answer, mended, and looks only at the slots that share units with the ones
in question. Not for: who may be in a reserve or a package (:mod:`dispatch.reserves`, playbooks).

Same input, same bytes: one worker, a fixed seed, a limit in the solver's deterministic time and a
model built in the order of ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dispatch import flow
from dispatch.flow import Choice
from dispatch.pairs import TICKS_PER_S, TIE_RANGE, Listed, Pairs
from dispatch.problem import PRIORITY_WEIGHT, Problem

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

OPTIMAL, FEASIBLE = "optimal", "feasible"

LIMIT = 0.1
"""Deterministic time of the solver, some third of a second of a core; then the best so far stands.

Of forty mixed incidents in 溧阳 five times as much wins a hundred thousandth of the cost.
"""

POSED = 4_000
"""Pairs that are posed at most before each slot is given its cheapest only."""

BESIDE = 12
"""Units beyond the wanted ones that a slot is given then."""


def load_solver() -> None:
    """Load what choosing needs, so that no plan waits for it.

    With what it brings along it takes a third of a second, and as long as a desk may hang where a
    busy machine has to compile it first.
    """
    from ortools.sat.python import cp_model

    cp_model.CpModel()


def with_empty_reserves(problem: Problem) -> Problem:
    """Return the problem without the pairs that a reserve with nobody to spare forbids.

    That much a flow can say.
    """
    empty = [reserve for reserve in problem.reserves if reserve.spare <= 0]
    if not empty or not np.size(problem.eligible):
        return problem
    eligible = np.array(problem.eligible, dtype=np.bool_)
    rows = {unit: row for row, unit in enumerate(problem.unit_ids)}
    columns = {slot.id: column for column, slot in enumerate(problem.slots)}
    for reserve in empty:
        mine = [rows[unit] for unit in reserve.unit_ids if unit in rows]
        # Who may go to a slot may fill the other role there too: that the flow can't say.
        free = {s for pair in problem.doubles if set(pair) & reserve.breaking for s in pair}
        free |= reserve.breaking
        other = [column for slot, column in columns.items() if slot not in free]
        eligible[np.ix_(mine, other)] = False
    for unit, slot in problem.pinned:
        if unit in rows and slot in columns:
            given = rows[unit], columns[slot]
            eligible[given] = problem.eligible[given]
    return replace(problem, eligible=eligible)


def least_cost(pairs: Pairs, listed: Listed, used: Iterable[int], wanted: Sequence[int]) -> Choice:
    """Choose the pairs that cost least and keep to packages, roles and reserves.

    Parameters and errors are those of :func:`dispatch.flow.least_cost`.
    """
    gone = set(used)
    first = flow.least_cost(pairs, listed, gone, wanted)
    problem = pairs.problem
    if not (problem.packages or problem.doubles or problem.reserves):
        return first
    rules = _Rules.of(pairs, gone, wanted)
    doubles = _Doubles.of(pairs, gone, wanted)
    if rules.kept(first) and not doubles.units:
        return first
    hint, counts = first, list(wanted)
    while broken := rules.incomplete(hint):
        # Its units are worth more elsewhere than standing by for the missing one.
        for column in broken:
            counts[column] = 0
        hint = flow.least_cost(pairs, listed, gone, counts)
    hint = rules.mended(pairs, hint)
    return _Model(pairs, listed, gone, wanted, rules, doubles, first).solved(hint)


def kept_whole(pairs: Pairs, found: Choice, used: Iterable[int], wanted: Sequence[int]) -> Choice:
    """Take back what breaks a package or a reserve; nobody goes instead."""
    return _Rules.of(pairs, set(used), wanted).mended(pairs, found)


@dataclass(frozen=True)
class _Bound:
    """A reserve in rows and columns; `spare` has what pins took off already."""

    rows: frozenset[int]
    spare: int
    breaking: frozenset[int]


@dataclass(frozen=True)
class _Rules:
    """Packages and reserves in rows and columns, in the order of ids."""

    wanted: Sequence[int]
    packages: Sequence[Sequence[int]]
    reserves: Sequence[_Bound]

    @classmethod
    def of(cls, pairs: Pairs, used: set[int], wanted: Sequence[int]) -> _Rules:
        problem = pairs.problem
        packages = sorted(
            sorted(pairs.column[s] for s in package if wanted[pairs.column[s]])
            for package in problem.packages
        )
        reserves = []
        for reserve in sorted(problem.reserves, key=lambda r: r.id):
            rows = frozenset(pairs.row[unit] for unit in reserve.unit_ids if unit in pairs.row)
            breaking = frozenset(pairs.column[s] for s in reserve.breaking if s in pairs.column)
            spare = max(0, reserve.spare - len(rows & used))
            reserves.append(_Bound(rows - used, spare, breaking))
        return cls(wanted, [p for p in packages if p], reserves)

    def kept(self, found: Choice) -> bool:
        return not self.incomplete(found) and not any(
            self._over(bound, found.row, found.column) for bound in self.reserves
        )

    def incomplete(self, found: Choice) -> list[int]:
        """Columns of the packages that are begun and not whole."""
        got = np.bincount(found.column, minlength=len(self.wanted))
        return [
            column
            for package in self.packages
            if any(got[c] for c in package) and any(got[c] < self.wanted[c] for c in package)
            for column in package
        ]

    def _over(self, bound: _Bound, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> int:
        """How many too many of a reserve go to what may not break it."""
        mine = [c for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if r in bound.rows]
        other = sum(column not in bound.breaking for column in mine)
        return min(other, max(0, len(mine) - bound.spare))

    def mended(self, pairs: Pairs, found: Choice) -> Choice:
        """Take back the dearest of the least urgent until every rule is kept."""
        rows, columns = found.row, found.column
        order = np.lexsort((rows, -pairs.cost(rows, columns)))
        rows, columns = rows[order], columns[order]
        urgency = [pairs.slots[column].priority for column in columns.tolist()]
        order = np.argsort(-np.array(urgency, np.int64), kind="stable")
        rows, columns = rows[order], columns[order]
        stays = np.ones(len(rows), dtype=np.bool_)
        for bound in self.reserves:
            for at in range(len(rows)):
                if not self._over(bound, rows[stays], columns[stays]):
                    break
                if rows[at] in bound.rows and columns[at] not in bound.breaking:
                    stays[at] = False
        rest = Choice(rows[stays], columns[stays], 0)
        whole = ~np.isin(rest.column, self.incomplete(rest))
        row, column = rest.row[whole], rest.column[whole]
        got = np.bincount(column, minlength=len(self.wanted))
        short = np.maximum(0, np.array(self.wanted, np.int64) - got)
        cost = int(pairs.cost(row, column).sum()) + int((short * pairs.shortage()).sum())
        return Choice(row, column, cost)


@dataclass(frozen=True)
class _Doubles:
    """Who could fill two slots at once: (column, column) to rows."""

    units: dict[tuple[int, int], list[int]]

    @classmethod
    def of(cls, pairs: Pairs, used: set[int], wanted: Sequence[int]) -> _Doubles:
        able: dict[int, set[int]] = {}
        for group in pairs.groups:
            for column in group.columns.tolist():
                able[column] = set(group.rows.tolist())
        units: dict[tuple[int, int], list[int]] = {}
        for one, other in sorted(pairs.problem.doubles):
            a, b = sorted((pairs.column[one], pairs.column[other]))
            both = sorted(able.get(a, set()) & able.get(b, set()) - used)
            if wanted[a] and wanted[b] and both:
                rows = np.array(both, np.intp)
                near = np.isfinite(pairs.time_s(rows, np.full(len(rows), a)))
                near &= np.isfinite(pairs.time_s(rows, np.full(len(rows), b)))
                if near.any():
                    units[a, b] = rows[near].tolist()
        return cls(units)


class _Model:
    """The CP-SAT model of the slots in question and of those that share units with them."""

    def __init__(
        self,
        pairs: Pairs,
        listed: Listed,
        used: set[int],
        wanted: Sequence[int],
        rules: _Rules,
        doubles: _Doubles,
        first: Choice,
    ) -> None:
        self._pairs = pairs
        self._used = used
        self._wanted = wanted
        self._rules = rules
        self._doubles = doubles
        self._first = first
        self._columns = self._in_question()
        self._posed: dict[tuple[int, int], int] = self._candidates(listed)

    def solved(self, hint: Choice) -> Choice:
        """Return the best answer found; the mended flow's where nothing better is."""
        # Loaded where it is needed: a command that asks for nothing of it starts sooner.
        from ortools.sat.python import cp_model

        model = cp_model.CpModel()
        goes = {pair: model.new_bool_var("") for pair in self._posed}
        both = {
            (row, a, b): model.new_bool_var("")
            for (a, b), rows in self._doubles.units.items()
            for row in rows
            if (row, a) in goes and (row, b) in goes
        }
        taken: dict[int, list[cp_model.IntVar]] = {}
        filled: dict[int, list[cp_model.IntVar]] = {column: [] for column in self._columns}
        for (row, column), var in goes.items():
            taken.setdefault(row, []).append(var)
            filled[column].append(var)
        for (row, a, b), var in both.items():
            taken[row].append(var)
            filled[a].append(var)
            filled[b].append(var)
        for variables in taken.values():
            model.add_at_most_one(variables)
        packed = {column for package in self._rules.packages for column in package}
        missing: list[tuple[cp_model.LinearExprT, int]] = []
        shortage = self._pairs.shortage().tolist()
        for column in self._columns:
            count = self._wanted[column]
            if column not in packed:
                model.add(sum(filled[column]) <= count)
            missing.append((count - sum(filled[column]), shortage[column]))
        for package in self._rules.packages:
            comes = model.new_bool_var("")
            for column in package:
                model.add(sum(filled[column]) == self._wanted[column] * comes)
        self._reserve(model, goes, both)
        price = [
            *(cost * goes[pair] for pair, cost in self._posed.items()),
            *(
                (self._posed[row, a] + self._posed[row, b] - self._bare(row)) * var
                for (row, a, b), var in both.items()
            ),
            *(each * number for number, each in missing),
        ]
        model.minimize(sum(price))
        began = set(zip(hint.row.tolist(), hint.column.tolist(), strict=True))
        for pair, var in goes.items():
            model.add_hint(var, pair in began)
        for var in both.values():
            model.add_hint(var, False)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 7
        solver.parameters.max_deterministic_time = LIMIT
        status = solver.solve(model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            # No answer yet at the limit: the mended flow keeps every rule.
            lost = 1.0 if self._doubles.units else self._gap(hint.cost, self._first.cost)
            return replace(hint, solved=FEASIBLE, gap=lost)
        chosen = [pair for pair, var in goes.items() if solver.value(var)]
        for (row, a, b), var in both.items():
            if solver.value(var):
                chosen += [(row, a), (row, b)]
        return self._answer(sorted(chosen), hint, solver, is_best=status == cp_model.OPTIMAL)

    def _answer(
        self,
        chosen: list[tuple[int, int]],
        hint: Choice,
        solver: cp_model.CpSolver,
        *,
        is_best: bool,
    ) -> Choice:
        inside = np.isin(self._first.column, self._columns)
        rest = self._first.row[~inside], self._first.column[~inside]
        row = np.concatenate([rest[0], np.array([r for r, _ in chosen], np.intp)])
        column = np.concatenate([rest[1], np.array([c for _, c in chosen], np.intp)])
        got = np.bincount(column, minlength=len(self._wanted))
        short = np.maximum(0, np.array(self._wanted, np.int64) - got)
        cost = int(self._pairs.cost(row, column).sum())
        cost += int((short * self._pairs.shortage()).sum())
        cost -= sum(self._bare(r) for r in _twice(row))
        found, bound = round(solver.objective_value), round(solver.best_objective_bound)
        gap = 0.0 if is_best else self._gap(found, bound)
        if not self._whole and not self._doubles.units:
            # The flow over all pairs bounds what those that weren't posed could win.
            gap = max(gap, self._gap(cost, self._first.cost))
        if cost > hint.cost:
            lost = self._gap(hint.cost, self._first.cost)
            return replace(hint, solved=FEASIBLE, gap=max(gap, lost))
        solved = OPTIMAL if gap == 0.0 and self._whole else FEASIBLE
        return Choice(row, column, cost, solved, gap)

    def _gap(self, cost: int, bound: int) -> float:
        return round(max(0.0, (cost - bound) / max(1, abs(cost))), 9)

    def _bare(self, row: int) -> int:
        """What a unit's going leaves bare: counted once, in however many roles it goes."""
        bare_s = self._pairs.problem.bare_s
        if bare_s is None:
            return 0
        given = list(self._pairs.problem.unit_ids).index(self._pairs.units[row])
        return round(float(bare_s[given]) * TICKS_PER_S) * PRIORITY_WEIGHT[1] * TIE_RANGE

    def _in_question(self) -> list[int]:
        """Columns that packages, roles or reserves touch, and all that share units with them."""
        columns = {column for package in self._rules.packages for column in package}
        columns |= {column for pair in self._doubles.units for column in pair}
        rows = {row for bound in self._rules.reserves for row in bound.rows}
        groups = [(set(g.rows.tolist()), set(g.columns.tolist())) for g in self._pairs.groups]
        while True:
            grown = [(r, c) for r, c in groups if c & columns or r & rows]
            before = len(rows), len(columns)
            for more_rows, more_columns in grown:
                rows |= more_rows
                columns |= more_columns
            if before == (len(rows), len(columns)):
                return sorted(column for column in columns if self._wanted[column])

    def _candidates(self, listed: Listed) -> dict[tuple[int, int], int]:
        """Pairs that are posed, with their costs."""
        mine = np.flatnonzero(np.isin(listed.column, self._columns))
        mine = mine[~np.isin(listed.row[mine], sorted(self._used))]
        self._whole = len(mine) <= POSED and bool(
            (listed.floor[self._columns] == np.iinfo(np.int64).max).all()
        )
        if len(mine) > POSED:
            of = listed.column[mine]
            place = np.arange(len(mine)) - np.searchsorted(of, of)
            wanted = np.array(self._wanted, np.int64)
            mine = mine[place < wanted[of] + BESIDE]
        row, column = listed.row[mine], listed.column[mine]
        inside = np.isin(self._first.column, self._columns)
        row = np.concatenate([row, self._first.row[inside]])
        column = np.concatenate([column, self._first.column[inside]])
        cost = self._pairs.cost(row, column)
        posed = zip(row.tolist(), column.tolist(), cost.tolist(), strict=True)
        return {(r, c): price for r, c, price in sorted(posed)}

    def _reserve(
        self,
        model: cp_model.CpModel,
        goes: dict[tuple[int, int], cp_model.IntVar],
        both: dict[tuple[int, int, int], cp_model.IntVar],
    ) -> None:
        for bound in self._rules.reserves:
            breaking: list[cp_model.IntVar] = []
            other: list[cp_model.IntVar] = []
            for (row, column), var in goes.items():
                if row in bound.rows:
                    (breaking if column in bound.breaking else other).append(var)
            for (row, a, b), var in both.items():
                if row in bound.rows:
                    freely = a in bound.breaking or b in bound.breaking
                    (breaking if freely else other).append(var)
            if not other:
                continue
            kept = model.new_bool_var("")
            model.add(sum(other) + sum(breaking) <= bound.spare).only_enforce_if(kept)
            model.add(sum(other) == 0).only_enforce_if(~kept)


def _twice(rows: NDArray[np.intp]) -> list[int]:
    values, times = np.unique(rows, return_counts=True)
    return [int(row) for row in values[times > 1].tolist()]
