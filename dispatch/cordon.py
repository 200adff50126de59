"""How one gets off a closed street, and on foot into a cordon of them.

For: ``dispatch.travel_times``, which drives on open streets only. Relies on: the closed streets
being few; a search over them is plain Dijkstra and costs some microseconds for each.
"""

from __future__ import annotations

import heapq
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dispatch.roads import RoadGraph
from dispatch.routes import WALK_M_S, Leg, Snap

CORDON_M = 1500.0
"""Farther than this over closed streets nobody walks in, in metres."""

Ends = list[tuple[int, int, tuple[Leg, ...]]]
"""By which vertices a place is left or reached: vertex, milliseconds, the legs between."""

_Path = tuple[tuple[int, float], ...]
"""Edges with the fraction at the far end of each."""


def left_by(graph: RoadGraph, leg: Leg, *, freely: bool) -> Ends:
    """The end of an edge that a leg leads to, `freely` where every street may be taken there."""
    row, begin, end, ms = leg
    vertex = _node(graph, row, end) if freely else graph.reached_along(row, end)
    return [(vertex, round(ms), ((row, begin, end, float(round(ms))),))]


def reached_by(graph: RoadGraph, leg: Leg, *, freely: bool) -> Ends:
    """The end of an edge that a leg begins at, `freely` by whatever street one comes there."""
    row, begin, end, ms = leg
    vertices = graph.vertices_at(_node(graph, row, begin)) if freely else graph.begins(row, begin)
    legs = ((row, begin, end, float(round(ms))),)
    return [(vertex, round(ms), legs) for vertex in vertices]


class Cordon:
    """The closed streets of a network; never changed after it is made.

    Parameters
    ----------
    graph
        The network.
    edge_ms : float64 (e,)
        Milliseconds to drive each edge.
    closed
        Rows of the closed edges.
    """

    def __init__(
        self, graph: RoadGraph, edge_ms: NDArray[np.float64], closed: frozenset[int]
    ) -> None:
        self._graph = graph
        self._edge_ms = edge_ms
        self._doors_kept: dict[int, dict[int, _Path]] = {}
        self._closed = closed
        arcs = graph.arcs_of(closed)
        self._shut_out = _counted(graph.arc_tail[arcs])
        self._shut_in = _counted(graph.vertex_node[graph.arc_head[arcs]])

    def ways_out(self, snap: Snap) -> Ends:
        """Along its own street to the nearer end that an open street begins at.

        Where a turn is forbidden that alone would lead on, it is made: somebody closed the street.
        Where neither end is such a one, the nearer one, from which no open way leads on.
        """
        row = snap.edge
        reach = sorted((abs(end - snap.fraction), end) for end in (0.0, 1.0))
        opening = [
            (share, end, freely)
            for freely in (False, True)
            for share, end in reach
            if self._opens(
                _node(self._graph, row, end) if freely else self._graph.reached_along(row, end)
            )
        ]
        share, end, freely = (opening or [(*reach[0], True)])[0]
        leg = row, snap.fraction, end, share * self._edge_ms[row]
        return left_by(self._graph, leg, freely=freely)

    def ways_in(self, snap: Snap) -> Ends:
        """Ways on foot over closed streets to a place on one of them; never empty."""
        row = snap.edge
        ends: Ends = []
        for end in (0.0, 1.0):
            own_m = abs(end - snap.fraction) * float(self._graph.edge_length_m[row])
            own: Leg = (row, end, snap.fraction, _walk_ms(own_m))
            node = _node(self._graph, row, end)
            ends += [(vertex, int(own[3]), (own,)) for vertex in self._graph.vertices_at(node)]
            for door, path in self._doors(node).items():
                legs: tuple[Leg, ...] = (
                    *((edge, to, 1.0 - to, _walk_ms(float(self._graph.edge_length_m[edge])))
                      for edge, to in reversed(path)),
                    own,
                )  # fmt: skip
                ms = int(sum(leg[3] for leg in legs))
                ends += [(vertex, ms, legs) for vertex in self._graph.vertices_at(door)]
        return ends

    def _opens(self, vertex: int) -> bool:
        """Whether an open street begins at a vertex."""
        return bool(self._graph.arcs_out[vertex] > self._shut_out.get(vertex, 0))

    @cached_property
    def _closed_at(self) -> dict[int, list[tuple[int, float]]]:
        """Closed edges that may be walked from a node, and the end that each leads to."""
        found: dict[int, list[tuple[int, float]]] = {}
        for row in sorted(self._closed):
            for end in (0.0, 1.0):
                found.setdefault(_node(self._graph, row, 1.0 - end), []).append((row, end))
        return found

    def _doors(self, node: int) -> dict[int, _Path]:
        """Crossings where open streets end, by the shortest closed way from a node."""
        kept = self._doors_kept.get(node)
        if kept is not None:
            return kept
        doors: dict[int, _Path] = {}
        queue: list[tuple[float, int, _Path]] = [(0.0, node, ())]
        seen: set[int] = set()
        while queue:
            length_m, here, path = heapq.heappop(queue)
            if here in seen:
                continue
            seen.add(here)
            if self._graph.arcs_in[here] > self._shut_in.get(here, 0):
                doors[here] = path
                continue
            for row, end in self._closed_at.get(here, ()):
                there_m = length_m + float(self._graph.edge_length_m[row])
                if there_m <= CORDON_M:
                    there = _node(self._graph, row, end)
                    heapq.heappush(queue, (there_m, there, (*path, (row, end))))
        self._doors_kept[node] = doors
        return doors


def _counted(rows: NDArray[np.int32]) -> dict[int, int]:
    names, counts = np.unique(rows, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _node(graph: RoadGraph, row: int, end: float) -> int:
    return int(graph.edge_u[row] if end == 0.0 else graph.edge_v[row])


def _walk_ms(length_m: float) -> float:
    return float(round(length_m * 1000.0 / WALK_M_S))
