"""Records carry what fits, in order, and at least one event; what no broker takes is said."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import MessageSizeTooLargeError, TopicAuthorizationFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommand.rehearsal.servers import Servers
from models.events import split_batch
from streams import publisher as module
from streams.broker import EmbeddedBroker
from streams.declare import cluster_admin
from streams.errors import OversizeError
from streams.publisher import MAX_BYTES, MAX_EVENTS, MAX_RECORD_BYTES, Publisher, batches
from tests.waiting import HANG_S


@settings(deadline=None)
@given(st.lists(st.integers(1, MAX_BYTES + 10), max_size=20).map(lambda n: [b"x" * i for i in n]))
def test_batches_keep_order_and_bounds(events: list[bytes]) -> None:
    found = list(batches(events))
    assert [event for batch in found for event in batch] == events
    assert all(batch for batch in found)
    assert all(sum(map(len, batch)) <= MAX_BYTES or len(batch) == 1 for batch in found)


def test_many_small_events_share_records() -> None:
    assert [len(batch) for batch in batches([b"e"] * 450)] == [MAX_EVENTS, MAX_EVENTS, 50]


class FakeProducer:
    """A producer that is spoilt by a refusal, as aiokafka's idempotent one is."""

    made: ClassVar[list[FakeProducer]] = []
    largest = 1_000
    refusals: ClassVar[list[Exception]] = []
    stuck: ClassVar[list[None]] = []

    def __init__(self, **_: Any) -> None:
        self.sent: list[bytes] = []
        self.spoilt = False
        self.made.append(self)

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def send_and_wait(self, topic: str, value: bytes, **_: Any) -> None:
        assert not self.spoilt
        if self.stuck:
            self.stuck.pop()
            await asyncio.Event().wait()
        if self.refusals:
            self.spoilt = True
            raise self.refusals.pop(0)
        if len(value) > self.largest:
            self.spoilt = True
            raise MessageSizeTooLargeError
        self.sent.append(value)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Publisher:
    FakeProducer.made.clear()
    FakeProducer.refusals.clear()
    FakeProducer.stuck.clear()
    monkeypatch.setattr(module, "AIOKafkaProducer", FakeProducer)
    return Publisher("nowhere:1", embedded=False)


def sent() -> list[bytes]:
    return [
        event for each in FakeProducer.made for value in each.sent for event in split_batch(value)
    ]


async def test_who_is_too_large_is_named_and_the_others_go_in_order(publisher: Publisher) -> None:
    small = [json.dumps({"id": n, "text": "x" * 200}).encode() for n in range(9)]
    large = json.dumps({"text": "x" * 2_000}).encode()
    refused = await publisher.publish("t", "k", [*small[:3], large, *small[3:], large])
    assert set(refused) == {3, 10}
    assert "on t may be" in refused[3]
    assert sent() == small
    await publisher.close()


async def test_more_than_a_record_may_be_is_refused_without_a_broker() -> None:
    with pytest.raises(OversizeError, match="1,000,001 bytes"):
        await Publisher("nowhere:1", embedded=False).send(
            "t", b"k", b"x" * (MAX_RECORD_BYTES + 1), []
        )


@pytest.mark.parametrize("embedded", [True, False])
async def test_a_producer_that_neither_sends_nor_fails_is_made_anew(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, embedded: bool
) -> None:
    monkeypatch.setattr(module, "STUCK_S", 0.05)
    publisher = Publisher("nowhere:1", embedded=embedded)
    FakeProducer.stuck.append(None)
    await publisher.publish("reports", "a", [b"{}"])
    assert [len(each.sent) for each in FakeProducer.made] == [0, 1]
    assert publisher.failures == 1


@pytest.mark.broker
async def test_on_the_embedded_broker_all_is_in_the_one_partition(log_dir: Path) -> None:
    """It makes a topic with four for whoever asks too early, and three of them may be unread."""
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    await broker.start()
    publisher = Publisher(broker.servers, embedded=True)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.servers, auto_offset_reset="earliest")
    try:
        async with asyncio.timeout(HANG_S):
            for key in "abcdefgh":
                assert await publisher.publish("not-declared", key, [b"{}"]) == {}
            assert await publisher.partitions("not-declared") == 1
            await consumer.start()
            consumer.assign([TopicPartition("not-declared", 0)])
            keys = [(await consumer.getone()).key for _ in "abcdefgh"]
        assert keys == [key.encode() for key in "abcdefgh"]
    finally:
        await consumer.stop()
        await publisher.close()
        await broker.stop()


async def test_what_somebody_can_mend_is_waited_for(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF_S", (0.001, 0.001))
    FakeProducer.refusals.extend([TopicAuthorizationFailedError("t")] * 3)
    assert await publisher.publish("t", "k", [b"{}"]) == {}
    assert sent() == [b"{}"]
    assert publisher.failures == 3
    assert publisher.waits_s == 0
    await publisher.close()


@pytest.mark.parametrize(
    "servers", [pytest.param("kafka", marks=pytest.mark.servers)], indirect=True
)
@pytest.mark.broker
async def test_kafka_refuses_one_and_takes_those_behind_it(servers: Servers) -> None:
    """The broker's own refusal leaves a gap in the producer's numbers."""
    address = servers.environment["GRIDCOMMAND_KAFKA_SERVERS"]
    topic = f"small-records-{uuid.uuid4().hex[:8]}"
    async with cluster_admin(address) as admin:
        await admin.create_topics(
            [NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": "100000"})]
        )
    publisher = Publisher(address, embedded=False)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=address, auto_offset_reset="earliest", group_id=None
    )
    large = json.dumps({"text": "x" * 200_000}).encode()
    try:
        async with asyncio.timeout(HANG_S):
            assert await publisher.publish(topic, "k", [b'{"n":0}']) == {}
            assert set(await publisher.publish(topic, "k", [b'{"n":1}', large])) == {1}
            await asyncio.gather(
                *(publisher.publish(topic, "k", [b'{"n":%d}' % n]) for n in range(2, 20))
            )
            await consumer.start()
            found: set[bytes] = set()
            while len(found) < 20:
                found |= set(split_batch((await consumer.getone()).value))
    finally:
        await consumer.stop()
        await publisher.close()
    assert found == {b'{"n":%d}' % n for n in range(20)}
