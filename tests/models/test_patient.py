"""A position behind the high watermark moves on, whatever a fetch costs the broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from models.patient import MOST_WAIT_MS, FetchWait, PatientConsumer
from models.topics import REPORTS
from streams.broker import EmbeddedBroker
from streams.declare import declare_topics
from tests.waiting import HANG_S

PLACE = TopicPartition(REPORTS, 0)


def test_empty_fetches_behind_the_high_watermark_wait_longer_each_time() -> None:
    wait = FetchWait(10)
    waits = [wait.fetched(records=False, behind=True) for _ in range(6)]
    assert waits == [40, 160, 640, 2560, MOST_WAIT_MS, MOST_WAIT_MS]
    assert 10 + sum(waits[:4]) < 5000, "the longest wait ends within five seconds"


def test_records_shorten_the_wait_and_the_end_of_the_partition_makes_it_the_least() -> None:
    wait = FetchWait(10)
    for _ in range(4):
        wait.fetched(records=False, behind=True)
    assert wait.fetched(records=True, behind=True) == 640
    assert wait.fetched(records=False, behind=False) == 10


@pytest.mark.broker
async def test_a_fetch_that_costs_more_than_its_wait_brings_records(tmp_path: Path) -> None:
    broker = EmbeddedBroker(None, 256, tmp_path / "tansu.log")
    await broker.start()
    try:
        await declare_topics(broker.servers)
        producer = AIOKafkaProducer(bootstrap_servers=broker.servers, max_batch_size=1)
        await producer.start()
        sent = [await producer.send(REPORTS, bytes(200), partition=0) for _ in range(2000)]
        await asyncio.gather(*sent)
        await producer.stop()
        consumer = PatientConsumer(
            bootstrap_servers=broker.servers, enable_auto_commit=False, fetch_max_wait_ms=1
        )
        await consumer.start()
        try:
            consumer.assign([PLACE])
            consumer.seek(PLACE, 1000)
            async with asyncio.timeout(HANG_S):
                record = await consumer.getone()
            assert record.offset == 1000
        finally:
            await consumer.stop()
    finally:
        await broker.stop()
