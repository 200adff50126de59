"""Facilities of an extract, each counted once and only while it is there."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from gridcommand.city_build import build
from gridcommand.osm_facilities import Place, out_of_use, without_doubles
from tests.gridcommand.osm_inputs import divided, plain, square


def test_a_hospital_of_several_houses_is_one_facility(tmp_path: Path) -> None:
    osm, area = divided(tmp_path / "town.osm"), square(tmp_path / "area.geojson")
    pack = build(tmp_path / "packs" / "town", osm, area, None, "UTC", print)
    (clinic,) = [place for place in pack.facilities if place.kind == "hospital"]
    assert (clinic.id, clinic.name.en) == ("hospital-r705", "Klinik")
    assert (clinic.lon, clinic.lat) == pytest.approx((8.0012, 50.0012), abs=1e-6)


M = 1 / 111_195
"""A metre in degrees of latitude; on the equator of longitude too."""


def node(name: str, x_m: float, kind: str = "fire_station", number: int = 1) -> Place:
    lon = x_m * M
    return Place(f"{kind}-n{number}", kind, name, name, name, shapely.Point(lon, 0), lon, 0)


def outline(name: str, x_m: float, size_m: float = 40, number: int = 1) -> Place:
    """A square from x_m on."""
    house = shapely.box(x_m * M, 0, (x_m + size_m) * M, size_m * M)
    spot = house.centroid
    kind = "fire_station"
    return Place(f"{kind}-w{number}", kind, name, name, name, house, spot.x, spot.y)


@pytest.mark.parametrize(
    ("one", "other", "many"),
    [
        (outline("Wache 1", 0), node("Wache 1", 20), 1),
        (outline("Wache 1", 0), node("Feuerwache Eins", 20), 1),
        (outline("Wache 1", 0), node("", 70), 1),
        (outline("Wache 1", 0), node("Wache 2", 70), 2),
        (outline("Wache 1", 0), node("wache 1", 200), 1),
        (outline("Wache 1", 0), node("Wache 1", 400), 2),
        (outline("", 0), node("", 120), 2),
        (outline("Wache 1", 0, 100), outline("", 30, 20, number=2), 1),
        (outline("Wache 1", 0), outline("Wache 2", 60, number=2), 2),
        (outline("Wache 1", 0), outline("Wache 1", 60, number=2), 1),
        (outline("Wache 1", 0), outline("Wache 1", 200, number=2), 2),
        (node("Wache 1", 0), node("Wache 1", 30, number=2), 1),
        (node("Wache 1", 0), node("Wache 1", 200, number=2), 2),
        (node("Wache 1", 0), node("Wache 1", 30, "police_station"), 2),
        (node("", 0, "hydrant"), node("", 10, "hydrant", number=2), 2),
    ],
)
def test_a_point_and_its_outline_are_one_facility(one: Place, other: Place, many: int) -> None:
    for pair in ([one, other], [other, one]):
        assert len(without_doubles(pair)) == many


def test_an_outline_takes_the_name_of_its_point() -> None:
    (one,) = without_doubles([node("Wache 1", 20), outline("", 0)])
    assert (one.id, one.name_en) == ("fire_station-w1", "Wache 1")


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"historic": "yes"}, "historic"),
        ({"disused": "yes"}, "disused"),
        ({"abandoned": "yes"}, "abandoned"),
        ({"demolished": "yes"}, "demolished"),
        ({"disused:amenity": "fire_station"}, "disused:amenity"),
        ({"was:amenity": "school"}, ""),
        ({"historic": "no"}, ""),
    ],
)
def test_what_is_there_no_more_is_none(more: dict[str, str], key: str) -> None:
    assert out_of_use({"amenity": "fire_station"} | more) == key


def test_each_station_gets_one_engine_and_an_old_one_none(tmp_path: Path) -> None:
    # The outline of the house, the point in it, and a museum with its name.
    corners = {301 + at: (50.0021 + y, 8.0021 + x) for at, (x, y) in enumerate(
        [(0, 0), (0.0004, 0), (0.0004, 0.0004), (0, 0.0004)])}  # fmt: skip
    spots = corners | {310: (50.0023, 8.0023), 311: (50.006, 8.006), 312: (50.01, 8.01)}
    station = {"amenity": "fire_station"}
    tags = {
        310: station | {"name": "Wache"},
        311: station | {"historic": "yes", "name": "Alte Wache"},
        312: {"disused:amenity": "fire_station"},
    }
    house: tuple[list[int], dict[str, str]] = ([301, 302, 303, 304, 301], station)
    osm = plain(tmp_path / "t.osm", spots, [house], tags=tags)
    osm.write_text(
        osm.read_text().replace(
            '<tag k="highway" v="residential"/><tag k="amenity"', '<tag k="amenity"'
        )
    )
    said: list[str] = []
    pack = build(tmp_path / "p" / "t", osm, square(tmp_path / "a"), None, "UTC", said.append)
    assert [unit.kind for unit in pack.units] == ["engine"]
    assert [(one.id, one.name.en) for one in pack.facilities] == [("fire_station-w9", "Wache")]
    assert any("1  facility is mapped twice" in line for line in said)
    assert any("(historic): Alte Wache" in line for line in said)
