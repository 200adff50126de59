"""Sense's memory: durable before a record counts, patient with the database, its own places."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from models import tracing
from models.city import CityPack
from models.errors import StoreError
from models.events import (
    AlarmEnded,
    ClockTicked,
    DeadlineDropped,
    Event,
    Payload,
    ReportReceived,
    decode,
    encode,
)
from models.inbox import UnfinishedRow
from models.lifecycles import IncidentState
from models.registers import Device
from models.senml import Reading
from models.situation import Incident
from models.store import Store
from models.words import Channel, Grade
from streams import sense_keeper
from streams.classify.reports import classify
from streams.sense_keeper import SenseKeeper
from tests.waiting import HANG_S

START = datetime(2026, 7, 1, tzinfo=UTC)
LIVE, DRILL = "readings", "exercise.readings"
REPORTS_TOPICS = ("reports", "exercise.reports")


def at(seconds: float, value: float, device: str = "d1", quantity: str = "sos") -> Reading:
    return Reading(device, quantity, value, "", START.timestamp() + seconds)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'test.db'}")
    opened.migrate()
    yield opened
    opened.close()


class Ticks:
    """Monotonic time that stands still unless somebody listens."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


async def listen(keeper: SenseKeeper, ticks: Ticks, for_s: float) -> None:
    for _ in range(int(for_s // sense_keeper.SILENCE_EVERY_S)):
        ticks.s += sense_keeper.SILENCE_EVERY_S
        await keeper.watch_silence()


def beat(seconds: float, device: str = "d1") -> Reading:
    return at(seconds, 1, device, "heartbeat")


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"gridcommand_{name}_total", labels) or 0.0


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Traces are on; the spans that ended."""
    ended = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ended))
    monkeypatch.setattr(tracing._State, "tracer", provider.get_tracer("test"))
    return ended


def traces(store: Store) -> list[str]:
    return [decode(row.body).traceparent for row in store.unfinished_after(0, 100)]


def reports(store: Store) -> list[str]:
    return [row.event_id for row in store.unfinished_after(0, 100) if row.topic in REPORTS_TOPICS]


def ends(store: Store) -> list[AlarmEnded]:
    found = [decode(row.body).data for row in store.unfinished_after(0, 100)]
    return [one for one in found if isinstance(one, AlarmEnded)]


async def test_a_worker_killed_after_an_alarm_does_not_raise_it_again(
    liyang: CityPack, store: Store
) -> None:
    await SenseKeeper(liyang, store).take(LIVE, 0, [at(0, 1)], START, exercise=False)
    (raised,) = reports(store)
    woken = SenseKeeper(liyang, store)
    await woken.take(
        LIVE, 0, [at(0, 1)], START, exercise=False
    )  # the record that wasn't committed yet
    await woken.take(LIVE, 0, [at(5, 1)], START, exercise=False)
    assert reports(store) == [raised]
    await woken.take(LIVE, 0, [at(6, 0), at(7, 1)], START, exercise=False)
    assert len(reports(store)) == 2, "it cleared, so this one is new"


async def test_a_device_that_fell_silent_with_the_worker_is_still_missed(
    liyang: CityPack, store: Store
) -> None:
    first = SenseKeeper(liyang, store, now=lambda: START)
    await first.take(LIVE, 0, [beat(0)], START, exercise=False)
    await first.keep()
    ticks = Ticks()
    woken = SenseKeeper(liyang, store, now=lambda: START + timedelta(hours=1), monotonic=ticks)
    await woken.assign({(LIVE, 0), ("desk", 0)})
    await listen(woken, ticks, 895)
    assert not reports(store), "nobody listened meanwhile"
    await listen(woken, ticks, 5)
    assert len(reports(store)) == 1
    await listen(woken, ticks, 2000)
    assert len(reports(store)) == 1


async def test_neither_a_clock_that_jumps_nor_a_worker_that_stood_still_makes_devices_silent(
    liyang: CityPack, store: Store
) -> None:
    ticks, now = Ticks(), [START]
    keeper = SenseKeeper(liyang, store, now=lambda: now[0], monotonic=ticks)
    await keeper.take(LIVE, 0, [beat(0, f"d{n}") for n in range(9)], START, exercise=False)
    now[0] += timedelta(hours=1)
    await keeper.watch_silence()
    ticks.s += 3600
    await keeper.watch_silence()
    assert not reports(store)


async def test_a_device_is_heard_after_its_clock_and_ours_jumped_forth_and_back(
    liyang: CityPack, store: Store
) -> None:
    now = [START + timedelta(hours=1)]
    keeper = SenseKeeper(liyang, store, now=lambda: now[0])
    await keeper.take(LIVE, 0, [at(3600, 0)], now[0], exercise=False)
    now[0] = START + timedelta(seconds=10)
    await keeper.take(LIVE, 0, [at(10, 1)], now[0], exercise=False)
    (raised,) = reports(store)
    await keeper.take(LIVE, 0, [at(10, 1), at(20, 1)], now[0], exercise=False)
    assert reports(store) == [raised]


async def test_a_record_that_comes_again_late_is_no_clock_that_was_set_back(
    liyang: CityPack, store: Store
) -> None:
    now = START + timedelta(hours=1)
    keeper = SenseKeeper(liyang, store, now=lambda: now)
    for seconds, value in ((0, 1), (10, 1), (600, 0), (10, 1), (600, 0)):
        received = START + timedelta(seconds=seconds)
        await keeper.take(LIVE, 0, [at(seconds, value)], received, exercise=False)
    assert len(reports(store)) == 1


async def test_a_worker_whose_clock_is_behind_knows_late_readings_all_the_same(
    liyang: CityPack, store: Store
) -> None:
    keeper = SenseKeeper(liyang, store, now=lambda: START - timedelta(hours=1))
    await keeper.take(LIVE, 0, [at(0, 1), at(10, 1), at(20, 0)], START, exercise=False)
    await keeper.take(LIVE, 0, [at(10, 1), at(20, 0)], START, exercise=False)
    assert len(reports(store)) == 1


async def test_an_alarm_waits_in_the_inbox_behind_what_is_more_urgent(
    liyang: CityPack, store: Store
) -> None:
    ticks = Ticks()
    keeper = SenseKeeper(liyang, store, monotonic=ticks)
    readings = [
        beat(0),
        at(0, 1),
        at(0, 5.0, "d2", "water_level"),
        at(120, 5.0, "d2", "water_level"),
    ]
    await keeper.take(LIVE, 0, readings, START, exercise=False)
    await listen(keeper, ticks, 900)
    rows = [row for row in store.unfinished_after(0, 100) if row.topic in REPORTS_TOPICS]
    assert [row.priority for row in rows] == [2, 1, 4]


async def test_what_sense_takes_ignores_and_raises_is_counted(
    liyang: CityPack, store: Store
) -> None:
    def counts() -> list[float]:
        return [
            count("readings_taken"),
            count("readings_ignored", why="late"),
            count("readings_ignored", why="unit"),
            count("sensor_alarms", rule="sos-button", exercise="false"),
            count("sensor_alarms", rule="sos-button", exercise="true"),
        ]

    before = counts()
    keeper = SenseKeeper(liyang, store)
    wrong = Reading("d2", "co", 99, "Pa", START.timestamp())
    await keeper.take(LIVE, 0, [at(0, 1), at(0, 1), at(1, 1), wrong], START, exercise=False)
    await keeper.take(DRILL, 0, [at(0, 0)], START, exercise=True)
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [4, 1, 1, 1, 0]


async def test_a_partition_that_went_to_another_worker_is_its_alone(
    liyang: CityPack, store: Store
) -> None:
    ticks = Ticks()
    here, there = (SenseKeeper(liyang, store, now=lambda: START, monotonic=ticks) for _ in range(2))
    await here.take(LIVE, 0, [beat(0)], START, exercise=False)
    await here.keep()
    await here.assign({(LIVE, 1)})
    await there.assign({(LIVE, 0)})
    await there.take(LIVE, 0, [beat(3600)], START, exercise=False)
    await listen(here, ticks, 2000)
    assert not reports(store), "a stale memory must not speak"


async def test_alarms_wait_for_a_database_that_is_away(
    liyang: CityPack, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sense_keeper, "DATABASE_PAUSE_S", 0.01)
    failures = [2]
    note = store.note_episodes

    def away(*given: Any) -> None:
        if failures[0]:
            failures[0] -= 1
            raise StoreError("away")
        note(*given)

    monkeypatch.setattr(store, "note_episodes", away)
    await asyncio.wait_for(
        SenseKeeper(liyang, store).take(LIVE, 0, [at(0, 1)], START, exercise=False), HANG_S
    )
    assert len(reports(store)) == 1
    assert failures == [0]


async def test_on_the_embedded_broker_a_device_may_change_its_partition(
    liyang: CityPack, store: Store
) -> None:
    keeper = SenseKeeper(liyang, store, alone=True)
    await keeper.assign({(LIVE, 0)})
    await keeper.take(LIVE, 0, [at(0, 1)], START, exercise=False)
    await keeper.assign({(LIVE, number) for number in range(4)})
    await keeper.take(LIVE, 3, [at(1, 1)], START, exercise=False)
    assert len(reports(store)) == 1, "it lasts"
    await keeper.take(LIVE, 3, [at(2, 0)], START, exercise=False)
    await keeper.assign({(LIVE, 0)})
    await keeper.take(LIVE, 0, [at(3, 1)], START, exercise=False)
    assert len(reports(store)) == 2, "it ended in between"


async def test_windows_are_kept_when_the_broker_begins_anew(liyang: CityPack, store: Store) -> None:
    keeper = SenseKeeper(liyang, store, now=lambda: START, alone=True)
    await keeper.take(LIVE, 0, [at(0, 20.0, quantity="temperature")], START, exercise=False)
    keeper.doubt()
    await keeper.assign({(LIVE, 0)})
    # Killed at once; an empty broker sends nothing again.
    after = SenseKeeper(liyang, store, now=lambda: START, alone=True)
    await after.take(LIVE, 0, [at(1, 35.0, quantity="temperature")], START, exercise=False)
    await after.take(LIVE, 0, [at(2, 35.0, quantity="temperature")], START, exercise=False)
    assert len(reports(store)) == 1, "it rose by 15 degrees"


async def test_assigning_goes_on_while_the_database_refuses_windows(
    liyang: CityPack, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_given: object) -> None:
        raise StoreError("away")

    keeper = SenseKeeper(liyang, store)
    await keeper.take(LIVE, 0, [at(0, 1)], START, exercise=False)
    with monkeypatch.context() as patched:
        patched.setattr(store, "keep_windows", away)
        await keeper.assign({(LIVE, 0)})
    await keeper.keep()
    assert store.claim_sense("readings/0", START).windows


async def test_a_worker_that_was_halted_speaks_from_no_stale_memory(
    liyang: CityPack, store: Store
) -> None:
    halted, other = (SenseKeeper(liyang, store, now=lambda: START) for _ in range(2))
    await halted.take(LIVE, 0, [at(0, 0)], START, exercise=False)
    await other.take(LIVE, 0, [at(1, 1)], START, exercise=False)
    (raised,) = reports(store)
    # It wakes with records that it had fetched: what the other one told is not told again.
    await halted.take(LIVE, 0, [at(2, 1)], START, exercise=False)
    await other.take(LIVE, 0, [at(3, 1)], START, exercise=False)
    assert reports(store) == [raised]


async def test_a_partition_that_comes_back_is_remembered_as_the_other_one_left_it(
    liyang: CityPack, store: Store
) -> None:
    halted, other = (SenseKeeper(liyang, store, now=lambda: START) for _ in range(2))
    await halted.take(LIVE, 0, [at(0, 1)], START, exercise=False)
    await other.take(LIVE, 0, [at(1, 0)], START, exercise=False)
    halted.doubt()
    await halted.assign({(LIVE, 0)})
    await halted.take(LIVE, 0, [at(2, 1)], START, exercise=False)
    assert len(reports(store)) == 2, "it was over in between, so it is new"


async def test_readings_that_come_again_after_their_alarm_ended_are_known(
    liyang: CityPack, store: Store
) -> None:
    first = SenseKeeper(liyang, store)
    await first.take(LIVE, 0, [at(n, 1) for n in range(3)], START, exercise=False)
    await first.take(LIVE, 0, [at(3, 0)], START, exercise=False)
    # Killed before the broker knew how far it was; windows weren't kept.
    again = SenseKeeper(liyang, store)
    await again.take(LIVE, 0, [at(2, 1), at(3, 0)], START, exercise=False)
    assert len(reports(store)) == 1
    await again.take(LIVE, 0, [at(4, 1)], START, exercise=False)
    assert len(reports(store)) == 2


async def test_stale_windows_replace_none_and_stale_silence_is_not_told(
    liyang: CityPack, store: Store
) -> None:
    ticks = Ticks()
    halted = SenseKeeper(liyang, store, now=lambda: START, monotonic=ticks)
    other = SenseKeeper(liyang, store, now=lambda: START)
    await halted.take(LIVE, 0, [beat(0)], START, exercise=False)
    await other.take(LIVE, 0, [beat(3590)], START, exercise=False)
    await other.keep()
    kept = store.claim_sense("readings/0", START).windows
    await halted.keep()
    assert store.claim_sense("readings/0", START).windows == kept
    await listen(halted, ticks, 2000)
    assert not reports(store)


async def test_windows_that_cannot_be_read_are_made_anew(liyang: CityPack, store: Store) -> None:
    epoch = store.claim_sense("readings/0", START).epoch
    store.keep_windows("readings/0", epoch, b"of another version", START)
    await SenseKeeper(liyang, store).take(LIVE, 0, [at(0, 1)], START, exercise=False)
    assert len(reports(store)) == 1


async def test_an_exercise_has_its_own_ids_and_time(liyang: CityPack, store: Store) -> None:
    keeper = SenseKeeper(liyang, store)
    await keeper.take(LIVE, 0, [at(0, 1)], START, exercise=False)
    await keeper.take(DRILL, 0, [at(0, 1), beat(0)], START, exercise=True)
    await keeper.take(DRILL, 0, [at(5000, 0)], START, exercise=True)
    rows = [row for row in store.unfinished_after(0, 100) if row.topic in REPORTS_TOPICS]
    assert [row.exercise for row in rows] == [False, True, True]
    live, drill = ("reports", "320481"), ("exercise.reports", "320481.exercise")
    assert [(row.topic, row.jurisdiction) for row in rows] == [live, drill, drill]
    assert len({row.event_id for row in rows}) == 3


async def test_two_exercises_share_nothing_but_their_topic(liyang: CityPack, store: Store) -> None:
    """The second plays the same night with the same devices again."""

    def smoke(seconds: float, value: float) -> Reading:
        return at(seconds, value, quantity="smoke_alarm")

    first, second = "320481.exercise", "320481.exercise.2"

    def raised() -> list[UnfinishedRow]:
        return [row for row in store.unfinished_after(0, 100) if row.topic in REPORTS_TOPICS]

    async def play(keeper: SenseKeeper, jurisdiction: str, *readings: Reading) -> list[str]:
        before = len(raised())
        await keeper.take(DRILL, 0, readings, START, exercise=True, jurisdiction=jurisdiction)
        return [row.jurisdiction for row in raised()[before:]]

    keeper = SenseKeeper(liyang, store)
    assert await play(keeper, first, smoke(0, 1), beat(0)) == [first]
    assert await play(keeper, second, smoke(0, 1), beat(0)) == [second]
    assert await play(keeper, first, smoke(5000, 1), beat(5000, "d2")) == [first], "d1 is silent"
    assert await play(keeper, second, smoke(10, 1), beat(10)) == []
    await keeper.keep()
    woken = SenseKeeper(liyang, store)
    assert await play(woken, second, smoke(11, 1), beat(11)) == []
    assert await play(woken, second, smoke(12, 0), smoke(13, 1)) == [second]
    rows = store.unfinished_after(0, 100)
    assert len({(row.jurisdiction, row.event_id) for row in rows}) == len(rows)


async def test_the_end_of_an_alarm_goes_to_the_desk_of_its_jurisdiction(
    liyang: CityPack, store: Store
) -> None:
    ticks = Ticks()
    keeper = SenseKeeper(liyang, store, monotonic=ticks)
    smoke = [at(s, value, quantity="smoke_alarm") for s, value in ((0, 1), (7, 0))]
    await keeper.take(LIVE, 0, [*smoke, at(7, 1)], START, exercise=False)
    alarm, button = reports(store)
    (over,) = ends(store)
    assert (over.report, over.device, over.by_itself) == (alarm, "d1", False)
    assert over.at == START + timedelta(seconds=7)
    await listen(keeper, ticks, 290)
    assert len(ends(store)) == 1
    await listen(keeper, ticks, 15)
    assert [(one.report, one.by_itself) for one in ends(store)[1:]] == [(button, True)]
    rows = [row for row in store.unfinished_after(0, 100) if row.topic not in REPORTS_TOPICS]
    assert {(row.topic, row.jurisdiction, row.priority) for row in rows} == {("desk", "320481", 4)}
    # Handed in late: by its own time it is of the press before.
    await keeper.take(LIVE, 0, [at(20, 1)], START, exercise=False)
    assert len(reports(store)) == 2
    await keeper.take(LIVE, 0, [at(400, 1)], START, exercise=False)
    assert len(reports(store)) == 3


PLACE = (119.48, 31.42)


def registered(name: str, **fields: Any) -> Device:
    return Device(id=name, jurisdiction="320481", lon=PLACE[0], lat=PLACE[1], **fields)


def places(store: Store) -> list[tuple[float | None, float | None]]:
    found = [decode(row.body).data for row in store.unfinished_after(0, 100)]
    return [(one.lon, one.lat) for one in found if isinstance(one, ReportReceived)]


async def test_the_registers_place_is_the_alarms_place(liyang: CityPack, store: Store) -> None:
    keeper = SenseKeeper(liyang, store)
    await keeper.take(LIVE, 0, [at(0, 0)], START, exercise=False)
    # Registered a moment ago, by somebody else.
    store.add_device(registered("d1"))
    own = [at(0, 119.5, "d2", "lon"), at(0, 31.5, "d2", "lat")]
    store.add_device(registered("d2"))
    await keeper.take(LIVE, 0, [at(1, 1), *own, at(1, 1, "d2")], START, exercise=False)
    assert places(store) == [PLACE, (119.5, 31.5)], "its own word about its place goes before"


async def test_an_alarm_says_what_the_register_knows_of_its_device(
    liyang: CityPack, store: Store
) -> None:
    keeper = SenseKeeper(liyang, store)
    store.add_device(Device(id="d1", jurisdiction="320481", kind="button", owner="张三"))
    await keeper.take(LIVE, 0, [at(0, 0), at(1, 1), at(0, 0, "d2"), at(1, 1, "d2")], START,
                      exercise=False)  # fmt: skip
    found = [decode(row.body).data for row in store.unfinished_after(0, 100)]
    alarms = [one for one in found if isinstance(one, ReportReceived)]
    assert [classify(one, liyang).facts for one in alarms] == [
        {"device": "d1", "device_kind": "button", "device_owner": "张三"},
        {"device": "d2"},
    ]
    told = msgspec.structs.replace(alarms[0], channel=Channel.HOTLINE)
    assert "device" not in classify(told, liyang).facts, "a caller is no device"


async def test_registered_neighbours_are_a_quorum_also_after_a_restart(
    liyang: CityPack, store: Store
) -> None:
    for name in ("w1", "w2", "w3"):
        store.add_device(registered(name))

    def deep(seconds: float, *names: str) -> list[Reading]:
        return [at(seconds, 0.2, name, "water_depth") for name in names]

    keeper = SenseKeeper(liyang, store)
    for second in (0, 70):
        await keeper.take(LIVE, 0, deep(second, "w1", "w2"), START, exercise=False)
    await keeper.keep()
    woken = SenseKeeper(liyang, store)
    for second in (71, 132):
        await woken.take(LIVE, 0, deep(second, "w3"), START, exercise=False)
    assert places(store) == [PLACE]


async def test_nobody_is_told_of_the_silence_of_a_disabled_device(
    liyang: CityPack, store: Store
) -> None:
    ticks = Ticks()
    keeper = SenseKeeper(liyang, store, monotonic=ticks)
    store.add_device(registered("d1", disabled=True))
    store.add_device(registered("d2"))
    await keeper.take(LIVE, 0, [at(0, 1), beat(0), beat(0, "d2")], START, exercise=False)

    def told() -> list[tuple[str, object]]:
        found = [decode(row.body).data for row in store.unfinished_after(0, 100)]
        alarms = [one for one in found if isinstance(one, ReportReceived)]
        return [(one.reporter, one.attributes["rule"]) for one in alarms]

    for minutes in range(1, 40):
        await listen(keeper, ticks, 60)
        beats = [beat(60 * minutes, "d2")]
        await keeper.take(LIVE, 0, beats, START, exercise=False)
    assert told() == [("d1", "sos-button")], "what it said before is told"
    await keeper.take(LIVE, 0, [beat(2400)], START, exercise=False)
    await listen(keeper, ticks, 2000)
    assert told()[1:] == [("d1", "heartbeat")], "the last one heard tells for all"


@pytest.mark.parametrize(
    ("state", "merged_into", "is_new"),
    [
        (IncidentState.OPEN, "", False),
        (IncidentState.ACTIVE, "", False),
        (IncidentState.CLOSED, "", True),
        (IncidentState.CANCELLED, "", True),
        (IncidentState.CLOSED, "i2", False),
    ],
)
async def test_a_press_after_the_incident_was_closed_is_a_new_alarm(
    liyang: CityPack, store: Store, state: IncidentState, merged_into: str, is_new: bool
) -> None:
    keeper = SenseKeeper(liyang, store)
    await keeper.take(LIVE, 0, [at(0, 1)], START, exercise=False)
    (first,) = reports(store)
    await keeper.take(LIVE, 0, [at(10, 1)], START, exercise=False)
    assert reports(store) == [first], "no desk has decided yet"

    def event(seq: int, data: Payload, **fields: str) -> Event:
        return Event(
            id=fields.get("name", f"{first}/{seq}"), source="/desk", time=START, seq=seq,
            jurisdiction="320481", cause=fields.get("cause", ""),
            subject=fields.get("incident", ""), data=data,
        )  # fmt: skip

    made = [
        event(1, ClockTicked(), name=first),
        event(2, DeadlineDropped(deadline="x", incident="i9"), cause="other", incident="i9"),
        event(3, DeadlineDropped(deadline="x", incident="i1"), cause=first, incident="i1"),
    ]
    kept = [
        Incident(
            id=name, number=name, state=now, category="city.elderly_alarm", priority=2,
            grade=Grade.IV, confidence=1.0, opened_at=START, updated_at=START, updated_seq=1,
            merged_into=into,
        )
        for name, now, into in (("i1", state, merged_into), ("i2", IncidentState.OPEN, ""),
                                ("i9", IncidentState.CLOSED, ""))
    ]  # fmt: skip
    store.commit_step(
        store.claim("320481", exercise=False, at=START), made, [encode(one) for one in made],
        wall=START, entities=kept,
    )  # fmt: skip
    await keeper.take(LIVE, 0, [at(20, 1)], START, exercise=False)
    assert len(reports(store)) == 1 + is_new
    await keeper.take(LIVE, 0, [at(25, 1)], START, exercise=False)
    assert len(reports(store)) == 1 + is_new, "the new one is undecided"


SENDERS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("sender", ["", SENDERS, "not a trace"])
async def test_an_alarm_says_the_trace_that_its_reading_began(
    liyang: CityPack, store: Store, spans: InMemorySpanExporter, sender: str
) -> None:
    keeper = SenseKeeper(liyang, store)
    readings = [at(0, 1), at(0, 1, "d2")]
    await keeper.take(LIVE, 0, readings, START, exercise=False, traceparent=sender)
    sense, reading = spans.get_finished_spans()
    assert (sense.name, reading.name) == ("sense", "reading")
    assert sense.parent is not None
    assert reading.context is not None
    assert sense.parent.span_id == reading.context.span_id
    assert reading.start_time == round(START.timestamp() * 1e9)
    trace, span = f"{reading.context.trace_id:032x}", f"{reading.context.span_id:016x}"
    assert [one.rpartition("-")[0] for one in traces(store)] == [f"00-{trace}-{span}"] * 2
    assert (trace in SENDERS) == (sender == SENDERS)


async def test_a_reading_that_raises_nothing_leaves_no_span(
    liyang: CityPack, store: Store, spans: InMemorySpanExporter
) -> None:
    keeper = SenseKeeper(liyang, store)
    await keeper.take(LIVE, 0, [at(0, 1)], START, exercise=False)
    before = len(spans.get_finished_spans())
    await keeper.take(LIVE, 0, [at(1, 1), at(2, 0)], START, exercise=False, traceparent=SENDERS)
    assert len(spans.get_finished_spans()) == before


async def test_a_silence_has_a_trace_that_begins_at_sense(
    liyang: CityPack, store: Store, spans: InMemorySpanExporter
) -> None:
    ticks = Ticks()
    keeper = SenseKeeper(liyang, store, monotonic=ticks)
    await keeper.take(LIVE, 0, [beat(0)], START, exercise=False)
    await listen(keeper, ticks, 900)
    (sense,) = spans.get_finished_spans()
    assert sense.parent is None
    assert sense.context is not None
    assert f"{sense.context.trace_id:032x}" in traces(store)[0]


async def test_an_alarm_has_no_trace_while_traces_are_off(liyang: CityPack, store: Store) -> None:
    keeper = SenseKeeper(liyang, store)
    await keeper.take(LIVE, 0, [at(0, 1)], START, exercise=False, traceparent=SENDERS)
    assert traces(store) == [""]
