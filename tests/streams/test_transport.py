"""Faust's transport as ours: who is thrown out of its group commits nothing."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import OffsetAndMetadata, TopicPartition
from aiokafka.errors import CommitFailedError

from models.topics import REPORTS
from streams.broker import EmbeddedBroker
from streams.declare import declare_topics
from streams.transport import Member

pytestmark = pytest.mark.broker
PLACE = TopicPartition(REPORTS, 0)


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
        while not member.assignment():
            await member.getmany(timeout_ms=100)
        await member.commit({PLACE: OffsetAndMetadata(3, "")})
        assert await member.committed(PLACE) == 3
