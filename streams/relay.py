"""The relay: from the inbox in the database to Kafka, until the journal has it.

Intake acknowledges what the inbox holds; the relay alone knows the broker, so a broker that is
down delays reports and stops no intake. A row is done when the database says it is finished (the
journal or the dead letters have it), not when Kafka took it. What isn't finished after
``relay_retry_s``, or when the broker came back, is published again; the desk applies it once.

A backlog that is more than a window goes most urgent first, as far as intake could tell, and the
oldest of these first.

Relies on event ids for applying once, and on the bound :data:`WINDOW` for never flooding a slow
desk with repeats.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from models import tracing
from models.dead_letters import DeadLetterRow
from models.inbox import Inbox, UnfinishedRow
from models.settings import Settings
from models.words import PRIORITIES
from streams.publisher import OVERSIZE, Publisher

log = logging.getLogger(__name__)

WINDOW = 2_000
"""Rows that are published and not finished at most; the others wait in the inbox."""

SWEEP_S = 0.25
FULL_SWEEP_S = 0.05
IDLE_SWEEP_S = 2.0
"""How often finished rows are taken off the window, in seconds, how often when it is full, and how
often all of the inbox is looked at when nothing is in flight: a row whose transaction was slow has
a lower id than one that was read before it."""

REST_S = 0.018
"""Pause after a publication, in seconds. A report after a quiet moment goes at once; a hundred a
second go two by two, which costs every stage behind half the work, and a shorter pause makes each
of them slower: the embedded broker's answers take longer the more records it holds."""

DATABASE_PAUSE_S = 1.0
_LONG_AGO = float("-inf")


class _Traced(msgspec.Struct):
    traceparent: str = ""


_decode = msgspec.json.Decoder(_Traced).decode


