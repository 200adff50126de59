"""``/metrics`` of a console, for Prometheus: what the database says of the pipeline, and screens.

Who scrapes comes from this machine itself, or says ``metrics_token``: behind a reverse proxy
everything comes from this machine, so a request that was forwarded needs the token always.
Relies on the store for what every process shares (inbox, journals, dead letters), so any console
tells the whole; what only one worker knows is at its own port (:mod:`streams.metrics`).
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from models.errors import StoreError
from models.store import Store
from web_console.access import ConsoleOf
from web_console.asking import WITHIN_S
from web_console.console import Console
from web_console.live import SCREENS_DROPPED, SCREENS_REFUSED
from web_console.pipeline import NEEDED
from web_console.problems import Problem, responses

router = APIRouter(tags=["health"])

STAGES = (*NEEDED, "sense")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
_BEARER = "Bearer "

DEGRADED = frozenset({"planning", "decisions_live", "decisions_exercise"})
"""Parts that may not be ready although everything runs."""


@router.get(
    "/metrics",
    response_class=Response,
    responses={**responses(403), 200: {"content": {"text/plain": {}}}},
    summary="Metrics",
)
async def metrics(request: Request, console: ConsoleOf) -> Response:
    """Tell Prometheus how the pipeline is."""
    if not _may_scrape(request, console.settings.metrics_token):
        raise Problem(403, "not_allowed", "metrics_token")
    parts = await ready_parts(console)
    families: list[Metric] = []
    if parts["database"]:
        try:
            families = await console.reads.shared(_of_store, console.store)
        except StoreError:
            parts["database"] = False
    families = _of_console(console, parts) + families
    registry = CollectorRegistry()
    registry.register(_Gathered(families))
    registry.register(SCREENS_DROPPED)
    registry.register(SCREENS_REFUSED)
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def ready_parts(console: Console) -> dict[str, bool]:
    """Return which parts are ready, within three seconds whatever the database does."""
    try:
        async with asyncio.timeout(WITHIN_S):
            await console.feed.look_at_pipeline()
        database = True
    except (StoreError, TimeoutError):
        database = False
    now = time.monotonic()
    return {
        "database": database,
        "journal": console.feed.journal_ready,
        "broker": console.feed.broker_ready,
        "live": console.live.listening,
        "planning": not simpler_planning(console),
        **{
            f"decisions_{'exercise' if exercise else 'live'}": pipeline.state == "ok"
            for exercise, pipeline in console.hub.pipelines.items()
        },
        **{stage: console.feed.pipelines[False].workers(stage, now) > 0 for stage in NEEDED},
    }


def simpler_planning(console: Console) -> dict[str, str]:
    """Return the jurisdictions whose policy fails, and the one that plans instead."""
    rules = {room.jurisdiction: room.situation.rules for room in console.hub.rooms}
    return {
        jurisdiction: one.simpler_planning.used
        for jurisdiction, one in rules.items()
        if one.simpler_planning is not None
    }


def _may_scrape(request: Request, token: str) -> bool:
    said = request.headers.get("authorization", "")
    if token and said.startswith(_BEARER):
        return hmac.compare_digest(said.removeprefix(_BEARER).encode(), token.encode())
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


class _Gathered(Collector):
    """What was gathered for one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_console(console: Console, parts: Mapping[str, bool]) -> list[Metric]:
    screens = GaugeMetricFamily(
        "gridcommand_screens", "Screens that watch.", labels=["jurisdiction"]
    )
    for room in console.hub.rooms:
        screens.add_metric([room.jurisdiction], room.watched)
    ready = GaugeMetricFamily(
        "gridcommand_ready", "Whether a part of this console is ready.", labels=["part"]
    )
    for part, is_ready in parts.items():
        ready.add_metric([part], is_ready)
    workers = GaugeMetricFamily(
        "gridcommand_workers", "Workers that gave a sign of life of late.", labels=["stage"]
    )
    for stage in STAGES:
        workers.add_metric([stage], console.feed.pipelines[False].workers(stage, time.monotonic()))
    simpler = GaugeMetricFamily(
        "gridcommand_planning_simpler",
        "Whether the policy in force fails and a simpler one plans.",
        labels=["jurisdiction"],
    )
    for room in console.hub.rooms:
        simpler.add_metric([room.jurisdiction], room.jurisdiction in simpler_planning(console))
    from_journal = GaugeMetricFamily(
        "gridcommand_updates_from_journal",
        "Whether what is new comes from the journals alone, not from the broker.",
        int(console.feed.from_journal_only),
    )
    queue = GaugeMetricFamily(
        "gridcommand_intake_queue",
        "Reports and orders that wait at this console's door for the database.",
        console.inbox.waiting,
    )
    return [screens, ready, workers, simpler, from_journal, queue]


def _of_store(store: Store) -> list[Metric]:
    now = datetime.now(UTC)
    late = GaugeMetricFamily(
        "gridcommand_inbox_oldest_unfinished_seconds",
        "Age of the oldest event that is acknowledged and not decided.",
        labels=["exercise"],
    )
    for exercise in (False, True):
        oldest = store.oldest_unfinished(exercise=exercise)
        since = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        late.add_metric([str(exercise).lower()], since)
    seq = GaugeMetricFamily(
        "gridcommand_journal_seq", "Events in a journal.", labels=["jurisdiction"]
    )
    age = GaugeMetricFamily(
        "gridcommand_journal_last_commit_age_seconds",
        "Time since a journal's last commit.",
        labels=["jurisdiction"],
    )
    for head in store.heads():
        seq.add_metric([head.jurisdiction], head.seq)
        if head.last_commit_at is not None:
            since = (now - head.last_commit_at).total_seconds()
            age.add_metric([head.jurisdiction], max(0.0, since))
    return [
        GaugeMetricFamily(
            "gridcommand_inbox_unfinished", "Acknowledged and not yet decided.", store.unfinished()
        ),
        late,
        seq,
        age,
        GaugeMetricFamily(
            "gridcommand_dead_letters_unseen",
            "Dead letters that nobody has seen.",
            store.count_dead_letters(unseen=True),
        ),
        GaugeMetricFamily(
            "gridcommand_dead_letters", "Dead letters kept.", store.count_dead_letters()
        ),
    ]
