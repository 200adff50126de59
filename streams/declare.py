"""Waits for a broker and the topics of :mod:`models.topics`; makes them on the embedded one.

On a cluster they are made by ``gridcommand topics apply`` (:mod:`streams.topic_plan`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from models.topics import all_topics
from streams.errors import BrokerError
from streams.handshake import answers

log = logging.getLogger(__name__)

RETRY_S = 0.05
TOPICS_RETRY_S = 0.5
TRY_S = 5.0
SAY_FIRST_S = 2.0
SAY_EVERY_S = 30.0


async def wait_for_kafka(servers: str, within_s: float | None = None) -> None:
    """Return when a broker answers the Kafka protocol and lets a client in.

    Parameters
    ----------
    within_s
        Without it this waits as long as it takes, and says so in the log now and then.

    Raises
    ------
    BrokerError
        When none of ``servers`` (``host:port,…``) answers within ``within_s`` seconds.
    """
    began = time.monotonic()
    say_at = began + SAY_FIRST_S
    while not await _lets_in(servers):
        now = time.monotonic()
        if within_s is not None and now > began + within_s:
            raise BrokerError(f"no Kafka broker answers at {servers} after {within_s:g} s")
        if within_s is None and now > say_at:
            log.warning("no Kafka broker answers at %s: this waits until one does", servers)
            say_at = now + SAY_EVERY_S
        await asyncio.sleep(RETRY_S)


async def wait_for_topics(servers: str) -> None:
    """Return when a cluster has all of the product's topics; never makes one.

    Partitions, copies and retention are for whoever runs the cluster to see first, so a worker
    only says what is missing, and the command.
    """
    say_at = time.monotonic()
    while True:
        try:
            async with cluster_admin(servers) as admin:
                there = set(await admin.list_topics())
        except (KafkaError, OSError, TimeoutError):
            await wait_for_kafka(servers)
            continue
        missing = [spec.name for spec in all_topics() if spec.name not in there]
        if not missing:
            return
        if time.monotonic() >= say_at:
            log.warning(
                "the topics %s are missing at %s: this waits for `gridcommand topics apply`",
                ", ".join(missing),
                servers,
            )
            say_at = time.monotonic() + SAY_EVERY_S
        await asyncio.sleep(TOPICS_RETRY_S)


async def declare_topics(servers: str) -> None:
    """Create those of the product's topics that an embedded broker lacks.

    Raises
    ------
    BrokerError
        When the broker can't be reached or refuses a topic.
    """
    topics = [
        NewTopic(
            spec.name, spec.partitions, 1, topic_configs={"retention.ms": str(spec.retention_ms)}
        )
        for spec in all_topics(embedded=True)
    ]
    try:
        async with cluster_admin(servers) as admin:
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


async def _lets_in(servers: str) -> bool:
    # Asked plainly first: a Kafka client logs an error for each try.
    if not await answers(servers):
        return False
    try:
        async with asyncio.timeout(TRY_S), cluster_admin(servers) as admin:
            # One that was halted answers before it counts itself in, and no client bears that.
            return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError, TimeoutError):
        return False
