"""The road graph reads what the pack says, gives it out to edit, and knows what a closure meets."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dispatch.roads import (
    AreaClosure,
    CircleClosure,
    EdgeClosure,
    RoadGraph,
    UnknownEdgeError,
)
from models.city import CityPack
from models.errors import CityPackError

CORNER = (119.40, 31.40)


def test_every_direction_that_may_be_driven_is_an_arc(tiny_roads: RoadGraph) -> None:
    assert len(tiny_roads.node_ids) == 16
    assert len(tiny_roads.edge_ids) == 24
    assert len(tiny_roads.arc_tail) == 47  # h00 is one-way
    row = tiny_roads.edge_row("h00")
    assert tiny_roads.arc_forward[tiny_roads.arc_edge == row].tolist() == [True]


def test_there_and_back_through_networkx_changes_nothing(
    random_roads: Callable[[int], RoadGraph],
) -> None:
    for seed in range(10):
        before = random_roads(seed)
        after = RoadGraph.from_networkx(before.to_networkx())
        assert after.edge_ids == before.edge_ids
        assert after.content_hash == before.content_hash
        loops = before.edge_u == before.edge_v
        assert (after.edge_oneway == before.edge_oneway)[~loops].all()
        assert after.edge_length_m.tolist() == before.edge_length_m.tolist()
        assert after.coords.tolist() == before.coords.tolist()


def test_an_edit_in_networkx_arrives(tiny_roads: RoadGraph) -> None:
    graph = tiny_roads.to_networkx()
    graph.remove_edge("n01", "n11", key="v01")
    graph.remove_edge("n10", "n20", key="v10")
    graph.remove_edge("n20", "n10", key="v10")
    edited = RoadGraph.from_networkx(graph)
    assert edited.edge_oneway[edited.edge_row("v01")] == -1
    with pytest.raises(UnknownEdgeError, match="v10"):
        edited.edge_row("v10")


def test_the_order_of_the_tables_does_not_matter(tiny_roads: RoadGraph) -> None:
    graph = tiny_roads.to_networkx()
    nodes = {name: (data["lon"], data["lat"]) for name, data in graph.nodes(data=True)}
    edges = [
        {**data, "id": key, "u": u, "v": v, "oneway": 1}
        for u, v, key, data in graph.edges(keys=True, data=True)
        if data["forward"]
    ]
    one, two = RoadGraph(nodes, edges), RoadGraph(dict(reversed(nodes.items())), edges[::-1])
    assert one.content_hash == two.content_hash
    assert one.edge_ids == two.edge_ids


@pytest.mark.parametrize(
    ("closure", "closed"),
    [
        (EdgeClosure("v11"), {"v11"}),
        (CircleClosure(*CORNER, 30), {"h00", "v00"}),
        (CircleClosure(119.4025, 31.4002, 30), {"h00"}),
        (CircleClosure(119.4025, 31.4025, 30), set()),
        (AreaClosure(((119.399, 31.402), (119.401, 31.402), (119.401, 31.403))), {"v00"}),
        # A ring that crosses itself is what a hurried finger draws.
        (
            AreaClosure(
                ((119.399, 31.401), (119.401, 31.403), (119.401, 31.401), (119.399, 31.403))
            ),
            {"v00"},
        ),
    ],
)
def test_a_closure_closes_what_it_touches(
    tiny_roads: RoadGraph, closure: EdgeClosure | CircleClosure | AreaClosure, closed: set[str]
) -> None:
    assert tiny_roads.edges_in(closure) == closed


def test_metres_agree_with_the_great_circle(tiny_roads: RoadGraph) -> None:
    points = np.array([[119.40, 31.40], [119.45, 31.43]])
    lon, lat = np.radians(points).T
    half = np.sin(np.diff(lat) / 2) ** 2 + np.cos(lat).prod() * np.sin(np.diff(lon) / 2) ** 2
    truth = 2 * 6_371_008.8 * np.arcsin(np.sqrt(half))
    step = np.diff(tiny_roads.projection.metres(points), axis=0)
    assert np.hypot(*step.T) == pytest.approx(truth, rel=2e-3)


HEADER = "id,u,v,length_m,road_class,speed_kmh,oneway,name,layer,geometry\n"
GOOD = "x,n00,n01,475,residential,36,B,Row 0,streets,119.4 31.4;119.405 31.4\n"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (GOOD, ":1: column 'id' is missing"),
        (HEADER, "no edges"),
        (HEADER + GOOD + GOOD, "same id"),
        (HEADER + GOOD.replace("n01", "n99"), "'n99'"),
        (HEADER + GOOD.replace("475", "far"), ":2: length_m 'far'"),
        (HEADER + GOOD.replace("36", "0"), ":2: length_m 475.0, speed_kmh 0.0"),
        (HEADER + GOOD.replace(",B,", ",X,"), ":2: oneway 'X'"),
        (HEADER + GOOD.replace(";119.405 31.4", ""), "at least two points"),
        (HEADER + GOOD.replace(";119.405 31.4", ";119.405"), "geometry"),
        (HEADER + "x,n00\n", ":2: must have as many fields"),
    ],
)
def test_a_bad_road_table_is_said_with_file_and_line(
    tiny_city_path: Path, table: str, said: str
) -> None:
    (tiny_city_path / "roads_edges.csv.gz").write_bytes(gzip.compress(table.encode()))
    with pytest.raises(CityPackError) as caught:
        RoadGraph.load(CityPack.load(tiny_city_path))
    assert said in str(caught.value)


def test_a_table_that_ends_in_its_middle_is_said(tiny_city_path: Path) -> None:
    file = tiny_city_path / "roads_nodes.csv.gz"
    file.write_bytes(file.read_bytes()[:-6])
    with pytest.raises(CityPackError, match=r"roads_nodes\.csv\.gz: can't be read"):
        RoadGraph.load(CityPack.load(tiny_city_path))
