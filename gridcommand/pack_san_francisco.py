"""San Francisco's city pack out of street centrelines and recorded calls.

For: ``gridcommand.city_packs``. Relies on tables in the form of the San Francisco open data
extract: ``sf_nodes.csv.gz``, ``sf_edges.csv.gz``, ``sf_fire_stations.csv`` and any
``sf_fire_calls_*.csv.gz``.

What it decides
- Streets: those that may be driven, of the largest part where every crossing reaches every
  other. One-way directions are inferred in the source; where an inferred direction would cut a
  street off, the street is taken as two-way.
- Speeds: one factor for the city, so that the median of computed to observed travel time becomes
  1 over the runs of engines from their own station.
- Cells: squares of about 500 m wherever there are streets, and one square around them for
  beaches and parks, named after the neighbourhood with the most street length in them.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from dispatch.roads import METRES_PER_DEGREE, ONEWAYS, RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand.city_packs import SourceError, cell_feature, line_text, read_table, write_pack
from models.skills import UNIT_KINDS

JURISDICTION = "us-ca-sf"
CELL_M = 500.0

KINDS = {
    "ENGINE": "engine",
    "MEDIC": "medic",
    "PRIVATE": "private_ambulance",
    "TRUCK": "truck",
    "CHIEF": "chief",
    "RESCUE CAPTAIN": "rescue_captain",
    "RESCUE SQUAD": "rescue_squad",
    "SUPPORT": "support",
    "AIRPORT": "airport",
    "INVESTIGATION": "investigation",
}

HOSPITALS = (
    ("zsfg", "旧金山总医院", "Zuckerberg San Francisco General", -122.4046, 37.7557),
    ("ucsf-parnassus", "加州大学旧金山分校帕纳萨斯医院", "UCSF Parnassus", -122.4580, 37.7631),
    ("ucsf-mission-bay", "加州大学旧金山分校米申湾医院", "UCSF Mission Bay", -122.3895, 37.7665),
    ("cpmc-pacific", "加州太平洋医疗中心", "CPMC Pacific Campus", -122.4315, 37.7911),
    ("st-francis", "圣弗朗西斯纪念医院", "Saint Francis Memorial", -122.4167, 37.7894),
    ("kaiser", "凯撒医疗中心", "Kaiser Permanente Geary", -122.4427, 37.7827),
    ("st-marys", "圣玛丽医疗中心", "St. Mary's Medical Center", -122.4542, 37.7739),
    ("va-fort-miley", "退伍军人医院", "VA Medical Center Fort Miley", -122.5043, 37.7825),
    ("chinese-hospital", "东华医院", "Chinese Hospital", -122.4088, 37.7957),
    ("st-lukes", "圣路加医院", "St. Luke's Hospital", -122.4203, 37.7478),
)
"""Emergency hospitals of 2017, by hand, to about 100 m."""

AIRPORT = (-122.384, 37.6169)
"""Where the airport's own engine stands: outside the street network, like its calls."""

Table = list[dict[str, str]]


def build(source: Path, target: Path) -> None:
    """Write the pack of the tables in `source` into `target`."""
    segments = read_table(source / "sf_edges.csv.gz")
    places = {
        row["id"]: (float(row["lon"]), float(row["lat"]))
        for row in read_table(source / "sf_nodes.csv.gz")
    }
    call_files = sorted(source.glob("sf_fire_calls_*.csv.gz"))
    if not call_files:
        raise SourceError(f"{source}: no sf_fire_calls_*.csv.gz in it")
    calls = [row for file in call_files for row in read_table(file)]
    stations = {
        int(row["station"]): (float(row["lon"]), float(row["lat"]))
        for row in read_table(source / "sf_fire_stations.csv")
    }
    edges = streets(segments)
    used = {edge[end] for edge in edges for end in ("u", "v")}
    nodes = {name: places[name] for name in used}
    factor = speed_factor(RoadGraph(nodes, [_as_edge(edge) for edge in edges]), stations, calls)
    hoods = {row["cnn"]: row["nhood"] or "San Francisco" for row in segments}
    write_pack(
        target,
        city=_CITY.format(jurisdiction=JURISDICTION, speed_factor=factor),
        nodes=[
            {"id": name, "lon": f"{lon:.6f}", "lat": f"{lat:.6f}"}
            for name, (lon, lat) in nodes.items()
        ],
        edges=edges,
        cells=cells(edges, hoods),
        units=units(calls, stations),
        facilities=_facilities(stations),
    )


