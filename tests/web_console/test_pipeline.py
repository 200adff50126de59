"""Screens say that decisions are late, since when and why, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.inbox import Backlog
from models.workers import WorkerSign
from web_console.frames import Pipeline
from web_console.pipeline import SEEN_WITHIN_S, PipelineWatch

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVERYTHING = frozenset({"classify", "desk", "sense"})


class Looking:
    """Looks every two seconds; the wall clock may jump, time goes on."""

    def __init__(self) -> None:
        self.mono = 1000.0
        self.jumped = timedelta()
        self.watch = PipelineWatch(self.mono)
        self.backlog = Backlog()
        self.signs: dict[str, WorkerSign] = {}

    @property
    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.mono - 1000.0) + self.jumped

    def receive(self, row: int) -> datetime:
        """A row comes in and waits; the oldest stays."""
        oldest = self.backlog if self.backlog.received_at else Backlog(row, self.wall, row)
        self.backlog = oldest._replace(newest_id=row)
        return self.wall

    def sign(self, worker: str, stages: frozenset[str] = EVERYTHING) -> None:
        self.signs[worker] = WorkerSign(worker, stages, self.wall)

    def look(self, after_s: float, *, living: str = "") -> Pipeline:
        end = self.mono + after_s
        while self.mono < end:
            self.mono = min(end, self.mono + 2.0)
            if living:
                self.sign(living)
            self.watch.saw(self.backlog, self.signs.values(), self.wall, self.mono)
        return self.watch.now


@pytest.fixture
def looking() -> Looking:
    one = Looking()
    one.look(2.0)
    return one


def test_late_since_the_oldest_was_received(looking: Looking) -> None:
    received = looking.receive(1)
    assert looking.look(4.0).state == "ok"
    looking.receive(2)
    said = looking.look(4.0)
    assert (said.state, said.since, said.cause) == ("delayed", received, "")
    assert said.oldest_unfinished_s == pytest.approx(8.0)
    looking.backlog = Backlog(newest_id=2)
    assert looking.look(2.0) == Pipeline()


def test_a_plan_that_is_due_and_not_made_is_late_though_every_report_is_decided(
    looking: Looking,
) -> None:
    looking.sign("one")
    asked = Backlog(), looking.signs.values(), looking.wall, looking.mono
    assert looking.watch.saw(*asked, 9.0).state == "ok"
    said = looking.watch.saw(*asked, 12.0)
    assert (said.state, said.cause) == ("delayed", "planning")
    assert said.since == looking.wall - timedelta(seconds=12)
    assert looking.watch.saw(*asked) == Pipeline()


def test_a_console_that_comes_later_says_the_same_since(looking: Looking) -> None:
    received = looking.receive(1)
    looking.look(600.0)
    second = PipelineWatch(looking.mono)
    said = second.saw(looking.backlog, (), looking.wall, looking.mono)
    assert (said.since, said.oldest_unfinished_s) == (received, 600.0)


def test_a_clock_that_jumps_back_hides_no_delay(looking: Looking) -> None:
    looking.receive(1)
    looking.look(2.0)
    looking.jumped = timedelta(hours=-1)
    said = looking.look(6.0)
    assert said.state == "delayed"
    assert said.oldest_unfinished_s >= 6.0
    # The row's own time is in the future now: nothing is late since then.
    assert said.since is not None
    assert said.since == looking.wall - timedelta(seconds=said.oldest_unfinished_s)


def test_a_clock_that_jumps_ahead_makes_no_delay_of_what_has_just_come(looking: Looking) -> None:
    looking.receive(1)
    looking.look(2.0)
    looking.backlog = Backlog(newest_id=1)
    looking.look(2.0)
    looking.receive(2)
    looking.jumped = timedelta(hours=1)
    said = looking.look(2.0)
    assert said.state == "ok"
    assert said.oldest_unfinished_s <= 2.0
    # It is late all the same when it has waited for long enough.
    said = looking.look(4.0)
    assert said.state == "delayed"
    assert said.oldest_unfinished_s == pytest.approx(6.0)


def test_the_next_in_line_is_as_old_as_it_is_after_a_jump(looking: Looking) -> None:
    looking.receive(1)
    looking.look(2.0)
    second = looking.receive(2)
    looking.look(20.0)
    looking.jumped = timedelta(hours=-1)
    # The first is decided; the second waited since before the jump.
    looking.backlog = Backlog(2, second, 2)
    said = looking.look(2.0)
    assert said.state == "delayed"
    assert said.oldest_unfinished_s == pytest.approx(20.0)


def test_what_comes_after_a_long_quiet_is_young(looking: Looking) -> None:
    looking.receive(7)
    looking.look(2.0)
    looking.backlog = Backlog(newest_id=7)
    looking.look(100.0)
    looking.receive(8)
    assert looking.look(2.0).state == "ok"
    # All rows were forgotten and the database counts from the beginning again.
    looking.backlog = Backlog()
    looking.look(100.0)
    looking.receive(1)
    assert looking.look(2.0).state == "ok"


def test_no_worker_is_said_and_since_when(looking: Looking) -> None:
    assert looking.look(SEEN_WITHIN_S + 2, living="w") == Pipeline()
    died = looking.wall
    said = looking.look(SEEN_WITHIN_S + 2)
    assert (said.state, said.cause, said.since) == ("delayed", "worker", died)
    assert looking.watch.workers("desk", looking.mono) == 0
    assert looking.look(2.0, living="w").state == "ok"
    assert looking.watch.workers("desk", looking.mono) == 1


def test_a_desk_without_classify_decides_nothing(looking: Looking) -> None:
    looking.sign("classifier", frozenset({"classify"}))
    looking.look(2.0)
    for _ in range(10):
        looking.sign("desk", frozenset({"desk"}))
        looking.look(2.0)
    assert looking.watch.now.cause == "worker"
    assert looking.watch.workers("classify", looking.mono) == 0


def test_workers_of_another_clock_live_as_long_as_they_say_so(looking: Looking) -> None:
    for hours in (-5, 5):
        for _ in range(10):
            at = looking.wall + timedelta(hours=hours)
            looking.signs["w"] = WorkerSign("w", EVERYTHING, at)
            assert looking.look(2.0).state == "ok"
        assert looking.look(SEEN_WITHIN_S + 2).cause == "worker"


def test_the_dead_of_yesterday_count_for_nothing_and_nobody_is_missed_at_once() -> None:
    looking = Looking()
    looking.signs["old"] = WorkerSign("old", EVERYTHING, NOON - timedelta(days=1))
    assert looking.look(2.0) == Pipeline()
    assert looking.watch.workers("desk", looking.mono) == 0
    assert looking.look(SEEN_WITHIN_S).cause == "worker"


def test_workers_of_before_there_were_signs_are_not_called_dead(looking: Looking) -> None:
    assert looking.look(60.0) == Pipeline()
    looking.receive(1)
    said = looking.look(8.0)
    assert (said.state, said.cause) == ("delayed", "")


def test_a_database_that_says_nothing(looking: Looking) -> None:
    last = looking.wall
    looking.mono += 4.0
    said = looking.watch.heard_nothing(looking.wall, looking.mono)
    assert (said.state, said.cause, said.since) == ("delayed", "database", last)
    assert said.oldest_unfinished_s == pytest.approx(4.0)
    looking.mono += 4.0
    said = looking.watch.heard_nothing(looking.wall, looking.mono)
    assert said.since == last
    assert said.oldest_unfinished_s == pytest.approx(8.0)
    assert looking.look(2.0) == Pipeline()


def test_a_delay_goes_on_since_when_it_began_though_the_database_hangs(looking: Looking) -> None:
    received = looking.receive(1)
    looking.look(10.0)
    looking.mono += 4.0
    said = looking.watch.heard_nothing(looking.wall, looking.mono)
    assert said.since == received
    assert said.oldest_unfinished_s == pytest.approx(14.0)
