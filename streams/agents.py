"""The Faust agents: a few lines around each stage, and the one place where records are decoded.

For every topic there is a live agent and one on its exercise twin. An event of the wrong side is
a dead letter, and so is everything that can't be read or makes a stage fail; no exception leaves
an agent, for Faust would commit past it.

An event that another system wrote straight to a topic goes into the inbox before its record counts
as handled, and comes from there as every other: what a process loses with its queues, and what an
empty broker has forgotten, the inbox has.

Relies on downstream writes being idempotent: a record may come twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from models import tracing
from models.city import CityPack
from models.dead_letters import FAILED, NOT_A_REPORT, UNREADABLE, WRONG_SIDE, DeadLetterRow
from models.errors import EventError, StoreError
from models.events import Event, ReportReceived, decode, encode, encode_batch, split_batch
from models.inbox import InboxRow
from models.steps import Position
from models.topics import (
    DESK,
    EXERCISE_PREFIX,
    JURISDICTION_HEADER,
    READINGS,
    REPORTS,
    TopicSpec,
    all_topics,
    topic_for,
)
from models.words import is_exercise
from streams.app import GridApp, raw_topic
from streams.classify.by_words import read_by_words
from streams.classify.reader import Understood, understand
from streams.classify.reports import classify, text_to_read
from streams.dead_letters import DeadLetters
from streams.own_records import is_own
from streams.publisher import OVERSIZE, Publisher
from streams.senml import in_words, parse_senml
from streams.sense_keeper import SenseKeeper

log = logging.getLogger(__name__)

CLASSIFY_SOURCE = "/classify"
NO_EVENTS = encode_batch([])
PRIORITY_OF_OTHERS = 2
"""Of an event that another system wrote, while nobody has read it: that of a text at intake."""

DATABASE_PAUSE_S = 1.0
CLOCKS_DIFFER = timedelta(seconds=60)
"""How far ahead of ours the clock of another machine may be and still be believed."""

FAULTS_REMEMBERED = 10_000
"""Units of devices that no rule can use and that were told."""

YIELD_EVERY_S = 0.01
"""How long classify works before it lets the other agents have a turn."""


class Shell(Protocol):
    """The desk's shell, as much as an agent sees of it."""

    async def submit(
        self, jurisdiction: str, events: list[Event], position: Position | None = None
    ) -> object:
        """Queue a batch for its desk; return once there is room."""


class Inbox(Protocol):
    """The store, as much as an agent sees of it; called on a thread."""

    def put(self, rows: Sequence[InboxRow]) -> object:
        """Write rows in one transaction; one whose event is there already is left out."""


class Reader(Protocol):
    """What reads texts; called on a thread."""

    def __call__(self, texts: Sequence[str], *, is_exercise: bool = False) -> list[Understood]:
        """Return what was made of each."""


@dataclass(frozen=True)
class Stages:
    """What the agents work with.

    Attributes
    ----------
    embedded
        Whether the embedded broker serves.
    sense
        Takes readings in and returns when what they began is durable.
    understand
        Reads texts, on a thread; by default by the models alone.
    """

    pack: CityPack
    publisher: Publisher
    dead_letters: DeadLetters
    desk: Shell
    sense: SenseKeeper
    inbox: Inbox
    embedded: bool = False
    understand: Reader = understand


class _Held:
    """A record as sense holds it: its partition's commits, that is."""

    def __init__(self, message: Any, consumer: Any) -> None:
        self.offset: int = message.offset
        self._tp = message.tp
        self._consumer = consumer

    def hold(self) -> None:
        self._consumer.hold(self._tp, self.offset)

    def let_go(self) -> None:
        self._consumer.let_go(self._tp)


