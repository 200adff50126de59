"""Cells and towns that words name: where to look for somebody who has no place.

For: :mod:`streams.classify.reports`. A report without coordinates, or with such as lie in no cell,
may say "上黄镇西埝村" or "at Lakeshore": units near there
can be proposed, and somebody is to ask for more.
Not for: addresses and streets; never for a place that was sent and is good.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from statistics import fmean

from models.city import Cell, CellIndex
from models.events import NamedPlace

_LEAST = {True: 2, False: 4}
"""Characters that a name has at least, in Chinese and in other writing; shorter ones are words."""

_COMMITTEE = re.compile("(村民委员会|居民委员会|村委会|居委会|社区)$")
_TOWN = re.compile("(街道|镇|乡)$")


class PlaceNames:
    """The names of one city's cells and towns.

    Parameters
    ----------
    cells
        Several cells may have one name: then it means all of them.
    """

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._cells: dict[str, list[Cell]] = defaultdict(list)
        self._towns: dict[str, list[Cell]] = defaultdict(list)
        for cell in cells:
            for name in {_COMMITTEE.sub("", cell.name.zh), cell.name.en, cell.name.zh}:
                self._cells[name.casefold()].append(cell)
            for name in {cell.town, _TOWN.sub("", cell.town)}:
                self._towns[name.casefold()].append(cell)
        # A town's own name is more often the town than the village of that name.
        self._cells = {n: c for n, c in self._cells.items() if n not in self._towns}

    def find(self, words: str) -> NamedPlace | None:
        """Return the place that words name: the longest name of a cell, else of a town.

        A name that several towns have counts where its town is named too.
        """
        said = words.casefold()
        towns = _longest(self._towns, said)
        cells = _longest(self._cells, said)
        if towns and cells:
            cells = [one for one in cells if one in towns] or cells
        if cells and len({one.town for one in cells}) == 1:
            return _place(cells, cells[0].name.zh, cells[0].name.en)
        if towns:
            return _place(towns, towns[0].town, towns[0].town)
        return None


@lru_cache(maxsize=8)
def names_of(cells: CellIndex) -> PlaceNames:
    """Return the names of a city."""
    return PlaceNames(cells)


def _longest(names: dict[str, list[Cell]], said: str) -> list[Cell]:
    """Return the cells of the longest name that is said."""
    best = ""
    for name in names:
        if len(name) > len(best) and name in said and _is_whole(name, said):
            best = name
    return names[best] if best else []


def _is_whole(name: str, said: str) -> bool:
    if not name.isascii():
        return len(name) >= _LEAST[True]
    return len(name) >= _LEAST[False] and bool(re.search(rf"\b{re.escape(name)}\b", said))


def _place(cells: list[Cell], zh: str, en: str) -> NamedPlace:
    """Return the middle of cells: that of the one nearest to the middle of all."""
    middles = [cell.middle for cell in cells]
    lon, lat = fmean(x for x, _ in middles), fmean(y for _, y in middles)
    nearest = min(middles, key=lambda at: ((at[0] - lon) ** 2 + (at[1] - lat) ** 2, at))
    return NamedPlace(
        lon=nearest[0],
        lat=nearest[1],
        names={"zh": zh, "en": en},
        cell=cells[0].code if len(cells) == 1 else "",
    )
