"""The grid finds the same streets as a search over all of them, by Shapely."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import shapely

from dispatch.roads import AreaClosure, CircleClosure, RoadGraph


def drawn(graph: RoadGraph) -> list[shapely.LineString]:
    rows = range(len(graph.edge_ids))
    return [shapely.LineString(graph.projection.metres(graph.geometry(row))) for row in rows]


@pytest.mark.parametrize("seed", range(12))
def test_the_nearest_street_is_the_nearest_of_all(
    random_roads: Callable[[int], RoadGraph], seed: int
) -> None:
    graph, chance = random_roads(seed), np.random.default_rng(seed)
    low, high = graph.node_lonlat.min(axis=0), graph.node_lonlat.max(axis=0)
    wide = high - low
    places = np.concatenate(
        [
            chance.uniform(low, high, (40, 2)),
            chance.uniform(low - 5 * wide, high + 5 * wide, (10, 2)),
            graph.node_lonlat,
            graph.coords[::7],
        ]
    )
    rows, shares, off_m = graph.index.nearest(places)
    lines = drawn(graph)
    for at, place in enumerate(graph.projection.metres(places)):
        point = shapely.Point(place)
        metres = shapely.distance(lines, point)
        assert off_m[at] == pytest.approx(metres.min(), abs=1e-6)
        # Streets that meet are equally near to their crossing; the first is taken.
        near = np.flatnonzero(metres < metres.min() + 1e-9).tolist()
        assert rows[at] in near
        if metres.min() == 0:
            assert rows[at] == near[0]
        line = lines[int(rows[at])]
        there = line.interpolate(float(shares[at]), normalized=True)
        assert shapely.distance(there, point) == pytest.approx(float(off_m[at]), abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_a_closure_closes_what_it_touches_and_nothing_else(
    random_roads: Callable[[int], RoadGraph], seed: int
) -> None:
    graph, chance = random_roads(seed), np.random.default_rng(seed)
    low, high = graph.node_lonlat.min(axis=0) - 0.002, graph.node_lonlat.max(axis=0) + 0.002
    lines = drawn(graph)
    for radius_m in (0.0, 40.0, 400.0, 40_000.0):
        lon, lat = chance.uniform(low, high).tolist()
        centre = shapely.Point(graph.projection.metres(np.array([[lon, lat]]))[0])
        hit = np.flatnonzero(shapely.distance(lines, centre) <= radius_m).tolist()
        closed = graph.edges_in(CircleClosure(lon, lat, radius_m))
        assert closed == {graph.edge_ids[row] for row in hit}
    for _ in range(4):
        ring = chance.uniform(low, high, (3, 2))
        area = shapely.Polygon(graph.projection.metres(ring))
        hit = np.flatnonzero(shapely.intersects(lines, area)).tolist()
        closed = graph.edges_in(AreaClosure(tuple((lon, lat) for lon, lat in ring.tolist())))
        assert closed == {graph.edge_ids[row] for row in hit}


def test_far_from_any_city_nothing_is_closed(tiny_roads: RoadGraph) -> None:
    assert tiny_roads.edges_in(CircleClosure(10.0, 50.0, 500.0)) == frozenset()
