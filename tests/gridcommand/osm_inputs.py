"""Small OpenStreetMap extracts and boundaries, and the packs and road networks made of them."""

from __future__ import annotations

import json
from pathlib import Path

from dispatch.roads import RoadGraph
from gridcommand.city_build import build
from models.city import CityPack

GRID = 4
STEP = 0.004


def extract(path: Path) -> Path:
    """Sixteen crossings, a one-way street, a shut one, an island, a trap, three facilities."""
    lines = ["<?xml version='1.0' encoding='UTF-8'?>", '<osm version="0.6">']
    spots = {r * 10 + c + 1: (c * STEP, r * STEP) for r in range(GRID) for c in range(GRID)}
    spots |= {101: (0.001, 0.0145), 102: (0.002, 0.0145), 103: (0.0125, 0.0005), 200: (0.3, 0.3)}
    spots |= {104: (0.013, 0.013)}
    tagged = {
        90: ((0.0041, 0.0041), {"amenity": "fire_station", "name": "Wache", "name:en": "Station"}),
        91: ((0.0081, 0.0081), {"emergency": "fire_hydrant"}),
        92: ((0.4, 0.4), {"amenity": "hospital"}),
    }
    for number, (lon, lat) in spots.items():
        lines.append(f'<node id="{number}" version="1" lat="{50 + lat}" lon="{8 + lon}"/>')
    for number, ((lon, lat), tags) in tagged.items():
        inner = "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        lines.append(
            f'<node id="{number}" version="1" lat="{50 + lat}" lon="{8 + lon}">{inner}</node>'
        )
    ways: list[tuple[list[int], dict[str, str]]] = []
    for r in range(GRID):
        row = [r * 10 + c + 1 for c in range(GRID)]
        column = [c * 10 + r + 1 for c in range(GRID)]
        first = {"oneway": "yes"} if r == 1 else {}
        ways.append((row, {"highway": "residential", "name": f"Reihe {r}"} | first))
        ways.append((column, {"highway": "primary", "maxspeed": "30 mph", "bridge": "yes"}))
    ways += [
        ([101, 102], {"highway": "residential"}),
        ([4, 103], {"highway": "residential", "oneway": "yes"}),
        ([1, 12], {"highway": "residential", "access": "private"}),
        ([1, 23], {"highway": "footway"}),
        ([34, 104, 999], {"highway": "service", "maxspeed": "fast"}),
    ]
    for number, (nodes, tags) in enumerate(ways, start=1):
        inner = "".join(f'<nd ref="{node}"/>' for node in nodes)
        inner += "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        lines.append(f'<way id="{number}" version="1">{inner}</way>')
    path.write_text("\n".join([*lines, "</osm>"]))
    return path


def square(path: Path, west: float = 7.999, size: float = 0.02) -> Path:
    south = 49.999
    ring = [[west, south], [west + size, south], [west + size, south + size],
            [west, south + size], [west, south]]  # fmt: skip
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return path


def made(tmp_path: Path) -> tuple[CityPack, str]:
    said: list[str] = []
    osm, area = extract(tmp_path / "town.osm"), square(tmp_path / "area.geojson")
    pack = build(tmp_path / "packs" / "town", osm, area, None, "Europe/Berlin", said.append)
    return pack, "\n".join(said)


NET = {r * 10 + c + 1: (50 + r * STEP, 8 + c * STEP) for r in range(GRID) for c in range(GRID)}
PLAIN: dict[str, str] = {}
BLOCKS = [
    *(([r * 10 + c + 1 for c in range(GRID)], PLAIN) for r in range(GRID)),
    *(([r * 10 + c + 1 for r in range(GRID)], PLAIN) for c in range(GRID)),
]


