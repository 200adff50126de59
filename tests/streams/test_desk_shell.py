"""The desk's shell: once in the journal whatever comes twice, fenced, never stuck on poison."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatch.desk import Desk
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.errors import StoreError
from models.events import Event, decode, encode
from models.fold import apply
from models.inbox import InboxRow
from models.lifecycles import UnitState
from models.registers import Drill
from models.settings import Settings
from models.situation import Situation, dump, load
from models.steps import Position, ReadyStep
from models.store import Store
from models.words import Channel, Grade
from playbooks.engine import PlaybookSet
from streams.desk_shell import DeskShell
from streams.errors import NotOursError, OpeningError
from streams.seats import read_journal, read_situation
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

    def shell(
        self,
        holds: Callable[[tuple[str, int]], bool] = lambda _: True,
        knock: Callable[[str], Awaitable[None]] | None = None,
        **changes: Any,
    ) -> DeskShell:
        """A shell as another process would have it, with its settings changed."""
        settings = self.settings.model_copy(update=changes)

        async def publish(jurisdiction: str, events: list[bytes]) -> None:
            self.published.extend((jurisdiction, event) for event in events)

        made = DeskShell(
            settings, self.store, self.pack, self.plans, self.roads, publish,
            holds=holds, knock=knock,
        )  # fmt: skip
        self.shells.append(made)
        return made

    def journal(self, jurisdiction: str = "tiny") -> list[Event]:
        """Everything in the journal, checked."""
        if self.store.head(jurisdiction) is None:
            return []
        self.store.verify(jurisdiction)
        return [decode(raw) for raw in self.store.read(jurisdiction, 0, 100_000)]

    def opened_by(self) -> list[str]:
        """The reports that incidents were opened by, in order."""
        return [e.cause for e in self.journal() if isinstance(e.data, ev.IncidentOpened)]

    def epoch(self) -> int:
        """How often the desk was claimed."""
        head = self.store.head("tiny")
        assert head is not None
        return head.epoch

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


async def test_a_snapshot_comes_when_the_journal_grew_by_as_much_also_over_restarts(
    bench: Bench,
) -> None:
    """Many small lives of a desk leave no long tail, and much that is open no heap of snapshots."""
    taken: list[int] = []
    for life in range(40):
        shell = bench.shell()
        await shell.handle("tiny", [report(f"r{life}-{number}") for number in range(3)])
        await shell.close()
        raw = bench.store.latest_snapshot("tiny")
        if raw is not None and load(raw).seq not in taken:
            taken.append(load(raw).seq)
            size = len(raw)
    situation, since = read_journal(bench.store, "tiny")
    assert len(taken) > 2
    assert since.seq == taken[-1]
    assert since.journal_bytes < size + 20_000, "a batch beyond what is due"
    steps = [after - before for before, after in pairwise(taken)]
    assert min(steps) >= bench.settings.snapshot_every
    assert situation.seq == bench.journal()[-1].seq
    written = [len(encode(event)) for event in bench.journal()]
    for before, after in pairwise(taken[:-1]):
        assert sum(written[before:after]) >= len(dump(_as_of(bench, before)))


def _as_of(bench: Bench, seq: int) -> Situation:
    situation = Situation(jurisdiction="tiny", exercise=False)
    for event in bench.journal()[:seq]:
        apply(situation, event)
    return situation


async def test_a_desk_that_was_left_is_gone_once_the_next_is_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Records that are kept keep their errors, and these the frames that they went through.
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr("streams.desk_shell.RETRY_S", 0.0)
    shell = bench.shell()
    write, seen = bench.store.write_step, []

    def away_now_and_then(*args: Any) -> None:
        seen.append(weakref.ref(shell._seats["tiny"].desk))
        if len(seen) % 3 == 1:
            raise StoreError("the database refused or can't be reached")
        write(*args)

    await shell.open("tiny")
    monkeypatch.setattr(bench.store, "write_step", away_now_and_then)
    for number in range(6):
        await shell.handle("tiny", [report(f"r{number}")])
    await shell.close()
    monkeypatch.undo()
    await bench.shell().open("tiny")
    assert len({id(one) for one in seen}) > 2
    assert [one for one in seen if one() is not None] == []


async def test_who_was_fenced_claims_nothing_until_it_is_told_its_partitions_anew(
    bench: Bench,
) -> None:
    """A worker that was halted still has a thousand records of a desk that another has by now."""
    woken, owner = bench.shell(), bench.shell()
    await woken.open("tiny", ("desk", 0))
    await owner.open("tiny", ("desk", 0))
    epoch = bench.epoch()
    position = Position("desk", 0, 1)
    await asyncio.gather(
        *[await woken.submit("tiny", [report(f"old{n}")], position) for n in range(40)]
    )
    await owner.handle("tiny", [report("new")])
    assert bench.epoch() == epoch, "the owner was not disturbed"
    assert bench.opened_by() == ["new"]
    await woken.reassigned()
    await woken.handle("tiny", [report("r1")])
    assert bench.epoch() == epoch + 1
    assert bench.opened_by() == ["new", "r1"]


async def test_a_desk_whose_partition_is_not_held_is_never_claimed_and_left_when_it_moves(
    bench: Bench,
) -> None:
    held = {("desk", 0)}
    shell = bench.shell(holds=held.__contains__)
    await (await shell.submit("tiny", [report("r1")], Position("desk", 1, 7)))
    assert bench.store.head("tiny") is None
    await (await shell.submit("tiny", [report("r2")], Position("desk", 0, 7)))
    epoch = bench.epoch()
    held.clear()
    await (await shell.submit("tiny", [report("r3")], Position("desk", 0, 8)))
    assert bench.opened_by() == ["r2", "r3"], "whoever has it decides until another claims"
    await shell.reassigned()
    await (await shell.submit("tiny", [report("r4")], Position("desk", 0, 9)))
    with pytest.raises(NotOursError):
        await shell.open("tiny", ("desk", 0))
    assert (bench.epoch(), bench.opened_by()) == (epoch, ["r2", "r3"])


async def test_who_was_fenced_asks_for_its_desk_when_the_doubt_is_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By way of the topic: whoever holds the partition gets it, and deadlines go on there."""
    monkeypatch.setattr("streams.claims.DOUBT_S", 0.01)
    asked: asyncio.Queue[str] = asyncio.Queue()
    one, two = bench.shell(knock=asked.put), bench.shell(knock=asyncio.Queue().put)
    await one.open("tiny")
    await two.open("tiny")
    await one.handle("tiny", [report("r1")])
    assert await asyncio.wait_for(asked.get(), 5) == "tiny"
    await one.handle("tiny", [])
    assert "tiny" in one._seats


