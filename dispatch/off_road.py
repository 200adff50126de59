"""Which units and places of a city lie off all of its streets: most likely misplaced in a table.

For: the worker's log, which names them; ``gridcommand doctor`` and ``city build`` look at all that
isn't reached (:mod:`gridcommand.reachability`). Not for: refusing a pack; an engine at an airport
that the street table leaves out stands where it stands, and is sent, though it counts as walking to
the street.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from dispatch.routes import FAR_M
from models.city import FACILITIES_FILE, HOSPITAL, UNITS_FILE

if TYPE_CHECKING:
    from dispatch.roads import RoadGraph
    from models.city import CityPack


def off_road(pack: CityPack, graph: RoadGraph) -> list[str]:
    """A sentence for each unit, station and hospital farther than `FAR_M` from every street.

    The farthest come first; some 10 µs a place.
    """
    places = list(_places(pack))
    if not places or not graph.edge_ids:
        return []
    _, _, off_m = graph.index.nearest(np.array([(lon, lat) for _, lon, lat in places]))
    far = [(metres, name, lon, lat) for (name, lon, lat), metres in
           zip(places, off_m.tolist(), strict=True) if metres > FAR_M]  # fmt: skip
    return [
        f"{name} at lon {lon}, lat {lat} is {_distance(metres)} from the nearest street"
        for metres, name, lon, lat in sorted(far, key=lambda one: (-one[0], one[1]))
    ]


def _places(pack: CityPack) -> Iterable[tuple[str, float, float]]:
    stations = {unit.station for unit in pack.units}
    for unit in pack.units:
        yield f"{UNITS_FILE}: unit {unit.id!r}", unit.lon, unit.lat
    for neighbour in pack.neighbours:
        for lent in neighbour.units:
            yield f"neighbours.yaml: unit {lent.id!r}", lent.lon, lent.lat
    for place in pack.facilities:
        if place.kind == HOSPITAL or place.id in stations:
            yield f"{FACILITIES_FILE}: {place.kind} {place.id!r}", place.lon, place.lat


def _distance(metres: float) -> str:
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.1f} km"
