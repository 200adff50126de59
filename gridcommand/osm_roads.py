"""Streets and places out of an OpenStreetMap extract.

For: ``gridcommand.city_build``. Not for: what a pack looks like. Relies on pyosmium, which reads
PBF, XML and OPL. Tags are read as the OpenStreetMap wiki has them (keys highway, access, oneway,
maxspeed, layer), the emergency services' own way in (``emergency=yes``) included.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import networkx as nx
import numpy as np
import osmium
import shapely
from shapely.geometry.base import BaseGeometry

from dispatch.roads import METRES_PER_DEGREE
from gridcommand.city_cells import AdminArea
from gridcommand.city_packs import SourceError, line_text

SPEEDS_KMH = {
    "motorway": 100, "motorway_link": 60, "trunk": 80, "trunk_link": 50, "primary": 50,
    "primary_link": 40, "secondary": 50, "secondary_link": 40, "tertiary": 45,
    "tertiary_link": 35, "unclassified": 40, "residential": 30, "living_street": 10,
    "road": 30, "service": 15,
}  # fmt: skip
"""Classes that are driven, and the speed where ``maxspeed`` says none."""

PLACES = {
    ("amenity", "fire_station"): "fire_station",
    ("amenity", "hospital"): "hospital",
    ("amenity", "police"): "police_station",
    ("emergency", "assembly_point"): "shelter",
    ("emergency", "fire_hydrant"): "hydrant",
    ("social_facility", "shelter"): "shelter",
}
_AREA_KEYS = ("amenity", "emergency", "social_facility", "boundary")

_WKB = osmium.geom.WKBFactory()
_SHUT = frozenset(["no", "private", "agricultural", "forestry"])


class Way(msgspec.Struct, frozen=True):
    """A street as the extract has it."""

    id: int
    road_class: str
    speed_kmh: float
    oneway: str
    name: str
    layer: str
    nodes: list[int]


class Extract(msgspec.Struct):
    """What an extract told.

    Attributes
    ----------
    ways
        Streets.
    places
        Lon, lat of their nodes.
    facilities
        Rows of a pack's table.
    areas
        Administrative areas.
    dropped
        What was left out: reason to how often.
    """

    ways: list[Way]
    places: dict[int, tuple[float, float]]
    facilities: list[dict[str, Any]]
    areas: list[AdminArea]
    dropped: Counter[str]


def read_extract(path: Path) -> Extract:
    """Everything of use in the file.

    Raises
    ------
    SourceError
        It isn't there, or not whole.
    """
    if not path.is_file():
        raise SourceError(f"{path}: there is no such extract")
    found = Extract([], {}, [], [], Counter())
    try:
        source = osmium.FileProcessor(str(path)).with_locations()
        source = source.with_areas(osmium.filter.KeyFilter(*_AREA_KEYS))
        for thing in source.with_filter(osmium.filter.KeyFilter("highway", *_AREA_KEYS)):
            tags = {tag.k: tag.v for tag in thing.tags}
            if thing.is_area():
                if not thing.from_way():
                    _take_place(found, thing, tags)
                _take_area(found, thing, tags)
            elif thing.is_way() and "highway" in tags:
                _take_way(found, thing, tags)
            elif thing.is_node() or thing.is_way():
                _take_place(found, thing, tags)
    except (RuntimeError, OSError, ValueError) as error:
        raise SourceError(f"{path}: no whole OpenStreetMap extract: {error}") from error
    if not found.ways:
        why = "; ".join(f"{count} x {reason}" for reason, count in sorted(found.dropped.items()))
        raise SourceError(
            f"{path}: there is no street in it that may be driven" + (f" ({why})" if why else "")
        )
    return found


def names(tags: Mapping[str, str]) -> str:
    """The local name, with the English one behind it where it is another."""
    local, english = tags.get("name") or tags.get("ref", ""), tags.get("name:en", "")
    return f"{local} ({english})" if english and local and english != local else local or english


def speed_kmh(tags: Mapping[str, str]) -> float | None:
    """``maxspeed`` in km/h; None where it says nothing that can be read."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(km/h|kmh|mph|knots)?", tags.get("maxspeed", ""))
    if found is None:
        return None
    speed = float(found[1]) * {"mph": 1.609344, "knots": 1.852}.get(found[2] or "", 1.0)
    return speed if 3 <= speed <= 150 else None


def oneway(tags: Mapping[str, str]) -> str:
    """``F``, ``T`` or ``B``."""
    said = tags.get("oneway", "")
    if said in ("-1", "reverse"):
        return "T"
    round_about = tags.get("junction") in ("roundabout", "circular")
    if said in ("yes", "1", "true"):
        return "F"
    implied = round_about or tags["highway"] == "motorway"
    return "F" if implied and said not in ("no", "0", "false") else "B"


def _take_way(found: Extract, way: Any, tags: Mapping[str, str]) -> None:
    kind = tags["highway"]
    if kind not in SPEEDS_KMH:
        found.dropped["way is not for driving (footway, track, …)"] += 1
        return
    access = tags.get("motor_vehicle") or tags.get("vehicle") or tags.get("access")
    if access in _SHUT and tags.get("emergency") not in ("yes", "designated"):
        found.dropped["street is shut to vehicles (access)"] += 1
        return
    nodes = []
    for node in way.nodes:
        if node.location.valid():
            found.places[node.ref] = (node.location.lon, node.location.lat)
            nodes.append(node.ref)
        else:
            found.dropped["node of a street is not in the extract"] += 1
    if len(nodes) < 2:
        found.dropped["street has fewer than two nodes"] += 1
        return
    speed = speed_kmh(tags)
    if speed is None and "maxspeed" in tags:
        found.dropped["maxspeed can't be read (class speed taken)"] += 1
    layer = tags.get("layer", "")
    if tags.get("bridge", "no") != "no":
        layer = f"bridge {layer}".strip()
    elif tags.get("tunnel", "no") != "no":
        layer = f"tunnel {layer}".strip()
    found.ways.append(
        Way(way.id, kind, speed or SPEEDS_KMH[kind], oneway(tags), names(tags), layer, nodes)
    )


