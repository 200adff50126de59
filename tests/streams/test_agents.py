"""The agents' handling of records: sides kept apart, poison to dead letters, nothing raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from faust.types.tuples import TP, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.city import CityPack
from models.dead_letters import FAILED, NOT_A_REPORT, UNREADABLE, DeadLetterRow
from models.episodes import Episode, SenseMemory
from models.errors import EventError, StoreError
from models.events import (
    ClockTicked,
    Event,
    ReportClassified,
    ReportReceived,
    decode,
    encode,
    encode_batch,
)
from models.inbox import InboxRow
from models.registers import Device
from models.settings import Settings
from models.steps import Position
from models.topics import READINGS, TopicSpec, all_topics
from models.words import Channel
from streams.agents import CLOCKS_DIFFER, NO_EVENTS, Agents, Stages, traceparent_of
from streams.app import make_app
from streams.classify.reader import Understood
from streams.own_records import MARK
from streams.senml import AHEAD_S
from streams.sense_keeper import SenseKeeper
from tests.waiting import HANG_S, until

AT = datetime(2026, 7, 1, tzinfo=UTC)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
HOME = "320481"
TOO_LARGE = 100_000


@dataclass
class World:
    """Everything that an agent touches, remembered."""

    published: list[tuple[str, str, bytes]] = field(default_factory=list)
    letters: list[DeadLetterRow] = field(default_factory=list)
    desk: list[tuple[str, list[Event]]] = field(default_factory=list)
    reported: list[Event] = field(default_factory=list)
    inbox: list[InboxRow] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)
    register: list[Device] = field(default_factory=list)

    def put(self, rows: Sequence[InboxRow]) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.inbox.extend(rows)

    async def publish(self, topic: str, key: str, events: Sequence[bytes]) -> dict[int, str]:
        self.published.extend((topic, key, event) for event in events if len(event) < TOO_LARGE)
        return {place: "too large" for place, event in enumerate(events) if len(event) >= TOO_LARGE}

    async def write(self, letter: DeadLetterRow) -> None:
        self.letters.append(letter)

    async def submit(
        self, jurisdiction: str, events: list[Event], position: Position | None = None
    ) -> None:
        self.desk.append((jurisdiction, events))

    def claim_sense(self, place: str, at: datetime) -> SenseMemory:
        return SenseMemory(1, b"", [])

    def sense_epoch(self, place: str) -> int:
        return 1

    def note_episodes(
        self,
        place: str,
        epoch: int,
        episodes: Mapping[tuple[str, str], Episode],
        reports: Sequence[InboxRow],
    ) -> None:
        events = [decode(row.body) for row in reports]
        self.reported.extend(one for one in events if isinstance(one.data, ReportReceived))

    def keep_windows(self, place: str, epoch: int, doc: bytes, at: datetime) -> None:
        raise AssertionError("nothing is kept here")

    def has_ended(self, jurisdiction: str, report: str) -> bool:
        return False

    def register_mark(self) -> int:
        return len(self.register)

    def devices(self) -> list[Device]:
        return self.register

    def device(self, device_id: str) -> Device | None:
        return next((one for one in self.register if one.id == device_id), None)


def agents(pack: CityPack) -> tuple[Agents, World]:
    world = World()
    stages = Stages(pack, world, world, world, SenseKeeper(pack, world), world)  # type: ignore[arg-type]
    return Agents(make_app(Settings(broker_port=1)), stages), world


def spec(name: str) -> TopicSpec:
    return next(topic for topic in all_topics() if topic.name == name)


def record(value: bytes | None, headers: Any = (MARK,)) -> Any:
    """A record as Faust hands it over, once referred to: not acknowledged before it is not."""
    tp = TP("desk", 0)
    message = Message("desk", 0, 7, AT.timestamp(), 0, headers, HOME.encode(), value, None, tp=tp)
    message.incref()
    return SimpleNamespace(value=value, key=message.key, message=message)


def foreign(value: bytes | None) -> Any:
    """A record that another system wrote, with headers of its own or without."""
    return record(value, (("content-type", b"application/cloudevents-batch+json"),))


def report(name: str = "r1", *, jurisdiction: str = HOME, exercise: bool = False) -> Event:
    return Event(
        id=name,
        source="/intake",
        time=AT,
        jurisdiction=jurisdiction,
        exercise=exercise,
        data=ReportReceived(channel=Channel.WORKER, received_at=AT, text="井盖缺失"),
    )


async def test_a_batch_is_classified_in_order_under_the_same_ids(liyang: CityPack) -> None:
    subject, world = agents(liyang)
    batch = encode_batch([encode(report(name)) for name in ("a", "b")])
    await subject._on_reports(spec("reports"), record(batch))
    found = [decode(body) for _, _, body in world.published]
    assert [event.id for event in found] == ["a", "b"]
    assert all(isinstance(event.data, ReportClassified) for event in found)
    assert {(topic, key) for topic, key, _ in world.published} == {("desk", HOME)}
    assert not world.letters


@pytest.mark.parametrize(
    "ahead", [timedelta(seconds=2), timedelta(hours=8), timedelta(days=300_000)]
)
async def test_what_comes_dated_ahead_of_our_clock_comes_now(
    liyang: CityPack, ahead: timedelta
) -> None:
    subject, world = agents(liyang)
    now = datetime.now(UTC)
    event = report()
    dated = msgspec.structs.replace(
        event, time=now + ahead, data=msgspec.structs.replace(event.data, received_at=now + ahead)
    )
    await subject._on_reports(spec("reports"), record(encode(dated)))
    after = datetime.now(UTC)
    (body,) = (body for _, _, body in world.published)
    found = decode(body)
    assert isinstance(found.data, ReportClassified)
    for time in (found.time, found.data.received_at):
        assert now <= time <= after + CLOCKS_DIFFER


async def test_an_exercise_stays_on_its_side(liyang: CityPack) -> None:
    subject, world = agents(liyang)
    event = report(jurisdiction=f"{HOME}.exercise", exercise=True)
    await subject._on_reports(spec("exercise.reports"), record(encode(event)))
    assert [topic for topic, _, _ in world.published] == ["exercise.desk"]


@pytest.mark.parametrize(
    ("topic", "jurisdiction", "exercise"),
    [
        ("reports", f"{HOME}.exercise", True),
        ("exercise.reports", HOME, False),
        ("reports", f"{HOME}.exercise", False),
        ("exercise.reports", HOME, True),
    ],
)
async def test_the_wrong_side_is_a_dead_letter(
    liyang: CityPack, topic: str, jurisdiction: str, exercise: bool
) -> None:
    subject, world = agents(liyang)
    event = report(jurisdiction=jurisdiction, exercise=exercise)
    await subject._on_reports(spec(topic), record(encode(event)))
    assert not world.published
    assert [(letter.code, letter.event_id) for letter in world.letters] == [("wrong_side", "r1")]


async def test_one_bad_event_does_not_take_its_batch_along(liyang: CityPack) -> None:
    subject, world = agents(liyang)
    batch = encode_batch([encode(report("a")), b'{"id":"bad"}', encode(report("c"))])
    await subject._on_reports(spec("reports"), record(batch))
    assert [decode(body).id for _, _, body in world.published] == ["a", "c"]
    assert [(letter.code, letter.event_id) for letter in world.letters] == [("unreadable", "bad")]


async def test_an_event_that_no_record_holds_does_not_take_its_batch_along(
    liyang: CityPack,
) -> None:
    subject, world = agents(liyang)
    large = report("large")
    assert isinstance(large.data, ReportReceived)
    large = msgspec.structs.replace(
        large, data=msgspec.structs.replace(large.data, text="x" * TOO_LARGE)
    )
    batch = encode_batch([encode(report("a")), encode(large), encode(report("c"))])
    await subject._on_reports(spec("reports"), record(batch))
    assert [decode(body).id for _, _, body in world.published] == ["a", "c"]
    (letter,) = world.letters
    assert (letter.code, letter.event_id, letter.body) == ("oversize", "large", encode(large))


async def test_texts_are_read_by_words_alone_where_the_reader_fails(liyang: CityPack) -> None:
    def fail(texts: Sequence[str], *, is_exercise: bool = False) -> list[Understood]:
        raise RuntimeError("the model is damaged")

    subject, world = agents(liyang)
    subject._stages = replace(subject._stages, understand=fail)
    await subject._on_reports(spec("reports"), record(encode(report())))
    ((_, _, body),) = world.published
    data = decode(body).data
    assert isinstance(data, ReportClassified)
    assert data.reading is not None
    assert (data.category, data.reading.reader) == ("city.manhole", "words")
    assert not world.letters


async def test_a_failing_classifier_is_a_dead_letter(
    liyang: CityPack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("streams.agents.classify", fail)
    subject, world = agents(liyang)
    await subject._on_reports(spec("reports"), record(encode(report())))
    assert [letter.reason for letter in world.letters] == ["RuntimeError: broken"]


async def test_what_is_no_report_is_a_dead_letter_and_those_beside_it_go_on(
    liyang: CityPack,
) -> None:
    subject, world = agents(liyang)
    tick = msgspec.structs.replace(report("tick"), data=ClockTicked())
    batch = [encode(event) for event in (report("a"), tick, report("b"))]
    await subject._on_reports(spec("reports"), record(encode_batch(batch)))
    assert [decode(body).id for _, _, body in world.published] == ["a", "b"]
    (letter,) = world.letters
    assert (letter.code, letter.event_id, letter.body) == (NOT_A_REPORT, "tick", batch[1])


async def test_a_record_that_a_stage_fails_on_is_a_dead_letter_and_the_next_is_handled(
    liyang: CityPack, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, world = agents(liyang)
    submit = world.submit

    async def failing(jurisdiction: str, events: list[Event], position: Position) -> None:
        if events[0].id == "bad":
            raise RuntimeError("no room")
        await submit(jurisdiction, events, position)

    async def records() -> AsyncIterator[Any]:
        for name in ("bad", "good"):
            yield record(encode_batch([encode(report(name))]))

    monkeypatch.setattr(world, "submit", failing)
    await subject._app.agents["gridcommand.desk"].fun(SimpleNamespace(events=records))
    assert [[event.id for event in events] for _, events in world.desk] == [["good"]]
    (letter,) = world.letters
    assert (letter.code, letter.reason) == (FAILED, "RuntimeError: no room")
    assert letter.body == encode_batch([encode(report("bad"))])


async def test_the_desk_gets_a_batch_by_jurisdiction(liyang: CityPack) -> None:
    subject, world = agents(liyang)
    events = [report("a"), report("b", jurisdiction="other"), report("c")]
    await subject._on_desk(spec("desk"), record(encode_batch(map(encode, events))))
    assert [(where, [e.id for e in batch]) for where, batch in world.desk] == [
        (HOME, ["a", "c"]),
        ("other", ["b"]),
    ]


@pytest.mark.parametrize("stage", ["reports", "desk"])
async def test_what_another_system_wrote_is_in_the_inbox_before_its_record_counts(
    liyang: CityPack, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From there it comes again: a process that is killed now has nothing that the inbox lacks."""
    monkeypatch.setattr("streams.agents.DATABASE_PAUSE_S", 0.0)
    subject, world = agents(liyang)
    world.fails = [StoreError("away"), StoreError("away")]
    handle = subject._on_reports if stage == "reports" else subject._on_desk
    events = [report("a"), report("b", jurisdiction="other")]
    await handle(spec(stage), foreign(encode_batch(map(encode, events))))
    await handle(spec(stage), record(encode(report("c")), headers=None))
    assert [(row.event_id, row.topic, row.key) for row in world.inbox] == [
        ("a", stage, HOME),
        ("b", stage, "other"),
        ("c", stage, HOME),
    ]
    assert [decode(row.body) for row in world.inbox[:2]] == events
    assert not world.desk
    assert not world.published


