"""A real ``gridcommand up``, and a phone, a commander's screen and requests against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from gridcommand.rehearsal.checker import check
from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.sensors import Sensors
from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.words import Role
from streams.broker import free_port
from web_console.accounts import COOKIE

HOME = "us-ca-sf"
RATE = 200.0
READINGS_A_SECOND = 2000.0
SENSORS = 8
HEALED_S = 45.0
WITHOUT_CLOCK = ("incidents", "units", "assignments", "proposals", "tasks", "closures")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Iterator[OwnSystem]:
    """San Francisco, live, without a drill; one for the tests of a module."""
    environment = {
        **servers.with_empty_database().environment,
        "GRIDCOMMAND_METRICS_PORT": str(free_port()),
    }
    with running_system(
        tmp_path_factory.mktemp("system") / "var", environment=environment
    ) as running:
        yield running


@pytest.fixture
async def screen(system: OwnSystem) -> AsyncIterator[Screen]:
    """A commander's screen that has its snapshot."""
    async with watching(system) as one:
        yield one


@asynccontextmanager
async def watching(
    system: OwnSystem, jurisdiction: str = HOME, *, base_url: str = ""
) -> AsyncIterator[Screen]:
    """Follow a jurisdiction on a screen of its own; `base_url` names another console."""
    one = Screen(system, jurisdiction, base_url)
    following = asyncio.create_task(one.follow())
    try:
        await one.until(lambda: one.seq is not None)
        yield one
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@asynccontextmanager
async def measuring(system: OwnSystem) -> AsyncIterator[Sensors]:
    """Let sensors send while the block runs."""
    places = [(one["lon"] + 0.002, one["lat"] + 0.002) for one in recorded_places(SENSORS)]
    sensors = await asyncio.to_thread(Sensors, system, HOME, places, READINGS_A_SECOND)
    measuring = asyncio.create_task(sensors.send())
    try:
        yield sensors
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)


@asynccontextmanager
async def sending(
    system: OwnSystem, at_least_s: float, *, words: str = "Medical Incident"
) -> AsyncIterator[tuple[Phones, Screen]]:
    """Send while the block runs, wait until all is acknowledged and seen; then check.

    Reports at `RATE` and readings beside them, some of which tell of smoke that lasts.
    """
    phones = Phones(system)
    reports = [{**place, "text": words} for place in recorded_places(144)]
    async with measuring(system) as sensors, watching(system) as screen:
        enough = asyncio.Event()
        sending = asyncio.create_task(phones.send_all(reports, RATE, at_least_s, enough))
        try:
            yield phones, screen
            enough.set()
            async with asyncio.timeout(at_least_s + HEALED_S):
                sent = await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        assert not phones.refused
        missing = await screen.until_seen(set(phones.acknowledged), HEALED_S)
        store = system.store()
        try:
            await sensors.until_told(store, HEALED_S)
            verdict = check(
                store,
                HOME,
                phones.acknowledged,
                screen.seen,
                unanswered=len(phones.waiting),
                sensors=sensors,
            )
        finally:
            store.close()
        assert not missing, verdict
        assert verdict.holds, verdict
        assert verdict.acknowledged == sent
        assert not screen.gaps
        async with watching(system) as fresh:
            await fresh.until(lambda: fresh.seq is not None and fresh.seq >= (screen.seq or 0))
            await screen.until(lambda: (screen.seq or 0) >= (fresh.seq or 0))
            for kind in WITHOUT_CLOCK:
                assert screen.kinds.get(kind, {}) == fresh.kinds.get(kind, {}), kind


Asking = Callable[..., AbstractAsyncContextManager[aiohttp.ClientSession]]


@pytest.fixture
def signed_in(system: OwnSystem) -> Asking:
    """Give a client that is signed in with a role."""

    def client(role: Role, **headers: str) -> Any:
        cookie = {"Cookie": f"{COOKIE}={system.session(role)}", "Origin": system.base_url}
        return aiohttp.ClientSession(system.base_url, headers=cookie | headers)

    return client


@pytest.fixture
def phones(system: OwnSystem) -> Phones:
    """Grid workers' phones."""
    return Phones(system)


def recorded_places(count: int) -> list[dict[str, Any]]:
    """Reports at places some streets apart, so that each is an incident of its own."""
    return [
        {
            "text": "Medical Incident",
            "code": "Medical Incident",
            "lon": round(-122.45 + 0.004 * (number % 12), 6),
            "lat": round(37.74 + 0.004 * (number // 12 % 12), 6),
        }
        for number in range(count)
    ]
