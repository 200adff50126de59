"""Processes are ended with ``kill -9`` while reports flow: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import OwnSystem, running_system
from streams.broker import free_port
from tests.integration.conftest import HEALED_S, RATE, WITHOUT_CLOCK, sending, watching

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
TAKEN_OVER_S = 30.0
STOP_S = 5.0
AWAY_S = 8.0
KILLS = 20
RECYCLINGS = 10
IN_FLIGHT_S = 0.5
BACK_WITHIN_S = 10.0


@pytest.mark.parametrize("name", ["worker", "broker", "console"])
async def test_a_killed_process_loses_nothing(system: OwnSystem, name: str) -> None:
    if name == "broker" and system.settings.kafka_servers:
        pytest.skip("up runs no broker of its own beside a Kafka")
    async with sending(system, 4.0) as (phones, _):
        await phones.until_acknowledged(40, HEALED_S)
        killed = system.child(name)
        killed.send_signal(signal.SIGKILL)
        await phones.until_acknowledged(100, HEALED_S)
    assert system.child(name).pid != killed.pid


@pytest.mark.timeout(300)
async def test_a_desk_killed_twenty_times_is_back_each_time(system: OwnSystem) -> None:
    chance = random.Random(7)
    async with sending(system, 4.0) as (phones, screen):
        await phones.until_acknowledged(40, HEALED_S)
        for _ in range(KILLS):
            await asyncio.sleep(chance.random())
            system.child("worker").send_signal(signal.SIGKILL)
            # What was on its way from the dead one is on the screen within that.
            killed = time.monotonic() + IN_FLIGHT_S
            await screen.until(lambda at=killed: screen.last_seen > at, BACK_WITHIN_S)


@pytest.mark.timeout(300)
async def test_nobody_notices_ten_recyclings_of_the_embedded_broker(tmp_path: Path) -> None:
    settings = {"GRIDCOMMAND_BROKER_MEMORY_MB": "16"}
    with running_system(tmp_path / "var", environment=settings) as system:
        # Long words, so that there is something to recycle.
        async with sending(system, 4.0, words="smoke " * 400) as (_, screen):
            log = system.folder / "log" / "broker.log"
            await screen.until(lambda: log.read_text().count("recycling it") >= RECYCLINGS, 60.0)


async def test_a_broker_that_is_killed_and_away_delays_and_screens_say_so(
    system: OwnSystem, servers: Servers
) -> None:
    async with sending(system, 4.0) as (phones, screen):
        await phones.until_acknowledged(40, HEALED_S)
        with broker_away(system, servers):
            told = len(phones.acknowledged)
            await asyncio.sleep(AWAY_S)
            assert len(phones.acknowledged) > told + AWAY_S * RATE / 2, "intake goes on"
            await screen.until(lambda: screen.pipeline.get("state") == "delayed")
            assert screen.pipeline["since"]
        back = time.monotonic()
        await screen.until(lambda: screen.last_seen > back + 0.1, BACK_WITHIN_S)


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


async def test_halted_workers_give_way_to_each_other_and_are_fenced_when_they_wake(
    system: OwnSystem,
) -> None:
    if not system.settings.kafka_servers:
        pytest.skip("the embedded broker's topics have one partition, for one worker")
    with (system.folder / "log" / "second.log").open("wb") as sink:
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gridcommand", "worker",
            env=system.environment, stdout=sink, stderr=sink,
        )  # fmt: skip
    workers = system.child("worker"), psutil.Process(second.pid)
    try:
        async with sending(system, 4.0) as (phones, screen):
            await phones.until_acknowledged(200, HEALED_S)
            # The second is halted right after the first was woken and is joining again.
            for number, halted in enumerate(workers):
                await phones.until_acknowledged(300 + 100 * number, HEALED_S)
                halted.suspend()
                try:
                    # It had the seat; the other takes it, and decides what is acknowledged now.
                    told = set(phones.acknowledged)
                    assert not await screen.until_seen(told, TAKEN_OVER_S)
                finally:
                    halted.resume()
    finally:
        second.send_signal(signal.SIGINT)
        await asyncio.wait_for(second.wait(), HEALED_S)


async def test_workers_for_some_stages_share_the_way_and_the_desks_may_be_killed(
    system: OwnSystem,
) -> None:
    if not system.settings.kafka_servers:
        pytest.skip("the embedded broker's topics have one partition, for one worker")
    # They stand in for the whole worker, which is halted meanwhile.
    with system.halted("worker"), worker_for(system, "classify", "sense"):
        async with sending(system, 4.0) as (phones, screen):
            for _ in range(2):
                with worker_for(system, "desk"):
                    told = len(phones.acknowledged)
                    await phones.until_acknowledged(told + 1000, HEALED_S)
                    assert not await screen.until_seen(set(phones.acknowledged), TAKEN_OVER_S)
            # What is left is the whole worker's again.
            system.child("worker").resume()


@contextmanager
def worker_for(system: OwnSystem, *stages: str) -> Iterator[None]:
    """Run a worker for some stages; it ends by ``kill -9``."""
    options = [option for stage in stages for option in ("--stage", stage)]
    with running(system, "-".join(stages), "worker", *options):
        yield


@contextmanager
def running(system: OwnSystem, log: str, *command: str, **changes: str) -> Iterator[None]:
    """Run a process beside the system's own, its environment changed; it ends by ``kill -9``."""
    with (system.folder / "log" / f"{log}.log").open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "gridcommand", *command],
            env=system.environment | changes, stdout=sink, stderr=sink,
        )  # fmt: skip
        try:
            yield
        finally:
            process.kill()
            process.wait()


