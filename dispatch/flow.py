"""The joint choice as a flow of least cost, over few of the pairs and proven against all.

For: :func:`dispatch.assignment.solve`. Relies on OR-Tools' minimum-cost flow (cost-scaling
push-relabel; Goldberg, An efficient implementation of a scaling minimum-cost flow algorithm,
J. Algorithms 22, 1997).

The model: unit (1) → slot (count), the cost of the pair on the way; a unit may go to the hub
instead and stay, and the hub sends for want of a unit at a cost beyond that of any way.

Of a large problem only the pairs that `dispatch.pairs.Pairs.cheapest` lists are posed. The answer
gives each slot a price, what one unit more would save it, and each unit what it is worth to
others (the dual of the flow; Ahuja, Magnanti, Orlin: Network Flows, 1993, section 9). It is the
best over all pairs as soon as no pair that was left out costs less than the price of its slot
less the worth of its unit; those that do are added, and it is solved again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from dispatch.pairs import ALL_LISTED, TIE_RANGE, Group, Listed, Pairs
from dispatch.problem import AssignmentError

_AT_ONCE = 32
_NO_PRICE = np.iinfo(np.int64).min // 4


@dataclass(frozen=True)
class Choice:
    """Pairs chosen, as rows and columns, and what they cost with the shortages.

    Attributes
    ----------
    solved
        Empty: by the flow alone. Else how CP-SAT ended: see `dispatch.packages`.
    gap
        Relative gap to the best that may still be hidden.
    """

    row: NDArray[np.intp]
    column: NDArray[np.intp]
    cost: int
    solved: str = ""
    gap: float = 0.0


@dataclass(frozen=True)
class _Part:
    """Groups that share units, and what is still wanted of their slots.

    Attributes
    ----------
    wanted : int (n_slots,)
        0 for the slots of other parts.
    """

    groups: Sequence[Group]
    wanted: NDArray[np.int64]


def least_cost(pairs: Pairs, listed: Listed, used: Iterable[int], wanted: Sequence[int]) -> Choice:
    """Choose the pairs that cost least in all.

    Parameters
    ----------
    listed
        Where to begin: some of the pairs, or all.
    used
        Rows of units that aren't to be had.
    wanted
        Units still wanted, by column.

    Raises
    ------
    AssignmentError
        The solver refused: the costs are out of its range.
    """
    free = np.ones(len(pairs.units), dtype=np.bool_)
    free[list(used)] = False
    counts = np.array(wanted, dtype=np.int64)
    shortage = pairs.shortage()
    rows, columns, cost = [], [], 0
    served = np.zeros(len(counts), dtype=np.bool_)
    for part in _parts(pairs, counts):
        served |= part.wanted > 0
        found = _solve(pairs, listed, part, free, shortage)
        rows.append(found.row)
        columns.append(found.column)
        cost += found.cost
    cost += int((shortage * counts)[~served].sum())
    none = np.zeros(0, dtype=np.intp)
    return Choice(np.concatenate([none, *rows]), np.concatenate([none, *columns]), cost)


def _parts(pairs: Pairs, wanted: NDArray[np.int64]) -> Iterable[_Part]:
    """Groups apart that share no unit: each is a problem by itself, and a smaller one."""
    part_of = np.full(len(pairs.units), -1)
    parts: dict[int, list[Group]] = {}
    for at, group in enumerate(pairs.groups):
        if not wanted[group.columns].any():
            continue
        mine = [group]
        for other in np.unique(part_of[group.rows]).tolist():
            mine.extend(parts.pop(other, ()))
        for each in mine:
            part_of[each.rows] = at
        parts[at] = mine
    for groups in parts.values():
        mine_wanted = np.zeros_like(wanted)
        for group in groups:
            mine_wanted[group.columns] = wanted[group.columns]
        yield _Part(groups, mine_wanted)


def _solve(
    pairs: Pairs,
    listed: Listed,
    part: _Part,
    free: NDArray[np.bool_],
    shortage: NDArray[np.int64],
) -> Choice:
    mine = (part.wanted[listed.column] > 0) & free[listed.row]
    row, column, cost = listed.row[mine], listed.column[mine], listed.cost[mine]
    price, worth = np.zeros(len(part.wanted), np.int64), np.zeros(len(free), np.int64)
    most: int | None = None
    while True:
        on = _flow(row, column, cost, part.wanted, shortage, price, worth, most)
        short = part.wanted - np.bincount(column[on], minlength=len(part.wanted))
        total = int(cost[on].sum()) + int((short * shortage).sum())
        if (listed.floor[part.wanted > 0] == ALL_LISTED).all():
            return Choice(row[on], column[on], total)
        price, worth = _prices(
            row, column, cost, on, np.where(short > 0, shortage, _NO_PRICE), len(free)
        )
        more = _cheaper(pairs, part, listed.floor, free, price, worth)
        if not len(more[0]):
            return Choice(row[on], column[on], total)
        dear = pairs.cost(*more)
        most = _most_to_gain(*more, dear - price[more[1]] + worth[more[0]], part.wanted)
        row, column = np.concatenate([row, more[0]]), np.concatenate([column, more[1]])
        cost = np.concatenate([cost, dear])


def _flow(
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    cost: NDArray[np.int64],
    wanted: NDArray[np.int64],
    shortage: NDArray[np.int64],
    price: NDArray[np.int64],
    worth: NDArray[np.int64],
    most: int | None,
) -> NDArray[np.intp]:
    """Which of these pairs are chosen.

    Prices change what every answer costs by the same, so they may be taken off; right ones leave
    the solver little to do. And who takes a way that is dearer by more than there is to gain
    (`most`) can't be the best: such pairs are left out.
    """
    cost = cost - price[column] + worth[row]
    taken = np.arange(len(row)) if most is None else np.flatnonzero(cost <= most)
    here = np.zeros(len(worth), dtype=np.bool_)
    here[row[taken]] = True
    names, wanting = np.flatnonzero(here), np.flatnonzero(wanted)
    unit, slot = np.cumsum(here) - 1, len(names) + np.cumsum(wanted > 0) - 1
    idle, missing = worth[names], shortage[wanting] - price[wanting]
    if most is not None:
        idle, missing = np.minimum(idle, most + 1), np.minimum(missing, most + 1)
    hub = len(names) + len(wanting)
    tails = [unit[row[taken]], unit[names], np.full(len(wanting), hub)]
    heads = [slot[column[taken]], np.full(len(names), hub), slot[wanting]]
    caps = [np.ones(len(taken), np.int64), np.ones(len(names), np.int64), wanted[wanting]]
    flow = SimpleMinCostFlow()
    arcs = flow.add_arcs_with_capacity_and_unit_cost(
        np.concatenate(tails),
        np.concatenate(heads),
        np.concatenate(caps),
        np.concatenate([cost[taken], idle, missing]),
    )
    rest = np.array([wanted.sum() - len(names)])
    supplies = [np.ones(len(names), np.int64), -wanted[wanting], rest]
    flow.set_nodes_supplies(np.arange(hub + 1), np.concatenate(supplies))
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise AssignmentError(f"minimum-cost flow ended with {status}; the costs are out of range")
    return taken[np.flatnonzero(np.asarray(flow.flows(arcs[: len(taken)])) > 0)]


def _prices(
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    cost: NDArray[np.int64],
    on: NDArray[np.intp],
    price: NDArray[np.int64],
    units: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Least prices of slots and worths of units that prove an answer over these pairs.

    By Bellman and Ford, from what slots that stay short are worth (`price`): a chosen pair makes
    its slot's price at least its cost and its unit's worth, and a pair makes its unit's worth at
    least what its slot's price leaves over.
    """
    worth = np.zeros(units, dtype=np.int64)
    on_row, on_column, on_cost = row[on], column[on], cost[on]
    before = np.full_like(price, _NO_PRICE)
    while True:
        np.maximum.at(price, on_column, on_cost + worth[on_row])
        risen = price > before
        if not risen.any():
            return price, worth
        at = np.flatnonzero(risen[column])
        np.maximum.at(worth, row[at], price[column[at]] - cost[at])
        before = price.copy()