def _take_place(found: Extract, thing: Any, tags: Mapping[str, str]) -> None:
    kinds = [PLACES[pair] for pair in tags.items() if pair in PLACES]
    if not kinds:
        return
    if thing.is_node():
        letter, number, spots = "n", thing.id, [(thing.lon, thing.lat)]
    else:
        letter, number = ("r", thing.orig_id()) if thing.is_area() else ("w", thing.id)
        rings = thing.outer_rings() if thing.is_area() else [thing.nodes]
        corners = [node.location for ring in rings for node in ring]
        spots = [(one.lon, one.lat) for one in corners if one.valid()]
    if not spots:
        found.dropped["facility has no place in the extract"] += 1
        return
    lon, lat = np.mean(np.unique(spots, axis=0), axis=0).tolist()
    name = tags.get("name", "")
    found.facilities.append(
        {
            "id": f"{kinds[0]}-{letter}{number}",
            "kind": kinds[0],
            "name_zh": tags.get("name:zh") or name or kinds[0].replace("_", " "),
            "name_en": tags.get("name:en") or name or kinds[0].replace("_", " "),
            "lon": f"{lon:.6f}",
            "lat": f"{lat:.6f}",
        }
    )


def _take_area(found: Extract, area: Any, tags: Mapping[str, str]) -> None:
    if tags.get("boundary") != "administrative":
        return
    name, level = tags.get("name", ""), tags.get("admin_level", "")
    if not (name and level.isascii() and level.isdigit()):
        found.dropped["administrative area has no name or level"] += 1
        return
    shape = shapely.make_valid(shapely.from_wkb(_WKB.create_multipolygon(area)))
    found.areas.append(AdminArea(int(level), name, tags.get("name:en") or name, shape))


def streets(
    extract: Extract, area: BaseGeometry
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Nodes and edges of a pack: inside the area, cut at crossings, each reached from each.

    Raises
    ------
    SourceError
        None of the streets lies in the area.
    """
    ids = list(extract.places)
    spots = np.array([extract.places[node] for node in ids])
    inside = dict(zip(ids, shapely.contains_xy(area, spots[:, 0], spots[:, 1]), strict=True))
    uses = Counter(node for way in extract.ways for node in way.nodes)
    for way in extract.ways:
        uses.update((way.nodes[0], way.nodes[-1]))
    edges = [edge for way in extract.ways for edge in _pieces(way, uses, extract, inside)]
    if not edges:
        raise SourceError("no street of the extract lies within the boundary")
    ways: nx.DiGraph[str] = nx.DiGraph()
    for edge in edges:
        if edge["oneway"] != "T":
            ways.add_edge(edge["u"], edge["v"])
        if edge["oneway"] != "F":
            ways.add_edge(edge["v"], edge["u"])
    core = max(nx.strongly_connected_components(ways), key=lambda part: (len(part), min(part)))
    kept = [edge for edge in edges if edge["u"] in core and edge["v"] in core]
    extract.dropped["stretch can't be both reached and left"] += len(edges) - len(kept)
    if not kept:
        raise SourceError("the streets within the boundary are not connected")
    nodes = [
        {
            "id": name,
            "lon": f"{extract.places[int(name)][0]:.6f}",
            "lat": f"{extract.places[int(name)][1]:.6f}",
        }
        for name in sorted({edge[end] for edge in kept for end in ("u", "v")})
    ]
    return nodes, kept


def _pieces(
    way: Way, uses: Counter[int], extract: Extract, inside: dict[int, bool]
) -> list[dict[str, str]]:
    """The way cut at each crossing; stretches outside the area are left out."""
    pieces, begin = [], 0
    for end in range(1, len(way.nodes)):
        if uses[way.nodes[end]] < 2 and end < len(way.nodes) - 1:
            continue
        part = way.nodes[begin : end + 1]
        number, begin = begin, end
        if not any(inside[node] for node in part):
            extract.dropped["stretch lies outside the boundary"] += 1
            continue
        points = [extract.places[node] for node in part]
        length_m = _length_m(np.array(points))
        if part[0] == part[-1] or length_m <= 0:
            extract.dropped["stretch begins and ends at one place"] += 1
            continue
        pieces.append(
            {
                "id": f"{way.id}-{number}",
                "u": str(part[0]),
                "v": str(part[-1]),
                "length_m": f"{length_m:.1f}",
                "road_class": way.road_class,
                "speed_kmh": f"{way.speed_kmh:g}",
                "oneway": way.oneway,
                "name": way.name,
                "layer": way.layer,
                "geometry": line_text(points),
            }
        )
    return pieces


def _length_m(points: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    steps = np.diff(points, axis=0) * METRES_PER_DEGREE
    steps[:, 0] *= np.cos(np.radians(points[:, 1].mean()))
    return float(np.hypot(steps[:, 0], steps[:, 1]).sum())
