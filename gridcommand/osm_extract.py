"""Reads an OpenStreetMap extract: streets, places and administrative areas about a city.

For: ``gridcommand.city_build``. Not for: cutting streets into a network (``gridcommand.osm_roads``)
nor what tags mean (``gridcommand.osm_tags``). Relies on pyosmium, which reads PBF, XML and OPL.
What lies outside the box around the city's boundary is not kept, so that of a province only the
city stands in memory (and 8 to 16 bytes for each of its nodes, while it is read).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import osmium
import shapely

from gridcommand import osm_tags
from gridcommand.city_cells import AdminArea
from gridcommand.city_packs import SourceError

PLACES = {
    ("amenity", "fire_station"): "fire_station",
    ("amenity", "hospital"): "hospital",
    ("amenity", "police"): "police_station",
    ("emergency", "assembly_point"): "shelter",
    ("emergency", "fire_hydrant"): "hydrant",
    ("social_facility", "shelter"): "shelter",
}
SUFFIXES = (".pbf", ".osm", ".osm.gz", ".osm.bz2", ".xml", ".opl", ".opl.gz", ".opl.bz2", ".o5m")
A_WORD_EVERY_S = 5.0
_AREA_KEYS = ("amenity", "emergency", "social_facility", "boundary")
_MISSING = "node of a street is not in the extract"
_NEGATIVE = "node of a street has a negative id (drawn in an editor, never uploaded)"

_WKB = osmium.geom.WKBFactory()

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


class Way(msgspec.Struct, frozen=True):
    """A street, or the part of it that the extract has.

    ``first`` is the place of its first node in the street as it is mapped.
    """

    id: int
    road_class: str
    speed_kmh: float
    oneway: str
    name: str
    layer: str
    nodes: list[int]
    first: int = 0


class Extract(msgspec.Struct):
    """What an extract told.

    Attributes
    ----------
    ways
        Streets with a node in the box.
    places
        Lon, lat of their nodes.
    facilities
        Rows of a pack's table.
    areas
        Administrative areas.
    dropped
        What was left out: reason to how often.
    spans
        The box around all streets, near or far; None where there is none.
    """

    ways: list[Way]
    places: dict[int, tuple[float, float]]
    facilities: list[dict[str, Any]]
    areas: list[AdminArea]
    dropped: Counter[str]
    spans: Bounds | None = None


def read_extract(path: Path, box: Bounds, say: Callable[[str], None]) -> Extract:
    """Everything of use in the file and within a box.

    Parameters
    ----------
    say
        Told every few seconds how far it is.

    Raises
    ------
    SourceError
        It isn't there or not whole, its objects are out of order, or no street is in the box.
    """
    if not path.name.endswith(SUFFIXES):
        raise SourceError(
            f"{path}: its name doesn't say what kind of file it is: an extract ends in "
            ".osm.pbf, .osm, .osm.gz, .osm.bz2 or .opl"
        )
    if not path.is_file():
        raise SourceError(f"{path}: there is no such extract")
    reader = _Reader(path, box, say)
    try:
        reader.read()
    except (RuntimeError, OSError, ValueError) as error:
        raise SourceError(f"{path}: no whole OpenStreetMap extract: {error}") from error
    if not reader.found.ways:
        raise SourceError(f"{path}: {reader.why_no_street()}")
    return reader.found


class _Reader:
    def __init__(self, path: Path, box: Bounds, say: Callable[[str], None]) -> None:
        self.found = Extract([], {}, [], [], Counter())
        self._path = path
        self._box = box
        self._say = say
        self._low = np.array([np.inf, np.inf])
        self._high = -self._low
        self._began = self._told = time.monotonic()

    def read(self) -> None:
        source = osmium.FileProcessor(str(self._path)).with_locations()
        source = source.with_areas(osmium.filter.KeyFilter(*_AREA_KEYS))
        for thing in source.with_filter(osmium.filter.KeyFilter("highway", *_AREA_KEYS)):
            tags = {tag.k: tag.v for tag in thing.tags}
            if thing.is_area():
                if not thing.from_way():
                    self._take_place(thing, tags)
                self._take_area(thing, tags)
            elif thing.is_way() and "highway" in tags:
                self._take_way(thing, tags)
                self._tell()
            elif thing.is_node() or thing.is_way():
                self._take_place(thing, tags)
        if np.isfinite(self._low).all():
            (west, south), (east, north) = self._low.tolist(), self._high.tolist()
            self.found.spans = west, south, east, north

    def why_no_street(self) -> str:
        """Say why there is none, for people."""
        found = self.found
        if found.spans is not None:
            return _elsewhere(found.spans, self._box)
        if found.dropped[_MISSING] and _is_out_of_order(self._path):
            return (
                "its streets come before their nodes: sort it first "
                "(osmium sort, or Sort in your editor)"
            )
        why = "; ".join(f"{count} x {reason}" for reason, count in sorted(found.dropped.items()))
        return "there is no street in it that may be driven" + (f" ({why})" if why else "")

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told >= A_WORD_EVERY_S:
            self._told = now
            self._say(
                f"still reading, {now - self._began:.0f} s: {len(self.found.ways)} streets near "
                f"the city, {len(self.found.facilities)} facilities"
            )

    def _near(self, low: Any, high: Any) -> bool:
        west, south, east, north = self._box
        return bool(low[0] <= east and low[1] <= north and high[0] >= west and high[1] >= south)

    def _take_way(self, way: Any, tags: Mapping[str, str]) -> None:
        dropped = self.found.dropped
        if why := osm_tags.not_driven(tags):
            dropped[why] += 1
            return
        runs: list[tuple[int, list[int]]] = []
        spots: dict[int, tuple[float, float]] = {}
        joined = False
        for number, node in enumerate(way.nodes):
            if not node.location.valid():
                dropped[_MISSING if node.ref > 0 else _NEGATIVE] += 1
                joined = False
                continue
            spots[node.ref] = node.location.lon, node.location.lat
            if not joined:
                # What lies between two nodes that aren't there is not known: no street is made up.
                runs.append((number, []))
                joined = True
            runs[-1][1].append(node.ref)
        runs = [(first, nodes) for first, nodes in runs if len(nodes) > 1]
        if not runs:
            dropped["street has fewer than two nodes"] += 1
            return
        corners = np.array(list(spots.values()))
        low, high = corners.min(axis=0), corners.max(axis=0)
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        if not self._near(low, high):
            dropped["street lies away from the city"] += 1
            return
        speed = osm_tags.speed_kmh(tags)
        if speed is None and tags.get("maxspeed", "none") not in osm_tags.UNLIMITED:
            dropped["maxspeed can't be read (class speed taken)"] += 1
        kind, way_names = tags["highway"], osm_tags.names(tags)
        speed, layer = speed or osm_tags.SPEEDS_KMH[kind], osm_tags.layer(tags)
        for first, nodes in runs:
            self.found.places.update((node, spots[node]) for node in nodes)
            self.found.ways.append(
                Way(way.id, kind, speed, osm_tags.oneway(tags), way_names, layer, nodes, first)
            )

    def _take_place(self, thing: Any, tags: Mapping[str, str]) -> None:
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
            self.found.dropped["facility has no place in the extract"] += 1
            return
        place = np.mean(np.unique(spots, axis=0), axis=0)
        if not self._near(place, place):
            self.found.dropped["facility lies outside the boundary"] += 1
            return
        name = tags.get("name", "")
        self.found.facilities.append(
            {
                "id": f"{kinds[0]}-{letter}{number}",
                "kind": kinds[0],
                "name_zh": tags.get("name:zh") or name or kinds[0].replace("_", " "),
                "name_en": tags.get("name:en") or name or kinds[0].replace("_", " "),
                "lon": f"{place[0]:.6f}",
                "lat": f"{place[1]:.6f}",
            }
        )

    def _take_area(self, area: Any, tags: Mapping[str, str]) -> None:
        if tags.get("boundary") != "administrative":
            return
        name, level = tags.get("name", ""), tags.get("admin_level", "")
        if not (name and level.isascii() and level.isdigit()):
            self.found.dropped["administrative area has no name or level"] += 1
            return
        try:
            shape = shapely.make_valid(shapely.from_wkb(_WKB.create_multipolygon(area)))
        except (RuntimeError, ValueError, shapely.errors.ShapelyError):
            # Where an extract was cut through it, its border has ends.
            self.found.dropped["administrative area isn't closed in the extract"] += 1
            return
        if self._near(shape.bounds[:2], shape.bounds[2:]):
            self.found.areas.append(AdminArea(int(level), name, tags.get("name:en") or name, shape))


def _is_out_of_order(path: Path) -> bool:
    """Say whether a way comes before a node."""
    ways = False
    for thing in osmium.FileProcessor(str(path)):
        if thing.is_node() and ways:
            return True
        ways = ways or thing.is_way()
    return False


def _elsewhere(spans: Bounds, box: Bounds) -> str:
    """Say where the streets lie, and what may be wrong with a boundary that has none of them."""
    told = (
        f"no street of the extract lies within the boundary: the streets are at {_span(spans)}, "
        f"the boundary is at {_span(box)}"
    )
    south, west, north, east = box
    if west <= spans[2] and east >= spans[0] and south <= spans[3] and north >= spans[1]:
        told += "; longitude and latitude of the boundary seem to be swapped (GeoJSON: lon first)"
    return told


def _span(box: Bounds) -> str:
    west, south, east, north = box
    return f"longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f}"
