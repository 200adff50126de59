"""Stations, hospitals, shelters and hydrants of an OpenStreetMap extract, each counted once.

For: ``gridcommand.osm_extract`` and ``gridcommand.city_build``. Mappers draw a station as a point,
as the outline of its house or of its grounds, and often as more than one of these: a unit is
assumed at each, so one that is told twice would be an engine that isn't there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from dispatch.roads import METRES_PER_DEGREE
from gridcommand.osm_tags import OUT_OF_USE

PLACES = {
    ("amenity", "fire_station"): "fire_station",
    ("amenity", "hospital"): "hospital",
    ("amenity", "police"): "police_station",
    ("emergency", "assembly_point"): "shelter",
    ("emergency", "fire_hydrant"): "hydrant",
    ("social_facility", "shelter"): "shelter",
}
SETTLEMENTS = {
    ("place", kind): kind
    for kind in (
        "city", "town", "village", "hamlet", "suburb", "quarter", "neighbourhood",
        "isolated_dwelling",
    )
}  # fmt: skip
"""Where people live."""

DOUBLE_M = 50.0
"""Two of a kind this near are one, unless their names say otherwise."""
SAME_NAME_M = 250.0
"""A point this near to an outline of its name is the same place."""


class Place(msgspec.Struct, frozen=True):
    """A facility or a settlement as it is mapped.

    ``name`` is empty where none is mapped; ``shape`` is a point, or outlines in degrees.
    """

    id: str
    kind: str
    name: str
    name_zh: str
    name_en: str
    shape: BaseGeometry
    lon: float
    lat: float

    def row(self) -> dict[str, str]:
        """Return it as a row of ``facilities.csv``."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name_zh": self.name_zh,
            "name_en": self.name_en,
            "lon": f"{self.lon:.6f}",
            "lat": f"{self.lat:.6f}",
        }


def place_of(thing: Any, tags: Mapping[str, str], kind: str) -> Place | None:
    """Return what a node, way or area of pyosmium is, or None where it has no place."""
    if thing.is_node():
        letter, number, rings = "n", thing.id, [[thing.location]]
    elif thing.is_way():
        letter, number, rings = "w", thing.id, [[node.location for node in thing.nodes]]
    else:
        letter, number = "r", thing.orig_id()
        rings = [[node.location for node in ring] for ring in thing.outer_rings()]
    outlines = [[(one.lon, one.lat) for one in ring if one.valid()] for ring in rings]
    spots = [spot for outline in outlines for spot in outline]
    if not spots:
        return None
    lon, lat = np.mean(np.unique(spots, axis=0), axis=0).tolist()
    drawn = [
        shapely.make_valid(shapely.Polygon(outline)) if len(outline) > 3 else shapely.Point(spot)
        for outline in outlines
        for spot in outline[:1]
    ]
    name, plain = tags.get("name", ""), kind.replace("_", " ")
    zh, en = tags.get("name:zh") or name or plain, tags.get("name:en") or name or plain
    shape = shapely.union_all(drawn)
    return Place(f"{kind}-{letter}{number}", kind, name, zh, en, shape, lon, lat)


def kind_of(tags: Mapping[str, str], kinds: Mapping[tuple[str, str], str]) -> str | None:
    """Return what tags say that something is, whether it is still in use or not."""
    return next((kinds[pair] for pair in tags.items() if pair in kinds), None)


def out_of_use(tags: Mapping[str, str]) -> str:
    """Return the key that says that something is there no more, or not yet; empty: it is there.

    ``historic=yes`` and the like, or the same said with and without a prefix
    (``disused:amenity=police`` beside ``amenity=police``).
    """
    for word in OUT_OF_USE:
        if tags.get(word, "no") != "no":
            return word
        for key, value in PLACES:
            if tags.get(key) == value == tags.get(f"{word}:{key}"):
                return f"{word}:{key}"
    return ""


def without_doubles(places: Sequence[Place]) -> list[Place]:
    """Return each facility once: of a point and its outline the outline, of two the larger.

    A point is the outline's where it lies in it, or within `DOUBLE_M` of it under no other name,
    or within `SAME_NAME_M` under the same. Hydrants are all kept.
    """
    kept = [place for place in places if place.kind == "hydrant"]
    others = [place for place in places if place.kind != "hydrant"]
    for kind in sorted({place.kind for place in others}):
        mine = [place for place in others if place.kind == kind]
        mine.sort(key=lambda place: (-place.shape.area, place.id))
        found: list[Place] = []
        # In metres around each: a city is small, a country's islands aren't.
        shapes: list[BaseGeometry] = []
        middle = float(np.mean([place.lat for place in mine]))
        for place in mine:
            shape = _in_metres(place.shape, middle)
            twin = _twin(place, shape, found, shapes)
            if twin is None:
                found.append(place)
                shapes.append(shape)
            elif not found[twin].name:
                found[twin] = msgspec.structs.replace(
                    found[twin], name=place.name, name_zh=place.name_zh, name_en=place.name_en
                )
        kept += found
    return kept


def _twin(
    place: Place, shape: BaseGeometry, found: Sequence[Place], shapes: Sequence[BaseGeometry]
) -> int | None:
    """Return which of those found is this place too."""
    for row, away_m in enumerate(shapely.distance(shape, list(shapes)).tolist()):
        other = found[row]
        inside = shapes[row].area > 0 and shapes[row].covers(shape.centroid)
        same = place.name.casefold() == other.name.casefold()
        if inside or (away_m <= DOUBLE_M and (same or not place.name or not other.name)):
            return row
        if place.name and same and away_m <= SAME_NAME_M and not shape.area and shapes[row].area:
            return row
    return None


def _in_metres(shape: BaseGeometry, lat: float) -> BaseGeometry:
    scale = METRES_PER_DEGREE * np.array([np.cos(np.radians(lat)), 1.0])

    def scaled(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return points * scale

    return shapely.transform(shape, scaled)
