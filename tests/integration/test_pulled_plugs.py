"""Processes are ended with ``kill -9``, halted and told to go while reports and readings flow."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psutil
import pytest

from gridcommand.rehearsal.checker import check
from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.sensors import SensorReports
from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.events import IncidentOpened, ReportLinked, decode
from models.registers import Device, Drill
from models.words import EXERCISE_MARK
from streams.app import SESSION_S
from streams.broker import free_port
from streams.worker import partition_of
from tests.flow import (
    BACK_WITHIN_S,
    HOME,
    RATE,
    Origin,
    recorded_places,
    running,
    sending,
    the_same_is_shown,
    until,
    watching,
)
from tests.waiting import HANG_S

pytestmark = pytest.mark.broker
TAKEN_OVER_S = 2 * SESSION_S + BACK_WITHIN_S
LEFT_WITHIN_S = SESSION_S - 1.0
"""Who says goodbye is replaced at once; who is silent after the session is over."""
STOP_S = 5.0
COMMITTED_S = 1.8
AWAY_S = 8.0
SINCE_WITHIN_S = 3.0
KILLS = 20
RECYCLINGS = 10
HALTS_AT_MOST = 6
NOBODY_NOTICES_S = 5.0
"""Older than that, and screens say that decisions are delayed."""
JOINING_S = (0.3, 0.8)
"""When a worker joins, after its broker died."""
ROUTINE = 700
URGENT = 20
IN_HAND = 100
"""What the relay may have read before the broker was gone: half a second of reports."""
READY = "worker ready"
GAVE_UP = "gave up the desk"
ITS_OWN_BROKER = "up runs no broker of its own beside a Kafka"
EMBEDDED_ALONE = "the embedded broker's topics have one partition, for one worker"


@pytest.mark.parametrize("name", ["worker", "console", "broker", "tansu"])
async def test_a_killed_process_loses_nothing_and_is_back(system: OwnSystem, name: str) -> None:
    if name in ("broker", "tansu") and system.settings.kafka_servers:
        pytest.skip(ITS_OWN_BROKER)
    async with sending(system, 8.0) as flow:
        await flow.more(200)
        killed = _tansu(system) if name == "tansu" else system.child(name)
        with flow.outage():
            at = time.monotonic()
            killed.send_signal(signal.SIGKILL)
            await flow.back_within(at)
    assert not killed.is_running()


def _tansu(system: OwnSystem) -> psutil.Process:
    children = system.child("broker").children(recursive=True)
    return next(one for one in children if "tansu" in one.name())


async def test_a_desk_killed_twenty_times_is_back_each_time(system: OwnSystem) -> None:
    chance = random.Random(7)
    async with sending(system, 4.0) as flow:
        await flow.more(40)
        for _ in range(KILLS):
            await asyncio.sleep(chance.random())
            system.child("worker").send_signal(signal.SIGKILL)
            await flow.back_within(time.monotonic())


async def test_a_worker_killed_while_it_joins_a_broker_that_came_back_keeps_nobody_out(
    system: OwnSystem,
) -> None:
    if system.settings.kafka_servers:
        pytest.skip(ITS_OWN_BROKER)
    async with sending(system, 4.0) as flow:
        await flow.more(40)
        for after_s in JOINING_S:
            with flow.outage():
                _tansu(system).send_signal(signal.SIGKILL)
                await asyncio.sleep(after_s)
                system.child("worker").send_signal(signal.SIGKILL)
                await flow.back_within(time.monotonic(), 2 * BACK_WITHIN_S)


async def test_nobody_notices_ten_recyclings_of_the_embedded_broker(tmp_path: Path) -> None:
    settings = {"GRIDCOMMAND_BROKER_MEMORY_MB": "16"}
    with running_system(tmp_path / "var", environment=settings) as system:
        async with sending(system, 4.0) as flow:
            await until(lambda: system.said("broker").count("recycling it") >= RECYCLINGS)
        assert set(flow.phones.answers) == {202}
        assert flow.verdict is not None
        assert flow.verdict.longest_silence_s < NOBODY_NOTICES_S * flow.slow
        assert [said for _, said in flow.screen.pipelines if said["state"] != "ok"] == []


async def test_a_broker_that_is_killed_and_away_delays_and_screens_say_so_and_since_when(
    system: OwnSystem, servers: Servers
) -> None:
    more = Phones(system)
    async with sending(system, 4.0) as flow:
        await flow.more(200)
        await until(lambda: _is_up_to_date(system))
        with flow.outage():
            went = datetime.now(UTC)
            with broker_away(system, servers):
                told = len(flow.phones.acknowledged)
                await asyncio.sleep(1.0)
                routine = await _filed(more, "Administrative", ROUTINE)
                await asyncio.sleep(AWAY_S - (datetime.now(UTC) - went).total_seconds())
                urgent = await _filed(more, "Structure Fire", URGENT)
                taken = len(flow.phones.acknowledged) - told
                assert taken > AWAY_S * RATE / 2, "intake goes on"
                await flow.screen.until(
                    lambda: flow.screen.pipeline.get("state") == "delayed", HANG_S
                )
                since = datetime.fromisoformat(flow.screen.pipeline["since"])
                assert abs((since - went).total_seconds()) < SINCE_WITHIN_S * flow.slow
            back = time.monotonic()
            await flow.back_within(back)
        await flow.screen.until(lambda: flow.screen.pipeline.get("state") == "ok", HANG_S)
        assert not await flow.screen.until_seen(set(more.acknowledged), HANG_S)
    order = [report for report in _decided(system) if report in routine | urgent]
    last_urgent = max(order.index(report) for report in urgent)
    sooner = sum(report in routine for report in order[:last_urgent])
    assert sooner <= IN_HAND, f"{sooner} of {ROUTINE} routine reports went before an urgent one"


def _is_up_to_date(system: OwnSystem) -> bool:
    """Whether nothing waits from a test before: delayed would be since then, and rightly."""
    with closing(system.store()) as store:
        oldest = store.oldest_unfinished()
    return oldest is None or (datetime.now(UTC) - oldest).total_seconds() < SINCE_WITHIN_S / 2


async def _filed(phones: Phones, code: str, count: int) -> set[str]:
    before = set(phones.acknowledged)
    reports = [{**place, "text": code, "code": code} for place in recorded_places(144)]
    await phones.send_all(reports, RATE, count / RATE)
    return phones.acknowledged.keys() - before


def _decided(system: OwnSystem) -> list[str]:
    """Reports in the order in which they opened or joined an incident."""
    with closing(system.store()) as store:
        events = (decode(entry.body).data for entry in store.entries(HOME))
        return [one.report for one in events if isinstance(one, IncidentOpened | ReportLinked)]


@contextmanager
def broker_away(system: OwnSystem, servers: Servers) -> Iterator[None]:
    """Kafka is killed and started again over its log; the embedded one is there and silent.

    Its supervisor would start a killed one at once.
    """
    node = servers.programs.get("broker")
    if node is None:
        with system.halted("broker"):
            yield
        return
    node.kill()
    try:
        yield
    finally:
        node.start()


def holder(system: OwnSystem, jurisdiction: str, *logs: str) -> str:
    """Return in whose log it stands that it claimed the desk last."""
    opened = re.compile(rf"desk of {re.escape(jurisdiction)} open at seq \d+, epoch (\d+)")
    epochs = {log: [int(one) for one in opened.findall(system.said(log))] for log in logs}
    return max(logs, key=lambda log: max(epochs[log], default=-1))


async def test_halted_workers_give_way_and_are_fenced_when_they_wake_and_work_again(
    system: OwnSystem,
) -> None:
    if not system.settings.kafka_servers:
        pytest.skip(EMBEDDED_ALONE)
    with running(system, "second", "worker") as second:
        await until(lambda: READY in system.said("second"))
        workers = {"worker": system.child("worker"), "second": second}
        async with sending(system, 4.0) as flow:
            await flow.more(200)
            name = holder(system, HOME, *workers)
            fenced = 0
            # Who takes over is the one that was woken the time before: it works again.
            for number in range(HALTS_AT_MOST):
                (other,) = workers.keys() - {name}
                gave_up = system.said(name).count(GAVE_UP)
                workers[name].suspend()
                try:
                    await flow.back_within(time.monotonic(), TAKEN_OVER_S)
                    assert holder(system, HOME, *workers) == other
                finally:
                    workers[name].resume()
                await flow.more(400)
                fenced += system.said(name).count(GAVE_UP) - gave_up
                if number >= 2 and fenced:
                    break
                name = other
            # Not each time has it something in hand that it could write.
            assert fenced


async def test_workers_that_come_and_are_told_to_go_move_jurisdictions_at_once(
    system: OwnSystem,
) -> None:
    if not system.settings.kafka_servers:
        pytest.skip(EMBEDDED_ALONE)
    exercise = f"{HOME}{EXERCISE_MARK}.4"
    # Next to each other in turn, they are never one worker's of two.
    assert partition_of(HOME, 4) % 2 != partition_of(exercise, 4) % 2
    async with sending(system, 4.0) as flow, exercising(system, exercise):
        await flow.more(200)
        with running(system, "third", "worker") as third:
            await until(lambda: READY in system.said("third"))
            workers = {"worker": system.child("worker"), "third": third}
            await until(
                lambda: holder(system, HOME, *workers) != holder(system, exercise, *workers)
            )
            await flow.back_within(time.monotonic())
            # The one that up runs is started again and joins.
            for name in (holder(system, HOME, *workers), "third"):
                leaving = workers[name]
                if not leaving.is_running():
                    continue
                ready = system.said("worker").count(READY)
                leaving.terminate()
                await flow.back_within(time.monotonic(), LEFT_WITHIN_S)
                await _until_gone(leaving)
                if name == "worker":
                    await _until_ready(system, "worker", ready)


@asynccontextmanager
async def exercising(system: OwnSystem, jurisdiction: str) -> AsyncIterator[None]:
    """Let reports flow in an exercise too, and check what becomes of them."""
    with closing(system.store()) as store:
        now = datetime.now(UTC)
        store.put_drill(
            Drill(
                jurisdiction=jurisdiction,
                name="by hand",
                recording="",
                recording_sha256="",
                speed=1.0,
                anchor_sim=now,
                anchor_wall=now,
                updated_at=now,
            )
        )
        store.claim(jurisdiction, exercise=True, at=now)
        phones, screen = Phones(system), Screen(system, jurisdiction)
        reports = [{**one, "jurisdiction": jurisdiction} for one in recorded_places(144)]
        enough = asyncio.Event()
        following = asyncio.create_task(screen.follow())
        sent = asyncio.create_task(phones.send_all(reports, RATE / 10, 1.0, enough))
        try:
            yield
            enough.set()
            await sent
            assert not await screen.until_seen(set(phones.acknowledged), HANG_S)
            verdict = check(store, jurisdiction, phones.acknowledged, screen.seen)
            assert verdict.holds, verdict
            assert verdict.decided == len(phones.acknowledged) > 0
        finally:
            for task in (following, sent):
                task.cancel()
            await asyncio.gather(following, sent, return_exceptions=True)


async def test_workers_for_one_stage_each_are_killed_and_back(system: OwnSystem) -> None:
    # The whole worker has been somewhere, whichever test comes first.
    async with sending(system, 3.0):
        pass
    with ExitStack() as stack:

        def start(stage: str) -> psutil.Process:
            return stack.enter_context(running(system, stage, "worker", "--stage", stage))

        # They stand in for the whole worker, which is halted meanwhile.
        stack.enter_context(system.halted("worker"))
        working = {stage: start(stage) for stage in ("classify", "sense", "desk")}
        async with sending(system, 4.0) as flow:
            await flow.back_within(time.monotonic(), TAKEN_OVER_S)
            if system.settings.kafka_servers:
                assert "begins where others are" in system.said("classify")
            for stage in ("sense", "classify", "desk", "sense"):
                await flow.more(200)
                ready = system.said(stage).count(READY)
                working[stage].kill()
                killed = time.monotonic()
                working[stage] = start(stage)
                await flow.back_within(killed)
                await _until_ready(system, stage, ready)


async def test_what_a_rise_began_from_outlives_a_worker_that_is_killed(system: OwnSystem) -> None:
    """Faust commits what is handled a second later, and sense keeps windows ten seconds later."""
    name = f"rise-{time.time_ns()}"
    with closing(system.store()) as store:
        key = store.add_device(Device(id=name, jurisdiction=HOME, lon=-122.5, lat=37.78))
        headers = {"X-Device-Key": f"{name}:{key}", "Content-Type": "application/senml+json"}
        async with aiohttp.ClientSession(system.base_url, headers=headers) as client:

            async def measure(value: float, quantity: str = "temperature") -> None:
                reading = {"n": f"{name}/{quantity}", "v": value, "bt": time.time()}
                async with client.post("/api/readings", json=[reading]) as answer:
                    assert answer.status == 202

            ready = system.said("worker").count(READY)
            system.child("worker").kill()
            await _until_ready(system, "worker", ready)
            await measure(20.0)
            for _ in range(3):
                await measure(50.0, "humidity")
            await asyncio.sleep(COMMITTED_S)
            system.child("worker").kill()
            await measure(35.0)
            alarms = SensorReports(HOME)
            await until(lambda: alarms.read(store).get(name))
            await measure(35.0)
        assert len(alarms.read(store)[name]) == 1


async def test_two_consoles_show_the_same_and_one_of_them_may_die(system: OwnSystem) -> None:
    port, live_port = free_port(), free_port()
    at, live = Origin(f"http://127.0.0.1:{port}"), {"GRIDCOMMAND_LIVE_PORT": str(live_port)}
    console = ("console", "--port", str(port))
    async with sending(system, 4.0) as flow:
        with running(system, "second-console", *console, **live):
            async with watching(system, at=at) as other:
                await flow.more(400)
                assert not await other.until_seen(set(flow.phones.acknowledged), HANG_S)
        # It was killed while reports flowed, and the next one knows what it missed.
        await flow.more(100)
        with running(system, "second-console", *console, **live):
            async with watching(system, at=at) as other:
                assert not await other.until_seen(set(flow.phones.acknowledged), HANG_S)
                await the_same_is_shown(flow.screen, other)


async def test_a_killed_supervisor_and_a_stop_lose_nothing_and_the_next_start_goes_on(
    system: OwnSystem,
) -> None:
    async with sending(system, 4.0) as flow:
        await flow.more(40)
        with flow.outage():
            await asyncio.to_thread(system.kill)
            assert not [one for one in system.family() if one.is_running()]
            up = time.monotonic()
            await asyncio.to_thread(system.start)
            await flow.back_within(up)
    before = {n: i["number"] for n, i in flow.screen.kinds["incidents"].items()}
    family = system.family()
    took = await asyncio.to_thread(system.stop)
    # What is killed after a while would be gone in time too.
    assert "did not end by itself" not in system.said("up")
    assert took < STOP_S * flow.slow
    assert not [one for one in family if _runs(one) and not _is_zombie(one.pid)]
    await asyncio.to_thread(system.start)
    async with watching(system) as again:
        # A sensor's alarm may have opened one more meanwhile.
        now = {n: i["number"] for n, i in again.kinds["incidents"].items()}
        assert before.items() <= now.items()


async def _until_ready(system: OwnSystem, log: str, before: int) -> None:
    """Wait until a worker has said once more that it is ready."""
    await until(lambda: system.said(log).count(READY) > before)


async def _until_gone(process: psutil.Process) -> None:
    await until(lambda: not _runs(process))


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _is_zombie(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) is not None
    except ChildProcessError:
        return not Path(f"/proc/{pid}").exists()
