"""Made-up units and facilities for Liyang's city pack: what such a city could have.

For: ``gridcommand.pack_liyang``. Nothing here was counted in the real city.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from models.skills import UNIT_KINDS


class Place(Protocol):
    """A village, as far as units need it."""

    @property
    def code(self) -> str: ...
    @property
    def short(self) -> str: ...
    @property
    def town(self) -> str: ...
    @property
    def lon(self) -> float: ...
    @property
    def lat(self) -> float: ...


CENTRE = "溧城街道"
CORE = ("溧城街道", "昆仑街道", "古县街道")
PRISONS = ("常州监狱", "溧阳监狱")
HILLS = ("戴埠镇", "天目湖镇", "社渚镇", "上兴镇", "竹箦镇")
VILLAGES_A_WORKER = 3

FACILITY_KINDS = (
    ("fire", "fire_station", "消防救援站", "Fire station", 0.0030, 0.0018),
    ("clinic", "health_centre", "卫生院", "Health centre", -0.0028, 0.0021),
    ("police", "police_station", "派出所", "Police station", 0.0019, -0.0024),
    ("gov", "town_office", "综合指挥室", "Command room", 0.0, 0.0006),
    ("shelter", "shelter", "应急避难场所", "Shelter", -0.0041, -0.0033),
)
"""Prefix, kind, names and offset from the seat in degrees: one of each in every town."""

CITY_FACILITIES = (
    ("hospital-1", "hospital", "第一医院（合成）", "First Hospital (synthetic)", 119.4752, 31.4205),
    (
        "hospital-2",
        "hospital",
        "第二医院（合成）",
        "Second Hospital (synthetic)",
        119.4915,
        31.4102,
    ),
    ("gas-depot", "depot", "燃气抢修中心", "Gas repair centre", 119.4986, 31.4268),
    ("drain-depot", "depot", "排水抢险基地", "Drainage depot", 119.4703, 31.4093),
    ("repair-depot", "depot", "市政养护中心", "Municipal repair depot", 119.4874, 31.4291),
    ("rescue-base", "depot", "民间救援队基地", "Volunteer rescue base", 119.5012, 31.4011),
)

CITY_UNITS = (
    # kind, how many, owner, facility, call sign
    ("fire_engine", 3, "government", "fire-01", "特勤消防车"),
    ("ladder_truck", 1, "government", "fire-01", "云梯车"),
    ("hazmat_vehicle", 2, "government", "fire-01", "危化品处置车"),
    ("rescue_squad", 1, "government", "fire-01", "抢险救援队"),
    ("chief", 2, "government", "fire-01", "消防指挥车"),
    ("investigation", 1, "government", "fire-01", "火调车"),
    ("support", 2, "government", "gov-01", "应急保障车"),
    ("ambulance", 4, "government", "hospital-1", "急救车甲"),
    ("ambulance", 3, "government", "hospital-2", "急救车乙"),
    ("private_ambulance", 2, "enterprise", "hospital-2", "转运车"),
    ("rescue_captain", 1, "government", "hospital-1", "急救指挥车"),
    ("police_car", 3, "government", "police-01", "巡特警车"),
    ("traffic_police_car", 4, "government", "police-01", "交警车"),
    ("gas_repair_van", 4, "enterprise", "gas-depot", "燃气抢修车"),
    ("drainage_truck", 4, "enterprise", "drain-depot", "排水车"),
    ("municipal_team", 5, "government", "repair-depot", "市政抢修队"),
    ("rescue_squad", 2, "society", "rescue-base", "民间救援队"),
    ("volunteer_team", 2, "society", "rescue-base", "志愿救援队"),
)

TOWN_UNITS = (
    # kind, owner, facility prefix, call sign, towns
    ("fire_engine", "government", "fire", "消防车", "all"),
    ("ambulance", "government", "clinic", "急救车", "all"),
    ("police_car", "government", "police", "警车", "all"),
    ("traffic_police_car", "government", "police", "交警车", "outer"),
    ("enforcement_car", "government", "gov", "城管执法车", "all"),
    ("home_care_team", "society", "clinic", "居家照护队", "all"),
    ("volunteer_team", "public", "gov", "村民志愿队", "all"),
    ("municipal_team", "enterprise", "gov", "养护队", "outer"),
    ("forest_team", "government", "fire", "森林消防队", "hills"),
    ("forest_team", "society", "gov", "护林队", "hills"),
)


def facilities(seats: Mapping[str, tuple[float, float]]) -> list[dict[str, Any]]:
    """Facilities of every town, and those of the whole city."""
    rows: list[tuple[str, str, str, str, float, float]] = list(CITY_FACILITIES)
    for number, town in _towns(seats):
        lon, lat = seats[town]
        for prefix, kind, zh, en, right, up in FACILITY_KINDS:
            name = f"{prefix}-{number:02d}"
            rows.append((name, kind, f"{town}{zh}", f"{en} {number}", lon + right, lat + up))
    names = ("id", "kind", "name_zh", "name_en", "lon", "lat")
    return [
        dict(zip(names, (*row[:4], f"{row[4]:.6f}", f"{row[5]:.6f}"), strict=True)) for row in rows
    ]


def units(
    villages: Sequence[Place], seats: Mapping[str, tuple[float, float]]
) -> list[dict[str, Any]]:
    """Units of the city, of every town, and a grid worker for every few villages."""
    at = {row["id"]: (row["lon"], row["lat"]) for row in facilities(seats)}
    rows: list[dict[str, Any]] = []

    def add(kind: str, owner: str, station: str, call_sign: str, place: tuple[Any, Any]) -> None:
        number = 1 + sum(row["kind"] == kind for row in rows)
        rows.append(
            {
                "id": f"{kind.replace('_', '-')}-{number:03d}",
                "kind": kind,
                "skills": "|".join(sorted(UNIT_KINDS[kind].skills)),
                "owner": owner,
                "station": station,
                "lon": place[0],
                "lat": place[1],
                "call_sign": call_sign,
            }
        )

    for kind, count, owner, station, call_sign in CITY_UNITS:
        for number in range(1, count + 1):
            add(kind, owner, station, f"{call_sign}{number}号", at[station])
    for number, town in _towns(seats):
        groups = {"all"} | ({"hills"} if town in HILLS else set())
        groups |= set() if town in CORE else {"outer"}
        short = town.removesuffix("街道").removesuffix("镇")
        for kind, owner, prefix, call_sign, towns in TOWN_UNITS:
            if towns in groups:
                station = f"{prefix}-{number:02d}"
                add(kind, owner, station, f"{short}{call_sign}", at[station])
    station_of = {town: f"gov-{number:02d}" for number, town in _towns(seats)}
    for town, group in _beats(villages):
        home = group[0]
        station = station_of.get(town, "gov-01")
        spot = (f"{home.lon:.6f}", f"{home.lat:.6f}")
        add("grid_worker", "government", station, f"{home.short}网格员", spot)
    return rows


def _towns(seats: Mapping[str, tuple[float, float]]) -> Iterable[tuple[int, str]]:
    """Towns numbered from 1, the centre first; prisons are not towns."""
    towns = [CENTRE, *(town for town in seats if town not in (CENTRE, *PRISONS))]
    return enumerate(towns, start=1)


def _beats(villages: Sequence[Place]) -> Iterable[tuple[str, list[Place]]]:
    """Villages of one town, a few at a time."""
    towns: dict[str, list[Place]] = {}
    for village in villages:
        towns.setdefault(village.town, []).append(village)
    for town, members in towns.items():
        for first in range(0, len(members), VILLAGES_A_WORKER):
            yield town, members[first : first + VILLAGES_A_WORKER]
