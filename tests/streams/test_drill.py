"""A live drill against a real database, with the pipeline and the wall clock played by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from dispatch.desk import Desk
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from models.city import CityPack
from models.clock import read_clock
from models.events import (
    ClockTicked,
    ConfirmProposal,
    DrillDescribed,
    Event,
    IncidentMoved,
    IncidentOpened,
    Payload,
    ReportClassified,
    ReportReceived,
    SendUnits,
    ServiceRecorded,
    SetPosture,
    TaskReported,
    UnitRegistered,
    decode,
    encode,
)
from models.inbox import InboxRow
from models.lifecycles import IncidentState
from models.registers import Drill
from models.settings import Settings
from models.situation import Situation
from models.store import Lease, Store
from models.words import Channel, Posture, Role, is_exercise
from playbooks.engine import PlaybookSet
from streams import drill as drill_module
from streams.agents import classified_event
from streams.drill import LiveDrill
from streams.drill_clock import ENDED, RUNNING, STOPPED
from streams.errors import DrillError, RecordingError
from streams.fast import replay
from streams.opening import opening_events
from streams.record import Recorder, record
from streams.recording import Recording, write_recording
from streams.seats import read_situation
from tests.dispatch.conftest import write_tiny_city
from tests.dispatch.desk_world import SOUTH, STEP, WEST
from tests.streams.payloads import payloads
from tests.waiting import HANG_S, until

PLANS = PlaybookSet.load(Path(__file__).parent.parent / "dispatch" / "plans")
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
WALL = datetime(2026, 7, 1, tzinfo=UTC)
HERE = "tiny.exercise"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityPack:
    """A town of sixteen crossings."""
    return CityPack.load(write_tiny_city(tmp_path_factory.mktemp("packs") / "tiny"))


@pytest.fixture(scope="module")
def roads(city: CityPack) -> RoadGraph:
    """Its streets."""
    return RoadGraph.load(city)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Three fires, ten minutes apart, and an engine of their own."""
    return write(tmp_path / "three.jsonl.gz", calls=3)


def write(path: Path, calls: int) -> Recording:
    last = FIRST + timedelta(minutes=10 * (calls - 1))
    events = [
        event("head", FIRST, DrillDescribed(
            name=path.name, city="tiny", calls=calls, units=5, first=FIRST, last=last)),
        event("u", FIRST, UnitRegistered(
            unit="E99", kind="engine", skills=("fire_suppression", "medical_first_response"),
            owner="government", lon=WEST, lat=SOUTH)),
    ]  # fmt: skip
    for number in range(calls):
        at = FIRST + timedelta(minutes=10 * number)
        report = ReportReceived(
            channel=Channel.HOTLINE,
            received_at=at,
            code="Structure Fire",
            lon=WEST + number * STEP,
            lat=SOUTH + 2 * STEP,
            attributes={"source_incident": str(number)},
        )
        events.append(event(f"call{number}", at, report))
        service = ServiceRecorded(report=f"call{number}", kind="engine", on_scene_s=120.0)
        events.append(event(f"call{number}/s1", at, service))
    write_recording(path, events)
    return Recording.load(path)


def event(name: str, at: datetime, data: Payload) -> Event:
    return Event(id=name, source="/t", time=at, jurisdiction=HERE, exercise=True, data=data)


