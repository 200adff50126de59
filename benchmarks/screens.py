"""Many screens on one console: some never read, some come and go, the others must get everything.

    python benchmarks/screens.py --screens 1000 --silent 50 --fickle 50 --seconds 30

Starts ``gridcommand up`` (embedded broker, SQLite), connects ``screens`` that read, ``silent``
that say hello and never read, and ``fickle`` that connect, read for a second and go, over and
over, and posts reports at a steady rate. A screen has a gap when a delta doesn't follow on the one
before. ``p50_ms`` and ``p99_ms`` run from a report's POST to its frame, over all reading screens
and reports; ``missed`` counts pairs of screen and report that never met.

``floor_p50_ms`` and ``floor_p99_ms`` are the peer, half as long after it: the same reports through
``floor.py`` to as many screens, all of which read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil
import uuid_utils
from floor import running_floor
from report import Yardstick, print_result
from running import Way, recorded_reports, way_through
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from gridcommand.rehearsal.servers import EMBEDDED
from gridcommand.rehearsal.system import running_system
from web_console.accounts import COOKIE

DRAIN_S = 20.0
AT_ONCE = 50
READS_S = 1.0
SHELL_DESCRIPTORS = 1024


class _Incident(msgspec.Struct):
    reports: list[str] = []


class _Upsert(msgspec.Struct):
    incidents: list[_Incident] = []


class _Frame(msgspec.Struct):
    after: int | None = None
    upsert: _Upsert = msgspec.field(default_factory=_Upsert)


_decode = msgspec.json.Decoder(_Frame).decode


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--screens", type=int, default=1000)
    parser.add_argument("--silent", type=int, default=50)
    parser.add_argument("--fickle", type=int, default=50)
    parser.add_argument("--rate", type=float, default=5.0, help="reports a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    yardstick = Yardstick()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The console begins with what a login shell has, and must see to it itself.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(SHELL_DESCRIPTORS, hard), hard))
    with tempfile.TemporaryDirectory() as scratch, running_system(Path(scratch)) as system:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # our own ends of the channels
        bodies = recorded_reports(system.settings, random.Random(options.seed))
        console = system.child("console")
        way = asyncio.run(way_through(system))
        figures = asyncio.run(_Run(way, options, bodies).run(console))
    with running_floor(EMBEDDED) as way:
        alone = {**vars(options), "silent": 0, "fickle": 0, "seconds": options.seconds / 2}
        floor = asyncio.run(_Run(way, argparse.Namespace(**alone), bodies).run())
    if floor["missed"]:
        raise SystemExit(f"the floor missed {floor['missed']:.0f} of its reports")
    for key in ("p50", "p99"):
        figures[f"floor_{key}_ms"] = floor[f"{key}_ms"]
        figures[f"{key}_ratio"] = figures[f"{key}_ms"] / floor[f"{key}_ms"]
    figures |= yardstick.figures()
    print_result(
        "screens",
        seed=options.seed,
        size={
            "screens": options.screens,
            "silent": options.silent,
            "fickle": options.fickle,
            "reports_per_s": options.rate,
            "seconds": options.seconds,
        },
        figures=figures,
    )


class _Run:
    def __init__(self, way: Way, options: argparse.Namespace, bodies: list[dict[str, Any]]) -> None:
        self._way = way
        self._options = options
        self._bodies = bodies
        self._hello = json.dumps({"type": "hello", "jurisdiction": way.jurisdiction, "seq": None})
        self._posted: dict[str, float] = {}
        self._took: list[float] = []
        self._met = [0] * options.screens
        self._heard = asyncio.Event()
        self._fickle_visits = 0
        self._ended_early = 0

    async def run(self, console: psutil.Process | None = None) -> dict[str, float]:
        options = self._options
        before_mb = _resident_mb(console)
        ready = asyncio.Semaphore(AT_ONCE)
        connections = await asyncio.gather(
            *(self._connect(ready) for _ in range(options.screens + options.silent))
        )
        reading = connections[: options.screens]
        connected_mb = _resident_mb(console)
        tasks = [asyncio.create_task(self._read(n, one)) for n, one in enumerate(reading)]
        tasks += [asyncio.create_task(self._come_and_go()) for _ in range(options.fickle)]
        await self._post_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while min(self._met) < len(self._posted):
                    self._heard.clear()
                    await self._heard.wait()
        end_mb = _resident_mb(console)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(one.close() for one in connections), return_exceptions=True)
        took = sorted(self._took)
        return {
            "p50_ms": _at(took, 0.50),
            "p99_ms": _at(took, 0.99),
            "missed": len(self._posted) * options.screens - len(took),
            "ended_early": self._ended_early,
            "reports": len(self._posted),
            "fickle_visits": self._fickle_visits,
            "console_mb_before": before_mb,
            "console_mb_connected": connected_mb,
            "console_mb_end": end_mb,
        }

    async def _connect(self, room: asyncio.Semaphore) -> ClientConnection:
        async with room:
            one = await connect(
                self._way.live_url,
                additional_headers={"Cookie": f"{COOKIE}={self._way.commander}"},
                origin=Origin(self._way.base_url),
                max_size=None,
                max_queue=1,
                compression=None,
                open_timeout=30,
                ping_interval=None,
            )
            await one.send(self._hello)
            return one

    async def _read(self, number: int, screen: ClientConnection) -> None:
        seen: set[str] = set()
        try:
            async for frame in screen:
                now = time.monotonic()
                for incident in _decode(frame).upsert.incidents:
                    for name in incident.reports:
                        if name in self._posted and name not in seen:
                            seen.add(name)
                            self._met[number] += 1
                            self._took.append((now - self._posted[name]) * 1000)
                self._heard.set()
        except WebSocketException:
            pass
        self._ended_early += 1

    async def _come_and_go(self) -> None:
        room = asyncio.Semaphore(1)
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                one = await self._connect(room)
                self._fickle_visits += 1
                with suppress(TimeoutError):
                    async with asyncio.timeout(READS_S):
                        async for _ in one:
                            pass
                await one.close()

    async def _post_all(self) -> None:
        options = self._options
        headers = {"Cookie": f"{COOKIE}={self._way.worker}", "Origin": self._way.base_url}
        async with aiohttp.ClientSession(self._way.base_url, headers=headers) as client:
            start = time.monotonic()
            for number in range(int(options.rate * options.seconds)):
                await asyncio.sleep(max(0.0, start + number / options.rate - time.monotonic()))
                name = str(uuid_utils.uuid7())
                given = self._bodies[number % len(self._bodies)]
                body = {key: given[key] for key in ("text", "code", "lon", "lat")}
                began = time.monotonic()
                self._posted[name] = began
                async with client.post("/api/reports", json={"id": name, **body}) as answer:
                    if answer.status != 202:
                        del self._posted[name]


def _resident_mb(process: psutil.Process | None) -> float:
    return 0.0 if process is None else process.memory_info().rss / 1e6


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


if __name__ == "__main__":
    main()