async def test_a_desk_that_cannot_be_opened_backs_off_and_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.claims.FAILED_S", (0.05, 0.05))
    bench.store.put([inbox_row("r1"), inbox_row("r2")])
    whole, tries = Desk.step, 0

    def broken(desk: Desk, event: Event) -> list[Event]:
        nonlocal tries
        if isinstance(event.data, ev.DeskOpened) and tries < 3:
            tries += 1
            raise ValueError("plans that fit no city")
        return whole(desk, event)

    monkeypatch.setattr(Desk, "step", broken)
    shell = bench.shell()
    for _ in range(50):
        await shell.handle("tiny", [report("r1"), report("r2")])
    assert bench.epoch() == tries == 1
    assert bench.store.unfinished() == 2
    assert bench.store.dead_letters() == []
    (told,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert "plans that fit no city" in told.getMessage()
    assert told.exc_info
    async with asyncio.timeout(10):
        await bench.until(ev.DeskOpened)  # by itself, without another event
    assert tries == 3
    assert len([r for r in caplog.records if r.exc_info]) == 1
    await shell.handle("tiny", [report("r1"), report("r2")])
    assert bench.store.unfinished() == 0


async def test_a_journal_that_is_not_whole_is_no_outage(bench: Bench) -> None:
    await bench.shell().handle("tiny", [report("r1")])
    await bench.shells[0].close()
    with bench.store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)")
    with pytest.raises(OpeningError, match="journal verify"):
        await bench.shell().open("tiny")


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


async def test_a_stop_writes_and_publishes_what_is_in_hand_and_leaves_the_rest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = bench.shell(desk_batch=1)
    await shell.open("tiny")
    deciding, go_on = threading.Event(), threading.Event()
    step = Desk.step

    def slow(desk: Desk, event: Event) -> list[Event]:
        if event.id == "r1":
            deciding.set()
            assert go_on.wait(10)
        return step(desk, event)

    monkeypatch.setattr(Desk, "step", slow)
    names = ("r1", "r2", "r3")
    bench.store.put([inbox_row(name) for name in names])
    done = [await shell.submit("tiny", [report(name)]) for name in names]
    await asyncio.to_thread(deciding.wait, 10)
    stopping = asyncio.create_task(shell.close(10))
    await asyncio.wait({done[1]}, timeout=10)
    go_on.set()
    await stopping
    assert bench.opened_by() == ["r1"]
    assert bench.store.unfinished() == 2, "they are decided by whoever comes next"
    published = [decode(raw).id for _, raw in bench.published]
    assert published == [event.id for event in bench.journal()]
    await asyncio.wait_for(asyncio.gather(*done), 1)
    await asyncio.wait_for(shell.handle("tiny", [report("late")]), 1)
    assert bench.opened_by() == ["r1"]


