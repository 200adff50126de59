"""A made city, the same for the same seed: blocks, rivers with few bridges, one-ways, highways.

For: benchmarks that need more streets than any pack here has. Not for: anything shown to people.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import hypot
from random import Random
from typing import Any

import numpy as np

from dispatch.roads import RoadGraph

SIDE = 492
"""Crossings along one side: 242,064 in all."""

_BLOCK_DEG = 0.0009
_FAST_EVERY, _MAIN_EVERY = 40, 8
_BRIDGE_EVERY = 16


def made_city(seed: int, side: int = SIDE) -> RoadGraph:
    """Return `side` by `side` crossings, some 100 m apart, with 2.65 arcs for each."""
    chance = np.random.default_rng(seed)
    line, place = np.divmod(np.arange(side * side), side)
    lonlat = np.column_stack([place, line]) * _BLOCK_DEG
    lonlat += chance.uniform(-0.25, 0.25, lonlat.shape) * _BLOCK_DEG + [119.2, 31.2]
    names = [f"n{row:06d}" for row in range(len(lonlat))]
    places = [(lon, lat) for lon, lat in lonlat.tolist()]
    nodes = dict(zip(names, places, strict=True))
    return RoadGraph(nodes, _streets(Random(seed), side, places, names))


def _streets(
    chance: Random, side: int, places: list[tuple[float, float]], names: list[str]
) -> Iterator[dict[str, Any]]:
    number = 0
    bank = side / 2 + side / 8 * np.sin(np.arange(side) / side * 7)
    for along in (True, False):
        step = 1 if along else side
        for row in range(side * side):
            line, place = divmod(row, side)
            street, at = (line, place) if along else (place, line)
            if at == side - 1:
                continue
            fast, main = street % _FAST_EVERY == 0, street % _MAIN_EVERY == 0
            if at < bank[street] <= at + 1 and street % _BRIDGE_EVERY:
                continue
            # Back streets keep to their quarter: half of them end before the main road, and no
            # one meets a motorway; inside, blocks are seldom whole.
            if not main:
                near, far = at % _FAST_EVERY, (at + 1) % _FAST_EVERY
                meets = 0 in (near % _MAIN_EVERY, far % _MAIN_EVERY)
                gap = 1.0 if 0 in (near, far) else 0.55 if meets else 0.2
                if chance.random() < gap:
                    continue
            u, v = row, row + step
            shape = [places[u], places[v]]
            if chance.random() < 0.3:
                aside, ahead = (chance.uniform(-0.1, 0.1) * _BLOCK_DEG for _ in range(2))
                (x1, y1), (x2, y2) = shape
                shape.insert(1, ((x1 + x2) / 2 + aside, (y1 + y2) / 2 + ahead))
            length_m = sum(
                hypot((x2 - x1) * 95_000.0, (y2 - y1) * 111_195.0)
                for (x1, y1), (x2, y2) in pairwise(shape)
            )
            oneway = (1 if street % 2 else -1) if not main and street % 9 < 2 else 0
            yield {
                "id": f"e{number:06d}",
                "u": names[u],
                "v": names[v],
                "length_m": length_m,
                "speed_kmh": 80.0 if fast else 50.0 if main else 30.0,
                "oneway": oneway,
                "road_class": "motorway" if fast else "primary" if main else "residential",
                "name": f"{'avenue' if along else 'street'} {street}",
                "layer": "streets",
                "geometry": np.array(shape),
            }
            number += 1
