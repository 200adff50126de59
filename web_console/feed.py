"""Feeds the hub: journal events from the ``updates`` topics, and from the journal itself.

Only journals that somebody watches, that moved of late, or that are the city's own have a room:
what a console holds doesn't grow with the drills of years.

For: low latency by Kafka and certainty by the database. The topics say what is new within
milliseconds; a look at the journals' heads every second finds whatever they didn't say, so a
broker that is away, was emptied or lost a record delays a screen by a second and hides nothing.

Reads all partitions of both sides without a group. On the embedded broker it starts at the
earliest record and drops what it knows, for that broker's end offsets can't be trusted; on Kafka
at the end, for the journal has the rest. Where the topics say nothing of a journal that moved, it
connects anew and starts at the other of the two.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from models.errors import EventError, NewerVersionError, StoreError
from models.events import Event, decode, label, split_batch
from models.inbox import Backlog
from models.journal import Head
from models.patient import PatientConsumer
from models.settings import Settings
from models.store import Store
from models.topics import EMBEDDED_PARTITIONS, TOPICS, UPDATES, topic_for
from models.workers import WorkerSign
from web_console.asking import Asking
from web_console.clocks import Clocks
from web_console.hub import Hub
from web_console.pipeline import PipelineWatch

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
LATELY_S: Final = 600.0
"""A room stays open for so long after its journal moved or somebody looked."""


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
    from_journal_only
        What is new comes from the journals alone: no broker, or topics that said nothing of it.
        Over with the first news that they bring.
    pipelines
        How the pipeline of live and exercise is, and which workers live.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: Hub,
        clocks: Clocks,
        ask: Asking,
        home: str,
    ) -> None:
        self._settings = settings
        self._store = store
        self._hub = hub
        self._clocks = clocks
        self._ask = ask
        self._home = home
        self._moved: dict[str, tuple[int, float]] = {}
        self._unreadable: set[str] = set()
        began = time.monotonic()
        self.pipelines = {exercise: PipelineWatch(began) for exercise in (False, True)}
        self._servers = bootstrap_servers(settings)
        self._untold: dict[str, tuple[int, float]] = {}
        """Of a journal, the first head that looking found before the topics said it, and when."""
        self._silent = False
        self._at_end = bool(settings.kafka_servers)
        self.broker_ready = False
        self.journal_ready = False
        self.has_begun = asyncio.Event()
        """Set once the journals were read, whatever becomes of them later."""

    @property
    def from_journal_only(self) -> bool:
        return not self.broker_ready or self._silent

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
        consumer = PatientConsumer(
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
            if self._at_end:
                await consumer.seek_to_end()
            self._untold.clear()
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
            self._check_told()
            await asyncio.sleep(PROBE_S)

    def _check_told(self) -> None:
        now = time.monotonic()
        silent = [of for of, (_, since) in self._untold.items() if now - since > SILENT_S]
        if not silent:
            return
        self._silent = True
        if not self._settings.kafka_servers:
            # What it stands at may be far behind, or nowhere: from the other side, then.
            self._at_end = not self._at_end
        raise TimeoutError(f"{', '.join(silent)} moved and the topics said nothing")

    async def _take(self, consumer: Any) -> None:
        while True:
            records = await consumer.getmany(timeout_ms=1000)
            for batch in records.values():
                for record in batch:
                    await self._take_record(record.value)

    async def _take_record(self, value: bytes) -> None:
        new: dict[str, list[Event]] = {}
        unread: dict[str, int] = {}
        try:
            for raw in split_batch(value):
                said = label(raw)
                known = self._hub.known_seq(said.jurisdiction) or 0
                self._note_told(said.jurisdiction, said.seq)
                if said.seq <= known or not self._hub.follows(said.jurisdiction):
                    continue
                try:
                    new.setdefault(said.jurisdiction, []).append(decode(raw))
                except EventError:
                    # A newer desk's, perhaps. The journal has it, and the hub goes past it there.
                    unread[said.jurisdiction] = said.seq
        except EventError as error:
            # The journal has every event, so nothing is lost by leaving a bad record out.
            log.error("a record of the updates can't be read: %s", error)
            return
        for jurisdiction, events in new.items():
            self._silent = False
            try:
                await self._hub.take(jurisdiction, events)
                if jurisdiction in unread:
                    room = await self._hub.room(jurisdiction)
                    await self._hub.heal(room, unread[jurisdiction])
            except StoreError as error:
                log.warning("%s: %s", jurisdiction, error)

    def _note_told(self, jurisdiction: str, seq: int) -> None:
        untold = self._untold.get(jurisdiction)
        if untold is not None and seq >= untold[0]:
            del self._untold[jurisdiction]
            self._silent = False

    # ── the journal ───────────────────────────────────────────────────────────────────────────

    async def _look_forever(self) -> None:
        while True:
            try:
                await self._look()
                if not self.journal_ready:
                    log.info("journals are read")
                self.journal_ready = True
                self.has_begun.set()
            except StoreError as error:
                if self.journal_ready:
                    log.warning("journals can't be read: %s", error)
                self.journal_ready = False
            await asyncio.sleep(LOOK_S if self.broker_ready else LOOK_AWAY_S)

    async def _look(self) -> None:
        heads = await self._ask.shared(self._store.heads)
        of_late = self._moved_of_late(heads)
        for head in heads:
            if head.jurisdiction in of_late or self._hub.follows(head.jurisdiction):
                try:
                    await self._follow(head)
                except NewerVersionError as error:
                    if head.jurisdiction not in self._unreadable:
                        log.error("%s", error)
                    self._unreadable.add(head.jurisdiction)
        self._hub.close_unused(of_late, LATELY_S)
        for gone in [one for one in self._untold if not self._hub.follows(one)]:
            del self._untold[gone]

    async def _follow(self, head: Head) -> None:
        room = await self._hub.room(head.jurisdiction, used=False)
        if room.seq >= head.seq:
            return
        if self.broker_ready:
            # What was just committed is on its way; give the topics their moment.
            await asyncio.sleep(0.2)
            if room.seq >= head.seq:
                return
            self._untold.setdefault(head.jurisdiction, (head.seq, time.monotonic()))
        await self._hub.heal(room, head.seq)

    def _moved_of_late(self, heads: Iterable[Head]) -> set[str]:
        """Return the journals that moved within :data:`LATELY_S`, and the city's own."""
        now, wall = time.monotonic(), datetime.now(UTC)
        before, self._moved = self._moved, {}
        for head in heads:
            known = before.get(head.jurisdiction)
            if known is not None:
                moved_at = known[1] if known[0] == head.seq else now
            elif head.last_commit_at is None:
                moved_at = -math.inf
            else:
                moved_at = now - max(0.0, (wall - head.last_commit_at).total_seconds())
            self._moved[head.jurisdiction] = (head.seq, moved_at)
        return {self._home} | {
            name for name, (_, moved_at) in self._moved.items() if now - moved_at < LATELY_S
        }

    # ── the heartbeat ─────────────────────────────────────────────────────────────────────────

    async def _beat_forever(self) -> None:
        while True:
            started = time.monotonic()
            try:
                async with asyncio.timeout(self._settings.heartbeat_s):
                    await self._pulse()
            except (StoreError, TimeoutError):
                now = time.monotonic()
                for exercise, watch in self.pipelines.items():
                    self._hub.pipelines[exercise] = watch.heard_nothing(datetime.now(UTC), now)
            self._hub.beat()
            await asyncio.sleep(max(0.05, started + self._settings.heartbeat_s - time.monotonic()))

    async def _pulse(self) -> None:
        for room in list(self._hub.rooms):
            await self._clocks.refresh(room.jurisdiction)
        await self.look_at_pipeline()

    async def look_at_pipeline(self) -> None:
        """Ask the database how the pipeline is, one at a time whoever asks.

        Raises
        ------
        StoreError
            When it doesn't say so in time.
        """
        backlogs, signs = await self._ask.shared(_standing, self._store)
        # By our clock's time of receipt: a drill's time says nothing about our speed.
        wall, mono = datetime.now(UTC), time.monotonic()
        for exercise, watch in self.pipelines.items():
            self._hub.pipelines[exercise] = watch.saw(backlogs[exercise], signs, wall, mono)


def _standing(store: Store) -> tuple[dict[bool, Backlog], list[WorkerSign]]:
    return store.backlogs(), store.worker_signs()


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
