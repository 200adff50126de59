"""A real ``gridcommand up``, and a phone, a commander's screen and requests against it."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import psutil
import pytest

from gridcommand.rehearsal.checker import Verdict, check
from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.ledger import taken_in
from gridcommand.rehearsal.sensors import EVERY_KIND, Sensors, share_taken
from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.words import Role
from streams.broker import free_port
from tests.conftest import SERVERS_REQUIRED
from web_console.accounts import COOKIE

HOME = "us-ca-sf"
RATE = 200.0
READINGS_A_SECOND = 2000.0
WATCHES = len(EVERY_KIND) + 1
RECONNECTED_S = 5.0
"""How long after decisions flow again the console's own producer may still find no broker."""
HEALED_S = 45.0
BACK_WITHIN_S = 10.0
SOON_S = 30.0
LOOKS_S = 2.0
"""The watchdog looks once a second, and counts from what it saw the time before."""
TAKEN_AT_LEAST = 0.9
"""Of the readings that were sent while nothing was wrong."""
LINES_OF_A_LOG = 60
_times = itertools.count()
WITHOUT_CLOCK = ("incidents", "units", "assignments", "proposals", "tasks", "closures")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a test that fails comes what its system said last."""
    report = yield
    if report.failed:
        for log in _logs(getattr(item, "funcargs", {}).values()):
            last = log.read_text(errors="replace").splitlines()[-LINES_OF_A_LOG:]
            report.sections.append((str(log), "\n".join(last)))
    return report


def _logs(values: Iterable[object]) -> Iterator[Path]:
    for value in values:
        if isinstance(value, OwnSystem):
            yield from sorted((value.folder / "log").glob("*.log"))
        elif isinstance(value, Path):
            yield from sorted(value.glob("*/log/*.log"))
        elif isinstance(value, tuple):
            yield from _logs(value)


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
        await one.until(lambda: one.seq is not None)
        yield one
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@asynccontextmanager
async def measuring(system: OwnSystem) -> AsyncIterator[Sensors]:
    """Let sensors of every kind send while the block runs."""
    # Where water still stands from the time before, nobody is told of more of it.
    east, north = divmod(next(_times), 8)
    places = [
        (one["lon"] + 0.002 + 0.012 * east, one["lat"] + 0.002 + 0.012 * north)
        for one in recorded_places(WATCHES)
    ]
    sensors = await asyncio.to_thread(
        Sensors, system, HOME, places, READINGS_A_SECOND, kinds=EVERY_KIND
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
    outages
        From when to when readings may have been refused, by ``time.monotonic()``.
    verdict
        What the checker said, once the flow has ended.
    """

    phones: Phones
    screen: Screen
    sensors: Sensors
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
        await self.phones.until_acknowledged(len(self.phones.acknowledged) + reports, HEALED_S)

    async def until_decided(self, since: float, within_s: float = BACK_WITHIN_S) -> float:
        """Wait until a report is on the screen that was sent after ``since``.

        Not one that was acknowledged after it: an answer, and what was decided, may have been on
        their way for longer.

        Returns
        -------
        float
            How long after ``since`` that was, in seconds.

        Raises
        ------
        TimeoutError
            It wasn't within ``within_s`` of ``since``.
        """
        begun = self.phones.begun
        await self.screen.until(
            lambda: begun.get(self.screen.last_report, 0.0) > since,
            max(0.0, since + within_s - time.monotonic()),
        )
        return time.monotonic() - since


@asynccontextmanager
async def sending(
    system: OwnSystem,
    at_least_s: float,
    *,
    rate: float = RATE,
    at: Origin = OWN,
) -> AsyncIterator[Flow]:
    """Send while the block runs, wait until all is acknowledged and seen; then check.

    Reports at ``rate`` and readings beside them, some of which tell of something that lasts.
    """
    phones = Phones(system, *at)
    reports = recorded_places(144)
    async with measuring(system) as sensors, watching(system, at=at) as screen:
        flow = Flow(phones, screen, sensors)
        enough = asyncio.Event()
        sending = asyncio.create_task(phones.send_all(reports, rate, at_least_s, enough))
        try:
            yield flow
            enough.set()
            async with asyncio.timeout(at_least_s + HEALED_S):
                sent = await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        assert not phones.refused
        assert not phones.left_alone, "who is to try again is told when"
        missing = await screen.until_seen(set(phones.acknowledged), HEALED_S)
        store = system.store()
        try:
            if missing:
                screen.add_shown(taken_in(store, HOME))
                missing -= screen.seen.keys()
            await sensors.until_told(store, HEALED_S)
            verdict = flow.verdict = check(
                store,
                HOME,
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
        assert share_taken(sensors.packs, flow.outages) >= TAKEN_AT_LEAST
        async with watching(system, at=at) as fresh:
            await fresh.until(lambda: fresh.seq is not None and fresh.seq >= (screen.seq or 0))
            await screen.until(lambda: (screen.seq or 0) >= (fresh.seq or 0))
            for kind in WITHOUT_CLOCK:
                assert screen.kinds.get(kind, {}) == fresh.kinds.get(kind, {}), kind


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


async def until(holds: Callable[[], object], within_s: float = SOON_S) -> None:
    """Wait until something holds that nothing tells of but looking.

    Raises
    ------
    TimeoutError
        It didn't in time.
    """
    async with asyncio.timeout(within_s):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


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


def needed(program: str, package: str) -> None:
    """Skip where a program isn't there that Debian has; fail where it must be."""
    if shutil.which(program) is None:
        how = f"no {program}. Debian: apt-get install {package}"
        (pytest.fail if SERVERS_REQUIRED else pytest.skip)(how)


def broker_servers(system: OwnSystem) -> str:
    """Return where this system's broker listens: the embedded one's port is in its run file."""
    if system.settings.kafka_servers:
        return system.settings.kafka_servers
    run = msgspec.json.decode((system.folder / "run.json").read_bytes())
    return f"127.0.0.1:{run['broker_port']}"
