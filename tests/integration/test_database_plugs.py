"""The database is locked, killed or full while reports flow: 503, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from gridcommand.rehearsal.servers import postgresql
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.words import Role
from tests.integration.conftest import HEALED_S, sending
from web_console.accounts import COOKIE

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

AWAY_S = 4.0
SAID_WITHIN_S = 8.0
FULL_AT_BYTES = 4096


def asking(system: OwnSystem) -> Callable[[], Awaitable[tuple[int, str]]]:
    """Return what files one report and says status and Retry-After; signed in now."""
    token = system.session(Role.GRID_WORKER)
    headers = {"Cookie": f"{COOKIE}={token}", "Origin": system.base_url}

    async def ask() -> tuple[int, str]:
        async with (
            asyncio.timeout(SAID_WITHIN_S),
            aiohttp.ClientSession(system.base_url, headers=headers) as client,
            client.post("/api/reports", json={"text": "smoke"}) as answer,
        ):
            await answer.read()
            return answer.status, answer.headers.get("Retry-After", "")

    return ask


async def test_a_locked_database(tmp_path: Path) -> None:
    with running_system(tmp_path / "var") as system:
        ask = asking(system)
        async with sending(system, 4.0) as (phones, _):
            await phones.until_acknowledged(40, HEALED_S)
            with closing(sqlite3.connect(system.folder / "gridcommand.db")) as other:
                other.execute("BEGIN IMMEDIATE")
                status, retry = await ask()
                assert status == 503
                assert int(retry) > 0
                other.rollback()


async def test_a_full_disk(tmp_path: Path) -> None:
    with running_system(tmp_path / "var") as system:
        ask = asking(system)
        async with sending(system, 4.0) as (phones, _):
            await phones.until_acknowledged(40, HEALED_S)
            with full_disk(system.child("console"), system.child("worker")):
                status, retry = await ask()
                await asyncio.sleep(AWAY_S)
            assert status == 503
            assert int(retry) > 0


@pytest.mark.servers
async def test_a_killed_database(tmp_path: Path) -> None:
    with (
        postgresql() as database,
        running_system(
            tmp_path / "var", environment={"GRIDCOMMAND_DATABASE_URL": database.address}
        ) as system,
    ):
        ask = asking(system)
        async with sending(system, 4.0) as (phones, _):
            await phones.until_acknowledged(40, HEALED_S)
            await asyncio.to_thread(database.kill)
            status, retry = await ask()
            await asyncio.sleep(AWAY_S)
            await asyncio.to_thread(database.start)
            assert status == 503
            assert int(retry) > 0


@contextmanager
def full_disk(*processes: psutil.Process) -> Iterator[None]:
    """Let no file of these processes grow: what a write to a full disk meets."""
    kind = resource.RLIMIT_FSIZE
    before = {one: resource.prlimit(one.pid, kind) for one in processes}
    for one, (_, hard) in before.items():
        resource.prlimit(one.pid, kind, (FULL_AT_BYTES, hard))
    try:
        yield
    finally:
        for one, limits in before.items():
            if one.is_running():
                resource.prlimit(one.pid, kind, limits)
