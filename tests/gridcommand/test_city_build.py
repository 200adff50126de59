"""An extract becomes a pack that loads and routes; what can't be used is one sentence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import networkx as nx
import pytest
import shapely

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand import osm_extract
from gridcommand.city_build import build
from gridcommand.city_packs import SourceError
from gridcommand.osm_extract import read_extract
from gridcommand.osm_tags import names, oneway, speed_kmh
from models.city import CityPack, available_cities

GRID = 4
STEP = 0.004


def extract(path: Path) -> Path:
    """Sixteen crossings, a one-way street, a shut one, an island, a trap, three facilities."""
    lines = ["<?xml version='1.0' encoding='UTF-8'?>", '<osm version="0.6">']
    spots = {r * 10 + c + 1: (c * STEP, r * STEP) for r in range(GRID) for c in range(GRID)}
    spots |= {101: (0.001, 0.0145), 102: (0.002, 0.0145), 103: (0.0125, 0.0005), 200: (0.3, 0.3)}
    spots |= {104: (0.013, 0.013)}
    tagged = {
        90: ((0.0041, 0.0041), {"amenity": "fire_station", "name": "Wache", "name:en": "Station"}),
        91: ((0.0081, 0.0081), {"emergency": "fire_hydrant"}),
        92: ((0.4, 0.4), {"amenity": "hospital"}),
    }
    for number, (lon, lat) in spots.items():
        lines.append(f'<node id="{number}" version="1" lat="{50 + lat}" lon="{8 + lon}"/>')
    for number, ((lon, lat), tags) in tagged.items():
        inner = "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        lines.append(
            f'<node id="{number}" version="1" lat="{50 + lat}" lon="{8 + lon}">{inner}</node>'
        )
    ways: list[tuple[list[int], dict[str, str]]] = []
    for r in range(GRID):
        row = [r * 10 + c + 1 for c in range(GRID)]
        column = [c * 10 + r + 1 for c in range(GRID)]
        first = {"oneway": "yes"} if r == 1 else {}
        ways.append((row, {"highway": "residential", "name": f"Reihe {r}"} | first))
        ways.append((column, {"highway": "primary", "maxspeed": "30 mph", "bridge": "yes"}))
    ways += [
        ([101, 102], {"highway": "residential"}),
        ([4, 103], {"highway": "residential", "oneway": "yes"}),
        ([1, 12], {"highway": "residential", "access": "private"}),
        ([1, 23], {"highway": "footway"}),
        ([34, 104, 999], {"highway": "service", "maxspeed": "fast"}),
    ]
    for number, (nodes, tags) in enumerate(ways, start=1):
        inner = "".join(f'<nd ref="{node}"/>' for node in nodes)
        inner += "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        lines.append(f'<way id="{number}" version="1">{inner}</way>')
    path.write_text("\n".join([*lines, "</osm>"]))
    return path


def square(path: Path, west: float = 7.999, size: float = 0.02) -> Path:
    south = 49.999
    ring = [[west, south], [west + size, south], [west + size, south + size],
            [west, south + size], [west, south]]  # fmt: skip
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return path


def made(tmp_path: Path) -> tuple[CityPack, str]:
    said: list[str] = []
    osm, area = extract(tmp_path / "town.osm"), square(tmp_path / "area.geojson")
    pack = build(tmp_path / "packs" / "town", osm, area, None, "Europe/Berlin", said.append)
    return pack, "\n".join(said)


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


@pytest.mark.parametrize("content", ["", "no extract", "<osm version='0.6'><node id='1'"])
def test_a_broken_extract_is_one_sentence_and_leaves_nothing(tmp_path: Path, content: str) -> None:
    osm = tmp_path / "town.osm"
    osm.write_text(content)
    with pytest.raises(SourceError, match=r"town\.osm: no whole OpenStreetMap extract"):
        build(tmp_path / "p" / "town", osm, square(tmp_path / "a"), None, "UTC", print)
    assert not (tmp_path / "p").exists()


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


def test_assumed_units_far_from_every_street_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.off_road.FAR_M", 0.5)
    _, said = made(tmp_path)
    assert "units.csv: unit 'E01' at lon 8.0041, lat 50.0041 is" in said


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


def test_an_extract_without_places_says_what_became_of_its_streets(tmp_path: Path) -> None:
    town = extract(tmp_path / "town.osm")
    lines = [line for line in town.read_text().splitlines() if not line.startswith("<node")]
    town.write_text("\n".join(lines))
    with pytest.raises(SourceError, match=r"no street in it.*node of a street is not in"):
        build(tmp_path / "p" / "town", town, square(tmp_path / "a"), None, "UTC", print)


NET = {r * 10 + c + 1: (50 + r * STEP, 8 + c * STEP) for r in range(GRID) for c in range(GRID)}
PLAIN: dict[str, str] = {}
BLOCKS = [
    *(([r * 10 + c + 1 for c in range(GRID)], PLAIN) for r in range(GRID)),
    *(([r * 10 + c + 1 for r in range(GRID)], PLAIN) for c in range(GRID)),
]


def plain(
    path: Path,
    nodes: dict[int, tuple[float, float]] | None = None,
    ways: list[tuple[list[int], dict[str, str]]] | None = None,
    more: str = "",
    factor: int = 1,
) -> Path:
    """Sixteen crossings and what is added: nodes (lat, lon), streets, text behind them."""
    lines = ["<?xml version='1.0' encoding='UTF-8'?>", '<osm version="0.6">']
    lines += [
        f'<node id="{factor * number}" version="1" lat="{lat}" lon="{lon}"/>'
        for number, (lat, lon) in (NET | (nodes or {})).items()
    ]
    for number, (refs, tags) in enumerate([*BLOCKS, *(ways or [])], start=1):
        inner = "".join(f'<nd ref="{factor * ref}"/>' for ref in refs)
        inner += "".join(
            f'<tag k="{k}" v="{v}"/>' for k, v in ({"highway": "residential"} | tags).items()
        )
        lines.append(f'<way id="{number}" version="1">{inner}</way>')
    path.write_text("\n".join([*lines, more, "</osm>"]))
    return path


def streets_of(tmp_path: Path, osm: Path) -> RoadGraph:
    pack = build(tmp_path / "packs" / "town", osm, square(tmp_path / "a"), None, "UTC", print)
    return RoadGraph.load(pack)


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


def test_a_border_that_was_cut_through_costs_that_border_only(tmp_path: Path) -> None:
    relation = (
        '<relation id="1" version="1"><member type="way" ref="1" role="outer"/>'
        '<tag k="type" v="boundary"/><tag k="boundary" v="administrative"/>'
        '<tag k="admin_level" v="8"/><tag k="name" v="X"/></relation>'
    )
    said: list[str] = []
    osm = plain(tmp_path / "cut.osm", more=relation)
    target = tmp_path / "packs" / "town"
    build(target, osm, square(tmp_path / "a"), None, "UTC", said.append)
    assert any("1  administrative area isn't closed" in line for line in said)


def test_what_an_editor_drew_and_what_is_out_of_order_is_said_as_such(tmp_path: Path) -> None:
    drawn = plain(tmp_path / "drawn.osm", factor=-1)
    area, target = square(tmp_path / "a"), tmp_path / "p" / "town"
    with pytest.raises(SourceError, match=r"32 x node of a street has a negative id"):
        build(target, drawn, area, None, "UTC", print)
    lines = plain(tmp_path / "sorted.osm").read_text().splitlines()
    mixed = tmp_path / "mixed.osm"
    ways = [line for line in lines if line.startswith("<way")]
    nodes = [line for line in lines if line.startswith("<node")]
    mixed.write_text("\n".join([*lines[:2], *ways, *nodes, "</osm>"]))
    with pytest.raises(SourceError, match="streets come before their nodes: sort it"):
        build(target, mixed, area, None, "UTC", print)


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


def test_what_lies_away_is_not_kept(tmp_path: Path) -> None:
    far = {500 + at: (51 + at / 1000, 9.0) for at in range(50)}
    osm = plain(tmp_path / "t.osm", far, [(list(far), {})])
    found = read_extract(osm, (7.999, 49.999, 8.019, 50.019), print)
    assert set(found.places) == set(NET)
    assert found.dropped["street lies away from the city"] == 1
    assert found.spans == pytest.approx((8.0, 50.0, 9.0, 51.049))


def test_reading_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osm_extract, "A_WORD_EVERY_S", 0.0)
    said: list[str] = []
    read_extract(plain(tmp_path / "t.osm"), (8, 50, 9, 51), said.append)
    assert said[-1].endswith("8 streets near the city, 0 facilities")


def test_a_pack_in_the_making_is_no_city(tmp_path: Path) -> None:
    pack, _ = made(tmp_path)
    pack.path.rename(pack.path.with_name(".town.x1y2"))
    assert available_cities(tmp_path / "packs") == []


def test_each_made_cell_has_who_looks_after_it(tmp_path: Path) -> None:
    pack, _ = made(tmp_path)
    workers = Counter(cell.worker for cell in pack.cells)
    assert "" not in workers
    assert max(workers.values()) > 1


def test_a_pack_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(SourceError, match="exists already"):
        made(tmp_path)


@pytest.mark.parametrize(
    ("said", "kmh"),
    [
        ("20 mph", 32.19), ("50MPH", 80.47), (" 50", 50), ("30 km/h", 30), ("walk", 7),
        ("RU:urban", 60), ("DE:urban", 50), ("DE:rural", 100), ("XX:rural", 80), ("FR:zone30", 30),
        ("DE:30", 30), ("XX:motorway", 120), ("50;30", 30), ("none", None), ("0", None),
        ("999", None), ("-5", None), ("50;fast", None), ("", None),
    ],
)  # fmt: skip
def test_maxspeed_is_read_as_mappers_mean_it(said: str, kmh: float | None) -> None:
    assert speed_kmh({"maxspeed": said}) == pytest.approx(kmh, abs=0.01)


def test_tags_are_read_as_mappers_mean_them() -> None:
    assert oneway({"highway": "motorway"}) == "F"
    assert oneway({"highway": "residential", "junction": "roundabout"}) == "F"
    assert oneway({"highway": "residential", "oneway": "-1"}) == "T"
    assert names({"name": "燕山路", "name:en": "Yanshan Road"}) == "燕山路 (Yanshan Road)"


def divided(path: Path) -> Path:
    """The extract with a hospital of two houses, two towns, and two villages in the first."""
    extract(path)
    corners = {  # (column, row) of a grid over the square, 0.01 degrees each
        1000 + 10 * row + column: (7.999 + 0.01 * column, 49.999 + 0.01 * row)
        for row in range(3)
        for column in range(3)
    }
    corners |= {2000 + at: (8.001 + x, 50.001 + y) for at, (x, y) in enumerate(
        [(0, 0), (0.0004, 0), (0.0004, 0.0004), (0, 0.0004)])}  # fmt: skip
    lines = [
        f'<node id="{number}" version="1" lat="{lat}" lon="{lon}"/>'
        for number, (lon, lat) in corners.items()
    ]
    rings = {
        500: [1000, 1001, 1021, 1020],  # west
        501: [1001, 1002, 1022, 1021],  # east
        502: [1000, 1001, 1011, 1010],  # south-west
        503: [1000, 1002, 1022, 1020],  # all
        504: [2000, 2001, 2002, 2003],
    }
    lines += [
        f'<way id="{number}" version="1">'
        + "".join(f'<nd ref="{node}"/>' for node in [*ring, ring[0]])
        + "</way>"
        for number, ring in rings.items()
    ]
    towns = {"boundary": "administrative", "admin_level": "8"}
    relations: list[tuple[int, dict[str, str]]] = [
        (
            500,
            {
                "boundary": "administrative",
                "admin_level": "8",
                "name": "戴埠镇",
                "name:en": "Daibu",
            },
        ),
        (501, towns | {"name": "埭头镇"}),
        (
            502,
            towns | {"admin_level": "10", "name": "村", "name:en": "Village"},
        ),
        (503, towns | {"admin_level": "6", "name": "all"}),
        (503, towns),
        (504, {"amenity": "hospital", "name": "Klinik"}),
    ]
    for number, (way, tags) in enumerate(relations, start=700):
        kind = "boundary" if "boundary" in tags else "multipolygon"
        inner = "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        lines.append(
            f'<relation id="{number}" version="1"><member type="way" ref="{way}" role="outer"/>'
            f'<tag k="type" v="{kind}"/>{inner}</relation>'
        )
    whole = path.read_text().replace("</osm>", "\n".join([*lines, "</osm>"]))
    path.write_text(_in_order(whole))
    return path


def _in_order(text: str) -> str:
    """Nodes, then ways, then relations, as every extract has them."""
    head, *rest = text.splitlines()
    order = {"<node": 0, "<way ": 1, "<rela": 2, "</osm": 3, "<osm ": -1}
    return "\n".join([head, *sorted(rest, key=lambda line: order[line[:5]])])


def test_cells_are_coded_by_town_and_village_where_these_are_known(tmp_path: Path) -> None:
    said: list[str] = []
    osm, area = divided(tmp_path / "town.osm"), square(tmp_path / "area.geojson")
    pack = build(tmp_path / "packs" / "town", osm, area, None, "UTC", said.append)
    assert any("no name or level" in line for line in said)
    places = {
        "town-01-00": (8.013, 50.013),  # 埭头镇, in no village
        "town-02-00": (8.003, 50.013),  # 戴埠镇, in no village
        "town-02-01": (8.003, 50.003),
    }
    for code, (lon, lat) in places.items():
        cell = pack.cells.locate(lon, lat)
        assert cell is not None
        assert cell.code.rpartition("-")[0] == code
    assert {cell.code.rpartition("-")[0] for cell in pack.cells.cells} == set(places)
    named = {cell.code.rpartition("-")[0]: cell for cell in pack.cells.cells}
    assert named["town-02-01"].town == "戴埠镇"
    assert named["town-02-01"].name.en.startswith("Village ")
    assert named["town-02-00"].name.zh.startswith("戴埠镇 ")
    shapes = [
        shapely.Polygon(polygon[0], polygon[1:])
        for cell in pack.cells.cells
        for polygon in cell.polygons
    ]
    assert shapely.union_all(shapes).area == pytest.approx(0.02 * 0.02, rel=1e-6)
    assert sum(shape.area for shape in shapes) == pytest.approx(0.02 * 0.02, rel=1e-6)


def test_a_hospital_of_several_houses_is_one_facility(tmp_path: Path) -> None:
    osm, area = divided(tmp_path / "town.osm"), square(tmp_path / "area.geojson")
    pack = build(tmp_path / "packs" / "town", osm, area, None, "UTC", print)
    (clinic,) = [place for place in pack.facilities if place.kind == "hospital"]
    assert (clinic.id, clinic.name.en) == ("hospital-r705", "Klinik")
    assert (clinic.lon, clinic.lat) == pytest.approx((8.0012, 50.0012), abs=1e-6)


def test_areas_that_leave_a_part_out_divide_nothing(tmp_path: Path) -> None:
    osm = divided(tmp_path / "town.osm")
    osm.write_text(osm.read_text().replace("埭头镇", ""))
    area = square(tmp_path / "area.geojson")
    pack = build(tmp_path / "packs" / "town", osm, area, None, "UTC", print)
    assert all(cell.code.startswith("town-r") for cell in pack.cells.cells)
