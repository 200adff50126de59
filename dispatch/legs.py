"""A unit's way from one place to another in time: where it is when, and what it still passes.

For: the simulator, and for telling how far along its way somebody is. A leg takes as long as it is
told, whatever the road would take; along it the unit keeps the pace of its route, or one pace where
it only has a line.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise

from dispatch.correlation import distance_m
from dispatch.routes import WALK_M_S, Route
from models.events import Point


@dataclass(frozen=True)
class Leg:
    """Points, and the share of the time at which each is reached (0 to 1, never falling)."""

    points: tuple[Point, ...]
    shares: tuple[float, ...]
    start: datetime
    end: datetime

    @classmethod
    def along(cls, points: Sequence[Point], start: datetime, seconds: float) -> Leg:
        """Return a leg at one pace along a line of at least one point."""
        steps = [distance_m(*one, *two) for one, two in pairwise(points)]
        length_m = sum(steps)
        shares = [0.0, *(so_far / (length_m or 1.0) for so_far in accumulate(steps))]
        return cls(tuple(points), tuple(shares), start, _end(start, seconds))

    @classmethod
    def of_route(cls, route: Route, start: datetime, seconds: float | None = None) -> Leg:
        """Return a leg at the route's own pace, stretched to take so many seconds if given."""
        whole = route.time_s or 1.0
        shares = tuple(elapsed / whole for elapsed in route.elapsed_s)
        taken = route.time_s if seconds is None else seconds
        return cls(route.geometry, shares, start, _end(start, taken))

    @classmethod
    def on_foot(cls, origin: Point, goal: Point, start: datetime) -> Leg:
        """Return the straight line at walking pace."""
        return cls.along((origin, goal), start, distance_m(*origin, *goal) / WALK_M_S)

    @property
    def goal(self) -> Point:
        """Where it leads."""
        return self.points[-1]

    def position(self, now: datetime) -> Point:
        """Return where one is now; at an end before and after."""
        share = self._share(now)
        if share >= 1.0:
            return self.points[-1]
        at = max(0, bisect_right(self.shares, share) - 1)
        if at + 1 >= len(self.points):
            return self.points[-1]
        before, after = self.shares[at], self.shares[at + 1]
        part = (share - before) / (after - before) if after > before else 1.0
        (lon1, lat1), (lon2, lat2) = self.points[at], self.points[at + 1]
        return lon1 + (lon2 - lon1) * part, lat1 + (lat2 - lat1) * part

    def passes(self, now: datetime, lon: float, lat: float, radius_m: float) -> bool:
        """Say whether what is left of the way comes within a radius of a point."""
        share = self._share(now)
        left = [p for p, reached in zip(self.points, self.shares, strict=True) if reached > share]
        ways = pairwise([self.position(now), *left])
        return any(_gap_m(one, two, lon, lat) <= radius_m for one, two in ways)

    def _share(self, now: datetime) -> float:
        whole = (self.end - self.start).total_seconds()
        if whole <= 0:
            return 1.0
        return min(1.0, max(0.0, (now - self.start).total_seconds() / whole))


@lru_cache(maxsize=1 << 10)
def passed(points: tuple[Point, ...], place: Point) -> tuple[float, float]:
    """Return how much of a line's length lies behind its point nearest to a place, 0 to 1.

    Of several that are equally near the first; with the metres from there to the place.
    """
    lon, lat = place
    whole, best = 0.0, (math.inf, 0.0)
    for one, two in pairwise(points):
        length_m = distance_m(*one, *two)
        away_m, part = _nearest(one, two, lon, lat)
        if away_m < best[0]:
            best = away_m, whole + part * length_m
        whole += length_m
    away_m, so_far = best
    if not whole:
        return 0.0, distance_m(*points[0], lon, lat)
    return so_far / whole, away_m


def _end(start: datetime, seconds: float) -> datetime:
    return start + timedelta(seconds=round(max(0.0, seconds), 1))


def _gap_m(one: Point, two: Point, lon: float, lat: float) -> float:
    return _nearest(one, two, lon, lat)[0]


def _nearest(one: Point, two: Point, lon: float, lat: float) -> tuple[float, float]:
    """Metres from a point to a stretch of some hundred metres, and the share before that place.

    On a plane around the point.
    """
    tall = distance_m(lon, lat, lon, lat + 0.001) / 0.001
    wide = tall * math.cos(math.radians(lat))
    ax, ay = (one[0] - lon) * wide, (one[1] - lat) * tall
    bx, by = (two[0] - lon) * wide, (two[1] - lat) * tall
    length = (bx - ax) ** 2 + (by - ay) ** 2
    part = 0.0 if length == 0 else min(1.0, max(0.0, -(ax * (bx - ax) + ay * (by - ay)) / length))
    return math.hypot(ax + part * (bx - ax), ay + part * (by - ay)), part
