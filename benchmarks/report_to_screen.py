"""From a report's POST to its frame on a commander's screen, through the whole pipeline.

    python benchmarks/report_to_screen.py --rate 100 --seconds 60
    python benchmarks/report_to_screen.py --seconds 30 --check

Starts ``gridcommand up`` in a folder of its own (embedded broker and SQLite, or with ``--kafka``
an Apache Kafka and a PostgreSQL), signs in a grid worker
and a commander, posts reports at a steady rate from places and call types of the recorded week
(drawn by seed), and watches one screen. A report's time runs from just before its POST to the
frame in which an incident names it. ``lost`` counts acknowledged reports that no frame named
within 30 s after the last POST.

``floor_p50_ms`` and ``floor_p99_ms`` are the peer: the same reports at the same rate through
``floor.py``, half of the time before the system and half after it, on a broker and a database of
the same kind. The ratios to it are the result, and are to be at most 3. ``floor_drift`` is the p50
after over the p50 before: far from 1, the machine was busy with something else in one of them.
Ends with 1 where a report was lost, and with ``--check`` where a ratio is above 3.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
import uuid_utils
from floor import running_floor
from report import Yardstick, print_result
from running import Way, recorded_reports, way_through
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from gridcommand.rehearsal.servers import EMBEDDED, HOW, Servers, kafka_and_postgresql, missing
from gridcommand.rehearsal.system import OwnSystem
from models.settings import Settings
from web_console.accounts import COOKIE

DRAIN_S = 30.0
WARM_S = 10.0
RATIO_MOST = 3.0
SHARE_LEAST = 0.8


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=100.0, help="reports a second")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of the system, and of the floor"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="use this data folder and leave it")
    parser.add_argument(
        "--kafka", action="store_true", help="on an Apache Kafka and a PostgreSQL started for it"
    )
    parser.add_argument(
        "--check", action="store_true", help=f"end with 1 where a ratio is above {RATIO_MOST:g}"
    )
    options = parser.parse_args()
    if options.kafka and (lacking := missing()):
        raise SystemExit(f"{lacking} here. {HOW}")
    yardstick = Yardstick()
    with ExitStack() as stack:
        servers = stack.enter_context(kafka_and_postgresql()) if options.kafka else EMBEDDED
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        system = OwnSystem(folder, environment=servers.environment)
        load = _Load(_reports(system.settings, options.seed), options.rate, options.seconds)
        half = load._replace(seconds=options.seconds / 2)
        if servers.programs:
            # A Kafka that was just started is slow at first, and the system comes after the floor.
            _floor(servers, load._replace(seconds=WARM_S))
        before = _floor(servers, half)
        try:
            system.start()
            times = asyncio.run(_through(system, load))
        finally:
            system.stop()
        after = _floor(servers, half)
    figures = times.figures()
    figures |= _compared(figures, before, after)
    figures |= {"up_s": system.ready_s, **yardstick.figures()}
    p50, p99 = figures["p50_ratio"], figures["p99_ratio"]
    holds = max(p50, p99) <= RATIO_MOST
    verdict = "holds" if holds else "does not hold"
    _say(f"p50 is {p50:.2f} and p99 {p99:.2f} times the floor's: at most {RATIO_MOST:g} {verdict}")
    if figures["processor_share"] < SHARE_LEAST:
        _say(f"other programs had {1 - figures['processor_share']:.0%} of a core: this says little")
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
    if figures["lost"] or (options.check and not holds):
        raise SystemExit(1)


class _Load(NamedTuple):
    """What is posted: bodies in turn, how many a second, for how long."""

    reports: list[dict[str, object]]
    rate: float
    seconds: float


async def _through(system: OwnSystem, load: _Load) -> _Times:
    return await _measure(await way_through(system), load)


def _floor(servers: Servers, load: _Load) -> _Times:
    with running_floor(servers) as floor:
        times = asyncio.run(_measure(floor, load))
    if times.lost or times.refused:
        raise SystemExit(f"the floor lost {times.lost} reports and refused {times.refused}")
    return times


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _compared(figures: dict[str, float], before: _Times, after: _Times) -> dict[str, float]:
    for name, part in (("before", before.took), ("after", after.took)):
        _say(f"floor {name}: p50 {_at(part, 0.50):.1f} ms, p99 {_at(part, 0.99):.1f} ms")
    floor = sorted(before.took + after.took)
    p50_ms, p99_ms = _at(floor, 0.50), _at(floor, 0.99)
    return {
        "floor_p50_ms": p50_ms,
        "floor_p99_ms": p99_ms,
        "p50_ratio": figures["p50_ms"] / p50_ms,
        "p99_ratio": figures["p99_ms"] / p99_ms,
        "floor_drift": _at(after.took, 0.50) / _at(before.took, 0.50),
    }


async def _measure(way: Way, load: _Load) -> _Times:
    async with connect(
        way.live_url,
        additional_headers={"Cookie": f"{COOKIE}={way.commander}"},
        origin=Origin(way.base_url),
        max_size=None,
        compression=None,
    ) as screen:
        hello = {"type": "hello", "jurisdiction": way.jurisdiction, "seq": None}
        await screen.send(json.dumps(hello))
        times = _Times()
        watching = asyncio.create_task(times.watch(screen))
        await _post_all(way, load, times)
        await times.drain()
        watching.cancel()
    return times


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

    @property
    def took(self) -> list[float]:
        """Milliseconds of each report that was seen, in ascending order."""
        return sorted((self.seen[r] - t) * 1000 for r, t in self.posted.items() if r in self.seen)

    @property
    def lost(self) -> int:
        return len(self.posted.keys() - self.seen.keys())

    def figures(self) -> dict[str, float]:
        took = self.took
        acked = sorted(self.acknowledged)
        if not took:
            raise SystemExit("no report came to the screen; see the logs in the data folder")
        return {
            "p50_ms": round(_at(took, 0.50), 1),
            "p99_ms": round(_at(took, 0.99), 1),
            "max_ms": round(took[-1], 1),
            "lost": self.lost,
            "refused": self.refused,
            "reports": len(self.posted),
            "ack_p50_ms": round(_at(acked, 0.50), 1),
            "ack_p99_ms": round(_at(acked, 0.99), 1),
        }


async def _post_all(way: Way, load: _Load, times: _Times) -> None:
    headers = {"Cookie": f"{COOKIE}={way.worker}", "Origin": way.base_url}
    connector = aiohttp.TCPConnector(limit=50)
    async with aiohttp.ClientSession(way.base_url, headers=headers, connector=connector) as client:
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(int(load.rate * load.seconds)):
                await asyncio.sleep(max(0.0, start + number / load.rate - time.monotonic()))
                report = load.reports[number % len(load.reports)]
                group.create_task(_post(client, times, report))


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
