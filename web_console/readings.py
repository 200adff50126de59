"""Telemetry of sensors: SenML packs (RFC 8428) checked and handed to Kafka.

Readings are not reports: there are thousands a second, the next one follows soon, and what
matters of them comes back as an alarm. So they go straight to the topic, and a device that is
told 503 sends again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from models import tracing
from models.registers import Device
from models.settings import Settings
from models.topics import EMBEDDED_PARTITION, READINGS, topic_for
from models.words import is_exercise
from web_console.feed import bootstrap_servers, stop_client
from web_console.problems import RETRY_AFTER_S, Problem, invalid

log = logging.getLogger(__name__)

RECORDS_MAX: Final = 5_000
SEND_WITHIN_S: Final = 5.0
CONNECT_AGAIN_S: Final = 2.0


class _Record(msgspec.Struct, rename=None):
    bn: str = ""
    bt: float = 0.0
    bu: str = ""
    bv: float | None = None
    bs: float | None = None
    bver: int = 10
    n: str = ""
    u: str = ""
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: str | None = None
    s: float | None = None
    t: float = 0.0
    ut: float | None = None


_decode = msgspec.json.Decoder(list[_Record]).decode


class Readings:
    """Publishes readings.

    Parameters
    ----------
    settings
        Names the brokers. On Kafka the producer is idempotent: what it sends again after a broken
        connection is there once.
    """

    def __init__(self, settings: Settings) -> None:
        self.servers = bootstrap_servers(settings)
        # The embedded broker has no idempotent producer.
        self._is_idempotent = bool(settings.kafka_servers)
        self._partition = None if self._is_idempotent else EMBEDDED_PARTITION
        self._producer: Any = None
        self._starting = asyncio.Lock()
        self._failed_at = -math.inf

    async def publish(self, device: Device, pack: bytes, traceparent: str = "") -> int:
        """Check a pack and publish it; return how many readings it holds.

        Devices of one cell share a key, so that sense sees a quorum of neighbours together. The
        sender's trace, if it has one, goes along where traces are on.

        Raises
        ------
        Problem
            422 when it is no SenML or speaks for another device, 413 when the broker takes no
            record of its size, 503 when the broker is away.
        """
        count = check(device.id, pack)
        topic = topic_for(READINGS, exercise=is_exercise(device.jurisdiction))
        headers = []
        if traceparent and tracing.is_on():
            headers.append((tracing.TRACEPARENT, traceparent.encode()))
        producer = None
        try:
            producer = await self._ready()
            async with asyncio.timeout(SEND_WITHIN_S):
                key = (device.cell or device.id).encode()
                await producer.send_and_wait(
                    topic, pack, key=key, partition=self._partition, headers=headers
                )
        except (KafkaError, OSError, TimeoutError) as error:
            is_final = isinstance(error, KafkaError) and not error.retriable
            if is_final and producer is self._producer:
                # An idempotent producer has counted the record: all that follow are out of order.
                await self.close()
            if isinstance(error, MessageSizeTooLargeError):
                raise Problem(413, "too_large") from error
            log.warning("readings of %s can't be published: %r", device.id, error)
            again = {"Retry-After": str(RETRY_AFTER_S)}
            raise Problem(503, "broker_away", "retry", headers=again) from error
        return count

    async def close(self) -> None:
        """Stop the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_client(producer)

    async def _ready(self) -> Any:
        async with self._starting:
            if self._producer is None:
                if not self.servers or time.monotonic() - self._failed_at < CONNECT_AGAIN_S:
                    raise TimeoutError("no broker")
                producer = AIOKafkaProducer(
                    bootstrap_servers=self.servers,
                    client_id="gridcommand-readings",
                    acks="all",
                    linger_ms=2,
                    max_batch_size=500_000,
                    request_timeout_ms=int(SEND_WITHIN_S * 1000),
                    enable_idempotence=self._is_idempotent,
                )
                try:
                    async with asyncio.timeout(SEND_WITHIN_S):
                        await producer.start()
                except BaseException:
                    self._failed_at = time.monotonic()
                    await stop_client(producer)
                    raise
                self._producer = producer
            return self._producer


def check(device: str, pack: bytes) -> int:
    """Return how many readings a pack holds.

    Raises
    ------
    Problem
        422 naming the record that is wrong.
    """
    try:
        records = _decode(pack)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid("", "senml", error=str(error)) from error
    if not records:
        raise invalid("", "too_short", min_length=1)
    if len(records) > RECORDS_MAX:
        raise invalid("", "too_long", max_length=RECORDS_MAX)
    base, readings = "", 0
    for number, record in enumerate(records):
        base = record.bn or base
        name = base + record.n
        if name[: max(name.rfind("/"), name.rfind(":"), 0)] != device:
            raise invalid(str(number), "foreign_device", value=name[:80], device=device)
        held = (record.v, record.vs, record.vb, record.vd)
        values = sum(value is not None for value in held)
        if values > 1:
            raise invalid(str(number), "senml", error="more than one value")
        if values or record.s is not None:
            readings += 1
    if not readings:
        raise invalid("", "senml", error="no value")
    return readings
