"""The one way to Kafka: an aiokafka producer that sends CloudEvents batches and doesn't give up.

Faust's own producer costs several times as much a record and is not used. A record carries the
events of one key: as many as were waiting, up to a bound, and one when it is quiet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from models.events import encode_batch
from models.topics import BATCH_CONTENT_TYPE

log = logging.getLogger(__name__)

MAX_EVENTS = 200
MAX_BYTES = 512_000
"""A record carries as many events as fit both bounds, and at least one."""

MAX_REQUEST_BYTES = 8_000_000
REQUEST_MS = 5_000
BACKOFF_S = (0.1, 2.0)
"""First and longest pause between two tries, in seconds."""

_HEADERS = [("content-type", BATCH_CONTENT_TYPE.encode())]


class Publisher:
    """Sends records, waits for all replicas, and tries again for as long as it takes.

    Parameters
    ----------
    servers
        Bootstrap servers ``host:port,…``.
    idempotent
        Kafka's idempotent producer; the embedded broker has none.
    """

    def __init__(self, servers: str, *, idempotent: bool) -> None:
        self._servers = servers
        self._idempotent = idempotent
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self.failures = 0
        """Tries that failed since the start; it grows while the broker is away."""

    async def publish(self, topic: str, key: str, events: Sequence[bytes]) -> None:
        """Send already encoded events of one key, in order; return when they are acknowledged.

        Waits while the broker is away: cancel it to give up. May send twice, never out of order
        for a caller that waits.
        """
        for batch in batches(events):
            await self.send(topic, key.encode(), encode_batch(batch), _HEADERS)

    async def send(
        self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> None:
        """Send one record as it is; waits like :meth:`publish`."""
        pause = BACKOFF_S[0]
        while True:
            try:
                producer = await self._started()
                await producer.send_and_wait(topic, value, key=key, headers=headers)
                return
            except (KafkaError, OSError) as error:
                if self.failures == 0 or pause == BACKOFF_S[0]:
                    log.warning("broker at %s can't be written: %s", self._servers, error)
                self.failures += 1
                await asyncio.sleep(pause)
                pause = min(pause * 2, BACKOFF_S[1])

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, as the broker says."""
        return len(await (await self._started()).partitions_for(topic))

    async def close(self) -> None:
        """Close the connection; what was not acknowledged is lost with it."""
        if self._producer is not None:
            with contextlib.suppress(KafkaError, OSError):
                await self._producer.stop()
            self._producer = None

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._servers,
                    client_id="gridcommand-publisher",
                    acks="all",
                    enable_idempotence=self._idempotent,
                    request_timeout_ms=REQUEST_MS,
                    max_request_size=MAX_REQUEST_BYTES,
                    linger_ms=0,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer


def batches(events: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Cut events into records of at most :data:`MAX_EVENTS` and :data:`MAX_BYTES`."""
    batch: list[bytes] = []
    size = 0
    for event in events:
        if batch and (len(batch) == MAX_EVENTS or size + len(event) > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += len(event)
    if batch:
        yield batch
