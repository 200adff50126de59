"""Streets are cut into a network: at crossings, gaps, loops and barriers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand.city_build import build
from tests.gridcommand.osm_inputs import plain, square, streets_of


def test_a_street_with_a_missing_node_is_not_spliced(tmp_path: Path) -> None:
    more = {201: (50.012, 8.014), 202: (50.015, 8.013)}
    gap = plain(tmp_path / "gap.osm", more, [([34, 201, 999, 202, 33], {})])
    graph = streets_of(tmp_path, gap)
    ends = {frozenset(pair) for pair in _ends(graph)}
    assert frozenset({"34", "201"}) in ends
    assert frozenset({"33", "202"}) in ends
    assert frozenset({"201", "202"}) not in ends
    assert len(graph.edge_ids) == 24 + 2


def _ends(graph: RoadGraph) -> list[tuple[str, str]]:
    return [
        (graph.node_ids[u], graph.node_ids[v])
        for u, v in zip(graph.edge_u, graph.edge_v, strict=True)
    ]


@pytest.mark.parametrize("oneway", ["yes", "no"])
def test_a_loop_with_one_crossing_stays_a_street(tmp_path: Path, oneway: str) -> None:
    more = {201: (50.012, 8.014), 202: (50.014, 8.014), 203: (50.014, 8.0125)}
    loop = plain(tmp_path / "loop.osm", more, [([34, 201, 202, 203, 34], {"oneway": oneway})])
    graph = streets_of(tmp_path, loop)
    assert len(graph.edge_ids) == 24 + 2
    mine = [row for row, name in enumerate(graph.edge_ids) if name.startswith("9-")]
    assert sum(float(graph.edge_length_m[row]) for row in mine) == pytest.approx(
        143 + 222 + 107 + 225, abs=2
    )
    assert {graph.node_ids[graph.edge_u[row]] for row in mine} == {"34", "202"}


MIDDLE = {201: (50.004, 8.002)}
"""In the middle of a street that goes from crossing 1 to crossing 22, the way 9."""
SHORT_CUT: list[tuple[list[int], dict[str, str]]] = [([1, 201, 22], {"highway": "primary"})]


def said_of(tmp_path: Path, osm: Path) -> tuple[RoadGraph, str]:
    said: list[str] = []
    pack = build(tmp_path / "packs" / "t", osm, square(tmp_path / "a"), None, "UTC", said.append)
    return RoadGraph.load(pack), "\n".join(said)


@pytest.mark.parametrize(
    "barrier", [{"barrier": "bollard"}, {"barrier": "gate", "access": "private"}]
)
def test_a_barrier_cuts_the_street_and_both_its_ends_stay(
    tmp_path: Path, barrier: dict[str, str]
) -> None:
    osm = plain(tmp_path / "t.osm", MIDDLE, SHORT_CUT, tags={201: barrier})
    graph, said = said_of(tmp_path, osm)
    assert f"1  street is cut at a barrier ({barrier['barrier']})" in said
    mine = [pair for pair, name in zip(_ends(graph), graph.edge_ids, strict=True) if name[0] == "9"]
    assert [sum(end in pair for pair in mine) for end in ("1", "22")] == [1, 1]
    assert len({end for pair in mine for end in pair}) == 4
    # From one end to the other one drives around, by three streets of the grid at least.
    (drive_s,) = TravelTimes(graph).matrix([[8.0, 50.0]], [[8.004, 50.008]])[0]
    assert drive_s > 1100 / (30 / 3.6)


def test_a_barrier_that_lets_engines_pass_cuts_nothing(tmp_path: Path) -> None:
    gate = {201: {"barrier": "gate", "access": "private", "emergency": "yes"}}
    graph, said = said_of(tmp_path, plain(tmp_path / "t.osm", MIDDLE, SHORT_CUT, tags=gate))
    assert "cut at" not in said
    assert frozenset({"1", "22"}) in {frozenset(pair) for pair in _ends(graph)}


def test_a_barrier_on_a_crossing_cuts_the_lesser_street_only(tmp_path: Path) -> None:
    drive: tuple[list[int], dict[str, str]] = ([201, 2], {"highway": "service"})
    osm = plain(tmp_path / "t.osm", MIDDLE, [*SHORT_CUT, drive], tags={201: {"barrier": "bollard"}})
    graph, said = said_of(tmp_path, osm)
    assert "1  street is cut at a barrier" in said
    ends = {frozenset(pair) for pair in _ends(graph)}
    assert {frozenset({"1", "201"}), frozenset({"201", "22"})} <= ends
    assert frozenset({"201", "2"}) not in ends


def test_a_gate_at_the_end_of_a_street_cuts_nothing(tmp_path: Path) -> None:
    osm = plain(tmp_path / "t.osm", MIDDLE, [([1, 201], {})], tags={201: {"barrier": "bollard"}})
    assert "cut at" not in said_of(tmp_path, osm)[1]
