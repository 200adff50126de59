"""A desk's time: deadlines come without events, follow a drill's clock, and never run back."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import ClassVar

import msgspec
import pytest

from dispatch.desk import Desk
from models import events as ev
from models.clock import JurisdictionClock, read_clock
from models.errors import StoreError
from models.events import Event
from models.registers import Drill
from models.store import Store
from tests.streams.desk_bench import NOW, Bench, report
from tests.waiting import until


async def test_deadlines_go_on_after_an_event_that_no_desk_can_handle(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Desk.step

    def failing(desk: Desk, event: Event) -> list[Event]:
        if event.id == "bad":
            raise RuntimeError("boom")
        return step(desk, event)

    monkeypatch.setattr(Desk, "step", failing)
    shell = bench.shell()
    await shell.handle("tiny", [report("bad")])
    assert [letter.event_id for letter in bench.store.dead_letters()] == ["bad"]
    ticking = shell._seats["tiny"].ticking
    assert ticking is not None
    assert not ticking.done()


async def test_a_tick_that_fails_is_tried_again_later_each_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.claims.FAILED_S", (0.1, 60.0))
    step, at = Desk.step, []

    def failing(desk: Desk, event: Event) -> list[Event]:
        if isinstance(event.data, ev.ClockTicked):
            at.append(time.monotonic())
            if len(at) < 4:
                raise RuntimeError("boom")
        return step(desk, event)

    monkeypatch.setattr(Desk, "step", failing)
    shell = bench.shell()
    await shell.handle("tiny", [report("r1")])
    await bench.until(ev.ClockTicked)
    assert at[1] - at[0] >= 0.1
    assert at[2] - at[1] >= 0.2
    assert at[3] - at[2] >= 0.4
    assert {letter.code for letter in bench.store.dead_letters()} == {"desk_failed"}


class WallClock(datetime):
    """The machine's clock, as somebody has set it; it stands still meanwhile."""

    at: ClassVar[datetime] = NOW

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """What it was set to."""
        return cls.at

    @classmethod
    def pass_by(cls, **some: float) -> None:
        """Set it forward, or back, by so many ``hours`` or ``seconds``."""
        cls.at += timedelta(**some)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> type[WallClock]:
    """The wall's clock of the desk's shell."""
    monkeypatch.setattr(WallClock, "at", NOW)
    monkeypatch.setattr("streams.desk_shell.datetime", WallClock)
    monkeypatch.setattr("streams.seating.datetime", WallClock)
    # Without the rest after planning, which is the longer the slower the machine.
    monkeypatch.setattr("streams.desk_shell.PLANNING_SHARE", 1.0)
    return WallClock


class Looks:
    """Counts how often the shell looks up a drill's clock."""

    def __init__(self) -> None:
        self.count = 0
        self.failing = False

    def __call__(self, store: Store, jurisdiction: str) -> JurisdictionClock:
        self.count += 1
        if self.failing:
            raise StoreError("the database refused or can't be reached")
        return read_clock(store, jurisdiction)

    async def two(self) -> None:
        """Wait for a look that begins after now, and for the next: all that was due is told."""
        end = self.count + 2
        await until(lambda: self.count >= end)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """What looks up a drill's clock."""
    made = Looks()
    monkeypatch.setattr("streams.desk_shell.read_clock", made)
    return made


EXERCISE = "tiny.exercise"


async def paused_drill(bench: Bench, speed: float) -> None:
    """Have an incident with its deadline in a drill whose clock stands still."""
    bench.store.put_drill(
        Drill(
            jurisdiction=EXERCISE, name="n", recording="", recording_sha256="", speed=speed,
            anchor_sim=NOW, anchor_wall=NOW, updated_at=NOW, paused=True,
        )
    )  # fmt: skip
    await bench.shell().handle(EXERCISE, [report("r1", jurisdiction=EXERCISE)])
    await bench.until(ev.AssignmentOrdered, EXERCISE)


def escalations(bench: Bench, jurisdiction: str) -> list[Event]:
    """Return what the playbook's deadlines raised; no crew answers here."""
    return [
        event
        for event in bench.journal(jurisdiction)
        if isinstance(event.data, ev.EscalationRaised) and not event.data.kind
    ]


async def test_a_drills_clock_that_cannot_be_read_is_read_later(
    bench: Bench, wall: type[WallClock], looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.desk_shell.RETRY_S", 0.01)
    await paused_drill(bench, speed=1000.0)
    looks.failing = True
    await looks.two()
    bench.store.set_drill(EXERCISE, paused=False, anchor_wall=wall.at)
    wall.pass_by(seconds=1.0)
    await looks.two()
    assert not escalations(bench, EXERCISE)
    looks.failing = False
    await bench.until(ev.EscalationRaised, EXERCISE)


async def test_deadlines_of_an_exercise_follow_the_drills_clock(
    bench: Bench, wall: type[WallClock], looks: Looks
) -> None:
    """Eight minutes of the drill are eight seconds of the wall at sixty times life."""
    await paused_drill(bench, speed=60.0)
    wall.pass_by(hours=1.0)
    await looks.two()
    assert not escalations(bench, EXERCISE), "the clock stands still"
    bench.store.set_drill(EXERCISE, paused=False, anchor_wall=wall.at)
    wall.pass_by(seconds=7.9)
    await looks.two()
    assert not escalations(bench, EXERCISE)
    wall.pass_by(seconds=0.2)
    await looks.two()
    (raised,) = escalations(bench, EXERCISE)
    assert raised.exercise
    assert raised.time == NOW + timedelta(seconds=486)
    assert bench.journal() == [], "invariant 8: nothing of it on the live side"


async def test_a_clock_that_jumps_fires_each_deadline_once_and_time_never_runs_back(
    bench: Bench, wall: type[WallClock]
) -> None:
    shell = bench.shell()

    def at_wall(name: str, place: float) -> Event:
        made = report(name, received_at=wall.at, lon=119.40 + place, priority=4)
        return msgspec.structs.replace(made, time=wall.at)

    def raised() -> list[str]:
        return [e.data.deadline for e in bench.journal() if isinstance(e.data, ev.EscalationRaised)]

    def nothing_is_due() -> bool:
        seat = shell._seats["tiny"]
        return seat.due is None or seat.due > max(wall.at, seat.situation.now or wall.at)

    async def jump(hours: float, name: str, expected: int) -> None:
        wall.pass_by(hours=hours)
        await shell.handle("tiny", [at_wall(name, 0.005 * expected)])
        await until(nothing_is_due)
        # What is decided by then is written.
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


async def test_planning_rests_for_a_moment_however_long_it_took(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.desk_shell.PLANNING_SHARE", 1e-12)
    monkeypatch.setattr("streams.desk_shell.PLANNING_RESTS_S", 0.01)
    shell = bench.shell()
    for name in ("r1", "r2"):
        await shell.handle("tiny", [report(name, facts={}, attributes={"source_incident": name})])
        await until(partial(planned, bench, len(bench.journal())))


def planned(bench: Bench, since: int) -> bool:
    """Whether a tick was journaled since."""
    return any(isinstance(event.data, ev.ClockTicked) for event in bench.journal()[since:])
