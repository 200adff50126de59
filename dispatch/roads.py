"""The road network of a city, as arrays that routing uses and as a graph that people edit.

For: reading a pack's road tables, the directed arcs that may be driven, and which segments a
closure touches. Not for: how long a way takes (``dispatch.travel_times``). Relies on: the road
files of ``models.city``, numpy, shapely for geometry, networkx for the editable view.

An *edge* is a segment of street as the pack lists it, with an id; closures name edges. An *arc*
is one direction in which an edge may be driven. Routing works on *vertices*: the nodes, and behind
them the copies of nodes by which turns are forbidden (``dispatch.turns``).
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable
from copy import copy
from functools import cached_property, lru_cache
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray

from dispatch.street_index import StreetIndex
from dispatch.turns import BOUND, Arcs, Arrows, Turn
from models.csv_files import TableError, clean, rows_of
from models.errors import CityPackError, GridcommandError
from models.named import unknown
from models.profiles import Profile

if TYPE_CHECKING:
    import networkx as nx

    from models.city import CityPack

ONEWAYS = {"F": 1, "T": -1, "B": 0}
"""Pack's letter to direction: with the geometry (u to v), against it, both ways."""

_ALONG_KEPT = 1 << 14
"""Edges whose measured geometry is kept at most; then all are forgotten."""

METRES_PER_DEGREE = 6_371_008.8 * np.pi / 180.0
"""Along a meridian of the mean sphere (IUGG mean radius)."""

_NODE_COLUMNS = ("id", "lon", "lat")
_EDGE_COLUMNS = (
    "id", "u", "v", "length_m", "road_class", "speed_kmh", "oneway", "name", "layer", "geometry",
)  # fmt: skip
_TURN_COLUMNS = ("id", "from", "via", "to", "who")
_WHO = {who.value: () for who in BOUND}


class UnknownEdgeError(GridcommandError, LookupError):
    """A closure names an edge that the road graph hasn't."""


class EdgeClosure(msgspec.Struct, frozen=True, tag="edge"):
    """One segment is closed, in both directions."""

    edge_id: str


class CircleClosure(msgspec.Struct, frozen=True, tag="circle"):
    """Every segment that comes within `radius_m` metres of a point is closed."""

    lon: float
    lat: float
    radius_m: float


class AreaClosure(msgspec.Struct, frozen=True, tag="area"):
    """Every segment that touches a polygon is closed; `ring` is its shell as (lon, lat)."""

    ring: tuple[tuple[float, float], ...]


Closure = EdgeClosure | CircleClosure | AreaClosure


class SlowZone(msgspec.Struct, frozen=True, tag="slow"):
    """Every segment of an area is driven at a share of its speed; `speed` is over 0 and under 1.

    Of several zones the slowest counts, and a closure before all of them.
    """

    area: Closure
    speed: float