async def test_a_stop_does_not_wait_for_a_database_that_is_away_nor_for_a_desk_that_hangs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, hanging = bench.shell(), bench.shell()

    def away(*_: Any) -> set[str]:
        raise StoreError("the database refused or can't be reached")

    monkeypatch.setattr("streams.desk_shell.RETRY_S", 0.01)
    await shell.open("tiny")
    known = bench.store.known
    monkeypatch.setattr(bench.store, "known", away)
    waiting = await shell.submit("tiny", [report("r1")])
    await asyncio.wait_for(shell.close(60), 10)
    assert waiting.done()
    monkeypatch.setattr(bench.store, "known", known)

    deciding, go_on = threading.Event(), threading.Event()

    def hang(desk: Desk, event: Event) -> list[Event]:
        deciding.set()
        go_on.wait(20)
        return []

    await hanging.open("tiny")
    monkeypatch.setattr(Desk, "step", hang)
    stuck = await hanging.submit("tiny", [report("r2")])
    await asyncio.to_thread(deciding.wait, 10)
    await asyncio.wait_for(hanging.close(0.1), 10)
    assert stuck.done()
    go_on.set()


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


async def test_of_two_desks_one_writes_and_the_other_comes_back_clean(bench: Bench) -> None:
    one, two = bench.shell(), bench.shell()
    await one.open("tiny")
    await bench.until(ev.ClockTicked)  # the opening's own plan is through
    await two.open("tiny")
    bench.store.put([inbox_row("r1")])
    await one.handle("tiny", [report("r1")])
    assert not [e for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]
    assert bench.store.unfinished() == 1, "not lost: the relay publishes it again"
    one._claims.assigned()
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


async def test_poison_costs_those_around_it_little_and_is_left_out_until_it_is_replayed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, begin = Desk.step, Store.write_step
    poisonous, failed, steps = True, 0, 0

    def stumble(desk: Desk, event: Event) -> Any:
        nonlocal failed
        if event.id == "bad" and poisonous:
            failed += 1
            raise RuntimeError("no desk can read this")
        return original(desk, event)

    def counted(store: Store, step: ReadyStep) -> Any:
        nonlocal steps
        steps += 1
        return begin(store, step)

    shell = bench.shell()
    await shell.open("tiny")
    monkeypatch.setattr(Desk, "step", stumble)
    monkeypatch.setattr(Store, "write_step", counted)
    epoch = bench.epoch()
    many = [report(f"r{number}") for number in range(200)]
    await shell.handle("tiny", [*many[:77], report("bad"), *many[77:]])
    assert sorted(bench.opened_by()) == sorted(event.id for event in many)
    assert steps < 20, "not each in a step of its own"
    assert failed == 3, "among others twice, and alone"
    assert bench.epoch() == epoch, "who fails is still who has it: nothing is sent anew"

    # More than once on its way, as after an outage.
    await shell.handle("tiny", [report("bad"), report("later")])
    await bench.shell().handle("tiny", [report("bad"), report("last")])
    assert failed == 3
    assert bench.opened_by()[-2:] == ["later", "last"]
    (letter,) = bench.store.dead_letters()
    bench.store.replay_dead_letter(letter.id, inbox_row("bad"), by="us", at=NOW)
    poisonous = False
    await bench.shells[-1].handle("tiny", [report("bad")])
    assert bench.opened_by()[-1] == "bad"
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
    overlapped: list[bool] = []

    def slow(step: ReadyStep) -> None:
        # A tick has the seat for itself, and nothing beside it.
        if "r1" in step.finished:
            writing.set()
            overlapped.append(looked_at.wait(10))
        write(step)

    def seen(jurisdiction: str, ids: list[str]) -> set[str]:
        if "r2" in ids:
            assert writing.wait(10)
            looked_at.set()
        return known(jurisdiction, ids)

    monkeypatch.setattr(bench.store, "write_step", slow)
    monkeypatch.setattr(bench.store, "known", seen)
    done = [await shell.submit("tiny", [report(name)]) for name in ("r1", "r2", "r1")]
    await asyncio.gather(*done)
    assert overlapped == [True], "the second batch is decided before the first is written"
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


@pytest.fixture(autouse=True)
def _quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.desk_shell.CLOCK_POLL_S", 0.02)
