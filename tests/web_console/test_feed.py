"""The feed on the embedded broker: by the topic while it lives, true when it dies or is emptied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from models.city import CityPack
from models.events import Event, encode
from models.registers import Device
from models.settings import Settings
from models.store import Lease, Store
from models.topics import EMBEDDED_PARTITION, READINGS, UPDATES
from streams.broker import EmbeddedBroker
from streams.declare import declare_topics
from streams.publisher import Publisher
from tests.waiting import HANG_S, until
from web_console import feed as feeding
from web_console.console import Console

HOME = "tiny"
pytestmark = pytest.mark.broker


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(None, 256, tmp_path / "tansu.log")
    await broker.start()
    await declare_topics(broker.servers)
    yield broker
    await broker.stop()


@pytest.fixture
def looks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the feed look at the journals when it begins and never again: the topics must tell."""
    monkeypatch.setattr(feeding, "LOOK_S", 1e6)
    monkeypatch.setattr(feeding, "LOOK_AWAY_S", 1e6)


@pytest.fixture
async def listening(
    broker: EmbeddedBroker, settings: Settings, store: Store
) -> AsyncIterator[Console]:
    """A console whose feed runs on the broker, and has read the journals once."""
    with_broker = settings.model_copy(update={"broker_port": broker.port})
    console = Console(with_broker, store, CityPack.load(settings.city_path))
    task = asyncio.create_task(console.feed.run())
    await until(lambda: task.done() or (console.feed.broker_ready and console.feed.journal_ready))
    yield console
    assert not task.done(), task.exception()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await console.inbox.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the feed call the topics silent at once, and look at them often."""
    monkeypatch.setattr(feeding, "SILENT_S", 0.2)
    monkeypatch.setattr(feeding, "PROBE_S", 0.1)
    monkeypatch.setattr(feeding, "RETRY_S", 0.05)


@pytest.fixture
async def publisher(broker: EmbeddedBroker) -> AsyncIterator[Publisher]:
    publisher = Publisher(broker.servers, embedded=True)
    yield publisher
    await publisher.close()


class Desk:
    """Commits and publishes as the desk's shell does."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._lease: Lease = store.claim(HOME, exercise=False, at=datetime.now(UTC))

    def commit(self, events: list[Event]) -> None:
        bodies = [encode(event) for event in events]
        self._lease = self._store.commit_step(self._lease, events, bodies, wall=datetime.now(UTC))

    async def publish(self, events: list[Event]) -> None:
        await self._publisher.publish(UPDATES, HOME, [encode(event) for event in events])


@pytest.mark.usefixtures("looks_once")
async def test_published_events_come_by_the_topic_and_twice_changes_nothing(
    listening: Console, store: Store, publisher: Publisher, journal_writer: Any
) -> None:
    writer, desk = journal_writer(), Desk(store, publisher)
    room = await listening.hub.room(HOME)
    writer.open_incident(1)
    desk.commit(writer.events)
    await desk.publish(writer.events)
    await until(lambda: room.seq == 2)
    await desk.publish(writer.events)
    writer.open_incident(2)
    # Behind what was published twice; and not committed, so only the topic can have told it.
    await desk.publish(writer.events[2:])
    await until(lambda: room.seq == 4)
    assert list(room.situation.incidents) == ["i1", "i2"]


@pytest.mark.usefixtures("looks_once")
async def test_a_hole_in_the_topic_is_healed_from_the_journal(
    listening: Console, store: Store, publisher: Publisher, journal_writer: Any
) -> None:
    writer, desk = journal_writer(), Desk(store, publisher)
    room = await listening.hub.room(HOME)
    for number in range(5):
        writer.open_incident(number)
    desk.commit(writer.events)
    await desk.publish(writer.events[-1:])
    await until(lambda: room.seq == 10)
    assert len(room.situation.incidents) == 5


@pytest.mark.usefixtures("looks_once")
async def test_a_long_topic_whose_fetches_outlast_their_wait_is_read(
    broker: EmbeddedBroker,
    settings: Settings,
    store: Store,
    publisher: Publisher,
    journal_writer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer, desk = journal_writer(), Desk(store, publisher)
    writer.open_incident(1)
    desk.commit(writer.events)
    producer = AIOKafkaProducer(bootstrap_servers=broker.servers, max_batch_size=1)
    await producer.start()
    old = encode(writer.events[0])
    sent = [await producer.send(UPDATES, old, partition=EMBEDDED_PARTITION) for _ in range(6000)]
    await asyncio.gather(*sent)
    await producer.stop()
    monkeypatch.setattr(feeding, "FETCH_WAIT_EMBEDDED_MS", 1)
    with_broker = settings.model_copy(update={"broker_port": broker.port})
    console = Console(with_broker, store, CityPack.load(settings.city_path))
    task = asyncio.create_task(console.feed.run())
    try:
        await until(lambda: task.done() or console.feed.has_begun.is_set())
        room = await console.hub.room(HOME)
        writer.open_incident(2)
        # Uncommitted, so only the end of the long topic can tell it.
        await desk.publish(writer.events[2:])
        await until(lambda: room.seq == 4)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await console.inbox.close()


@pytest.mark.usefixtures("hurried")
async def test_topics_that_say_nothing_are_told_until_they_bring_news(
    listening: Console, store: Store, publisher: Publisher, journal_writer: Any
) -> None:
    writer, desk = journal_writer(), Desk(store, publisher)
    room = await listening.hub.room(HOME)
    assert not listening.feed.from_journal_only
    writer.open_incident(1)
    desk.commit(writer.events)  # the journal alone has it
    await until(lambda: listening.feed.from_journal_only and room.seq == 2)
    await until(lambda: listening.feed.broker_ready)
    assert listening.feed.from_journal_only, "connected anew, and nothing was told since"
    writer.open_incident(2)
    # Uncommitted and sent until it is read: it comes by the topic, wherever that is begun.
    while listening.feed.from_journal_only:
        await desk.publish(writer.events[2:])
        await asyncio.sleep(0.1)
    await until(lambda: room.seq == 4)


async def test_a_broker_that_dies_and_comes_back_empty_hides_nothing(
    listening: Console,
    broker: EmbeddedBroker,
    store: Store,
    publisher: Publisher,
    journal_writer: Any,
) -> None:
    writer, desk = journal_writer(), Desk(store, publisher)
    room = await listening.hub.room(HOME)
    writer.open_incident(1)
    desk.commit(writer.events)
    await desk.publish(writer.events)
    await until(lambda: room.seq == 2)

    await broker.stop()
    writer.open_incident(2)
    desk.commit(writer.events[2:])  # the journal alone has it
    await until(lambda: room.seq == 4)
    await until(lambda: not listening.feed.broker_ready)

    await broker.start()
    await declare_topics(broker.servers)
    await until(lambda: listening.feed.broker_ready)
    writer.open_incident(3)
    # Uncommitted, so it is the emptied topic that brings it.
    await desk.publish(writer.events[4:])
    await until(lambda: room.seq == 6)


async def test_readings_reach_their_topic(listening: Console) -> None:
    pack = b'[{"bn":"level-7/","n":"water","v":0.4}]'
    checked = await listening.readings.publish(Device(id="level-7", jurisdiction="tiny"), pack)
    assert checked.readings == 1
    await listening.readings.close()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=listening.readings.servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(READINGS, number) for number in range(4)])
        record = await asyncio.wait_for(consumer.getone(), HANG_S)
    finally:
        await consumer.stop()
    assert (record.key, record.value) == (b"level-7", pack)
