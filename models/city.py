"""City packs: what Gridcommand knows about a place before anything happens there.

For: units, facilities, grid cells and code maps of one city, read from ``cities/<id>/`` and
checked once, with errors that name file and line. Not for: the road graph itself
(``dispatch.roads`` reads the files named here) and what units do now (the desk's situation).
Relies on: shapely, and only when a cell is looked up, so that the web console can load a pack
for the price of its text files.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from models.calibration import CALIBRATION_FILE, Calibration, read_calibration
from models.errors import CityPackError
from models.named import unknown, wrong_with_id
from models.neighbours import NEIGHBOURS_FILE, Neighbour, read_neighbours
from models.pack_files import YamlFile, read_table, read_text
from models.pack_names import FACILITY_KINDS, Box, PackNames, wrong_category, wrong_skills
from models.plain_text import plain
from models.profiles import Profile
from models.reserves import RESERVES_FILE, ReserveRule, read_reserves
from models.skills import UNIT_KINDS
from models.words import PRIORITIES, Datum, Grade

if TYPE_CHECKING:
    from shapely import STRtree

CITY_FILE = "city.yaml"
NODES_FILE = "roads_nodes.csv.gz"
EDGES_FILE = "roads_edges.csv.gz"
TURNS_FILE = "roads_turns.csv.gz"
CELLS_FILE = "cells.geojson"
UNITS_FILE = "units.csv"
FACILITIES_FILE = "facilities.csv"

OWNERS = ("government", "enterprise", "society", "public")

_UNIT_COLUMNS = ("id", "kind", "skills", "owner", "station", "lon", "lat", "call_sign")
HOSPITAL = "hospital"
"""Kind of the facilities that patients are brought to."""
PER_HOUR_COLUMN = "per_hour"
"""Of the facilities, if they have it."""
_FACILITY_COLUMNS = ("id", "kind", "name_zh", "name_en", "lon", "lat")
_EDGE_OF_A_CELL_DEG = 1e-7
_SQUARE_DEG = 0.0005
_SQUARES_KEPT = 50_000
_OUTSIDE, _NOT_LOOKED_AT = -1, -2
"""About a centimetre: a point this near to two cells lies on their border."""

Ring = tuple[tuple[float, float], ...]


class Text(msgspec.Struct, frozen=True):
    """One text in both languages."""

    zh: str
    en: str


class UnitSpec(msgspec.Struct, frozen=True):
    """A unit as the pack lists it: who it is and where it starts.

    Attributes
    ----------
    skills
        Sorted, without repeats, at least one.
    owner
        One of `OWNERS`.
    station
        Id of the facility it belongs to, or empty.
    lon, lat
        Where it stands before its first position is known; WGS-84, degrees.
    """

    id: str
    kind: str
    skills: tuple[str, ...]
    owner: str
    station: str
    lon: float
    lat: float
    call_sign: str


class Facility(msgspec.Struct, frozen=True):
    """A place that matters in an emergency: station, hospital, shelter, depot.

    ``per_hour`` is how many patients a hospital takes in an hour; None: not known.
    """

    id: str
    kind: str
    name: Text
    lon: float
    lat: float
    per_hour: int | None = None


class Cell(msgspec.Struct, frozen=True):
    """The smallest area with a responsible worker (单元网格).

    ``polygons`` holds rings of (lon, lat): for each polygon its shell first, then its holes.
    """

    code: str
    name: Text
    town: str
    jurisdiction: str
    worker: str
    polygons: tuple[tuple[Ring, ...], ...]

    @property
    def middle(self) -> tuple[float, float]:
        """A point within it, far from its edges, as (lon, lat) with six decimals."""
        from shapely import MultiPolygon, Polygon

        shape = MultiPolygon([Polygon(rings[0], rings[1:]) for rings in self.polygons])
        point = shape.representative_point()
        return round(point.x, 6), round(point.y, 6)


class CodeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one of a source's structured codes means here."""

    category: str
    priority: int
    grade: Grade | None = None


class _CityFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    names: Text
    timezone: str
    jurisdiction: str
    center: tuple[float, float]
    zoom: float
    datum: Datum
    attribution: str | Text
    codes: str = "codes.yaml"
    roads_notice: Text | None = None
    speed_factor: float = 1.0
    profiles: dict[str, Profile] = {}
    unit_kinds: dict[str, Text] = {}
    facility_kinds: dict[str, Text] = {}


class _CodesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    codes: dict[str, Any]
    priority_map: dict[str, Any] = {}


