"""Places that can't be: farther from the city than anything that it has.

For: :class:`dispatch.desk.Desk`, before a report becomes an incident and before a unit counts as
being where it says. A phone without a fix says 0, 0, a table may lose a sign: the machine may send
no unit there, and none from there. Not for: places in words.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dispatch.correlation import METRES_A_DEGREE
from dispatch.roads import RoadGraph
from models.city import CityPack

FAR_M = 2000.0
"""A place is far where no crossing, unit or facility of the city is nearer."""

_FAR_DEG = FAR_M / METRES_A_DEGREE
_ROW_DEG = _FAR_DEG * (1 + 1e-9)
"""More than what is looked for, so that rounding leaves nothing out of the squares around."""

Floats = NDArray[np.float64]


class Surroundings:
    """What a city has, to hold places against.

    Attributes
    ----------
    cells
        The pack's.
    """

    def __init__(self, graph: RoadGraph, pack: CityPack) -> None:
        self.cells = pack.cells
        known = [(unit.lon, unit.lat) for unit in pack.units]
        known += [(unit.lon, unit.lat) for one in pack.neighbours for unit in one.units]
        known += [(one.lon, one.lat) for one in pack.facilities]
        self._known = KnownPlaces(
            np.concatenate([graph.node_lonlat, np.array(known, np.float64).reshape(-1, 2)])
        )

    def is_far(self, lon: float, lat: float) -> bool:
        """Say whether a place is far; some 5 to 30 µs, in a metropolis too."""
        return not self._known.any_near(lon, lat)

    def can_not_be(self, lon: float, lat: float) -> bool:
        """Say whether no unit of the city is at a place: in no cell and far, or none on earth.

        A crew may be deep in a forest, but in a cell; some 10 µs.
        """
        if not (-180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0):
            return True
        return self.cells.locate(lon, lat) is None and self.is_far(lon, lat)


class KnownPlaces:
    """Places sorted into squares, so that few of them are looked at for one that is asked for.

    Rows of squares are as high as `FAR_M`, columns as wide or wider, and go once around the earth.

    Parameters
    ----------
    lonlat : float64 (n, 2)
        In degrees.
    """

    def __init__(self, lonlat: Floats) -> None:
        lon, lat = lonlat.T
        south, north = lat.min(initial=90.0), lat.max(initial=-90.0)
        # The narrowest degree of longitude at which anything may be near.
        edge = min(90.0, max(-south, north) + _ROW_DEG)
        self._columns = max(1, math.floor(360.0 * math.cos(math.radians(edge)) / _ROW_DEG))
        self._south, self._rows = float(south), math.floor((north - south) / _ROW_DEG) + 1
        column = np.floor(lon % 360.0 / 360.0 * self._columns).astype(np.int64) % self._columns
        row = np.floor((lat - south) / _ROW_DEG).astype(np.int64)
        squares = row * self._columns + column
        order = np.argsort(squares, kind="stable")
        self._squares, self._lonlat = squares[order], lonlat[order]

    def any_near(self, lon: float, lat: float) -> bool:
        """Say whether any is within `FAR_M`, as far as degrees tell."""
        up = (lat - self._south) / _ROW_DEG
        if not (math.isfinite(lon) and -1.0 <= up <= self._rows + 1.0):
            return False
        row, column = math.floor(up), math.floor(lon % 360.0 / 360.0 * self._columns)
        # Its own square first: what is in the city is near there.
        columns = dict.fromkeys((column + step) % self._columns for step in (0, -1, 1))
        squares = [(row + step) * self._columns + one for step in (0, -1, 1) for one in columns]
        first = self._squares.searchsorted(squares, "left").tolist()
        after = self._squares.searchsorted(squares, "right").tolist()
        return any(
            _is_near(self._lonlat[a:b], lon, lat)
            for a, b in zip(first, after, strict=True)
            if a < b
        )


def _is_near(lonlat: Floats, lon: float, lat: float) -> bool:
    away = np.abs(lonlat - (lon, lat))
    away[:, 0] = np.minimum(away[:, 0], 360.0 - away[:, 0]) * np.cos(np.radians(lat))
    return bool((np.hypot(away[:, 0], away[:, 1]) <= _FAR_DEG).any())
