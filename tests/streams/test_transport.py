"""Faust's transport as ours: nothing from before its group was left is committed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiokafka import OffsetAndMetadata, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import CommitFailedError
from faust.types import TP, Message

from models.settings import Settings
from models.topics import REPORTS
from streams.app import make_app
from streams.broker import EmbeddedBroker
from streams.declare import declare_topics
from streams.transport import Member
from tests.waiting import HANG_S

PLACE = TopicPartition(REPORTS, 0)


async def assigned(member: Member) -> None:
    async with asyncio.timeout(HANG_S):
        while not member.assignment():
            await member.getmany(timeout_ms=100)


@pytest.mark.broker
async def test_only_a_member_of_the_group_commits(log_dir: Path) -> None:
    """The broker would take it from anybody, and pass over as many records of its own."""
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    async with AsyncExitStack() as stack:
        await broker.start()
        stack.push_async_callback(broker.stop)
        await declare_topics(broker.servers)
        member = Member(bootstrap_servers=broker.servers, group_id="some", enable_auto_commit=False)
        await member.start()
        stack.push_async_callback(member.stop)
        member.assign([PLACE])
        with pytest.raises(CommitFailedError):
            await member.commit({PLACE: OffsetAndMetadata(224, "")})
        assert await member.committed(PLACE) is None
        member.unsubscribe()
        member.subscribe([REPORTS])
        await assigned(member)
        await member.commit({PLACE: OffsetAndMetadata(3, "")})
        assert await member.committed(PLACE) == 3
        before = member._subscription.subscription.assignment
        member._subscription.assign_from_subscribed({PLACE})
        with pytest.raises(CommitFailedError):
            await member._coordinator.commit_offsets(before, {PLACE: OffsetAndMetadata(224, "")})
        assert await member.committed(PLACE) == 3


@pytest.mark.broker
async def test_a_member_joins_though_no_node_counts_itself_in_at_first(
    log_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Kafka says it for a moment that was halted for longer than its session."""
    monkeypatch.setattr("streams.transport.NODES_KNOWN_WITHIN_S", HANG_S)
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    update, early = ClusterMetadata.update_metadata, [3]

    def without_nodes(cluster: ClusterMetadata, metadata: Any) -> None:
        early[0] -= 1
        if early[0] < 0:
            update(cluster, metadata)

    async with AsyncExitStack() as stack:
        await broker.start()
        stack.push_async_callback(broker.stop)
        await declare_topics(broker.servers)
        monkeypatch.setattr(ClusterMetadata, "update_metadata", without_nodes)
        member = Member(bootstrap_servers=broker.servers, group_id="some", enable_auto_commit=False)
        stack.push_async_callback(member.stop)
        await member.start()
        member.subscribe([REPORTS])
        await assigned(member)
    assert early[0] < 0


async def test_what_came_before_partitions_were_told_anew_says_not_how_far_the_place_is() -> None:
    """An agent still has it when its broker is already another, empty one."""
    place = TP(REPORTS, 0)
    app = make_app(Settings(broker_port=1), app_id="some")
    app.topics._acking_topics.add(REPORTS)
    consumer = app.consumer

    def given(offset: int) -> Message:
        message = Message(REPORTS, 0, offset, 0.0, 0, [], None, b"", None)
        consumer.track_message(message)
        return message

    old, older = given(223), given(222)
    assert consumer.ack(older)
    await consumer.on_partitions_revoked({place})
    assert not consumer.ack(old)
    assert consumer._new_offset(place) is None
    assert consumer.ack(given(0))
    assert consumer._new_offset(place) == 1


async def test_nothing_is_committed_from_a_held_record_on() -> None:
    """Faust alone would, where the record that isn't acknowledged is the first."""
    place, other = TP(REPORTS, 0), TP(REPORTS, 1)
    app = make_app(Settings(broker_port=1), app_id="some")
    app.topics._acking_topics.add(REPORTS)
    consumer = app.consumer

    def handle(*offsets: int, tp: TP = place) -> None:
        for offset in offsets:
            message = Message(tp.topic, tp.partition, offset, 0.0, 0, [], None, b"", None)
            consumer.track_message(message)
            assert consumer.ack(message)

    handle(0, 1)
    consumer.hold(place, 2)
    handle(2, 3, 4)
    handle(0, tp=other)
    assert (consumer._new_offset(place), consumer._new_offset(other)) == (2, 1)
    consumer._committed_offset[place] = 2
    handle(5)
    assert consumer._new_offset(place) is None
    consumer.let_go(place)
    consumer.hold(place, 6)
    handle(6, 7)
    assert consumer._new_offset(place) == 6
    consumer._committed_offset[place] = 6
    await consumer.on_partitions_revoked({place})
    handle(6, 7)
    assert consumer._new_offset(place) == 8
