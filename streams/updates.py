"""Journal events on their way to the ``updates`` topic.

A desk must not wait for a broker once its transaction stands, so committed events are queued
here. The queue is bounded: when it is full the oldest go, for screens read what they miss from
the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from models.events import decode
from models.topics import UPDATES, topic_for
from models.words import is_exercise
from streams.publisher import Publisher

log = logging.getLogger(__name__)

CAPACITY = 10_000
"""Events that may wait; a desk under load makes that many in some seconds."""


class Updates:
    """Publishes what desks committed, in order."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: deque[tuple[str, list[bytes]]] = deque()
        self._count = 0
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Events that wait for the broker."""
        return self._count

    async def put(self, jurisdiction: str, events: list[bytes]) -> None:
        """Queue events; never waits."""
        self._waiting.append((jurisdiction, events))
        self._count += len(events)
        lost = max(0, self._count - CAPACITY)
        if lost and not self.dropped:
            log.warning(
                "the broker is away for long: updates are dropped, screens read the journal"
            )
        self.dropped += lost
        while self._count > CAPACITY:
            too_many = self._count - CAPACITY
            of, oldest = self._next()
            if len(oldest) > too_many:
                self._waiting.appendleft((of, oldest[too_many:]))
                self._count += len(oldest) - too_many
        self._some.set()
        self._none.clear()

    async def flush(self) -> None:
        """Return when all that was put is published; :meth:`run` does it."""
        await self._none.wait()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                jurisdiction, first = self._next()
                events = [*first]
                while self._waiting and self._waiting[0][0] == jurisdiction:
                    events += self._next()[1]
                topic = topic_for(UPDATES, exercise=is_exercise(jurisdiction))
                refused = await self._publisher.publish(topic, jurisdiction, events)
                for place, reason in refused.items():
                    about = {"event": decode(events[place]).id, "jurisdiction": jurisdiction}
                    log.error("no update, screens read the journal: %s", reason, extra=about)
            self.dropped = 0
            self._none.set()

    def _next(self) -> tuple[str, list[bytes]]:
        jurisdiction, events = self._waiting.popleft()
        self._count -= len(events)
        return jurisdiction, events