async def test_two_consoles_show_the_same_and_one_of_them_may_die(system: OwnSystem) -> None:
    port, live_port = free_port(), free_port()
    base_url, live = f"http://127.0.0.1:{port}", {"GRIDCOMMAND_LIVE_PORT": str(live_port)}
    with running(system, "second-console", "console", "--port", str(port), **live):
        async with watching(system, base_url=base_url) as other:
            async with sending(system, 4.0) as (phones, screen):
                await phones.until_acknowledged(400, HEALED_S)
                half = set(phones.acknowledged)
                assert not await other.until_seen(half, HEALED_S)
            assert not await other.until_seen(set(phones.acknowledged), HEALED_S)
            for kind in WITHOUT_CLOCK:
                await other.until(lambda: (other.seq or 0) >= (screen.seq or 0))
                assert other.kinds.get(kind, {}) == screen.kinds.get(kind, {}), kind
    async with sending(system, 4.0) as (phones, _):
        await phones.until_acknowledged(100, HEALED_S)
        with running(system, "second-console", "console", "--port", str(port), **live):
            async with watching(system, base_url=base_url) as other:
                assert not await other.until_seen(set(phones.acknowledged), HEALED_S)


async def test_a_killed_supervisor_and_a_stop_lose_nothing_and_the_next_start_goes_on(
    system: OwnSystem,
) -> None:
    async with sending(system, 4.0) as (phones, screen):
        await phones.until_acknowledged(40, HEALED_S)
        await asyncio.to_thread(system.kill)
        assert not [one for one in system.family() if one.is_running()]
        await asyncio.to_thread(system.start)
    before = {n: i["number"] for n, i in screen.kinds["incidents"].items()}
    family = system.family()
    took = await asyncio.to_thread(system.stop)
    assert took < STOP_S
    assert not [one for one in family if one.is_running() and not _is_zombie(one.pid)]
    await asyncio.to_thread(system.start)
    async with watching(system) as again:
        assert {n: i["number"] for n, i in again.kinds["incidents"].items()} == before


def _is_zombie(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) is not None
    except ChildProcessError:
        return not Path(f"/proc/{pid}").exists()