def streets(segments: Table) -> list[dict[str, str]]:
    """Edges of the pack: drivable, each reachable from each."""
    edges = [
        {
            "id": row["cnn"],
            "u": row["u"],
            "v": row["v"],
            "length_m": row["length_m"],
            "road_class": row["road_class"],
            "speed_kmh": row["speed_kmh_default"],
            "oneway": row["oneway_osm_hint"] or "B",
            "name": street_name(row["name"]),
            "layer": row["layer"],
            "geometry": line_text(_points(row["geom_lonlat"])),
        }
        for row in segments
        if row["drivable"] == "True"
    ]
    joined: nx.Graph[str] = nx.Graph((edge["u"], edge["v"]) for edge in edges)
    main = max(nx.connected_components(joined), key=lambda part: (len(part), min(part)))
    edges = [edge for edge in edges if edge["u"] in main]
    while True:
        ways: nx.DiGraph[str] = nx.DiGraph()
        for edge in edges:
            if edge["oneway"] != "T":
                ways.add_edge(edge["u"], edge["v"])
            if edge["oneway"] != "F":
                ways.add_edge(edge["v"], edge["u"])
        core = max(nx.strongly_connected_components(ways), key=len)
        cut_off = [
            edge
            for edge in edges
            if edge["oneway"] != "B" and not (edge["u"] in core and edge["v"] in core)
        ]
        if not cut_off:
            return edges
        for edge in cut_off:
            edge["oneway"] = "B"


def street_name(name: str) -> str:
    """``06TH ST`` as a map writes it: ``6th St``."""
    words = [word.lstrip("0").lower() if word[:1].isdigit() else word.title()
             for word in name.split()]  # fmt: skip
    return " ".join(words)


def speed_factor(
    graph: RoadGraph, stations: Mapping[int, tuple[float, float]], calls: Table
) -> float:
    """What the default speeds must be multiplied by to match what was observed.

    The median over engine runs that began at the engine's own station (its station's area, 20 s
    to 20 min of driving observed, at least some 300 m away) of computed / observed travel time.
    """
    travel = TravelTimes(graph)
    by_station: dict[int, list[tuple[tuple[float, float], float]]] = defaultdict(list)
    for row in calls:
        if row["unit_type"] != "ENGINE" or not (row["response"] and row["on_scene"]):
            continue
        home = _number_in(row["unit_id"])
        if home not in stations or not row["station_area"].isdigit():
            continue
        observed = (_time(row["on_scene"]) - _time(row["response"])).total_seconds()
        if int(row["station_area"]) == home and 20 <= observed <= 1200:
            by_station[home].append(((float(row["lon"]), float(row["lat"])), observed))
    ratios: list[float] = []
    for home, runs in sorted(by_station.items()):
        times = travel.matrix([stations[home]], [place for place, _ in runs])[0]
        ratios.extend(
            float(computed) / observed
            for computed, (place, observed) in zip(times, runs, strict=True)
            if math.dist(place, stations[home]) * METRES_PER_DEGREE > 300
        )
    if len(ratios) < 30:
        raise SourceError(f"only {len(ratios)} engine runs from their own station: too few")
    return round(float(statistics.median(ratios)), 3)


