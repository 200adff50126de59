"""What benchmarks of a running system share, beside `gridcommand.rehearsal`."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from gridcommand.rehearsal.system import OwnSystem
from models.city import CityPack
from models.events import ReportReceived
from models.settings import Settings
from models.words import Channel, Role
from streams.recording import Recording
from web_console.accounts import COOKIE

STOP_S = 10.0


def child(log: Path, *arguments: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run one `gridcommand` command in the background until the block ends."""
    return program(log, sys.executable, "-m", "gridcommand", *arguments)


@contextmanager
def program(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in the background until the block ends; what it says goes to a file."""
    with log.open("wb") as sink:
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


class Way(NamedTuple):
    """Where reports go in and where screens see them, and the sessions for both."""

    base_url: str
    live_url: str
    worker: str = ""
    commander: str = ""
    jurisdiction: str = ""


async def way_through(system: OwnSystem) -> Way:
    """Return a system's way, for a grid worker and a commander of its own."""
    worker, commander = system.session(Role.GRID_WORKER), system.session(Role.COMMANDER)
    jurisdiction = CityPack.load(system.settings.city_path).jurisdiction
    live = await live_url(system, commander)
    return Way(system.base_url, live, worker, commander, jurisdiction)


async def live_url(system: OwnSystem, token: str) -> str:
    """Return where the live channel is, as the session says."""
    async with (
        aiohttp.ClientSession(system.base_url) as client,
        client.get("/api/session", headers={"Cookie": f"{COOKIE}={token}"}) as answer,
    ):
        return str((await answer.json())["live_url"])
