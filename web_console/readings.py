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
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from models import tracing
from models.registers import Device
from models.senml import MAX_RECORDS, PackError, Refused, Wrong, read_pack, without
from models.settings import Settings
from models.topics import EMBEDDED_PARTITION, JURISDICTION_HEADER, READINGS, topic_for
from models.units import is_usable, units_like
from models.words import is_exercise
from web_console.feed import bootstrap_servers, stop_client
from web_console.problems import RETRY_AFTER_S, Problem, invalid

log = logging.getLogger(__name__)

REFUSED_TOLD: Final = 20
"""Records that are wrong and told; all are counted."""
SEND_WITHIN_S: Final = 5.0
CONNECT_AGAIN_S: Final = 2.0


RuleUnits: TypeAlias = Callable[[str, str], Collection[str] | None]
"""Units in which alarms of a device and quantity are looked for; None: for none are."""


def no_rules(_device: str, _quantity: str) -> None:
    """Look for no alarm at all."""


class Checked(NamedTuple):
    """What of a device's pack goes on: its bytes, how many readings, and which records don't."""

    pack: bytes
    readings: int
    refused: list[Refused]


class Readings:
    """Publishes readings.

    Parameters
    ----------
    settings
        Names the brokers. On Kafka the producer is idempotent: what it sends again after a broken
        connection is there once.
    rule_units
        In which units sense looks for alarms.
    """

    def __init__(self, settings: Settings, rule_units: RuleUnits = no_rules) -> None:
        self._rule_units = rule_units
        self.servers = bootstrap_servers(settings)
        # The embedded broker has no idempotent producer.
        self._is_idempotent = bool(settings.kafka_servers)
        self._partition = None if self._is_idempotent else EMBEDDED_PARTITION
        self._producer: Any = None
        self._starting = asyncio.Lock()
        self._failed_at = -math.inf

    async def publish(self, device: Device, pack: bytes, traceparent: str = "") -> Checked:
        """Check a pack and publish what of it can be read; return what that was.

        Devices of one cell share a key, so that sense sees a quorum of neighbours together. The
        sender's trace, if it has one, goes along where traces are on.

        Raises
        ------
        Problem
            422 when nothing of it can be read or is of this device, 413 when the broker takes no
            record of its size, 503 when the broker is away.
        """
        checked = check(device.id, pack, self._rule_units)
        topic = topic_for(READINGS, exercise=is_exercise(device.jurisdiction))
        headers = [(JURISDICTION_HEADER, device.jurisdiction.encode())]
        if traceparent and tracing.is_on():
            headers.append((tracing.TRACEPARENT, traceparent.encode()))
        producer = None
        try:
            producer = await self._ready()
            async with asyncio.timeout(SEND_WITHIN_S):
                key = (device.cell or device.id).encode()
                await producer.send_and_wait(
                    topic, checked.pack, key=key, partition=self._partition, headers=headers
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
        return checked

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


def check(device: str, pack: bytes, rule_units: RuleUnits = no_rules) -> Checked:
    """Return what of a pack goes on: all that sense can read and the device may say.

    A record that is wrong costs only itself. It isn't handed on: behind the topic nobody knows
    whose key the pack came with.

    Raises
    ------
    Problem
        422 naming each record that is wrong, when none is left.
    """
    units = partial(_wrong_here, device, rule_units)
    try:
        readings = read_pack(pack, time.time(), units)
    except PackError as error:
        wrong = error.wrong
        raise invalid("", wrong.code, value=wrong.value, limit=MAX_RECORDS) from error
    refused = readings.refused
    if not readings and refused:
        raise Problem(
            422,
            "validation",
            "fields",
            errors=[field_error(one, device) for one in refused[:REFUSED_TOLD]],
            count=len(refused),
        )
    if not readings:
        raise invalid("", "senml_empty")
    return Checked(without(pack, refused) if refused else pack, len(readings), refused)


def field_error(refused: Refused, device: str) -> tuple[str, str, Mapping[str, Any]]:
    """Return what is wrong with a record as a problem says it: field, kind, context."""
    wrong = refused.wrong
    context = {"value": wrong.value, "error": wrong.error, "device": device}
    return str(refused.record), wrong.code, context


def _wrong_here(
    own: str, rule_units: RuleUnits, device: str, quantity: str, unit: str | None
) -> Wrong | None:
    if device != own:
        name = f"{device}/{quantity}"[:80]
        return Wrong("foreign_device", name, f"name {name!r} isn't of device {own!r}")
    wanted = rule_units(device, quantity)
    if wanted is None:
        return None
    if unit is None:
        said = f"{quantity} must be a number or a boolean, for alarms are looked for in it"
        return Wrong("senml_text", quantity, said)
    if any(is_usable(unit, one) for one in wanted):
        return None
    usable = ", ".join(units_like(wanted))
    return Wrong("senml_unit", f"{quantity}: {unit}"[:80], usable)
