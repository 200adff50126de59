"""Liyang's (溧阳) city pack: real boundary and villages, everything else made up and said so.

For: ``gridcommand.city_packs``. Relies on ``liyang_boundary.geojson`` and
``liyang_villages.csv`` (code, name, streetCode, street), which have no coordinates for villages.

What it makes up, from one fixed seed, so that the same source gives the same pack
- Places: town seats by hand, to some kilometres; villages scattered over the area nearest to
  their town's seat; one cell for each village, the part of the city nearest to it.
- Roads: streets in squares around each seat and ways between neighbouring villages, every
  crossing a junction. Nobody can drive by this network: ``roads_notice`` says so.
- Units and facilities: what a county-level city of this size could have.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import networkx as nx
import numpy as np
import shapely
from numpy.typing import NDArray

from dispatch.roads import METRES_PER_DEGREE
from gridcommand.city_packs import SourceError, cell_feature, line_text, read_table, write_pack
from gridcommand.pack_liyang_units import facilities, units

JURISDICTION = "320481"
SEED = 320481

SEATS = {
    "溧城街道": ("Licheng", 119.484, 31.418),
    "昆仑街道": ("Kunlun", 119.478, 31.452),
    "古县街道": ("Guxian", 119.519, 31.396),
    "埭头镇": ("Daitou", 119.536, 31.487),
    "上黄镇": ("Shanghuang", 119.557, 31.535),
    "戴埠镇": ("Daibu", 119.491, 31.283),
    "天目湖镇": ("Tianmuhu", 119.408, 31.296),
    "别桥镇": ("Bieqiao", 119.447, 31.541),
    "上兴镇": ("Shangxing", 119.246, 31.529),
    "竹箦镇": ("Zhuze", 119.343, 31.523),
    "南渡镇": ("Nandu", 119.312, 31.428),
    "社渚镇": ("Shezhu", 119.262, 31.316),
    "常州监狱": ("Changzhou Prison", 119.372, 31.478),
    "溧阳监狱": ("Liyang Prison", 119.298, 31.477),
}
"""Town to pinyin and seat, placed by hand: right to some kilometres, no more."""

Shape = shapely.Polygon | shapely.MultiPolygon

MIDDLE = (119.37, 31.42)
_SCALE = np.array([METRES_PER_DEGREE * math.cos(math.radians(MIDDLE[1])), METRES_PER_DEGREE])

SPEEDS_KMH = {"arterial": 60, "collector": 45, "residential": 30}
LONGEST_EDGE_M = 600.0
BLOCK_M = 220.0


@dataclass(frozen=True)
class Village:
    """A village with the place that was made up for it, in degrees and in local metres."""

    code: str
    name: str
    town: str
    lon: float
    lat: float
    x: float
    y: float

    @property
    def short(self) -> str:
        """Name without the word for its committee."""
        return self.name.removesuffix("村委会").removesuffix("居委会")


@dataclass(frozen=True)
class _Way:
    line: shapely.LineString
    kind: str
    name: str


def build(source: Path, target: Path) -> None:
    """Write the pack of the tables in `source` into `target`."""
    boundary = _boundary(source / "liyang_boundary.geojson")
    villages = place_villages(read_table(source / "liyang_villages.csv"), boundary)
    nodes, edges = roads(villages, boundary)
    seats = {town: (lon, lat) for town, (_, lon, lat) in SEATS.items()}
    write_pack(
        target,
        city=_CITY.format(jurisdiction=JURISDICTION),
        nodes=nodes,
        edges=edges,
        cells=cells(villages, boundary),
        units=units(villages, seats),
        facilities=facilities(seats),
    )


def place_villages(rows: list[dict[str, str]], boundary: Shape) -> list[Village]:
    """A place for every village, spread over what lies nearest to its town's seat.

    Best-candidate sampling: of some random places the one farthest from those already taken.
    """
    chance = Random(SEED)
    towns = list(SEATS)
    seats = _metres(np.array([SEATS[town][1:] for town in towns]))
    waiting: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["code"]):
        if row["street"] not in SEATS:
            raise SourceError(f"village {row['code']}: town {row['street']!r} has no seat here")
        waiting[row["street"]].append(row)
    west, south, east, north = boundary.bounds
    placed: list[Village] = []
    inside = boundary.buffer(-150)
    for town, members in waiting.items():
        mine = towns.index(town)
        taken: list[NDArray[np.float64]] = []
        for row in members:
            # The first village of a town is where its seat is.
            best, farthest = seats[mine], -1.0
            tries = 0 if not taken else 12
            while tries:
                spot = np.array([chance.uniform(west, east), chance.uniform(south, north)])
                if np.hypot(*(seats - spot).T).argmin() != mine:
                    continue
                if not inside.contains(shapely.Point(spot)):
                    continue
                tries -= 1
                gap = min(float(np.hypot(*(spot - other))) for other in taken)
                if gap > farthest:
                    best, farthest = spot, gap
            taken.append(best)
            lon, lat = _degrees(best)
            placed.append(
                Village(row["code"], row["name"], town, lon, lat, float(best[0]), float(best[1]))
            )
    return sorted(placed, key=lambda village: village.code)


def cells(villages: list[Village], boundary: Shape) -> list[dict[str, Any]]:
    """One cell a village: the part of the city that is nearer to it than to any other."""
    places = shapely.points([(village.x, village.y) for village in villages])
    parts = shapely.get_parts(
        shapely.voronoi_polygons(shapely.multipoints(places), extend_to=boundary)
    )
    tree = shapely.STRtree(parts)
    features = []
    for village, place in zip(villages, places, strict=True):
        part = parts[int(tree.query(place, predicate="intersects").min())]
        clipped = part.intersection(boundary)
        # A bay in the boundary may cut a part in two; the piece with the village is its cell.
        piece = min(
            shapely.get_parts(clipped), key=lambda shape: (shape.distance(place), shape.wkt)
        )
        pinyin = SEATS[village.town][0]
        features.append(
            cell_feature(
                f"{village.code}001",
                (village.name, f"{pinyin} {village.code[-3:]} ({village.short})"),
                village.town,
                JURISDICTION,
                f"gw-{village.code}",
                [[_degrees(point) for point in piece.exterior.coords]],
            )
        )
    return features


def roads(
    villages: list[Village], boundary: Shape
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Nodes and edges of the made-up network, planar and in one piece."""
    ways = [*_links(villages, boundary), *_town_streets(villages)]
    tree = shapely.STRtree([way.line for way in ways])
    pieces = shapely.get_parts(shapely.node(shapely.union_all([way.line for way in ways])))
    graph: nx.Graph[tuple[float, float]] = nx.Graph()
    for piece in sorted(pieces, key=lambda piece: piece.wkt):
        way = ways[int(tree.nearest(piece.interpolate(0.5, normalized=True)))]
        count = math.ceil(piece.length / LONGEST_EDGE_M)
        stops = [piece.interpolate(at / count, normalized=True) for at in range(count + 1)]
        spots = [(round(stop.x, 1), round(stop.y, 1)) for stop in stops]
        for one, two in pairwise(spots):
            if one != two:
                graph.add_edge(one, two, way=way)
    main = max(nx.connected_components(graph), key=len)
    names = {spot: f"n{at:05d}" for at, spot in enumerate(sorted(main))}
    nodes = []
    for spot, name in names.items():
        lon, lat = _degrees(spot)
        nodes.append({"id": name, "lon": f"{lon:.6f}", "lat": f"{lat:.6f}"})
    edges = []
    ends = sorted(tuple(sorted(pair)) for pair in graph.subgraph(main).edges)
    for number, (one, two) in enumerate(ends):
        way = graph.edges[one, two]["way"]
        edges.append(
            {
                "id": f"e{number:05d}",
                "u": names[one],
                "v": names[two],
                "length_m": f"{math.dist(one, two):.1f}",
                "road_class": way.kind,
                "speed_kmh": SPEEDS_KMH[way.kind],
                "oneway": "B",
                "name": way.name,
                "layer": "synthetic",
                "geometry": line_text([_degrees(one), _degrees(two)]),
            }
        )
    return nodes, edges


