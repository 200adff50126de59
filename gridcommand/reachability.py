"""What of a city can't be reached by its streets: facilities, units, settlements, streets, cells.

For: ``gridcommand city build`` and ``gridcommand doctor``. Which units and facilities there are,
and how far is too far, is :mod:`dispatch.off_road`'s. Not for: closures, which come and go.
A place that no street of the largest part of the network leads to is not found out when somebody
is sent there: units would be told to walk. So it is said before, by name.

Relies on the pack's road tables, and on what ``city build`` puts beside them: streets that aren't
in the network (`CUT_OFF_FILE`) and where people live (`SETTLEMENTS_FILE`). A pack without these
two files is looked at by its network alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import networkx as nx
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from dispatch.off_road import Standing, facilities_of, in_words, units_of
from dispatch.roads import RoadGraph
from dispatch.routes import FAR_M
from gridcommand.city_packs import read_table
from models.city import Cell, CityPack

CUT_OFF_FILE = "roads_cut_off.csv.gz"
"""Streets beside the network: the columns of the edges' table, and ``why``."""
SETTLEMENTS_FILE = "settlements.csv"
"""Where people live: the columns of the facilities' table."""
NOT_CONNECTED, SHUT = "not connected", "shut"
"""Why a street is not in the network: no way there and back, or nobody may drive there."""

NEAR_M = 100.0
"""A crew goes so far on foot without a word, in metres."""
SHOWN = 10

_THROUGH = frozenset(
    ["motorway", "motorway_link", "trunk", "trunk_link", "primary", "primary_link", "secondary",
     "secondary_link", "tertiary_link", "service", "track", "busway", "pedestrian", "footway",
     "path", "cycleway"]
)  # fmt: skip
"""Classes that alone make no part where people live: a boundary cuts them, or no house is there."""

Floats = NDArray[np.float64]


class Spot(msgspec.Struct, frozen=True):
    """A facility, unit or settlement that isn't reached, and the metres to the nearest street."""

    id: str
    kind: str
    name: str
    away_m: float


class Part(msgspec.Struct, frozen=True):
    """Streets that hang together and not with the network.

    ``name`` is that of the longest of them, ``shut`` how many of them nobody may drive.
    """

    name: str
    stretches: int
    shut: int
    length_m: float


class Reach(msgspec.Struct, frozen=True):
    """What isn't reached.

    Attributes
    ----------
    facilities, units, settlements, parts
        The farthest first.
    cells
        Codes of cells with a place or street that isn't reached, and none that is.
    empty_cells
        Codes of cells that no street is in or near, and nothing else known.
    of
        How many there are of each, reached or not.
    """

    facilities: tuple[Spot, ...]
    units: tuple[Spot, ...]
    settlements: tuple[Spot, ...]
    parts: tuple[Part, ...]
    cells: tuple[str, ...]
    empty_cells: tuple[str, ...]
    of: Mapping[str, int]

    @property
    def is_whole(self) -> bool:
        """Whether all is reached but empty land."""
        return not (self.facilities or self.units or self.settlements or self.parts or self.cells)

    def lines(self) -> list[str]:
        """Say it for people, a sentence for each kind of thing that isn't reached."""
        said = []
        for word, spots in (
            ("facilities", self.facilities),
            ("units", self.units),
            ("settlements", self.settlements),
        ):
            if spots:
                names = [
                    f"{one.name} ({one.id}, {in_words(one.away_m)} from the nearest street)"
                    for one in spots
                ]
                said.append(f"{len(spots)} of {self.of[word]} {word}: {_listed(names)}")
        if self.parts:
            names = [
                f"{one.name or 'nameless'} (streets: {one.stretches}, {in_words(one.length_m)}"
                + (f", {one.shut} shut to vehicles" if one.shut else "")
                + ")"
                for one in self.parts
            ]
            many = "1 part" if len(self.parts) == 1 else f"{len(self.parts)} parts"
            said.append(f"{many} where people live: {_listed(names)}")
        if self.cells:
            said.append(f"{len(self.cells)} of {self.of['cells']} cells: {_listed(self.cells)}")
        return said


