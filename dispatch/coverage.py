"""What is left for the next call: expected coverage, and what each unit's going takes from it.

For: the planner's cost of leaving a place bare, and move-ups. Expected coverage is Daskin's
(MEXCLP; Daskin, A maximum expected covering location model, Transportation Science 17, 1983): a
call is in reach of k idle units, each of which may be busy by then with probability q, so somebody
comes in time with 1 - q^k. Instead of one radius there are some (`RADII`), each worth the seconds
from it to the next, those past the mark for lateness `assignment.LATE_FACTOR` times more: so
coverage is in seconds, as the model's other costs are.

Where the next calls come from is :mod:`dispatch.demand`'s; which skills urgent calls asked for,
the journal has seen.

A unit counts where it stands: at home or at a post, also on its way there, else in the middle of
the nearest square. It is at home where a vehicle stops that came home: at its street, or within
`HOME_M` of it, for a station stands back from the road and a position is never exact. Times
between posts and squares are computed once for each set of closures.

Demand and worth are kept as whole numbers, whose sums are the same in any order: so is what is
chosen by them, on every machine.

Not for: saying who may go. Pure: situation and travel times in, numbers out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from dispatch.assignment import LATE_FACTOR
from dispatch.correlation import distance_m
from dispatch.demand import WHOLE, DemandMap
from dispatch.policy import Policy
from dispatch.profiles import DRIVEN
from dispatch.travel_times import TravelTimes
from dispatch.wanted import sendable
from models.events import Point
from models.situation import Situation, Unit

RADII = (0.5, 0.7, 0.85, 1.0, 1.25, 1.6, 2.0, 2.5)
"""Marks at which coverage is counted, as shares of ``late_s``; the last ends the one before."""

LEAST_SHARE = 0.05
"""Skills that fewer of the urgent calls ask for are not looked at."""

LEAST_BUSY, MOST_BUSY = 0.15, 0.85

HOME_M = 50.0
"""A unit that is no farther from home than its street is, and these metres, is at home."""

REMEMBERED = 4
"""Formations that are kept: that of the fleet, and of the idle ones before and after an order."""

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
class Formation:
    """Who stands where: all of coverage that neither hour nor demand changes.

    Attributes
    ----------
    reach : float (n, marks * squares)
        1 where a unit is within a mark of a square.
    has : float (classes, n)
        1 where a unit has the skills of a class.
    counts : int (classes, marks * squares)
        Units of a class that are in reach.
    spare : float (classes, marks * squares)
        Chance that nobody of a class who is in reach is idle by then.
    busy
        For each class: chance that a unit is busy.
    """

    reach: NDArray[np.float64]
    has: NDArray[np.float64]
    counts: NDArray[np.int64]
    spare: NDArray[np.float64]
    busy: tuple[float, ...]

    @classmethod
    def of(
        cls, reach: NDArray[np.float64], has: NDArray[np.float64], busy: tuple[float, ...]
    ) -> Formation:
        """Return the formation of units with this reach."""
        counts = np.asarray(has @ reach, dtype=np.int64)
        return cls(reach, has, counts, _spare(counts, busy), busy)


@dataclass(frozen=True)
class State:
    """Coverage by class of skills: what `Coverage.bare` and move-ups are computed from.

    Attributes
    ----------
    units
        The idle ones, by id.
    asked
        For each class: share of urgent calls that ask for it.
    demand : float (marks * squares)
        Parts of `WHOLE` by square, once for each mark.
    """

    units: tuple[Unit, ...]
    formation: Formation
    asked: tuple[float, ...]
    demand: NDArray[np.float64]

    def share(self) -> float:
        """Return the expected share of demand that somebody reaches in time."""
        return self._share(_late(self.formation.spare))

    def share_with(self, row: int, reach: NDArray[np.float64]) -> float:
        """Return the share if the unit of a row stood elsewhere, with this reach."""
        now = self.formation
        moved = np.rint(_late(reach) - _late(now.reach[row])).astype(np.int64)
        counts = _late(now.counts) + now.has[:, row, None].astype(np.int64) * moved
        return self._share(_spare(counts, now.busy))

    def _share(self, spare: NDArray[np.float64]) -> float:
        one = _late(self.demand)
        parts = [
            asked * float(np.rint(one * (1 - of_class)).sum())
            for asked, of_class in zip(self.asked, spare, strict=True)
        ]
        return sum(parts) / WHOLE / (sum(self.asked) or 1.0)


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
        self._demand = DemandMap(situation, travel.graph.node_lonlat)
        self._reach_rows: dict[Point, int] = {}
        self._drives: dict[str, bool] = {}
        self._home_m: dict[Point, float] = {}
        self._closed = travel.closures
        self._formations: dict[tuple[object, ...], Formation] = {}
        self._classes: tuple[_Class, ...] = ()
        self._classes_key: tuple[object, ...] = ()
        marks = [mark * policy.late_s for mark in RADII]
        self._worth = np.repeat(
            [
                (after - mark) * (LATE_FACTOR if row >= _LATE else 1.0)
                for row, (mark, after) in enumerate(pairwise(marks))
            ],
            len(self._demand.places),
        )
        self._reach = np.zeros((0, len(self._worth)))

    def bare(self, units: Sequence[Unit], now: datetime) -> Bare:
        """Return coverage as it stands, and what the going of these units would cost.

        Notes
        -----
        Some 1 ms with 160 units and 250 squares.
        """
        state = self.state(now)
        formation = state.formation
        calls = self._demand.calls_per_s(now) * self._policy.busy_s
        rows = {unit.id: row for row, unit in enumerate(state.units)}
        cost_s, loss = np.zeros(len(state.units)), np.zeros(len(state.units))
        for asked, busy, has, spare in zip(
            state.asked, formation.busy, formation.has, formation.spare, strict=True
        ):
            # A unit's going makes q^(k-1) of q^k where it is in reach.
            lost = np.rint(state.demand * spare * (1 / busy - 1))
            cost_s += asked * has * (formation.reach @ np.rint(lost * self._worth))
            loss += asked * has * (_late(formation.reach) @ _late(lost))
        weight = sum(state.asked) or 1.0
        cost_s = np.minimum(
            cost_s * (calls / WHOLE * self._policy.coverage_weight), self._policy.coverage_most_s
        )
        mine = [rows.get(unit.id, -1) for unit in units]
        padded = np.append(cost_s, 0.0), np.append(loss / WHOLE / weight, 0.0)
        return Bare(state.share(), self.whole(now), padded[0][mine], padded[1][mine])

    def state(self, now: datetime) -> State:
        """Return coverage by class as it stands."""
        idle = tuple(
            u for _, u in sorted(self._situation.units.items()) if sendable(u) and self._counts(u)
        )
        return self._state(idle, [self.stands(u) for u in idle], now)

    def share_if(self, now: datetime, going: Set[str], coming: Iterable[Unit]) -> float:
        """Return the share if these units went, and these became idle and on their way home."""
        stay = [u for u in self.state(now).units if u.id not in going]
        places = {u.id: self.stands(u) for u in stay}
        for unit in coming:
            if self._counts(unit):
                stay.append(unit)
                places[unit.id] = unit.home_lon, unit.home_lat
        idle = tuple(sorted(stay, key=lambda u: u.id))
        return self._state(idle, [places[u.id] for u in idle], now).share()

    def _counts(self, unit: Unit) -> bool:
        """Say whether a unit is part of coverage: our own, and not on foot or a bicycle."""
        drives = self._drives.get(unit.kind)
        if drives is None:
            drives = self._drives[unit.kind] = self._travel.profile_of(unit.kind) in DRIVEN
        return drives and not unit.neighbour

    def whole(self, now: datetime) -> float:
        """Return the share reached with the whole fleet at home and idle."""
        fleet = tuple(u for _, u in sorted(self._situation.units.items()) if self._counts(u))
        return self._state(fleet, [(u.home_lon, u.home_lat) for u in fleet], now).share()

    def _state(self, units: tuple[Unit, ...], places: Sequence[Point], now: datetime) -> State:
        classes = self.classes()
        demand = np.tile(self._demand.parts(now), _MARKS)
        return State(
            units, self._formation(units, places), tuple(asked for _, asked in classes), demand
        )

    def _formation(self, units: tuple[Unit, ...], places: Sequence[Point]) -> Formation:
        """Return how these units stand at these places; what was the last ones' is remembered."""
        self._forget_closed()
        sets = tuple(sets for sets, _ in self.classes())
        fleet = tuple(u.skills for u in self._situation.units.values() if self._counts(u))
        key = sets, fleet, tuple(u.skills for u in units), tuple(places)
        formation = self._formations.pop(key, None)
        if formation is None:
            rows = {one: row for row, one in enumerate(dict.fromkeys(fleet))}
            fits = np.array([[_skills_fit(one, each) for each in sets] for one in rows], float)
            fits = fits.reshape(len(rows), len(sets))
            has = fits.take([rows[u.skills] for u in units], axis=0).T
            whole = fits.take([rows[one] for one in fleet], axis=0).sum(axis=0)
            busy = tuple(
                # Urgent calls may ask for skills that no unit of this fleet has.
                min(MOST_BUSY, max(LEAST_BUSY, 1 - mine / (all_of_them or 1.0)))
                for mine, all_of_them in zip(has.sum(axis=1).tolist(), whole.tolist(), strict=True)
            )
            formation = Formation.of(self._rows(places), has, busy)
        self._formations[key] = formation
        while len(self._formations) > REMEMBERED:
            del self._formations[next(iter(self._formations))]
        return formation

    def reach(self, place: Point) -> NDArray[np.float64]:
        """Return which squares are within which mark of a place."""
        return np.asarray(self._rows([place])[0])

    def won(
        self, state: State, units: Sequence[int], places: Sequence[Point]
    ) -> NDArray[np.float64]:
        """Estimate what coverage wins if one of these units (rows) moves to one of these places.

        What it takes along from where both are in reach is counted twice, so a move is worth a
        little more than this.
        """
        formation = state.formation
        here, there = _late(formation.reach[list(units)]), _late(self._rows(places))
        result = np.zeros((len(units), len(places)))
        for asked, busy, has, spare in zip(
            state.asked, formation.busy, formation.has, formation.spare, strict=True
        ):
            free = _late(state.demand) * _late(spare)
            gain = there @ np.rint(free * (1 - busy))
            loss = here @ np.rint(free * (1 / busy - 1))
            result += asked * has[list(units), None] * (gain[None, :] - loss[:, None])
        return result / WHOLE / (sum(state.asked) or 1.0)

    def classes(self) -> tuple[_Class, ...]:
        """Return what urgent calls ask for and how many do: each by itself, and anyone of them.

        The last stands for the first to arrive, whoever it is.
        """
        demand = self._situation.demand
        units = self._situation.units
        stand = demand.calls, tuple(sorted(demand.asked.items())), len(units)
        if stand == self._classes_key:
            return self._classes
        found: list[_Class] = []
        for key, count in sorted(demand.asked.items()):
            skills = frozenset(key.split("|"))
            asked = min(1.0, count / max(demand.calls, 1))
            if asked >= LEAST_SHARE and any(_fits(u, (skills,)) for u in units.values()):
                found.append(((skills,), asked))
        if len(found) > 1:
            found.append((tuple(sets[0] for sets, _ in found), 1.0))
        self._classes_key, self._classes = stand, tuple(found)
        return self._classes

    def stands(self, unit: Unit) -> Point:
        """Return the place that a unit counts at."""
        if unit.post and unit.post_lon is not None and unit.post_lat is not None:
            return unit.post_lon, unit.post_lat
        if unit.state == "returning" or self.at_home(unit):
            return unit.home_lon, unit.home_lat
        return self._demand.nearest_place((unit.lon, unit.lat))

    def at_home(self, unit: Unit) -> bool:
        """Say whether a unit is where those stand who came home."""
        home = unit.home_lon, unit.home_lat
        here = unit.lon, unit.lat
        if here == home:
            return True
        if home not in self._home_m:
            self._home_m[home] = self._travel.snap(*home).distance_m + HOME_M
        return distance_m(*here, *home) <= self._home_m[home]

    def _rows(self, places: Sequence[Point]) -> NDArray[np.float64]:
        self._forget_closed()
        known = self._reach_rows
        new = sorted({place for place in places if place not in known})
        if new:
            seconds = self._travel.matrix(new, self._demand.places) + self._policy.turnout_s
            within = [seconds <= mark * self._policy.late_s for mark in RADII[:_MARKS]]
            known.update((place, row) for row, place in enumerate(new, start=len(known)))
            self._reach = np.vstack([self._reach, np.concatenate(within, axis=1)])
        rows = np.fromiter((known[place] for place in places), np.intp, len(places))
        return self._reach.take(rows, axis=0)

    def _forget_closed(self) -> None:
        closed = self._travel.closures
        if closed != self._closed:
            self._closed = closed
            self._reach_rows.clear()
            self._reach = np.zeros((0, len(self._worth)))
            self._formations.clear()


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