def _links(villages: list[Village], boundary: Shape) -> list[_Way]:
    """Ways between neighbours: the Gabriel graph of the villages, seats joined by wider roads."""
    places = np.array([(village.x, village.y) for village in villages])
    apart = np.hypot(*(places[:, None, :] - places[None, :, :]).transpose(2, 0, 1))
    chance = Random(SEED + 1)
    neighbours: nx.Graph[int] = nx.Graph()
    for one in range(len(villages)):
        for two in range(one + 1, len(villages)):
            middle = (places[one] + places[two]) / 2
            nearer = np.hypot(*(places - middle).T) < apart[one, two] / 2 - 1e-6
            if not nearer.any():
                neighbours.add_edge(one, two, length=float(apart[one, two]))
    needed = {frozenset(edge) for edge in nx.minimum_spanning_edges(
        neighbours, weight="length", data=False)}  # fmt: skip
    seats = [
        at for at, village in enumerate(villages)
        if (village.x, village.y) == tuple(_metres(np.array(SEATS[village.town][1:])).tolist())
    ]  # fmt: skip
    wide: set[frozenset[int]] = set()
    for one, two in sorted(neighbours_of_seats(places[seats])):
        way = nx.shortest_path(neighbours, seats[one], seats[two], weight="length")
        wide.update(frozenset(pair) for pair in pairwise(way))
    near = boundary.buffer(300)
    ways = []
    for one, two in sorted(tuple(sorted(edge)) for edge in neighbours.edges):
        bend = chance.uniform(-0.06, 0.06)
        step = places[two] - places[one]
        middle = (places[one] + places[two]) / 2 + bend * np.array([-step[1], step[0]])
        line = shapely.LineString([places[one], middle, places[two]])
        pair = frozenset((one, two))
        if pair not in needed and not near.contains(line):
            continue
        kind = "arterial" if pair in wide else "collector"
        ways.append(_Way(line, kind, f"{villages[one].short}—{villages[two].short}路"))
    return ways


