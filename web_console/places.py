"""Where something is that is named: streets, crossings, facilities and cells of the city.

For: who is told a place in words and must set it on the map. Not for what a report's text says by
itself (``streams.classify.place_names``), nor for house numbers, which no pack has: of a street it
is the middle. Relies on the pack's road table; about 0.2 s for 15,000 segments, once for a console.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from typing import Final, NamedTuple

from models.city import CityPack
from models.csv_files import TableError, clean, rows_of
from models.errors import CityPackError
from models.plain_text import plain

STREET, CROSSING, FACILITY, CELL = "street", "crossing", "facility", "cell"

_SHORT: Final = {
    "street": "st",
    "avenue": "ave",
    "boulevard": "blvd",
    "road": "rd",
    "drive": "dr",
    "place": "pl",
    "court": "ct",
    "lane": "ln",
    "terrace": "ter",
    "highway": "hwy",
}
_SPLIT: Final = re.compile(r"\s*(?:[&/@×+]|\band\b|\bat\b|与|和|、|交叉)\s*")
_AT_A_CROSSING: Final = re.compile(
    r"(?:十字|交叉|交汇|三岔|丁字)?(?:路口|口|处)$|\b(?:corner|crossing) of\b"
)
_BESIDE: Final = re.compile(r"[^\w&/@×+、—'-]+")
_HOUSE: Final = re.compile(r"^\d+[a-z]?\s+(?=[a-z0-9])|\d+(?:号|弄|栋|幢).*$")
_STREETS_OF_A_CROSSING: Final = 8
_LEAST: Final = 3
_MEET_M: Final = 60.0
"""Two streets whose ends are nearer meet, though no node is of both: a square, a wide street."""
_METRES_A_DEGREE: Final = 111_320.0


class NamedPlace(NamedTuple):
    """A place that has a name; degrees, WGS-84."""

    kind: str
    zh: str
    en: str
    lon: float
    lat: float


class _Street(NamedTuple):
    name: str
    ends: dict[str, tuple[float, float]]


class Places:
    """All that can be found by name.

    Raises
    ------
    CityPackError
        When the road table can't be read.
    """

    def __init__(self, pack: CityPack) -> None:
        self._streets: dict[str, _Street] = {}
        for name, node, point in _ends(pack):
            street = self._streets.setdefault(_folded(name), _Street(name, {}))
            street.ends.setdefault(node, point)
        self._known: list[tuple[str, NamedPlace]] = []
        for one in pack.facilities:
            self._add(FACILITY, one.name.zh, one.name.en, one.lon, one.lat)
        for cell in pack.cells:
            lon, lat = cell.middle
            self._add(CELL, cell.name.zh, cell.name.en, lon, lat)

    def _add(self, kind: str, zh: str, en: str, lon: float, lat: float) -> None:
        place = NamedPlace(kind, zh, en, lon, lat)
        self._known += [(_folded(name), place) for name in {zh, en}]

    def find(self, words: str, most: int = 10) -> list[NamedPlace]:
        """Return the places that words name, the likeliest first.

        Crossings stand before what only one of the names fits; of equals the shorter name.
        """
        asked = _folded(words)
        if not asked:
            return []
        found = [(0, len(place.zh), place) for place in self._crossings(asked)]
        plain_name = _HOUSE.sub("", asked).strip() or asked
        for folded, street in self._streets.items():
            if folded and (rank := _rank(plain_name, folded)) is not None:
                lon, lat = _middle(street.ends.values())
                found.append(
                    (rank, len(folded), NamedPlace(STREET, street.name, street.name, lon, lat))
                )
        for folded, place in self._known:
            if (rank := _rank(plain_name, folded)) is not None:
                found.append((rank, len(folded), place))
        return list(dict.fromkeys(place for _, _, place in sorted(found)))[:most]

    def _crossings(self, asked: str) -> Iterator[NamedPlace]:
        parts = [part for part in _SPLIT.split(_AT_A_CROSSING.sub("", asked)) if part]
        for one, other in pairwise(parts):
            for a, b in product(self._like(one), self._like(other)):
                if a is not b and (meets := _meeting(a, b)) is not None:
                    name = f"{a.name} / {b.name}"
                    yield NamedPlace(CROSSING, name, name, *meets)

    def _like(self, name: str) -> list[_Street]:
        name = _HOUSE.sub("", name).strip() or name
        ranked = [
            (rank, len(folded), folded)
            for folded in self._streets
            if folded and (rank := _rank(name, folded)) is not None
        ]
        return [self._streets[folded] for _, _, folded in sorted(ranked)[:_STREETS_OF_A_CROSSING]]


def _rank(asked: str, folded: str) -> int | None:
    """How well a name fits what was asked, 1 best; None: not at all."""
    if folded == asked:
        return 1
    if folded.startswith(asked):
        return 2
    if asked in folded:
        return 3
    # What is asked may be a whole sentence.
    if folded.isascii():
        return 4 if f" {folded} " in f" {asked} " else None
    return 4 if len(folded) >= _LEAST and folded in asked else None


def _folded(words: str) -> str:
    said = _BESIDE.sub(" ", plain(words).casefold()).split()
    return " ".join(_SHORT.get(word, word) for word in said)


def _meeting(a: _Street, b: _Street) -> tuple[float, float] | None:
    """Return where two streets meet; None: nowhere."""
    if common := a.ends.keys() & b.ends.keys():
        return a.ends[min(common)]
    away, point = min(
        (math.hypot((x - u) * math.cos(math.radians(y)), y - v), (x, y))
        for (x, y), (u, v) in product(a.ends.values(), b.ends.values())
    )
    return point if away * _METRES_A_DEGREE <= _MEET_M else None


def _middle(points: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Return that of some points which is nearest to their mean."""
    known = sorted(points)
    lon = sum(point[0] for point in known) / len(known)
    lat = sum(point[1] for point in known) / len(known)
    return min(known, key=lambda point: (point[0] - lon) ** 2 + (point[1] - lat) ** 2)


def _ends(pack: CityPack) -> Iterator[tuple[str, str, tuple[float, float]]]:
    """Return name, node and place of both ends of each segment that has a name."""
    header: list[str] = []
    try:
        for _, values in rows_of(pack.edges_path):
            if not header:
                header = [clean(name).lower() for name in values]
                continue
            row = dict(zip(header, values, strict=False))
            if not row["name"].strip():
                continue
            points = row["geometry"].split(";")
            for node, written in ((row["u"], points[0]), (row["v"], points[-1])):
                lon, lat = written.split()
                yield row["name"], node, (float(lon), float(lat))
    except (TableError, KeyError, ValueError) as error:
        raise CityPackError(f"{pack.edges_path}: its names can't be read: {error!r}") from error
