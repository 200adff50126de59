"""Who is beyond a threshold near whom: the devices of a rule that asks for a quorum.

Pure; for :mod:`streams.sense`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

from dispatch.correlation import distance_m
from models.events import Point
from streams.sense_rules import Quorum

METRES_A_DEGREE = 111_195.0


class Neighbours:
    """The devices of a quorum's rule that are beyond its threshold, by place."""

    def __init__(self, quorum: Quorum) -> None:
        self._quorum = quorum
        self._waiting = _Neighbourhood(quorum.radius_m)
        self._active = _Neighbourhood(quorum.radius_m)

    def has_active_near(self, place: Point, at: float, heard_of: Callable[[str], float]) -> bool:
        """Whether an episode is on within the radius, of a device that was heard lately."""
        oldest = at - self._quorum.within_s
        return any(heard_of(name) >= oldest for name, _ in self._active.near(place))

    def gather(self, name: str, place: Point, at: float) -> list[str]:
        """Let a device wait; return the names within its radius, itself included, sorted."""
        self._waiting.put(name, place, at)
        oldest = at - self._quorum.within_s
        return sorted(other for other, heard in self._waiting.near(place) if heard >= oldest)

    def activate(self, name: str, place: Point | None) -> None:
        """Note that a device's episode is on."""
        self._waiting.drop(name)
        if place is not None:
            self._active.put(name, place, 0.0)

    def leave(self, name: str) -> None:
        """Note that a device is no longer beyond, or its episode over."""
        self._waiting.drop(name)
        self._active.drop(name)


class _Neighbourhood:
    """Names with a place and a time, in squares a little wider than the radius."""

    def __init__(self, radius_m: float) -> None:
        self._radius_m = radius_m
        self._squares: dict[tuple[int, int], dict[str, tuple[Point, float]]] = {}
        self._where: dict[str, tuple[int, int]] = {}
        # Squares are as wide as they are high where the first device stands; a city is small.
        self._east: float | None = None
        self._step = METRES_A_DEGREE / (radius_m * 1.1)

    def put(self, name: str, place: Point, at: float) -> None:
        self.drop(name)
        square = self._where[name] = self._square(place)
        self._squares.setdefault(square, {})[name] = (place, at)

    def drop(self, name: str) -> None:
        square = self._where.pop(name, None)
        if square is not None:
            del self._squares[square][name]
            if not self._squares[square]:
                del self._squares[square]

    def near(self, place: Point) -> Iterator[tuple[str, float]]:
        column, row = self._square(place)
        for square in product((column - 1, column, column + 1), (row - 1, row, row + 1)):
            for name, (where, at) in self._squares.get(square, {}).items():
                if distance_m(*place, *where) <= self._radius_m:
                    yield name, at

    def _square(self, place: Point) -> tuple[int, int]:
        if self._east is None:
            self._east = self._step * max(0.01, math.cos(math.radians(place[1])))
        return math.floor(place[0] * self._east), math.floor(place[1] * self._step)