class Agents:
    """The agents on one app; made before the app starts.

    Parameters
    ----------
    topics
        Those that are read, by name, each with its exercise twin.
    """

    def __init__(
        self,
        app: GridApp,
        stages: Stages,
        topics: Collection[str] = (READINGS, REPORTS, DESK),
    ) -> None:
        self._app = app
        self._stages = stages
        self._told: set[bytes] = set()
        handlers: dict[str, Callable[[TopicSpec, Any], Awaitable[None]]] = {
            READINGS: self._on_readings,
            REPORTS: self._on_reports,
            DESK: self._on_desk,
        }
        for spec in all_topics(embedded=stages.embedded):
            name = spec.name.removeprefix(EXERCISE_PREFIX)
            if name in topics:
                self._attach(app, spec, handlers[name])

    def _attach(
        self,
        app: GridApp,
        spec: TopicSpec,
        handler: Callable[[TopicSpec, Any], Awaitable[None]],
    ) -> None:
        async def consume(stream: Any) -> None:
            async for record in stream.events():
                try:
                    await handler(spec, record)
                except Exception as error:
                    log.exception("%s failed", spec.name)
                    await self._give_up(spec, record, record.value, FAILED, _sentence(error))

        app.agent(raw_topic(app, spec), name=f"gridcommand.{spec.name}", concurrency=1)(consume)

    # ── stages ────────────────────────────────────────────────────────────────────────────────

    async def _on_reports(self, spec: TopicSpec, record: Any) -> None:
        """Classify a record's reports and hand them to the desk's topic by jurisdiction."""
        if not is_own(record.message.headers):
            await self._take_in(spec, record)
            return
        ready: dict[str, list[tuple[bytes, Event, bytes]]] = {}
        decoded = await self._decoded(spec, record)
        read = await self._read(spec, [event for _, event in decoded])
        turn_ends = time.monotonic() + YIELD_EVERY_S
        for raw, event in decoded:
            began = time.perf_counter()
            try:
                classified = classified_event(event, self._stages.pack, read.get(event.id))
                whole = (raw, event, encode(classified))
            except EventError as error:
                await self._give_up(spec, record, raw, NOT_A_REPORT, str(error), event)
            except Exception as error:
                about = {"event": event.id, "jurisdiction": event.jurisdiction, "stage": "classify"}
                log.exception("classify failed on %s", event.id, extra=about)
                await self._give_up(spec, record, raw, FAILED, _sentence(error), event)
            else:
                ready.setdefault(event.jurisdiction, []).append(whole)
                tracing.note("classify", event.traceparent, time.perf_counter() - began)
            if time.monotonic() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = time.monotonic() + YIELD_EVERY_S
        topic = topic_for(DESK, exercise=_is_twin(spec))
        for jurisdiction, events in ready.items():
            refused = await self._stages.publisher.publish(
                topic, jurisdiction, [encoded for _, _, encoded in events]
            )
            for place, reason in refused.items():
                raw, event, _ = events[place]
                await self._give_up(spec, record, raw, OVERSIZE, reason, event)

    async def _read(self, spec: TopicSpec, events: list[Event]) -> dict[str, Understood]:
        """Read the texts that need it, on a thread; by words alone where the reader fails."""
        texts = {event.id: text for event in events if (text := self._text_of(event))}
        if not texts:
            return {}
        try:
            found = await asyncio.to_thread(
                self._stages.understand, list(texts.values()), is_exercise=_is_twin(spec)
            )
        except Exception:
            log.exception("the reader failed; texts are read by words alone")
            found = [read_by_words(text) for text in texts.values()]
        return dict(zip(texts, found, strict=True))

    def _text_of(self, event: Event) -> str:
        if not isinstance(event.data, ReportReceived):
            return ""
        try:
            return text_to_read(event.data, self._stages.pack)
        except Exception:
            return ""  # classify fails on it too, and that one report is a dead letter

    async def _on_desk(self, spec: TopicSpec, record: Any) -> None:
        """Hand a record's events to the desk of their jurisdiction, in order.

        A record of ours without events asks for the desk of its key to be opened.
        """
        if not is_own(record.message.headers):
            await self._take_in(spec, record)
            return
        batches: dict[str, list[Event]] = {}
        if record.value == NO_EVENTS:
            batches[record.key.decode()] = []
        for _, event in await self._decoded(spec, record):
            batches.setdefault(event.jurisdiction, []).append(event)
        for jurisdiction, events in batches.items():
            message = record.message
            position = Position(message.topic, message.partition, message.offset)
            await self._stages.desk.submit(jurisdiction, events, position)

    async def _on_readings(self, spec: TopicSpec, record: Any) -> None:
        """Let sense look at a SenML pack; alarms enter through the inbox."""
        message, exercise = record.message, _is_twin(spec)
        # A record without a time says so by none, or by one before 1970.
        received_at = datetime.fromtimestamp(max(message.timestamp or 0, 0) or time.time(), UTC)
        try:
            readings = parse_senml(record.value or b"", received_at, own_time=exercise)
        except EventError as error:
            await self._give_up(spec, record, record.value, UNREADABLE, str(error))
            return
        if readings.refused:
            await self._give_up(spec, record, record.value, UNREADABLE, in_words(readings))
        unusable = await self._stages.sense.take(
            message.topic,
            message.partition,
            readings,
            received_at,
            exercise=exercise,
            jurisdiction=header_of(message.headers, JURISDICTION_HEADER),
            record=_Held(message, self._app.consumer),
            traceparent=traceparent_of(message.headers) if tracing.is_on() else "",
        )
        for (device, quantity), unit in unusable.items():
            # Alike whenever it comes again, so it is one letter.
            fault = msgspec.json.encode({"device": device, "quantity": quantity, "unit": unit})
            if fault not in self._told:
                reason = f"device {device}: no rule for {quantity} can use the unit {unit!r}"
                await self._give_up(spec, record, fault, UNREADABLE, reason)
                self._told.add(fault)
                if len(self._told) > FAULTS_REMEMBERED:
                    self._told.pop()

    async def _take_in(self, spec: TopicSpec, record: Any) -> None:
        """Put what another system wrote into the inbox; return when it is durable."""
        # Faust takes a record for handled also when its agent is cancelled while we wait here.
        record.message.incref()
        found = await self._decoded(spec, record)
        await self._put(spec, record, found)
        record.message.decref()

    async def _put(
        self, spec: TopicSpec, record: Any, found: Sequence[tuple[bytes, Event]]
    ) -> None:
        now = datetime.now(UTC)
        rows = [
            InboxRow(
                event_id=event.id,
                jurisdiction=event.jurisdiction,
                topic=spec.name,
                key=event.jurisdiction,
                body=encode(event),
                received_at=now,
                exercise=event.exercise,
                priority=PRIORITY_OF_OTHERS,
            )
            for _, event in found
        ]
        while True:
            try:
                await asyncio.to_thread(self._stages.inbox.put, rows)
                return
            except EventError as error:
                if len(found) == 1:
                    ((raw, event),) = found
                    await self._give_up(spec, record, raw, UNREADABLE, str(error), event)
                    return
                break
            except StoreError as error:
                log.error("what others wrote to %s waits for the database: %s", spec.name, error)
            await asyncio.sleep(DATABASE_PAUSE_S)
        for one in found:  # one that can't be stored must not cost the others theirs
            await self._put(spec, record, [one])

    # ── records ───────────────────────────────────────────────────────────────────────────────

    async def _decoded(self, spec: TopicSpec, record: Any) -> list[tuple[bytes, Event]]:
        """A record's events that can be read and belong here; the others are dead letters."""
        try:
            parts = split_batch(record.value or b"")
        except EventError as error:
            await self._give_up(spec, record, record.value, UNREADABLE, str(error))
            return []
        found: list[tuple[bytes, Event]] = []
        for raw in parts:
            try:
                event = decode(raw)
            except EventError as error:
                await self._give_up(spec, record, raw, UNREADABLE, str(error))
                continue
            if wrong := wrong_side(event, exercise=_is_twin(spec)):
                await self._give_up(spec, record, raw, WRONG_SIDE, wrong, event)
            else:
                found.append((raw, event))
        return found

    async def _give_up(
        self,
        spec: TopicSpec,
        record: Any,
        body: bytes | None,
        code: str,
        reason: str,
        event: Event | None = None,
    ) -> None:
        await self._stages.dead_letters.write(
            DeadLetterRow(
                at=datetime.now(UTC),
                topic=spec.name,
                key=(record.key or b"").decode(errors="replace"),
                body=body or b"",
                code=code,
                reason=reason,
                jurisdiction=event.jurisdiction if event else _peek(body, "jurisdiction"),
                exercise=_is_twin(spec),
                event_id=event.id if event else _peek(body, "id"),
                stage=spec.name.removeprefix(EXERCISE_PREFIX),
            )
        )