class Town:
    """Database, pipeline and wall clock; the drill under test drives the rest."""

    def __init__(self, folder: Path, city: CityPack, roads: RoadGraph) -> None:
        self.city, self.roads = city, roads
        self.store = Store(f"sqlite:///{folder / 'town.db'}")
        self.store.migrate()
        self.settings = Settings(data_dir=folder, drill_stand_in_s=5.0)
        self.wall = WALL
        self.automatic: tuple[int, ...] = (1,)
        self.desk_is_up = True
        self._desks: dict[str, tuple[Desk, Lease]] = {}

    def drill(self, recording: Recording, speed: float = 60.0) -> LiveDrill:
        """Start (or take up) a drill."""
        travel = TravelTimes(self.roads)
        return LiveDrill(self.settings, self.store, self.city, travel, recording, speed, self.wall)

    def run(self, drill: LiveDrill, wall_s: float, every_s: float = 0.25) -> None:
        """Let wall time pass, the pipeline answering after each step."""
        end = self.wall + timedelta(seconds=wall_s)
        while self.wall < end and not drill.ended:
            drill.step(self.wall)
            if self.desk_is_up:
                self.pipeline()
            self.wall += timedelta(seconds=every_s)

    def pipeline(self) -> None:
        """Relay, classify and desk, for all that waits."""
        rows = self.store.unfinished_after(0, 1000)
        for jurisdiction in dict.fromkeys(row.jurisdiction for row in rows):
            self._decide(
                jurisdiction, [decode(r.body) for r in rows if r.jurisdiction == jurisdiction]
            )
        for jurisdiction in list(self._desks):
            self._decide(jurisdiction, [])

    def _decide(self, jurisdiction: str, inputs: list[Event]) -> None:
        now = read_clock(self.store, jurisdiction).now(self.wall) or FIRST
        if jurisdiction not in self._desks:
            situation = Situation(jurisdiction=jurisdiction, exercise=is_exercise(jurisdiction))
            desk = Desk(situation, self.city, PLANS, TravelTimes(self.roads))
            lease = self.store.claim(jurisdiction, exercise=True, at=self.wall)
            self._desks[jurisdiction] = desk, lease
            opening = opening_events(
                situation, self.city, PLANS, automatic_priorities=self.automatic,
                correlation_radius_m=150, correlation_window_s=1800, at=now,
            )  # fmt: skip
            inputs = [*opening, *inputs]
        desk, lease = self._desks[jurisdiction]
        made: list[Event] = []
        known = self.store.known(jurisdiction, [e.id for e in inputs])
        for one in inputs:
            if one.id not in known:
                is_report = isinstance(one.data, ReportReceived)
                made += desk.step(classified_event(one, self.city) if is_report else one)
        while (due := desk.next_due()) is not None and due <= max(now, desk.situation.now or now):
            tick = ClockTicked()
            name = f"tick/{desk.situation.seq}"
            made += desk.step(
                msgspec.structs.replace(event(name, now, tick), jurisdiction=jurisdiction)
            )
        if not made and not inputs:
            return
        lease = self.store.commit_step(
            lease, made, [encode(e) for e in made],
            finished=[e.id for e in inputs], wall=self.wall,
        )  # fmt: skip
        self._desks[jurisdiction] = desk, lease

    def journal(self, jurisdiction: str = HERE) -> list[Event]:
        """All of a journal."""
        return [decode(entry.body) for entry in self.store.entries(jurisdiction)]

    def row(self, jurisdiction: str = HERE) -> Drill:
        """The drill's row."""
        found = self.store.drill(jurisdiction)
        assert found is not None
        return found


@pytest.fixture
def town(tmp_path: Path, city: CityPack, roads: RoadGraph) -> Iterator[Town]:
    """An empty database."""
    town = Town(tmp_path, city, roads)
    yield town
    town.store.close()


def of(events: list[Event], kind: type[Payload]) -> list[Event]:
    return [e for e in events if isinstance(e.data, kind)]


def test_a_drill_runs_to_its_end_with_every_call_closed(town: Town, recording: Recording) -> None:
    drill = town.drill(recording)
    town.run(drill, 600)
    assert drill.ended
    drill.leave(town.wall)
    journal = town.journal()
    assert [one.report for one in payloads(journal, IncidentOpened)] == ["call0", "call1", "call2"]
    opened = of(journal, IncidentOpened)
    assert [(e.time - FIRST).total_seconds() for e in opened] == [0, 600, 1200]
    moved = payloads(journal, IncidentMoved)
    assert [one.state for one in moved].count(IncidentState.CLOSED) == 3
    assert "E99" in {one.unit for one in payloads(journal, UnitRegistered)}
    assert of(journal, TaskReported), "the stand-in does tasks"
    assert all(e.exercise and e.jurisdiction == HERE for e in journal)
    assert town.row().state == ENDED
    assert town.row().position == 6
    assert town.store.unfinished() == 0


def test_what_nobody_decides_the_stand_in_confirms_but_nothing_taken_by_hand(
    town: Town, recording: Recording
) -> None:
    town.automatic = ()
    drill = town.drill(recording, speed=10.0)
    town.run(drill, 4.0)
    assert not of(town.journal(), ConfirmProposal), "it waits 5 s"
    town.run(drill, 4.0)
    (confirmed,) = payloads(town.journal(), ConfirmProposal)
    assert confirmed.by == "drill-stand-in"
    town.run(drill, 55.0)
    assert len(of(town.journal(), IncidentOpened)) == 2
    by_hand = msgspec.structs.replace(
        event("order", town.row().anchor_sim,
              SendUnits(incident="i000002", units=("T01",), by="wang", role=Role.DISPATCHER,
                        jurisdictions=(HERE,)))
    )  # fmt: skip
    town._decide(HERE, [by_hand])
    town.run(drill, 30.0)
    assert [one.incident for one in payloads(town.journal(), ConfirmProposal)] == ["i000001"]


