"""Turns that may not be made, and the copies of crossings by which routing keeps to them.

For: :meth:`dispatch.roads.RoadGraph.following`. Not for: reading them from OpenStreetMap
(``gridcommand.osm_turns``). A shortest way over crossings forgets by which street it came. So a
crossing has a copy for those who come by a street from which a turn is forbidden, from which all
other streets go on; where the turn goes over streets between, these have copies too (Villeneuve
and Desaulniers: The shortest path problem with forbidden paths, EJOR 165, 2005).

Who is kept from a turn would drive on to the next crossing, turn round there and come back: the
shortest way and no advice to give. So nobody turns round on the streets behind a forbidden turn
until a crossing with a choice of streets is passed, unless the street ends there.

Pure; it costs what the restrictions cost, a network without any costs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.profiles import Profile

BOUND = (Profile.ENGINE, Profile.CAR, Profile.MOTORCYCLE)
"""Who may be kept from a turn; an ambulance is, where an engine is."""

Arcs = tuple[int, ...]
"""Rows of arcs, one behind the other."""


class Turn(msgspec.Struct, frozen=True):
    """Streets that may not be driven one behind the other.

    Attributes
    ----------
    edges
        Two or more ids: whence, the streets between if there are any, whereto.
    nodes
        The crossings between them, one fewer.
    who
        Of `BOUND`, those who may not.
    """

    id: str
    edges: tuple[str, ...]
    nodes: tuple[str, ...]
    who: frozenset[Profile]


class Split(NamedTuple):
    """A network with copies of crossings.

    Attributes
    ----------
    arc : intp (a,)
        Rows of the arcs as they were, of a copied one several times.
    tail, head : int32 (a,)
        Vertices: nodes first, then their copies.
    vertex_node : int32 (x,)
        The node that each vertex is at.
    """

    arc: NDArray[np.intp]
    tail: NDArray[np.int32]
    head: NDArray[np.int32]
    vertex_node: NDArray[np.int32]


class Arrows:
    """The arcs of a network, as far as turns need them.

    Parameters
    ----------
    tail, head : int32 (a,)
        Rows of nodes.
    edge : int32 (a,)
        Arcs of one edge are neighbours.
    nodes
        How many there are.
    """

    def __init__(
        self,
        tail: NDArray[np.int32],
        head: NDArray[np.int32],
        edge: NDArray[np.int32],
        nodes: int,
    ) -> None:
        self.tail, self.head, self.edge, self.nodes = tail, head, edge, nodes

    def out(self, node: int) -> list[int]:
        """Arcs that begin at a node."""
        order, first = self._by_tail
        arcs: list[int] = order[first[node] : first[node + 1]].tolist()
        return arcs

    def back(self, arc: int) -> int | None:
        """The same street the other way; None on a one-way street."""
        for other in (arc - 1, arc + 1):
            if 0 <= other < len(self.edge) and self.edge[other] == self.edge[arc]:
                return other
        return None

    def split(self, forbidden: Collection[Arcs]) -> Split:
        """Copy crossings, so that no way over vertices has these arcs one behind the other."""
        rules: dict[int, set[Arcs]] = defaultdict(set)
        for arcs in {*forbidden, *self._no_turning_back(forbidden)}:
            rules[arcs[0]].add(arcs[1:])
        vertex_node = list(range(self.nodes))
        copies: dict[tuple[int, frozenset[Arcs]], int] = {}
        waiting: list[tuple[int, frozenset[Arcs]]] = []

        def behind(arc: int, still: frozenset[Arcs]) -> int:
            """Vertex that an arc leads to, for whom some ways on are forbidden already."""
            node = int(self.head[arc])
            on = {rest[1:] for rest in still if rest[0] == arc} | rules.get(arc, set())
            if not on:
                return node
            key = node, frozenset(on)
            if key not in copies:
                copies[key] = len(vertex_node)
                vertex_node.append(node)
                waiting.append(key)
            return copies[key]

        head = self.head.copy()
        for arc in sorted(rules):
            head[arc] = behind(arc, frozenset())
        more: list[tuple[int, int, int]] = []
        while waiting:
            node, still = key = waiting.pop()
            for arc in self.out(node):
                if (arc,) not in still:
                    more.append((arc, copies[key], behind(arc, still)))
        added = np.array(more, np.int32).reshape(-1, 3)
        return Split(
            np.concatenate([np.arange(len(self.tail)), added[:, 0]]).astype(np.intp),
            np.concatenate([self.tail, added[:, 1]]).astype(np.int32),
            np.concatenate([head, added[:, 2]]).astype(np.int32),
            np.array(vertex_node, np.int32),
        )

    def _no_turning_back(self, forbidden: Collection[Arcs]) -> set[Arcs]:
        """Where nobody turns round to get about a forbidden turn."""
        pairs: dict[int, set[int]] = defaultdict(set)
        for arcs in forbidden:
            if len(arcs) == 2:
                pairs[arcs[0]].add(arcs[1])
        # Who may only not turn round may do so at the next crossing.
        waiting = [arcs[-2] for arcs in forbidden if arcs[-1] != self.back(arcs[-2])]
        first, seen = set(waiting), set[int]()
        found: set[Arcs] = set()
        while waiting:
            arc = waiting.pop()
            if arc in seen:
                continue
            seen.add(arc)
            back = self.back(arc)
            on = [one for one in self.out(int(self.head[arc])) if one not in pairs[arc]]
            on = [one for one in on if one != back]
            if back is not None and on:
                found.add((arc, back))
            # A joint is no crossing: there is nothing to choose.
            if arc in first or len(on) == 1:
                waiting.extend(on)
        return found

    @cached_property
    def _by_tail(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        order = np.argsort(self.tail, kind="stable")
        first = np.searchsorted(self.tail[order], np.arange(self.nodes + 1))
        return order, first
