"""Phones, sensors and a screen against a real ``gridcommand up``, and what must hold behind them.

For ``tests/smoke`` (a light load, asked for safety alone) and ``tests/integration`` (a full load,
held to what users are promised in seconds too).
"""

from __future__ import annotations

import asyncio
import itertools
import math
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp
import msgspec
import psutil

from gridcommand.rehearsal.checker import Verdict, check
from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.ledger import taken_in
from gridcommand.rehearsal.sensors import EVERY_KIND, LASTS_S, Sensors, share_taken
from gridcommand.rehearsal.system import OwnSystem
from gridcommand.rehearsal.yardstick import slowness
from models.events import Point
from models.words import Role
from tests.waiting import HANG_S
from web_console.accounts import COOKIE

BACK_WITHIN_S = 10.0
"""How soon decisions flow again after something is back."""
RECONNECTED_S = 5.0
"""How long after decisions flow again the console's own producer may still find no broker."""
LOOKS_S = 2.0
"""The watchdog looks once a second, and counts from what it saw the time before."""
TAKEN_AT_LEAST = 0.9
"""Of the readings that were sent while nothing was wrong."""
GRID_DEG = 0.004
COLUMNS = 12
WATCHES = len(EVERY_KIND) + 1
WITHOUT_CLOCK = ("incidents", "units", "assignments", "proposals", "tasks", "closures")
_times = itertools.count()


