"""The desk's shell: once in the journal whatever comes twice, fenced, never stuck on poison."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.errors import StoreError
from models.events import Event, decode
from models.inbox import InboxRow
from models.lifecycles import UnitState
from models.registers import Drill
from models.settings import Settings
from models.situation import dump
from models.store import Store
from models.words import Channel, Grade
from playbooks.engine import PlaybookSet
from streams.desk_shell import DeskShell
from streams.seats import read_situation
from tests.dispatch.conftest import write_tiny_city
from tests.dispatch.desk_world import PLANS

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


class Bench:
    """A shell on the tiny city, and what it published."""

    def __init__(self, path: Path, *, plans: PlaybookSet = PLANS) -> None:
        self.settings = Settings(
            data_dir=path, snapshot_every=20, city=str(write_tiny_city(path / "tiny"))
        )
        self.pack = CityPack.load(self.settings.city_path)
        self.roads = RoadGraph.load(self.pack)
        self.store = Store(self.settings.database)
        self.store.migrate()
        self.published: list[tuple[str, bytes]] = []
        self.shells: list[DeskShell] = []
        self.plans = plans

    def shell(self, **changes: Any) -> DeskShell:
        """A shell as another process would have it, with its settings changed."""
        settings = self.settings.model_copy(update=changes)

        async def publish(jurisdiction: str, events: list[bytes]) -> None:
            self.published.extend((jurisdiction, event) for event in events)

        made = DeskShell(settings, self.store, self.pack, self.plans, self.roads, publish)
        self.shells.append(made)
        return made

    def journal(self, jurisdiction: str = "tiny") -> list[Event]:
        """Everything in the journal, checked."""
        if self.store.head(jurisdiction) is None:
            return []
        self.store.verify(jurisdiction)
        return [decode(raw) for raw in self.store.read(jurisdiction, 0, 100_000)]

    async def until(self, kind: type[ev.Payload], jurisdiction: str = "tiny") -> Event:
        """Wait for the first event of a kind."""
        while True:
            for event in self.journal(jurisdiction):
                if isinstance(event.data, kind):
                    return event
            await asyncio.sleep(0.01)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for shell in made.shells:
        await shell.close()
    made.store.close()


def report(event_id: str, *, jurisdiction: str = "tiny", **changes: Any) -> Event:
    data: dict[str, Any] = {
        "channel": Channel.CITIZEN,
        "received_at": NOW,
        "category": "accident.fire.structure",
        "priority": 1,
        "grade": Grade.IV,
        "confidence": 1.0,
        "lon": 119.405,
        "lat": 31.405,
        "attributes": {"source_incident": event_id},
        **changes,
    }
    return Event(
        id=event_id,
        source="/classify",
        time=NOW,
        jurisdiction=jurisdiction,
        exercise=".exercise" in jurisdiction,
        data=ev.ReportClassified(**data),
    )


def inbox_row(event_id: str) -> InboxRow:
    return InboxRow(
        event_id=event_id,
        jurisdiction="tiny",
        topic="reports",
        key="tiny",
        body=b"",
        received_at=NOW,
    )


async def test_a_report_is_decided_and_its_inbox_row_finished(bench: Bench) -> None:
    bench.store.put([inbox_row("r1")])
    await bench.shell().handle("tiny", [report("r1")])
    await bench.until(ev.AssignmentOrdered)
    assert bench.store.unfinished() == 0
    await bench.shells[0].close()
    assert [raw for _, raw in bench.published] == bench.store.read("tiny", 0, 1000)
    assert bench.store.incident_doc("tiny", "i000001") is not None


async def test_delivered_twice_applied_once(bench: Bench) -> None:
    shell = bench.shell()
    await shell.handle("tiny", [report("r1"), report("r1")])
    await shell.handle("tiny", [report("r1")])
    again = bench.shell()
    await again.handle("tiny", [report("r1"), report("r2")])
    opened = [e.id for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]
    assert len(opened) == 2


async def test_a_restarted_desk_goes_on_from_snapshot_and_tail(bench: Bench) -> None:
    shell = bench.shell()
    for number in range(12):
        await shell.handle("tiny", [report(f"r{number}")])
    await shell.close()
    assert bench.store.latest_snapshot("tiny") is not None
    before = dump(read_situation(bench.store, "tiny"))
    again = bench.shell()
    await again.open("tiny")
    assert dump(read_situation(bench.store, "tiny")) == before, "nothing to open anew"
    await again.handle("tiny", [report("later")])
    assert len({e.id for e in bench.journal()}) == len(bench.journal())


async def test_of_two_desks_one_writes_and_the_other_comes_back_clean(bench: Bench) -> None:
    one, two = bench.shell(), bench.shell()
    await one.open("tiny")
    await bench.until(ev.ClockTicked)  # the opening's own plan is through
    await two.open("tiny")
    bench.store.put([inbox_row("r1")])
    await one.handle("tiny", [report("r1")])
    assert not [e for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]
    assert bench.store.unfinished() == 1, "not lost: the relay publishes it again"
    await one.handle("tiny", [report("r1")])
    assert [e for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]


async def test_a_decision_of_somebody_elses_is_a_dead_letter_and_decides_nothing(
    bench: Bench,
) -> None:
    decision = msgspec.structs.replace(
        report("bad"), data=ev.UnitMoved(unit="E01", state=UnitState.OUT_OF_SERVICE)
    )
    await bench.shell().handle("tiny", [report("r1"), decision, report("r2")])
    opened = [e.cause for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]
    assert opened == ["r1", "r2"]
    assert read_situation(bench.store, "tiny").units["E01"].state is not UnitState.OUT_OF_SERVICE
    (letter,) = bench.store.dead_letters()
    assert (letter.event_id, letter.code) == ("bad", "desk_failed")
    assert "is no input of a desk" in letter.reason


async def test_poison_is_a_dead_letter_and_the_rest_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = PlaybookSet.match

    def explode(self: PlaybookSet, facts: Any) -> Any:
        if facts.code == "poison":
            raise RuntimeError("boom")
        return match(self, facts)

    monkeypatch.setattr(PlaybookSet, "match", explode)
    bench.store.put([inbox_row("r1"), inbox_row("bad"), inbox_row("r2")])
    await bench.shell().handle("tiny", [report("r1"), report("bad", code="poison"), report("r2")])
    opened = [e.cause for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]
    assert opened == ["r1", "r2"]
    (letter,) = bench.store.dead_letters()
    assert (letter.event_id, letter.code, letter.stage) == ("bad", "desk_failed", "desk")
    assert "boom" in letter.reason
    assert bench.store.unfinished() == 0


async def test_a_jurisdiction_that_is_not_ours_is_a_dead_letter(bench: Bench) -> None:
    await bench.shell().handle("elsewhere", [report("r1", jurisdiction="elsewhere")])
    assert bench.store.dead_letters()[0].code == "unknown_jurisdiction"


async def test_a_database_that_is_away_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.desk_shell.RETRY_S", 0.01)
    known, calls = bench.store.known, 0

    def away(*args: Any) -> set[str]:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise StoreError("the database refused or can't be reached")
        return known(*args)

    monkeypatch.setattr(bench.store, "known", away)
    await bench.shell().handle("tiny", [report("r1")])
    assert [e for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]


async def test_a_batch_is_decided_while_the_one_before_it_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = bench.shell(desk_batch=1)
    await shell.open("tiny")
    write, known = bench.store.write_step, bench.store.known
    writing, looked_at = threading.Event(), threading.Event()

    def slow(*args: Any) -> None:
        writing.set()
        assert looked_at.wait(10), "the second batch isn't touched before the first is written"
        write(*args)

    def seen(jurisdiction: str, ids: list[str]) -> set[str]:
        if "r2" in ids:
            assert writing.wait(10)
            looked_at.set()
        return known(jurisdiction, ids)

    monkeypatch.setattr(bench.store, "write_step", slow)
    monkeypatch.setattr(bench.store, "known", seen)
    done = [await shell.submit("tiny", [report(name)]) for name in ("r1", "r2", "r1")]
    await asyncio.gather(*done)
    opened = [e.cause for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]
    assert opened == ["r1", "r2"]


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("fails", range(1, 6))
async def test_a_write_that_fails_while_the_next_is_decided_loses_and_doubles_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fails: int, is_written: bool
) -> None:
    """Also where the database has it and only the answer is missing."""
    monkeypatch.setattr("streams.desk_shell.RETRY_S", 0.01)
    shell = bench.shell(desk_batch=1)
    await shell.open("tiny")
    names = [f"r{number}" for number in range(6)]
    bench.store.put([inbox_row(name) for name in names])
    write, calls = bench.store.write_step, 0

    def away(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls != fails or is_written:
            write(*args)
        if calls == fails:
            raise StoreError("the database refused or can't be reached")

    monkeypatch.setattr(bench.store, "write_step", away)
    await asyncio.gather(*[await shell.submit("tiny", [report(name)]) for name in names])
    opened = [e.cause for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]
    assert opened == names
    assert bench.store.unfinished() == 0


async def test_deadlines_of_an_exercise_follow_the_drills_clock(bench: Bench) -> None:
    """Eight minutes of the drill pass in half a second at a thousand times life."""
    exercise = "tiny.exercise"
    wall = datetime.now(UTC)
    drill = Drill(
        jurisdiction=exercise, name="n", recording="", recording_sha256="", speed=1000.0,
        anchor_sim=NOW, anchor_wall=wall, updated_at=wall, paused=True,
    )  # fmt: skip
    bench.store.put_drill(drill)
    await bench.shell().handle(exercise, [report("r1", jurisdiction=exercise)])
    await bench.until(ev.AssignmentOrdered, exercise)
    await asyncio.sleep(0.2)  # two hundred seconds, if the clock ran
    assert not [e for e in bench.journal(exercise) if isinstance(e.data, ev.EscalationRaised)]
    bench.store.set_drill(exercise, paused=False, anchor_wall=datetime.now(UTC))
    async with asyncio.timeout(10):
        raised = await bench.until(ev.EscalationRaised, exercise)
    assert raised.exercise
    assert NOW + timedelta(seconds=480) <= raised.time < NOW + timedelta(hours=2)
    assert bench.journal() == [], "invariant 8: nothing of it on the live side"


class WallClock(datetime):
    """The machine's clock, as somebody has set it."""

    set_by = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """The time plus what it was set forward."""
        return datetime.now(tz) + cls.set_by


