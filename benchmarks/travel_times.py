"""Travel times on a made city of 242,064 crossings: matrix, nearest, closures, start, memory.

    python benchmarks/travel_times.py [--osrm-python PYTHON]

Each figure is the least of some runs, on places that were not asked for before; ``nearest_ms``,
the nearest five of 200 units whose places are known, is the median over such places.
``scipy_ms`` is `scipy.sparse.csgraph.dijkstra` for the same matrix between the places that were
snapped for it, and every time is compared with it: one that differs by more than float32 ends the
run. ``osrm_ch_ms`` is OSRM's table of the same places, streets and speeds under contraction
hierarchies, snapped by itself; null where no Python with ``osrm-bindings`` is given (its wheels
are for 3.12 and later): extraction and contraction take minutes. ``scipy_ratio`` and
``osrm_ratio`` are our time over theirs, ``…_yardsticks`` multiples of ``yardstick_ms``, a fixed
loop, where there is no peer.

``closures_ms``: 100 streets closed where none was. ``recustomise_ms``: 15,000 of them, which is
the whole metric anew. ``prepare_s``: from a road graph to the first answer; ``start_s`` the same
with the order on disk. ``rss_mb``: of the process that has the city and answers, before any peer.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from made_city import made_city
from numpy.typing import NDArray
from report import Yardstick, print_result

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes

ORIGINS, DESTINATIONS, NEAREST, CLOSED, MANY_CLOSED = 200, 20, 5, 100, 15_000

Places = NDArray[np.float64]


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--osrm-python", help="a Python that has osrm-bindings; else this one")
    options = parser.parse_args()
    yardstick = Yardstick()
    chance = np.random.default_rng(options.seed)
    graph = made_city(options.seed)
    gc.collect()
    print(f"{len(graph.node_ids)} crossings, {len(graph.arc_edge)} arcs", file=sys.stderr)
    asked = [(_places(graph, chance, ORIGINS), _places(graph, chance, DESTINATIONS))
             for _ in range(options.runs)]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        travel, prepare_s = _prepared(graph, cache, asked[0])
        rss_mb = psutil.Process().memory_info().rss / 1e6
        figures = _timed_travel(travel, asked, chance)
        del travel
        travel, start_s = _prepared(graph, cache, asked[0])
        scipy_ms = _compared(travel, *asked[0])
        osrm_ms = _osrm_ms(options.osrm_python or sys.executable, graph, asked, Path(folder))
    if osrm_ms is None:
        print("no Python with osrm-bindings: osrm_ch_ms is null", file=sys.stderr)
    print_result(
        "travel_times",
        seed=options.seed,
        size={
            "nodes": len(graph.node_ids),
            "arcs": len(graph.arc_edge),
            "origins": ORIGINS,
            "destinations": DESTINATIONS,
        },
        figures={
            **figures,
            "scipy_ms": scipy_ms,
            "scipy_ratio": figures["matrix_ms"] / scipy_ms,
            "osrm_ch_ms": osrm_ms,
            "osrm_ratio": None if osrm_ms is None else figures["matrix_ms"] / osrm_ms,
            "prepare_s": prepare_s,
            "start_s": start_s,
            "rss_mb": rss_mb,
            **yardstick.figures(
                nearest=figures["nearest_ms"], recustomise=figures["recustomise_ms"]
            ),
        },
    )


def _places(graph: RoadGraph, chance: np.random.Generator, count: int) -> Places:
    """Anywhere near streets: within some 40 m of a crossing that has one."""
    rows = graph.edge_u[chance.integers(len(graph.edge_ids), size=count)]
    return np.asarray(graph.node_lonlat[rows] + chance.uniform(-4e-4, 4e-4, (count, 2)))


def _prepared(
    graph: RoadGraph, cache: Path, asked: tuple[Places, Places]
) -> tuple[TravelTimes, float]:
    began = time.perf_counter()
    travel = TravelTimes(graph, cache_dir=cache)
    travel.matrix(asked[0][:1], asked[1][:1])
    return travel, time.perf_counter() - began


def _timed_travel(
    travel: TravelTimes, asked: list[tuple[Places, Places]], chance: np.random.Generator
) -> dict[str, float]:
    figures = {"matrix_ms": _least_ms(partial(travel.matrix, *pair) for pair in asked)}
    origins = asked[0][0]
    goals = [(float(lon), float(lat)) for lon, lat in _places(travel.graph, chance, 4 * len(asked))]
    figures["nearest_ms"] = statistics.median(
        _least_ms([partial(travel.nearest, goal, origins, NEAREST)]) for goal in goals
    )
    for name, count in (("closures_ms", CLOSED), ("recustomise_ms", MANY_CLOSED)):
        least = []
        for _ in asked:
            ids = chance.choice(travel.graph.edge_ids, count, replace=False).tolist()
            least.append(_least_ms([partial(travel.set_closures, ids)]))
            # Twice, for there are two metrics and both are to begin with nothing closed.
            travel.set_closures([])
            travel.set_closures(ids[:1])
            travel.set_closures([])
        figures[name] = min(least)
    return figures


def _least_ms(runs: Iterable[Callable[[], object]]) -> float:
    seconds = []
    for run in runs:
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds) * 1000


def _compared(travel: TravelTimes, origins: Places, goals: Places) -> float:
    """Milliseconds that SciPy takes for the same matrix; an error where the times differ."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    graph, nodes = travel.graph, len(travel.graph.node_ids)
    edge_ms = np.maximum(np.rint(graph.edge_length_m * 3600 / graph.edge_speed_kmh), 1)
    tails, heads = [graph.arc_tail.astype(np.int64)], [graph.arc_head.astype(np.int64)]
    costs = [edge_ms[graph.arc_edge]]
    for at, (lon, lat) in enumerate(np.concatenate([origins, goals]).tolist()):
        snap, place = travel.snap(lon, lat), nodes + at
        back, ahead = (np.rint(share * edge_ms[snap.edge])
                       for share in (snap.fraction, 1 - snap.fraction))  # fmt: skip
        u, v, way = graph.edge_u[snap.edge], graph.edge_v[snap.edge], graph.edge_oneway[snap.edge]
        leaves = at < len(origins)
        near_m = graph.edge_length_m[snap.edge]
        at_u, at_v = snap.fraction * near_m <= 1, (1 - snap.fraction) * near_m <= 1
        for node, cost, may in (
            (u, back, (way <= 0 if leaves else way >= 0) or at_u),
            (v, ahead, (way >= 0 if leaves else way <= 0) or at_v),
        ):
            if may:
                tails.append(np.array([place if leaves else node]))
                heads.append(np.array([node if leaves else place]))
                costs.append(np.array([cost]))
    tail, head, cost = (np.concatenate(part) for part in (tails, heads, costs))
    # Two streets between the same crossings: SciPy would add them up.
    order = np.lexsort((cost, head, tail))
    tail, head, cost = tail[order], head[order], cost[order]
    first = np.concatenate([[True], (np.diff(tail) != 0) | (np.diff(head) != 0)])
    size = nodes + len(origins) + len(goals)
    # A place on a crossing is no way at all, which a sparse matrix would not keep.
    kept = np.maximum(cost[first], 1e-9)
    towards = csr_array((kept, (head[first], tail[first])), shape=(size, size))
    ends = np.arange(nodes + len(origins), size)
    found = dijkstra(towards, indices=ends)
    took_ms = _least_ms([lambda: dijkstra(towards, indices=ends)] * 3)
    truth = (found[:, nodes : nodes + len(origins)].T / 1000).astype(np.float32)
    edges = [
        [travel.snap(lon, lat).edge for lon, lat in each.tolist()] for each in (origins, goals)
    ]
    apart = np.array(edges[0])[:, None] != np.array(edges[1])[None, :]
    np.testing.assert_allclose(travel.matrix(origins, goals)[apart], truth[apart], rtol=2e-7)
    return took_ms


