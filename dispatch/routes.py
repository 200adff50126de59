"""A way from one place to another, point by point, street by street.

For: drawing a route, naming its streets, and telling where somebody on it is after some seconds.
Not for: finding it (``dispatch.travel_times``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from dispatch.roads import RoadGraph

FAR_M = 300.0
"""Farther than this from every street, a point is off the road, in metres."""

WALK_M_S = 1.4
"""Walking speed where no vehicle gets through, in metres per second."""

Point = tuple[float, float]
"""lon, lat in degrees, WGS-84."""

Leg = tuple[int, float, float, float]
"""A stretch of one edge: its row, from and to which fraction, milliseconds."""


class Snap(msgspec.Struct, frozen=True):
    """Where a point meets the network.

    Attributes
    ----------
    edge : int
        Row of the nearest edge in the graph; of several equally near the first.
    fraction : float
        0 at the edge's u, 1 at its v.
    distance_m : float
        From the point to the street.
    """

    edge: int
    fraction: float
    distance_m: float

    @property
    def far(self) -> bool:
        """Whether the point lies off the road (`FAR_M`)."""
        return self.distance_m > FAR_M

    @property
    def walk_s(self) -> float:
        """Seconds on foot between point and street; 0 near one."""
        return self.distance_m / WALK_M_S if self.far else 0.0


class Route(msgspec.Struct, frozen=True):
    """A way from one place to another.

    Attributes
    ----------
    geometry : tuple of (lon, lat)
        At least two points.
    elapsed_s : tuple of float
        Seconds since the start at each point of `geometry`; never falling, last is `time_s`.
    length_m, time_s : float
        `time_s` is what `TravelTimes.matrix` says for the same pair.
    streets : tuple of (name, length_m)
        Those driven, in order of travel, neighbours of one name merged; the name may be ''.
    edge_ids : tuple of str
        Edges driven, in order, with those where it starts and ends.
    off_road : bool
        Start or end lies farther than `FAR_M` from every street.
    """

    geometry: tuple[Point, ...]
    elapsed_s: tuple[float, ...]
    length_m: float
    time_s: float
    streets: tuple[tuple[str, float], ...]
    edge_ids: tuple[str, ...]
    off_road: bool

    def position_at(self, elapsed_s: float) -> Point:
        """Where somebody is after so many seconds; clamped to start and end."""
        lons, lats = zip(*self.geometry, strict=True)
        return (
            float(np.interp(elapsed_s, self.elapsed_s, lons)),
            float(np.interp(elapsed_s, self.elapsed_s, lats)),
        )


def walk_s(graph: RoadGraph, origin: Point, destination: Point) -> float:
    """Seconds on foot in a straight line."""
    ends = graph.projection.metres(np.array([origin, destination]))
    return float(np.hypot(*(ends[1] - ends[0]))) / WALK_M_S


def walked_route(graph: RoadGraph, origin: Point, destination: Point) -> Route:
    """The straight line on foot, for two places that are both off the road."""
    time_s = walk_s(graph, origin, destination)
    return Route(
        geometry=(origin, destination),
        elapsed_s=(0.0, time_s),
        length_m=time_s * WALK_M_S,
        time_s=time_s,
        streets=(),
        edge_ids=(),
        off_road=True,
    )


def make_route(
    graph: RoadGraph,
    origin: Point,
    destination: Point,
    snaps: tuple[Snap, Snap],
    legs: Sequence[Leg],
) -> Route:
    """Put the legs of a way together.

    Parameters
    ----------
    origin, destination
        As asked; they become part of the way where they lie off the road.
    snaps
        Where these two meet the network.
    legs
        In order; where one ends the next begins.
    """
    start, goal = snaps
    driven = [leg for leg in legs if _length_m(graph, leg) > 0.01] or list(legs[:1])
    points: list[Point] = []
    times: list[float] = []
    streets: list[tuple[str, float]] = []
    edge_ids: list[str] = []
    length_m = clock_s = 0.0
    if start.far:
        points.append(origin)
        times.append(0.0)
        length_m, clock_s = start.distance_m, start.walk_s
    for leg in driven:
        row, begin, end, ms = leg
        cut, share = _cut(graph, row, begin, end)
        points.extend(cut)
        times.extend(clock_s + part * ms / 1000.0 for part in share)
        clock_s += ms / 1000.0
        length_m += _length_m(graph, leg)
        before = streets.pop() if streets and streets[-1][0] == graph.edge_name[row] else None
        so_far = before[1] if before else 0.0
        streets.append((graph.edge_name[row], so_far + _length_m(graph, leg)))
        if not edge_ids or edge_ids[-1] != graph.edge_ids[row]:
            edge_ids.append(graph.edge_ids[row])
    clock_s = start.walk_s + sum(leg[3] for leg in legs) / 1000.0
    if goal.far:
        length_m, clock_s = length_m + goal.distance_m, clock_s + goal.walk_s
        points.append(destination)
        times.append(clock_s)
    keep = [0, *(at for at, (one, two) in enumerate(pairwise(points), start=1) if one != two)]
    if len(keep) == 1:
        keep.append(len(points) - 1)
    return Route(
        geometry=tuple(points[at] for at in keep),
        elapsed_s=(*(times[at] for at in keep[:-1]), clock_s),
        length_m=length_m,
        time_s=clock_s,
        streets=tuple(streets),
        edge_ids=tuple(edge_ids),
        off_road=start.far or goal.far,
    )


def _length_m(graph: RoadGraph, leg: Leg) -> float:
    return abs(leg[2] - leg[1]) * float(graph.edge_length_m[leg[0]])


def _cut(graph: RoadGraph, row: int, begin: float, end: float) -> tuple[list[Point], list[float]]:
    """Points of an edge from one fraction to another, and each one's share of that way."""
    shape = graph.geometry(row)
    steps = np.hypot(*np.diff(graph.projection.metres(shape), axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    along /= along[-1] or 1.0
    low, high = min(begin, end), max(begin, end)
    inner = along[(along > low) & (along < high)]
    at = np.concatenate([[low], inner, [high]])
    lons, lats = np.interp(at, along, shape[:, 0]), np.interp(at, along, shape[:, 1])
    share = (at - low) / ((high - low) or 1.0)
    points = list(zip(lons.tolist(), lats.tolist(), strict=True))
    if begin <= end:
        return points, share.tolist()
    return points[::-1], (1.0 - share[::-1]).tolist()
