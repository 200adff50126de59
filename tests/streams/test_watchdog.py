"""The watchdog by a clock of the test's. A real worker that hangs: tests/integration."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from models.dead_letters import DeadLetterRow
from models.errors import StoreError
from models.events import ClockTicked, Event, ReportReceived
from models.journal import Head
from models.words import Channel
from streams.watchdog import EXIT_STALLED, HANGS, Watchdog

AFTER_S = 5.0


class World:
    """What a worker stands in: its records, its desk, its broker, and the time."""

    def __init__(self, port: int) -> None:
        self.now = 0.0
        self.waiting: list[int] = []
        self.seq = 0
        self.is_away = False
        self.held: Event | None = None
        self.letters: list[DeadLetterRow] = []
        self.ended: list[int] = []
        self.ours = True
        self.dog = Watchdog(
            AFTER_S,
            self,
            lambda: self.held,
            lambda: self.ours,
            ("127.0.0.1", port),
            end=self.ended.append,
            clock=lambda: self.now,
        )

    def unfinished_ids(self, limit: int) -> list[int]:
        if self.is_away:
            raise StoreError("away")
        return self.waiting[:limit]

    def heads(self) -> list[Head]:
        return [Head("x", False, 1, self.seq, b"", None)]

    def add_dead_letters(self, letters: Sequence[DeadLetterRow]) -> None:
        self.letters.extend(letters)

    def live(self, seconds: int, *, turning: bool = True) -> None:
        for _ in range(seconds):
            self.now += 1.0
            if turning:
                self.dog.turned()
            self.dog.look()


@pytest.fixture
def world() -> Iterator[World]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield World(int(listening.getsockname()[1]))


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


def test_a_tick_that_hangs_is_nobodys_word_and_no_dead_letter(world: World) -> None:
    world.held = msgspec.structs.replace(event("tick/7"), data=ClockTicked())
    world.live(7)
    assert not world.letters
    assert world.ended


def test_rows_that_wait_while_nothing_moves(world: World) -> None:
    world.waiting = [7]
    world.live(4)
    world.seq += 1
    world.live(4)
    assert not world.ended
    world.live(4)
    assert world.ended


@pytest.mark.parametrize("why", ["database", "broker", "another's"])
def test_what_others_hold_up_is_no_stall_of_ours(
    world: World, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.waiting = [7]
    if why == "database":
        world.is_away = True
    elif why == "broker":

        def refused(*_: object) -> None:
            raise ConnectionRefusedError

        monkeypatch.setattr(socket, "create_connection", refused)
    else:
        world.ours = False
    world.live(60)
    assert not world.ended


def test_a_process_that_was_halted_as_a_whole_is_not_late(world: World) -> None:
    world.held, world.waiting = event("a"), [7]
    world.live(2)
    world.now += 3600.0
    world.live(2)
    assert not world.ended