def _osrm_ms(
    python: str, graph: RoadGraph, asked: list[tuple[Places, Places]], folder: Path
) -> float | None:
    if subprocess.run([python, "-c", "import osrm"], capture_output=True, check=False).returncode:
        return None
    _write_osm(graph, folder / "city.osm")
    np.savetxt(folder / "places.txt", np.concatenate([np.concatenate(pair) for pair in asked]))
    peer = Path(__file__).with_name("osrm_peer.py")
    counts = [str(ORIGINS), str(DESTINATIONS)]
    done = subprocess.run([python, peer, folder, *counts], stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def _write_osm(graph: RoadGraph, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write('<osm version="0.6">\n')
        for row, (lon, lat) in enumerate(graph.node_lonlat.tolist(), start=1):
            file.write(f'<node id="{row}" version="1" lat="{lat:.7f}" lon="{lon:.7f}"/>\n')
        for row, (u, v, kmh, way) in enumerate(
            zip(
                graph.edge_u.tolist(),
                graph.edge_v.tolist(),
                graph.edge_speed_kmh.tolist(),
                graph.edge_oneway.tolist(),
                strict=True,
            )
        ):
            if way < 0:
                u, v = v, u
            file.write(
                f'<way id="{row + 1}" version="1"><nd ref="{u + 1}"/><nd ref="{v + 1}"/>'
                f'<tag k="highway" v="{graph.edge_class[row]}"/><tag k="maxspeed" v="{kmh:.0f}"/>'
                f'<tag k="oneway" v="{"yes" if way else "no"}"/></way>\n'
            )
        file.write("</osm>\n")


if __name__ == "__main__":
    main()
