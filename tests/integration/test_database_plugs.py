"""The database is locked, killed or full while reports flow: 503, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest
from sqlalchemy import make_url

from gridcommand.rehearsal.system import OwnSystem, running_system
from models.words import Role
from tests.integration.conftest import HEALED_S, sending
from tests.servers import postgresql
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
        async with sending(system, 8.0) as (phones, _):
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
        async with sending(system, 8.0) as (phones, _):
            await phones.until_acknowledged(40, HEALED_S)
            with full_disk(system.child("console"), system.child("worker")):
                status, retry = await ask()
                await asyncio.sleep(AWAY_S)
            assert status == 503
            assert int(retry) > 0


@pytest.mark.servers
async def test_a_killed_database(tmp_path: Path) -> None:
    with (
        postgresql() as url,
        running_system(tmp_path / "var", environment={"GRIDCOMMAND_DATABASE_URL": url}) as system,
    ):
        ask = asking(system)
        async with sending(system, 8.0) as (phones, _):
            await phones.until_acknowledged(40, HEALED_S)
            with killed_server(make_url(url).port or 0):
                status, retry = await ask()
                await asyncio.sleep(AWAY_S)
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


@contextmanager
def killed_server(port: int) -> Iterator[None]:
    """End a PostgreSQL without its checkpoint, and start it again over what it left."""
    server = next(
        process
        for process in psutil.process_iter(["cmdline", "ppid"])
        if f"-p {port}" in " ".join(process.info["cmdline"] or ())
        and "-D" in process.info["cmdline"]
    )
    command, folder, user = server.cmdline(), server.cwd(), server.username()
    family = [server, *server.children(recursive=True)]
    server.send_signal(signal.SIGQUIT)
    psutil.wait_procs(family, timeout=AWAY_S)
    try:
        yield
    finally:
        again = subprocess.Popen(
            command,
            user=user if os.geteuid() == 0 else None,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert again.poll() is None
