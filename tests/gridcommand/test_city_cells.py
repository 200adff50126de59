"""Cells that a city gets: coded and named by town and village where these are known."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import shapely

from gridcommand.city_build import build
from gridcommand.city_cells import AdminArea, made_cells
from tests.gridcommand.osm_inputs import divided, made, plain, square


def test_each_made_cell_has_who_looks_after_it(tmp_path: Path) -> None:
    pack, _ = made(tmp_path)
    workers = Counter(cell.worker for cell in pack.cells)
    assert "" not in workers
    assert max(workers.values()) > 1


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


def test_areas_that_leave_a_part_out_divide_nothing(tmp_path: Path) -> None:
    osm = divided(tmp_path / "town.osm")
    osm.write_text(osm.read_text().replace("埭头镇", ""))
    area = square(tmp_path / "area.geojson")
    pack = build(tmp_path / "packs" / "town", osm, area, None, "UTC", print)
    assert all(cell.code.startswith("town-r") for cell in pack.cells.cells)


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


def test_cells_of_a_city_that_nothing_divides_have_its_communes_name(tmp_path: Path) -> None:
    def area(name: str, west: float, east: float, level: int = 8) -> AdminArea:
        return AdminArea(level, name, f"{name} (en)", shapely.box(west, 49.98, east, 50.04))

    city = shapely.box(8.0, 50.0, 8.02, 50.02)
    cells = made_cells(city, "t", [area("Land", 0, 20, 4), area("Kreis", 7.99, 8.03, 6)])
    assert {cell["properties"]["town"] for cell in cells} == {"Kreis"}
    assert cells[0]["properties"]["code"] == "t-r000c000"
    assert cells[0]["properties"]["name_zh"] == "Kreis 0-0"
    assert cells[0]["properties"]["name_en"] == "Kreis (en) 0-0"
    half = made_cells(city, "t", [area("Kreis", 7.99, 8.03, 6), area("Dorf", 8.0, 8.008)])
    assert {cell["properties"]["town"] for cell in half} == {"Kreis", "Dorf"}
    wide = made_cells(city, "t", [area("Gemeinde", 0, 20, 8)])
    assert {cell["properties"]["town"] for cell in wide} == {"Gemeinde"}
    assert {cell["properties"]["town"] for cell in made_cells(city, "t", [])} == {"t"}
