"""Cuts the streets of an OpenStreetMap extract into a road network.

For: ``gridcommand.city_build``. Not for: reading the extract (``gridcommand.osm_extract``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import networkx as nx
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from dispatch.roads import METRES_PER_DEGREE
from gridcommand import osm_turns
from gridcommand.city_packs import SourceError, line_text
from gridcommand.osm_extract import Extract, Way
from gridcommand.osm_facilities import Place
from gridcommand.osm_private import with_drives
from gridcommand.osm_tags import ALLOWED_KMH, SPEEDS_KMH
from gridcommand.reachability import NOT_CONNECTED, SHOWN, SHUT

_RANKS = {kind: rank for rank, kind in enumerate([*SPEEDS_KMH, *ALLOWED_KMH])}
"""Classes of streets, the greatest first."""


class Network(msgspec.Struct):
    """What a city's streets became.

    Attributes
    ----------
    nodes, edges
        Rows of a pack's tables: the largest part of the network, each crossing reached from each.
    turns
        Rows of `models.city.TURNS_FILE`: what may not be driven one behind the other.
    cut_off
        Rows of `gridcommand.reachability.CUT_OFF_FILE`: what lies in the city beside that.
    """

    nodes: list[dict[str, str]]
    edges: list[dict[str, str]]
    turns: list[dict[str, str]]
    cut_off: list[dict[str, str]]


class _Cut(msgspec.Struct):
    """An extract's streets, cut: the stretches in its largest part, and those beside it."""

    extract: Extract
    uses: Counter[int]
    kept: list[dict[str, str]]
    left: list[dict[str, str]]


def streets(extract: Extract, area: BaseGeometry, facilities: Sequence[Place] = ()) -> Network:
    """Cut the streets inside the area at crossings and at what stands in the way.

    Private drives that alone lead to one of the facilities are among them.

    Raises
    ------
    SourceError
        None of the streets lies in the area.
    """
    ids = list(extract.places)
    spots = np.array([extract.places[node] for node in ids])
    inside = dict(zip(ids, shapely.contains_xy(area, spots[:, 0], spots[:, 1]), strict=True))
    cut = _cut(msgspec.structs.replace(extract, dropped=Counter()), inside)
    parts = [[edge["id"] for edge in edges] for edges in (cut.kept, cut.left)]
    if driven := with_drives(extract, facilities, *parts):
        cut = _cut(msgspec.structs.replace(driven, dropped=Counter()), inside)
    extract.dropped.update(cut.extract.dropped)
    uses, kept = cut.uses, cut.kept
    uses.update(_uses(extract.shut))
    silent = msgspec.structs.replace(extract, dropped=Counter())
    shut = [edge for way in extract.shut for edge in _pieces(way, uses, {}, silent, inside)]
    cut_off = [edge | {"why": NOT_CONNECTED} for edge in cut.left] + [
        edge | {"why": SHUT} for edge in shut
    ]
    ends = {edge[end] for edge in kept for end in ("u", "v")}
    _note_barriers(extract, [*kept, *cut.left])
    nodes = [
        {"id": name, "lon": f"{lon:.6f}", "lat": f"{lat:.6f}"}
        for name in sorted(ends)
        for lon, lat in [extract.places[_osm_node(name)]]
    ]
    return Network(nodes, kept, _turns(extract, kept), cut_off)


def _cut(extract: Extract, inside: dict[int, bool]) -> _Cut:
    uses = _uses(extract.ways)
    shut_at = _shut_at(extract)
    edges = [edge for way in extract.ways for edge in _pieces(way, uses, shut_at, extract, inside)]
    if not edges:
        raise SourceError("no street of the extract lies within the boundary")
    ways: nx.DiGraph[str] = nx.DiGraph()
    for edge in edges:
        if edge["oneway"] != "T":
            ways.add_edge(edge["u"], edge["v"])
        if edge["oneway"] != "F":
            ways.add_edge(edge["v"], edge["u"])
    core = max(nx.strongly_connected_components(ways), key=lambda part: (len(part), min(part)))
    kept = [edge for edge in edges if edge["u"] in core and edge["v"] in core]
    extract.dropped["stretch can't be both reached and left"] += len(edges) - len(kept)
    if not kept:
        raise SourceError("the streets within the boundary are not connected")
    left = [edge for edge in edges if edge["u"] not in core or edge["v"] not in core]
    return _Cut(extract, uses, kept, left)


