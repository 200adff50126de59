"""Readings on their way to Kafka: written once, and what no broker takes is said to who sent it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OutOfOrderSequenceNumber

from gridcommand.rehearsal.servers import Servers
from models import tracing
from models.registers import Device
from models.settings import Settings
from streams.topic_plan import make_missing
from tests.waiting import HANG_S
from web_console import readings as module
from web_console.middleware import READINGS_MAX
from web_console.problems import Problem
from web_console.readings import Readings

DEVICE = Device(id="level-7", jurisdiction="tiny")
PACK = b'[{"bn":"level-7/","n":"water","v":0.4}]'


class FakeProducer:
    """A producer that refuses what it is told to."""

    made: ClassVar[list[FakeProducer]] = []
    refusals: ClassVar[list[KafkaError]] = []

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.sent: list[bytes] = []
        self.topics: list[str] = []
        self.partitions: list[int | None] = []
        self.headers: list[list[tuple[str, bytes]]] = []
        self.made.append(self)

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def send_and_wait(
        self,
        topic: str,
        pack: bytes,
        *,
        key: bytes,
        partition: int | None,
        headers: list[tuple[str, bytes]],
    ) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.sent.append(pack)
        self.topics.append(topic)
        self.partitions.append(partition)
        self.headers.append(headers)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeProducer]:
    FakeProducer.made.clear()
    FakeProducer.refusals.clear()
    monkeypatch.setattr(module, "AIOKafkaProducer", FakeProducer)
    return FakeProducer.made


@pytest.mark.parametrize(
    ("settings", "idempotent", "partition"),
    [(Settings(kafka_servers="kafka:9092"), True, None), (Settings(broker_port=1), False, 0)],
)
async def test_the_producer_is_idempotent_and_devices_are_spread_where_the_broker_can(
    made: list[FakeProducer], settings: Settings, idempotent: bool, partition: int | None
) -> None:
    readings = Readings(settings)
    await readings.publish(DEVICE, PACK)
    assert made[0].options["enable_idempotence"] is idempotent
    assert made[0].options["acks"] == "all"
    assert made[0].partitions == [partition]
    await readings.close()


async def test_what_a_device_of_an_exercise_measures_reaches_no_live_topic(
    made: list[FakeProducer],
) -> None:
    """A pack doesn't say whose it is: behind the topic nobody could tell."""
    readings = Readings(Settings(broker_port=1))
    for jurisdiction in ("tiny", "tiny.exercise", "tiny.exercise.2"):
        await readings.publish(Device(id="level-7", jurisdiction=jurisdiction), PACK)
    assert made[0].topics == ["readings", "exercise.readings", "exercise.readings"]
    await readings.close()


@pytest.mark.parametrize(
    ("refusal", "status"), [(MessageSizeTooLargeError(), 413), (OutOfOrderSequenceNumber(), 503)]
)
async def test_after_a_refusal_the_next_pack_goes_by_a_new_producer(
    made: list[FakeProducer], refusal: KafkaError, status: int
) -> None:
    readings = Readings(Settings(kafka_servers="kafka:9092"))
    FakeProducer.refusals.append(refusal)
    with pytest.raises(Problem) as told:
        await readings.publish(DEVICE, PACK)
    assert told.value.status == status
    await readings.publish(DEVICE, PACK)
    assert [len(one.sent) for one in made] == [0, 1]
    await readings.close()


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_senders_trace_goes_along_where_traces_are_on(
    made: list[FakeProducer], monkeypatch: pytest.MonkeyPatch, is_on: bool
) -> None:
    monkeypatch.setattr(tracing, "is_on", lambda: is_on)
    readings = Readings(Settings(kafka_servers="kafka:9092"))
    await readings.publish(DEVICE, PACK, "00-01-02-01")
    await readings.publish(DEVICE, PACK)
    assert made[0].headers == [[("traceparent", b"00-01-02-01")] if is_on else [], []]
    await readings.close()


@pytest.mark.parametrize(
    "servers", [pytest.param("kafka", marks=pytest.mark.servers)], indirect=True
)
@pytest.mark.broker
async def test_kafka_takes_the_largest_pack_that_the_door_lets_in(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_WITHIN_S", HANG_S)
    address = servers.environment["GRIDCOMMAND_KAFKA_SERVERS"]
    await make_missing(address)
    readings = Readings(Settings(kafka_servers=address))
    pack = PACK + b" " * (READINGS_MAX - len(PACK))
    assert await readings.publish(DEVICE, pack) == 1
    await readings.close()
