"""Processes are ended with ``kill -9`` while reports flow: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from gridcommand.rehearsal.checker import check
from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.system import OwnSystem, running_system
from tests.integration.conftest import HOME, recorded_places, watching
from tests.integration.hanging_policy import MARK
from tests.servers import Servers

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
RATE = 40.0
HEALED_S = 45.0
TAKEN_OVER_S = 30.0
STOP_S = 5.0
WITHOUT_CLOCK = ("incidents", "units", "assignments", "proposals", "tasks", "closures")


@asynccontextmanager
async def sending(system: OwnSystem, seconds: float) -> AsyncIterator[tuple[Phones, Screen]]:
    """Send at `RATE` while the block runs and until all is acknowledged and seen; then check."""
    phones = Phones(system)
    async with watching(system) as screen:
        sending = asyncio.create_task(phones.send_all(recorded_places(144), RATE, seconds))
        yield phones, screen
        async with asyncio.timeout(seconds + HEALED_S):
            await sending
        assert not phones.refused
        missing = await screen.until_seen(set(phones.acknowledged), HEALED_S)
        store = system.store()
        try:
            verdict = check(
                store,
                HOME,
                phones.acknowledged,
                screen.seen,
                unanswered=len(phones.waiting),
            )
        finally:
            store.close()
        assert not missing, verdict
        assert verdict.holds, verdict
        assert verdict.acknowledged == int(RATE * seconds)
        assert not screen.gaps
        async with watching(system) as fresh:
            await fresh.until(lambda: fresh.seq is not None and fresh.seq >= (screen.seq or 0))
            await screen.until(lambda: (screen.seq or 0) >= (fresh.seq or 0))
            for kind in WITHOUT_CLOCK:
                assert screen.kinds.get(kind, {}) == fresh.kinds.get(kind, {}), kind


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
        async with sending(system, 20.0) as (phones, screen):
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


async def test_a_desk_that_hangs_is_named_and_replaced(tmp_path: Path, servers: Servers) -> None:
    mark = tmp_path / "hang"
    environment = {
        **servers.environment,
        "GRIDCOMMAND_POLICY": "tests.integration.hanging_policy:HangsOnce",
        "GRIDCOMMAND_STALLED_AFTER_S": "3",
        MARK: str(mark),
    }
    with running_system(tmp_path / "var", environment=environment) as system:
        async with sending(system, 6.0) as (phones, _):
            await phones.until_acknowledged(40, HEALED_S)
            hanging = system.child("worker").pid
            mark.touch()
        assert system.child("worker").pid != hanging
        said = "".join(log.read_text() for log in (tmp_path / "var" / "log").glob("*worker*"))
        assert "hangs on event tick/" in said


async def test_a_killed_supervisor_and_a_stop_lose_nothing_and_the_next_start_goes_on(
    tmp_path: Path, servers: Servers
) -> None:
    with running_system(tmp_path / "var", environment=servers.environment) as system:
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