async def test_a_clock_that_jumps_fires_each_deadline_once_and_time_never_runs_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.desk_shell.datetime", WallClock)
    shell = bench.shell()

    def at_wall(name: str, place: float) -> Event:
        now = WallClock.now(UTC)
        made = report(name, received_at=now, lon=119.40 + place, priority=4)
        return msgspec.structs.replace(made, time=now)

    def raised() -> list[str]:
        return [e.data.deadline for e in bench.journal() if isinstance(e.data, ev.EscalationRaised)]

    async def jump(hours: float, name: str, expected: int) -> None:
        monkeypatch.setattr(WallClock, "set_by", WallClock.set_by + timedelta(hours=hours))
        await shell.handle("tiny", [at_wall(name, 0.005 * expected)])
        async with asyncio.timeout(10):
            while len(raised()) < expected:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        # The desk has nothing more that is due now.
        await shell.handle("tiny", [])
        assert len(raised()) == len(set(raised())) == expected

    await jump(0.0, "before", 0)
    await jump(1.0, "forth", 1)
    # By the journal's time it is an hour old, and nobody is there: that is told at once.
    await jump(-1.0, "back", 2)
    await jump(1.0, "forth-again", 2)
    await jump(1.0, "later", 4)
    events = bench.journal()
    decided = [e.time for e in events if e.source.startswith(("/desk", "/clock"))]
    assert decided == sorted(decided), "the journal's time doesn't run back"
    late = [e for e in events if isinstance(e.data, ev.TaskMoved)]
    assert len(late) == len({e.data.task for e in late if isinstance(e.data, ev.TaskMoved)}) == 4


@pytest.fixture(autouse=True)
def _quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.desk_shell.CLOCK_POLL_S", 0.02)