def units(calls: Table, stations: Mapping[int, tuple[float, float]]) -> list[dict[str, Any]]:
    """Every unit that answered a call, at its home station."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    areas: dict[str, Counter[int]] = defaultdict(Counter)
    for row in calls:
        kinds[row["unit_id"]][row["unit_type"]] += 1
        if row["station_area"].isdigit() and int(row["station_area"]) in stations:
            areas[row["unit_id"]][int(row["station_area"])] += 1
    rows = []
    for name in sorted(kinds):
        source_kind = _most_frequent(kinds[name])
        if source_kind not in KINDS:
            raise SourceError(f"unit {name!r} is of an unknown type {source_kind!r}")
        kind = UNIT_KINDS[KINDS[source_kind]]
        number = _number_in(name)
        numbered = source_kind in ("ENGINE", "TRUCK") and number in stations
        station = number if numbered else _most_frequent(areas[name] or Counter({1: 1}))
        lon, lat = AIRPORT if kind.id == "airport" else stations[station]
        rows.append(
            {
                "id": name,
                "kind": kind.id,
                "skills": "|".join(sorted(kind.skills)),
                "owner": "enterprise" if kind.id == "private_ambulance" else "government",
                "station": "airport" if kind.id == "airport" else f"station-{station:02d}",
                "lon": f"{lon:.6f}",
                "lat": f"{lat:.6f}",
                "call_sign": name,
            }
        )
    return rows


def cells(edges: Iterable[Mapping[str, str]], hoods: Mapping[str, str]) -> list[dict[str, Any]]:
    """Grid cells over the streets and one ring of squares around them."""
    lines = [(np.array(_points(edge["geometry"])), hoods[edge["id"]]) for edge in edges]
    west, south = np.min([points.min(axis=0) for points, _ in lines], axis=0).tolist()
    tall = CELL_M / METRES_PER_DEGREE
    wide = tall / math.cos(math.radians(37.765))
    west, south = west - wide, south - tall
    names: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for points, hood in lines:
        middle = (points[1:] + points[:-1]) / 2
        steps = np.hypot(*np.diff(points, axis=0).T)
        for (lon, lat), step in zip(middle.tolist(), steps.tolist(), strict=True):
            where = (int((lat - south) / tall), int((lon - west) / wide))
            names[where][hood] += round(step * 1e7)
    around: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for (row, column), found in names.items():
        for up in (-1, 0, 1):
            for right in (-1, 0, 1):
                where = (row + up, column + right)
                if where not in names:
                    around[where].update(found)
    features = []
    for (row, column), found in sorted((names | around).items()):
        hood = _most_frequent(found)
        left, bottom = west + column * wide, south + row * tall
        ring = [
            (left, bottom),
            (left + wide, bottom),
            (left + wide, bottom + tall),
            (left, bottom + tall),
            (left, bottom),
        ]
        worker = "gw-" + "-".join(hood.lower().replace("/", " ").split())
        code = f"sf-r{row:02d}c{column:02d}"
        features.append(cell_feature(code, (hood, hood), hood, JURISDICTION, worker, [ring]))
    return features


def _facilities(stations: Mapping[int, tuple[float, float]]) -> list[dict[str, Any]]:
    rows: list[tuple[str, str, str, str, float, float]] = [
        (f"station-{number:02d}", "fire_station", f"{number}号消防站", f"Station {number}", *place)
        for number, place in stations.items()
    ]
    rows.append(("airport", "airport", "旧金山国际机场", "San Francisco International", *AIRPORT))
    rows.extend(
        (f"hospital-{name}", "hospital", zh, en, lon, lat) for name, zh, en, lon, lat in HOSPITALS
    )
    return [dict(zip(("id", "kind", "name_zh", "name_en", "lon", "lat"), row, strict=True))
            for row in rows]  # fmt: skip


def _as_edge(row: Mapping[str, str]) -> dict[str, Any]:
    return {
        **row,
        "length_m": float(row["length_m"]),
        "speed_kmh": float(row["speed_kmh"]),
        "oneway": ONEWAYS[row["oneway"]],
        "geometry": np.array(_points(row["geometry"])),
    }


def _points(text: str) -> list[tuple[float, float]]:
    pairs = (point.split() for point in text.split(";"))
    return [(float(lon), float(lat)) for lon, lat in pairs]


def _number_in(unit_id: str) -> int:
    digits = "".join(letter for letter in unit_id if letter.isdigit())
    return int(digits) if digits else -1


def _most_frequent(counted: Counter[Any]) -> Any:
    """The most frequent key; of several the smallest, whatever came first."""
    return min(counted, key=lambda key: (-counted[key], key))


def _time(text: str) -> datetime:
    # Local wall-clock times without a zone; only differences within minutes are taken.
    return datetime.fromisoformat(text)


_CITY = """\
# Written by gridcommand.city_packs; codes.yaml and ATTRIBUTION.md are written by hand.
id: san_francisco
names: {{zh: 旧金山, en: San Francisco}}
timezone: America/Los_Angeles
jurisdiction: {jurisdiction}
center: [-122.4376, 37.7647]
zoom: 12
datum: WGS-84
roads_notice: null
codes: codes.yaml
# Multiplies the default speeds of the street table: median of computed to observed travel time
# over the recorded runs of engines from their own station.
speed_factor: {speed_factor}
attribution:
  zh: 街道、消防站和报警记录：旧金山市县政府 DataSF（PDDL）。
  en: "Streets, fire stations and calls: City and County of San Francisco, DataSF (PDDL)."
"""