def test_a_stand_in_of_zero_seconds_never_confirms(town: Town, recording: Recording) -> None:
    town.automatic = ()
    town.settings = Settings(data_dir=town.settings.data_dir, drill_stand_in_s=0)
    drill = town.drill(recording)
    town.run(drill, 60.0)
    assert len(of(town.journal(), IncidentOpened)) == 3
    assert not of(town.journal(), ConfirmProposal)
    assert not of(town.journal(), TaskReported)


def test_pause_and_speed_come_from_the_row(town: Town, recording: Recording) -> None:
    drill = town.drill(recording)
    town.run(drill, 5)
    clock = read_clock(town.store, HERE)
    now = clock.now(town.wall)
    town.store.set_drill(HERE, paused=True, anchor_sim=now, anchor_wall=town.wall)
    town.run(drill, 60)
    assert len(of(town.journal(), IncidentOpened)) == 1
    town.store.set_drill(HERE, paused=False, speed=600.0, anchor_wall=town.wall)
    town.run(drill, 2)
    assert len(of(town.journal(), IncidentOpened)) == 3


def test_a_drill_that_a_console_ends_is_over_for_good(town: Town, recording: Recording) -> None:
    drill = town.drill(recording)
    town.run(drill, 5)
    town.store.set_drill(HERE, state=ENDED)
    town.run(drill, 60)
    assert drill.ended
    assert len(of(town.journal(), IncidentOpened)) == 1
    drill.leave(town.wall)
    ended = town.store.drill(HERE)
    assert ended is not None
    assert ended.state == ENDED
    town.drill(recording)
    assert [one.state for one in town.store.drills() if one.jurisdiction != HERE] == [RUNNING]


@pytest.mark.parametrize("killed", [False, True])
def test_it_goes_on_where_it_was(town: Town, recording: Recording, killed: bool) -> None:
    drill = town.drill(recording)
    town.run(drill, 12)
    assert len(of(town.journal(), IncidentOpened)) == 2
    before = read_clock(town.store, HERE).now(town.wall)
    assert before is not None
    if not killed:
        drill.leave(town.wall)
        assert town.row().state == STOPPED
    town.wall += timedelta(hours=8)
    again = town.drill(recording)
    assert town.row().state == RUNNING
    now = read_clock(town.store, HERE).now(town.wall)
    assert now is not None
    assert abs((now - before).total_seconds()) <= 60 * 0.6, "the night did not go on without us"
    town.run(again, 600)
    journal = town.journal()
    assert [one.report for one in payloads(journal, IncidentOpened)] == ["call0", "call1", "call2"]
    assert len({e.id for e in journal}) == len(journal)
    assert again.ended


def test_after_its_end_or_with_another_recording_an_exercise_is_a_new_one(
    town: Town, recording: Recording, tmp_path: Path
) -> None:
    first = town.drill(recording)
    town.run(first, 600)
    first.leave(town.wall)
    second = town.drill(recording)
    town.run(second, 5)
    assert town.row("tiny.exercise.2").state == RUNNING
    assert len(of(town.journal("tiny.exercise.2"), IncidentOpened)) == 1
    town.drill(write(tmp_path / "one.jsonl", calls=1))
    assert town.row("tiny.exercise.3").state == RUNNING
    assert town.row("tiny.exercise.2").state == STOPPED, "no clock runs that nobody drives"
    assert town.row().state == ENDED