class _Street(msgspec.Struct, frozen=True):
    """A stretch that isn't in the largest part of the network."""

    u: str
    v: str
    name: str
    road_class: str
    length_m: float
    shut: bool
    lonlat: Floats


def look(pack: CityPack, graph: RoadGraph) -> Reach:
    """Find what the largest part of a pack's network doesn't reach.

    A place isn't reached that is farther than `dispatch.routes.FAR_M` from each street of that
    part, or farther than `NEAR_M` and nearer to a street beside it.

    Raises
    ------
    SourceError, CityPackError
        A file of the pack can't be read.
    """
    core = _core(graph)
    inside = core[graph.edge_u] & core[graph.edge_v]
    beside = [*_of_graph(graph, np.flatnonzero(~inside)), *_of_file(pack)]
    lines = [graph.geometry(row) for row in np.flatnonzero(inside).tolist()]
    near = _Near(graph, lines, [street.lonlat for street in beside])

    facilities, units = facilities_of(pack), units_of(pack)
    settlements = [
        Standing(
            SETTLEMENTS_FILE,
            row["kind"],
            row["id"],
            row["name_en"],
            float(row["lon"]),
            float(row["lat"]),
        )
        for row in _table(pack, SETTLEMENTS_FILE)
    ]
    places, stations, homes = (_spots(near, rows) for rows in (facilities, units, settlements))
    left = {one.id for spots in (places, stations, homes) for one in spots}
    known = [(one.lon, one.lat) for one in (*facilities, *units, *settlements) if one.id in left]
    parts, told = _parts(near, beside, {graph.node_ids[row] for row in np.flatnonzero(core)})
    for street in told:
        known += [(lon, lat) for lon, lat in street.lonlat.tolist()]
    bare = near.without_street([_shape(cell) for cell in pack.cells])
    cells = [cell.code for cell, is_bare in zip(pack.cells, bare.tolist(), strict=True) if is_bare]
    lived = {cell.code for lon, lat in known if (cell := pack.cells.locate(lon, lat))}
    return Reach(
        facilities=places,
        units=stations,
        settlements=homes,
        parts=tuple(parts),
        cells=tuple(code for code in cells if code in lived),
        empty_cells=tuple(code for code in cells if code not in lived),
        of={
            "facilities": len(facilities),
            "units": len(units),
            "settlements": len(settlements),
            "cells": len(pack.cells),
        },
    )


