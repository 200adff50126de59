"""A backlog of reports through relay, classify and desk, against a bare Faust loop.

    python benchmarks/stream_throughput.py --reports 50000

``reports_per_s`` is one ``gridcommand worker`` for classify and one for the desk, on the embedded
broker and SQLite: the inbox is filled while no worker runs, then the time is taken from the first
to the last report that the journal has. ``whole_worker_per_s`` is the same by one worker for all.
``faust_send_per_s`` is the peer, measured in the same run on the same broker: a Faust agent that
sends each record on, one event a record, nothing written anywhere. ``rss_*_mb`` is the desk
worker's resident size when a quarter and when all of it is done, ``yardstick_ms`` a fixed loop
measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psutil
import uuid_utils
from aiokafka import AIOKafkaProducer
from report import Yardstick, print_result
from running import child, recorded_reports

from models.city import CityPack
from models.events import Event, ReportReceived, encode
from models.inbox import InboxRow
from models.settings import Settings
from models.store import Store, open_store
from models.topics import REPORTS
from streams.app import GridApp, make_app, running
from streams.broker import EmbeddedBroker

BARE_IN, BARE_OUT = "bench.in", "bench.out"
BARE_RECORDS = 20_000
WITHIN_S = 600.0
WORKERS = {
    "split": (("--stage", "classify"), ("--stage", "desk")),
    "whole": ((),),
}
"""Options of the workers that are started; the last one has the desk."""


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    yardstick = Yardstick()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["GRIDCOMMAND_DATA_DIR"] = scratch
        figures = asyncio.run(_measure(Path(scratch), options.reports, options.seed))
    print_result(
        "stream_throughput",
        seed=options.seed,
        size={"reports": options.reports, "bare_records": BARE_RECORDS},
        figures={**figures, **yardstick.figures()},
    )


async def _measure(folder: Path, reports: int, seed: int) -> dict[str, float]:
    broker = EmbeddedBroker(None, 2_000, folder / "tansu.log")
    await broker.start()
    try:
        os.environ["GRIDCOMMAND_BROKER_PORT"] = str(broker.port)
        bare = await _bare(Settings())
        found: dict[str, dict[str, float]] = {}
        for name, workers in WORKERS.items():
            await broker.recycle()
            place = folder / name
            os.environ["GRIDCOMMAND_DATA_DIR"] = str(place)
            settings = Settings()
            store = open_store(settings)
            store.migrate()
            _fill(store, settings, reports, seed)
            found[name] = await asyncio.to_thread(_drain, store, place, reports, workers)
            store.close()
    finally:
        await broker.stop()
    return {
        **found["split"],
        "whole_worker_per_s": found["whole"]["reports_per_s"],
        "faust_send_per_s": bare,
        "times_faust": found["split"]["reports_per_s"] / bare,
    }


async def _bare(settings: Settings) -> float:
    """Records a second of an agent that sends each one on."""
    producer = AIOKafkaProducer(
        bootstrap_servers=f"127.0.0.1:{settings.broker_port}", enable_idempotence=False
    )
    await producer.start()
    body = b"x" * 600
    await asyncio.gather(*[await producer.send(BARE_IN, body) for _ in range(BARE_RECORDS)])
    await producer.stop()
    app: GridApp = make_app(settings, app_id="bench")
    incoming, outgoing = app.topic(BARE_IN, value_type=bytes), app.topic(BARE_OUT, value_type=bytes)
    times: list[float] = []
    done = asyncio.Event()

    async def consume(stream: object) -> None:
        async for value in stream:  # type: ignore[attr-defined]
            await outgoing.send(value=value)
            times.append(time.monotonic())
            if len(times) == BARE_RECORDS:
                done.set()

    app.agent(incoming)(consume)
    async with running(app, settings):
        await asyncio.wait_for(done.wait(), WITHIN_S)
    return (BARE_RECORDS - 1) / (times[-1] - times[0])


def _fill(store: Store, settings: Settings, reports: int, seed: int) -> None:
    jurisdiction = CityPack.load(settings.city_path).jurisdiction
    chance = random.Random(seed)
    drawn = recorded_reports(settings, chance)
    now = datetime.now(UTC)
    rows: list[InboxRow] = []
    for number in range(reports):
        name = str(uuid_utils.uuid7())
        report = ReportReceived(received_at=now, **drawn[number % len(drawn)])
        event = Event(id=name, source="/bench", time=now, jurisdiction=jurisdiction, data=report)
        rows.append(
            InboxRow(
                event_id=name,
                jurisdiction=jurisdiction,
                topic=REPORTS,
                key=jurisdiction,
                body=encode(event),
                received_at=now,
            )
        )
    for start in range(0, len(rows), 1000):
        store.put(rows[start : start + 1000])


def _drain(
    store: Store, folder: Path, reports: int, workers: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Start workers and wait until the inbox is empty."""
    with ExitStack() as stack:
        logs = [folder / f"worker-{number}.out" for number in range(len(workers))]
        started = [
            stack.enter_context(child(log, "worker", *options))
            for log, options in zip(logs, workers, strict=True)
        ]
        resident = psutil.Process(started[-1].pid)
        began: tuple[float, int] | None = None
        quarter_mb = 0.0
        deadline = time.monotonic() + WITHIN_S
        while True:
            left, now = store.unfinished(), time.monotonic()
            if began is None and left < reports:
                began = (now, left)
            if began and not quarter_mb and left <= reports * 0.75:
                quarter_mb = resident.memory_info().rss / 1e6
            if left == 0 and began is not None:
                break
            if now > deadline or any(worker.poll() is not None for worker in started):
                raise SystemExit(
                    f"{left} of {reports} reports are left; the workers say:\n"
                    + "\n".join(log.read_text()[-2000:] for log in logs)
                )
            time.sleep(0.1)
        return {
            "reports_per_s": began[1] / (now - began[0]),
            "elapsed_s": now - began[0],
            "dead_letters": store.count_dead_letters(),
            "rss_quarter_mb": quarter_mb,
            "rss_end_mb": resident.memory_info().rss / 1e6,
        }


if __name__ == "__main__":
    main()
