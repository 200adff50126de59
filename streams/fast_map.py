"""The map of a fast replay's page: where urgent calls were late, and what its colours mean.

For: :mod:`streams.fast_page`. Plain SVG over the city's own streets, for it must open offline.
"""

from __future__ import annotations

import math
from html import escape

from dispatch.roads import RoadGraph
from streams.measures import Measures

ROADS_DRAWN = 12_000
SQUARE_DEG = 0.006
OPACITY = 0.55
"""Of a square on the map, under which streets stay visible."""


def both(tag: str, zh: str, en: str) -> str:
    """Return an element in Chinese and the same in English; the page shows one of them."""
    return f'<{tag} lang="zh">{zh}</{tag}><{tag} lang="en">{en}</{tag}>'


def late_map(name: str, measured: Measures, graph: RoadGraph, late_s: float) -> str:
    """Squares by the share of urgent calls that were late, over the longest of the streets."""
    west, south = graph.node_lonlat.min(axis=0).tolist()
    east, north = graph.node_lonlat.max(axis=0).tolist()
    squint = math.cos(math.radians((south + north) / 2))
    scale = 400 / max((east - west) * squint, north - south, 1e-6)

    def at(lon: float, lat: float) -> tuple[float, float]:
        return round((lon - west) * squint * scale, 1), round((north - lat) * scale, 1)

    longest = sorted(range(len(graph.edge_ids)), key=lambda e: (-graph.edge_length_m[e], e))
    roads = []
    for edge in sorted(longest[:ROADS_DRAWN]):
        (x1, y1), (x2, y2) = (
            at(*graph.node_lonlat[int(node)].tolist())
            for node in (graph.edge_u[edge], graph.edge_v[edge])
        )
        roads.append(f"M{x1} {y1}L{x2} {y2}")
    squares: dict[tuple[int, int], list[bool]] = {}
    for case in measured.counted(urgent=True):
        if case.lon is not None and case.lat is not None:
            key = math.floor(case.lon / SQUARE_DEG), math.floor(case.lat / SQUARE_DEG)
            late = case.first_s is None or case.first_s > late_s
            squares.setdefault(key, []).append(late)
    shown = []
    for (column, row), late_ones in sorted(squares.items()):
        x1, y1 = at(column * SQUARE_DEG, (row + 1) * SQUARE_DEG)
        x2, y2 = at((column + 1) * SQUARE_DEG, row * SQUARE_DEG)
        share = sum(late_ones) / len(late_ones)
        shown.append(
            f'<rect x="{x1}" y="{y1}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}" '
            f'fill="{_shade(share)}" fill-opacity="{OPACITY}">'
            f"<title>{sum(late_ones)} / {len(late_ones)}</title></rect>"
        )
    wide, high = at(east, south)
    return (
        f'<figure><figcaption>{escape(name)}</figcaption><svg viewBox="0 0 {wide} {high}" '
        'role="img"><path d="' + "".join(roads) + '" stroke="#a8a29e" stroke-width=".4" '
        'fill="none"/>' + "".join(shown) + "</svg></figure>"
    )


def _shade(late_share: float) -> str:
    """Colour of a square: green where nobody was late, else from yellow to red."""
    left = 1 - late_share
    return f"rgb({220 if late_share else 34},{round(197 * left)},{round(94 * left)})"


_SHADES = (
    (0.0, "无迟到", "none late"),
    (0.1, "10 % 迟到", "10 % late"),
    (0.5, "50 %", "50 %"),
    (1.0, "全部迟到", "all late"),
)


def map_legend() -> str:
    """Return what the squares' colours mean."""
    shades = "".join(
        f'<span><i class="square" style="background:{_shade(share)};opacity:{OPACITY}"></i>'
        f"{both('b', zh, en)}</span>"
        for share, zh, en in _SHADES
    )
    said = both(
        "p",
        "每个方格：其中紧急事件的迟到比例（指上去显示迟到数 / 起数）；"
        "无方格处没有紧急事件；灰线为道路。",
        "Each square: the share of its urgent calls that were late (point at it for late / calls); "
        "where there is none there were no urgent calls. Grey lines are streets.",
    )
    return f'<figure class="legend"><figcaption>{shades}</figcaption>{said}</figure>'
