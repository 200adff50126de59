"""What it takes to drive each street now, ready for queries, and the swap to what it takes next.

For: ``dispatch.travel_times``. Not for: places off the crossings, and seconds. Relies on
Customizable Contraction Hierarchies (Dibbelt, Strasser, Wagner: Customizable Contraction
Hierarchies, ACM JEA 21, 2016) in the package ``routingkit-cch``: the expensive order depends on
the network alone, a closure only changes weights.

There are two metrics. One is in force and read; the other is brought up to date by who closes
streets and then takes its place. So nobody who asks waits for a closure: they are answered by
the streets as they were until the new ones stand. It costs the memory of a second metric.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import routingkit_cch as rk
from numpy.typing import NDArray

from dispatch.cordon import Cordon, Ends
from dispatch.roads import RoadGraph
from dispatch.routes import Snap

_CLOSED_MS = 2**31 - 1
"""RoutingKit's infinite weight."""

_PARTIAL_MOST = 1000
"""From so many changed arcs on a full customisation is cheaper than a partial one: with 29,255
arcs 5 ms against 5 µs an arc, with 637,708 arcs 80 ms against 50 µs."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class InForce:
    """The streets as they are for who asks now.

    Attributes
    ----------
    metric
        Weights in milliseconds.
    lock
        Held by who reads the metric or changes it.
    closed
        Rows of the closed edges.
    edge_ms : float64 (e,)
        Whole milliseconds to drive each edge, where it is open.
    changed
        Weights of closed and slowed edges by their rows.
    cordon
        How one gets off closed edges and into them.
    ways_out, ways_in
        Ends by which places are left and reached, as far as they were asked for.
    """

    metric: rk.CCHMetric
    lock: Lock
    closed: frozenset[int]
    edge_ms: NDArray[np.float64]
    changed: Mapping[int, int]
    cordon: Cordon
    ways_out: dict[Snap, Ends] = field(default_factory=dict)
    ways_in: dict[Snap, Ends] = field(default_factory=dict)


class Metrics:
    """The metric in force and the one in reserve.

    Parameters
    ----------
    edge_ms : float64 (e,)
        Whole milliseconds to drive each edge.
    cache_dir
        Where the contraction order is kept between starts, by content hash; None: not kept.
    """

    def __init__(
        self, graph: RoadGraph, edge_ms: NDArray[np.float64], cache_dir: Path | None
    ) -> None:
        self._graph = graph
        self._edge_ms = edge_ms
        tail, head = graph.arc_tail.tolist(), graph.arc_head.tolist()
        self._cch = rk.CCH(_order(graph, tail, head, cache_dir), tail, head, False)
        del tail, head
        weights = edge_ms[graph.arc_edge].astype(np.int64).tolist()
        none: frozenset[int] = frozenset()
        self._now, self._spare = (
            InForce(
                rk.CCHMetric(self._cch, weights), Lock(), none, edge_ms, {},
                Cordon(graph, edge_ms, none),
            )
            for _ in range(2)
        )  # fmt: skip
        self._changing = Lock()

    @property
    def closed(self) -> frozenset[int]:
        """Rows of the edges that are closed now."""
        return self._now.closed

    @contextmanager
    def reading(self) -> Iterator[InForce]:
        """Hold the streets as they are now; what is made of the metric must not outlive it."""
        while True:
            now = self._now
            with now.lock:
                # Who waited for the lock may hold what is in reserve by then.
                if now is self._now:
                    yield now
                    return

    def close(self, rows: frozenset[int], speeds: Mapping[int, float]) -> None:
        """Put a network into force in which these edges, and no others, are closed or slow.

        Parameters
        ----------
        rows
            Of the closed edges.
        speeds
            Share of their speed that is left on slow edges, by row.
        """
        edge_ms = self._edge_ms
        if speeds:
            edge_ms = edge_ms.copy()
            slow = np.fromiter(speeds, np.intp, len(speeds))
            edge_ms[slow] = np.rint(edge_ms[slow] / np.fromiter(speeds.values(), np.float64))
        changed = {row: int(edge_ms[row]) for row in speeds}
        changed.update(dict.fromkeys(rows, _CLOSED_MS))
        cordon = Cordon(self._graph, edge_ms, rows)
        with self._changing:
            spare = self._spare
            # Whoever still reads what was in force before is let finish.
            with spare.lock:
                self._bring(spare, changed)
            fresh = InForce(spare.metric, spare.lock, rows, edge_ms, changed, cordon)
            self._spare, self._now = self._now, fresh

    def _bring(self, spare: InForce, wanted: Mapping[int, int]) -> None:
        other = {row for row, ms in wanted.items() if spare.changed.get(row) != ms}
        arcs = self._graph.arcs_of(other | (spare.changed.keys() - wanted.keys()))
        edge_ms = self._edge_ms.astype(np.int64)
        edge_ms[np.fromiter(wanted, np.intp, len(wanted))] = list(wanted.values())
        if len(arcs) > _PARTIAL_MOST:
            spare.metric.reset(edge_ms[self._graph.arc_edge].tolist())
        elif len(arcs):
            weights = edge_ms[self._graph.arc_edge[arcs]].tolist()
            changes = dict(zip(arcs.tolist(), weights, strict=True))
            # Made anew each time: it may only be used in the thread that made it.
            rk.CCHMetricPartialUpdater(self._cch).apply(spare.metric, changes)


def _order(graph: RoadGraph, tail: list[int], head: list[int], cache_dir: Path | None) -> list[int]:
    """Contraction order; from the cache where it has one that fits."""
    count = len(graph.vertex_node)
    file = cache_dir / f"cch-order-{graph.content_hash[:32]}.npy" if cache_dir else None
    if file and file.is_file():
        try:
            kept = np.load(file, allow_pickle=False)
        except (OSError, EOFError, ValueError):
            kept = np.empty(0)
        if np.array_equal(np.sort(kept), np.arange(count)):
            order: list[int] = kept.tolist()
            return order
        _log.warning("%s is no contraction order of this network; made anew", file)
    lons, lats = graph.node_lonlat[graph.vertex_node].T.tolist()
    made: list[int] = rk.compute_order_inertial(count, tail, head, lats, lons)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}.tmp")
        with fresh.open("wb") as sink:
            np.save(sink, np.array(made, dtype=np.int32))
        fresh.replace(file)
    return made
