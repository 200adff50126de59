"""The database is locked, full, halted or killed for a while: 503, nothing acknowledged is lost.

Reports and readings flow meanwhile; phones keep what isn't acknowledged and send it again.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg
import pytest

from gridcommand.rehearsal.servers import ServerProgram, postgresql
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.words import Role
from tests.flow import sending, signed_in, until_refused
from tests.waiting import HANG_S

pytestmark = pytest.mark.broker

AWAY_S = 4.0
FULL_AT_BYTES = 4096
FILLED_EVERY_S = 0.02
DISK_MB = 900
"""What `up` wants to be free at its start, and room for the reports of these tests."""


class OnSqlite(NamedTuple):
    """A system on the default, and the disk that its data are on, if it is one that we may fill."""

    system: OwnSystem
    disk: Path | None


class OnPostgresql(NamedTuple):
    """A system, its database, and the disk of that, if it is one that we may fill."""

    system: OwnSystem
    database: ServerProgram
    disk: Path | None

    @property
    def address(self) -> str:
        """As psycopg takes it."""
        return self.database.address.replace("+psycopg", "")

    def answers(self) -> bool:
        """Whether somebody can connect."""
        try:
            psycopg.connect(self.address, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnSqlite]:
    with (
        small_disk() as disk,
        running_system((disk or tmp_path_factory.mktemp("sqlite")) / "var") as system,
    ):
        yield OnSqlite(system, disk)


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnPostgresql]:
    folder = tmp_path_factory.mktemp("postgresql") / "var"
    with small_disk() as disk, postgresql(disk) as database:
        settings = {"GRIDCOMMAND_DATABASE_URL": database.address}
        with running_system(folder, environment=settings) as system:
            yield OnPostgresql(system, database, disk)


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A file system in memory, for the block; None where nobody may mount one."""
    folder = Path(tempfile.mkdtemp(prefix="gridcommand-disk-"))
    options = f"size={DISK_MB}m,mode=755"
    mount = ["mount", "-t", "tmpfs", "-o", options, "gridcommand", str(folder)]
    may = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False)
    try:
        yield folder if may and may.returncode == 0 else None
    finally:
        if may and may.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


async def is_made_up_for(system: OwnSystem, away: AbstractContextManager[object]) -> None:
    """Take the database away under load until beyond the first 503, and give it back."""
    async with signed_in(system, Role.GRID_WORKER) as phone, sending(system, 4.0) as flow:
        await flow.more(100)
        with flow.outage():
            await asyncio.to_thread(away.__enter__)
            try:
                await until_refused(phone)
                await asyncio.sleep(AWAY_S)
            finally:
                await asyncio.to_thread(away.__exit__, None, None, None)
            await flow.until_decided(time.monotonic())
        # What they had to keep they sent again: the checker finds all of it.
        assert flow.phones.answers[503]


async def test_a_locked_sqlite(on_sqlite: OnSqlite) -> None:
    await is_made_up_for(on_sqlite.system, _locked_file(on_sqlite.system))


@contextmanager
def _locked_file(system: OwnSystem) -> Iterator[None]:
    file = system.folder / "gridcommand.db"
    with closing(sqlite3.connect(file, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


async def test_a_full_disk_under_sqlite(on_sqlite: OnSqlite) -> None:
    system, disk = on_sqlite
    if disk is not None:
        await is_made_up_for(system, _filled(disk))
    else:
        await is_made_up_for(system, _small_files(system.child("console"), system.child("worker")))


@contextmanager
def _filled(disk: Path) -> Iterator[None]:
    """Leave no room on a disk: a write gets ENOSPC.

    Who has the disk may give some of it back at any time, as a PostgreSQL does that ends at it and
    starts again.
    """
    ballast, over = disk / "ballast", threading.Event()

    def fill() -> None:
        with ballast.open("wb") as file:
            while not over.wait(FILLED_EVERY_S):
                free = shutil.disk_usage(disk).free
                # Whoever writes meanwhile may have taken some of it.
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), max(free, 1))

    filling = threading.Thread(target=fill)
    filling.start()
    try:
        yield
    finally:
        over.set()
        filling.join()
        ballast.unlink()


@contextmanager
def _small_files(*processes: psutil.Process) -> Iterator[None]:
    """Let no file of these processes grow: the nearest to a full disk without a disk of ours."""
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


@pytest.mark.servers
async def test_a_locked_table_in_postgresql(on_postgresql: OnPostgresql) -> None:
    await is_made_up_for(on_postgresql.system, _locked_table(on_postgresql.address))


@contextmanager
def _locked_table(address: str) -> Iterator[None]:
    with psycopg.connect(address) as other:
        other.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


@pytest.mark.servers
async def test_a_halted_postgresql(on_postgresql: OnPostgresql) -> None:
    await is_made_up_for(on_postgresql.system, _halted(on_postgresql.database))


@contextmanager
def _halted(database: ServerProgram) -> Iterator[None]:
    database.suspend()
    try:
        yield
    finally:
        database.resume()


@pytest.mark.servers
async def test_a_killed_postgresql(on_postgresql: OnPostgresql) -> None:
    await is_made_up_for(on_postgresql.system, _killed(on_postgresql.database))


@contextmanager
def _killed(database: ServerProgram) -> Iterator[None]:
    database.kill()
    try:
        yield
    finally:
        database.start()


@pytest.mark.servers
async def test_a_full_disk_under_postgresql(on_postgresql: OnPostgresql) -> None:
    system, _, disk = on_postgresql
    if disk is None:
        pytest.skip("nobody but root may mount a disk to fill")

    await is_made_up_for(system, _without_room(on_postgresql, disk))


@contextmanager
def _without_room(on_postgresql: OnPostgresql, disk: Path) -> Iterator[None]:
    with _filled(disk):
        yield
    deadline = time.monotonic() + HANG_S
    while not on_postgresql.answers():
        # Without room for its log it ends by itself, and whoever made room starts it again.
        if not on_postgresql.database.runs:
            on_postgresql.database.start()
        assert time.monotonic() < deadline, "PostgreSQL doesn't come back"
        time.sleep(0.1)
