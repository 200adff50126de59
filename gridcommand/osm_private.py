"""Opens private drives of an OpenStreetMap extract where only they lead to a facility.

For: ``gridcommand.osm_roads``. A hospital, a station or a shelter often stands at the end of a
drive that is mapped ``access=private``, or behind a gate that is: who is called there may drive in,
and nobody else passes through. So of private streets only the shortest way in from the network is
opened, and never what is shut to all (``access=no``) or barred by what doesn't open (a block).
Not for: hydrants, nor where people live; those are told as not reached. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import networkx as nx
import numpy as np
import shapely
from numpy.typing import NDArray

from dispatch.roads import METRES_PER_DEGREE
from dispatch.routes import FAR_M
from gridcommand.osm_extract import Extract, Way
from gridcommand.osm_facilities import Place
from gridcommand.reachability import NEAR_M

Step = tuple[int, int]
"""Two nodes of a street that follow one another, the smaller first."""


def with_drives(
    extract: Extract, places: Sequence[Place], open_parts: Iterable[str], left: Iterable[str]
) -> Extract | None:
    """Return the extract with the private drives that lead to places open; None: there is none.

    Parameters
    ----------
    places
        Facilities in the city.
    open_parts, left
        Ids of the stretches that are in the network, and of those that are not: a street's id, a
        hyphen and the place of its first node in the street.
    """
    ends = [place for place in places if place.kind != "hydrant"]
    if not ends or not (extract.private or extract.gates):
        return None
    reached = {_way_of(part) for part in open_parts} - (beside := {_way_of(one) for one in left})
    core = [way for way in extract.ways if way.id in reached]
    others = [way for way in extract.ways if way.id in beside]
    steps = _steps(extract, [*extract.private, *others])
    # Of a street that is in the network in part, the rest is a way in too.
    within = _within(others, set(open_parts))
    private = set(_steps(extract, extract.private))
    chosen: set[Step] = set()
    gates: set[int] = set()
    for place, way_in in _ways_in(extract, ends, core, steps, within):
        shut = extract.gates & {node for step in way_in for node in step}
        if shut or way_in & private:
            chosen |= way_in
            gates |= shut
            extract.noted[f"private drive is opened, it leads to {place.kind} {place.name_en}"] += 1
    if not chosen:
        return None
    return msgspec.structs.replace(
        extract,
        ways=[*extract.ways, *(part for way in extract.private for part in _parts(way, chosen))],
        barriers={node: kind for node, kind in extract.barriers.items() if node not in gates},
    )


def _way_of(part: str) -> int:
    return int(part.rpartition("-")[0])


def _steps(extract: Extract, ways: Iterable[Way]) -> list[Step]:
    """The steps of streets that nothing bars which doesn't open."""
    hard = extract.barriers.keys() - extract.gates
    return sorted(
        {
            (min(u, v), max(u, v))
            for way in ways
            for u, v in pairwise(way.nodes)
            if u != v and u not in hard and v not in hard
        }
    )


def _within(ways: Iterable[Way], open_parts: set[str]) -> set[int]:
    """First nodes of the stretches of these streets that are in the network."""
    return {
        node
        for way in ways
        for row, node in enumerate(way.nodes)
        if f"{way.id}-{way.first + row}" in open_parts
    }


def _ways_in(
    extract: Extract,
    ends: Sequence[Place],
    core: Sequence[Way],
    steps: list[Step],
    within: set[int],
) -> Iterator[tuple[Place, set[Step]]]:
    """The steps that lead from the network to each place which it doesn't reach."""
    if not steps or not core:
        return
    middle = float(np.mean([place.lat for place in ends]))
    scale = METRES_PER_DEGREE * np.array([np.cos(np.radians(middle)), 1.0])
    spots = np.array([(place.lon, place.lat) for place in ends]) * scale
    lines = shapely.STRtree(
        [shapely.LineString([extract.places[node] for node in way.nodes] * scale) for way in core]
    )
    drives = shapely.STRtree(
        [shapely.LineString([extract.places[node] for node in step] * scale) for step in steps]
    )
    points = np.asarray(shapely.points(spots))
    _, away = _nearest(lines, points)
    rows, aside = _nearest(drives, points)
    wanted = np.flatnonzero((away > NEAR_M) & (aside < away) & (aside <= FAR_M)).tolist()
    if not wanted:
        return
    graph: nx.Graph[int] = nx.Graph()
    for u, v in steps:
        ends_m = (np.array(extract.places[node]) * scale for node in (u, v))
        graph.add_edge(u, v, length_m=_gap_m(*ends_m))
    starts = (within | {node for way in core for node in way.nodes}) & set(graph)
    if not starts:
        return
    so_far: dict[int, float]
    ways: dict[int, list[int]]
    # The stubs know the answer for one target only.
    found: Any = nx.multi_source_dijkstra(graph, starts, weight="length_m")
    so_far, ways = found
    for row in wanted:
        step = [node for node in steps[rows[row]] if node in so_far]
        if not step:
            continue
        gaps = {node: _gap_m(spots[row], np.array(extract.places[node]) * scale) for node in step}
        near = min(step, key=gaps.__getitem__)
        way_in = {(min(u, v), max(u, v)) for u, v in pairwise(ways[near])}
        # Where the place lies beside the step, not at the end of it, the step leads there.
        yield ends[row], way_in | ({steps[rows[row]]} if gaps[near] > aside[row] + 1.0 else set())


def _gap_m(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.hypot(*(one - other)))


def _nearest(
    tree: shapely.STRtree, points: NDArray[np.object_]
) -> tuple[list[int], NDArray[np.float64]]:
    """Row and metres of the nearest line for each point."""
    (_, rows), metres = tree.query_nearest(points, return_distance=True, all_matches=False)
    return rows.tolist(), metres


def _parts(way: Way, chosen: set[Step]) -> list[Way]:
    """The parts of a street that are opened, both ways: who drove in comes out again there."""
    parts: list[Way] = []
    run: list[int] = []
    for row, (u, v) in enumerate(pairwise(way.nodes)):
        if (min(u, v), max(u, v)) not in chosen:
            run = []
        elif run:
            run.append(v)
        else:
            run = [u, v]
            parts.append(msgspec.structs.replace(way, oneway="B", nodes=run, first=way.first + row))
    return parts
