"""How far behind a worker is, as brokers say it, and what of it its watchdog holds against it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from gridcommand.rehearsal.servers import Servers
from models.settings import Settings
from models.store import InboxRow, Store, open_store
from streams.broker import EmbeddedBroker
from streams.declare import cluster_admin, declare_topics
from streams.groups import STAGES
from streams.handshake import answers
from streams.lag import Lag, Place
from streams.metrics import LAG
from streams.worker import RELAYS, _waiting
from tests.waiting import HANG_S

HOME = "us-ca-sf"


async def fill(address: str, topic: str, group: str, *, records: int, done: int) -> None:
    """Write records to partition 0 and commit how far a group came."""
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    for number in range(records):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.commit({TopicPartition(topic, 0): done})
    await consumer.stop()


def told(topic: str) -> dict[str, float]:
    (family,) = LAG.collect()
    return {
        one.labels["partition"]: one.value for one in family.samples if one.labels["topic"] == topic
    }


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow answer is one too: what is known doesn't hang on how fast it came."""
    monkeypatch.setattr("streams.lag.ASK_WITHIN_S", HANG_S)
    monkeypatch.setattr("streams.lag.answers", lambda asked: answers(asked, HANG_S))


async def look(lag: Lag) -> None:
    """Look once, as :meth:`Lag.run` does."""
    await lag.look()
    await lag.close()


@pytest.mark.parametrize(
    "servers", [pytest.param("kafka", marks=pytest.mark.servers)], indirect=True
)
@pytest.mark.broker
async def test_lag_is_what_is_there_and_not_done(servers: Servers, patient: None) -> None:
    address = servers.environment["GRIDCOMMAND_KAFKA_SERVERS"]
    topic = group = f"lag-{uuid.uuid4().hex[:8]}"
    async with cluster_admin(address) as admin:
        await admin.create_topics([NewTopic(topic, 2, 1)])
    await fill(address, topic, group, records=7, done=3)
    held = {(topic, 0), (topic, 1)}
    lag = Lag(address, group, lambda: held, every_s=HANG_S, embedded=False)
    await look(lag)
    assert lag.places == {(topic, 0): Place(3, 4), (topic, 1): Place(None, 0)}
    assert told(topic) == {"0": 4, "1": 0}
    # What Kafka threw away for its age does not wait for anybody.
    async with cluster_admin(address) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=6)})
    await look(lag)
    assert lag.places[topic, 0] == Place(3, 1)
    held.remove((topic, 0))
    await look(lag)
    assert told(topic) == {"1": 0}


@pytest.mark.broker
async def test_of_the_embedded_broker_only_what_is_done_is_known(
    log_dir: Path, patient: None
) -> None:
    topic = f"lag-{uuid.uuid4().hex[:8]}"
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    await broker.start()
    try:
        await declare_topics(broker.servers)
        async with cluster_admin(broker.servers) as admin:
            await admin.create_topics([NewTopic(topic, 1, 1)])
        await fill(broker.servers, topic, "g", records=3, done=2)
        lag = Lag(broker.servers, "g", lambda: {(topic, 0)}, every_s=HANG_S, embedded=True)
        await look(lag)
        assert lag.places == {(topic, 0): Place(2, None)}
        assert told(topic) == {}
    finally:
        await broker.stop()
    await look(lag)
    assert lag.places == {}, "nobody answers: nothing is known"


# ── what waits for this worker ────────────────────────────────────────────────────────────────────


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(Settings(data_dir=tmp_path))
    store.migrate()
    for jurisdiction in (HOME, f"{HOME}.exercise"):
        store.claim(jurisdiction, exercise=jurisdiction != HOME, at=datetime.now(UTC))
    yield store
    store.close()


def put(store: Store, name: str, jurisdiction: str = HOME) -> None:
    now = datetime.now(UTC)
    store.put(
        [
            InboxRow(
                event_id=name, jurisdiction=jurisdiction, topic="reports", key="k", body=b"{}",
                received_at=now, exercise=jurisdiction != HOME,
            )
        ]
    )  # fmt: skip


def waiting(store: Store, held: set[tuple[str, int]], places: Any, **more: Any) -> dict[str, Any]:
    return dict(
        _waiting(
            store,
            held,
            SimpleNamespace(places=places),  # type: ignore[arg-type]
            SimpleNamespace(turns=7),  # type: ignore[arg-type]
            SimpleNamespace(waits_s=more.pop("waits_s", 0.0)),  # type: ignore[arg-type]
            alone=more.pop("alone", False),
        )
    )


def test_a_worker_beside_one_that_hangs_has_nothing_waiting(store: Store) -> None:
    put(store, "stuck")
    # The other has the desk's partition where the row waits, and the relay.
    ours: dict[tuple[str, int], Place] = {("desk", 1): Place(40, 0), ("reports", 1): Place(9, 0)}
    assert waiting(store, set(ours), ours) == {}
    theirs = {RELAYS: Place(12, 0), ("desk", 0): Place(12, 3)}
    assert waiting(store, set(theirs), theirs) == {
        "records in partition 0 of desk": 12,
        "rows in the inbox for the relay": 7,
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_for_one_stage_answers_for_its_own_partitions(store: Store, stage: str) -> None:
    topic = STAGES[stage]
    places = {(topic, 1): Place(5, 2)}
    assert waiting(store, {(topic, 1)}, places) == {f"records in partition 1 of {topic}": 5}
    assert waiting(store, set(), places) == {}, "taken from it since"


def test_alone_each_jurisdiction_has_its_own_stand(store: Store) -> None:
    """A drill that goes on does not hide a live desk that stands still."""
    held = {("reports", 0), ("desk", 0), ("exercise.reports", 0), ("exercise.desk", 0)}
    places = {one: Place(1, None) for one in held}
    assert waiting(store, held, places, alone=True) == {}
    put(store, "live")
    put(store, "drill", f"{HOME}.exercise")
    before = waiting(store, held, places, alone=True)
    after = waiting(store, held, {**places, ("exercise.desk", 0): Place(2, None)}, alone=True)
    live, drill = f"rows in the inbox of {HOME}", f"rows in the inbox of {HOME}.exercise"
    assert before[live] == after[live]
    assert before[drill] != after[drill]


def test_a_broker_that_can_not_be_written_is_no_fault_of_ours(store: Store) -> None:
    put(store, "a")
    places = {("desk", 0): Place(5, 2)}
    assert waiting(store, {("desk", 0)}, places, waits_s=30.0) == {}
    assert waiting(store, {("desk", 0)}, places, waits_s=300.0)
