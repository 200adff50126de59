"""A member of a group that comes half the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest

from models.topics import REPORTS


@asynccontextmanager
async def joining(
    servers: str, group: str, name: str
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Lead a group while it is formed, and go no further; yield how to leave it."""
    client = AIOKafkaClient(bootstrap_servers=servers, client_id=name)
    await client.bootstrap()
    try:
        (node,) = (one.nodeId for one in client.cluster.brokers())
        metadata = ConsumerProtocolMemberMetadata(0, [REPORTS], b"").encode()
        member = ""
        for _ in ("is told who it is", "joins"):
            asked = JoinGroupRequest(
                group, 2_000, 6_000, member, None, "consumer", [("roundrobin", metadata)]
            )
            member = (await client.send(node, asked)).member_id

        async def leave() -> None:
            await client.send(node, LeaveGroupRequest(group, member))

        yield leave
    finally:
        await client.close()