class Projection(msgspec.Struct, frozen=True):
    """Local metres around one latitude (equirectangular).

    Off by less than 0.2 % in length within 15 km north or south of `lat`; made for snapping and
    radii, not for lengths of roads, which the pack brings along.
    """

    lon: float
    lat: float

    def metres(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) lon, lat in degrees to (n, 2) x, y in metres."""
        origin, scale = _origin_and_scale(self.lon, self.lat)
        return np.asarray((lonlat - origin) * scale, dtype=np.float64)


@lru_cache(maxsize=64)
def _origin_and_scale(lon: float, lat: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scale = [METRES_PER_DEGREE * np.cos(np.radians(lat)), METRES_PER_DEGREE]
    return np.array([lon, lat]), np.array(scale)


class RoadGraph:
    """Streets as flat arrays, one row per node, edge or arc; never changed after it is made.

    Parameters
    ----------
    nodes
        Node id to (lon, lat).
    edges
        One dict per segment with the columns of ``roads_edges.csv.gz``, ``geometry`` as (k, 2)
        lon, lat from u to v. In any order; kept sorted by id.
    turns
        What may not be driven one behind the other; counts once `following` is asked for.

    Attributes
    ----------
    node_ids : tuple of str
    node_lonlat : float64 (n, 2)
    edge_ids : tuple of str
    edge_u, edge_v : int32 (e,)
        Node rows at both ends.
    edge_length_m, edge_speed_kmh : float64 (e,)
    edge_oneway : int8 (e,)
        1 with the geometry, -1 against it, 0 both.
    edge_class, edge_name, edge_layer : tuple of str
    coords : float64 (c, 2)
        Points of all geometries; edge ``i`` has ``coords[coord_start[i]:coord_start[i + 1]]``.
    arc_tail, arc_head : int32 (a,)
        Vertices.
    arc_edge : int32 (a,)
    arc_forward : bool (a,)
        Whether the arc goes with the edge's geometry.
    vertex_node : int32 (x,)
        The node that each vertex is at; the first are the nodes themselves.
    turns : tuple of Turn
    content_hash : str
        SHA-256 of what routing order depends on: nodes, places, arcs.

    Raises
    ------
    CityPackError
        An edge names a node that isn't there, or there is no edge at all; a turn names an edge
        that isn't there, or edges that don't meet where it says.

    Notes
    -----
    Only streets that may be driven belong into a pack, so every edge has at least one arc. An
    edge from a node to itself has none (no shortest way uses it), but can be snapped to.
    """

    def __init__(
        self,
        nodes: dict[str, tuple[float, float]],
        edges: Iterable[dict[str, Any]],
        turns: Iterable[Turn] = (),
    ) -> None:
        self.node_ids = tuple(sorted(nodes))
        self.node_lonlat = np.array([nodes[name] for name in self.node_ids], dtype=np.float64)
        at = {name: row for row, name in enumerate(self.node_ids)}
        # One edge at a time: a metropolis as dicts would take a gigabyte.
        ids: list[str] = []
        ends, numbers, coords = array("i"), array("d"), array("d")
        ways, sizes = array("b"), array("i")
        texts: tuple[list[str], ...] = ([], [], [])
        for edge in edges:
            name = str(edge["id"])
            for end in ("u", "v"):
                if edge[end] not in at:
                    raise CityPackError(f"edge {name!r}: node {edge[end]!r} is not listed")
                ends.append(at[edge[end]])
            ids.append(name)
            numbers.extend((edge["length_m"], edge["speed_kmh"]))
            ways.append(edge["oneway"])
            sizes.append(len(edge["geometry"]))
            coords.frombytes(np.ascontiguousarray(edge["geometry"], dtype=np.float64).tobytes())
            for column, key in zip(texts, ("road_class", "name", "layer"), strict=True):
                column.append(sys.intern(str(edge[key])))
        if not ids:
            raise CityPackError("the road network has no edges")
        order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.intp)
        self.edge_ids = tuple(map(ids.__getitem__, order.tolist()))
        if any(one == two for one, two in pairwise(self.edge_ids)):
            raise CityPackError("two edges of the road network have the same id")
        self.edge_u, self.edge_v = np.array(ends, np.int32).reshape(-1, 2)[order].T.copy()
        self.edge_length_m, self.edge_speed_kmh = np.array(numbers).reshape(-1, 2)[order].T.copy()
        self.edge_oneway = np.array(ways, np.int8)[order]
        self.edge_class, self.edge_name, self.edge_layer = (
            tuple(map(column.__getitem__, order.tolist())) for column in texts
        )
        many = np.array(sizes, np.int64)
        start = np.cumsum(many) - many
        self.coord_start = np.concatenate([[0], np.cumsum(many[order])]).astype(np.int32)
        place = np.arange(self.coord_start[-1]) - np.repeat(self.coord_start[:-1], many[order])
        self.coords: NDArray[np.float64] = np.array(coords).reshape(-1, 2)[
            np.repeat(start[order], many[order]) + place
        ]
        self._along: dict[int, NDArray[np.float64]] = {}
        self.turns = tuple(sorted(turns, key=lambda turn: turn.id))
        for turn in self.turns:
            self._check(turn)
        self._make_arcs()

    @classmethod
    def load(cls, pack: CityPack) -> RoadGraph:
        """Read the road tables of a pack.

        Raises
        ------
        CityPackError
            With file, line and value of what is wrong.
        """
        nodes = {
            row["id"]: (_number(where, row, "lon"), _number(where, row, "lat"))
            for where, row in _rows(pack.nodes_path, _NODE_COLUMNS)
        }
        return cls(nodes, _edges(pack), _turns(pack))

    @classmethod
    def from_networkx(cls, graph: nx.MultiDiGraph[str]) -> RoadGraph:
        """Back from `to_networkx`, with what somebody changed in it.

        An edge present in one direction only becomes one-way; a turn over an edge that isn't
        there any more is forgotten.
        """
        nodes = {name: (data["lon"], data["lat"]) for name, data in graph.nodes(data=True)}
        directions: dict[str, set[bool]] = {}
        edges: dict[str, dict[str, Any]] = {}
        for tail, head, key, data in graph.edges(keys=True, data=True):
            forward = bool(data["forward"])
            directions.setdefault(str(key), set()).add(forward)
            ends = {"u": tail, "v": head} if forward else {"u": head, "v": tail}
            edges[str(key)] = {**data, **ends, "id": str(key)}
        for name, edge in edges.items():
            both = len(directions[name]) == 2
            edge["oneway"] = 0 if both else (1 if True in directions[name] else -1)
        turns = [turn for turn in graph.graph["turns"] if edges.keys() >= set(turn.edges)]
        return cls(nodes, edges.values(), turns)

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """The network as people read and edit it.

        Nodes carry ``lon``, ``lat``; there is one edge for each direction that may be driven,
        keyed by the pack's edge id, with ``length_m``, ``speed_kmh``, ``road_class``, ``name``,
        ``layer``, ``forward`` and ``geometry`` ((k, 2) lon, lat from u to v). The graph carries
        ``turns``.
        """
        import networkx as nx  # 0.15 s that no desk waits for

        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(turns=self.turns)
        for name, (lon, lat) in zip(self.node_ids, self.node_lonlat.tolist(), strict=True):
            graph.add_node(name, lon=lon, lat=lat)
        for row, name in enumerate(self.edge_ids):
            u, v = self.node_ids[self.edge_u[row]], self.node_ids[self.edge_v[row]]
            for forward in (True, False):
                if self.edge_oneway[row] == (-1 if forward else 1):
                    continue
                graph.add_edge(
                    u if forward else v,
                    v if forward else u,
                    key=name,
                    length_m=float(self.edge_length_m[row]),
                    speed_kmh=float(self.edge_speed_kmh[row]),
                    road_class=self.edge_class[row],
                    name=self.edge_name[row],
                    layer=self.edge_layer[row],
                    forward=forward,
                    geometry=self.geometry(row),
                )
        return graph

    def both_ways(self) -> RoadGraph:
        """The same streets, each of which may be used in both directions and left by any other."""
        other = self._alike()
        other.edge_oneway, other.turns = np.zeros_like(self.edge_oneway), ()
        other._make_arcs()
        return other

    def following(self, who: Profile) -> RoadGraph:
        """The same streets with the turns that `who` may not make; itself where there are none.

        Parameters
        ----------
        who
            Of `dispatch.turns.BOUND`.

        Notes
        -----
        Some 40 µs a turn, and two or three copies of crossings.
        """
        arrows = Arrows(self.arc_tail, self.arc_head, self.arc_edge, len(self.node_ids))
        forbidden = {arcs for turn in self.turns if who in turn.who and (arcs := self._arcs(turn))}
        if not forbidden:
            return self
        parts = arrows.split(forbidden)
        other = self._alike()
        edge, forward = self.arc_edge[parts.arc], self.arc_forward[parts.arc]
        order = np.lexsort((parts.tail, ~forward, edge))
        other.arc_edge, other.arc_forward = edge[order], forward[order]
        other.arc_tail, other.arc_head = parts.tail[order], parts.head[order]
        other.vertex_node = parts.vertex_node
        other._index_arcs()
        return other

    def _alike(self) -> RoadGraph:
        """The same streets, whose arcs are to be made anew; where they are is known already."""
        _ = self.index
        other = copy(self)
        for name in ("arcs_out", "arcs_in", "_copies", "_begun"):
            other.__dict__.pop(name, None)
        return other

    def _check(self, turn: Turn) -> None:
        what = f"turn {turn.id!r}"
        if len(turn.edges) != len(turn.nodes) + 1 or not turn.nodes:
            raise CityPackError(f"{what}: must go over one crossing, or more with edges between")
        for edge in turn.edges:
            if not self.has_edge(edge):
                raise CityPackError(f"{what}: edge {edge!r} is not listed")
        for node, *edges in zip(turn.nodes, turn.edges[:-1], turn.edges[1:], strict=True):
            for edge in edges:
                if node not in self._ends(edge):
                    raise CityPackError(f"{what}: edge {edge!r} has no end at node {node!r}")

    def _ends(self, edge_id: str) -> tuple[str, str]:
        row = self.edge_row(edge_id)
        return self.node_ids[self.edge_u[row]], self.node_ids[self.edge_v[row]]

    def _arcs(self, turn: Turn) -> Arcs | None:
        """Arcs of a turn; None where nobody could make it, by one-way streets."""
        arcs = []
        for at, edge in enumerate(turn.edges):
            row = self.edge_row(edge)
            from_u = self._ends(edge)[0] == turn.nodes[at - 1] if at else None
            to_u = self._ends(edge)[0] == turn.nodes[at] if at < len(turn.nodes) else None
            forward = not to_u if from_u is None else from_u
            if to_u is not None and from_u == to_u:
                return None
            mine = range(*self._arc_start[row : row + 2].tolist())
            found = [arc for arc in mine if self.arc_forward[arc] == forward]
            if not found:
                return None
            arcs += found
        return tuple(arcs)

    def edge_row(self, edge_id: str) -> int:
        """Row of an edge by its id; `UnknownEdgeError` where there is none."""
        row = bisect_left(self.edge_ids, edge_id)
        if self.edge_ids[row : row + 1] != (edge_id,):
            raise UnknownEdgeError(f"edge {edge_id!r} is not in this city's road network")
        return row

    def has_edge(self, edge_id: str) -> bool:
        """Whether there is an edge of this id."""
        row = bisect_left(self.edge_ids, edge_id)
        return self.edge_ids[row : row + 1] == (edge_id,)

    def geometry(self, row: int) -> NDArray[np.float64]:
        """(k, 2) lon, lat of an edge from u to v; a view, not a copy."""
        return self.coords[self.coord_start[row] : self.coord_start[row + 1]]

    def along(self, row: int) -> NDArray[np.float64]:
        """(k,) share of an edge's length at each point of its geometry, from 0 at u to 1 at v."""
        along = self._along.get(row)
        if along is None:
            steps = np.hypot(*np.diff(self.projection.metres(self.geometry(row)), axis=0).T)
            along = np.concatenate([[0.0], np.cumsum(steps)])
            along /= along[-1] or 1.0
            if len(self._along) >= _ALONG_KEPT:
                self._along.clear()
            self._along[row] = along
        return along

    def arcs_of(self, rows: Collection[int]) -> NDArray[np.intp]:
        """Rows of the arcs of some edges, given by their rows; in no order."""
        edges = np.fromiter(rows, np.intp, len(rows))
        first, after = self._arc_start[edges], self._arc_start[edges + 1]
        many = after - first
        place = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        return np.asarray(np.repeat(first, many) + place, dtype=np.intp)

    def reached_along(self, row: int, end: float) -> int:
        """Vertex at an end of an edge (0 at u, 1 at v) for whom comes there along it."""
        return int(self._reached[row, int(end)])

    def begins(self, row: int, end: float) -> tuple[int, ...]:
        """Vertices at an end of an edge from which it may be driven to the other end."""
        node = int(self.edge_v[row] if end else self.edge_u[row])
        if self.edge_u[row] == self.edge_v[row]:
            return self.vertices_at(node)
        return (node, *self._begun.get((row, end), ()))

    def vertices_at(self, node: int) -> tuple[int, ...]:
        """A node and its copies."""
        return (node, *self._copies.get(node, ()))

    def edges_in(self, closure: Closure) -> frozenset[str]:
        """Ids of the edges that a closure closes.

        Raises
        ------
        UnknownEdgeError
            An `EdgeClosure` names an edge that isn't there.
        """
        if isinstance(closure, EdgeClosure):
            return frozenset([self.edge_ids[self.edge_row(closure.edge_id)]])
        if isinstance(closure, CircleClosure):
            centre = self.projection.metres(np.array([[closure.lon, closure.lat]]))[0]
            reach = np.full(2, closure.radius_m)
            rows = self.index.touching(centre - reach, centre + reach)
            hit = shapely.dwithin(self._lines(rows), shapely.Point(centre), closure.radius_m)
        else:
            ring = self.projection.metres(np.array(closure.ring, dtype=np.float64))
            rows = self.index.touching(ring.min(axis=0), ring.max(axis=0))
            # Fingers draw rings that cross themselves or have no inside; those count as drawn.
            drawn = shapely.Polygon(ring) if len(ring) > 2 else shapely.MultiPoint(ring)
            hit = shapely.intersects(self._lines(rows), shapely.make_valid(drawn))
        return frozenset(self.edge_ids[row] for row in rows[hit].tolist())

    @cached_property
    def arcs_out(self) -> NDArray[np.intp]:
        """How many arcs begin at each vertex."""
        return np.bincount(self.arc_tail, minlength=len(self.vertex_node))

    @cached_property
    def arcs_in(self) -> NDArray[np.intp]:
        """How many arcs end at each node, its copies included."""
        return np.bincount(self.vertex_node[self.arc_head], minlength=len(self.node_ids))

    @cached_property
    def _copies(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        nodes = len(self.node_ids)
        for vertex, node in enumerate(self.vertex_node[nodes:].tolist(), start=nodes):
            found.setdefault(node, []).append(vertex)
        return found

    @cached_property
    def _begun(self) -> dict[tuple[int, float], list[int]]:
        """Copies from which an edge may be driven from its end 0 or 1."""
        found: dict[tuple[int, float], list[int]] = {}
        for arc in np.flatnonzero(self.arc_tail >= len(self.node_ids)).tolist():
            begin = 0.0 if self.arc_forward[arc] else 1.0
            found.setdefault((int(self.arc_edge[arc]), begin), []).append(int(self.arc_tail[arc]))
        return found

    @cached_property
    def projection(self) -> Projection:
        """Local metres around the middle of the network."""
        lon, lat = (self.node_lonlat.min(axis=0) + self.node_lonlat.max(axis=0)).tolist()
        return Projection(lon / 2, lat / 2)

    @cached_property
    def index(self) -> StreetIndex:
        """Where streets are."""
        return StreetIndex(self.coords, self.coord_start, self.projection.metres)

    def _lines(self, rows: NDArray[np.intp]) -> NDArray[np.object_]:
        """Geometry of some edges in local metres."""
        shapes = [self.projection.metres(self.geometry(row)) for row in rows.tolist()]
        return np.array([shapely.LineString(shape) for shape in shapes], dtype=np.object_)

    def _make_arcs(self) -> None:
        open_way = self.edge_u != self.edge_v
        forward = np.flatnonzero((self.edge_oneway >= 0) & open_way)
        backward = np.flatnonzero((self.edge_oneway <= 0) & open_way)
        edge = np.concatenate([forward, backward]).astype(np.int32)
        ahead = np.concatenate([np.ones(len(forward), bool), np.zeros(len(backward), bool)])
        order = np.lexsort((~ahead, edge))
        self.arc_edge, self.arc_forward = edge[order], ahead[order]
        u, v = self.edge_u[self.arc_edge], self.edge_v[self.arc_edge]
        self.arc_tail = np.where(self.arc_forward, u, v).astype(np.int32)
        self.arc_head = np.where(self.arc_forward, v, u).astype(np.int32)
        self.vertex_node = np.arange(len(self.node_ids), dtype=np.int32)
        self._index_arcs()

    def _index_arcs(self) -> None:
        self._arc_start = np.searchsorted(self.arc_edge, np.arange(len(self.edge_ids) + 1))
        self._reached = np.stack([self.edge_u, self.edge_v], axis=1)
        whole = self.arc_tail < len(self.node_ids)
        ends = self.arc_forward[whole].astype(np.intp)
        self._reached[self.arc_edge[whole], ends] = self.arc_head[whole]
        digest = hashlib.sha256()
        for part in (self.node_lonlat, self.arc_tail, self.arc_head):
            digest.update(np.ascontiguousarray(part).tobytes())
        self.content_hash = digest.hexdigest()


def _edges(pack: CityPack) -> Iterable[dict[str, Any]]:
    for where, row in _rows(pack.edges_path, _EDGE_COLUMNS):
        length_m, speed_kmh = _number(where, row, "length_m"), _number(where, row, "speed_kmh")
        if length_m < 0 or speed_kmh <= 0:
            raise CityPackError(
                f"{where}: length_m {length_m}, speed_kmh {speed_kmh} must be above 0"
            )
        if row["oneway"] not in ONEWAYS:
            raise CityPackError(f"{where}: oneway {row['oneway']!r} must be F, T or B")
        numbers = {"length_m": length_m, "speed_kmh": speed_kmh}
        yield (
            row
            | numbers
            | {"oneway": ONEWAYS[row["oneway"]], "geometry": _geometry(where, row["geometry"])}
        )


def _turns(pack: CityPack) -> Iterable[Turn]:
    if not pack.turns_path.is_file():
        return
    for where, row in _rows(pack.turns_path, _TURN_COLUMNS):
        via = row["via"].split("|")
        who = {name.strip() for name in row["who"].split("|")}
        for name in sorted(who - _WHO.keys()):
            raise CityPackError(f"{where}: {unknown('who', name, _WHO)}")
        yield Turn(
            row["id"],
            (row["from"], *via[1::2], row["to"]),
            tuple(via[::2]),
            frozenset(map(Profile, who)),
        )


def _rows(path: Path, columns: tuple[str, ...]) -> Iterable[tuple[str, dict[str, Any]]]:
    header: list[str] = []
    try:
        for line, values in rows_of(path):
            where = f"{path}:{line}"
            if not header:
                header = [clean(name).lower() for name in values]
                missing = [name for name in columns if name not in header]
                if missing:
                    raise CityPackError(f"{where}: column {missing[0]!r} is missing")
            elif len(values) != len(header):
                raise CityPackError(f"{where}: must have as many fields as line 1")
            else:
                yield where, dict(zip(header, values, strict=True))
    except TableError as error:
        raise CityPackError(str(error)) from error
    if not header:
        raise CityPackError(f"{path}:1: column {columns[0]!r} is missing")


def _number(where: str, row: dict[str, str], column: str) -> float:
    try:
        number = float(row[column])
    except ValueError as error:
        raise CityPackError(f"{where}: {column} {row[column]!r} must be a number") from error
    if not isfinite(number):
        raise CityPackError(f"{where}: {column} {row[column]!r} must be a number")
    return number


def _geometry(where: str, text: str) -> NDArray[np.float64]:
    try:
        points = np.array(text.replace(";", " ").split(), dtype=np.float64).reshape(-1, 2)
    except ValueError as error:
        raise CityPackError(f"{where}: geometry {text[:40]!r} must be 'lon lat;lon lat'") from error
    if not np.isfinite(points).all():
        raise CityPackError(f"{where}: geometry {text[:40]!r} must be numbers")
    if len(points) < 2:
        raise CityPackError(f"{where}: geometry {text[:40]!r} must have at least two points")
    return points
