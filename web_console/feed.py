"""Feeds the hub: journal events from the ``updates`` topics, and from the journal itself.

For: low latency by Kafka and certainty by the database. The topics say what is new within
milliseconds; a look at the journals' heads every second finds whatever they didn't say, so a
broker that is away, was emptied or lost a record delays a screen by a second and hides nothing.

Reads all partitions of both sides without a group. On the embedded broker it starts at the
earliest record and drops what it knows, for that broker's end offsets can't be trusted; on Kafka
at the end, for the journal has the rest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from models.errors import EventError, StoreError
from models.events import Event, decode, split_batch
from models.settings import Settings
from models.store import Store
from models.topics import EMBEDDED_PARTITIONS, TOPICS, UPDATES, topic_for
from web_console.clocks import Clocks
from web_console.frames import Pipeline
from web_console.hub import Hub

log = logging.getLogger(__name__)

FETCH_WAIT_EMBEDDED_MS: Final = 10
FETCH_WAIT_KAFKA_MS: Final = 500
PROBE_S: Final = 2.0
RETRY_S: Final = 0.5
STOP_WITHIN_S: Final = 2.0
LOOK_S: Final = 1.0
LOOK_AWAY_S: Final = 0.25
SILENT_S: Final = 6.0
"""The journal moved for so long and the topics said nothing of it: connect anew."""
DELAYED_S: Final = 5.0
"""Age of the oldest unfinished report at which screens say that processing is delayed."""


class _Head(msgspec.Struct):
    jurisdiction: str = ""
    seq: int = 0


_decode_head = msgspec.json.Decoder(_Head).decode


def bootstrap_servers(settings: Settings) -> str:
    """Return the brokers to ask, ``host:port,…``; empty when none is named."""
    if settings.kafka_servers:
        return settings.kafka_servers
    return f"127.0.0.1:{settings.broker_port}" if settings.broker_port else ""


class Feed:
    """Keeps the hub true.

    Attributes
    ----------
    broker_ready
        The updates topics can be read.
    journal_ready
        The journals could be read at the last look.
    """

    def __init__(self, settings: Settings, store: Store, hub: Hub, clocks: Clocks) -> None:
        self._settings = settings
        self._store = store
        self._hub = hub
        self._clocks = clocks
        self._servers = bootstrap_servers(settings)
        self._heard_at = time.monotonic()
        self._found_by_looking_since: float | None = None
        self.broker_ready = False
        self.journal_ready = False

    async def run(self) -> None:
        """Feed until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_forever())
            tasks.create_task(self._beat_forever())
            if self._servers:
                tasks.create_task(self._listen_forever())

    # ── the topics ────────────────────────────────────────────────────────────────────────────

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen()
            except (KafkaError, OSError, TimeoutError) as error:
                if self.broker_ready:
                    log.warning("updates can't be read (%r); screens follow the journal", error)
                self.broker_ready = False
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # Nobody cancelled us: it is aiokafka's own, out of a connection that was lost.
                self.broker_ready = False
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        embedded = not self._settings.kafka_servers
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            client_id="gridcommand-console",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_EMBEDDED_MS if embedded else FETCH_WAIT_KAFKA_MS,
            request_timeout_ms=5000,
            retry_backoff_ms=100,
            metadata_max_age_ms=30_000,
        )
        topics = [topic_for(UPDATES, exercise=side) for side in (False, True)]
        try:
            await consumer.start()
            consumer.assign(
                [
                    TopicPartition(topic, number)
                    for topic in topics
                    for number in range(await self._partitions(consumer, topic))
                ]
            )
            if not embedded:
                await consumer.seek_to_end()
            self._heard_at = time.monotonic()
            self._found_by_looking_since = None
            await _first_failure(self._probe(consumer), self._take(consumer))
        finally:
            await stop_client(consumer)

    async def _partitions(self, consumer: Any, topic: str) -> int:
        if not self._settings.kafka_servers:
            return EMBEDDED_PARTITIONS
        # A town may have given its cluster more partitions than we declare.
        await consumer.topics()
        declared = next(spec.partitions for spec in TOPICS if spec.name == UPDATES)
        return max(declared, len(consumer.partitions_for_topic(topic) or ()))

    async def _probe(self, consumer: Any) -> None:
        while True:
            async with asyncio.timeout(PROBE_S):
                await consumer.topics()
            if not self.broker_ready:
                log.info("updates are read from %s", self._servers)
            self.broker_ready = True
            since = self._found_by_looking_since
            if since is not None and time.monotonic() - since > SILENT_S:
                raise TimeoutError("the journal moved and the topics said nothing")
            await asyncio.sleep(PROBE_S)

    async def _take(self, consumer: Any) -> None:
        while True:
            records = await consumer.getmany(timeout_ms=1000)
            for batch in records.values():
                for record in batch:
                    await self._take_record(record.value)

    async def _take_record(self, value: bytes) -> None:
        new: dict[str, list[Event]] = {}
        try:
            for raw in split_batch(value):
                head = _decode_head(raw)
                known = self._hub.known_seq(head.jurisdiction)
                if known is None or head.seq > known:
                    new.setdefault(head.jurisdiction, []).append(decode(raw))
        except (EventError, msgspec.DecodeError) as error:
            # The journal has every event, so nothing is lost by leaving a bad record out.
            log.error("a record of the updates can't be read: %s", error)
            return
        for jurisdiction, events in new.items():
            self._heard_at = time.monotonic()
            self._found_by_looking_since = None
            try:
                await self._hub.take(jurisdiction, events)
            except StoreError as error:
                log.warning("%s: %s", jurisdiction, error)

    # ── the journal ───────────────────────────────────────────────────────────────────────────

    async def _look_forever(self) -> None:
        while True:
            try:
                await self._look()
                if not self.journal_ready:
                    log.info("journals are read")
                self.journal_ready = True
            except StoreError as error:
                if self.journal_ready:
                    log.warning("journals can't be read: %s", error)
                self.journal_ready = False
            await asyncio.sleep(LOOK_S if self.broker_ready else LOOK_AWAY_S)

    async def _look(self) -> None:
        for head in await asyncio.to_thread(self._store.heads):
            room = await self._hub.room(head.jurisdiction)
            if room.seq >= head.seq:
                continue
            if self.broker_ready:
                # What was just committed is on its way; give the topics their moment.
                await asyncio.sleep(0.2)
                if room.seq >= head.seq:
                    continue
                if self._found_by_looking_since is None:
                    self._found_by_looking_since = time.monotonic()
            await self._hub.heal(room, head.seq)

    # ── the heartbeat ─────────────────────────────────────────────────────────────────────────

    async def _beat_forever(self) -> None:
        while True:
            started = time.monotonic()
            try:
                async with asyncio.timeout(self._settings.heartbeat_s):
                    await self._pulse()
            except (StoreError, TimeoutError):
                self._hub.pipeline = _delayed(self._hub.pipeline, None)
            self._hub.beat()
            await asyncio.sleep(max(0.05, started + self._settings.heartbeat_s - time.monotonic()))

    async def _pulse(self) -> None:
        for room in list(self._hub.rooms):
            await self._clocks.refresh(room.jurisdiction)
        oldest = await asyncio.to_thread(self._store.oldest_unfinished)
        # A drill's reports carry the drill's time, which says nothing about our speed.
        age_s = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
        if age_s > DELAYED_S:
            self._hub.pipeline = _delayed(self._hub.pipeline, age_s)
        else:
            self._hub.pipeline = Pipeline(oldest_unfinished_s=max(0.0, age_s))


def _delayed(before: Pipeline, age_s: float | None) -> Pipeline:
    since = before.since if before.state == "delayed" else datetime.now(UTC)
    age = before.oldest_unfinished_s if age_s is None else age_s
    return Pipeline(state="delayed", since=since, oldest_unfinished_s=age)


async def _first_failure(*endless: Coroutine[None, None, None]) -> None:
    # Neither gather nor a TaskGroup: when its connection is lost, aiokafka may end a call of ours
    # with a CancelledError that nobody asked for, and either would take it for our own end.
    tasks = [asyncio.create_task(one) for one in endless]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.cancelled():
                raise TimeoutError("the connection to the broker was given up")
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def stop_client(client: Any) -> None:
    """Stop a consumer or producer of aiokafka, whatever state its broker is in."""
    # Its own task, because stopping without a broker may end with a CancelledError as well.
    stopping = asyncio.create_task(client.stop())
    await asyncio.wait({stopping}, timeout=STOP_WITHIN_S)
    stopping.cancel()
    await asyncio.wait({stopping})
    if not stopping.cancelled() and (error := stopping.exception()):
        log.debug("a client of the broker stopped with %r", error)
