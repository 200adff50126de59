"""``gridcommand up`` in a folder of its own, for benchmarks that measure what runs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from models.events import ReportReceived
from models.settings import Settings
from models.store import Store
from models.words import Channel, Role
from streams.broker import free_port
from streams.recording import Recording
from web_console.accounts import COOKIE

START_S = 60.0
STOP_S = 10.0


@dataclass(frozen=True)
class Running:
    """What was started.

    Attributes
    ----------
    began
        ``time.monotonic()`` just before the start.
    ready_s
        Seconds until it said that everything runs.
    """

    process: subprocess.Popen[bytes]
    began: float
    ready_s: float

    def resident_mb(self) -> float:
        """Return what all its processes hold together, in MB (10^6 bytes)."""
        top = psutil.Process(self.process.pid)
        total = 0
        for one in (top, *top.children(recursive=True)):
            try:
                total += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total / 1e6


@contextmanager
def running_up(folder: Path, *arguments: str) -> Iterator[Running]:
    """Run `gridcommand up` on free ports until the block ends.

    Parameters
    ----------
    folder
        Its data folder; settings read in this process find it too.
    arguments
        Of `up`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["GRIDCOMMAND_DATA_DIR"] = str(folder)
    os.environ["GRIDCOMMAND_WEB_PORT"] = str(free_port())
    os.environ["GRIDCOMMAND_LIVE_PORT"] = str(free_port())
    log = folder / "up.out"
    began = time.monotonic()
    with log.open("wb") as sink:
        command = [sys.executable, "-m", "gridcommand", "up", *arguments]
        up = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
    try:
        while "Ctrl-C" not in log.read_text():
            if up.poll() is not None or time.monotonic() - began > START_S:
                raise SystemExit(f"gridcommand up doesn't run:\n{log.read_text()}")
            time.sleep(0.05)
        yield Running(up, began, time.monotonic() - began)
    finally:
        up.send_signal(signal.SIGINT)
        try:
            up.wait(STOP_S)
        except subprocess.TimeoutExpired:
            up.kill()


@contextmanager
def child(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one `gridcommand` command in the background until the block ends."""
    with log.open("wb") as sink:
        command = [sys.executable, "-m", "gridcommand", *arguments]
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def recorded_reports(settings: Settings, chance: random.Random) -> list[dict[str, Any]]:
    """Return places and call types of the recorded week, each moved by up to some 400 m."""
    recording = Recording.load(settings.city_path / "drills" / "new_year_2017.jsonl.gz")
    found: list[dict[str, Any]] = []
    for event in recording.happenings():
        data = event.data
        if isinstance(data, ReportReceived) and data.lon is not None and data.lat is not None:
            found.append(
                {
                    "channel": Channel.WORKER,
                    "text": data.code,
                    "code": data.code,
                    "lon": round(data.lon + chance.uniform(-0.004, 0.004), 6),
                    "lat": round(data.lat + chance.uniform(-0.004, 0.004), 6),
                }
            )
    chance.shuffle(found)
    return found


def session(store: Store, role: Role) -> str:
    """Make an account of a role and return the token that it is signed in with."""
    now = datetime.now(UTC)
    account = store.add_account(f"bench-{role.value}-{uuid.uuid4().hex[:6]}", role, at=now)
    return store.open_session(account, at=now, hours=12)


async def live_url(settings: Settings, token: str) -> str:
    """Return where the live channel is, as the session says."""
    async with (
        aiohttp.ClientSession(base_url(settings)) as client,
        client.get("/api/session", headers={"Cookie": f"{COOKIE}={token}"}) as answer,
    ):
        return str((await answer.json())["live_url"])


def base_url(settings: Settings) -> str:
    """Return the origin of the pages and the API."""
    return f"http://127.0.0.1:{settings.web_port}"
