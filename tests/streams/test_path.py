"""The real path through Faust and the embedded broker: inbox, relay, classify, desk; and a broker
that is killed and comes back empty."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.city import CityPack
from models.dead_letters import DeadLetterRow
from models.events import Event, ReportClassified, ReportReceived, encode
from models.settings import Settings
from models.steps import Position
from models.store import InboxRow, Store
from models.words import Channel
from streams.agents import Agents, Stages
from streams.app import broker_at_hand, make_app, running
from streams.broker import EmbeddedBroker
from streams.dead_letters import DeadLetters
from streams.own_records import OwnPublisher
from streams.publisher import Publisher
from streams.relay import Relay

pytestmark = pytest.mark.broker
HOME = "320481"


class Desk:
    """Finishes what it gets, as the real shell's transaction does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seen: list[Event] = []
        self.changed = asyncio.Event()

    async def submit(
        self, jurisdiction: str, events: list[Event], position: Position | None = None
    ) -> None:
        self.store.finish(jurisdiction, [event.id for event in events], datetime.now(UTC))
        self.seen.extend(events)
        self.changed.set()

    async def until(self, ids: set[str], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not ids <= {event.id for event in self.seen}:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'path.db'}")
    store.migrate()
    yield store
    store.close()


def body(name: str) -> bytes:
    now = datetime.now(UTC)
    data = ReportReceived(channel=Channel.WORKER, received_at=now, text="井盖缺失")
    return encode(Event(id=name, source="/t", time=now, jurisdiction=HOME, data=data))


def put(store: Store, *names: str, topic: str = "reports") -> None:
    now = datetime.now(UTC)
    store.put(
        [
            InboxRow(
                event_id=name,
                jurisdiction=HOME,
                topic=topic,
                key=HOME,
                body=body(name),
                received_at=now,
            )
            for name in names
        ]
    )


@pytest.mark.timeout(90)
async def test_nothing_is_lost_when_the_broker_is_killed_and_comes_back_empty(
    tmp_path: Path, store: Store, liyang: CityPack, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    broker = EmbeddedBroker(None, 256, tmp_path / "tansu.log")
    await broker.start()
    settings = Settings(data_dir=tmp_path, broker_port=broker.port, relay_retry_s=2)
    publisher = OwnPublisher(broker.servers, embedded=True)
    desk = Desk(store)

    async def report(events: list[Event]) -> None:
        raise AssertionError("no readings in this test")

    buried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def save(rows: Sequence[DeadLetterRow]) -> None:
        store.add_dead_letters(rows)
        loop.call_soon_threadsafe(buried.set)

    letters = DeadLetters(save, publisher)
    app = make_app(settings)
    Agents(app, Stages(liyang, publisher, letters, desk, report, store))
    relay = Relay(settings, store, publisher, letters.write)
    stop = asyncio.Event()
    try:
        await broker_at_hand(settings)
        async with running(app, settings) as ended:
            relaying = asyncio.create_task(relay.run(stop))
            put(store, *(f"first-{i}" for i in range(50)))
            await desk.until({f"first-{i}" for i in range(50)}, 20)
            assert all(isinstance(event.data, ReportClassified) for event in desk.seen)
            assert [event.id for event in desk.seen[:50]] == [f"first-{i}" for i in range(50)]

            begun = time.monotonic()
            put(store, "hop")
            await desk.until({"hop"}, 5)
            assert time.monotonic() - begun < 1.0  # a fetch wait of 1500 ms would show

            stranger = Publisher(broker.servers, embedded=True)
            await stranger.publish("reports", "whatever", [body("foreign")])
            await stranger.close()
            await desk.until({"foreign"}, 5)
            assert store.received(HOME) == 52

            pid = broker.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await broker.wait()
            put(store, *(f"down-{i}" for i in range(50)))
            await broker.recycle()
            back = time.monotonic()
            await desk.until({f"down-{i}" for i in range(50)}, 20)
            assert time.monotonic() - back < 15
            assert store.unfinished() == 0

            put(store, "wrong side", topic="exercise.reports")
            await asyncio.wait_for(buried.wait(), 15)
            assert not ended.done()
            stop.set()
            await relaying
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 3
        (letter,) = store.dead_letters()
        assert (letter.code, letter.event_id) == ("wrong_side", "wrong side")
        assert store.unfinished() == 0
    finally:
        await publisher.close()
        await broker.stop()
