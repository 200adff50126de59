"""Makes a city pack of an OpenStreetMap extract and a boundary.

For: ``gridcommand city build``. Not for: reading OpenStreetMap (``gridcommand.osm_extract``). The
pack is made in a folder beside its place and checked by loading it; only then is it renamed, so
a pack is there whole or not at all. What can be checked without reading the extract is checked
first. The call types of ``data/codes.yaml`` come with it, and the playbooks of
``playbooks/plans/generic`` are in force until the city has its own.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from dispatch.roads import RoadGraph
from gridcommand.city_cells import made_cells
from gridcommand.city_packs import (
    EDGE_COLUMNS,
    FACILITY_COLUMNS,
    TURN_COLUMNS,
    SourceError,
    write_pack,
    write_table,
)
from gridcommand.osm_extract import read_extract
from gridcommand.osm_facilities import without_doubles
from gridcommand.osm_roads import streets
from gridcommand.reachability import CUT_OFF_FILE, SETTLEMENTS_FILE, look
from models.city import CITY_FILE, TURNS_FILE, CityPack
from models.settings import GENERIC_PLANS, own_plans
from models.skills import UNIT_KINDS

UNITS_AT = {
    "fire_station": ("engine", "E"), "hospital": ("ambulance", "A"),
    "police_station": ("police_car", "P"),
}  # fmt: skip
"""One unit is assumed at each, until the city lists its own."""

CODES = Path(__file__).parent / "data" / "codes.yaml"
"""Call types that the pack begins with."""


def build(
    target: Path,
    osm: Path,
    boundary: Path,
    cells: Path | None,
    timezone: str,
    say: Callable[[str], None],
) -> CityPack:
    """Build the pack into folder `target`, which must not exist.

    Raises
    ------
    SourceError
        Extract, boundary or cells can't be used; nothing is left behind.
    CityPackError
        The finished pack doesn't pass its own check (cells of a file, most likely).
    """
    _check_zone(timezone)
    _check_target(target)
    name = target.name
    area = _area(boundary)
    given, jurisdiction = (None, name) if cells is None else _given_cells(cells)
    say(f"reading {osm}")
    extract = read_extract(osm, area.bounds, say)
    say(f"{len(extract.ways)} streets, {len(extract.facilities)} facilities; cutting at crossings")
    once = without_doubles(extract.facilities)
    extract.dropped["facility is mapped twice (point and outline), counted once"] += len(
        extract.facilities
    ) - len(once)
    within = [place for place in once if area.contains(shapely.Point(place.lon, place.lat))]
    inside = [place.row() for place in within]
    extract.dropped["facility lies outside the boundary"] += len(once) - len(inside)
    net = streets(extract, area, within)
    lived_at = [place.row() for place in extract.settlements
                if area.contains(shapely.Point(place.lon, place.lat))]  # fmt: skip
    features = made_cells(area, name, extract.areas) if given is None else given
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=target.parent))
    except OSError as error:
        raise SourceError(f"{target.parent}: nothing can be written there: {error}") from error
    try:
        write_pack(
            room,
            city=_city(name, jurisdiction, area, timezone),
            nodes=net.nodes,
            edges=net.edges,
            cells=features,
            units=_units(inside),
            facilities=inside,
        )
        shutil.copyfile(CODES, room / "codes.yaml")
        (room / "ATTRIBUTION.md").write_text(_ATTRIBUTION, encoding="utf-8")
        if net.turns:
            write_table(room / TURNS_FILE, TURN_COLUMNS, net.turns)
        write_table(room / CUT_OFF_FILE, (*EDGE_COLUMNS, "why"), net.cut_off)
        write_table(room / SETTLEMENTS_FILE, FACILITY_COLUMNS, lived_at)
        pack = CityPack.load(room)
        reach = look(pack, RoadGraph.load(pack))
        room.chmod(0o755)
        room.rename(target)
    except OSError as error:
        raise SourceError(f"{target}: can't be written: {error}") from error
    finally:
        shutil.rmtree(room, ignore_errors=True)
    if timezone == "UTC":
        say("time zone: UTC; give the city's own with --timezone, for the hour of the day counts")
    for word, counts in (("dropped", extract.dropped), ("noted", extract.noted)):
        for reason, count in sorted(counts.items()):
            if count:
                say(f"{word:<7} {count:7d}  {reason}")
    for line in reach.lines():
        say(f"NOT REACHED from the largest part of the network: {line}")
    if reach.empty_cells:
        say(f"{len(reach.empty_cells)} cells have no street, and nobody known who lives there")
    say(
        f"{target / CITY_FILE}: {len(net.nodes)} crossings, {len(net.edges)} stretches of street, "
        f"{len(net.turns)} forbidden turns, "
        f"{len(inside)} facilities, {len(features)} cells, {len(pack.units)} assumed units"
    )
    plans = own_plans(target)
    if plans is None:
        say(
            f"playbooks: the generic ones ({GENERIC_PLANS}), which ask for engines, ambulances "
            f"and police; copy them to {target / 'playbooks'} to make them the city's"
        )
    else:
        say(f"playbooks: {plans}")
    if not pack.units:
        say("no unit: there is no fire station, hospital or police station; write units.csv")
    return CityPack.load(target)


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SourceError(
            f"time zone {name!r} is none of the IANA's, such as Europe/Berlin"
        ) from error


def _check_target(target: Path) -> None:
    """Find out before the work whether the pack can be put there."""
    if target.exists():
        raise SourceError(f"{target} exists already: remove it first or choose another name")
    above = target.parent
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir():
        raise SourceError(f"{target}: can't be written: {above} is no folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise SourceError(f"{target}: can't be written: {above} is not yours to write into")


def _read_features(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: can't be read as GeoJSON: {error}") from error
    if isinstance(document, dict):
        if document.get("type") == "FeatureCollection":
            document = document.get("features")
        elif document.get("type") == "Feature":
            document = [document]
        else:
            document = [{"type": "Feature", "properties": {}, "geometry": document}]
    if not isinstance(document, list) or not all(isinstance(part, dict) for part in document):
        raise SourceError(f"{path}: must be GeoJSON")
    return document


def _given_cells(path: Path) -> tuple[list[dict[str, Any]], str]:
    """The cells of a file and the jurisdiction that they are of, which becomes the pack's."""
    features = _read_features(path)
    if not features:
        raise SourceError(f"{path}: holds no cell")
    for number, feature in enumerate(features):
        for key in ("code", "name_zh", "name_en", "town", "jurisdiction", "worker"):
            if key not in (feature.get("properties") or {}):
                raise SourceError(f"{path}: features[{number}]: property {key!r} is missing")
    said = sorted({str(feature["properties"]["jurisdiction"]) for feature in features})
    if len(said) > 1:
        raise SourceError(
            f"{path}: cells of {len(said)} jurisdictions ({', '.join(said[:5])}); a pack has one"
        )
    return features, said[0]


