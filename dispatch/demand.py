"""Where the next urgent call may come from: the city in squares, and each one's share by hour.

For: coverage. Demand is what the journal has seen (`models.situation.Demand`): urgent calls by
square and hour of the day. Before anything is known it lies where streets meet, as `PRIOR_CALLS`
calls' worth, at `PRIOR_PER_UNIT_DAY`; so it learns within days and starts sensibly.

Shares are whole numbers, parts of `WHOLE`, and counted from whole numbers: so they are the same in
whatever order calls and squares were met, on every machine.
"""

from __future__ import annotations

import math
from datetime import datetime
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from models.events import Point
from models.situation import DEMAND_SIDE_DEG, Situation

SQUARES = 300
"""Squares at most; a wider city has larger ones."""

PRIOR_CALLS = 100.0
PRIOR_PER_UNIT_DAY = 1.0
PRIOR_S = 6 * 3600.0
"""For how long the rate of calls before anything is known counts."""

HOUR_KERNEL = (0.25, 0.5, 1.0, 0.5, 0.25)
"""Weight of the hours around the one that is asked for; the rest of the day counts `ANY_HOUR`."""

ANY_HOUR = 0.15

WHOLE = 10_000_000
"""Whole parts that all demand is divided into."""

_HOURS = 24


class DemandMap:
    """Expected demand of one jurisdiction by square.

    Attributes
    ----------
    places
        Of each square, the crossing nearest to its middle.
    """

    def __init__(self, situation: Situation, nodes: NDArray[np.float64]) -> None:
        self._situation = situation
        self._side, self.places, self._prior = _squares(nodes)
        self._lonlat = np.array(self.places, dtype=np.float64)
        self._at = {self._key(place): row for row, place in enumerate(self.places)}
        self._bins: list[int] = []
        self._parts_key: tuple[int, int] | None = None
        self._parts: NDArray[np.float64] = np.zeros(0)

    def nearest_place(self, place: Point) -> Point:
        """Return the place of the nearest square."""
        return self.places[self._square(place)]

    def parts(self, now: datetime) -> NDArray[np.float64]:
        """Return the parts of `WHOLE` by square, for this hour."""
        demand = self._situation.demand
        key = now.hour, demand.calls
        if key != self._parts_key:
            by_hour = self._by_hour()
            around = [(now.hour + off) % _HOURS for off in range(-2, 3)]
            others = by_hour.sum(axis=0) - by_hour[around].sum(axis=0)
            seen = np.array(HOUR_KERNEL) @ by_hour[around] + ANY_HOUR * others
            whole = float(np.rint(seen * 100).sum()) / 100
            # Calls of other hours count less, but a city that was seen for long is known.
            seen *= demand.calls / whole if whole else 0.0
            shares = (seen + PRIOR_CALLS * self._prior) / (demand.calls + PRIOR_CALLS)
            self._parts_key, self._parts = key, np.rint(shares * WHOLE)
        return self._parts

    def calls_per_s(self, now: datetime) -> float:
        """Return how many urgent calls are expected a second."""
        demand = self._situation.demand
        seen_s = (now - demand.since).total_seconds() if demand.since else 0.0
        prior = len(self._situation.units) * PRIOR_PER_UNIT_DAY / 86_400 * PRIOR_S
        return (demand.calls + prior) / (max(0.0, seen_s) + PRIOR_S)

    def _by_hour(self) -> NDArray[np.float64]:
        """Calls seen, by hour and square."""
        seen = self._situation.demand.places
        # Names are only ever added, at the end: each is read once.
        for name in islice(seen, len(self._bins), None):
            column, row, hour = map(int, name.split(":"))
            middle = (column + 0.5) * DEMAND_SIDE_DEG, (row + 0.5) * DEMAND_SIDE_DEG
            self._bins.append(hour * len(self.places) + self._square(middle))
        counts = np.fromiter(seen.values(), np.float64, len(seen))
        bins = np.array(self._bins, dtype=np.int64)
        whole = np.bincount(bins, counts, minlength=_HOURS * len(self.places))
        return whole.astype(np.float64).reshape(_HOURS, len(self.places))

    def _square(self, place: Point) -> int:
        if (row := self._at.get(self._key(place))) is not None:
            return row
        squint = math.cos(math.radians(place[1]))
        off = (self._lonlat - np.array(place)) * np.array([squint, 1.0])
        return int(np.argmin((off**2).sum(axis=1)))

    def _key(self, place: Point) -> tuple[int, int]:
        return math.floor(place[0] / self._side), math.floor(place[1] / self._side)


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