class Relay:
    """Publishes the inbox. One in a consumer group is active at a time.

    Parameters
    ----------
    inbox
        The store, or its part of it; called on a thread.
    give_up
        Keeps a dead letter and finishes its row: for what no broker takes.
    is_active
        Whether this process is the one that publishes now; more than one is harmless.
    claims
        Who has the desks, as something to compare: a desk that was claimed anew may have lost what
        waited for it, and all is published again. Called on a thread.
    """

    def __init__(
        self,
        settings: Settings,
        inbox: Inbox,
        publisher: Publisher,
        give_up: Callable[[DeadLetterRow], Awaitable[object]],
        is_active: Callable[[], bool] = lambda: True,
        claims: Callable[[], object] = lambda: None,
    ) -> None:
        self._poll_s = settings.relay_poll_ms / 1000
        self._retry_s = settings.relay_retry_s
        self._inbox = inbox
        self._publisher = publisher
        self._give_up = give_up
        self._is_active = is_active
        self._claims = claims
        self._claimed: object = None
        self._sent_at: dict[int, float] = {}
        self._last_id = 0
        self._lanes: dict[int, int] | None = None
        """While there is a backlog: priority to the last id that was read of it."""
        self._swept_at = _LONG_AGO
        self._failures = 0
        self._turns = 0

    @property
    def turns(self) -> int:
        """Looks into the inbox that came to an end since the start, well or not."""
        return self._turns

    @property
    def in_flight(self) -> int:
        """Rows published and not known to be finished."""
        return len(self._sent_at)

    def publish_again(self) -> None:
        """Publish all unfinished rows at the next look: the broker may have lost them."""
        for row_id in self._sent_at:
            self._sent_at[row_id] = _LONG_AGO
        self._swept_at = _LONG_AGO

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until ``stop`` is set; outlives any failure of broker or database.

        While the broker is away it waits in a send: cancel it to end it then.
        """
        while not stop.is_set():
            pause = self._poll_s
            try:
                if not self._is_active():
                    self._forget()
                elif await self.step():
                    pause = REST_S
            except Exception as error:
                log.error("relay waits: %s: %s", type(error).__name__, error)
                pause = DATABASE_PAUSE_S
            self._turns += 1
            await asyncio.sleep(pause)

    async def step(self) -> int:
        """Look into the inbox once, publish what is new or due again, and return how many."""
        now = time.monotonic()
        room = WINDOW - len(self._sent_at)
        every_s = SWEEP_S if room > 0 else FULL_SWEEP_S
        if now - self._swept_at >= (every_s if self._sent_at else IDLE_SWEEP_S):
            if rows := await self._sweep(now):
                await self._publish(rows)
                return len(rows)
            room = WINDOW - len(self._sent_at)
        if room <= 0:
            return 0
        rows = await self._read(room)
        if rows:
            await self._publish(rows)
        if self._lanes is not None and len(rows) < room:
            # That was all there is.
            self._last_id = max(self._last_id, *self._lanes.values())
            self._lanes = None
        return len(rows)

    async def _sweep(self, now: float) -> Sequence[UnfinishedRow]:
        """The rows that are due again; those no longer unfinished leave the window."""
        claimed = await asyncio.to_thread(self._claims)
        if claimed != self._claimed:
            self._claimed = claimed
            self.publish_again()
        open_ids: Sequence[int] = []
        if self._lanes is None:
            open_ids = await asyncio.to_thread(self._inbox.unfinished_ids, WINDOW)
            if len(open_ids) >= WINDOW:
                self._lanes = dict.fromkeys(PRIORITIES, self._last_id)
        if self._lanes is not None:
            # The oldest are others than those that are in flight.
            open_ids = await asyncio.to_thread(self._inbox.unfinished_ids_of, self._sent_at.keys())
        self._swept_at = now
        self._sent_at = {key: self._sent_at[key] for key in open_ids if key in self._sent_at}
        due = [key for key in open_ids if now - self._sent_at.get(key, _LONG_AGO) >= self._retry_s]
        if not due:
            return []
        return await asyncio.to_thread(self._inbox.unfinished_of, due)

    async def _read(self, room: int) -> Sequence[UnfinishedRow]:
        if self._lanes is None:
            return await asyncio.to_thread(self._inbox.unfinished_after, self._last_id, room)
        return await asyncio.to_thread(self._inbox.most_urgent_after, self._lanes, room)

    async def _publish(self, rows: Sequence[UnfinishedRow]) -> None:
        began = time.monotonic()
        await asyncio.gather(
            *(self._publish_key(topic, key, some) for (topic, key), some in by_key(rows).items())
        )
        now = time.monotonic()
        if tracing.is_on():
            for row in rows:
                tracing.note("relay", _decode(row.body).traceparent, now - began)
        for row in rows:
            self._sent_at[row.id] = now
            if self._lanes is None:
                self._last_id = max(self._last_id, row.id)
            else:
                self._lanes[row.priority] = max(self._lanes[row.priority], row.id)
        if self._publisher.failures != self._failures:
            self._failures = self._publisher.failures
            # It was away and may be empty now.
            for row_id in self._sent_at.keys() - {row.id for row in rows}:
                self._sent_at[row_id] = _LONG_AGO
            self._swept_at = _LONG_AGO

    async def _publish_key(self, topic: str, key: str, rows: Sequence[UnfinishedRow]) -> None:
        refused = await self._publisher.publish(topic, key, [row.body for row in rows])
        for place, reason in refused.items():
            row = rows[place]
            await self._give_up(
                DeadLetterRow(
                    at=datetime.now(UTC),
                    topic=topic,
                    key=key,
                    body=row.body,
                    code=OVERSIZE,
                    reason=reason,
                    jurisdiction=row.jurisdiction,
                    exercise=row.exercise,
                    event_id=row.event_id,
                    stage="relay",
                )
            )

    def _forget(self) -> None:
        self._sent_at.clear()
        self._last_id = 0
        self._lanes = None
        self._swept_at = _LONG_AGO


def by_key(rows: Iterable[UnfinishedRow]) -> dict[tuple[str, str], list[UnfinishedRow]]:
    """Rows by topic and key, in their order."""
    found: dict[tuple[str, str], list[UnfinishedRow]] = {}
    for row in rows:
        found.setdefault((row.topic, row.key), []).append(row)
    return found