def test_a_side_in_which_something_stray_came_later_is_left_alone(
    town: Town, recording: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    stray = event("stray", WALL, SetPosture(posture=Posture.EMERGENCY, by="wang", reason="x"))
    row = InboxRow(event_id=stray.id, jurisdiction=HERE, topic="exercise.desk", key=HERE,
                   body=encode(stray), received_at=WALL, exercise=True, priority=1)  # fmt: skip
    town.store.put([row])
    town.pipeline()
    drill = town.drill(recording)
    assert f"{HERE} has events that no drill sent" in caplog.text
    assert town.row("tiny.exercise.2").state == RUNNING
    town.run(drill, 600)
    opened = payloads(town.journal("tiny.exercise.2"), IncidentOpened)
    assert [one.report for one in opened] == ["call0", "call1", "call2"]
    assert drill.ended


def test_the_clock_is_held_while_the_desk_does_not_answer(town: Town, recording: Recording) -> None:
    drill = town.drill(recording, speed=600.0)
    town.desk_is_up = False
    town.run(drill, 20)
    held = read_clock(town.store, HERE).now(town.wall)
    assert held is not None
    assert (held - FIRST).total_seconds() <= 600 * 1.0
    assert town.row().speed == 600.0, "the speed that a person chose stays"
    town.desk_is_up = True
    town.run(drill, 600)
    assert drill.ended
    assert len(of(town.journal(), IncidentOpened)) == 3


def test_positions_are_told_when_they_change(town: Town, recording: Recording) -> None:
    drill = town.drill(recording, speed=10.0)
    told = []
    for _ in range(40):
        town.run(drill, 0.5)
        if (positions := drill.positions(town.wall)) is not None:
            told.append(positions)
    assert len(told) > 3
    assert len({e.id for e in told}) == len(told)
    assert all(e.jurisdiction == HERE and e.exercise for e in told)
    town.store.set_drill(HERE, paused=True, anchor_sim=told[-1].time, anchor_wall=town.wall)
    town.run(drill, 1)
    drill.positions(town.wall)
    assert drill.positions(town.wall) is None


def test_a_recorded_drill_replays(
    town: Town, recording: Recording, city: CityPack, roads: RoadGraph, tmp_path: Path
) -> None:
    town.run(town.drill(recording), 600)
    out = tmp_path / "again.jsonl.gz"
    with (tmp_path / "spool").open("w+b") as spool:
        recorder = Recorder(city, Situation(jurisdiction=HERE, exercise=True), "again", spool)
        for one in town.journal():
            recorder.observe(one)
        summary = recorder.write(out)
    assert summary.calls == 3
    again = Recording.load(out)
    assert [u.unit for u in again.units] == ["E99"]
    lines = list(again.happenings())
    first, copy = next(recording.happenings()).data, lines[0].data
    assert isinstance(copy, ReportReceived)
    assert copy == msgspec.structs.replace(first, language=copy.language)
    stays = {one.report: one.on_scene_s for one in payloads(lines, ServiceRecorded)}
    assert stays.keys() == {"call0", "call1", "call2"}
    # At 60 times life a step of the test is 15 s of the night.
    assert all(seconds == pytest.approx(120.0, abs=16) for seconds in stays.values())
    result = replay(again, city, PLANS, graph=roads)
    assert (result.calls, result.closed, result.dead_letters) == (3, 3, {})


async def test_a_drill_that_is_driven_already_is_left_alone(
    town: Town, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill_module, "SIGN_OF_LIFE_S", 0.02)
    monkeypatch.setattr(drill_module, "_wall", lambda: town.wall)
    running = town.drill(recording)
    town.run(running, 5)
    await drill_module._check_alone(town.store, "tiny")  # killed: no sign of life meanwhile
    await drill_module._check_alone(town.store, "elsewhere")
    checking = asyncio.create_task(drill_module._check_alone(town.store, "tiny"))
    while not checking.done():
        town.run(running, 1)
        await asyncio.sleep(0.01)
    with pytest.raises(DrillError, match=r"runs already in tiny\.exercise"):
        await checking
    running.leave(town.wall)
    await drill_module._check_alone(town.store, "tiny")


async def test_recording_follows_a_journal_until_it_is_stopped(
    town: Town,
    recording: Recording,
    city: CityPack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url=town.store.url, cities_dir=city.path.parent, city="tiny"
    )
    out = tmp_path / "live.jsonl"
    stop = asyncio.Event()
    ended = asyncio.Event()
    ended.set()
    with pytest.raises(RecordingError, match="nothing was reported"):
        await record(settings, HERE, out, ended)
    assert not out.exists()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    observed = 0

    def read_first(store: Store, jurisdiction: str) -> Situation:
        found = read_situation(store, jurisdiction)
        loop.call_soon_threadsafe(begun.set)
        return found

    class Counting(Recorder):
        def observe(self, event: Event) -> None:
            nonlocal observed
            observed += 1
            super().observe(event)

    monkeypatch.setattr("streams.record.read_situation", read_first)
    monkeypatch.setattr("streams.record.Recorder", Counting)
    task = asyncio.create_task(record(settings, HERE, out, stop))
    await asyncio.wait_for(begun.wait(), HANG_S)
    drill = town.drill(recording)
    await asyncio.to_thread(town.run, drill, 12)
    await until(lambda: observed == len(town.journal()))
    stop.set()
    summary = await task
    assert summary.calls == len(of(town.journal(), ReportClassified)) == 2
    assert Recording.load(out).described.calls == summary.calls
