"""Which units and places of a city lie off all of its streets: most likely misplaced in a table.

For: the worker's log, which names them. ``gridcommand doctor`` and ``city build`` look at the same
places by the same limit (:mod:`gridcommand.reachability`), and at what else the largest part of
the network doesn't lead to, which takes seconds that a worker's start hasn't got. Not for:
refusing a pack; an engine at an airport that the street table leaves out stands where it stands,
and is proposed, though it counts as walking to the street; where that is kilometres
(:data:`~dispatch.routes.MOST_WALKED_M`) a person orders it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dispatch.routes import FAR_M
from models.city import FACILITIES_FILE, HOSPITAL, UNITS_FILE
from models.neighbours import NEIGHBOURS_FILE

if TYPE_CHECKING:
    from dispatch.roads import RoadGraph
    from models.city import CityPack, UnitSpec
    from models.neighbours import LentUnit


class Standing(NamedTuple):
    """Something that a pack's table gives a place; ``lon``, ``lat`` in degrees, WGS-84."""

    table: str
    kind: str
    id: str
    name: str
    lon: float
    lat: float


def units_of(pack: CityPack) -> list[Standing]:
    """Return the units of a pack where they begin, those that neighbours lend too."""
    own: list[tuple[str, UnitSpec | LentUnit]] = [(UNITS_FILE, unit) for unit in pack.units]
    lent = [(NEIGHBOURS_FILE, unit) for one in pack.neighbours for unit in one.units]
    return [
        Standing(table, unit.kind, unit.id, unit.call_sign or unit.id, unit.lon, unit.lat)
        for table, unit in (*own, *lent)
    ]


def facilities_of(pack: CityPack) -> list[Standing]:
    """Return the facilities of a pack."""
    return [
        Standing(FACILITIES_FILE, one.kind, one.id, one.name.en, one.lon, one.lat)
        for one in pack.facilities
    ]


def off_road(pack: CityPack, graph: RoadGraph) -> list[str]:
    """A sentence for each unit, station and hospital farther than `FAR_M` from every street.

    The farthest come first; some 10 µs a place.
    """
    stations = {unit.station for unit in pack.units}
    places = [("unit", one) for one in units_of(pack)]
    places += [
        (one.kind, one) for one in facilities_of(pack) if one.kind == HOSPITAL or one.id in stations
    ]
    if not places or not graph.edge_ids:
        return []
    _, _, off_m = graph.index.nearest(np.array([(one.lon, one.lat) for _, one in places]))
    far = [
        (-metres, f"{one.table}: {word} {one.id!r}", one)
        for (word, one), metres in zip(places, off_m.tolist(), strict=True)
        if metres > FAR_M
    ]
    return [
        f"{name} at lon {one.lon}, lat {one.lat} is {in_words(-metres)} from the nearest street"
        for metres, name, one in sorted(far)
    ]


def in_words(metres: float) -> str:
    """Return a distance for people."""
    if np.isinf(metres):
        return "out of reach"
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.1f} km"
