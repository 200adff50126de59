"""A facility at the end of a private drive is reached by that drive, and nobody passes through."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand.city_build import build
from gridcommand.reachability import look
from tests.gridcommand.osm_inputs import plain, square

HOSPITAL = 300
NODES = {
    201: (50.012, 8.0125), 202: (50.0135, 8.014), 203: (50.015, 8.0155),
    HOSPITAL: (50.0151, 8.0155), 401: (50.0135, 8.0125), 402: (50.012, 8.002),
}  # fmt: skip
"""A drive of three nodes from the crossing 34, which is in the grid's corner, to a hospital."""
TAGS = {HOSPITAL: {"amenity": "hospital", "name": "Klinik"}}
PRIVATE = {"highway": "service", "access": "private"}
Ways = list[tuple[list[int], dict[str, str]]]


def built(
    tmp_path: Path, ways: Ways, tags: dict[int, dict[str, str]] | None = None
) -> tuple[RoadGraph, str, list[str]]:
    """The network, what the build said, and the names of facilities that aren't reached."""
    said: list[str] = []
    osm = plain(tmp_path / "t.osm", NODES, ways, tags=TAGS | (tags or {}))
    pack = build(tmp_path / "packs" / "t", osm, square(tmp_path / "a"), None, "UTC", said.append)
    graph = RoadGraph.load(pack)
    return graph, "\n".join(said), [one.name for one in look(pack, graph).facilities]


def walked_m(graph: RoadGraph) -> float:
    """How far a crew walks to the hospital from where its vehicle stops."""
    lat, lon = NODES[HOSPITAL]
    route = TravelTimes(graph).route((8.0, 50.0), (lon, lat))
    assert route is not None
    return route.walked_m


DRIVES: list[tuple[Ways, dict[int, dict[str, str]]]] = [
    ([([34, 201, 202, 203], PRIVATE)], {}),
    ([([34, 201, 202, 203], PRIVATE)], {201: {"barrier": "gate"}}),
    ([([34, 201, 202, 203], PRIVATE)], {201: {"barrier": "gate", "access": "private"}}),
    ([([34, 201, 202, 203], {})], {201: {"barrier": "gate", "access": "private"}}),
    ([([34, 201], {}), ([201, 202, 203], {"motor_vehicle": "private"})], {}),
    ([([34, 201, 202, 203], {"access": "destination"})], {}),
    ([([34, 201, 202, 203], {"access": "private", "emergency": "yes"})], {}),
]  # fmt: skip


@pytest.mark.parametrize(("ways", "tags"), DRIVES)
def test_a_hospital_on_a_private_drive_is_reached_by_it(
    tmp_path: Path, ways: Ways, tags: dict[int, dict[str, str]]
) -> None:
    graph, said, missed = built(tmp_path, ways, tags)
    assert not missed
    assert "NOT REACHED" not in said
    assert walked_m(graph) < 50


@pytest.mark.parametrize(
    ("ways", "tags"),
    [
        ([([34, 201, 202, 203], {"access": "no"})], {}),
        ([([34, 201, 202, 203], {"access": "private", "emergency": "no"})], {}),
        ([([34, 201, 202, 203], PRIVATE)], {202: {"barrier": "block"}}),
    ],
)
def test_what_is_shut_to_all_or_barred_stays_shut(
    tmp_path: Path, ways: Ways, tags: dict[int, dict[str, str]]
) -> None:
    graph, said, missed = built(tmp_path, ways, tags)
    assert missed == ["Klinik"]
    assert "private drive" not in said
    assert walked_m(graph) > 300


def test_of_two_ways_in_only_the_shorter_is_opened(tmp_path: Path) -> None:
    ways: Ways = [([34, 201, 202, 203], PRIVATE), ([33, 401, 203], PRIVATE)]
    graph, said, missed = built(tmp_path, ways)
    assert not missed
    assert "1  private drive is opened, it leads to hospital Klinik" in said
    assert any(one.startswith("9-") for one in graph.edge_ids)
    assert not any(one.startswith("10-") for one in graph.edge_ids)


def test_a_private_street_that_leads_to_no_facility_stays_shut(tmp_path: Path) -> None:
    ways: Ways = [([34, 201, 202, 203], PRIVATE), ([31, 402, 32], PRIVATE)]
    graph, _, _ = built(tmp_path, ways)
    assert not any(one.startswith("10-") for one in graph.edge_ids)