class City(NamedTuple):
    """A city pack, and reports of it.

    Attributes
    ----------
    name
        Of the pack.
    corner
        South-west corner, degrees WGS-84, of streets that go on for 0.05 degrees.
    ordinary
        What a report says for which a desk proposes and waits.
    urgent
        What one says for which it orders by itself.
    """

    name: str
    jurisdiction: str
    corner: Point
    ordinary: dict[str, str]
    urgent: dict[str, str]

    def places(self, count: int) -> list[dict[str, Any]]:
        """Return ordinary reports some streets apart, so that each is an incident of its own."""
        lon, lat = self.corner
        return [
            {
                **self.ordinary,
                "lon": round(lon + GRID_DEG * (number % COLUMNS), 6),
                "lat": round(lat + GRID_DEG * (number // COLUMNS % COLUMNS), 6),
            }
            for number in range(count)
        ]


SAN_FRANCISCO = City(
    "san_francisco",
    "us-ca-sf",
    (-122.45, 37.74),
    {"text": "Medical Incident", "code": "Medical Incident"},
    {"text": "Structure Fire", "code": "Structure Fire"},
)
LIYANG = City(
    "liyang",
    "320481",
    (119.455, 31.395),
    {"text": "老人在楼道里摔倒，站不起来", "code": "120/转运"},
    {"text": "居民楼着火，三楼有人被困", "code": "119/建筑火灾"},
)
HOME = SAN_FRANCISCO.jurisdiction


def recorded_places(count: int) -> list[dict[str, Any]]:
    """Return San Francisco's ordinary reports."""
    return SAN_FRANCISCO.places(count)


class Load(NamedTuple):
    """Reports and readings a second."""

    reports: float
    readings: float


FULL = Load(200.0, 2000.0)
LIGHT = Load(40.0, 200.0)
RATE = FULL.reports


class Origin(NamedTuple):
    """Another way in than the system's own console: its URL, and whom to believe there."""

    base_url: str = ""
    tls: ssl.SSLContext | None = None


OWN = Origin()


@asynccontextmanager
async def watching(
    system: OwnSystem, jurisdiction: str = HOME, *, at: Origin = OWN
) -> AsyncIterator[Screen]:
    """Follow a jurisdiction on a screen of its own."""
    one = Screen(system, jurisdiction, *at)
    following = asyncio.create_task(one.follow())
    try:
        await one.until(lambda: one.seq is not None, HANG_S)
        yield one
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@asynccontextmanager
async def measuring(
    system: OwnSystem, city: City, readings: float, lasts_s: float = LASTS_S
) -> AsyncIterator[Sensors]:
    """Let sensors of every kind send while the block runs."""
    # Where water still stands from the time before, nobody is told of more of it.
    east, north = divmod(next(_times), 8)
    places = [
        (one["lon"] + 0.002 + 0.012 * east, one["lat"] + 0.002 + 0.012 * north)
        for one in city.places(WATCHES)
    ]
    sensors = await asyncio.to_thread(
        Sensors, system, city.jurisdiction, places, readings, kinds=EVERY_KIND, lasts_s=lasts_s
    )
    measuring = asyncio.create_task(sensors.send())
    try:
        yield sensors
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)


@dataclass
class Flow:
    """Reports and readings that flow, and who sees what comes of them.

    Attributes
    ----------
    slow
        How many times longer things take on this machine than where the promises were measured.
    outages
        From when to when readings may have been refused, by ``time.monotonic()``.
    verdict
        What the checker said, once the flow has ended.
    """

    phones: Phones
    screen: Screen
    sensors: Sensors
    slow: float = 1.0
    outages: list[tuple[float, float]] = field(default_factory=list)
    verdict: Verdict | None = None

    def __iter__(self) -> Iterator[Any]:
        """Give phones and screen, to who needs no more."""
        return iter((self.phones, self.screen))

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Excuse readings that are refused while the block runs, and until all are reconnected."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.outages.append((began, time.monotonic() + RECONNECTED_S))

    async def more(self, reports: int) -> None:
        """Wait until so many more reports are acknowledged."""
        await self.phones.until_acknowledged(len(self.phones.acknowledged) + reports, HANG_S)

    async def until_decided(self, since: float) -> float:
        """Wait until a report is on the screen that was sent after ``since``.

        Not one that was acknowledged after it: an answer, and what was decided, may have been on
        their way for longer.

        Returns
        -------
        float
            How long after ``since`` the first of them was there, in seconds.

        Raises
        ------
        TimeoutError
            None came.
        """
        first = math.inf

        def is_there() -> bool:
            nonlocal first
            if self.phones.begun.get(self.screen.last_report, 0.0) > since:
                begun = self.phones.begun
                first = min(at for one, at in self.screen.seen.items() if begun.get(one, 0) > since)
            return first < math.inf

        await self.screen.until(is_there, HANG_S)
        return first - since

    async def back_within(self, since: float, within_s: float = BACK_WITHIN_S) -> None:
        """Hold it to a promise that a report sent after ``since`` is soon on the screen."""
        took_s = await self.until_decided(since)
        assert took_s <= within_s * self.slow, f"{took_s:.1f} s, {self.slow:.2f} times as slow"


@asynccontextmanager
async def sending(
    system: OwnSystem,
    at_least_s: float,
    *,
    city: City = SAN_FRANCISCO,
    load: Load = FULL,
    at: Origin = OWN,
) -> AsyncIterator[Flow]:
    """Send while the block runs, wait until all is acknowledged and seen; then check.

    Reports and readings beside them, some of which tell of something that lasts. Under a full load
    it is held to its promises too.
    """
    home = city.jurisdiction
    slow = await asyncio.to_thread(slowness)
    # What begins and ends while a slow machine starts a process is nobody's to tell of.
    lasts_s = LASTS_S if load == FULL else 5 * HANG_S
    phones = Phones(system, *at)
    reports = city.places(COLUMNS * COLUMNS)
    async with (
        measuring(system, city, load.readings, lasts_s) as sensors,
        watching(system, home, at=at) as screen,
    ):
        flow = Flow(phones, screen, sensors, slow)
        enough = asyncio.Event()
        sending = asyncio.create_task(phones.send_all(reports, load.reports, at_least_s, enough))
        try:
            yield flow
            enough.set()
            async with asyncio.timeout(at_least_s + HANG_S):
                sent = await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        assert not phones.refused
        assert not phones.left_alone, "who is to try again is told when"
        missing = await screen.until_seen(set(phones.acknowledged), HANG_S)
        store = system.store()
        try:
            if missing:
                screen.add_shown(taken_in(store, home))
                missing -= screen.seen.keys()
            await sensors.until_told(store, HANG_S)
            verdict = flow.verdict = check(
                store,
                home,
                phones.acknowledged,
                screen.seen,
                unanswered=len(phones.waiting),
                sensors=sensors,
            )
            wrong = sensors.differing(store)
        finally:
            store.close()
        assert not missing, verdict
        assert verdict.holds, (verdict, wrong)
        assert verdict.acknowledged == sent
        assert not screen.gaps
        if load == FULL:
            assert share_taken(sensors.packs, flow.outages) >= TAKEN_AT_LEAST
        async with watching(system, home, at=at) as fresh:
            await fresh.until(lambda: (fresh.seq or 0) >= (screen.seq or 0), HANG_S)
            await the_same_is_shown(screen, fresh)


async def the_same_is_shown(one: Screen, other: Screen) -> None:
    """Wait until two screens stand at the same seq, and compare them."""
    while one.seq != other.seq:
        behind, ahead = sorted((one, other), key=lambda screen: screen.seq or 0)
        seq = ahead.seq or 0
        await behind.until(lambda behind=behind, seq=seq: (behind.seq or 0) >= seq, HANG_S)
    for kind in WITHOUT_CLOCK:
        assert one.kinds.get(kind, {}) == other.kinds.get(kind, {}), kind


@contextmanager
def running(system: OwnSystem, log: str, *command: str, **changes: str) -> Iterator[psutil.Process]:
    """Run a process beside the system's own, its environment changed; it ends by ``kill -9``.

    ``log`` names its log as :meth:`OwnSystem.said` reads it.
    """
    if not system.settings.kafka_servers:
        # As up tells its children.
        changes["GRIDCOMMAND_BROKER_PORT"] = broker_servers(system).rpartition(":")[2]
    with (system.folder / "log" / f"{log}.log").open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "gridcommand", *command],
            env=system.environment | changes, stdout=sink, stderr=sink,
        )  # fmt: skip
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()
            process.wait()


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds that takes a thread to look at: a log, a database.

    Raises
    ------
    TimeoutError
        It never did.
    """
    async with asyncio.timeout(HANG_S):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def broker_servers(system: OwnSystem) -> str:
    """Return where this system's broker listens: the embedded one's port is in its run file."""
    if system.settings.kafka_servers:
        return system.settings.kafka_servers
    run = msgspec.json.decode((system.folder / "run.json").read_bytes())
    return f"127.0.0.1:{run['broker_port']}"


def signed_in(system: OwnSystem, role: Role, **headers: str) -> aiohttp.ClientSession:
    """Return a client that is signed in with a role."""
    cookie = {"Cookie": f"{COOKIE}={system.session(role)}", "Origin": system.base_url}
    return aiohttp.ClientSession(system.base_url, headers=cookie | headers)


async def posted(client: aiohttp.ClientSession, **body: Any) -> tuple[int, dict[str, Any]]:
    """Report something; return the answer's status and body."""
    async with client.post("/api/reports", json=body) as answer:
        return answer.status, await answer.json()


