"""An extract becomes a pack that loads and routes; what can't be used is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pytest
import shapely

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand.city_build import build
from gridcommand.city_packs import SourceError
from models.city import available_cities
from tests.gridcommand.osm_inputs import extract, made, plain, square


def test_a_pack_comes_out_that_says_what_it_left_out(tmp_path: Path) -> None:
    pack, said = made(tmp_path)
    graph = RoadGraph.load(pack)
    # 24 blocks and the service road; island, trap, private street and footway are not in it.
    assert len(graph.edge_ids) == 25
    for reason in ("shut to vehicles", "not for driving", "reached and left", "maxspeed can't be"):
        assert reason in said
    assert {place.kind for place in pack.facilities} == {"fire_station", "hydrant"}
    assert [place.name.en for place in pack.facilities if place.kind == "fire_station"] == [
        "Station"
    ]
    assert [unit.kind for unit in pack.units] == ["engine"]
    assert pack.cells.locate(8.005, 50.005) is not None
    assert set(graph.edge_speed_kmh.round(1)) == {30.0, 48.3, 15.0}
    assert list((tmp_path / "packs").iterdir()) == [pack.path]


def test_its_times_are_those_of_dijkstra(tmp_path: Path) -> None:
    graph = RoadGraph.load(made(tmp_path)[0])
    table = TravelTimes(graph).matrix(graph.node_lonlat, graph.node_lonlat)
    plain: nx.DiGraph[str] = nx.DiGraph()
    for u, v, data in graph.to_networkx().edges(data=True):
        plain.add_edge(u, v, weight=data["length_m"] * 3.6 / data["speed_kmh"])
    assert not plain.has_edge("12", "11")  # the one-way street, against it
    for row, start in enumerate(graph.node_ids):
        found = nx.single_source_dijkstra_path_length(plain, start)
        for column, goal in enumerate(graph.node_ids):
            assert table[row, column] == pytest.approx(found[goal], abs=0.02)


def test_an_empty_extract_a_far_boundary_and_bad_cells_are_said(tmp_path: Path) -> None:
    empty = tmp_path / "empty.osm"
    empty.write_text("<osm version='0.6'></osm>")
    town, target = extract(tmp_path / "town.osm"), tmp_path / "p" / "town"
    here, far = square(tmp_path / "here"), square(tmp_path / "far", west=20.0)
    with pytest.raises(SourceError, match="there is no street in it"):
        build(target, empty, here, None, "UTC", print)
    with pytest.raises(SourceError, match=r"within the boundary.*longitude 8\.0000 to 8.*20\.0"):
        build(target, town, far, None, "UTC", print)
    with pytest.raises(SourceError, match="can't be read as GeoJSON"):
        build(target, town, town, None, "UTC", print)
    nothing = tmp_path / "nothing"
    nothing.write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(SourceError, match="holds no cell"):
        build(target, town, here, nothing, "UTC", print)
    with pytest.raises(SourceError, match="property 'code' is missing"):
        build(target, town, here, _nameless(tmp_path / "cells"), "UTC", print)
    assert not (tmp_path / "p").exists()


def _cells(path: Path, *jurisdictions: str) -> Path:
    features = []
    for number, jurisdiction in enumerate(jurisdictions):
        west = 7.99 + number * 0.02
        ring = [[west, 49.99], [west + 0.02, 49.99], [west + 0.02, 50.03], [west, 49.99]]
        properties = {
            "code": f"c{number}", "name_zh": "格", "name_en": "C", "town": "t",
            "jurisdiction": jurisdiction, "worker": "w",
        }  # fmt: skip
        shape = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": properties, "geometry": shape})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_the_jurisdiction_is_that_of_the_cells(tmp_path: Path) -> None:
    osm, area = extract(tmp_path / "town.osm"), square(tmp_path / "area")
    target = tmp_path / "p" / "town"
    with pytest.raises(SourceError, match=r"cells of 2 jurisdictions \(061, 062\)"):
        build(target, osm, area, _cells(tmp_path / "two", "062", "061"), "UTC", print)
    pack = build(target, osm, area, _cells(tmp_path / "one", "061", "061"), "UTC", print)
    assert pack.jurisdiction == "061"


def _nameless(path: Path) -> Path:
    ring = [[8.0, 50.0], [8.01, 50.0], [8.01, 50.01], [8.0, 50.0]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {"town": "x"}, "geometry": shape}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def test_a_boundary_may_come_as_features_without_properties(tmp_path: Path) -> None:
    area = square(tmp_path / "area.geojson")
    feature = {"type": "Feature", "properties": None, "geometry": json.loads(area.read_text())}
    area.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    target = tmp_path / "packs" / "town"
    assert build(target, extract(tmp_path / "town.osm"), area, None, "UTC", print).units


def test_what_needs_no_reading_is_found_before_it(tmp_path: Path) -> None:
    nowhere, area = tmp_path / "none.osm", square(tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="time zone 'Europe/Berln' is none"):
        build(tmp_path / "p" / "town", nowhere, area, None, "Europe/Berln", print)
    with pytest.raises(SourceError, match="file is no folder"):
        build(tmp_path / "file" / "town", nowhere, area, None, "UTC", print)
    with pytest.raises(SourceError, match=r"town\.txt: its name doesn't say what kind"):
        build(tmp_path / "p" / "town", tmp_path / "town.txt", area, None, "UTC", print)


def test_a_boundary_with_its_axes_swapped_is_said_and_one_with_a_mark_is_read(
    tmp_path: Path,
) -> None:
    osm, area = plain(tmp_path / "t.osm"), square(tmp_path / "a")
    swapped = tmp_path / "swapped"
    ring = [[lat, lon] for lon, lat in json.loads(area.read_text())["coordinates"][0]]
    swapped.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    with pytest.raises(SourceError, match="seem to be swapped"):
        build(tmp_path / "p" / "town", osm, swapped, None, "UTC", print)
    area.write_text(area.read_text(), encoding="utf-8-sig")
    assert build(tmp_path / "p" / "town", osm, area, None, "UTC", print).cells


def test_a_pack_in_the_making_is_no_city(tmp_path: Path) -> None:
    pack, _ = made(tmp_path)
    pack.path.rename(pack.path.with_name(".town.x1y2"))
    assert available_cities(tmp_path / "packs") == []


def test_a_pack_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(SourceError, match="exists already"):
        made(tmp_path)


def test_a_city_across_180_degrees_is_refused_as_such(tmp_path: Path) -> None:
    osm, area, target = plain(tmp_path / "t.osm"), tmp_path / "area", tmp_path / "p" / "town"
    west, east = (shapely.box(*box) for box in [(179.9, -17, 180, -16), (-180, -17, -179.9, -16)])
    for shape in (shapely.union(west, east), shapely.box(179.9, -17, 180.1, -16)):
        area.write_text(shapely.to_geojson(shape))
        with pytest.raises(SourceError, match=r"both sides of 180 degrees.*one side"):
            build(target, osm, area, None, "UTC", print)
    area.write_text(shapely.to_geojson(shapely.box(500, 20, 501, 21)))
    with pytest.raises(SourceError, match="polygon in degrees"):
        build(target, osm, area, None, "UTC", print)
