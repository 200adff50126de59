"""What is left for the next call: expected coverage, and what each unit's going takes from it.

For: the planner's cost of leaving a place bare, and move-ups. Expected coverage is Daskin's
(MEXCLP; Daskin, A maximum expected covering location model, Transportation Science 17, 1983): a
call is in reach of k idle units, each of which may be busy by then with probability q, so somebody
comes in time with 1 - q^k. Instead of one radius there are some (`RADII`), each worth the seconds
from it to the next, those past the mark for lateness `assignment.LATE_FACTOR` times more: so
coverage is in seconds, as the model's other costs are.

Demand is what the journal has seen (`models.situation.Demand`): urgent calls by square and hour
of the day, and which skills they asked for. Before anything is known it lies where streets meet,
as `PRIOR_CALLS` calls' worth, at `PRIOR_PER_UNIT_DAY`; so it learns within days and starts
sensibly.

A unit counts where it stands: at home or at a post, also on its way there, else in the middle of
the nearest square. Times between posts and squares are computed once for each set of closures.

Demand and worth are kept as whole numbers, whose sums are the same in any order: so is what is
chosen by them, on every machine.

Not for: saying who may go. Pure: situation and travel times in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from dispatch.assignment import LATE_FACTOR
from dispatch.policy import Policy
from dispatch.travel_times import TravelTimes
from dispatch.wanted import sendable
from models.events import Point
from models.situation import DEMAND_SIDE_DEG, Situation, Unit

RADII = (0.5, 0.7, 0.85, 1.0, 1.25, 1.6, 2.0, 2.5)
"""Marks at which coverage is counted, as shares of ``late_s``; the last ends the one before."""

SQUARES = 300
"""Squares at most; a wider city has larger ones."""

PRIOR_CALLS = 100.0
PRIOR_PER_UNIT_DAY = 1.0
PRIOR_S = 6 * 3600.0
"""For how long the rate of calls before anything is known counts."""

HOUR_KERNEL = (0.25, 0.5, 1.0, 0.5, 0.25)
"""Weight of the hours around the one that is asked for; the rest of the day counts `ANY_HOUR`."""

ANY_HOUR = 0.15
LEAST_SHARE = 0.05
"""Skills that fewer of the urgent calls ask for are not looked at."""

LEAST_BUSY, MOST_BUSY = 0.15, 0.85

_DEMAND = 10_000_000
"""Whole parts that all demand is divided into."""

_LATE = RADII.index(1.0)
_MARKS = len(RADII) - 1
_Number = TypeVar("_Number", np.float64, np.int64)
_Class: TypeAlias = tuple[tuple[frozenset[str], ...], float]
"""Sets of skills of which a unit needs one, and the share of urgent calls that ask for it."""


@dataclass(frozen=True)
class Bare:
    """What coverage is, and what each of some units takes from it by going.

    Attributes
    ----------
    share
        Expected share of urgent demand that somebody reaches in time, 0 to 1.
    full
        The same with the whole fleet at home and idle.
    cost_s : float (n,)
        Seconds that urgent calls are expected to wait longer if this unit goes, for as long as
        it will be gone.
    loss : float (n,)
        What `share` loses by it.
    """

    share: float
    full: float
    cost_s: NDArray[np.float64]
    loss: NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """Coverage by class of skills: what `Coverage.bare` and move-ups are computed from.

    Attributes
    ----------
    units
        The idle ones, by id.
    reach : float (n, marks * squares)
        1 where a unit is within a mark of a square.
    has : float (classes, n)
        1 where a unit has the skills of a class.
    counts : int (classes, marks * squares)
        Units of a class that are in reach.
    spare : float (classes, marks * squares)
        Chance that nobody of a class who is in reach is idle by then.
    busy, asked
        For each class: chance that a unit is busy, share of urgent calls that ask for it.
    """

    units: tuple[Unit, ...]
    reach: NDArray[np.float64]
    has: NDArray[np.float64]
    counts: NDArray[np.int64]
    spare: NDArray[np.float64]
    busy: tuple[float, ...]
    asked: tuple[float, ...]
    demand: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        units: tuple[Unit, ...],
        reach: NDArray[np.float64],
        has: NDArray[np.float64],
        busy: tuple[float, ...],
        asked: tuple[float, ...],
        demand: NDArray[np.float64],
    ) -> State:
        """Return the state of these units."""
        counts = np.asarray(has @ reach, dtype=np.int64)
        return cls(units, reach, has, counts, _spare(counts, busy), busy, asked, demand)

    def share(self) -> float:
        """Return the expected share of demand that somebody reaches in time."""
        return self._share(_late(self.spare))

    def share_with(self, row: int, reach: NDArray[np.float64]) -> float:
        """Return the share if the unit of a row stood elsewhere, with this reach."""
        moved = np.rint(_late(reach) - _late(self.reach[row])).astype(np.int64)
        counts = _late(self.counts) + self.has[:, row, None].astype(np.int64) * moved
        return self._share(_spare(counts, self.busy))

    def _share(self, spare: NDArray[np.float64]) -> float:
        one = _late(self.demand)
        parts = [
            asked * float(np.rint(one * (1 - of_class)).sum())
            for asked, of_class in zip(self.asked, spare, strict=True)
        ]
        return sum(parts) / _DEMAND / (sum(self.asked) or 1.0)


class Coverage:
    """Expected coverage of one jurisdiction.

    Parameters
    ----------
    travel
        The planner's; asked only when closures or posts are new.
    """

    def __init__(self, situation: Situation, travel: TravelTimes, policy: Policy) -> None:
        self._situation = situation
        self._travel = travel
        self._policy = policy
        self._side, self.places, self._prior = _squares(travel.graph.node_lonlat)
        self._lonlat = np.array(self.places, dtype=np.float64)
        self._at = {self._key(place): row for row, place in enumerate(self.places)}
        self._reach: dict[Point, NDArray[np.float64]] = {}
        self._closed: frozenset[str] = frozenset()
        self._shares: dict[tuple[int, int], NDArray[np.float64]] = {}
        self._full: dict[tuple[object, ...], float] = {}
        self._classes: tuple[_Class, ...] = ()
        self._classes_key: tuple[object, ...] = ()
        self._classes_of: tuple[_Class, ...] = ()
        self._columns: dict[tuple[str, ...], NDArray[np.float64]] = {}
        marks = [mark * policy.late_s for mark in RADII]
        self._worth = np.repeat(
            [
                (after - mark) * (LATE_FACTOR if row >= _LATE else 1.0)
                for row, (mark, after) in enumerate(pairwise(marks))
            ],
            len(self.places),
        )

    def bare(self, units: Sequence[Unit], now: datetime) -> Bare:
        """Return coverage as it stands, and what the going of these units would cost.

        Notes
        -----
        Some 1 ms with 160 units and 250 squares.
        """
        state = self.state(now)
        calls = self._calls_per_s(now) * self._policy.busy_s
        rows = {unit.id: row for row, unit in enumerate(state.units)}
        cost_s, loss = np.zeros(len(state.units)), np.zeros(len(state.units))
        for asked, busy, has, spare in zip(
            state.asked, state.busy, state.has, state.spare, strict=True
        ):
            # A unit's going makes q^(k-1) of q^k where it is in reach.
            lost = np.rint(state.demand * spare * (1 / busy - 1))
            cost_s += asked * has * (state.reach @ np.rint(lost * self._worth))
            loss += asked * has * (_late(state.reach) @ _late(lost))
        weight = sum(state.asked) or 1.0
        cost_s = np.minimum(
            cost_s * (calls / _DEMAND * self._policy.coverage_weight), self._policy.coverage_most_s
        )
        mine = [rows.get(unit.id, -1) for unit in units]
        padded = np.append(cost_s, 0.0), np.append(loss / _DEMAND / weight, 0.0)
        return Bare(state.share(), self.whole(now), padded[0][mine], padded[1][mine])

    def state(self, now: datetime) -> State:
        """Return coverage by class as it stands."""
        idle = tuple(u for _, u in sorted(self._situation.units.items()) if sendable(u))
        classes = self.classes()
        has, fleet = self._has(idle, classes)
        busy = tuple(
            min(MOST_BUSY, max(LEAST_BUSY, 1 - mine / whole))
            for mine, whole in zip(has.sum(axis=1).tolist(), fleet, strict=True)
        )
        reach = self._rows([self.stands(u) for u in idle])
        asked = tuple(asked for _, asked in classes)
        return State.of(idle, reach, has, busy, asked, self._demand(now))

    def reach(self, place: Point) -> NDArray[np.float64]:
        """Return which squares are within which mark of a place."""
        return np.asarray(self._rows([place])[0])

    def _has(
        self, units: Sequence[Unit], classes: tuple[_Class, ...]
    ) -> tuple[NDArray[np.float64], list[float]]:
        """Return who of some units is of which class, and how many of the fleet are."""
        if classes != self._classes:
            self._classes, self._columns = classes, {}
        columns = self._columns
        fleet = np.zeros(len(classes))
        for unit in self._situation.units.values():
            if unit.skills not in columns:
                columns[unit.skills] = np.array([_fits(unit, sets) for sets, _ in classes], float)
            fleet += columns[unit.skills]
        mine = [columns[unit.skills] for unit in units]
        return np.array(mine).reshape(len(units), len(classes)).T, fleet.tolist()

    def won(
        self, state: State, units: Sequence[int], places: Sequence[Point]
    ) -> NDArray[np.float64]:
        """Estimate what coverage wins if one of these units (rows) moves to one of these places.

        What it takes along from where both are in reach is counted twice, so a move is worth a
        little more than this.
        """
        here, there = _late(state.reach[list(units)]), _late(self._rows(places))
        result = np.zeros((len(units), len(places)))
        for asked, busy, has, spare in zip(
            state.asked, state.busy, state.has, state.spare, strict=True
        ):
            free = _late(state.demand) * _late(spare)
            gain = there @ np.rint(free * (1 - busy))
            loss = here @ np.rint(free * (1 / busy - 1))
            result += asked * has[list(units), None] * (gain[None, :] - loss[:, None])
        return result / _DEMAND / (sum(state.asked) or 1.0)

    def classes(self) -> tuple[_Class, ...]:
        """Return what urgent calls ask for and how many do: each by itself, and anyone of them.

        The last stands for the first to arrive, whoever it is.
        """
        demand = self._situation.demand
        units = self._situation.units
        stand = demand.calls, tuple(sorted(demand.asked.items())), len(units)
        if stand == self._classes_key:
            return self._classes_of
        found: list[_Class] = []
        for key, count in sorted(demand.asked.items()):
            skills = frozenset(key.split("|"))
            asked = min(1.0, count / max(demand.calls, 1))
            if asked >= LEAST_SHARE and any(_fits(u, (skills,)) for u in units.values()):
                found.append(((skills,), asked))
        if len(found) > 1:
            found.append((tuple(sets[0] for sets, _ in found), 1.0))
        self._classes_key, self._classes_of = stand, tuple(found)
        return self._classes_of

    def stands(self, unit: Unit) -> Point:
        """Return the place that a unit counts at."""
        if unit.post and unit.post_lon is not None and unit.post_lat is not None:
            return unit.post_lon, unit.post_lat
        if unit.state == "returning" or _at_home(unit):
            return unit.home_lon, unit.home_lat
        return self.nearest_place((unit.lon, unit.lat))

    def nearest_place(self, place: Point) -> Point:
        """Return the middle of the nearest square."""
        if (row := self._at.get(self._key(place))) is not None:
            return self.places[row]
        squint = math.cos(math.radians(place[1]))
        off = (self._lonlat - np.array(place)) * np.array([squint, 1.0])
        return self.places[int(np.argmin((off**2).sum(axis=1)))]

    def _key(self, place: Point) -> tuple[int, int]:
        return math.floor(place[0] / self._side), math.floor(place[1] / self._side)

    def whole(self, now: datetime) -> float:
        """Share reached with the whole fleet at home and idle."""
        fleet = [u for _, u in sorted(self._situation.units.items())]
        classes = self.classes()
        homes = tuple((u.home_lon, u.home_lat) for u in fleet)
        # One is enough: it changes with demand, not with who is busy.
        key = (homes, classes, now.hour, self._situation.demand.calls, self._closed)
        if key not in self._full:
            has, _ = self._has(fleet, classes)
            asked = tuple(asked for _, asked in classes)
            busy = (LEAST_BUSY,) * len(classes)
            whole = State.of(tuple(fleet), self._rows(homes), has, busy, asked, self._demand(now))
            self._full = {key: whole.share()}
        return self._full[key]

    def _rows(self, places: Sequence[Point]) -> NDArray[np.float64]:
        closed = self._travel.closed_edges
        if closed != self._closed:
            self._closed = closed
            self._reach.clear()
        new = sorted({place for place in places if place not in self._reach})
        if new:
            seconds = self._travel.matrix(new, self.places) + self._policy.turnout_s
            for place, one in zip(new, seconds, strict=True):
                within = [one <= mark * self._policy.late_s for mark in RADII[:_MARKS]]
                self._reach[place] = np.concatenate(within).astype(np.float64)
        if not places:
            return np.zeros((0, _MARKS * len(self.places)))
        return np.stack([self._reach[place] for place in places])

    def _demand(self, now: datetime) -> NDArray[np.float64]:
        """Parts of `_DEMAND` by square, once for each mark."""
        demand = self._situation.demand
        key = now.hour, demand.calls
        if key not in self._shares:
            seen = np.zeros(len(self.places))
            for name, count in sorted(demand.places.items()):
                column, row, hour = map(int, name.split(":"))
                middle = (column + 0.5) * DEMAND_SIDE_DEG, (row + 0.5) * DEMAND_SIDE_DEG
                at = self._at.get(self._key(middle))
                if at is None:
                    at = self._at[self._key(self.nearest_place(middle))]
                off = (hour - now.hour + 12) % 24 - 12
                seen[at] += count * (HOUR_KERNEL[off + 2] if abs(off) <= 2 else ANY_HOUR)
            whole = float(seen.sum())
            # Calls of other hours count less, but a city that was seen for long is known.
            seen *= demand.calls / whole if whole else 0.0
            shares = (seen + PRIOR_CALLS * self._prior) / (demand.calls + PRIOR_CALLS)
            self._shares = {key: np.tile(np.rint(shares * _DEMAND), _MARKS)}
        return self._shares[key]

    def _calls_per_s(self, now: datetime) -> float:
        demand = self._situation.demand
        seen_s = (now - demand.since).total_seconds() if demand.since else 0.0
        prior = len(self._situation.units) * PRIOR_PER_UNIT_DAY / 86_400 * PRIOR_S
        return (demand.calls + prior) / (max(0.0, seen_s) + PRIOR_S)


def _late(line: NDArray[_Number]) -> NDArray[_Number]:
    """Return the part of marks by squares that the mark of lateness has."""
    squares = line.shape[-1] // _MARKS
    return line[..., _LATE * squares : (_LATE + 1) * squares]


def _spare(counts: NDArray[np.int64], busy: Iterable[float]) -> NDArray[np.float64]:
    tables = []
    for one, count in zip(busy, counts, strict=True):
        powers = [1.0]
        for _ in range(int(count.max(initial=0))):
            powers.append(powers[-1] * one)
        tables.append(np.array(powers)[count])
    return np.array(tables).reshape(counts.shape)


@lru_cache(maxsize=1 << 12)
def _skills_fit(skills: tuple[str, ...], sets: tuple[frozenset[str], ...]) -> bool:
    has = frozenset(skills)
    return any(one <= has for one in sets)


def _fits(unit: Unit, sets: tuple[frozenset[str], ...]) -> bool:
    return _skills_fit(unit.skills, sets)


def _at_home(unit: Unit) -> bool:
    return abs(unit.lon - unit.home_lon) < 1e-4 and abs(unit.lat - unit.home_lat) < 1e-4


def _squares(
    nodes: NDArray[np.float64],
) -> tuple[float, list[Point], NDArray[np.float64]]:
    """Side of the squares, for each the crossing nearest to its middle, its share of crossings."""
    fold = 1
    while True:
        side = DEMAND_SIDE_DEG * fold
        keys, inverse, counts = np.unique(
            np.floor(nodes / side).astype(np.int64), axis=0, return_inverse=True, return_counts=True
        )
        if len(keys) <= SQUARES:
            break
        fold += 1
    middles = (keys + 0.5) * side
    inverse = inverse.reshape(-1)
    off = ((nodes - middles[inverse]) ** 2).sum(axis=1)
    order = np.lexsort((np.arange(len(nodes)), off, inverse))
    first = order[np.searchsorted(inverse[order], np.arange(len(keys)))]
    places = [(float(lon), float(lat)) for lon, lat in nodes[first]]
    return side, places, counts / counts.sum()