async def go_the_whole_way(system: OwnSystem, city: City) -> None:
    """A report is on the screen once, with a proposal; an order sends these units, once."""
    async with watching(system, city.jurisdiction) as screen:
        place = city.places(1)[0]
        name = str(uuid.uuid4())
        async with signed_in(system, Role.GRID_WORKER) as phone:
            status, first = await posted(phone, **place, id=name)
            assert (status, first["id"]) == (202, name)
            again = await posted(phone, **place | city.urgent, id=name)
            assert again == (202, first), "the same report, sent twice, is the first"
        assert not await screen.until_seen({name}, HANG_S)

        def incident() -> dict[str, Any]:
            return screen.incident_of(name) or {}

        def proposal() -> dict[str, Any] | None:
            return screen.kinds.get("proposals", {}).get(incident().get("proposal", ""))

        await screen.until(proposal, HANG_S)
        standing = proposal() or {}
        chosen = [one["chosen"] for one in standing["choices"] if "chosen" in one]
        assert chosen
        assert all(one["drive_s"] >= 0 for one in chosen)
        order = {
            "type": "confirm_proposal", "incident": standing["incident"],
            "proposal": standing["id"],
        }  # fmt: skip
        async with signed_in(system, Role.COMMANDER) as desk:
            async with desk.post("/api/orders", json=order) as answer:
                assert answer.status == 202
            await screen.until(lambda: incident().get("assignments"), HANG_S)
            sent = incident()["assignments"]
            units = {screen.kinds["assignments"][one]["unit"] for one in sent}
            assert units == {one["unit"] for one in chosen}
            # The same proposal a second time names a situation that is over: it is refused at once
            # or at the desk, and a report behind it shows that the desk is done with it.
            async with desk.post("/api/orders", json=order) as answer:
                assert answer.status in (202, 409)
        behind = str(uuid.uuid4())
        async with signed_in(system, Role.GRID_WORKER) as phone:
            assert (await posted(phone, **city.places(2)[1], id=behind))[0] == 202
        assert not await screen.until_seen({behind}, HANG_S)
        assert incident()["assignments"] == sent
        assert sum(name in one["reports"] for one in screen.kinds["incidents"].values()) == 1


async def until_refused(client: aiohttp.ClientSession) -> None:
    """Report until the answer is 503: a file may have room for a few rows yet."""
    async with asyncio.timeout(HANG_S):
        while True:
            async with client.post("/api/reports", json={"text": "smoke"}) as answer:
                if answer.status == 503:
                    assert int(answer.headers["Retry-After"]) > 0
                    return
                assert answer.status == 202, await answer.text()
            await asyncio.sleep(0.05)
