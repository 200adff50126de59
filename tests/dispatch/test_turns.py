"""Forbidden turns are not made, and what is driven instead is the shortest of the rest."""

from __future__ import annotations

import gzip
import heapq
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dispatch.profiles import MOTIONS
from dispatch.roads import RoadGraph
from dispatch.routes import Route, Snap
from dispatch.travel_times import TravelTimes
from dispatch.turns import BOUND, Turn
from models.city import CityPack
from models.errors import CityPackError
from models.profiles import Profile
from tests.dispatch.conftest import SOUTH, STEP, WEST, write_tiny_city

Arc = tuple[str, bool]
"""An edge's id, and whether it is driven from its u to its v."""
Way = tuple[Arc, ...]

ALL = frozenset(BOUND)
H10_V11 = Turn("t1", ("h10", "v11"), ("n11",), ALL)
"""Who comes from the west to the crossing n11 may not turn north."""


def at(row: float, column: float) -> tuple[float, float]:
    """A place in the tiny city, in blocks."""
    return WEST + column * STEP, SOUTH + row * STEP


def with_turns(graph: RoadGraph, turns: Iterable[Turn]) -> RoadGraph:
    nx_graph = graph.to_networkx()
    nx_graph.graph["turns"] = tuple(turns)
    return RoadGraph.from_networkx(nx_graph)


def driven(travel: TravelTimes, start: tuple[float, float], end: tuple[float, float]) -> Route:
    route = travel.route(start, end)
    assert route is not None
    assert route.time_s == pytest.approx(float(travel.matrix([start], [end])[0, 0]), abs=2e-3)
    return route


class Oracle:
    """Dijkstra's algorithm over streets: where one goes on depends on the streets before."""

    def __init__(self, graph: RoadGraph, who: Profile) -> None:
        self.graph = graph
        self.arcs: dict[Arc, tuple[str, str]] = {}
        for row, name in enumerate(graph.edge_ids):
            u, v = graph.node_ids[graph.edge_u[row]], graph.node_ids[graph.edge_v[row]]
            if u != v:
                ways = [(True, u, v, -1), (False, v, u, 1)]
                self.arcs |= {
                    (name, forward): (tail, head)
                    for forward, tail, head, against in ways
                    if graph.edge_oneway[row] != against
                }
        forbidden = [way for turn in graph.turns if who in turn.who for way in self._ways(turn)]
        self.forbidden = {*forbidden, *self._turning_round(forbidden)}

    def _ways(self, turn: Turn) -> list[Way]:
        ways: list[Way] = [()]
        for edge in turn.edges:
            both = [(edge, True), (edge, False)]
            ways = [(*way, arc) for way in ways for arc in both if arc in self.arcs]
        return [
            way
            for way in ways
            if all(
                self.arcs[one][1] == node == self.arcs[two][0]
                for node, (one, two) in zip(turn.nodes, pairwise(way), strict=True)
            )
        ]

    def _on(self, arc: Arc) -> list[Arc]:
        return [other for other, (tail, _) in self.arcs.items() if tail == self.arcs[arc][1]]

    def _turning_round(self, forbidden: list[Way]) -> set[Way]:
        """Up to the first crossing with a choice behind a forbidden turn nobody turns round."""

        def others(arc: Arc) -> list[Arc]:
            return [
                one for one in self._on(arc) if one[0] != arc[0] and (arc, one) not in forbidden
            ]

        behind = {way[-2] for way in forbidden if way[-1][0] != way[-2][0]}
        behind |= {other for arc in behind for other in others(arc)}
        while (
            more := {one for arc in behind if len(others(arc)) == 1 for one in others(arc)} - behind
        ):
            behind |= more
        return {(arc, (arc[0], not arc[1])) for arc in behind if others(arc)}

    def ms(self, edge_ms: dict[str, int], start: Snap, goal: Snap) -> float:
        """Whole milliseconds between two places that are no crossings."""
        edge = self.graph.edge_ids
        from_, to = edge[start.edge], edge[goal.edge]
        best = np.inf
        gap = goal.fraction - start.fraction
        if from_ == to and (gap == 0 or (from_, gap > 0) in self.arcs):
            best = round(abs(gap) * edge_ms[from_])
        queue: list[tuple[int, Way]] = []
        for forward in (True, False):
            if (from_, forward) in self.arcs:
                share = 1 - start.fraction if forward else start.fraction
                queue.append((round(share * edge_ms[from_]), ((from_, forward),)))
        heapq.heapify(queue)
        seen: set[Way] = set()
        while queue:
            cost, way = heapq.heappop(queue)
            if way in seen:
                continue
            seen.add(way)
            for arc in self._on(way[-1]):
                longer = (*way, arc)
                if any(longer[-k:] in self.forbidden for k in (2, 3)):
                    continue
                if arc[0] == to:
                    share = goal.fraction if arc[1] else 1 - goal.fraction
                    best = min(best, cost + round(share * edge_ms[to]))
                heapq.heappush(queue, (cost + edge_ms[arc[0]], longer[-2:]))
        return best


