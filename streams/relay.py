"""The relay: from the inbox in the database to Kafka, until the journal has it.

Intake acknowledges what the inbox holds; the relay alone knows the broker, so a broker that is
down delays reports and stops no intake. A row is done when the database says it is finished (the
journal or the dead letters have it), not when Kafka took it. What isn't finished after
``relay_retry_s``, or when the broker came back, is published again, the most urgent first; the
desk applies it once, by the event's id.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from models.inbox import Inbox, InboxRow
from models.settings import Settings
from streams.publisher import Publisher

log = logging.getLogger(__name__)

PAGE = 1_000
"""Rows taken from the inbox at once."""

REPEAT_EVERY_S = 1.0
"""How often a page of overdue rows is published again: a desk that is only slow must not drown
in repeats of what it has in front of it."""

MARK_EVERY_S = 0.25
"""How long "was published" may wait for its write; after a crash it costs a repeat."""

DATABASE_PAUSE_S = 1.0


class Relay:
    """Publishes the inbox. One in a consumer group is active at a time.

    Parameters
    ----------
    inbox
        The store, or its part of it; called on a thread.
    is_active
        Whether this process is the one that publishes now; more than one is harmless, for
        repeats are.
    """

    def __init__(
        self,
        settings: Settings,
        inbox: Inbox,
        publisher: Publisher,
        is_active: Callable[[], bool] = lambda: True,
    ) -> None:
        self._poll_s = settings.relay_poll_ms / 1000
        self._retry = timedelta(seconds=settings.relay_retry_s)
        self._inbox = inbox
        self._publisher = publisher
        self._is_active = is_active
        self._last_id = 0
        self._unmarked: list[int] = []
        self._marked_at = time.monotonic()
        self._repeated_at = time.monotonic()
        self._again_before: datetime | None = datetime.now(UTC)
        self._failures = 0

    def publish_again(self) -> None:
        """Publish all that is unfinished now once more: the broker may have lost it."""
        self._again_before = datetime.now(UTC)

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until ``stop`` is set; outlives any failure of broker or database."""
        was_active = False
        while not stop.is_set():
            pause = self._poll_s
            is_active = self._is_active()
            try:
                if is_active and not was_active:
                    self.publish_again()
                if is_active and await self.step():
                    pause = 0.0
            except Exception as error:
                log.error("relay waits: %s: %s", type(error).__name__, error)
                pause = DATABASE_PAUSE_S
            was_active = is_active
            await asyncio.sleep(pause)

    async def step(self) -> int:
        """Look into the inbox once, publish what is new or due again, and return how many."""
        now = time.monotonic()
        if self._again_before is not None:
            rows = await self._take_unfinished(self._again_before)
            if not rows:
                self._again_before = None
        elif now - self._repeated_at >= REPEAT_EVERY_S:
            self._repeated_at = now
            rows = await self._take_unfinished(datetime.now(UTC) - self._retry)
        else:
            rows = await asyncio.to_thread(self._inbox.take_new, self._last_id, PAGE)
            if rows:
                self._last_id = rows[-1].row_id
        if rows:
            await self._publish(rows)
        if self._unmarked and now - self._marked_at >= MARK_EVERY_S:
            await self._mark()
        return len(rows)

    async def _take_unfinished(self, before: datetime) -> list[InboxRow]:
        # What was published and not yet noted would be taken for unpublished.
        await self._mark()
        return await asyncio.to_thread(self._inbox.take_unfinished, before, PAGE)

    async def _publish(self, rows: Sequence[InboxRow]) -> None:
        await asyncio.gather(
            *(
                self._publisher.publish(topic, key, bodies)
                for (topic, key), bodies in by_key(rows).items()
            )
        )
        self._unmarked.extend(row.row_id for row in rows)
        if self._again_before is not None:
            await self._mark()
        if self._publisher.failures != self._failures:
            # The broker was away and may have come back empty.
            self._failures = self._publisher.failures
            await self._mark()
            self.publish_again()

    async def _mark(self) -> None:
        if self._unmarked:
            await asyncio.to_thread(
                self._inbox.mark_published, tuple(self._unmarked), datetime.now(UTC)
            )
            self._unmarked.clear()
        self._marked_at = time.monotonic()


def by_key(rows: Iterable[InboxRow]) -> dict[tuple[str, str], list[bytes]]:
    """Bodies by topic and key, in the rows' order."""
    found: dict[tuple[str, str], list[bytes]] = {}
    for row in rows:
        found.setdefault((row.topic, row.key), []).append(row.body)
    return found
