"""Contraction hierarchies agree with Dijkstra's algorithm, closed streets or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from dispatch.roads import (
    AreaClosure,
    CircleClosure,
    EdgeClosure,
    RoadGraph,
    SlowZone,
    UnknownEdgeError,
)
from dispatch.routes import WALK_M_S
from dispatch.travel_times import BadPlaceError, TravelTimes
from models.city import CityPack
from models.settings import CHECKOUT

N00, N01, N11, N33 = (119.40, 31.40), (119.405, 31.40), (119.405, 31.405), (119.415, 31.415)


@pytest.fixture
def travel(tiny_roads: RoadGraph) -> TravelTimes:
    return TravelTimes(tiny_roads)


def dijkstra_s(
    graph: RoadGraph,
    closed: frozenset[str],
    factor: float,
    speeds: Mapping[str, float] = MappingProxyType({}),
) -> np.ndarray:
    """Seconds between all nodes, by networkx; some edges at a share of their speed."""
    weighted: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    weighted.add_nodes_from(graph.node_ids)
    for u, v, key, data in graph.to_networkx().edges(keys=True, data=True):
        if key not in closed:
            ms = max(1, round(data["length_m"] * 3600 / (data["speed_kmh"] * factor)))
            weighted.add_edge(u, v, weight=round(ms / speeds.get(key, 1.0)))
    table = np.full((len(graph.node_ids), len(graph.node_ids)), np.inf)
    for row, source in enumerate(graph.node_ids):
        found = nx.single_source_dijkstra_path_length(weighted, source)
        for column, target in enumerate(graph.node_ids):
            table[row, column] = found.get(target, math.inf) / 1000
    return table


def without_lonely_nodes(graph: RoadGraph) -> list[int]:
    """Nodes that have a street, so that a point at the node snaps to the node."""
    return sorted(set(graph.edge_u.tolist()) | set(graph.edge_v.tolist()))


@pytest.mark.parametrize("seed", range(30))
def test_matrix_is_dijkstras_before_during_and_after_closures(
    random_roads: Callable[[int], RoadGraph], seed: int
) -> None:
    graph, chance = random_roads(seed), np.random.default_rng(seed)
    travel = TravelTimes(graph, speed_factor=0.7)
    rows = without_lonely_nodes(graph)
    places = graph.node_lonlat[rows]
    grid = np.ix_(rows, rows)
    for share in (0.0, 0.3, 0.6, 0.1, 0.0):
        count = int(share * len(graph.edge_ids))
        closed = frozenset(chance.choice(graph.edge_ids, count, replace=False).tolist())
        assert travel.set_closures(closed) == closed
        truth = dijkstra_s(graph, closed, 0.7)[grid]
        # From or to a crossing on a closed street one starts or ends on that street: see the
        # rules; here only crossings that snap to an open one are compared.
        open_rows = [
            at for at, place in enumerate(places.tolist())
            if graph.edge_ids[travel.snap(*place).edge] not in closed
        ]  # fmt: skip
        part = np.ix_(open_rows, open_rows)
        got = travel.matrix(places[open_rows], places[open_rows])
        np.testing.assert_allclose(got, truth[part], atol=2e-3)
        np.testing.assert_allclose(
            travel.matrix(places[open_rows], places[open_rows[:2]]), got[:, :2], atol=1e-3
        )


def test_a_whole_citys_times_are_scipys_before_during_and_after_closures() -> None:
    """San Francisco, 14,000 streets: 60 places to 60 others."""
    graph = RoadGraph.load(CityPack.load(CHECKOUT / "cities" / "san_francisco"))
    travel, chance = TravelTimes(graph), np.random.default_rng(5)
    for share in (0.0, 0.02, 0.2, 0.0):
        count = int(share * len(graph.edge_ids))
        closed = travel.set_closures(chance.choice(graph.edge_ids, count, replace=False).tolist())
        is_open = np.array([edge not in closed for edge in graph.edge_ids])
        # Places that are the end of an open street, on no other street by chance.
        rows = []
        for row in chance.permutation(len(graph.node_ids)).tolist():
            snap = travel.snap(*graph.node_lonlat[row].tolist())
            ends = (graph.edge_u[snap.edge], graph.edge_v[snap.edge])
            if is_open[snap.edge] and snap.distance_m < 0.01 and row in ends:
                rows.append(row)
            if len(rows) == 120:
                break
        truth = scipy_s(graph, is_open, rows[:60])[:, rows[60:]]
        got = travel.matrix(graph.node_lonlat[rows[:60]], graph.node_lonlat[rows[60:]])
        assert share == 0.2 or np.isfinite(truth).mean() > 0.9
        # The place may lie a hand's breadth off the crossing.
        np.testing.assert_allclose(got, truth, rtol=1e-6, atol=0.05)


def scipy_s(graph: RoadGraph, is_open: np.ndarray, sources: list[int]) -> np.ndarray:
    """Seconds from some nodes to all, by SciPy; of streets side by side the faster one counts."""
    ms = np.maximum(np.rint(graph.edge_length_m * 3600 / graph.edge_speed_kmh), 1.0)
    there, back = is_open & (graph.edge_oneway >= 0), is_open & (graph.edge_oneway <= 0)
    tail = np.concatenate([graph.edge_u[there], graph.edge_v[back]])
    head = np.concatenate([graph.edge_v[there], graph.edge_u[back]])
    cost = np.concatenate([ms[there], ms[back]])
    order = np.lexsort((cost, head, tail))
    pairs = np.stack([tail[order], head[order]])
    first = np.append(True, (np.diff(pairs) != 0).any(axis=0))
    size = len(graph.node_ids)
    network = csr_array((cost[order][first], tuple(pairs[:, first])), shape=(size, size))
    return np.asarray(shortest_path(network, method="D", indices=sources)) / 1000


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 500),
    points=st.lists(
        st.tuples(st.floats(119.39, 119.46), st.floats(31.39, 31.46)), min_size=2, max_size=6
    ),
    share=st.sampled_from([0.0, 0.2, 0.5]),
)
def test_a_route_takes_what_the_matrix_says_and_shuns_what_is_closed(
    seed: int, points: list[tuple[float, float]], share: float
) -> None:
    graph = _network(seed)
    travel = TravelTimes(graph)
    chance = np.random.default_rng(seed)
    count = int(share * len(graph.edge_ids))
    closed = travel.set_closures(chance.choice(graph.edge_ids, count, replace=False).tolist())
    times = travel.matrix(points, points)
    for row, start in enumerate(points):
        for column, goal in enumerate(points):
            route = travel.route(start, goal)
            if route is None:
                assert times[row, column] == np.inf
                continue
            assert route.time_s == pytest.approx(float(times[row, column]), abs=2e-3, rel=1e-5)
            assert len(route.geometry) == len(route.elapsed_s) >= 2
            assert list(route.elapsed_s) == sorted(route.elapsed_s)
            assert route.elapsed_s[-1] == route.time_s
            # Closed streets only to get off the one where it starts.
            assert not closed & set(route.edge_ids[1:])
            driven = sum(length for _, length in route.streets)
            assert driven + route.walked_m == pytest.approx(route.length_m)


def _network(seed: int) -> RoadGraph:
    chance = np.random.default_rng(seed)
    places = chance.uniform([119.40, 31.40], [119.45, 31.45], (8, 2))
    nodes = {f"n{at}": (float(lon), float(lat)) for at, (lon, lat) in enumerate(places)}
    edges = [
        {
            "id": f"e{number:02d}", "u": f"n{u}", "v": f"n{v}", "speed_kmh": 36.0,
            "length_m": float(chance.integers(50, 900)), "oneway": int(chance.integers(-1, 2)),
            "road_class": "residential", "name": f"street {number % 3}", "layer": "streets",
            "geometry": np.array([places[u], (places[u] + places[v]) / 2 + 1e-3, places[v]]),
        }
        for number, (u, v) in enumerate(chance.integers(0, 8, (18, 2)).tolist())
    ]  # fmt: skip
    return RoadGraph(nodes, edges)


def test_the_way_goes_along_streets_with_their_names(travel: TravelTimes) -> None:
    route = travel.route((119.4025, 31.40), N11)
    assert route is not None
    names, lengths_m = zip(*route.streets, strict=True)
    assert names == ("Row 0", "Column 1")
    assert lengths_m == pytest.approx((237.5, 556))
    assert route.edge_ids == ("h00", "v01")
    assert route.time_s == pytest.approx(79.35)
    assert route.length_m == pytest.approx(793.5)
    assert route.geometry[0] == pytest.approx((119.4025, 31.40))
    assert route.geometry[-1] == pytest.approx(N11)
    assert route.position_at(-5) == route.geometry[0]
    assert route.position_at(23.75) == pytest.approx(N01)
    assert route.position_at(1e9) == route.geometry[-1]


def test_one_way_streets_hold(travel: TravelTimes) -> None:
    there, back = travel.route(N00, N01), travel.route(N01, N00)
    assert there is not None
    assert back is not None
    assert there.time_s == pytest.approx(47.5)
    assert back.edge_ids == ("v01", "h10", "v00")
    # Back along the same street, not from crossing to crossing, is round the block too.
    assert travel.matrix([(119.404, 31.40)], [(119.401, 31.40)])[0, 0] > 150


def test_units_go_round_a_closed_street(travel: TravelTimes) -> None:
    travel.set_closures([EdgeClosure("v01")])
    route = travel.route((119.4025, 31.40), N11)
    assert route is not None
    assert "v01" not in route.edge_ids
    assert travel.closed_edges == {"v01"}


def test_nobody_gets_into_a_ring_of_closed_streets(travel: TravelTimes) -> None:
    travel.set_closures(["h10", "h11", "v01", "v11"])
    assert travel.matrix([(119.41, 31.4101)], [N11])[0, 0] < np.inf  # snaps to a closed street
    travel.set_closures([CircleClosure(*N33, 30), AreaClosure(((119.41, 31.41),) * 4)])
    assert travel.closed_edges == {"h32", "v23", "h21", "h22", "v12", "v22"}
    assert travel.matrix([N00], [(119.4125, 31.4151)])[0, 0] > 150  # the rest on foot


def test_who_stands_on_a_closed_street_leaves_it_by_the_nearer_end(travel: TravelTimes) -> None:
    travel.set_closures(["v00"])
    route = travel.route((119.40, 31.401), N11)
    assert route is not None
    assert route.edge_ids == ("v00", "h00", "v01")
    assert route.time_s == pytest.approx((111.2 + 475 + 556) / 10, abs=0.1)


def test_to_a_place_on_a_closed_street_the_rest_is_walked(travel: TravelTimes) -> None:
    place = (119.405, 31.401)
    driven = travel.matrix([N01], [place])[0, 0]
    travel.set_closures(["v01"])
    walked = travel.matrix([(119.4049, 31.40)], [place])[0, 0]
    assert driven == pytest.approx(11.12, abs=0.05)
    assert walked == pytest.approx(111.2 / WALK_M_S + 1, abs=1.0)


def test_into_a_cordon_one_walks_from_its_border(travel: TravelTimes) -> None:
    """All streets within 600 m of the fire are closed; the engine stops outside, people go on."""
    fire = (119.4051, 31.405)
    travel.set_closures([CircleClosure(*fire, 600)])
    assert not {"h10", "h11", "v01", "v11", "h00", "v00"} - travel.closed_edges
    route = travel.route(N33, fire)
    assert route is not None
    assert route.time_s == pytest.approx(float(travel.matrix([N33], [fire])[0, 0]), abs=2e-3)
    assert not travel.closed_edges & set(route.edge_ids)
    assert 300 < route.walked_m < 1700
    # The vehicle waits at the cordon while its people walk on.
    assert route.geometry[-1] == route.geometry[-2]
    walk_s = route.elapsed_s[-1] - route.elapsed_s[-2]
    assert walk_s == pytest.approx(route.walked_m / WALK_M_S, rel=1e-3)


def test_nobody_drives_out_of_a_cordon_over_other_closed_streets(travel: TravelTimes) -> None:
    fire = (119.4051, 31.405)
    travel.set_closures([CircleClosure(*fire, 600)])
    assert travel.route(fire, N33) is None
    assert travel.matrix([fire], [N33])[0, 0] == np.inf


def test_far_from_every_street_the_rest_is_walked_and_said(travel: TravelTimes) -> None:
    near, far = (119.398, 31.40), (119.395, 31.40)
    assert not travel.snap(*near).far
    snap = travel.snap(*far)
    assert snap.far
    assert snap.distance_m == pytest.approx(474.6, abs=1)
    route = travel.route(N01, far)
    assert route is not None
    assert route.off_road
    assert route.geometry[-1] == far
    base = travel.matrix([N01], [N00])[0, 0]
    assert travel.matrix([N01], [near])[0, 0] == pytest.approx(base)
    assert route.time_s == pytest.approx(base + 474.6 / WALK_M_S, abs=1)


def test_two_neighbours_far_from_every_street_meet_on_foot(travel: TravelTimes) -> None:
    one, two = (119.300, 31.40), (119.300, 31.401)
    route = travel.route(one, two)
    assert route is not None
    assert route.geometry == (one, two)
    assert route.time_s == pytest.approx(111.2 / WALK_M_S, abs=0.2)
    assert travel.matrix([one], [two])[0, 0] == pytest.approx(route.time_s)
    assert travel.matrix([one], [one])[0, 0] == 0


@pytest.mark.parametrize("partial_up_to", [-1, 1000])
@pytest.mark.parametrize("seed", range(8))
def test_slow_zones_are_as_networkx_has_them(
    random_roads: Callable[[int], RoadGraph],
    seed: int,
    partial_up_to: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatch.metric._PARTIAL_MOST", partial_up_to)
    graph, chance = random_roads(seed), np.random.default_rng(seed)
    travel = TravelTimes(graph)
    places = graph.node_lonlat[without_lonely_nodes(graph)]
    grid = np.ix_(*[without_lonely_nodes(graph)] * 2)
    for _ in range(3):
        chosen = chance.choice(graph.edge_ids, len(graph.edge_ids) // 2, replace=False).tolist()
        speeds = {edge: float(chance.choice([0.25, 0.5, 0.9])) for edge in chosen}
        travel.set_closures(SlowZone(EdgeClosure(edge), speed) for edge, speed in speeds.items())
        truth = dijkstra_s(graph, frozenset(), 1.0, speeds)[grid]
        np.testing.assert_allclose(travel.matrix(places, places), truth, atol=2e-3)
        for one, start in enumerate(places.tolist()):
            for other, goal in enumerate(places.tolist()):
                route = travel.route((start[0], start[1]), (goal[0], goal[1]))
                time_s = route.time_s if route else np.inf
                assert time_s == pytest.approx(truth[one, other], abs=2e-3)


def test_of_several_zones_the_slowest_counts_and_a_closure_before_all(travel: TravelTimes) -> None:
    place = (119.4025, 31.40)
    half, third = (SlowZone(CircleClosure(*place, 50), speed) for speed in (0.5, 1 / 3))
    free = float(travel.matrix([N00], [N01])[0, 0])
    travel.set_closures([half])
    assert float(travel.matrix([N00], [N01])[0, 0]) == pytest.approx(2 * free, abs=2e-3)
    travel.set_closures([half, third])
    assert float(travel.matrix([N00], [N01])[0, 0]) == pytest.approx(3 * free, abs=2e-3)
    assert not travel.closed_edges
    travel.set_closures([half, "h00"])
    assert travel.closed_edges == {"h00"}
    travel.set_closures([])
    assert float(travel.matrix([N00], [N01])[0, 0]) == free


def test_an_unknown_edge_is_refused_and_changes_nothing(travel: TravelTimes) -> None:
    travel.set_closures(["h00"])
    with pytest.raises(UnknownEdgeError, match="h99"):
        travel.set_closures(["v00", "h99"])
    assert travel.closed_edges == {"h00"}
    assert travel.route(N00, N01) != TravelTimes(travel.graph).route(N00, N01)


def test_a_whole_city_may_be_closed_and_opened(travel: TravelTimes) -> None:
    open_times = travel.matrix([N00, N11], [N33, N01])
    travel.set_closures(travel.graph.edge_ids)
    assert travel.matrix([N00], [N33])[0, 0] == np.inf
    assert travel.route(N00, N33) is None
    travel.set_closures([])
    assert travel.matrix([N00, N11], [N33, N01]).tolist() == open_times.tolist()


def test_the_nearest_come_first_and_the_unreachable_not_at_all(travel: TravelTimes) -> None:
    origins = [N33, N00, N11, N00]
    assert [row for row, _ in travel.nearest(N01, origins, 3)] == [1, 3, 2]
    assert travel.nearest(N01, [], 3) == ()
    travel.set_closures(travel.graph.edge_ids)
    assert travel.nearest((119.4125, 31.415), [N00], 1) == ()


def test_empty_questions_have_empty_answers(travel: TravelTimes) -> None:
    assert travel.matrix([], [N00]).shape == (0, 1)
    assert travel.matrix([N00], []).shape == (1, 0)


@pytest.mark.parametrize("bad", [[(math.nan, 31.4)], [(119.4, math.inf)], [(1, 2, 3)], [1, 2]])
def test_a_place_that_is_none_is_refused(travel: TravelTimes, bad: list[object]) -> None:
    with pytest.raises(BadPlaceError):
        travel.matrix(bad, [N00])  # type: ignore[arg-type]


def test_the_order_is_kept_by_content(tiny_roads: RoadGraph, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = TravelTimes(tiny_roads, cache_dir=cache)
    (file,) = cache.iterdir()
    kept = file.read_bytes()
    again = TravelTimes(tiny_roads, cache_dir=cache)
    assert again.route(N00, N33) == first.route(N00, N33)
    assert file.read_bytes() == kept
    file.write_bytes(b"half a fi")
    mended = TravelTimes(tiny_roads, cache_dir=cache)
    assert mended.route(N00, N33) == first.route(N00, N33)
    assert file.read_bytes() == kept


@pytest.mark.parametrize("seed", range(20))
def test_the_nearest_are_the_least_of_all(
    random_roads: Callable[[int], RoadGraph], seed: int
) -> None:
    graph, chance = random_roads(seed), np.random.default_rng(seed)
    travel = TravelTimes(graph)
    low, high = graph.node_lonlat.min(axis=0) - 0.004, graph.node_lonlat.max(axis=0) + 0.004
    for share in (0.0, 0.3):
        count = int(share * len(graph.edge_ids))
        travel.set_closures(chance.choice(graph.edge_ids, count, replace=False).tolist())
        for _ in range(5):
            origins, goal = chance.uniform(low, high, (40, 2)), chance.uniform(low, high)
            times = travel.matrix(origins, [goal])[:, 0]
            for k in (1, 3):
                order = np.lexsort((np.arange(40), times))[:k].tolist()
                best = tuple((row, float(times[row])) for row in order if times[row] < math.inf)
                assert travel.nearest((goal[0], goal[1]), origins, k) == best