class CellIndex:
    """The cells of a pack, and which of them a point lies in.

    Parameters
    ----------
    cells
        In any order; kept sorted by code.

    Notes
    -----
    A point belongs to exactly one cell: on a border (within about 1 cm) to the one whose code
    sorts first. So the answer depends neither on the order of the file nor on the index.
    The spatial index is built at the first `locate`, about a millisecond per hundred cells; small
    squares that lie in one cell are remembered, so that most points cost a look into a table.
    """

    def __init__(self, cells: tuple[Cell, ...]) -> None:
        self.cells = tuple(sorted(cells, key=lambda cell: cell.code))
        self._by_code = {cell.code: cell for cell in self.cells}
        self._squares: dict[tuple[int, int], int | None] = {}

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    def get(self, code: str) -> Cell | None:
        """The cell with this code, or None."""
        return self._by_code.get(code)

    def locate(self, lon: float, lat: float) -> Cell | None:
        """The cell that this WGS-84 point lies in, or None outside all of them."""
        square = math.floor(lon / _SQUARE_DEG), math.floor(lat / _SQUARE_DEG)
        at = self._squares.get(square, _NOT_LOOKED_AT)
        if at == _NOT_LOOKED_AT:
            if len(self._squares) >= _SQUARES_KEPT:
                self._squares.clear()
            at = self._squares[square] = self._whole(*square)
        if at is None:
            at = self._first_at(lon, lat)
        return None if at == _OUTSIDE else self.cells[at]

    def _first_at(self, lon: float, lat: float) -> int:
        from shapely import Point

        hits = self._tree.query(Point(lon, lat), predicate="dwithin", distance=_EDGE_OF_A_CELL_DEG)
        return int(hits.min()) if len(hits) else _OUTSIDE

    def _whole(self, column: int, row: int) -> int | None:
        """The one cell that a square lies in, edges included, or None where points must tell."""
        from shapely import box

        west, south = column * _SQUARE_DEG, row * _SQUARE_DEG
        square = box(west, south, west + _SQUARE_DEG, south + _SQUARE_DEG)
        near = self._tree.query(square, predicate="dwithin", distance=_EDGE_OF_A_CELL_DEG)
        if len(near) == 0:
            return _OUTSIDE
        within = self._tree.query(square, predicate="within")
        return int(near[0]) if len(near) == 1 and len(within) == 1 else None

    @cached_property
    def _tree(self) -> STRtree:
        from shapely import MultiPolygon, Polygon, STRtree

        return STRtree(
            [
                MultiPolygon([Polygon(rings[0], rings[1:]) for rings in cell.polygons])
                for cell in self.cells
            ]
        )