def _uses(ways: list[Way]) -> Counter[int]:
    """How many stretches meet in each node, counting those that end there twice."""
    uses = Counter(node for way in ways for node in way.nodes)
    for way in ways:
        uses.update((way.nodes[0], way.nodes[-1]))
    return uses


def _shut_at(extract: Extract) -> dict[int, int]:
    """At which nodes nobody drives past, and the rank from which on streets are cut there.

    A barrier should stand beside a crossing and is often drawn on it: there the greater street goes
    through, and those that join it are cut.
    """
    arms: dict[int, list[int]] = {}
    for way in extract.ways:
        for row, node in enumerate(way.nodes):
            if node in extract.barriers:
                many = 1 if row in (0, len(way.nodes) - 1) else 2
                arms.setdefault(node, []).extend([_RANKS[way.road_class]] * many)
    return {
        node: min(ranks) + 1 if 2 <= ranks.count(min(ranks)) < len(ranks) else 0
        for node, ranks in arms.items()
        if len(ranks) > 1
    }


def _note_barriers(extract: Extract, edges: list[dict[str, str]]) -> None:
    """Count barriers that cut streets."""
    cut = {_osm_node(edge[end]) for edge in edges for end in ("u", "v") if ":" in edge[end]}
    for kind in map(extract.barriers.__getitem__, cut):
        extract.noted[f"street is cut at a barrier ({kind})"] += 1


def _turns(extract: Extract, kept: list[dict[str, str]]) -> list[dict[str, str]]:
    """Turns that are forbidden; restrictions that aren't followed are counted and named."""
    found = osm_turns.turns(extract.turns, kept)
    for why, numbers in found.unheeded.items():
        named = ", ".join(map(str, numbers[:SHOWN]))
        more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
        extract.noted[f"turn restriction isn't followed: {why} (relation {named}{more})"] = len(
            numbers
        )
    return found.turns


def _osm_node(name: str) -> int:
    return int(name.partition(":")[0])


def _pieces(
    way: Way,
    uses: Counter[int],
    shut_at: dict[int, int],
    extract: Extract,
    inside: dict[int, bool],
) -> list[dict[str, str]]:
    """The way cut at each crossing; stretches outside the area are left out."""
    pieces = []
    rank = _RANKS[way.road_class]
    shut = {node for node in way.nodes if node in shut_at and rank >= shut_at[node]}
    for begin, end in pairwise(_cuts(way, uses, shut, extract)):
        part = way.nodes[begin : end + 1]
        if not any(inside[node] for node in part):
            extract.dropped["stretch lies outside the boundary"] += 1
            continue
        points = [extract.places[node] for node in part]
        length_m = float(_steps_m(np.array(points)).sum())
        if part[0] == part[-1] or length_m <= 0:
            extract.dropped["stretch begins and ends at one place"] += 1
            continue
        name = f"{way.id}-{way.first + begin}"
        # What ends at a barrier ends at a node of its own: nothing goes on from there.
        u, v = (f"{node}:{name}" if node in shut else str(node) for node in (part[0], part[-1]))
        pieces.append(
            {
                "id": name,
                "u": u,
                "v": v,
                "length_m": f"{length_m:.1f}",
                "road_class": way.road_class,
                "speed_kmh": f"{way.speed_kmh:g}",
                "oneway": way.oneway,
                "name": way.name,
                "layer": way.layer,
                "geometry": line_text(points),
            }
        )
    return pieces


def _cuts(way: Way, uses: Counter[int], shut: set[int], extract: Extract) -> list[int]:
    """Rows of the nodes that the way is cut at: ends, crossings, barriers, the middle of a loop."""
    last = len(way.nodes) - 1
    rows = [
        row
        for row, node in enumerate(way.nodes)
        if row in (0, last) or uses[node] > 1 or node in shut
    ]
    cuts = [0]
    for begin, end in pairwise(rows):
        if way.nodes[begin] == way.nodes[end] and end - begin > 2:
            # A road to itself is none in a network, but houses stand at it.
            loop = np.array([extract.places[node] for node in way.nodes[begin : end + 1]])
            so_far = np.cumsum(_steps_m(loop))
            middle = int(np.abs(2 * so_far[:-1] - so_far[-1]).argmin()) + 1
            cuts.append(begin + middle)
        cuts.append(end)
    return cuts


def _steps_m(points: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.diff(points, axis=0) * METRES_PER_DEGREE
    steps[:, 0] *= np.cos(np.radians(points[:, 1].mean()))
    return np.hypot(steps[:, 0], steps[:, 1])
