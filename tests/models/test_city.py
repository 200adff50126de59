"""City packs load whole, or say which line of which file is wrong."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shapely import MultiPolygon, Point, Polygon

from dispatch.roads import RoadGraph
from models.categories import categories
from models.city import Cell, CellIndex, CityPack, Text, available_cities
from models.errors import CityPackError, GridcommandError
from models.pack_files import SHOWN_PROBLEMS
from models.skills import SKILLS, UNIT_KINDS

CITIES = Path(__file__).resolve().parents[2] / "cities"
SHIPPED = available_cities(CITIES)


def minimal_pack(path: Path) -> Path:
    """The least that is a city pack: one street, one cell, one unit."""
    path.mkdir()
    (path / "city.yaml").write_text(
        "id: hamlet\nnames: {zh: 小村, en: Hamlet}\ntimezone: Asia/Shanghai\n"
        "jurisdiction: hamlet\ncenter: [119.5, 31.4]\nzoom: 14\ndatum: GCJ-02\n"
        "roads_notice: {zh: 合成路网, en: Synthetic roads}\nattribution: tests\n"
        "speed_factor: 0.5\n",
        encoding="utf-8",
    )
    (path / "codes.yaml").write_text(
        "codes:\n  Fire: {category: accident.fire, priority: 2, grade: III}\n"
        'priority_map:\n  "Fire|G|3": 1\n  "G|3": 3\n  "H|*": 4\n  "*|3": 2\n',
        encoding="utf-8",
    )
    (path / "units.csv").write_text(
        "id,kind,skills,owner,station,lon,lat,call_sign\n"
        "E2,engine,medical_first_response|fire_suppression,government,S1,119.5,31.4,Engine 2\n"
        "E1,engine,fire_suppression,society,S1,119.5,31.4,\n",
        encoding="utf-8",
    )
    (path / "facilities.csv").write_text(
        "id,kind,name_zh,name_en,lon,lat\nS1,fire_station,一号站,Station 1,119.5,31.4\n",
        encoding="utf-8",
    )
    (path / "cells.geojson").write_text(json.dumps(_cells()), encoding="utf-8")
    (path / "roads_nodes.csv.gz").write_bytes(
        gzip.compress(b"id,lon,lat\na,119.5,31.4\nb,119.51,31.4\n", mtime=0)
    )
    (path / "roads_edges.csv.gz").write_bytes(
        gzip.compress(
            b"id,u,v,length_m,road_class,speed_kmh,oneway,name,layer,geometry\n"
            b"ab,a,b,949,residential,36,B,Main St,streets,119.5 31.4;119.51 31.4\n",
            mtime=0,
        )
    )
    return path


def _cells() -> dict[str, object]:
    ring = [[119.4, 31.3], [119.6, 31.3], [119.6, 31.5], [119.4, 31.5], [119.4, 31.3]]
    properties = {
        "code": "h-1", "name_zh": "一号", "name_en": "One", "town": "Hamlet",
        "jurisdiction": "hamlet", "worker": "w1",
    }  # fmt: skip
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": properties, "geometry": geometry}
    return {"type": "FeatureCollection", "features": [feature]}


@pytest.fixture
def hamlet(tmp_path: Path) -> Path:
    return minimal_pack(tmp_path / "hamlet")


def _square(code: str, west: float, south: float) -> Cell:
    ring = ((west, south), (west + 1, south), (west + 1, south + 1), (west, south + 1),
            (west, south))  # fmt: skip
    return Cell(code, Text(code, code), "t", "j", "w", ((ring,),))


def test_a_pack_is_read_whole(hamlet: Path) -> None:
    pack = CityPack.load(hamlet)
    assert pack.names == Text("小村", "Hamlet")
    assert [unit.id for unit in pack.units] == ["E1", "E2"]
    assert pack.units[1].skills == ("fire_suppression", "medical_first_response")
    assert pack.units[0].call_sign == "E1"
    assert pack.speed_factor == 0.5
    assert pack.roads_notice == Text("合成路网", "Synthetic roads")
    assert pack.attribution == Text("tests", "tests")
    found = pack.cells.locate(119.5, 31.4)
    assert found is not None
    assert found.code == "h-1"
    assert pack.cells.locate(0.0, 0.0) is None
    assert pack.cells.get("h-1") is found


def test_an_attribution_may_be_in_both_languages(hamlet: Path) -> None:
    _replace("city.yaml", "attribution: tests", "attribution: {zh: 测试, en: tests}")(hamlet)
    assert CityPack.load(hamlet).attribution == Text("测试", "tests")


def test_what_nobody_sees_hides_neither_a_skill_nor_a_code(hamlet: Path) -> None:
    _replace("units.csv", "fire_suppression,society", "fire_\u200bsuppression\ufeff,society")(
        hamlet
    )
    _replace("codes.yaml", "  Fire:", "  Fi\u00adre:")(hamlet)
    pack = CityPack.load(hamlet)
    assert pack.units[0].skills == ("fire_suppression",)
    entry = pack.meaning("Fire\u200b", "G", "3")
    assert entry is not None
    assert entry.priority == 1


def test_a_calls_own_urgency_goes_from_exact_to_general(hamlet: Path) -> None:
    pack = CityPack.load(hamlet)
    asked = [("G", "3"), ("H", "E"), ("X", "3"), ("X", "9"), ("", "")]
    got = [pack.meaning("Fire", *key) for key in asked]
    assert [entry.priority for entry in got if entry] == [1, 4, 2, 2, 2]
    assert all(entry and entry.category == "accident.fire" for entry in got)
    assert pack.meaning("Flood", "G", "3") is None


def test_the_hash_follows_every_file_but_the_drills(hamlet: Path) -> None:
    before = CityPack.load(hamlet).pack_hash
    assert CityPack.load(hamlet).pack_hash == before
    (hamlet / "drills").mkdir()
    (hamlet / "drills" / "night.jsonl.gz").write_bytes(b"recorded")
    assert CityPack.load(hamlet).pack_hash == before
    with (hamlet / "units.csv").open("a", encoding="utf-8") as file:
        file.write("E3,engine,fire_suppression,government,S1,119.5,31.4,\n")
    assert CityPack.load(hamlet).pack_hash != before


def test_a_point_on_a_border_belongs_to_the_first_code_only() -> None:
    cells = (_square("b", 0, 0), _square("a", 1, 0), _square("c", 0, 1), _square("d", 1, 1))
    for order in (cells, cells[::-1]):
        index = CellIndex(order)
        found = [index.locate(*point) for point in ((0.5, 0.5), (1, 0.5), (1, 1), (0.5, 1), (1, 2))]
        assert [cell.code for cell in found if cell] == ["b", "a", "a", "b", "c"]


def test_remembered_squares_answer_as_the_polygons_do() -> None:
    pack = CityPack.load(CITIES / "san_francisco")
    shapes = {
        cell.code: MultiPolygon([Polygon(rings[0], rings[1:]) for rings in cell.polygons])
        for cell in pack.cells
    }
    chance = random.Random(7)
    for _ in range(300):
        home = chance.choice(pack.units)
        lon, lat = home.lon + chance.gauss(0, 0.01), home.lat + chance.gauss(0, 0.01)
        point = Point(lon, lat)
        expected = min((c for c, shape in shapes.items() if shape.dwithin(point, 1e-7)), default="")
        for _ in range(2):  # the second time from memory
            found = pack.cells.locate(lon, lat)
            assert (found.code if found else "") == expected


def _append(name: str, line: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with (path / name).open("a", encoding="utf-8") as file:
            file.write(line)

    return spoil


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        text = (path / name).read_text(encoding="utf-8")
        assert old in text
        (path / name).write_text(text.replace(old, new), encoding="utf-8")

    return spoil


def _unit(**said: str) -> Callable[[Path], None]:
    """Another unit, right but for what is said."""
    row = {
        "id": "E3", "kind": "engine", "skills": "fire_suppression", "owner": "society",
        "station": "S1", "lon": "119.5", "lat": "31.4", "call_sign": "",
    }  # fmt: skip
    return _append("units.csv", ",".join((row | said).values()) + "\n")


def _remove(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_remove("city.yaml"), ["city.yaml is missing"]),
        (_remove("units.csv"), ["units.csv", "can't be read"]),
        (_remove("roads_edges.csv.gz"), ["roads_edges.csv.gz", "missing"]),
        (_append("city.yaml", "colour: red\n"), ["city.yaml", "colour"]),
        (_append("city.yaml", "a: [1\n"), ["city.yaml:12", "YAML"]),
        (_replace("city.yaml", "zoom: 14", "zoom: big"), ["city.yaml:6", "zoom"]),
        (_replace("city.yaml", "GCJ-02", "NAD-27"), ["city.yaml:7", "NAD-27"]),
        (_replace("city.yaml", "zone: Asia/Shanghai", "zone: Mars"), ["city.yaml:3", "Mars"]),
        (_replace("city.yaml", "119.5, 31.4", "31.4, 119.5"), ["city.yaml:5", "center"]),
        (_replace("city.yaml", "factor: 0.5", "factor: 0"), ["city.yaml:10", "speed_factor"]),
        (_replace("codes.yaml", "priority: 2", "priority: 7"), ["codes.yaml:2", "Fire", "7"]),
        (_replace("codes.yaml", "grade: III", "grade: VI"), ["codes.yaml:2", "VI"]),
        (_replace("codes.yaml", '"G|3": 3', '"G|3": 0'), ["codes.yaml:5", "G|3"]),
        (_unit(id="E1"), ["units.csv:4", "E1", "twice"]),
        (_append("units.csv", "E3,e,,society,S1,1,1,\n"), ["units.csv:4", "E3", "no skills"]),
        (_append("units.csv", "E3,e,x,navy,S1,1,1,\n"), ["units.csv:4", "navy"]),
        (_append("units.csv", "E3,e,x,society,S1,east,1,\n"), ["units.csv:4", "east"]),
        (_append("units.csv", "E3,e,x,society,S1,31,119,\n"), ["units.csv:4", "119"]),
        (_append("units.csv", "E3,e,x,society\n"), ["units.csv:4", "8 fields"]),
        (_unit(skills="fire_supression"), ["units.csv:4", "'E3'", "mean 'fire_suppression'"]),
        (_unit(skills="灭火"), ["units.csv:4", "mean 'fire_suppression'"]),
        (_unit(skills="fire_suppression;technical_rescue"), ["units.csv:4", "write |"]),
        (_unit(skills="fire_suppression | rescue"), ["units.csv:4", "'rescue' is unknown"]),
        (_unit(kind="Engine"), ["units.csv:4", "mean 'engine'"]),
        (_unit(kind="消防车"), ["units.csv:4", "mean 'fire_engine'"]),
        (_unit(station="nowhere"), ["units.csv:4", "station 'nowhere'", "facilities.csv"]),
        (_unit(station="Station 1"), ["units.csv:4", "mean 'S1'"]),
        (_unit(lon="0", lat="0"), ["units.csv:4", "writes where it knows none"]),
        (_unit(lon="31.4", lat="119.5"), ["units.csv:4", "swapped"]),
        (_unit(lon="-119.5"), ["units.csv:4", "minus"]),
        (_unit(lon="119,5"), ["units.csv:4", "9"]),
        (_unit(lon="nan"), ["units.csv:4", "nan"]),
        (_unit(lat="41.4"), ["units.csv:4", "far outside the city"]),
        (_unit(id="1/../2"), ["units.csv:4", "1/../2"]),
        (_unit(id="E\u200b3"), ["units.csv:4", "U+200B"]),
        (_unit(id="E\ufffd3"), ["units.csv:4", "U+FFFD"]),
        (_unit(kind="x", station="y", lon="0", lat="0"), ["'x'", "'y'", "knows none"]),
        (_append("facilities.csv", "H,Hospital,院,H,119.5,31.4\n"), [":3", "mean 'hospital'"]),
        (_append("facilities.csv", "H,医院,院,H,119.5,31.4\n"), [":3", "mean 'hospital'"]),
        (_append("facilities.csv", "H,hospital,院,H,0,0\n"), ["facilities.csv:3", "knows none"]),
        (_replace("facilities.csv", "lat\n", "lat,perhour\n"), [":1", "mean 'per_hour'"]),
        (_replace("codes.yaml", "accident.fire,", "accident.fires,"),
         ["codes.yaml:2", "mean 'accident.fire'"]),
        (_replace("codes.yaml", "Fire|G|3", "Fires|G|3"), ["codes.yaml:4", "mean 'Fire'"]),
        (_replace("codes.yaml", '"H|*"', '"H"'), ["codes.yaml:6", "group|priority"]),
        (_append("city.yaml", "profiles: {engin: car}\n"), ["city.yaml:11", "mean 'engine'"]),
        (_replace("city.yaml", "119.5, 31.4", "19.5, 31.4"), ["city.yaml:5", "center", "far"]),
        (_replace("cells.geojson", '"hamlet"', '"village"'), ["features[0]", "'village'"]),
        (_unit(id="E\u200b1"), ["units.csv:4", "U+200B", "sees"]),
        (_unit(id="Ｅ１"), ["units.csv:4", "Ｅ１", "twice"]),
        (_unit(id="\u2060"), ["units.csv:4", "is empty"]),
        (_replace("cells.geojson", "h-1", "h\\u200d-1"), ["features[0]", "code", "sees"]),
        (_replace("codes.yaml", "codes:\n", "codes:\n  Ｆire: {category: city, priority: 1}\n"),
         ["codes.yaml:3", "Fire", "Ｆire"]),
        (_replace("units.csv", "owner", "holder"), ["units.csv:1", "owner"]),
        (_replace("cells.geojson", '"town"', '"village"'), ["features[0]", "town"]),
        (_replace("cells.geojson", '"Polygon"', '"Point"'), ["features[0]", "Point"]),
        (_replace("cells.geojson", "{", "[", ), ["cells.geojson:1", "JSON"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(
    hamlet: Path, spoil: Callable[[Path], None], said: list[str]
) -> None:
    spoil(hamlet)
    with pytest.raises(CityPackError) as caught:
        CityPack.load(hamlet)
    assert isinstance(caught.value, GridcommandError)
    for part in said:
        assert part in str(caught.value)


def test_all_that_is_wrong_with_a_table_is_said_at_once(hamlet: Path) -> None:
    for number in range(3, 40):
        _append("units.csv", f"E{number},engin,fire_suppression,society,S1,119.5,31.4,\n")(hamlet)
    with pytest.raises(CityPackError) as caught:
        CityPack.load(hamlet)
    lines = str(caught.value).splitlines()
    assert len(lines) == SHOWN_PROBLEMS + 1
    assert lines[0].startswith(f"{hamlet / 'units.csv'}:4: unit 'E3'")
    assert lines[-1] == f"and {37 - SHOWN_PROBLEMS} more like these"


def test_values_are_taken_as_spreadsheets_write_them(hamlet: Path) -> None:
    """Spaces, marks, other case in the header, full-width digits, blank rows, 4.0 for 4."""
    (hamlet / "units.csv").write_text(
        "\ufeffID, Kind ,SKILLS,Owner,Station,Lon,Lat,Call_Sign\r\n"
        "E1,engine\u3000,fire_suppression | technical_rescue,government , S1,"
        "１１９．５, 31.4 ,\ufeffEngine 1\r\n,,,,,,,\r\n\r\n",
        encoding="utf-8",
    )
    (hamlet / "facilities.csv").write_text(
        "id,kind,name_zh,name_en,lon,lat,Per_Hour\nS1,hospital,院,H,119.5,31.4,4.0\n"
        "S2,hospital,院,H,119.5,31.4, \n",
        encoding="utf-8",
    )
    pack = CityPack.load(hamlet)
    (unit,) = pack.units
    assert (unit.id, unit.kind, unit.owner, unit.station) == ("E1", "engine", "government", "S1")
    assert unit.skills == ("fire_suppression", "technical_rescue")
    assert (unit.lon, unit.lat, unit.call_sign) == (119.5, 31.4, "Engine 1")
    assert [place.per_hour for place in pack.facilities] == [4, None]


@pytest.mark.parametrize("said", ["4.5", "-1", "four", "nan"])
def test_patients_an_hour_are_a_whole_number(hamlet: Path, said: str) -> None:
    _replace("facilities.csv", "lat\n", "lat,per_hour\n")(hamlet)
    _replace("facilities.csv", ",31.4\n", f",31.4,{said}\n")(hamlet)
    with pytest.raises(CityPackError, match=r"facilities\.csv:2: per_hour must be"):
        CityPack.load(hamlet)


def test_a_pack_may_have_kinds_of_its_own(hamlet: Path) -> None:
    _append("city.yaml", "unit_kinds: {fire_boat: {zh: 消防艇, en: Fire boat}}\n")(hamlet)
    _append("city.yaml", "facility_kinds: {school: {zh: 学校, en: School}}\n")(hamlet)
    _append("city.yaml", "profiles: {fire_boat: car}\n")(hamlet)
    _append("facilities.csv", "X,school,学校,School,119.5,31.4\n")(hamlet)
    _unit(kind="fire_boat")(hamlet)
    pack = CityPack.load(hamlet)
    assert pack.unit_kinds == {"fire_boat": Text("消防艇", "Fire boat")}
    assert [unit.kind for unit in pack.units] == ["engine", "engine", "fire_boat"]
    assert pack.with_fleet(hamlet / "units.csv").units == pack.units


@pytest.mark.parametrize("id_", ["1/46-1", "Engine 1", "消防车一号", "50%#?&\\+"])
def test_ids_of_visible_characters_are_ids(hamlet: Path, id_: str) -> None:
    _unit(id=id_)(hamlet)
    assert id_ in {unit.id for unit in CityPack.load(hamlet).units}


def test_another_fleet_is_looked_up_like_the_packs_own(hamlet: Path) -> None:
    pack = CityPack.load(hamlet)
    _unit(station="Station 1")(hamlet)
    with pytest.raises(CityPackError, match=r"units\.csv:4: .*mean 'S1'"):
        pack.with_fleet(hamlet / "units.csv")


def test_cities_are_found_by_their_file(tmp_path: Path) -> None:
    minimal_pack(tmp_path / "b")
    minimal_pack(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    assert available_cities(tmp_path) == ["a", "b"]
    assert available_cities(tmp_path / "nowhere") == []


def test_loading_a_pack_brings_neither_shapely_nor_networkx(hamlet: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from models.city import CityPack; "
        "CityPack.load(Path(sys.argv[1])); "
        "print({'shapely', 'networkx', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(hamlet)],
        capture_output=True,
        text=True,
        check=True,
        cwd=CITIES.parent,
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_pack_is_of_one_piece(name: str) -> None:
    """Its words exist, its places lie in its cells, its stations are facilities."""
    pack = CityPack.load(CITIES / name)
    assert pack.id == name
    assert {entry.category for entry in pack.codes.values()} <= set(categories())
    assert {unit.kind for unit in pack.units} <= set(UNIT_KINDS)
    assert {skill for unit in pack.units for skill in unit.skills} <= set(SKILLS)
    assert {unit.station for unit in pack.units} <= {place.id for place in pack.facilities}
    outside = [u.id for u in pack.units if pack.cells.locate(u.lon, u.lat) is None]
    assert outside in ([], ["AP"])  # the airport's engine stands at the airport
    assert {cell.jurisdiction for cell in pack.cells} == {pack.jurisdiction}
    assert len(RoadGraph.load(pack).edge_ids) > 1000


def test_san_francisco_has_what_was_recorded() -> None:
    pack = CityPack.load(CITIES / "san_francisco")
    assert len(pack.units) == 178
    assert 0.3 < pack.speed_factor < 0.8
    fire = pack.meaning("Structure Fire", "Alarm", "3")
    pain = pack.meaning("Medical Incident", "Non Life-threatening", "2")
    assert fire is not None
    assert pain is not None
    assert (fire.category, fire.priority) == ("accident.fire.structure", 1)
    assert (pain.category, pain.priority) == ("health.medical", 3)
