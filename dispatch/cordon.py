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
"""Nodes by which a place is left or reached: node, milliseconds, the legs between."""

_Path = tuple[tuple[int, float], ...]
"""Edges with the fraction at the far end of each."""


def left_by(graph: RoadGraph, leg: Leg) -> tuple[int, int, tuple[Leg, ...]]:
    """The end of an edge that a leg leads to."""
    row, begin, end, ms = leg
    return _node(graph, row, end), round(ms), ((row, begin, end, float(round(ms))),)


def reached_by(graph: RoadGraph, leg: Leg) -> tuple[int, int, tuple[Leg, ...]]:
    """The end of an edge that a leg begins at."""
    row, begin, end, ms = leg
    return _node(graph, row, begin), round(ms), ((row, begin, end, float(round(ms))),)


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
        self._shut_in = _counted(graph.arc_head[arcs])

    def ways_out(self, snap: Snap) -> Ends:
        """Along its own street to the nearer end that an open street begins at.

        Where neither is such an end, the nearer one, from which no open way leads on.
        """
        row = snap.edge
        reach = sorted((abs(end - snap.fraction), end) for end in (0.0, 1.0))
        opening = [part for part in reach if self._opens(_node(self._graph, row, part[1]))]
        share, end = (opening or reach)[0]
        return [left_by(self._graph, (row, snap.fraction, end, share * self._edge_ms[row]))]

    def ways_in(self, snap: Snap) -> Ends:
        """Ways on foot over closed streets to a place on one of them; never empty."""
        row = snap.edge
        ends: Ends = []
        for end in (0.0, 1.0):
            own_m = abs(end - snap.fraction) * float(self._graph.edge_length_m[row])
            own: Leg = (row, end, snap.fraction, _walk_ms(own_m))
            node = _node(self._graph, row, end)
            ends.append((node, int(own[3]), (own,)))
            for door, path in self._doors(node).items():
                legs: tuple[Leg, ...] = (
                    *((edge, to, 1.0 - to, _walk_ms(float(self._graph.edge_length_m[edge])))
                      for edge, to in reversed(path)),
                    own,
                )  # fmt: skip
                ends.append((door, int(sum(leg[3] for leg in legs)), legs))
        return ends

    def _opens(self, node: int) -> bool:
        """Whether an open street begins at a node."""
        return bool(self._graph.arcs_out[node] > self._shut_out.get(node, 0))

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


def _counted(nodes: NDArray[np.int32]) -> dict[int, int]:
    names, counts = np.unique(nodes, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _node(graph: RoadGraph, row: int, end: float) -> int:
    return int(graph.edge_u[row] if end == 0.0 else graph.edge_v[row])


def _walk_ms(length_m: float) -> float:
    return float(round(length_m * 1000.0 / WALK_M_S))
