"""The one way to Kafka: an aiokafka producer that sends CloudEvents batches and doesn't give up.

Faust's own producer costs several times as much a record and is not used. A record carries the
events of one key: as many as were waiting, up to a bound, and one when it is quiet.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from models.events import encode_batch
from models.topics import BATCH_CONTENT_TYPE, EMBEDDED_PARTITION
from streams.errors import OversizeError

log = logging.getLogger(__name__)

MAX_EVENTS = 200
MAX_BYTES = 512_000
"""A record carries as many events as fit both bounds, and at least one."""

MAX_RECORD_BYTES = 1_000_000
"""Of a record's value; with key and headers it is under what Kafka takes where nobody set another
bound (``message.max.bytes`` 1,048,588)."""

MAX_REQUEST_BYTES = 1_048_576
OVERSIZE = "oversize"
"""Code of a dead letter for an event that is more than a record may be."""

REQUEST_MS = 5_000
STUCK_S = 30.0
"""A producer that neither sends a record nor fails for so long, in seconds, is made anew: whatever
the broker does, it should have failed by itself after a few times :data:`REQUEST_MS`."""
BACKOFF_S = (0.1, 2.0)
"""First and longest pause between two tries, in seconds."""

_HEADERS = [("content-type", BATCH_CONTENT_TYPE.encode())]
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class Publisher:
    """Sends records, waits for all replicas, and tries again for as long as it takes.

    Parameters
    ----------
    servers
        Bootstrap servers ``host:port,…``.
    embedded
        Whether they are the embedded broker. It has no idempotent producer, and of each topic the
        one partition that counts, whatever it says: :data:`~models.topics.EMBEDDED_PARTITION`.
    """

    def __init__(self, servers: str, *, embedded: bool) -> None:
        self._servers = servers
        self._is_idempotent = not embedded
        self._partition = EMBEDDED_PARTITION if embedded else None
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()
        self._sending: dict[object, float] = {}
        self.failures = 0
        """Tries that failed since the start; it grows while the broker is away."""

    @property
    def waits_s(self) -> float:
        """For how long the oldest record that isn't acknowledged waits, in seconds."""
        now = time.monotonic()
        return now - min(list(self._sending.values()), default=now)

    async def publish(self, topic: str, key: str, events: Sequence[bytes]) -> dict[int, str]:
        """Send already encoded events of one key, in order; return when they are acknowledged.

        Waits while the broker is away: cancel it to give up. May send twice, never out of order
        for a caller that waits.

        Returns
        -------
        dict
            Of the events that are larger than the broker takes: place in ``events`` and reason.
            They were not sent and never can be, the others were.
        """
        oversize: dict[int, str] = {}
        first = 0
        for batch in batches(events):
            oversize |= await self._publish_batch(topic, key.encode(), batch, first)
            first += len(batch)
        return oversize

    async def _publish_batch(
        self, topic: str, key: bytes, batch: list[bytes], first: int
    ) -> dict[int, str]:
        try:
            await self.send(topic, key, encode_batch(batch), _HEADERS)
        except OversizeError as error:
            if len(batch) == 1:
                return {first: str(error)}
            # A topic may have a smaller bound than ours: find who is too large.
            half = len(batch) // 2
            return {
                **await self._publish_batch(topic, key, batch[:half], first),
                **await self._publish_batch(topic, key, batch[half:], first + half),
            }
        return {}

    async def send(
        self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> None:
        """Send one record as it is; waits like :meth:`publish`.

        Whatever else a broker may refuse (rights, a clock that is hours off, a number out of
        order) isn't the record's fault and holds for all of them until somebody mends it, so that
        is waited for too.

        Raises
        ------
        OversizeError
            The record is larger than the broker takes.
        """
        if len(value) > MAX_RECORD_BYTES:
            raise _oversize(topic, value)
        pause = BACKOFF_S[0]
        this = object()
        self._sending[this] = time.monotonic()
        try:
            while True:
                producer = None
                try:
                    async with asyncio.timeout(STUCK_S):
                        producer = await self._started()
                        await producer.send_and_wait(
                            topic, value, key=key, partition=self._partition, headers=headers
                        )
                    return
                except (KafkaError, OSError) as error:
                    if producer is not None and self._is_of_no_use(error):
                        self._leave(producer)
                    if isinstance(error, _TOO_LARGE):
                        raise _oversize(topic, value) from error
                    if self.failures == 0 or pause == BACKOFF_S[0]:
                        log.warning("broker at %s can't be written: %r", self._servers, error)
                    self.failures += 1
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, BACKOFF_S[1])
        finally:
            del self._sending[this]

    async def partitions(self, topic: str) -> int:
        """Return how many partitions of a topic are written."""
        if self._partition is not None:
            return 1
        return len(await (await self._started()).partitions_for(topic))

    async def close(self) -> None:
        """Close the connection; what was not acknowledged is lost with it."""
        if self._producer is not None:
            self._leave(self._producer)
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def _leave(self, producer: AIOKafkaProducer) -> None:
        """Let a producer go; what others have in it ends there, well or with an error of theirs."""
        held = self._producer
        if held is None or held is not producer:
            return
        self._producer = None
        leaving = asyncio.create_task(held.stop(), name="producer leaves")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    def _is_of_no_use(self, error: Exception) -> bool:
        """Whether a producer is to be made anew after this."""
        return isinstance(error, TimeoutError) or (self._is_idempotent and _has_spoilt(error))

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._servers,
                    client_id="gridcommand-publisher",
                    acks="all",
                    enable_idempotence=self._is_idempotent,
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


def _oversize(topic: str, value: bytes) -> OversizeError:
    return OversizeError(f"{len(value):,} bytes are more than a record on {topic} may be")


def _has_spoilt(error: Exception) -> bool:
    """Whether an idempotent producer is of no use after this.

    It counts a record before the broker sees it, so after one that the broker
    refused all that follow are out of order.
    """
    return (
        isinstance(error, KafkaError)
        and not error.retriable
        and not isinstance(error, KafkaTimeoutError)
    )


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
