"""A worker that died on this machine is out of its group as soon as another starts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from gridcommand.rehearsal.servers import Servers
from models.topics import REPORTS
from streams import members
from streams.broker import EmbeddedBroker
from streams.declare import cluster_admin, declare_topics
from streams.members import is_dead, member_name, part_from_the_dead
from tests.streams.joining import joining

KAFKA_SESSION_S = 30.0
EMBEDDED_SESSION_S = 6.0
"""Tansu lets nobody in before half of it."""
GROUP = "some"
MEMBER = f"""
import asyncio, sys
from aiokafka import AIOKafkaConsumer
from streams.members import member_name

async def main():
    member = AIOKafkaConsumer(
        "{REPORTS}", bootstrap_servers=sys.argv[1], group_id="{GROUP}", client_id=member_name(),
        session_timeout_ms=round(float(sys.argv[2]) * 1000), enable_auto_commit=False,
    )
    await member.start()
    print("joined", flush=True)
    while True:
        await member.getmany(timeout_ms=100)

asyncio.run(main())
"""


@contextmanager
def member_elsewhere(servers: str, session_s: float) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is in the group."""
    command = [sys.executable, "-c", MEMBER, servers, str(session_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"joined\n"
        yield process
    finally:
        process.kill()
        process.communicate()


async def join_after_a_death(servers: str, session_s: float) -> float:
    """Join the group in which somebody died; return as :func:`join`."""
    with member_elsewhere(servers, session_s) as dead:
        dead.kill()
        dead.wait()
    return await join(servers, session_s)


async def join(servers: str, session_s: float) -> float:
    """Part from the dead and join; return how long that took, in seconds."""
    began = time.monotonic()
    await part_from_the_dead(servers, GROUP)
    member = AIOKafkaConsumer(
        REPORTS,
        bootstrap_servers=servers,
        group_id=GROUP,
        client_id=member_name(),
        session_timeout_ms=round(session_s * 1000),
        enable_auto_commit=False,
    )
    try:
        await asyncio.wait_for(member.start(), 3 * session_s)
        return time.monotonic() - began
    finally:
        await member.stop()


@pytest.mark.broker
@pytest.mark.timeout(120)
async def test_the_dead_are_parted_from_on_the_embedded_broker(log_dir: Path) -> None:
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    await broker.start()
    try:
        await declare_topics(broker.servers)
        assert await join_after_a_death(broker.servers, EMBEDDED_SESSION_S) < EMBEDDED_SESSION_S
    finally:
        await broker.stop()


@pytest.mark.broker
@pytest.mark.timeout(120)
async def test_who_died_while_its_group_was_formed_keeps_nobody_out(log_dir: Path) -> None:
    """The embedded broker believes in a leader that left then, and lets nobody in any more."""
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    await broker.start()
    dead = f"{member_name().rpartition('.')[0]}.1"
    try:
        await declare_topics(broker.servers)
        async with joining(broker.servers, GROUP, dead):
            assert is_dead(dead)
            assert await join(broker.servers, EMBEDDED_SESSION_S) < 2 * EMBEDDED_SESSION_S
    finally:
        await broker.stop()


@pytest.mark.parametrize(
    "servers", [pytest.param("kafka", marks=pytest.mark.servers)], indirect=True
)
@pytest.mark.broker
@pytest.mark.timeout(120)
async def test_the_dead_are_parted_from_on_kafka_and_the_living_are_not(servers: Servers) -> None:
    address = servers.programs["broker"].address
    await declare_topics(address)
    with member_elsewhere(address, KAFKA_SESSION_S) as living:
        assert await join_after_a_death(address, KAFKA_SESSION_S) < KAFKA_SESSION_S / 3
        async with cluster_admin(address) as admin:
            (answer,) = await admin.describe_consumer_groups([GROUP])
        left = [member_id for *_, of_group in answer.groups for member_id, *_ in of_group]
        assert [f".{living.pid}." in one for one in left] == [True]


def test_only_who_was_seen_here_can_be_dead() -> None:
    own = member_name()
    with subprocess.Popen(["sleep", "60"]) as process:
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
    await part_from_the_dead("127.0.0.1:1", GROUP)
