"""City packs come out of source tables: the same bytes each time, and nothing is cut off."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import networkx as nx
import pytest
from typer.testing import CliRunner

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand import pack_liyang, pack_san_francisco
from gridcommand.city_packs import SourceError, app, read_table
from models.city import CityPack

SIDE, STEP = 6, 0.004
CODES = "codes:\n  Alarms: {category: accident.fire.alarm, priority: 2}\n"


def _table(path: Path, rows: list[dict[str, object]]) -> None:
    names = list(rows[0])
    text = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
    data = "\n".join(text).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def _segment(
    name: str, u: tuple[int, int], v: tuple[int, int], **more: object
) -> dict[str, object]:
    ends = [f"{-122.45 + column * STEP:.6f} {37.75 + row * STEP:.6f}" for row, column in (u, v)]
    return {
        "cnn": name, "u": f"{u[0]}{u[1]}", "v": f"{v[0]}{v[1]}", "length_m": 400,
        "road_class": "residential", "speed_kmh_default": 36, "oneway_osm_hint": "",
        "drivable": "True", "name": "06TH ST", "layer": "STREETS", "nhood": "Mission",
        "geom_lonlat": ";".join(ends), **more,
    }  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A little San Francisco: a grid, one street into a dead end, one island, one station."""
    folder = tmp_path / "source"
    folder.mkdir()
    segments = []
    for row in range(SIDE):
        for column in range(SIDE):
            if column + 1 < SIDE:
                segments.append(_segment(f"h{row}{column}", (row, column), (row, column + 1)))
            if row + 1 < SIDE:
                segments.append(_segment(f"v{row}{column}", (row, column), (row + 1, column)))
    dead_end = _segment("dead", (0, 0), (0, 9), oneway_osm_hint="F")
    one_way = _segment("way", (0, 0), (1, 1), oneway_osm_hint="T")
    stairs = _segment("stairs", (0, 0), (8, 8), drivable="False")
    island = _segment("island", (9, 0), (9, 1))
    _table(folder / "sf_edges.csv.gz", [*segments, dead_end, one_way, stairs, island])
    nodes = {(row, column) for row in range(10) for column in range(10)}
    _table(
        folder / "sf_nodes.csv.gz",
        [
            {"id": f"{row}{column}", "lon": -122.45 + column * STEP, "lat": 37.75 + row * STEP}
            for row, column in sorted(nodes)
        ],
    )
    _table(folder / "sf_fire_stations.csv", [{"station": 1, "lat": 37.75, "lon": -122.45}])
    calls: list[dict[str, object]] = []
    for number in range(40):
        row, column = 1 + number % 5, 1 + number // 8
        # Every run takes exactly twice what the default speed says.
        seconds = 2 * 40 * (row + column)
        calls.append(
            {
                "unit_id": "E01" if number % 10 else f"T{number:02d}",
                "unit_type": "ENGINE" if number % 10 else "TRUCK", "station_area": "01",
                "response": "2017-01-01 00:00:00",
                "on_scene": f"2017-01-01 00:{seconds // 60:02d}:{seconds % 60:02d}",
                "lat": 37.75 + row * STEP, "lon": -122.45 + column * STEP,
            }
        )  # fmt: skip
    _table(folder / "sf_fire_calls_x.csv.gz", calls)
    return folder


def _build(source: Path, target: Path) -> CityPack:
    target.mkdir()
    (target / "codes.yaml").write_text(CODES, encoding="utf-8")
    pack_san_francisco.build(source, target)
    return CityPack.load(target)


def test_the_same_source_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    packs = [_build(source, tmp_path / name) for name in ("one", "two")]
    assert packs[0].pack_hash == packs[1].pack_hash


def test_every_street_of_the_main_part_is_reached(source: Path, tmp_path: Path) -> None:
    graph = RoadGraph.load(_build(source, tmp_path / "pack"))
    assert {"dead", "way"} <= set(graph.edge_ids)
    assert not {"stairs", "island"} & set(graph.edge_ids)
    assert nx.is_strongly_connected(graph.to_networkx())
    assert graph.edge_oneway[graph.edge_row("dead")] == 0  # one way in would trap a unit
    assert graph.edge_oneway[graph.edge_row("way")] == -1  # this one can stay as it is
    assert graph.edge_name[0] == "6th St"


def test_speeds_are_what_was_driven(source: Path, tmp_path: Path) -> None:
    pack = _build(source, tmp_path / "pack")
    assert pack.speed_factor == pytest.approx(0.5, abs=0.03)
    travel = TravelTimes(RoadGraph.load(pack), speed_factor=pack.speed_factor)
    engine = next(unit for unit in pack.units if unit.id == "E01")
    assert engine.station == "station-01"
    times = travel.matrix([(engine.lon, engine.lat)], [(-122.45, 37.75 + 3 * STEP)])
    assert times[0, 0] == pytest.approx(240, rel=0.05)


def test_units_stand_in_cells_named_after_the_neighbourhood(source: Path, tmp_path: Path) -> None:
    pack = _build(source, tmp_path / "pack")
    cell = pack.cells.locate(pack.units[0].lon, pack.units[0].lat)
    assert cell is not None
    assert (cell.town, cell.worker) == ("Mission", "gw-mission")


def test_too_few_runs_to_calibrate_are_said(source: Path) -> None:
    rows = read_table(source / "sf_fire_calls_x.csv.gz")[:12]
    _table(source / "sf_fire_calls_x.csv.gz", [dict(row) for row in rows])
    with pytest.raises(SourceError, match="too few"):
        pack_san_francisco.build(source, source / "pack")


def test_a_missing_table_is_said_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["san_francisco", "--source", str(tmp_path)])
    assert done.exit_code == 1
    assert "sf_edges.csv.gz: can't be read" in done.output
    assert CliRunner().invoke(app, ["atlantis", "--source", str(tmp_path)]).exit_code == 2


def test_liyang_is_one_network_with_a_cell_for_every_village(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "pack"
    source.mkdir()
    target.mkdir()
    (target / "codes.yaml").write_text(CODES, encoding="utf-8")
    ring = [[119.15, 31.2], [119.6, 31.2], [119.6, 31.65], [119.15, 31.65], [119.15, 31.2]]
    boundary = {"features": [{"geometry": {"type": "Polygon", "coordinates": [ring]}}]}
    (source / "liyang_boundary.geojson").write_text(json.dumps(boundary), encoding="utf-8")
    with (source / "liyang_villages.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "name", "streetCode", "street"])
        for at, town in enumerate(pack_liyang.SEATS):
            for number in range(4):
                writer.writerow([f"3204810{at:02d}{number:03d}", f"村{at}{number}村委会", at, town])
    pack_liyang.build(source, target)
    pack = CityPack.load(target)
    graph = RoadGraph.load(pack)
    assert len(pack.cells) == 4 * len(pack_liyang.SEATS)
    assert nx.is_strongly_connected(graph.to_networkx())
    assert pack.roads_notice is not None
    assert "合成" in pack.roads_notice.zh
    assert {unit.owner for unit in pack.units} == {"government", "enterprise", "society", "public"}
    places = [(unit.lon, unit.lat) for unit in pack.units]
    assert all(pack.cells.locate(*place) for place in places)
    travel = TravelTimes(graph)
    workers = [unit for unit in pack.units if unit.kind == "grid_worker"]
    assert max(travel.snap(unit.lon, unit.lat).distance_m for unit in workers) < 5
