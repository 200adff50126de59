"""A way from one place to another, point by point, street by street.

For: drawing a route, naming its streets, and telling where somebody on it is after some seconds.
Not for: finding it (``dispatch.travel_times``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from dispatch.roads import RoadGraph

FAR_M = 300.0
"""Farther than this from every street, a point is off the road, in metres."""

WALK_M_S = 1.4
"""Walking speed where no vehicle gets through, in metres per second."""

MOST_WALKED_M = 2000.0
"""A way of a vehicle with more than this on foot, in metres, is one for a person to decide on: 24
minutes, and as far from every street as a place may be to be of the city (`dispatch.far`). Rather
a position is wrong, or the map lacks a street."""

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
        At least two points. It ends where the vehicle stops: at the cordon, with that point
        twice, when the rest is walked over closed streets.
    elapsed_s : tuple of float
        Seconds since the start at each point of `geometry`; never falling, last is `time_s`.
    length_m, time_s : float
        `time_s` is what `TravelTimes.matrix` says for the same pair.
    streets : tuple of (name, length_m)
        Those driven, in order of travel, neighbours of one name merged; the name may be ''.
    edge_ids : tuple of str
        Edges driven, in order, with those where it starts and ends. Of closed ones only the one
        that it starts on, to leave it.
    off_road : bool
        Start or end lies farther than `FAR_M` from every street.
    walked_m : float
        Metres of `length_m` that are on foot: off the road, or over closed streets.
    cordon_ids : tuple of str
        Closed edges that are walked over at the end, in order.
    cordon_m : float
        Metres of `walked_m` over these.
    """

    geometry: tuple[Point, ...]
    elapsed_s: tuple[float, ...]
    length_m: float
    time_s: float
    streets: tuple[tuple[str, float], ...]
    edge_ids: tuple[str, ...]
    off_road: bool
    walked_m: float
    cordon_ids: tuple[str, ...] = ()
    cordon_m: float = 0.0

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
        walked_m=time_s * WALK_M_S,
    )


def make_route(
    graph: RoadGraph,
    places: tuple[Point, Point],
    snaps: tuple[Snap, Snap],
    driven: Sequence[Leg],
    walked: Sequence[Leg],
) -> Route:
    """Put the legs of a way together.

    Parameters
    ----------
    places
        Origin and destination as asked; part of the way where they lie off the road.
    snaps
        Where these two meet the network.
    driven, walked
        Legs in order, those on foot last; where one ends the next begins. Not both empty.
    """
    start, goal = snaps
    first = (driven or walked)[0]
    points, times = _cut(graph, first[0], first[1], first[1])
    if start.far:
        points, times = [places[0], points[0]], [0.0, start.walk_s]
    streets: list[tuple[str, float]] = []
    edge_ids: list[str] = []
    clock_s = start.walk_s
    for leg in driven:
        row, begin, end, ms = leg
        # A leg of no length is the crossing that the next one begins at.
        if _length_m(graph, leg) > 0.01:
            cut, share = _cut(graph, row, begin, end)
            points.extend(cut)
            times.extend(clock_s + part * ms / 1000.0 for part in share)
            before = streets.pop() if streets and streets[-1][0] == graph.edge_name[row] else None
            so_far = before[1] if before else 0.0
            streets.append((graph.edge_name[row], so_far + _length_m(graph, leg)))
            if not edge_ids or edge_ids[-1] != graph.edge_ids[row]:
                edge_ids.append(graph.edge_ids[row])
        clock_s += ms / 1000.0
    keep = [0, *(at for at, (one, two) in enumerate(pairwise(points), start=1) if one != two)]
    geometry, elapsed_s = [points[at] for at in keep], [times[at] for at in keep]
    elapsed_s[-1] = clock_s if len(keep) > 1 else elapsed_s[-1]
    clock_s += sum(leg[3] for leg in walked) / 1000.0 + goal.walk_s
    if walked or goal.far or len(geometry) == 1:
        geometry.append(places[1] if goal.far else geometry[-1])
        elapsed_s.append(clock_s)
    driven_m = math.fsum(length_m for _, length_m in streets)
    cordon_m = math.fsum(_length_m(graph, leg) for leg in walked)
    walked_m = cordon_m + sum(snap.distance_m for snap in snaps if snap.far)
    return Route(
        geometry=tuple(geometry),
        elapsed_s=tuple(elapsed_s),
        length_m=driven_m + walked_m,
        time_s=clock_s,
        streets=tuple(streets),
        edge_ids=tuple(edge_ids),
        off_road=start.far or goal.far,
        walked_m=walked_m,
        cordon_ids=tuple(dict.fromkeys(graph.edge_ids[leg[0]] for leg in walked)),
        cordon_m=cordon_m,
    )


def _length_m(graph: RoadGraph, leg: Leg) -> float:
    return abs(leg[2] - leg[1]) * float(graph.edge_length_m[leg[0]])


def _cut(graph: RoadGraph, row: int, begin: float, end: float) -> tuple[list[Point], list[float]]:
    """Points of an edge from one fraction to another, and each one's share of that way."""
    shape = graph.geometry(row)
    if len(shape) == 2:  # a straight street needs no measuring, and most streets are straight
        (x1, y1), (x2, y2) = shape.tolist()
        ends = [(x1 + f * (x2 - x1), y1 + f * (y2 - y1)) for f in (begin, end)]
        return ends, [0.0, 1.0]
    along = graph.along(row)
    low, high = min(begin, end), max(begin, end)
    if (low, high) == (0.0, 1.0):
        share, lonlat = along, shape
    else:
        inner = along[(along > low) & (along < high)]
        at = np.concatenate([[low], inner, [high]])
        share = (at - low) / ((high - low) or 1.0)
        lonlat = np.column_stack([np.interp(at, along, line) for line in shape.T])
    points = [(lon, lat) for lon, lat in lonlat.tolist()]
    if begin <= end:
        return points, share.tolist()
    return points[::-1], (1.0 - share[::-1]).tolist()
