"""What no street of the network leads to is told by name, by the build and by the doctor."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.off_road import in_words, off_road
from dispatch.roads import RoadGraph
from gridcommand import doctor
from gridcommand.city_build import build
from gridcommand.city_packs import FACILITY_COLUMNS, write_table
from gridcommand.configuration import load_settings
from gridcommand.reachability import CUT_OFF_FILE, SETTLEMENTS_FILE, Reach, look
from models.city import CityPack
from models.neighbours import LentUnit, Neighbour

NODES = {
    1: (47.0, 9.0), 2: (47.0, 9.003), 3: (47.0, 9.03), 4: (47.0, 9.033), 5: (47.001, 9.033),
    6: (47.001, 9.0), 7: (47.001, 9.003),
}  # fmt: skip
ROAD = {"highway": "primary", "name": "Landstrasse"}


def town(path: Path, road: dict[str, str]) -> Path:
    """A town in the west, a smaller one 2 km east with a fire station, one road between them."""
    ways = {
        10: ([1, 2], {"highway": "residential"}),
        11: ([2, 3], ROAD | road),
        12: ([3, 4, 5], {"highway": "residential", "name": "Dorfstrasse"}),
        13: ([1, 6, 7], {"highway": "residential"}),
    }
    named = {
        8: (47.0011, 9.0331, {"amenity": "fire_station", "name": "Feuerwehr Ost"}),
        9: (47.0005, 9.0325, {"place": "village", "name": "Ostdorf"}),
        14: (47.0005, 9.0015, {"place": "village", "name": "Westdorf"}),
    }
    lines = [f'<node id="{n}" version="1" lat="{y}" lon="{x}"/>' for n, (y, x) in NODES.items()]
    for number, (lat, lon, tags) in named.items():
        lines.append(
            f'<node id="{number}" version="1" lat="{lat}" lon="{lon}">{_tags(tags)}</node>'
        )
    for number, (refs, tags) in ways.items():
        inner = "".join(f'<nd ref="{ref}"/>' for ref in refs)
        lines.append(f'<way id="{number}" version="1">{inner}{_tags(tags)}</way>')
    path.write_text("\n".join(['<osm version="0.6">', *lines, "</osm>"]))
    return path


def _tags(tags: dict[str, str]) -> str:
    return "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())


def built(tmp_path: Path, road: dict[str, str]) -> tuple[CityPack, str]:
    ring = [[8.99, 46.99], [9.05, 46.99], [9.05, 47.01], [8.99, 47.01], [8.99, 46.99]]
    area = tmp_path / "area.geojson"
    area.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    said: list[str] = []
    osm = town(tmp_path / "t.osm", road)
    pack = build(tmp_path / "packs" / "t", osm, area, None, "UTC", said.append)
    return pack, "\n".join(said)


def reach_of(pack: CityPack) -> Reach:
    return look(pack, RoadGraph.load(pack))


def test_a_town_behind_a_road_for_motorcars_is_reached(tmp_path: Path) -> None:
    pack, said = built(tmp_path, {"motor_vehicle": "no", "motorcar": "yes"})
    assert "NOT REACHED" not in said
    assert reach_of(pack).is_whole
    graph = RoadGraph.load(pack)
    assert "Landstrasse" in graph.edge_name


@pytest.mark.parametrize("road", [{"motor_vehicle": "no"}, {"highway": "track"}])
def test_what_is_cut_off_is_told_by_name(tmp_path: Path, road: dict[str, str]) -> None:
    pack, said = built(tmp_path, road)
    told = [line for line in said.splitlines() if line.startswith("NOT REACHED")]
    assert len(told) == 5
    for words in ("1 of 1 facilities: Feuerwehr Ost", "1 of 1 units: E01", "1 part where people",
                  "1 of 2 settlements: Ostdorf"):  # fmt: skip
        assert any(words in line for line in told)
    cell = pack.cells.locate(9.0331, 47.0011)
    assert cell is not None
    assert any(f"cells: {cell.code}" in line for line in told)
    reach = reach_of(pack)
    assert not reach.is_whole
    assert 2000 < reach.facilities[0].away_m < 2500
    assert [part.shut for part in reach.parts] == [1 if "motor_vehicle" in road else 0]


def test_the_doctor_tells_it_too_and_does_not_refuse_to_run(tmp_path: Path) -> None:
    pack, _ = built(tmp_path, {"motor_vehicle": "no"})
    finding = doctor.roads(load_settings(city=str(pack.path)))
    assert doctor.roads in doctor.CHECKS
    assert finding.mark == "LOOK"
    for name in ("Feuerwehr Ost", "E01", "Ostdorf", "Landstrasse"):
        assert name in finding.said


def test_the_doctor_is_content_with_a_whole_city(tmp_path: Path) -> None:
    pack, _ = built(tmp_path, {})
    finding = doctor.roads(load_settings(city=str(pack.path)))
    assert finding.is_well
    assert "cells have no street" in finding.said


def test_a_network_of_two_parts_is_told_without_the_builders_tables(tmp_path: Path) -> None:
    """A pack made by hand has both parts in its road tables."""
    pack, _ = built(tmp_path, {})
    (pack.path / CUT_OFF_FILE).unlink()
    graph = RoadGraph.load(pack).to_networkx()
    between = [(u, v, key) for u, v, key in graph.edges(keys=True) if key.startswith("11-")]
    assert len(between) == 2
    graph.remove_edges_from(between)
    reach = look(pack, RoadGraph.from_networkx(graph))
    assert [one.name for one in reach.facilities] == ["Feuerwehr Ost"]
    assert [part.name for part in reach.parts] == ["Dorfstrasse"]
    assert reach.cells


def test_doctor_and_workers_log_tell_of_the_same_unit_lent_ones_too(tmp_path: Path) -> None:
    pack, _ = built(tmp_path, {})
    own = pack.units[0]
    lent = LentUnit("L1", own.kind, own.skills, own.lon, own.lat - 0.02, call_sign="Lent 1")
    pack = replace(pack, neighbours=(Neighbour("n", {"en": "N", "zh": "N"}, 0.0, (lent,)),))
    graph = RoadGraph.load(pack)
    (spot,) = look(pack, graph).units
    assert (spot.id, spot.name) == ("L1", "Lent 1")
    (line,) = off_road(pack, graph)
    assert line.startswith("neighbours.yaml: unit 'L1'")
    assert f"{in_words(spot.away_m)} from the nearest street" in line


WEST_M = 1 / 75_835
"""A metre in degrees of longitude here."""


def settle(pack: CityPack, *places: tuple[float, float]) -> list[str]:
    """Names of those places that aren't reached, of some in the order they are given."""
    rows = [
        {"id": str(number), "kind": "hamlet", "name_zh": "", "name_en": str(number), "lon": lon,
         "lat": lat}
        for number, (lon, lat) in enumerate(places)
    ]  # fmt: skip
    write_table(pack.path / SETTLEMENTS_FILE, FACILITY_COLUMNS, rows)
    return sorted(one.name for one in reach_of(pack).settlements)


def test_a_place_far_from_every_street_is_not_reached(tmp_path: Path) -> None:
    pack, _ = built(tmp_path, {})
    near, far = (9.0 - 250 * WEST_M, 47.0), (9.0 - 350 * WEST_M, 47.0)
    assert settle(pack, near, far) == ["1"]


def test_a_place_at_a_street_beside_the_network_is_not_reached(tmp_path: Path) -> None:
    pack, _ = built(tmp_path, {"motor_vehicle": "no"})
    # The road that is shut leads east from here; a crew walks some of it, and not more.
    at_end, along, no_street = (
        (9.003 + 50 * WEST_M, 47.0), (9.003 + 150 * WEST_M, 47.0), (9.0 - 150 * WEST_M, 47.0),
    )  # fmt: skip
    assert settle(pack, at_end, along, no_street) == ["1"]


def test_a_long_list_says_how_many_more() -> None:
    cells = tuple(f"c-{number:02d}" for number in range(13))
    reach = Reach((), (), (), (), cells, (), {"cells": 40})
    assert reach.lines() == [f"13 of 40 cells: {', '.join(cells[:10])} and 3 more"]
