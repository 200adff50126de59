"""Declare the topics of :mod:`models.topics` on a broker, the embedded one or Apache Kafka.

Partitions and retention come from the declaration, never from a broker's default. Does not
change a topic that exists.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from models.topics import all_topics
from streams.errors import BrokerError

RETRY_S = 0.05
COPIES = 3
"""Of each partition, where there are as many brokers: one may fail while another is down."""


async def wait_for_kafka(servers: str, within_s: float) -> None:
    """Return when a broker answers the Kafka protocol.

    Raises
    ------
    BrokerError
        When none of ``servers`` (``host:port,…``) answers within ``within_s`` seconds.
    """
    deadline = time.monotonic() + within_s
    while True:
        # A bare connection first: a Kafka client logs an error for each try.
        if await _accepts(servers):
            try:
                async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                    async with cluster_admin(servers):
                        return
            except (KafkaError, OSError, TimeoutError):
                pass
        if time.monotonic() > deadline:
            raise BrokerError(f"no Kafka broker answers at {servers} after {within_s:g} s")
        await asyncio.sleep(RETRY_S)


async def declare_topics(servers: str, *, embedded: bool) -> None:
    """Create those of the product's topics that are missing.

    Parameters
    ----------
    servers
        Bootstrap servers ``host:port,…``.
    embedded
        Whether that is the embedded broker; on a cluster there are more partitions, and `COPIES`
        of each or one a broker.

    Raises
    ------
    BrokerError
        When the broker can't be reached or refuses a topic.
    """
    try:
        async with cluster_admin(servers) as admin:
            brokers = 1 if embedded else len((await admin.describe_cluster())["brokers"])
            topics = [
                NewTopic(
                    spec.name,
                    spec.partitions,
                    min(COPIES, brokers),
                    topic_configs={"retention.ms": str(spec.retention_ms)},
                )
                for spec in all_topics(embedded=embedded)
            ]
            response = await admin.create_topics(topics)
    except (KafkaError, OSError) as error:
        raise BrokerError(f"can't declare topics at {servers}: {error}") from error
    for name, code, *message in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise BrokerError(f"topic {name}: {for_code(code).__name__} {message}")


@contextlib.asynccontextmanager
async def cluster_admin(servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an administrator's connection to ``servers`` until the block ends."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, client_id="gridcommand-declare")
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _accepts(servers: str) -> bool:
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except OSError:
            continue
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True
    return False
