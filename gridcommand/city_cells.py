"""Grid cells for a city that brings none: squares, coded by town and village where these are known.

For: ``gridcommand.city_build``. Not for: reading OpenStreetMap. A city's towns are the areas of
the first administrative level that divides it, its villages those of the next; a square that a
border runs through becomes a cell on each side. Where none divides the city, squares have the name
of the smallest area known that they lie in. Codes are city-town-village-cell, numbered by
name and place, so the same extract gives the same codes; ``00`` is what lies in none. Each cell
has a responsible worker: one for each village (or town), else one for each block of squares, until
the city says who it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from dispatch.roads import METRES_PER_DEGREE
from gridcommand.city_packs import SourceError, cell_feature

CELL_M = 500.0
BLOCK = 4
"""Squares on a side that one worker looks after where no village is known."""
MOST_SQUARES = 400_000
LEAST_M2 = 1.0
"""What is smaller is where two borders were drawn beside each other."""

IS_WHOLE, DIVIDES = 0.99, 0.95
"""An area with this share of the city is the city; areas with this share together divide it."""


COMMUNE, MOST_OF_A_CITY = 7, 20.0
"""From this level on areas are communes and parts of them in most countries; of another level, one
that is so many times larger than the city is a province, whose name tells no cell apart."""


class AdminArea(msgspec.Struct, frozen=True):
    """An administrative area of an extract; ``level`` is OpenStreetMap's ``admin_level``."""

    level: int
    name: str
    name_en: str
    shape: BaseGeometry


class _Part(NamedTuple):
    """A piece of the city that is one village's, or nobody's."""

    town: int
    village: int
    names: tuple[str, str]
    town_name: str
    shape: BaseGeometry


def made_cells(area: BaseGeometry, city: str, known: Sequence[AdminArea]) -> list[dict[str, Any]]:
    """GeoJSON features of squares of some 500 m, cut at the boundary and at what divides it.

    Raises
    ------
    SourceError
        The area is no city's.
    """
    squares = list(_squares(area))
    parts = _parts(area, city, known)
    if not parts:
        most = MOST_OF_A_CITY * area.area
        nearby = [one for one in known if one.level >= COMMUNE or one.shape.area <= most]
        nearby.sort(key=lambda one: (one.shape.area, one.name))
        return [
            _plain_cell(city, row, column, shape, nearby)
            for row, column, square in squares
            for shape in _cut(square, area)
        ]
    tree = shapely.STRtree([square for _, _, square in squares])
    features = []
    for part in parts:
        number = 0
        for at in sorted(tree.query(part.shape, predicate="intersects").tolist()):
            for shape in _cut(squares[at][2], part.shape):
                number += 1
                village = f"{city}-{part.town:02d}-{part.village:02d}"
                zh, en = (f"{name} {number}" for name in part.names)
                features.append(
                    _feature(
                        f"{village}-{number:03d}", (zh, en), part.town_name, city, shape,
                        f"gw-{village}",
                    )
                )  # fmt: skip
    return features


def _plain_cell(
    city: str, row: int, column: int, shape: BaseGeometry, known: Sequence[AdminArea]
) -> dict[str, Any]:
    """A cell of a city that nothing divides; `known` areas from the smallest on."""
    middle = shape.representative_point()
    home = next((one for one in known if one.shape.contains(middle)), None)
    zh, en, town = (home.name, home.name_en, home.name) if home else ("网格", "Cell", city)
    return _feature(
        f"{city}-r{row:03d}c{column:03d}", (f"{zh} {row}-{column}", f"{en} {row}-{column}"),
        town, city, shape, f"gw-{city}-r{row // BLOCK:02d}c{column // BLOCK:02d}",
    )  # fmt: skip


def _squares(area: BaseGeometry) -> Iterator[tuple[int, int, BaseGeometry]]:
    west, south, east, north = area.bounds
    high = CELL_M / METRES_PER_DEGREE
    wide = high / float(np.cos(np.radians((south + north) / 2)))
    columns, rows = int((east - west) / wide) + 1, int((north - south) / high) + 1
    if columns * rows > MOST_SQUARES:
        raise SourceError("the boundary is larger than a city: give cells of your own (--cells)")
    for row in range(rows):
        for column in range(columns):
            corner = (west + column * wide, south + row * high)
            yield row, column, shapely.box(*corner, corner[0] + wide, corner[1] + high)


def _cut(square: BaseGeometry, area: BaseGeometry) -> list[BaseGeometry]:
    """The part of a square within an area, as one polygon or several in one; or nothing."""
    found = _polygons(shapely.intersection(square, area))
    least = LEAST_M2 / METRES_PER_DEGREE**2
    return [found] if found is not None and found.area > least else []


def _polygons(shape: BaseGeometry) -> BaseGeometry | None:
    """What of a shape has an inside."""
    inner = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    if not inner:
        return None
    whole: BaseGeometry = inner[0] if len(inner) == 1 else shapely.MultiPolygon(inner)
    return whole


def _parts(area: BaseGeometry, city: str, known: Sequence[AdminArea]) -> list[_Part]:
    levels = _levels(area, known)
    if not levels:
        return []
    parts = []
    villages = levels[1] if len(levels) > 1 else []
    for town, (named, shape) in enumerate(_numbered(levels[0], area)):
        names = (named.name, named.name_en) if named else (city, city)
        for village, (inner, piece) in enumerate(_numbered(villages, shape)):
            own = (inner.name, inner.name_en) if inner else names
            parts.append(_Part(town, village, own, names[0], piece))
    return [part for part in parts if not part.shape.is_empty]


def _levels(area: BaseGeometry, known: Sequence[AdminArea]) -> list[list[AdminArea]]:
    """Areas that divide the city, by level, from the first level whose areas cover it."""
    found: dict[int, list[AdminArea]] = {}
    for one in known:
        share = shapely.intersection(one.shape, area).area / area.area
        # Neighbours share their border with us, and what lies above us has all of it.
        if 1e-4 < share < IS_WHOLE:
            found.setdefault(one.level, []).append(one)
    levels = [found[level] for level in sorted(found)]
    while levels:
        covered = shapely.intersection(shapely.union_all([one.shape for one in levels[0]]), area)
        if len(levels[0]) > 1 and covered.area >= DIVIDES * area.area:
            return levels
        levels.pop(0)
    return []


def _numbered(
    areas: Iterable[AdminArea], whole: BaseGeometry
) -> Iterator[tuple[AdminArea | None, BaseGeometry]]:
    """What no area has of the whole, as number 0; then the areas' parts of it, by name.

    Where two overlap the first has it.
    """
    least = LEAST_M2 / METRES_PER_DEGREE**2
    rest, named = whole, []
    for one in sorted(areas, key=lambda one: (one.name, one.shape.bounds)):
        mine = _polygons(shapely.intersection(rest, one.shape))
        if mine is not None and mine.area > 1e-4 * whole.area:
            named.append((one, mine))
            rest = shapely.difference(rest, mine)
    left = _polygons(rest)
    yield None, left if left is not None and left.area > least else shapely.Polygon()
    yield from named


def _feature(
    code: str, names: tuple[str, str], town: str, city: str, shape: BaseGeometry, worker: str
) -> dict[str, Any]:
    return cell_feature(code, names, town, city, worker, [[]]) | {"geometry": mapping(shape)}
