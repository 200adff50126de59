"""A worker that died on this machine is out of its group as soon as another starts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.yardstick import slowness
from models.topics import REPORTS
from streams import members
from streams.broker import EmbeddedBroker
from streams.declare import cluster_admin, declare_topics
from streams.members import is_dead, member_name, part_from_the_dead
from tests.streams.joining import joining
from tests.waiting import HANG_S

EMBEDDED_SESSION_S = 6.0
"""The embedded broker lets nobody in before half of it."""
EMBEDDED_LONG_S = 2 * EMBEDDED_SESSION_S
KAFKA_SESSION_S = 30.0
KAFKA_LONG_S = 2 * HANG_S
"""Not over before a wait for it is given up."""
MEMBER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer
from streams.members import member_name

async def main():
    servers, group, topic, session_s = sys.argv[1:]
    member = AIOKafkaConsumer(
        topic, bootstrap_servers=servers, group_id=group, client_id=member_name(),
        session_timeout_ms=round(float(session_s) * 1000), enable_auto_commit=False,
    )
    await member.start()
    print("joined", flush=True)
    while True:
        await member.getmany(timeout_ms=100)

asyncio.run(main())
"""


class Group(NamedTuple):
    """A group on a broker, of one topic."""

    servers: str
    name: str = "some"
    topic: str = REPORTS

    @contextmanager
    def member_elsewhere(self, session_s: float) -> Iterator[subprocess.Popen[bytes]]:
        """A process that is in the group."""
        command = [sys.executable, "-c", MEMBER, *self, str(session_s)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"joined\n"
            yield process
        finally:
            process.kill()
            process.communicate()

    def died(self, session_s: float) -> int:
        """Have somebody die in the group; return the process's number."""
        with self.member_elsewhere(session_s) as dead:
            dead.kill()
            dead.wait()
        return dead.pid

    async def pids(self) -> list[int]:
        """The processes that are members, as the broker has it."""
        async with cluster_admin(self.servers) as admin:
            (answer,) = await admin.describe_consumer_groups([self.name])
        ids = [member_id for *_, of_group in answer.groups for member_id, *_ in of_group]
        return [int(member_id.split(".")[2]) for member_id in ids]

    async def join(self, session_s: float) -> float:
        """Part from the dead and join; return how long that took, in seconds."""
        began = time.monotonic()
        await part_from_the_dead(self.servers, self.name)
        member = AIOKafkaConsumer(
            self.topic,
            bootstrap_servers=self.servers,
            group_id=self.name,
            client_id=member_name(),
            session_timeout_ms=round(session_s * 1000),
            enable_auto_commit=False,
        )
        try:
            await asyncio.wait_for(member.start(), HANG_S)
            return time.monotonic() - began
        finally:
            await member.stop()


@pytest.fixture
async def embedded(log_dir: Path) -> AsyncIterator[Group]:
    """A group on an embedded broker of its own."""
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    await broker.start()
    try:
        await declare_topics(broker.servers)
        yield Group(broker.servers)
    finally:
        await broker.stop()


@pytest.fixture
async def on_kafka(servers: Servers) -> Group:
    """A group and a topic of this test's own on a Kafka that others use too."""
    name = f"members-{uuid.uuid4().hex[:8]}"
    address = servers.programs["broker"].address
    async with cluster_admin(address) as admin:
        await admin.create_topics([NewTopic(name, 2, 1)])
    return Group(address, name, name)


with_kafka = pytest.mark.parametrize(
    "servers", [pytest.param("kafka", marks=pytest.mark.servers)], indirect=True
)


@pytest.mark.broker
async def test_the_dead_are_parted_from_on_the_embedded_broker(
    embedded: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "WITHIN_S", HANG_S)
    dead = embedded.died(EMBEDDED_LONG_S)
    assert await embedded.pids() == [dead]
    await part_from_the_dead(embedded.servers, embedded.name)
    assert await embedded.pids() == []


@pytest.mark.timely
@pytest.mark.broker
async def test_who_follows_a_dead_worker_is_in_before_its_session_ends_on_the_embedded_broker(
    embedded: Group,
) -> None:
    embedded.died(EMBEDDED_SESSION_S)
    assert await embedded.join(EMBEDDED_SESSION_S) < EMBEDDED_SESSION_S * slowness()


@pytest.mark.broker
async def test_who_died_while_its_group_was_formed_keeps_nobody_out(embedded: Group) -> None:
    """The embedded broker believes in a leader that left then, and lets nobody in any more."""
    dead = f"{member_name().rpartition('.')[0]}.1"
    async with joining(embedded.servers, embedded.name, dead):
        assert is_dead(dead)
        await embedded.join(EMBEDDED_SESSION_S)


@pytest.mark.timely
@pytest.mark.broker
async def test_who_died_while_its_group_was_formed_keeps_nobody_out_for_long(
    embedded: Group,
) -> None:
    dead = f"{member_name().rpartition('.')[0]}.1"
    async with joining(embedded.servers, embedded.name, dead):
        assert await embedded.join(EMBEDDED_SESSION_S) < 2 * EMBEDDED_SESSION_S * slowness()


@with_kafka
@pytest.mark.broker
async def test_the_dead_are_parted_from_on_kafka_and_the_living_are_not(
    on_kafka: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "WITHIN_S", HANG_S)
    with on_kafka.member_elsewhere(KAFKA_LONG_S) as living:
        on_kafka.died(KAFKA_LONG_S)
        # While the dead one counts nobody is let in, and it would count for longer than this waits.
        await on_kafka.join(KAFKA_LONG_S)
        assert await on_kafka.pids() == [living.pid]


@with_kafka
@pytest.mark.timely
@pytest.mark.broker
async def test_who_follows_a_dead_worker_is_in_at_once_on_kafka(on_kafka: Group) -> None:
    with on_kafka.member_elsewhere(KAFKA_SESSION_S):
        on_kafka.died(KAFKA_SESSION_S)
        assert await on_kafka.join(KAFKA_SESSION_S) < KAFKA_SESSION_S / 3 * slowness()


def test_only_who_was_seen_here_can_be_dead() -> None:
    own = member_name()
    with subprocess.Popen(["sleep", "3600"]) as process:
        theirs = f"{own.rpartition('.')[0].rpartition('.')[0]}.{process.pid}"
        started = members._started(process.pid)
        assert not is_dead(f"{own}-7d4e")
        assert not is_dead(f"{theirs}.{started}-7d4e")
        assert is_dead(f"{theirs}.{int(started) - 1}-7d4e"), "its number is another's by now"
        process.kill()
        process.wait()
        assert is_dead(f"{theirs}.{started}-7d4e")
    elsewhere = f"{members.PREFIX}.00000000f0000000.{process.pid}.{started}-7d4e"
    for name in (elsewhere, "rdkafka-7d4e", "", f"{members.PREFIX}.{'0' * 32}-7d4e", "worker.."):
        assert not is_dead(name)


def test_without_proc_nobody_is_taken_for_dead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = member_name()
    monkeypatch.setattr(members, "_PROC", tmp_path)
    assert not is_dead(f"{name}-7d4e")
    assert not is_dead(f"{member_name()}-7d4e")
    assert member_name() != member_name()


async def test_no_broker_is_no_reason_not_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise KafkaError("away")

    monkeypatch.setattr(members, "_part", fails)
    await part_from_the_dead("127.0.0.1:1", "some")
