"""溧阳 on the embedded broker and SQLite: the whole way, and what any one process may cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import psutil
import pytest

from gridcommand.rehearsal.system import OwnSystem, running_system
from tests.flow import LIGHT, LIYANG, go_the_whole_way, sending

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnSystem]:
    """溧阳, live."""
    folder = tmp_path_factory.mktemp("liyang") / "var"
    with running_system(folder, environment={"GRIDCOMMAND_CITY": LIYANG.name}) as running:
        yield running


async def test_a_report_goes_the_whole_way_and_its_units_are_ordered_once(
    system: OwnSystem,
) -> None:
    await go_the_whole_way(system, LIYANG)


@pytest.mark.parametrize("name", ["console", "broker"])
async def test_a_killed_process_loses_nothing(system: OwnSystem, name: str) -> None:
    async with sending(system, 1.0, city=LIYANG, load=LIGHT) as flow:
        await flow.more(20)
        killed = system.child(name)
        with flow.outage():
            at = time.monotonic()
            killed.kill()
            await flow.until_decided(at)
    assert not _runs(killed)


async def test_a_killed_supervisor_loses_nothing_and_the_next_start_goes_on(
    system: OwnSystem,
) -> None:
    async with sending(system, 1.0, city=LIYANG, load=LIGHT) as flow:
        await flow.more(20)
        family = system.family()
        with flow.outage():
            await asyncio.to_thread(system.kill)
            assert not [one for one in family if _runs(one)]
            up = time.monotonic()
            await asyncio.to_thread(system.start)
            await flow.until_decided(up)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
