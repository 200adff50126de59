"""A worker that hangs is noticed, named and replaced; no other worker stands in for it here."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import OwnSystem, running_system
from tests.flow import BACK_WITHIN_S, LOOKS_S, sending, until
from tests.integration.hanging_policy import MARK

pytestmark = pytest.mark.broker
STALLED_S = 3.0
AWAY_S = 8.0


async def test_a_broker_that_is_halted_is_no_fault_of_the_worker(
    tmp_path: Path, servers: Servers
) -> None:
    """It takes connections and answers none: a worker stays, and a new one waits for it."""
    environment = {
        **servers.with_empty_database().environment,
        "GRIDCOMMAND_STALLED_AFTER_S": f"{STALLED_S:g}",
    }
    with running_system(tmp_path / "var", environment=environment) as system:
        async with sending(system, 4.0) as flow:
            await flow.more(40)
            for is_new in (False, True):
                worker = system.child("worker")
                with flow.outage(), halted_broker(system, servers):
                    if is_new:
                        worker.send_signal(signal.SIGKILL)
                    await asyncio.sleep(AWAY_S)
                    stayed = system.child("worker")
                    assert (stayed.pid != worker.pid) == is_new
                await flow.back_within(time.monotonic())
                assert system.child("worker").pid == stayed.pid


@contextmanager
def halted_broker(system: OwnSystem, servers: Servers) -> Iterator[None]:
    """Halt whichever broker it is, until the block ends."""
    node = servers.programs.get("broker")
    if node is None:
        with system.halted("broker"):
            yield
        return
    node.suspend()
    try:
        yield
    finally:
        node.resume()


async def test_a_desk_that_hangs_is_named_and_replaced(tmp_path: Path, servers: Servers) -> None:
    mark = tmp_path / "hang"
    environment = {
        **servers.with_empty_database().environment,
        "GRIDCOMMAND_POLICY": "tests.integration.hanging_policy:HangsOnce",
        "GRIDCOMMAND_STALLED_AFTER_S": f"{STALLED_S:g}",
        MARK: str(mark),
    }
    with running_system(tmp_path / "var", environment=environment) as system:
        async with sending(system, 4.0) as flow:
            await flow.more(200)
            mark.touch()
            await until(lambda: not mark.exists())
            await flow.back_within(time.monotonic(), STALLED_S + LOOKS_S + BACK_WITHIN_S)
        assert "hangs on event tick/" in system.said("worker")


async def test_a_policy_that_never_ends_leaves_a_desk_that_decides(
    tmp_path: Path, servers: Servers
) -> None:
    """It costs one worker, not one after another."""
    mark = tmp_path / "hang"
    environment = {
        **servers.with_empty_database().environment,
        "GRIDCOMMAND_POLICY": "tests.integration.hanging_policy:Hangs",
        "GRIDCOMMAND_STALLED_AFTER_S": f"{STALLED_S:g}",
        MARK: str(mark),
    }
    with running_system(tmp_path / "var", environment=environment) as system:
        async with sending(system, 4.0) as flow:
            await flow.more(40)
            mark.touch()
            await until(lambda: "hangs on event tick/" in system.said("worker"))
            await flow.back_within(time.monotonic(), BACK_WITHIN_S)
            second = system.child("worker").pid
            await flow.more(200)
            assert system.child("worker").pid == second
            told = await asyncio.to_thread(httpx.get, f"{system.base_url}/readyz")
            assert set(told.json()["simpler_planning"].values()) == {"joint"}
