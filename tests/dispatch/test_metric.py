"""Closures come into force whole: for who asks meanwhile, for threads, after other closures."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import cast

import numpy as np
import pytest

from dispatch.metric import InForce, Metrics
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from tests.waiting import HANG_S

N33 = (119.415, 31.415)
ON_V00, ON_V01 = (119.40, 31.4005), (119.405, 31.4005)
"""Near each other by ``h00``, far without it."""


@pytest.fixture
def travel(tiny_roads: RoadGraph) -> TravelTimes:
    return TravelTimes(tiny_roads)


@pytest.mark.parametrize("partial_up_to", [-1, 8, 1000])
def test_answers_do_not_depend_on_what_was_closed_before(
    tiny_roads: RoadGraph, partial_up_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether weights were updated in part or anew."""
    monkeypatch.setattr("dispatch.metric._PARTIAL_MOST", partial_up_to)
    chance = np.random.default_rng(7)
    points = chance.uniform([119.39, 31.39], [119.42, 31.42], (12, 2))
    worn = TravelTimes(tiny_roads)
    for _ in range(25):
        worn.set_closures(chance.choice(tiny_roads.edge_ids, 6, replace=False).tolist())
        worn.matrix(points[:3], points)
    last = chance.choice(tiny_roads.edge_ids, 5, replace=False).tolist()
    fresh = TravelTimes(tiny_roads)
    assert worn.set_closures(last) == fresh.set_closures(reversed(last))
    assert worn.matrix(points, points).tobytes() == fresh.matrix(points, points).tobytes()
    for start in points.tolist():
        ways = [each.route((start[0], start[1]), N33) for each in (worn, fresh)]
        assert ways[0] == ways[1]


def test_threads_share_it(travel: TravelTimes) -> None:
    def truth(closed: list[str]) -> float:
        fresh = TravelTimes(travel.graph)
        fresh.set_closures(closed)
        return float(fresh.matrix([ON_V00], [ON_V01])[0, 0])

    possible = {truth([]), truth(["h00"])}
    assert len(possible) == 2
    seen: set[float] = set()
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(60):
                seen.add(float(travel.matrix([ON_V00], [ON_V01])[0, 0]))
                travel.route(ON_V00, ON_V01)
        except BaseException as error:
            failures.append(error)

    def close() -> None:
        try:
            for turn in range(120):
                travel.set_closures(["h00"] if turn % 2 else [])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for work in (ask, ask, close)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert seen <= possible


def test_who_asks_while_streets_are_closed_is_answered_by_the_old_ones(
    travel: TravelTimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring = Metrics._bring
    at_work, go_on = threading.Event(), threading.Event()

    def slowly(metrics: Metrics, spare: InForce, wanted: Mapping[int, int]) -> None:
        bring(metrics, spare, wanted)
        at_work.set()
        assert go_on.wait(HANG_S)

    monkeypatch.setattr(Metrics, "_bring", slowly)
    before = float(travel.matrix([ON_V00], [ON_V01])[0, 0])
    route = travel.route(ON_V00, ON_V01)
    closing = threading.Thread(target=travel.set_closures, args=(["h00"],))
    closing.start()
    assert at_work.wait(HANG_S)
    assert float(travel.matrix([ON_V00], [ON_V01])[0, 0]) == before
    assert travel.route(ON_V00, ON_V01) == route
    go_on.set()
    closing.join(HANG_S)
    assert not closing.is_alive()
    fresh = TravelTimes(travel.graph)
    monkeypatch.undo()
    fresh.set_closures(["h00"])
    after = float(fresh.matrix([ON_V00], [ON_V01])[0, 0])
    assert float(travel.matrix([ON_V00], [ON_V01])[0, 0]) == after != before


class WatchedLock:
    """A lock that tells when somebody comes to it, before they have it."""

    def __init__(self, lock: Lock) -> None:
        self.lock, self.wanted = lock, threading.Event()

    def __enter__(self) -> None:
        self.wanted.set()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def test_a_metric_that_is_read_is_not_changed(
    travel: TravelTimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, bring = travel._metrics, Metrics._bring
    first, second = frozenset([0]), frozenset([1])
    order: list[str] = []

    def noted(metrics: Metrics, spare: InForce, wanted: Mapping[int, int]) -> None:
        order.append("changed")
        bring(metrics, spare, wanted)

    with metrics.reading() as now:
        metrics.close(first, {})
        # What is read here is in reserve by now: it is what the next closure changes.
        watched = WatchedLock(now.lock)
        monkeypatch.setattr(metrics, "_spare", replace(metrics._spare, lock=cast("Lock", watched)))
        monkeypatch.setattr(Metrics, "_bring", noted)
        waiting = threading.Thread(target=metrics.close, args=(second, {}))
        waiting.start()
        assert watched.wanted.wait(HANG_S)
        assert metrics.closed == first
        assert now.closed == frozenset()
        order.append("read")
    waiting.join(HANG_S)
    assert order == ["read", "changed"]
    assert metrics.closed == second