def _area(path: Path) -> BaseGeometry:
    try:
        shapes = [shapely.make_valid(shape(part["geometry"])) for part in _read_features(path)]
        area = shapely.union_all(shapes)
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as error:
        raise SourceError(f"{path}: its geometry can't be read: {error}") from error
    west, south, east, north = area.bounds
    if _spans_180(west, east):
        raise SourceError(
            f"{path}: it lies on both sides of 180 degrees of longitude ({west:g} to {east:g}), "
            "which no pack can: give the boundary of one side, and make a pack of each"
        )
    if not area.area > 0 or not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise SourceError(f"{path}: must hold a polygon in degrees, WGS-84")
    shapely.prepare(area)
    return area


def _spans_180(west: float, east: float) -> bool:
    """Whether an area goes over the line where 180 degrees become -180, or beyond it."""
    round_the_earth = east - west > 180.0 and west >= -180.0 and east <= 180.0
    return round_the_earth or 180.0 < east <= 360.0 or -360.0 <= west < -180.0


def _units(facilities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for place in sorted(facilities, key=lambda each: str(each["id"])):
        if place["kind"] in UNITS_AT:
            kind, letter = UNITS_AT[place["kind"]]
            number = sum(row["kind"] == kind for row in rows) + 1
            rows.append(
                {
                    "id": f"{letter}{number:02d}",
                    "kind": kind,
                    "skills": "|".join(sorted(UNIT_KINDS[kind].skills)),
                    "owner": "government",
                    "station": place["id"],
                    "lon": place["lon"],
                    "lat": place["lat"],
                    "call_sign": f"{letter}{number:02d}",
                }
            )
    return rows


def _city(name: str, jurisdiction: str, area: BaseGeometry, timezone: str) -> str:
    middle = area.representative_point()
    title = json.dumps(name.replace("_", " ").title(), ensure_ascii=False)
    return (
        f"# Written by gridcommand city build; yours to edit.\nid: {json.dumps(name)}\n"
        f"names: {{zh: {title}, en: {title}}}\n"
        f"timezone: {timezone}\njurisdiction: {json.dumps(jurisdiction)}\n"
        f"center: [{middle.x:.5f}, {middle.y:.5f}]\nzoom: 12\ndatum: WGS-84\n"
        "roads_notice: null\ncodes: codes.yaml\nspeed_factor: 0.7\n"
        "attribution: {zh: © OpenStreetMap 贡献者（ODbL）, "
        "en: © OpenStreetMap contributors (ODbL)}\n"
    )


_ATTRIBUTION = """\
# Where this pack comes from

Streets and facilities: © OpenStreetMap contributors, Open Database License (ODbL) 1.0.
Units are assumed, one at each fire station, hospital and police station: list your own.
"""
