"""Places that can't be: farther from the city than anything that it has.

For: :class:`dispatch.desk.Desk`, before a report becomes an incident. A phone without a fix says
0, 0, a table may lose a sign: nobody may be sent there by the machine. Not for: places in words.
"""

from __future__ import annotations

import numpy as np

from dispatch.correlation import METRES_A_DEGREE
from dispatch.roads import RoadGraph
from models.city import CityPack

FAR_M = 2000.0
"""A place is far where no crossing, unit or facility of the city is nearer."""


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
        known += [(one.lon, one.lat) for one in pack.facilities]
        self._lonlat = np.concatenate(
            [graph.node_lonlat, np.array(known, np.float64).reshape(-1, 2)]
        )

    def is_far(self, lon: float, lat: float) -> bool:
        """Say whether a place is far; some 1 ms in a metropolis."""
        away = np.abs(self._lonlat - (lon, lat))
        away[:, 0] = np.minimum(away[:, 0], 360.0 - away[:, 0]) * np.cos(np.radians(lat))
        return not bool((np.hypot(away[:, 0], away[:, 1]) <= FAR_M / METRES_A_DEGREE).any())
