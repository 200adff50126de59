"""The watchdog by a clock of the test's. A real worker that hangs: tests/integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from models.dead_letters import DeadLetterRow
from models.errors import StoreError
from models.events import ClockTicked, Event, ReportReceived
from models.words import Channel
from streams.watchdog import EXIT_STALLED, HANGS, TICK_HANGS, Watchdog

AFTER_S = 5.0


class World:
    """What a worker stands in: its records, its desk, its broker, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: dict[str, int] = {}
        self.is_away = False
        self.broker_answers = True
        self.held: Event | None = None
        self.letters: list[DeadLetterRow] = []
        self.ended: list[int] = []
        self.dog = Watchdog(
            AFTER_S,
            self,
            lambda: self.held,
            self.looked_at,
            lambda: self.broker_answers,
            end=self.ended.append,
            clock=lambda: self.now,
        )

    def looked_at(self) -> Mapping[str, object]:
        if self.is_away:
            raise StoreError("away")
        return dict(self.waiting)

    def add_dead_letters(self, letters: Sequence[DeadLetterRow]) -> None:
        self.letters.extend(letters)

    def live(self, seconds: int, *, turning: bool = True) -> None:
        for _ in range(seconds):
            self.now += 1.0
            if turning:
                self.dog.turned()
            self.dog.look()


@pytest.fixture
def world() -> World:
    return World()


def event(name: str) -> Event:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    data = ReportReceived(channel=Channel.WORKER, received_at=now)
    return Event(id=name, source="/test", time=now, jurisdiction="x", data=data)


def test_quiet_is_no_stall(world: World) -> None:
    world.live(60)
    assert not world.ended


def test_an_event_loop_that_does_not_turn(world: World) -> None:
    world.live(4, turning=False)
    assert not world.ended
    world.live(4, turning=False)
    assert world.ended[0] == EXIT_STALLED


def test_a_desk_that_hangs_gives_the_event_up_by_name(world: World) -> None:
    for name in ("a", "b", "c", "d"):
        world.held = event(name)
        world.live(3)
    assert not world.ended
    world.live(6)
    assert (world.letters[0].event_id, world.letters[0].code) == ("d", HANGS)
    assert world.ended[0] == EXIT_STALLED


def test_a_tick_that_hangs_is_given_up_by_a_code_of_its_own(world: World) -> None:
    """It is nobody's word, and whoever replays words mustn't meet it."""
    world.held = msgspec.structs.replace(event("tick/7"), data=ClockTicked())
    world.live(7)
    assert (world.letters[0].event_id, world.letters[0].code) == ("tick/7", TICK_HANGS)
    assert world.ended


def test_what_waits_and_does_not_move(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.waiting = {"records in desk": 7}
    world.live(4)
    world.waiting = {"records in desk": 8}
    world.live(4)
    assert not world.ended
    world.live(4)
    assert world.ended
    assert "records in desk wait" in caplog.text


def test_what_moves_does_not_hide_what_stands_still(world: World) -> None:
    """A drill that ticks beside a live desk that hangs."""
    for number in range(4):
        world.waiting = {"live": 7, "drill": number}
        world.live(2)
    assert world.ended


def test_what_came_to_wait_later_has_its_own_time(world: World) -> None:
    world.waiting = {"a": 1}
    world.live(4)
    world.waiting = {"b": 1}
    world.live(4)
    assert not world.ended


@pytest.mark.parametrize("why", ["database", "broker"])
def test_what_others_hold_up_is_no_stall_of_ours(world: World, why: str) -> None:
    world.waiting = {"a": 7}
    world.is_away = why == "database"
    world.broker_answers = why != "broker"
    world.live(60)
    assert not world.ended
    world.is_away, world.broker_answers = False, True
    world.live(4)
    assert not world.ended, "it has its time from when the other is back"
    world.live(4)
    assert world.ended


def test_a_process_that_was_halted_as_a_whole_is_not_late(world: World) -> None:
    world.held, world.waiting = event("a"), {"a": 7}
    world.live(2)
    world.now += 3600.0
    world.live(2)
    assert not world.ended
