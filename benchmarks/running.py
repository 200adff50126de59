"""What benchmarks of a running system share, beside `gridcommand.rehearsal`."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from gridcommand.rehearsal.system import OwnSystem
from models.events import ReportReceived
from models.settings import Settings
from models.words import Channel
from streams.recording import Recording
from web_console.accounts import COOKIE

STOP_S = 10.0


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


async def live_url(system: OwnSystem, token: str) -> str:
    """Return where the live channel is, as the session says."""
    async with (
        aiohttp.ClientSession(system.base_url) as client,
        client.get("/api/session", headers={"Cookie": f"{COOKIE}={token}"}) as answer,
    ):
        return str((await answer.json())["live_url"])