def random_turns(graph: RoadGraph, chance: np.random.Generator) -> list[Turn]:
    """Turns over one crossing, over a street between, and back into the same street."""
    oracle = Oracle(graph, Profile.CAR)
    arcs, turns = sorted(oracle.arcs), []
    for number in range(int(chance.integers(1, 3 * len(arcs)))):
        way = [arcs[int(chance.integers(len(arcs)))]]
        for _ in range(1 if chance.random() < 0.7 else 2):
            on = sorted(oracle._on(way[-1]))
            way += [on[int(chance.integers(len(on)))]] if on else []
        if len(way) > 1:
            who = frozenset(np.array(BOUND)[chance.random(3) < 0.7].tolist()) or ALL
            nodes = tuple(oracle.arcs[arc][1] for arc in way[:-1])
            turns.append(Turn(f"t{number:02d}", tuple(edge for edge, _ in way), nodes, who))
    return turns


@pytest.mark.parametrize("seed", range(50))
def test_times_are_those_of_a_search_over_streets(
    random_roads: Callable[[int], RoadGraph], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    plain = random_roads(seed)
    graph = with_turns(plain, random_turns(plain, chance))
    for who in (Profile.CAR, Profile.MOTORCYCLE):
        travel, oracle = TravelTimes(graph, motion=MOTIONS[who]), Oracle(graph, who)
        edge_ms = dict(zip(graph.edge_ids, travel._edge_ms.astype(int).tolist(), strict=True))
        places = []
        for row in chance.permutation(len(graph.edge_ids))[:6].tolist():
            begin, bend, _ = graph.geometry(row).tolist()
            share = chance.uniform(0.2, 0.8)
            place = [one + share * (two - one) for one, two in zip(begin, bend, strict=True)]
            snap = travel.snap(*place)
            loop = graph.edge_u[snap.edge] == graph.edge_v[snap.edge]
            if not loop and not any(travel._at_end(snap, end) for end in (0.0, 1.0)):
                places.append((place[0], place[1]))
        snaps = [travel.snap(*place) for place in places]
        truth = [[oracle.ms(edge_ms, one, two) / 1000 for two in snaps] for one in snaps]
        got = travel.matrix(places, places)
        np.testing.assert_allclose(got, truth, atol=2e-3)
        for row, start in enumerate(places):
            for column, goal in enumerate(places):
                route = travel.route(start, goal)
                if route is None:
                    assert np.isinf(got[row, column])
                else:
                    assert route.time_s == pytest.approx(float(got[row, column]), abs=3e-3)
                    assert not forbidden_of(graph, route, who)


def forbidden_of(graph: RoadGraph, route: Route, who: Profile) -> list[Turn]:
    """Turns that a route seems to make, where it can be seen: its streets meet once only."""
    made = []
    for turn in graph.turns:
        nodes = [set(graph._ends(one)) & set(graph._ends(two)) for one, two in pairwise(turn.edges)]
        if who in turn.who and all(len(each) == 1 for each in nodes):
            many = len(turn.edges)
            runs = [route.edge_ids[begin : begin + many] for begin in range(len(route.edge_ids))]
            made += [turn] * (turn.edges in runs)
    return made


def test_a_network_without_turns_is_followed_as_it_is(tiny_roads: RoadGraph) -> None:
    assert all(tiny_roads.following(who) is tiny_roads for who in BOUND)
    bound = with_turns(
        tiny_roads, [Turn("t", H10_V11.edges, H10_V11.nodes, frozenset({Profile.CAR}))]
    )
    assert bound.content_hash == tiny_roads.content_hash
    assert bound.following(Profile.ENGINE) is bound
    followed = bound.following(Profile.CAR)
    assert followed.content_hash != bound.content_hash
    assert followed.node_ids == bound.node_ids


def test_who_may_not_turn_drives_round_the_block_and_not_back(tiny_roads: RoadGraph) -> None:
    start, goal = at(1, 0.5), at(1.5, 1)
    free = driven(TravelTimes(tiny_roads), start, goal)
    assert free.edge_ids == ("h10", "v11")
    route = driven(TravelTimes(with_turns(tiny_roads, [H10_V11])), start, goal)
    # Back to the last crossing, as it stands on the street: no turn is forbidden that way.
    assert route.edge_ids == ("h10", "v10", "h20", "v11")
    oneway = tiny_roads.to_networkx()
    oneway.remove_edge("n11", "n10", key="h10")
    oneway.graph["turns"] = (H10_V11,)
    route = driven(TravelTimes(RoadGraph.from_networkx(oneway)), start, goal)
    # Round a block, not on to n12 or n01 and back.
    assert len(route.edge_ids) == 5
    assert route.edge_ids[0] == "h10"
    assert route.edge_ids[-1] == "v11"
    assert len(set(route.edge_ids)) == 5


def test_each_is_bound_by_its_own_turns(tiny_roads: RoadGraph) -> None:
    who = frozenset({Profile.CAR})
    travel = TravelTimes(with_turns(tiny_roads, [Turn("t", H10_V11.edges, H10_V11.nodes, who)]))
    start, goal = at(1, 0.5), at(1.5, 1)
    ways = {
        kind: driven(travel.of_kind(kind), start, goal).edge_ids
        for kind in ("engine", "ambulance", "gas_repair_van", "grid_worker", "volunteer_team")
    }
    assert ways.pop("gas_repair_van") == ("h10", "v10", "h20", "v11")
    assert set(ways.values()) == {("h10", "v11")}


def test_people_on_foot_turn_where_they_like(tiny_roads: RoadGraph) -> None:
    travel = TravelTimes(with_turns(tiny_roads, [H10_V11])).of_kind("volunteer_team")
    assert driven(travel, at(1, 0.5), at(1.5, 1)).edge_ids == ("h10", "v11")


def test_who_stands_on_the_crossing_takes_any_street(tiny_roads: RoadGraph) -> None:
    travel = TravelTimes(with_turns(tiny_roads, [H10_V11]))
    assert driven(travel, at(1, 1), at(1.5, 1)).time_s == pytest.approx(27.8)
    assert driven(travel, at(1, 0.5), at(1, 1)).time_s == pytest.approx(23.75)


def test_a_turn_over_a_street_between_binds_only_who_came_that_way(tiny_roads: RoadGraph) -> None:
    over = Turn("t", ("v01", "h11", "v12"), ("n11", "n12"), ALL)
    travel = TravelTimes(with_turns(tiny_roads, [over]))
    start, goal = at(0.5, 1), at(1.5, 2)
    assert driven(TravelTimes(tiny_roads), start, goal).edge_ids == ("v01", "h11", "v12")
    assert driven(travel, start, goal).edge_ids != ("v01", "h11", "v12")
    assert driven(travel, at(1, 0.5), goal).edge_ids == ("h10", "h11", "v12")
    assert driven(travel, at(1, 1.5), goal).edge_ids == ("h11", "v12")


def test_nobody_turns_round_behind_a_forbidden_turn_but_at_a_dead_end() -> None:
    """A street west to east with a long block in the north; the second joint is no crossing."""
    nodes = {"w": (0.0, 0.0), "c": (0.01, 0.0), "j": (0.011, 0.0), "e": (0.012, 0.0),
             "n": (0.01, 0.01), "x": (0.02, 0.01)}  # fmt: skip

    def edge(name: str, u: str, v: str, length_m: float, oneway: int = 0) -> dict[str, object]:
        return {
            "id": name, "u": u, "v": v, "length_m": length_m, "speed_kmh": 36.0, "oneway": oneway,
            "road_class": "residential", "name": name, "layer": "",
            "geometry": np.array([nodes[u], nodes[v]]),
        }  # fmt: skip

    streets = [edge("wc", "w", "c", 1100, 1), edge("cj", "c", "j", 110), edge("je", "j", "e", 110),
               edge("cn", "c", "n", 1100)]  # fmt: skip
    no_left = [Turn("t", ("wc", "cn"), ("c",), ALL)]
    start, goal = (0.005, 0.0), (0.01, 0.005)
    dead_end = driven(TravelTimes(RoadGraph(nodes, streets, no_left)), start, goal)
    assert dead_end.length_m == pytest.approx(550 + 4 * 110 + 550)
    block = [*streets, edge("ex", "e", "x", 1400), edge("xn", "x", "n", 1400)]
    around = driven(TravelTimes(RoadGraph(nodes, block, no_left)), start, goal)
    assert around.edge_ids == ("wc", "cj", "je", "ex", "xn", "cn")


def test_only_who_has_priority_makes_a_forbidden_turn_where_nothing_else_leads(
    tiny_roads: RoadGraph,
) -> None:
    travel = TravelTimes(with_turns(tiny_roads, [H10_V11]))
    start, goal = at(1, 0.5), at(1.5, 1)
    # All streets to the goal are closed but the one from which nobody may turn.
    travel.set_closures(["v10", "v00", "h00", "h11", "v01", "h20", "h21", "v21"])
    assert driven(travel, start, goal).edge_ids == ("h10", "v11")
    car = travel.of_kind("gas_repair_van")
    assert car.route(start, goal) is None
    assert np.isinf(car.matrix([start], [goal])[0, 0])
    travel.set_closures([])
    assert driven(travel, start, goal).edge_ids == ("h10", "v10", "h20", "v11")


def test_a_closed_street_is_closed_from_the_copies_of_a_crossing_too(
    tiny_roads: RoadGraph,
) -> None:
    travel = TravelTimes(with_turns(tiny_roads, [H10_V11]))
    start, goal = at(1, 0.5), at(1, 2.5)
    assert driven(travel, start, goal).edge_ids == ("h10", "h11", "h12")
    travel.set_closures(["h11"])
    assert "h11" not in driven(travel, start, goal).edge_ids
    travel.set_closures([])
    assert driven(travel, start, goal).edge_ids == ("h10", "h11", "h12")


def test_who_leaves_a_closed_street_keeps_to_the_turns_while_another_way_is_open(
    tiny_roads: RoadGraph,
) -> None:
    travel = TravelTimes(with_turns(tiny_roads, [H10_V11]))
    start, goal = at(1, 0.9), at(1.5, 1)
    travel.set_closures(["h10"])
    assert driven(travel, start, goal).edge_ids[:2] != ("h10", "v11")
    # Now the forbidden turn alone leads away from it.
    travel.set_closures(["h10", "v10", "v00", "h00", "h11", "v01"])
    assert driven(travel, start, goal).edge_ids == ("h10", "v11")


def test_a_cordon_is_entered_from_whatever_street_one_comes(tiny_roads: RoadGraph) -> None:
    travel = TravelTimes(with_turns(tiny_roads, [H10_V11]))
    plain = TravelTimes(tiny_roads)
    for each in (travel, plain):
        each.set_closures(["v11"])
    start, goal = at(1, 0.5), at(1.4, 1)
    # Of a car: who has priority would turn anyhow.
    bound, free = (each.of_kind("gas_repair_van") for each in (travel, plain))
    assert driven(bound, start, goal) == driven(free, start, goal)


def test_a_pack_brings_its_turns_and_says_which_is_wrong(tmp_path: Path) -> None:
    folder = write_tiny_city(tmp_path / "tiny")
    assert RoadGraph.load(CityPack.load(folder)).turns == ()
    before = CityPack.load(folder).pack_hash

    def load(*lines: str) -> RoadGraph:
        text = "\n".join(["id,from,via,to,who", *lines])
        (folder / "roads_turns.csv.gz").write_bytes(gzip.compress(text.encode()))
        return RoadGraph.load(CityPack.load(folder))

    graph = load("t1,h10,n11,v11,engine|car|motorcycle", "t0,v01,n11|h11|n12,v12,car")
    assert graph.turns == (
        Turn("t0", ("v01", "h11", "v12"), ("n11", "n12"), frozenset({Profile.CAR})),
        H10_V11,
    )
    assert CityPack.load(folder).pack_hash != before
    for line, said in (
        ("t1,h10,n11,v99,car", "turn 't1': edge 'v99' is not listed"),
        ("t1,h10,n12,v11,car", "turn 't1': edge 'h10' has no end at node 'n12'"),
        ("t1,h10,n11|h11,v11,car", "turn 't1': must go over one crossing"),
        ("t1,h10,n11,v11,cars", r"roads_turns.csv.gz:2: who 'cars' is unknown; did you mean 'car'"),
        ("t1,h10,n11,v11,", "who '' is unknown"),
    ):
        with pytest.raises(CityPackError, match=said):
            load(line)


def test_a_turn_that_one_way_streets_forbid_anyhow_is_no_turn(tiny_roads: RoadGraph) -> None:
    against = Turn("t", ("v01", "h00"), ("n01",), ALL)
    graph = with_turns(tiny_roads, [against])
    assert graph.following(Profile.ENGINE) is graph