@dataclass(frozen=True)
class CityPack:
    """One city, as read by `CityPack.load`; never changed afterwards.

    Attributes
    ----------
    path
        The folder it was read from.
    datum
        Datum that the city's other systems send coordinates in; the pack itself is WGS-84.
    roads_notice
        What every screen that shows a route must say about the roads, or None.
    attribution
        Whose data it is made of; every map says so.
    speed_factor
        Multiplies the speeds of the road files; below 1 means slower than those say. Counts only
        without a calibration.
    profiles
        Kinds of units that move as something else than usual.
    unit_kinds
        The pack's own, besides those of `models.skills`.
    calibration
        What recorded responses taught about driving times, or None.
    reserves
        Which units stay for what may come, by posture.
    neighbours
        Who lends which units at what cost; their units aren't among `units`.
    units, facilities
        Sorted by id.
    codes
        The source's structured code to its meaning; `meaning` also weighs a call's own priority.
    pack_hash
        SHA-256 over names and contents of all files but ``drills/``: the same hash means the
        same decisions from the same events.
    """

    path: Path
    id: str
    names: Text
    timezone: str
    jurisdiction: str
    center: tuple[float, float]
    zoom: float
    datum: Datum
    roads_notice: Text | None
    attribution: Text
    speed_factor: float
    units: tuple[UnitSpec, ...]
    facilities: tuple[Facility, ...]
    cells: CellIndex
    codes: Mapping[str, CodeEntry]
    priority_map: Mapping[str, int]
    pack_hash: str
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    calibration: Calibration | None = None
    reserves: tuple[ReserveRule, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    unit_kinds: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> CityPack:
        """Read and check the pack in folder `path`.

        Raises
        ------
        CityPackError
            A file is missing or unreadable, or says something impossible: the message names
            file, line and value.
        """
        if not (path / CITY_FILE).is_file():
            raise CityPackError(f"{path}: no city pack here, {CITY_FILE} is missing")
        city = _read_city(YamlFile(path / CITY_FILE))
        for name in (NODES_FILE, EDGES_FILE):
            if not (path / name).is_file():
                raise CityPackError(f"{path / name}: file of the road network is missing")
        codes, priority_map = _read_codes(YamlFile(path / city.codes))
        cells = _read_cells(path / CELLS_FILE, city.jurisdiction)
        names = _names(YamlFile(path / CITY_FILE), city, cells)
        facilities = read_table(
            path / FACILITIES_FILE,
            _FACILITY_COLUMNS,
            lambda row: _facility(row, names),
            lambda place: place.id,
            optional=(PER_HOUR_COLUMN,),
        )
        names = replace(names, stations={p.id: (p.name.zh, p.name.en) for p in facilities})
        units = _read_units(path / UNITS_FILE, names)
        return cls(
            path=path,
            id=city.id,
            names=city.names,
            timezone=city.timezone,
            jurisdiction=city.jurisdiction,
            center=city.center,
            zoom=city.zoom,
            datum=city.datum,
            roads_notice=city.roads_notice,
            attribution=_in_both(city.attribution),
            speed_factor=city.speed_factor,
            profiles=MappingProxyType(city.profiles),
            units=units,
            facilities=facilities,
            cells=CellIndex(cells),
            codes=MappingProxyType(codes),
            priority_map=MappingProxyType(priority_map),
            pack_hash=_hash(path),
            calibration=read_calibration(path / CALIBRATION_FILE),
            neighbours=read_neighbours(
                path / NEIGHBOURS_FILE, {plain(unit.id) for unit in units}, names, OWNERS
            ),
            reserves=read_reserves(path / RESERVES_FILE, names),
            unit_kinds=MappingProxyType(city.unit_kinds),
        )

    def with_fleet(self, path: Path) -> CityPack:
        """Return the city with the units of another table, in the form of ``units.csv``.

        Neighbours lend nothing then: the table is the whole fleet.

        Raises
        ------
        CityPackError
            As `load`.
        """
        units = _read_units(path, self._names)
        told = f"{self.pack_hash}\n{hashlib.sha256(path.read_bytes()).hexdigest()}"
        return replace(
            self, units=units, neighbours=(), pack_hash=hashlib.sha256(told.encode()).hexdigest()
        )

    @property
    def _names(self) -> PackNames:
        return PackNames(
            unit_kinds=_kinds(self.unit_kinds),
            stations={place.id: (place.name.zh, place.name.en) for place in self.facilities},
            box=self.box,
        )

    @cached_property
    def box(self) -> Box | None:
        """Degrees between which the cells lie; None where there are none."""
        return _box(self.cells)

    @property
    def nodes_path(self) -> Path:
        """Table of road nodes."""
        return self.path / NODES_FILE

    @property
    def edges_path(self) -> Path:
        """Table of road segments."""
        return self.path / EDGES_FILE

    @property
    def turns_path(self) -> Path:
        """Table of turns that may not be made; a pack may have none."""
        return self.path / TURNS_FILE

    @property
    def cells_path(self) -> Path:
        """The cells as GeoJSON, as a map can draw them."""
        return self.path / CELLS_FILE

    def meaning(self, code: str, group: str = "", priority: str = "") -> CodeEntry | None:
        """What a source's code means, or None where the pack doesn't know it.

        Parameters
        ----------
        code
            The source's structured code, such as a call type.
        group, priority
            What the source says about this very call; they look up ``priority_map`` as
            ``code|group|priority``, ``group|priority``, ``group|*``, ``*|priority``, first found
            wins, and the code's own default stands where none is found.
        """
        code, group, priority = plain(code), plain(group), plain(priority)
        entry = self.codes.get(code)
        if entry is None:
            return None
        keys = (f"{code}|{group}|{priority}", f"{group}|{priority}", f"{group}|*", f"*|{priority}")
        found = next((self.priority_map[key] for key in keys if key in self.priority_map), None)
        return entry if found is None else msgspec.structs.replace(entry, priority=found)


def available_cities(root: Path) -> list[str]:
    """Names of the folders under `root` that hold a city pack, sorted.

    What begins with a dot is a pack in the making, or what is left of one.
    """
    if not root.is_dir():
        return []
    return sorted(
        child.name
        for child in root.iterdir()
        if not child.name.startswith(".") and (child / CITY_FILE).is_file()
    )


def _in_both(text: str | Text) -> Text:
    """Return a text of a pack that may have it in one language alone."""
    return Text(zh=text, en=text) if isinstance(text, str) else text


def _read_city(file: YamlFile) -> _CityFile:
    city = file.convert(_CityFile)
    try:
        ZoneInfo(city.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        where = file.where("timezone")
        raise CityPackError(f"{where}: timezone {city.timezone!r} is none of the IANA's") from error
    lon, lat = city.center
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        where = file.where("center")
        raise CityPackError(f"{where}: center {list(city.center)} must be [lon, lat] in degrees")
    if not 0.05 <= city.speed_factor <= 5:
        where = file.where("speed_factor")
        raise CityPackError(f"{where}: speed_factor {city.speed_factor} must lie in 0.05 to 5")
    return city


def _names(file: YamlFile, city: _CityFile, cells: tuple[Cell, ...]) -> PackNames:
    """What the pack's other files may name; checks what ``city.yaml`` itself names."""
    own = {name: (text.zh, text.en) for name, text in city.facility_kinds.items()}
    names = PackNames(
        unit_kinds=_kinds(city.unit_kinds),
        facility_kinds={**FACILITY_KINDS, **own},
        box=_box(cells),
    )
    for kind in city.profiles:
        if wrong := names.wrong_kind(kind):
            raise CityPackError(f"{file.where('profiles', kind)}: {wrong}")
    if wrong := names.wrong_place(*city.center):
        raise CityPackError(f"{file.where('center')}: center: {wrong}")
    return names


def _kinds(own: Mapping[str, Text]) -> dict[str, tuple[str, str]]:
    ours = {kind.id: (kind.names.zh, kind.names.en) for kind in UNIT_KINDS.values()}
    return ours | {name: (text.zh, text.en) for name, text in own.items()}


def _box(cells: Iterable[Cell]) -> Box | None:
    shells = [rings[0] for cell in cells for rings in cell.polygons]
    return Box.around([point for shell in shells for point in shell]) if shells else None


def _read_codes(file: YamlFile) -> tuple[dict[str, CodeEntry], dict[str, int]]:
    names = file.convert(_CodesFile)
    codes = {code: file.convert(CodeEntry, "codes", code) for code in names.codes}
    priority_map = {key: file.convert(int, "priority_map", key) for key in names.priority_map}
    for code, entry in codes.items():
        if wrong := wrong_category(entry.category):
            raise CityPackError(f"{file.where('codes', code)}: {code!r}: {wrong}")
    for key in priority_map:
        if wrong := _wrong_key(plain(key), {plain(code): entry for code, entry in codes.items()}):
            raise CityPackError(f"{file.where('priority_map', key)}: {key!r} {wrong}")
    for section, keys in (("codes", names.codes), ("priority_map", names.priority_map)):
        first: dict[str, str] = {}
        for key in keys:
            if first.setdefault(plain(key), key) != key:
                where = file.where(section, key)
                raise CityPackError(f"{where}: {key!r} is read like {first[plain(key)]!r}")
    given = [("codes", code, entry.priority) for code, entry in codes.items()]
    given += [("priority_map", key, priority) for key, priority in priority_map.items()]
    for section, key, priority in given:
        if priority not in PRIORITIES:
            where = file.where(section, key)
            raise CityPackError(f"{where}: {key!r} has priority {priority}, it must be 1 to 4")
    return (
        {plain(code): entry for code, entry in codes.items()},
        {plain(key): priority for key, priority in priority_map.items()},
    )


def _wrong_key(key: str, codes: Mapping[str, CodeEntry]) -> str:
    """Why no call is ever looked up by this key, or nothing."""
    if "|" not in key:
        return 'must be "group|priority", "group|*", "*|priority" or "code|group|priority"'
    if key.count("|") == 1 or any(key.startswith(f"{code}|") for code in codes):
        return ""
    return unknown("is of a code: code", key.split("|")[0], dict.fromkeys(codes, ()))


def _place(row: dict[str, str], names: PackNames) -> tuple[tuple[float, float], str]:
    """Lon and lat of a row, and what is wrong with them or nothing."""
    try:
        lon, lat = _number(row["lon"]), _number(row["lat"])
    except ValueError:
        return (0.0, 0.0), f"lon {row['lon']!r}, lat {row['lat']!r} must be numbers with a point"
    return (lon, lat), names.wrong_place(lon, lat)


def _number(text: str) -> float:
    return float(unicodedata.normalize("NFKC", text))


def _read_units(path: Path, names: PackNames) -> tuple[UnitSpec, ...]:
    return read_table(path, _UNIT_COLUMNS, lambda row: _unit(row, names), lambda unit: unit.id)


def _unit(row: dict[str, str], names: PackNames) -> UnitSpec:
    kind, owner = plain(row["kind"]), plain(row["owner"])
    skills = tuple(sorted({skill.strip() for skill in plain(row["skills"]).split("|")} - {""}))
    (lon, lat), misplaced = _place(row, names)
    _refuse(
        row,
        "unit",
        wrong_skills(skills) if skills else "has no skills",
        names.wrong_kind(kind),
        names.wrong_station(row["station"]),
        "" if owner in OWNERS else f"owner {owner!r} must be one of {', '.join(OWNERS)}",
        misplaced,
    )
    return UnitSpec(
        id=row["id"],
        kind=kind,
        skills=skills,
        owner=owner,
        station=row["station"],
        lon=lon,
        lat=lat,
        call_sign=row["call_sign"] or row["id"],
    )


def _facility(row: dict[str, str], names: PackNames) -> Facility:
    kind = plain(row["kind"])
    (lon, lat), misplaced = _place(row, names)
    _refuse(row, "facility", names.wrong_facility_kind(kind), misplaced)
    return Facility(
        id=row["id"],
        kind=kind,
        name=Text(zh=row["name_zh"], en=row["name_en"]),
        lon=lon,
        lat=lat,
        per_hour=_per_hour(row.get(PER_HOUR_COLUMN, "")),
    )


def _refuse(row: dict[str, str], what: str, *wrong: str) -> None:
    """Raise with all that is wrong with a row, so that it is mended at once."""
    if said := wrong_with_id(row["id"]):
        raise ValueError(f"id {row['id']!r} {said}")
    if found := "; ".join(filter(None, wrong)):
        raise ValueError(f"{what} {row['id']!r}: {found}")


def _per_hour(text: str) -> int | None:
    """Patients an hour; a spreadsheet may write 4 as 4.0."""
    if not text:
        return None
    try:
        number = _number(text)
    except ValueError:
        number = math.nan
    if not (number >= 0 and number.is_integer()):
        raise ValueError(f"{PER_HOUR_COLUMN} must be a number of patients or empty, not {text!r}")
    return int(number)


def _read_cells(path: Path, jurisdiction: str) -> tuple[Cell, ...]:
    try:
        document = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise CityPackError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    cells: dict[str, Cell] = {}
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise CityPackError(f"{path}: must be a GeoJSON FeatureCollection")
    for number, feature in enumerate(features):
        where = f"{path}: features[{number}]"
        try:
            cell = _cell(feature)
        except KeyError as error:
            raise CityPackError(f"{where}: {error.args[0]!r} is missing") from error
        except (TypeError, ValueError, IndexError) as error:
            raise CityPackError(f"{where}: {error}") from error
        if wrong := wrong_with_id(cell.code):
            raise CityPackError(f"{where}: code {cell.code!r} {wrong}")
        if cell.jurisdiction != jurisdiction:
            raise CityPackError(
                f"{where}: jurisdiction {cell.jurisdiction!r} is not the pack's, which is "
                f"{jurisdiction!r} in {CITY_FILE}: correct the one that is wrong"
            )
        if plain(cell.code) in cells:
            raise CityPackError(f"{where}: code {cell.code!r} is listed twice")
        cells[plain(cell.code)] = cell
    return tuple(cells.values())


def _cell(feature: dict[str, Any]) -> Cell:
    properties, geometry = feature["properties"], feature["geometry"]
    shapes = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        shapes = [shapes]
    elif geometry["type"] != "MultiPolygon":
        raise ValueError(f"geometry {geometry['type']!r} must be Polygon or MultiPolygon")
    polygons = tuple(
        tuple(tuple((float(point[0]), float(point[1])) for point in ring) for ring in rings)
        for rings in shapes
    )
    if not polygons or any(len(ring) < 4 for rings in polygons for ring in rings):
        raise ValueError("a ring needs at least four points")
    return Cell(
        code=str(properties["code"]),
        name=Text(zh=str(properties["name_zh"]), en=str(properties["name_en"])),
        town=str(properties["town"]),
        jurisdiction=str(properties["jurisdiction"]),
        worker=str(properties["worker"]),
        polygons=polygons,
    )


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    for name in names:
        if not name.startswith("drills/"):
            content = (path / name).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