def classified_event(event: Event, pack: CityPack, understood: Understood | None = None) -> Event:
    """Return the report as the desk reads it: the same id, for it is the same occurrence.

    ``understood`` is what was read in its text; None: :func:`classify` reads it where it must.

    What comes dated ahead of our clock comes now: the desk's time follows its events and never
    runs back, so one report from next year would leave it without a deadline until then. An
    exercise has a time of its own.

    Raises
    ------
    EventError
        When the event is no report.
    """
    report = event.data
    if not isinstance(report, ReportReceived):
        raise EventError(f"{event.type} is no report; only gridcommand.report.received is read")
    at, now = event.time, datetime.now(UTC)
    if not event.exercise and max(at, report.received_at) > now + CLOCKS_DIFFER:
        at = min(at, now)
        report = msgspec.structs.replace(report, received_at=min(report.received_at, now))
    return msgspec.structs.replace(
        event,
        source=CLASSIFY_SOURCE,
        time=at,
        cause=event.cause,
        data=classify(report, pack, understood, is_exercise=event.exercise),
    )


def header_of(headers: Iterable[tuple[str, bytes]] | None, name: str) -> str:
    """Return what a record's sender says in a header; empty: nothing."""
    found = (value for header, value in headers or () if header == name)
    return (next(found, None) or b"").decode(errors="replace")


def traceparent_of(headers: Iterable[tuple[str, bytes]] | None) -> str:
    """Return the trace that a record's sender says in a header of that name; empty: none."""
    return header_of(headers, tracing.TRACEPARENT)


def wrong_side(event: Event, *, exercise: bool) -> str:
    """Return why an event may not be on the live (or the exercise) side; empty when it may."""
    if event.exercise != exercise:
        side = "exercise" if exercise else "live"
        return f"event {event.id} has exercise {event.exercise} on a topic of the {side} side"
    if is_exercise(event.jurisdiction) != exercise:
        return f"jurisdiction {event.jurisdiction!r} doesn't fit exercise {event.exercise}"
    return ""


def _is_twin(spec: TopicSpec) -> bool:
    return spec.name.startswith(EXERCISE_PREFIX)


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _peek(body: bytes | None, field: str) -> str:
    """A text field of something that may be a CloudEvent, empty where it can't be told."""
    try:
        value = msgspec.json.decode(body or b"")[field]
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
        KeyError,
        TypeError,
        IndexError,
    ):
        return ""
    return value[:200] if isinstance(value, str) else ""
