"""The Faust app: how this product sets Faust up, in one place.

No tables, no web server, raw bytes in and out, at-least-once. Agents are put on it by
:mod:`streams.agents`; what they write is idempotent, so that an event delivered twice is
harmless. Runs inside our own event loop, not under Faust's command line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import faust
import psutil
from faust.tables import TableManager
from faust.types import TransportT

from models.settings import Settings
from models.topics import TopicSpec
from streams.declare import declare_topics, wait_for_kafka, wait_for_topics
from streams.errors import BrokerError
from streams.groups import APP_ID
from streams.members import member_name
from streams.transport import ShortWaitTransport

log = logging.getLogger(__name__)

# The embedded broker answers a waiting fetch only near the wait's end; Kafka at once.
EMBEDDED_FETCH_WAIT_MS = 7
KAFKA_FETCH_WAIT_MS = 500
# How long a worker that died without a word keeps its partitions: Kafka's default lower bound.
SESSION_S = 6.0
# The embedded broker makes whoever joins wait for 3 s while a dead worker still counts, and may
# then leave partitions to the dead: a session is over before its successor can be there.
EMBEDDED_SESSION_S = 2.0
REBALANCE_S = 6.0
HEARTBEAT_S = 0.5
METADATA_MS = 5 * 60 * 1000
# Whoever asks an embedded broker that was just started for a topic makes it, with four partitions.
EMBEDDED_METADATA_MS = 1_000
DECLARE_AGAIN_S = 0.5
REQUEST_S = 15.0
# Faust's stop commits what was read, and after a broker was lost that commit has been seen to hang.
# Cut short it costs repeats, which are harmless.
STOP_WITHIN_S = 2.0


class NoTables(TableManager):  # type: ignore[misc]
    """Manages no tables: Faust's waits for a second, in which somebody might make some."""

    async def on_start(self) -> None:
        """Say that all tables there will be are there."""
        await self._update_channels()
        await self.recovery.start()


class GridApp(faust.App):  # type: ignore[misc]
    """A Faust app on :class:`~streams.transport.ShortWaitTransport`."""

    fetch_wait_ms: int = EMBEDDED_FETCH_WAIT_MS

    def _new_transport(self) -> TransportT:
        transport = ShortWaitTransport(self.conf.broker_consumer, self)
        transport.fetch_wait_ms = self.fetch_wait_ms
        return transport


def kafka_servers(settings: Settings) -> str:
    """Return the bootstrap servers in force, ``host:port,…``.

    Raises
    ------
    BrokerError
        When neither a Kafka nor the embedded broker's port is named.
    """
    if settings.kafka_servers:
        return settings.kafka_servers
    if settings.broker_port:
        return f"127.0.0.1:{settings.broker_port}"
    raise BrokerError(
        "no broker is named: set GRIDCOMMAND_KAFKA_SERVERS, or GRIDCOMMAND_BROKER_PORT to the "
        "port that `gridcommand broker` listens on"
    )


def is_embedded(settings: Settings) -> bool:
    """Whether the embedded broker serves, which has no idempotent producer."""
    return not settings.kafka_servers


def make_app(settings: Settings, *, app_id: str = APP_ID) -> GridApp:
    """Return the Faust app, without agents.

    Parameters
    ----------
    settings
        ``kafka_servers``, ``broker_port`` and ``data_dir`` are read.
    app_id
        Consumer group; processes of one group share the partitions.
    """
    app = GridApp(
        app_id,
        broker=[f"kafka://{server.strip()}" for server in kafka_servers(settings).split(",")],
        store="memory://",
        datadir=str(settings.data_dir / "faust"),
        autodiscover=False,
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        processing_guarantee="at_least_once",
        TableManager=NoTables,
        broker_client_id=member_name(),
        broker_max_poll_records=500,
        broker_max_poll_interval=60.0,
        broker_session_timeout=EMBEDDED_SESSION_S if is_embedded(settings) else SESSION_S,
        broker_rebalance_timeout=REBALANCE_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_request_timeout=REQUEST_S,
        consumer_metadata_max_age_ms=EMBEDDED_METADATA_MS if is_embedded(settings) else METADATA_MS,
        broker_commit_interval=1.0,
        stream_buffer_maxsize=1024,
        stream_wait_empty=False,
    )
    app.fetch_wait_ms = EMBEDDED_FETCH_WAIT_MS if is_embedded(settings) else KAFKA_FETCH_WAIT_MS
    return app


def raw_topic(app: GridApp, spec: TopicSpec) -> Any:
    """Return the Faust topic of a declaration: bytes in, bytes out."""
    return app.topic(
        spec.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=spec.partitions,
    )


async def broker_at_hand(settings: Settings) -> None:
    """Return when the broker answers and has the topics, however long that takes.

    On the embedded broker they are made here; on Kafka they are waited for.
    """
    servers = kafka_servers(settings)
    while True:
        await wait_for_kafka(servers)
        if not is_embedded(settings):
            return await wait_for_topics(servers)
        try:
            return await declare_topics(servers)
        except BrokerError as error:
            log.warning("%s; trying again", error)
            await asyncio.sleep(DECLARE_AGAIN_S)


@contextlib.asynccontextmanager
async def running(
    app: GridApp, settings: Settings, *watching: asyncio.Task[None]
) -> AsyncIterator[asyncio.Task[None]]:
    """Run ``app`` in this event loop: start, stop. After :func:`broker_at_hand`.

    Parameters
    ----------
    watching
        Notice that the start hangs, by failing; their failure is raised then.

    Yields
    ------
    asyncio.Task
        Done when the app stopped or crashed by itself; awaiting it raises the crash's reason.
        The caller then ends the process, and whoever supervises it starts it again.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if is_embedded(settings):
        # Whoever was here before died before this process began.
        age_s = time.time() - psutil.Process().create_time()
        await asyncio.sleep(max(0.0, EMBEDDED_SESSION_S - age_s))
    tasks = [asyncio.create_task(app.start())]
    try:
        done, _ = await asyncio.wait([*tasks, *watching], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        ended = asyncio.create_task(_ended(app))
        tasks.append(ended)
        yield ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), STOP_WITHIN_S)


async def _ended(app: GridApp) -> None:
    await app.wait_until_stopped()
    if app.crash_reason is not None:
        raise app.crash_reason
