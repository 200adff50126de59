"""A desk's time: deadlines come without events, follow a drill's clock, and never run back."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import msgspec
import pytest

from dispatch.desk import Desk
from models import events as ev
from models.errors import StoreError
from models.events import Event
from models.registers import Drill
from tests.streams.desk_bench import NOW, Bench, report


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
    assert "tiny" in shell._seats


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


async def test_a_drills_clock_that_cannot_be_read_is_read_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.desk_shell.RETRY_S", 0.01)
    exercise, wall = "tiny.exercise", datetime.now(UTC)
    bench.store.put_drill(
        Drill(
            jurisdiction=exercise, name="n", recording="", recording_sha256="", speed=1000.0,
            anchor_sim=NOW, anchor_wall=wall, updated_at=wall, paused=True,
        )
    )  # fmt: skip
    await bench.shell().handle(exercise, [report("r1", jurisdiction=exercise)])
    await bench.until(ev.AssignmentOrdered, exercise)
    failed = threading.Event()

    def away(*_: Any) -> Any:
        failed.set()
        raise StoreError("the database refused or can't be reached")

    with monkeypatch.context() as patched:
        patched.setattr("streams.desk_shell.read_clock", away)
        assert await asyncio.to_thread(failed.wait, 10)
    bench.store.set_drill(exercise, paused=False, anchor_wall=datetime.now(UTC))
    async with asyncio.timeout(10):
        await bench.until(ev.EscalationRaised, exercise)


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
        async with asyncio.timeout(40):
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