def neighbours_of_seats(places: NDArray[np.float64]) -> set[tuple[int, int]]:
    """Pairs with nobody between them (Gabriel graph)."""
    pairs = set()
    for one in range(len(places)):
        for two in range(one + 1, len(places)):
            middle = (places[one] + places[two]) / 2
            reach = float(np.hypot(*(places[one] - middle)))
            if not (np.hypot(*(places - middle).T) < reach - 1e-6).any():
                pairs.add((one, two))
    return pairs


def _town_streets(villages: list[Village]) -> list[_Way]:
    """Squares of streets around each seat, more of them where more villages are."""
    ways = []
    for town, (_, lon, lat) in SEATS.items():
        x, y = _metres(np.array((lon, lat))).tolist()
        members = sum(village.town == town for village in villages)
        half = min(6, members // 6 + 1) * BLOCK_M
        count = round(2 * half / BLOCK_M) + 1
        name = town.removesuffix("街道").removesuffix("镇")
        for number in range(count):
            at = -half + number * BLOCK_M
            kind = "collector" if number == count // 2 else "residential"
            across = shapely.LineString([(x - half, y + at), (x + half, y + at)])
            along = shapely.LineString([(x + at, y - half), (x + at, y + half)])
            ways.append(_Way(across, kind, f"{name}{number + 1}横路"))
            ways.append(_Way(along, kind, f"{name}{number + 1}纵路"))
    return ways


def _boundary(path: Path) -> Shape:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        shape = shapely.from_geojson(json.dumps(document["features"][0]["geometry"]))
    except (OSError, ValueError, KeyError, IndexError, shapely.GEOSException) as error:
        raise SourceError(f"{path}: can't be read as GeoJSON: {error}") from error
    if not isinstance(shape, shapely.Polygon | shapely.MultiPolygon):
        raise SourceError(f"{path}: holds a {shape.geom_type}, not the polygon of a boundary")
    return shapely.transform(shape, lambda points: _metres(np.asarray(points)))


def _metres(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((lonlat - np.array(MIDDLE)) * _SCALE, dtype=np.float64)


def _degrees(place: Any) -> tuple[float, float]:
    lon, lat = (np.asarray(place, dtype=np.float64) / _SCALE + np.array(MIDDLE)).tolist()
    return lon, lat


_CITY = """\
# Written by gridcommand.city_packs; codes.yaml and ATTRIBUTION.md are written by hand.
id: liyang
names: {{zh: 溧阳, en: Liyang}}
timezone: Asia/Shanghai
jurisdiction: "{jurisdiction}"
center: [119.40, 31.42]
zoom: 10
datum: GCJ-02
roads_notice:
  zh: 路网、村位、网格边界和力量均为合成数据，仅供演示，不能用于真实行车。
  en: Roads, village places, cell borders and units are synthetic, for demonstration, not driving.
codes: codes.yaml
speed_factor: 1.0
attribution:
  zh: 溧阳边界和村名：开放数据（MIT）。路网、位置和力量：合成数据。
  en: "Boundary and village list of Liyang: open data (MIT). Roads, places and units: synthetic."
"""
