"""Readings through sense, all rules on, against a bare Faust loop of one reading a record.

    python benchmarks/sense_throughput.py --readings 1000000

``readings_per_s`` is one ``gridcommand worker`` on the embedded broker and SQLite: 10,000 devices
send every quantity that a rule reads, in SenML packs of one gateway's devices, and the topic is
filled while no worker runs. Values wander, and one device in a thousand passes a threshold, so
alarms are raised, become reports and are decided beside it. The time is taken between two alarms
of a device of our own: one in the first pack of each partition, one in the last.
``faust_per_s`` is the peer, measured in the same run on the same broker: a Faust agent that counts
records of one reading each and does nothing with them.
``rss_*_mb`` is the worker's resident size at the first alarm and at the last, ``yardstick_ms`` a
fixed loop measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer
from report import Yardstick, print_result
from running import child

from models.settings import Settings
from models.store import Store, open_store
from models.topics import READINGS
from streams.app import GridApp, make_app, running
from streams.broker import EmbeddedBroker
from streams.declare import declare_topics, wait_for_kafka
from streams.sense_rules import RateRule, Rule, SilenceRule, ThresholdRule, load_sense_rules

DEVICES = 10_000
GATEWAY = 50
"""Devices behind one gateway, whose readings come in one pack."""

EVERY_S = 10.0
"""A device's interval, in its own time."""

BARE = "bench.readings"
BARE_RECORDS = 50_000
WITHIN_S = 600.0


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    yardstick = Yardstick()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["GRIDCOMMAND_DATA_DIR"] = scratch
        figures = asyncio.run(_measure(Path(scratch), options.readings, options.seed))
    print_result(
        "sense_throughput",
        seed=options.seed,
        size={"readings": options.readings, "devices": DEVICES, "bare_records": BARE_RECORDS},
        figures={**figures, **yardstick.figures()},
    )


async def _measure(folder: Path, readings: int, seed: int) -> dict[str, float]:
    broker = EmbeddedBroker(None, 4_000, folder / "tansu.log")
    await broker.start()
    try:
        os.environ["GRIDCOMMAND_BROKER_PORT"] = str(broker.port)
        settings = Settings()
        servers = f"127.0.0.1:{broker.port}"
        bare = await _bare(settings, servers)
        await broker.recycle()
        await wait_for_kafka(servers, 10.0)
        await declare_topics(servers)
        store = open_store(settings)
        store.migrate()
        sent = await _fill(servers, readings, seed)
        figures = await asyncio.to_thread(_drain, store, folder, sent)
        store.close()
    finally:
        await broker.stop()
    return {**figures, "faust_per_s": bare, "times_faust": figures["readings_per_s"] / bare}


async def _bare(settings: Settings, servers: str) -> float:
    """Records a second of an agent that counts them."""
    record = json.dumps([{"bn": "urn:dev:mac:0024befffe804ff1/", "n": "co", "u": "ppm", "v": 1.0}])
    await _send(servers, BARE, [record.encode()] * BARE_RECORDS)
    app: GridApp = make_app(settings, app_id="bench")
    times: list[float] = []
    done = asyncio.Event()

    async def consume(stream: object) -> None:
        async for _ in stream:  # type: ignore[attr-defined]
            times.append(time.monotonic())
            if len(times) == BARE_RECORDS:
                done.set()

    app.agent(app.topic(BARE, value_type=bytes))(consume)
    async with running(app, settings):
        await asyncio.wait_for(done.wait(), WITHIN_S)
    return (BARE_RECORDS - 1) / (times[-1] - times[0])


async def _send(servers: str, topic: str, records: list[bytes]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        enable_idempotence=False,
        max_request_size=8_000_000,
        max_batch_size=500_000,
    )
    await producer.start()
    try:
        for start in range(0, len(records), 1000):
            part = records[start : start + 1000]
            await asyncio.gather(*[await producer.send(topic, one, partition=0) for one in part])
    finally:
        await producer.stop()


async def _fill(servers: str, readings: int, seed: int) -> int:
    """Fill the topic's partition; return how many readings lie between the two marks."""
    packs: list[bytes] = [_mark("first")]
    sent = 0
    for pack in _packs(seed):
        packs.append(json.dumps(pack).encode())
        sent += len(pack)
        if sent >= readings:
            break
    packs.append(_mark("last"))
    await _send(servers, READINGS, packs)
    return sent


def _mark(name: str) -> bytes:
    pack = [{"bn": f"urn:dev:bench:{name}/", "n": "smoke_alarm", "bt": time.time(), "vb": True}]
    return json.dumps(pack).encode()


def _packs(seed: int) -> Iterator[list[dict[str, object]]]:
    """Packs of gateways in turn, without end."""
    chance = random.Random(seed)
    rules = load_sense_rules().rules
    quantities = {rule.quantity: (rule.unit, _quiet(rules, rule.quantity)) for rule in rules}
    began = time.time() - 120
    turn = 0
    while True:
        for gateway in range(DEVICES // GATEWAY):
            pack: list[dict[str, object]] = []
            for number in range(gateway * GATEWAY, (gateway + 1) * GATEWAY):
                at = began + turn * EVERY_S
                for place, (quantity, (unit, (quiet, loud))) in enumerate(quantities.items()):
                    value = loud if number % 1000 == turn else quiet * chance.uniform(0.99, 1.01)
                    record: dict[str, object] = {"n": quantity, "v": round(value, 4)}
                    if unit:
                        record["u"] = unit
                    if place == 0:
                        record |= {"bn": f"urn:dev:bench:d{number}/", "bt": at}
                    pack.append(record)
            yield pack
        turn += 1


def _quiet(rules: tuple[Rule, ...], quantity: str) -> tuple[float, float]:
    """A value of a quantity that raises nothing, and one that does."""
    for rule in rules:
        if rule.quantity == quantity and isinstance(rule, ThresholdRule):
            past = 2 * (rule.raise_at - rule.clear_at)
            return rule.clear_at - past / 4 if past > 0 else rule.clear_at * 2, rule.raise_at + past
    for rule in rules:
        if rule.quantity == quantity and isinstance(rule, RateRule):
            return 1.0, 1.0 + 2 * rule.rise
    assert any(rule.quantity == quantity and isinstance(rule, SilenceRule) for rule in rules)
    return 1.0, 1.0


def _drain(store: Store, folder: Path, sent: int) -> dict[str, float]:
    """Start a worker and wait for the alarm of the last pack."""
    with ExitStack() as stack:
        worker = stack.enter_context(child(folder / "worker.out", "worker", "--stage", "sense"))
        resident = psutil.Process(worker.pid)
        first = _wait_for(store, "first", folder, worker)
        first_mb = resident.memory_info().rss / 1e6
        last = _wait_for(store, "last", folder, worker)
        return {
            "readings_per_s": sent / (last - first),
            "elapsed_s": last - first,
            "episodes": len(store.episodes(f"{READINGS}/0")),
            "dead_letters": store.count_dead_letters(),
            "rss_first_mb": first_mb,
            "rss_last_mb": resident.memory_info().rss / 1e6,
        }


def _wait_for(store: Store, name: str, folder: Path, worker: object) -> float:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        episodes = store.episodes(f"{READINGS}/0")
        if any(one.device.endswith(f":{name}") for one in episodes):
            return time.monotonic()
        time.sleep(0.05)
    words = (folder / "worker.out").read_text()[-2000:]
    raise SystemExit(f"no alarm of the {name} pack came; the worker says:\n{words}")


if __name__ == "__main__":
    main()
