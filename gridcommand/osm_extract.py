"""Reads an OpenStreetMap extract: streets, places and administrative areas about a city.

For: ``gridcommand.city_build``. Not for: cutting streets into a network
(``gridcommand.osm_roads``), what tags mean (``gridcommand.osm_tags``) nor which facility is told
twice (``gridcommand.osm_facilities``). Relies on pyosmium, which reads PBF, XML and OPL.
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
from gridcommand.osm_facilities import (
    PLACES,
    SETTLEMENTS,
    Place,
    kind_of,
    out_of_use,
    place_of,
)
from gridcommand.osm_turns import TAGS, Restriction, restrictions

SUFFIXES = (".pbf", ".osm", ".osm.gz", ".osm.bz2", ".xml", ".opl", ".opl.gz", ".opl.bz2", ".o5m")
A_WORD_EVERY_S = 5.0
_AREA_KEYS = ("amenity", "emergency", "social_facility", "boundary")
_NODE_KEYS = ("barrier", "place", *osm_tags.ACCESS_KEYS)
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
    shut
        Streets that houses stand at and nobody may drive, so that what they lead to can be told.
    private
        Streets that only those drive who are called there.
    places
        Lon, lat of the nodes of all of them.
    barriers
        Nodes that nobody drives past, and the kind of barrier.
    gates
        Those of the barriers that open for who is called there.
    turns
        Turn restrictions of these streets.
    facilities
        Those near the city, each as often as it is mapped.
    settlements
        Where people live, by name.
    areas
        Administrative areas.
    dropped
        What was left out: reason to how often.
    noted
        What was kept and may not be as it is there: reason to how often.
    spans
        The box around all streets, near or far; None where there is none.
    """

    ways: list[Way] = []
    shut: list[Way] = []
    private: list[Way] = []
    places: dict[int, tuple[float, float]] = {}
    barriers: dict[int, str] = {}
    gates: set[int] = set()
    turns: list[Restriction] = []
    facilities: list[Place] = []
    settlements: list[Place] = []
    areas: list[AdminArea] = []
    dropped: Counter[str] = msgspec.field(default_factory=Counter)
    noted: Counter[str] = msgspec.field(default_factory=Counter)
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
        self.found = Extract()
        self._path = path
        self._box = box
        self._say = say
        self._streets: set[int] = set()
        self._low = np.array([np.inf, np.inf])
        self._high = -self._low
        self._began = self._told = time.monotonic()

    def read(self) -> None:
        source = osmium.FileProcessor(str(self._path)).with_locations()
        source = source.with_areas(osmium.filter.KeyFilter(*_AREA_KEYS))
        keys = osmium.filter.KeyFilter("highway", *_AREA_KEYS, *_NODE_KEYS, *TAGS)
        for thing in source.with_filter(keys):
            tags = {tag.k: tag.v for tag in thing.tags}
            if thing.is_area():
                if not thing.from_way():
                    self._take_facility(thing, tags)
                self._take_area(thing, tags)
            elif thing.is_way() and "highway" in tags:
                self._take_way(thing, tags)
                self._tell()
            elif thing.is_relation():
                self._take_turn(thing, tags)
            elif thing.is_way():
                self._take_facility(thing, tags)
            else:
                self._take_facility(thing, tags)
                self._take_node(thing, tags)
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
            if why != osm_tags.NOT_FOR_DRIVING and tags["highway"] in osm_tags.LIVED_AT:
                self._keep(way, tags, self.found.shut, Counter())
            if why == osm_tags.SHUT and not osm_tags.not_driven(osm_tags.by_permission(tags)):
                self._keep(way, tags, self.found.private, Counter())
        elif self._keep(way, tags, self.found.ways, dropped):
            self._streets.add(way.id)
            if osm_tags.has_unread_limit(tags, osm_tags.oneway(tags)):
                self.found.noted["maxspeed can't be read (class speed taken)"] += 1
            self.found.noted.update(osm_tags.unheeded(tags))

    def _keep(
        self, way: Any, tags: Mapping[str, str], ways: list[Way], dropped: Counter[str]
    ) -> bool:
        """Add a street to those of its kind, unless it lies away or is none."""
        runs: list[tuple[int, list[int]]] = []
        spots: dict[int, tuple[float, float]] = {}
        joined = False
        for number, node in enumerate(way.nodes):
            if not node.location.valid():
                dropped[_MISSING if node.ref > 0 else _NEGATIVE] += 1
                joined = False
                continue
            lon = node.location.lon
            if joined and abs(lon - spots[way.nodes[number - 1].ref][0]) > 180.0:
                dropped["stretch over 180 degrees of longitude"] += 1
                joined = False
            spots[node.ref] = lon, node.location.lat
            if not joined:
                # What lies between two nodes that aren't there is not known: no street is made up.
                runs.append((number, []))
                joined = True
            runs[-1][1].append(node.ref)
        runs = [(first, nodes) for first, nodes in runs if len(nodes) > 1]
        if not runs:
            dropped["street has fewer than two nodes"] += 1
            return False
        corners = np.array(list(spots.values()))
        low, high = corners.min(axis=0), corners.max(axis=0)
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        if not self._near(low, high):
            dropped["street lies away from the city"] += 1
            return False
        letter = osm_tags.oneway(tags)
        speed = osm_tags.speed_kmh(tags, letter) or osm_tags.usual_kmh(tags)
        way_names, layer = osm_tags.names(tags), osm_tags.layer(tags)
        for first, nodes in runs:
            self.found.places.update((node, spots[node]) for node in nodes)
            ways.append(
                Way(way.id, tags["highway"], speed, letter or "B", way_names, layer, nodes, first)
            )
        return True

    def _take_node(self, node: Any, tags: Mapping[str, str]) -> None:
        place = node.lon, node.lat
        if self._near(place, place) and osm_tags.stands_in_the_way(tags):
            self.found.barriers[node.id] = tags.get("barrier", "access")
            if not osm_tags.stands_in_the_way(osm_tags.by_permission(tags)):
                self.found.gates.add(node.id)
        if (kind := kind_of(tags, SETTLEMENTS)) and self._near(place, place):
            self.found.settlements += [one for one in [place_of(node, tags, kind)] if one]

    def _take_turn(self, relation: Any, tags: Mapping[str, str]) -> None:
        members = [(one.role, one.type, one.ref) for one in relation.members]
        if any(kind == "w" and ref in self._streets for _, kind, ref in members):
            self.found.turns += restrictions(relation.id, tags, members)

    def _take_facility(self, thing: Any, tags: Mapping[str, str]) -> None:
        kind = kind_of(tags, PLACES)
        if kind is None:
            return
        place = place_of(thing, tags, kind)
        if place is None:
            self.found.dropped["facility has no place in the extract"] += 1
        elif not self._near((place.lon, place.lat), (place.lon, place.lat)):
            self.found.dropped["facility lies outside the boundary"] += 1
        elif why := out_of_use(tags):
            self.found.dropped[f"{kind} is there no more, or not yet ({why}): {place.name_en}"] += 1
        else:
            self.found.facilities.append(place)

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