async def test_an_agent_that_is_cancelled_has_not_handled_what_another_system_wrote(
    liyang: CityPack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is cancelled before it tries again.
    monkeypatch.setattr("streams.agents.DATABASE_PAUSE_S", HANG_S)
    subject, world = agents(liyang)
    world.fails = [StoreError("away")]
    taken = foreign(encode(report()))
    handling = asyncio.create_task(subject._on_desk(spec("desk"), taken))
    await until(lambda: not world.fails)
    handling.cancel()
    await asyncio.gather(handling, return_exceptions=True)
    assert not world.inbox
    assert taken.message.refcount == 2, "Faust's own ack doesn't make it handled"
    again = foreign(encode(report()))
    await subject._on_desk(spec("desk"), again)
    assert again.message.refcount == 1


async def test_of_what_another_system_wrote_only_what_cannot_be_stored_is_given_up(
    liyang: CityPack,
) -> None:
    subject, world = agents(liyang)
    world.fails = [EventError("one of them can't be stored"), EventError("this one")]
    events = [report(name) for name in ("a", "b", "c")]
    await subject._on_desk(spec("desk"), foreign(encode_batch(map(encode, events))))
    assert [row.event_id for row in world.inbox] == ["b", "c"]
    assert [(letter.code, letter.event_id) for letter in world.letters] == [("unreadable", "a")]


async def test_a_record_without_events_asks_for_the_desk_of_its_key(liyang: CityPack) -> None:
    subject, world = agents(liyang)
    await subject._on_desk(spec("desk"), record(NO_EVENTS))
    await subject._on_desk(spec("desk"), foreign(NO_EVENTS))
    assert world.desk == [(HOME, [])]


@pytest.mark.parametrize(
    ("topic", "jurisdiction"), [("readings", HOME), ("exercise.readings", f"{HOME}.exercise")]
)
async def test_readings_become_alarms_of_their_side(
    liyang: CityPack, topic: str, jurisdiction: str
) -> None:
    subject, world = agents(liyang)
    pack = b'[{"n":"urn:dev:1/sos","vb":true}]'
    await subject._on_readings(spec(topic), record(pack))
    await subject._on_readings(spec(topic), record(pack))
    (event,) = world.reported
    assert (event.jurisdiction, event.exercise) == (jurisdiction, topic != "readings")
    assert isinstance(event.data, ReportReceived)
    assert event.data.code == "city.elderly_alarm"


async def test_readings_are_committed_once_their_windows_are_kept_and_not_before(
    liyang: CityPack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies before that gets them again: its windows were in its memory alone."""
    world, kept = World(), list[object]()
    monkeypatch.setattr(world, "keep_windows", lambda *windows: kept.append(windows))
    app = make_app(Settings(broker_port=1))
    app.topics._acking_topics.add(READINGS)
    sense = SenseKeeper(liyang, world)
    consumer, place = app.consumer, TP(READINGS, 0)
    subject = Agents(app, Stages(liyang, world, world, world, sense, world))  # type: ignore[arg-type]
    pack = b'[{"n":"urn:dev:1/temperature","u":"Cel","v":20}]'
    for offset in range(3):
        sent = record(pack)
        sent.message = Message(
            READINGS, 0, offset, AT.timestamp() + offset, 0, [], None, pack, None, tp=place
        )
        consumer.track_message(sent.message)
        await subject._on_readings(spec(READINGS), sent)
        assert consumer.ack(sent.message)
        assert (consumer._new_offset(place), kept) == (None, [])
    await sense.keep()
    assert len(kept) == 1
    assert consumer._new_offset(place) == 3


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        (None, ""),
        ([], ""),
        ([("traceparent", None)], ""),
        ([("other", b"x"), ("traceparent", b"00-a-b-01")], "00-a-b-01"),
        ([("traceparent", b"\xff")], "\ufffd"),
    ],
)
def test_the_trace_of_a_record_is_what_its_header_says(headers: Any, trace: str) -> None:
    assert traceparent_of(headers) == trace


@pytest.mark.parametrize(
    ("topic", "stamp", "at_s"),
    [
        ("readings", LONG_AGO.timestamp(), AHEAD_S),
        ("exercise.readings", LONG_AGO.timestamp(), 7200),
    ],
)
async def test_a_live_reading_is_no_younger_than_its_record_and_a_drills_time_is_its_own(
    liyang: CityPack, topic: str, stamp: float, at_s: float
) -> None:
    subject, world = agents(liyang)
    pack = f'[{{"n":"urn:dev:1/sos","vb":true,"t":{LONG_AGO.timestamp() + 7200}}}]'
    sent = record(pack.encode())
    sent.message.timestamp = stamp
    await subject._on_readings(spec(topic), sent)
    assert [(event.time - LONG_AGO).total_seconds() for event in world.reported] == [at_s]


@pytest.mark.parametrize("stamp", [None, -0.001])
async def test_a_record_without_a_time_is_received_now(
    liyang: CityPack, stamp: float | None
) -> None:
    subject, world = agents(liyang)
    told = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    sent = record(f'[{{"n":"urn:dev:1/sos","vb":true,"t":{told.timestamp()}}}]'.encode())
    sent.message.timestamp = stamp
    await subject._on_readings(spec("readings"), sent)
    assert [event.time for event in world.reported] == [told]


@pytest.mark.parametrize("topic", ["readings", "exercise.readings"])
@pytest.mark.parametrize("pack", [None, b"", b"{", b'[{"v":1}]', b"\xff"])
async def test_readings_that_cannot_be_read_are_a_dead_letter_of_their_side(
    liyang: CityPack, topic: str, pack: bytes | None
) -> None:
    subject, world = agents(liyang)
    await subject._on_readings(spec(topic), record(pack))
    (letter,) = world.letters
    assert (letter.code, letter.body, letter.topic) == (UNREADABLE, pack or b"", topic)
    assert (letter.stage, letter.exercise) == ("readings", topic != "readings")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(poison=st.none() | st.binary(max_size=60) | st.sampled_from([b"[[]]", b"[1]", b"{", b"[{}"]))
async def test_poison_is_a_dead_letter_and_raises_nothing(
    liyang: CityPack, poison: bytes | None
) -> None:
    subject, world = agents(liyang)
    await subject._on_reports(spec("reports"), record(poison))
    await subject._on_desk(spec("desk"), record(poison))
    assert not world.published
    assert not world.desk
    given_up = set() if poison == b"[]" else {"reports", "desk"}
    assert {letter.topic for letter in world.letters} == given_up


async def test_of_a_pack_with_a_wrong_record_the_others_are_sensed(liyang: CityPack) -> None:
    subject, world = agents(liyang)
    pack = b'[{"bn":"d/","n":"smoke alarm","vb":true},{"n":"smoke_alarm","vb":true}]'
    await subject._on_readings(spec(READINGS), record(pack))
    assert [event.subject for event in world.reported] == ["d"]
    (letter,) = world.letters
    assert (letter.code, letter.body) == (UNREADABLE, pack)
    assert "record 0" in letter.reason


async def test_a_unit_that_no_rule_can_use_is_told_once(liyang: CityPack) -> None:
    subject, world = agents(liyang)
    for second in range(3):
        pack = msgspec.json.encode([{"n": "d/ch4", "u": "mg/m3", "v": 9, "t": second - 3}])
        await subject._on_readings(spec(READINGS), record(pack))
    (letter,) = world.letters
    assert msgspec.json.decode(letter.body) == {"device": "d", "quantity": "ch4", "unit": "mg/m3"}


@pytest.mark.parametrize(
    ("topic", "told", "expected"),
    [
        ("exercise.readings", f"{HOME}.exercise.2", f"{HOME}.exercise.2"),
        ("exercise.readings", "", f"{HOME}.exercise"),
        ("exercise.readings", HOME, f"{HOME}.exercise"),
        ("readings", f"{HOME}.exercise", HOME),
        ("readings", HOME, HOME),
    ],
)
async def test_an_alarm_goes_where_its_device_belongs_and_never_to_the_other_side(
    liyang: CityPack, topic: str, told: str, expected: str
) -> None:
    subject, world = agents(liyang)
    sent = record(b'[{"n":"d/sos","vb":true}]', [("jurisdiction", told.encode())])
    await subject._on_readings(spec(topic), sent)
    assert [event.jurisdiction for event in world.reported] == [expected]