def plain(
    path: Path,
    nodes: dict[int, tuple[float, float]] | None = None,
    ways: list[tuple[list[int], dict[str, str]]] | None = None,
    more: str = "",
    factor: int = 1,
    tags: dict[int, dict[str, str]] | None = None,
) -> Path:
    """Sixteen crossings and what is added: nodes (lat, lon), streets, text behind, nodes' tags."""
    lines = ["<?xml version='1.0' encoding='UTF-8'?>", '<osm version="0.6">']
    lines += [
        f'<node id="{factor * number}" version="1" lat="{lat}" lon="{lon}">'
        + "".join(f'<tag k="{k}" v="{v}"/>' for k, v in (tags or {}).get(number, {}).items())
        + "</node>"
        for number, (lat, lon) in (NET | (nodes or {})).items()
    ]
    for number, (refs, said) in enumerate([*BLOCKS, *(ways or [])], start=1):
        inner = "".join(f'<nd ref="{factor * ref}"/>' for ref in refs)
        inner += "".join(
            f'<tag k="{k}" v="{v}"/>' for k, v in ({"highway": "residential"} | said).items()
        )
        lines.append(f'<way id="{number}" version="1">{inner}</way>')
    path.write_text("\n".join([*lines, more, "</osm>"]))
    return path


def streets_of(tmp_path: Path, osm: Path) -> RoadGraph:
    pack = build(tmp_path / "packs" / "town", osm, square(tmp_path / "a"), None, "UTC", print)
    return RoadGraph.load(pack)


def divided(path: Path) -> Path:
    """The extract with a hospital of two houses, two towns, and two villages in the first."""
    extract(path)
    corners = {  # (column, row) of a grid over the square, 0.01 degrees each
        1000 + 10 * row + column: (7.999 + 0.01 * column, 49.999 + 0.01 * row)
        for row in range(3)
        for column in range(3)
    }
    corners |= {2000 + at: (8.001 + x, 50.001 + y) for at, (x, y) in enumerate(
        [(0, 0), (0.0004, 0), (0.0004, 0.0004), (0, 0.0004)])}  # fmt: skip
    lines = [
        f'<node id="{number}" version="1" lat="{lat}" lon="{lon}"/>'
        for number, (lon, lat) in corners.items()
    ]
    rings = {
        500: [1000, 1001, 1021, 1020],  # west
        501: [1001, 1002, 1022, 1021],  # east
        502: [1000, 1001, 1011, 1010],  # south-west
        503: [1000, 1002, 1022, 1020],  # all
        504: [2000, 2001, 2002, 2003],
    }
    lines += [
        f'<way id="{number}" version="1">'
        + "".join(f'<nd ref="{node}"/>' for node in [*ring, ring[0]])
        + "</way>"
        for number, ring in rings.items()
    ]
    towns = {"boundary": "administrative", "admin_level": "8"}
    relations: list[tuple[int, dict[str, str]]] = [
        (
            500,
            {
                "boundary": "administrative",
                "admin_level": "8",
                "name": "戴埠镇",
                "name:en": "Daibu",
            },
        ),
        (501, towns | {"name": "埭头镇"}),
        (
            502,
            towns | {"admin_level": "10", "name": "村", "name:en": "Village"},
        ),
        (503, towns | {"admin_level": "6", "name": "all"}),
        (503, towns),
        (504, {"amenity": "hospital", "name": "Klinik"}),
    ]
    for number, (way, tags) in enumerate(relations, start=700):
        kind = "boundary" if "boundary" in tags else "multipolygon"
        inner = "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        lines.append(
            f'<relation id="{number}" version="1"><member type="way" ref="{way}" role="outer"/>'
            f'<tag k="type" v="{kind}"/>{inner}</relation>'
        )
    whole = path.read_text().replace("</osm>", "\n".join([*lines, "</osm>"]))
    path.write_text(_in_order(whole))
    return path


def _in_order(text: str) -> str:
    """Nodes, then ways, then relations, as every extract has them."""
    head, *rest = text.splitlines()
    order = {"<node": 0, "<way ": 1, "<rela": 2, "</osm": 3, "<osm ": -1}
    return "\n".join([head, *sorted(rest, key=lambda line: order[line[:5]])])
