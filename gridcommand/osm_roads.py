"""Cuts the streets of an OpenStreetMap extract into a road network.

For: ``gridcommand.city_build``. Not for: reading the extract (``gridcommand.osm_extract``).
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import networkx as nx
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from dispatch.roads import METRES_PER_DEGREE
from gridcommand.city_packs import SourceError, line_text
from gridcommand.osm_extract import Extract, Way


def streets(
    extract: Extract, area: BaseGeometry
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Nodes and edges of a pack: inside the area, cut at crossings, each reached from each.

    Raises
    ------
    SourceError
        None of the streets lies in the area.
    """
    ids = list(extract.places)
    spots = np.array([extract.places[node] for node in ids])
    inside = dict(zip(ids, shapely.contains_xy(area, spots[:, 0], spots[:, 1]), strict=True))
    uses = Counter(node for way in extract.ways for node in way.nodes)
    for way in extract.ways:
        uses.update((way.nodes[0], way.nodes[-1]))
    edges = [edge for way in extract.ways for edge in _pieces(way, uses, extract, inside)]
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
    nodes = [
        {
            "id": name,
            "lon": f"{extract.places[int(name)][0]:.6f}",
            "lat": f"{extract.places[int(name)][1]:.6f}",
        }
        for name in sorted({edge[end] for edge in kept for end in ("u", "v")})
    ]
    return nodes, kept


def _pieces(
    way: Way, uses: Counter[int], extract: Extract, inside: dict[int, bool]
) -> list[dict[str, str]]:
    """The way cut at each crossing; stretches outside the area are left out."""
    pieces = []
    for begin, end in pairwise(_cuts(way, uses, extract)):
        part = way.nodes[begin : end + 1]
        if not any(inside[node] for node in part):
            extract.dropped["stretch lies outside the boundary"] += 1
            continue
        points = [extract.places[node] for node in part]
        length_m = float(_steps_m(np.array(points)).sum())
        if part[0] == part[-1] or length_m <= 0:
            extract.dropped["stretch begins and ends at one place"] += 1
            continue
        pieces.append(
            {
                "id": f"{way.id}-{way.first + begin}",
                "u": str(part[0]),
                "v": str(part[-1]),
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


def _cuts(way: Way, uses: Counter[int], extract: Extract) -> list[int]:
    """Rows of the nodes that the way is cut at: both ends, crossings, and the middle of a loop."""
    last = len(way.nodes) - 1
    rows = [row for row, node in enumerate(way.nodes) if row in (0, last) or uses[node] > 1]
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