class _Near:
    """How far it is to the network, and to streets beside it.

    By trees of lines, not by `dispatch.street_index`: what lies far from every street is the rule
    here, and that index is made for what lies at one.
    """

    def __init__(self, graph: RoadGraph, core: list[Floats], beside: list[Floats]) -> None:
        self._metres = graph.projection.metres
        self._core, self._beside = self._tree(core), self._tree(beside)

    def _tree(self, lines: list[Floats]) -> shapely.STRtree:
        if not lines:
            return shapely.STRtree([])
        of = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
        return shapely.STRtree(
            np.asarray(shapely.linestrings(self._metres(np.concatenate(lines)), indices=of))
        )

    def _points(self, places: Floats) -> NDArray[np.object_]:
        return np.asarray(shapely.points(self._metres(places)))

    def away_m(self, places: Floats) -> Floats:
        """Metres to the network."""
        return _distances(self._core, self._points(places))

    def unreached(self, places: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """Which places aren't reached, and the metres to the network."""
        points = self._points(places)
        away, other = (_distances(tree, points) for tree in (self._core, self._beside))
        return (away > FAR_M) | ((away > NEAR_M) & (other < away)), away

    def without_street(self, shapes: Sequence[BaseGeometry]) -> NDArray[np.bool_]:
        """Which areas no street of the network is in, or near the middle of."""
        areas = shapely.transform(np.array(shapes, dtype=np.object_), self._metres)
        middles = shapely.point_on_surface(areas)
        return (_distances(self._core, areas) > 0) & (_distances(self._core, middles) > FAR_M)


def _distances(tree: shapely.STRtree, shapes: NDArray[np.object_]) -> Floats:
    """Metres from each shape to the nearest line of a tree; infinite where there is none."""
    found = np.full(len(shapes), np.inf)
    (rows, _), metres = tree.query_nearest(shapes, return_distance=True, all_matches=False)
    found[rows] = metres
    return found


def _core(graph: RoadGraph) -> NDArray[np.bool_]:
    """Which nodes are in the largest part in which each is reached from each."""
    arcs: nx.DiGraph[int] = nx.DiGraph()
    arcs.add_edges_from(zip(graph.arc_tail.tolist(), graph.arc_head.tolist(), strict=True))
    core = np.zeros(len(graph.node_ids), np.bool_)
    parts = nx.strongly_connected_components(arcs)
    core[list(max(parts, key=lambda part: (len(part), -min(part)), default=()))] = True
    return core


def _of_graph(graph: RoadGraph, rows: NDArray[np.intp]) -> Iterable[_Street]:
    for row in rows.tolist():
        yield _Street(
            graph.node_ids[graph.edge_u[row]],
            graph.node_ids[graph.edge_v[row]],
            graph.edge_name[row],
            graph.edge_class[row],
            float(graph.edge_length_m[row]),
            False,
            graph.geometry(row),
        )


def _of_file(pack: CityPack) -> Iterable[_Street]:
    for row in _table(pack, CUT_OFF_FILE):
        lonlat = np.array(row["geometry"].replace(";", " ").split(), np.float64).reshape(-1, 2)
        yield _Street(
            row["u"], row["v"], row["name"], row["road_class"], float(row["length_m"]),
            row["why"] == SHUT, lonlat,
        )  # fmt: skip


def _table(pack: CityPack, name: str) -> list[dict[str, str]]:
    path = pack.path / name
    return read_table(path) if path.is_file() else []


def _spots(near: _Near, places: Sequence[Standing]) -> tuple[Spot, ...]:
    lonlat = np.array([(one.lon, one.lat) for one in places], np.float64).reshape(-1, 2)
    is_left, away = near.unreached(lonlat)
    found = [
        Spot(places[row].id, places[row].kind, places[row].name, float(away[row]))
        for row in np.flatnonzero(is_left).tolist()
    ]
    return tuple(sorted(found, key=lambda one: (-one.away_m, one.id)))


def _parts(
    near: _Near, beside: Sequence[_Street], core: set[str]
) -> tuple[list[Part], list[_Street]]:
    """Streets beside the network by what hangs together, where people live; and these streets."""
    joined: nx.Graph[Any] = nx.Graph()
    for row, street in enumerate(beside):
        joined.add_node(row)
        # Two dead ends at one crossing of the network are two.
        joined.add_edges_from((row, end) for end in (street.u, street.v) if end not in core)
    parts, told = [], []
    for component in nx.connected_components(joined):
        streets = [beside[row] for row in sorted(one for one in component if isinstance(one, int))]
        if all(one.road_class in _THROUGH for one in streets):
            continue
        if near.away_m(np.concatenate([one.lonlat for one in streets])).max() <= NEAR_M:
            continue
        longest: dict[str, float] = {}
        for one in streets:
            longest[one.name] = longest.get(one.name, 0.0) + one.length_m * bool(one.name)
        name = min(longest, key=lambda each: (-longest[each], each))
        parts.append(
            Part(
                name,
                len(streets),
                sum(one.shut for one in streets),
                sum(one.length_m for one in streets),
            )
        )
        told += streets
    return sorted(parts, key=lambda one: (-one.length_m, one.name)), told


def _shape(cell: Cell) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([(rings[0], rings[1:]) for rings in cell.polygons])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
