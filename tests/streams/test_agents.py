"""The agents' handling of records: sides kept apart, poison to dead letters, nothing raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.city import CityPack
from models.dead_letters import DeadLetterRow
from models.episodes import Episode, SenseMemory
from models.events import Event, ReportClassified, ReportReceived, decode, encode, encode_batch
from models.inbox import InboxRow
from models.settings import Settings
from models.steps import Position
from models.topics import TopicSpec, all_topics
from models.words import Channel
from streams.agents import Agents, Stages
from streams.app import make_app
from streams.senml import AHEAD_S
from streams.sense_keeper import SenseKeeper

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
        self.reported.extend(decode(row.body) for row in reports)

    def keep_windows(self, place: str, epoch: int, doc: bytes, at: datetime) -> None:
        raise AssertionError("nothing is kept here")


def agents(pack: CityPack) -> tuple[Agents, World]:
    world = World()
    stages = Stages(pack, world, world, world, SenseKeeper(pack, world))  # type: ignore[arg-type]
    return Agents(make_app(Settings(broker_port=1)), stages), world


def spec(name: str) -> TopicSpec:
    return next(topic for topic in all_topics() if topic.name == name)


def record(value: bytes | None) -> Any:
    message = SimpleNamespace(timestamp=AT.timestamp(), topic="desk", partition=0, offset=7)
    return SimpleNamespace(value=value, key=HOME.encode(), message=message)


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


async def test_a_failing_classifier_is_a_dead_letter(
    liyang: CityPack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("streams.agents.classify", fail)
    subject, world = agents(liyang)
    await subject._on_reports(spec("reports"), record(encode(report())))
    assert [letter.reason for letter in world.letters] == ["RuntimeError: broken"]


async def test_the_desk_gets_a_batch_by_jurisdiction(liyang: CityPack) -> None:
    subject, world = agents(liyang)
    events = [report("a"), report("b", jurisdiction="other"), report("c")]
    await subject._on_desk(spec("desk"), record(encode_batch(map(encode, events))))
    assert [(where, [e.id for e in batch]) for where, batch in world.desk] == [
        (HOME, ["a", "c"]),
        ("other", ["b"]),
    ]


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


@pytest.mark.parametrize(
    ("topic", "stamp", "at_s"),
    [
        ("readings", LONG_AGO.timestamp(), AHEAD_S),
        ("exercise.readings", LONG_AGO.timestamp(), 7200),
        ("readings", None, 7200),
        ("readings", -0.001, 7200),
    ],
)
async def test_a_live_reading_is_no_younger_than_its_record_and_a_drills_time_is_its_own(
    liyang: CityPack, topic: str, stamp: float | None, at_s: float
) -> None:
    """A record without a time of its own is received now, which is later here."""
    subject, world = agents(liyang)
    pack = f'[{{"n":"urn:dev:1/sos","vb":true,"t":{LONG_AGO.timestamp() + 7200}}}]'
    sent = record(pack.encode())
    sent.message.timestamp = stamp
    await subject._on_readings(spec(topic), sent)
    assert [(event.time - LONG_AGO).total_seconds() for event in world.reported] == [at_s]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(poison=st.none() | st.binary(max_size=60) | st.sampled_from([b"[[]]", b"[1]", b"{", b"[{}"]))
async def test_poison_is_a_dead_letter_and_raises_nothing(
    liyang: CityPack, poison: bytes | None
) -> None:
    subject, world = agents(liyang)
    await subject._on_reports(spec("reports"), record(poison))
    await subject._on_desk(spec("desk"), record(poison))
    assert not world.published
    assert not world.desk
    if poison != b"[]":
        assert {letter.topic for letter in world.letters} == {"reports", "desk"}
