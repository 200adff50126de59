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
from collections.abc import Iterator
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from models.errors import StoreError
from web_console.access import ConsoleOf
from web_console.console import Console
from web_console.live import SCREENS_DROPPED
from web_console.problems import Problem, responses

router = APIRouter(tags=["health"])

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
_BEARER = "Bearer "


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
    registry = CollectorRegistry()
    registry.register(_Pipeline(console))
    registry.register(SCREENS_DROPPED)
    body = await asyncio.to_thread(generate_latest, registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


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


class _Pipeline(Collector):
    """Asks the store and the hub, at each scrape."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def collect(self) -> Iterator[GaugeMetricFamily]:
        console = self._console
        ready = GaugeMetricFamily(
            "gridcommand_ready", "Whether a part of this console is ready.", labels=["part"]
        )
        screens = GaugeMetricFamily(
            "gridcommand_screens", "Screens that watch.", labels=["jurisdiction"]
        )
        for room in list(console.hub.rooms):
            screens.add_metric([room.jurisdiction], room.watched)
        yield screens
        try:
            yield from self._from_store()
            database = True
        except StoreError:
            database = False
        ready.add_metric(["database"], database)
        ready.add_metric(["journal"], console.feed.journal_ready)
        ready.add_metric(["broker"], console.feed.broker_ready)
        ready.add_metric(["live"], console.live.listening)
        yield ready

    def _from_store(self) -> Iterator[GaugeMetricFamily]:
        store, now = self._console.store, datetime.now(UTC)
        oldest = store.oldest_unfinished()
        yield GaugeMetricFamily(
            "gridcommand_inbox_unfinished", "Acknowledged and not yet decided.", store.unfinished()
        )
        yield GaugeMetricFamily(
            "gridcommand_inbox_oldest_unfinished_seconds",
            "Age of the oldest event that is acknowledged and not decided.",
            0.0 if oldest is None else max(0.0, (now - oldest).total_seconds()),
        )
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
        yield seq
        yield age
        yield GaugeMetricFamily(
            "gridcommand_dead_letters_unseen",
            "Dead letters that nobody has seen.",
            store.count_dead_letters(unseen=True),
        )
        yield GaugeMetricFamily(
            "gridcommand_dead_letters", "Dead letters kept.", store.count_dead_letters()
        )
