"""How far behind the partitions are that a worker holds: what the group has done of what is there.

Asked of the broker by a client of its own, so that it is true of a consumer that stands still as
well. The embedded broker's end offsets can't be trusted: there only what is done is known.

A worker's metrics and its watchdog read it. Not for deciding what to consume.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.handshake import answers
from streams.metrics import LAG

log = logging.getLogger(__name__)

ASK_WITHIN_S = 5.0
FRESH_S = 1.0
"""What was seen holds until the look after the next one, and for so long beyond that."""


class Place(NamedTuple):
    """Where a group is in a partition.

    Attributes
    ----------
    done
        Offset that comes next; None where nothing was ever committed or handled.
    behind
        Records that are there and not done; None where the broker's word on it is not good.
    """

    done: int | None
    behind: int | None


class Lag:
    """Looks every some seconds while :meth:`run` runs.

    Parameters
    ----------
    servers
        Bootstrap servers ``host:port,…``.
    group
        Of the worker.
    held
        Topic and partition of what the worker holds now.
    every_s
        Pause between two looks.
    embedded
        Whether that is the embedded broker.
    handled
        How many records of a partition are handled beyond what is committed, and are meant to be.
    """

    def __init__(
        self,
        servers: str,
        group: str,
        held: Callable[[], Iterable[tuple[str, int]]],
        *,
        every_s: float,
        embedded: bool,
        handled: Callable[[str, int], int] = lambda _topic, _partition: 0,
    ) -> None:
        self._servers = servers
        self._group = group
        self._held = held
        self._every_s = every_s
        self._embedded = embedded
        self._handled = handled
        self._client: Any = None
        # Never changed, but replaced: another thread may read it.
        self._seen: tuple[float, Mapping[tuple[str, int], Place]] = (0.0, {})

    @property
    def places(self) -> Mapping[tuple[str, int], Place]:
        """What was seen last; empty when that is too long ago, or the broker did not answer."""
        at, places = self._seen
        return places if time.monotonic() - at < 2 * self._every_s + FRESH_S else {}

    async def run(self) -> None:
        """Look until cancelled; outlives any failure of the broker."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(self._every_s)
        finally:
            await self.close()

    async def look(self) -> None:
        """Look once."""
        places = await self._look()
        _tell(self._seen[1], places)
        self._seen = (time.monotonic(), places)

    async def close(self) -> None:
        """Leave the broker; another look comes back to it."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(client.stop(), 1.0)

    async def _look(self) -> Mapping[tuple[str, int], Place]:
        # A client that is refused tells the log so, each time.
        if not await answers(self._servers):
            return {}
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                return await self._ask(await self._connected())
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled us: it is aiokafka's own, out of a connection that was lost.
        except Exception as error:
            # Not to know this must not end a worker that works.
            log.info("how far behind this worker is can't be told now: %r", error)
        await self.close()
        return {}

    async def _connected(self) -> Any:
        if self._client is None:
            # With a group, but without a subscription: it asks and joins nothing.
            self._client = AIOKafkaConsumer(
                bootstrap_servers=self._servers,
                client_id="gridcommand-lag",
                group_id=self._group,
                enable_auto_commit=False,
            )
            await self._client.start()
        return self._client

    async def _ask(self, client: Any) -> Mapping[tuple[str, int], Place]:
        partitions = [TopicPartition(*one) for one in self._held()]
        if not partitions:
            return {}
        committed = await asyncio.gather(*(client.committed(one) for one in partitions))
        done = {
            one: (offset or 0) + ahead if (ahead := self._handled(*one)) else offset
            for one, offset in zip(partitions, committed, strict=True)
        }
        if self._embedded:
            return {(one.topic, one.partition): Place(done[one], None) for one in partitions}
        first = await client.beginning_offsets(partitions)
        end = await client.end_offsets(partitions)
        # What was thrown away for its age isn't waiting.
        return {
            (one.topic, one.partition): Place(
                done[one], max(0, end[one] - max(done[one] or 0, first[one]))
            )
            for one in partitions
        }


def _tell(before: Mapping[tuple[str, int], Place], now: Mapping[tuple[str, int], Place]) -> None:
    known = {one: place.behind for one, place in now.items() if place.behind is not None}
    for topic, partition in before.keys() - known.keys():
        with contextlib.suppress(KeyError):
            LAG.remove(topic, str(partition))
    for (topic, partition), behind in known.items():
        LAG.labels(topic, str(partition)).set(behind)
