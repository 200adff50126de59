"""From a report's POST to its frame on a commander's screen, through the whole pipeline.

    python benchmarks/report_to_screen.py --rate 100 --seconds 60

Starts ``gridcommand up`` in a folder of its own (embedded broker and SQLite, or with ``--kafka``
an Apache Kafka and a PostgreSQL), signs in a grid worker
and a commander, posts reports at a steady rate from places and call types of the recorded week
(drawn by seed), and watches one screen. A report's time runs from just before its POST to the
frame in which an incident names it. ``lost`` counts acknowledged reports that no frame named
within 30 s after the last POST.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import aiohttp
import msgspec
import uuid_utils
from report import print_result
from running import live_url, recorded_reports
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from gridcommand.rehearsal.servers import EMBEDDED, HOW, kafka_and_postgresql, missing
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.city import CityPack
from models.settings import Settings
from models.words import Role
from web_console.accounts import COOKIE

DRAIN_S = 30.0


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=100.0, help="reports a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="use this data folder and leave it")
    parser.add_argument(
        "--kafka", action="store_true", help="on an Apache Kafka and a PostgreSQL started for it"
    )
    options = parser.parse_args()
    if options.kafka and (lacking := missing()):
        raise SystemExit(f"{lacking} here. {HOW}")
    with ExitStack() as stack:
        servers = stack.enter_context(kafka_and_postgresql()) if options.kafka else EMBEDDED
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        system = stack.enter_context(running_system(folder, environment=servers.environment))
        figures = asyncio.run(_measure(system, options.rate, options.seconds, options.seed))
    figures["up_s"] = system.ready_s
    print_result(
        "report_to_screen",
        seed=options.seed,
        size={
            "reports_per_s": options.rate,
            "seconds": options.seconds,
            "servers": servers.name,
        },
        figures=figures,
    )


async def _measure(system: OwnSystem, rate: float, seconds: float, seed: int) -> dict[str, float]:
    base, settings = system.base_url, system.settings
    worker, commander = system.session(Role.GRID_WORKER), system.session(Role.COMMANDER)
    async with connect(
        await live_url(system, commander),
        additional_headers={"Cookie": f"{COOKIE}={commander}"},
        origin=Origin(base),
        max_size=None,
        compression=None,
    ) as screen:
        hello = {"type": "hello", "jurisdiction": _jurisdiction(settings), "seq": None}
        await screen.send(json.dumps(hello))
        times = _Times()
        watching = asyncio.create_task(times.watch(screen))
        await _post_all(base, worker, times, _reports(settings, seed), rate, seconds)
        await times.drain()
        watching.cancel()
    return times.figures()


def _jurisdiction(settings: Settings) -> str:
    return CityPack.load(settings.city_path).jurisdiction


def _reports(settings: Settings, seed: int) -> list[dict[str, object]]:
    """The recorded week's reports as bodies of a POST."""
    drawn = recorded_reports(settings, random.Random(seed))
    return [{key: one[key] for key in ("text", "code", "lon", "lat")} for one in drawn]


class _Incident(msgspec.Struct):
    reports: list[str] = []


class _Upsert(msgspec.Struct):
    incidents: list[_Incident] = []


class _Frame(msgspec.Struct):
    upsert: _Upsert = msgspec.field(default_factory=_Upsert)


# What is of use and no more: the load generator shares the machine with what it measures.
_decode = msgspec.json.Decoder(_Frame).decode


class _Times:
    def __init__(self) -> None:
        self.posted: dict[str, float] = {}
        self.seen: dict[str, float] = {}
        self.acknowledged: list[float] = []
        self.refused = 0
        self.changed = asyncio.Event()

    async def watch(self, screen: ClientConnection) -> None:
        async for frame in screen:
            now = time.monotonic()
            told = _decode(frame)
            for incident in told.upsert.incidents:
                for name in incident.reports:
                    self.seen.setdefault(name, now)
            self.changed.set()

    async def drain(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self.posted.keys() - self.seen.keys():
                    self.changed.clear()
                    await self.changed.wait()

    def figures(self) -> dict[str, float]:
        took = sorted((self.seen[r] - t) * 1000 for r, t in self.posted.items() if r in self.seen)
        acked = sorted(self.acknowledged)
        if not took:
            raise SystemExit("no report came to the screen; see the logs in the data folder")
        return {
            "p50_ms": round(_at(took, 0.50), 1),
            "p99_ms": round(_at(took, 0.99), 1),
            "max_ms": round(took[-1], 1),
            "lost": len(self.posted) - len(took),
            "refused": self.refused,
            "reports": len(self.posted),
            "ack_p50_ms": round(_at(acked, 0.50), 1),
            "ack_p99_ms": round(_at(acked, 0.99), 1),
        }


async def _post_all(
    base: str,
    token: str,
    times: _Times,
    reports: list[dict[str, object]],
    rate: float,
    seconds: float,
) -> None:
    headers = {"Cookie": f"{COOKIE}={token}", "Origin": base}
    connector = aiohttp.TCPConnector(limit=50)
    async with aiohttp.ClientSession(base, headers=headers, connector=connector) as client:
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
                group.create_task(_post(client, times, reports[number % len(reports)]))


async def _post(client: aiohttp.ClientSession, times: _Times, report: dict[str, object]) -> None:
    name = str(uuid_utils.uuid7())
    began = time.monotonic()
    async with client.post("/api/reports", json={"id": name, **report}) as answer:
        await answer.read()
    if answer.status == 202:
        times.posted[name] = began
        times.acknowledged.append((time.monotonic() - began) * 1000)
    else:
        times.refused += 1


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


if __name__ == "__main__":
    main()