def _most_to_gain(
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    over: NDArray[np.int64],
    wanted: NDArray[np.int64],
) -> int:
    """Return what these pairs may save at most, each saving `-over`: no unit serves twice."""
    by_row = np.zeros(int(row.max()) + 1, np.int64)
    np.maximum.at(by_row, row, -over)
    by_column = np.zeros(len(wanted), np.int64)
    np.maximum.at(by_column, column, -over)
    return min(int(by_row.sum()), int((by_column * wanted).sum()))


def _cheaper(
    pairs: Pairs,
    part: _Part,
    floor: NDArray[np.int64],
    free: NDArray[np.bool_],
    price: NDArray[np.int64],
    worth: NDArray[np.int64],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pairs that the prices don't rule out; listed ones they do."""
    rows, columns = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    for group in part.groups:
        mine = group.columns[part.wanted[group.columns] > 0]
        room = price[mine] - floor[mine]
        order = np.argsort(-room, kind="stable")[: int((room > 0).sum())]
        mine, room = mine[order], room[order]
        can = group.rows[free[group.rows]]
        can = can[np.argsort(worth[can], kind="stable")]
        for first in range(0, len(mine), _AT_ONCE):
            # Who is worth too much to others isn't cheaper even at the least cost.
            few = can[: np.searchsorted(worth[can], room[first])]
            for column, ticks in pairs.blocks(mine[first : first + _AT_ONCE], few):
                cheap = ticks < (price[column, None] - worth[few]) / TIE_RANGE
                line, place = np.nonzero(cheap)
                row, at = few[place], column[line]
                sure = pairs.cost(row, at) + worth[row] < price[at]
                rows.append(row[sure])
                columns.append(at[sure])
    return np.concatenate(rows), np.concatenate(columns)
