"""The desk's shell: once in the journal whatever comes twice, never stuck on poison."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import msgspec
import pytest

from dispatch.desk import Desk
from models import events as ev
from models.errors import StoreError
from models.events import Event, decode
from models.lifecycles import UnitState
from models.steps import ReadyStep
from models.store import Store
from playbooks.engine import PlaybookSet
from streams.desk_shell import DeskShell
from streams.seats import read_situation
from streams.watchdog import Watchdog
from tests.streams.desk_bench import NOW, Bench, inbox_row, report
from tests.waiting import HANG_S, until


async def test_a_report_is_decided_and_its_inbox_row_finished(bench: Bench) -> None:
    bench.store.put([inbox_row("r1")])
    await bench.shell().handle("tiny", [report("r1")])
    await bench.until(ev.AssignmentOrdered)
    assert bench.store.unfinished() == 0
    await bench.shells[0].close(HANG_S)
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
            assert go_on.wait(HANG_S)
        return step(desk, event)

    monkeypatch.setattr(Desk, "step", slow)
    names = ("r1", "r2", "r3")
    bench.store.put([inbox_row(name) for name in names])
    done = [await shell.submit("tiny", [report(name)]) for name in names]
    assert await asyncio.to_thread(deciding.wait, HANG_S)
    stopping = asyncio.create_task(shell.close(HANG_S))
    await asyncio.wait_for(done[1], HANG_S)
    assert bench.opened_by() == []
    go_on.set()
    await stopping
    assert bench.opened_by() == ["r1"]
    assert bench.store.unfinished() == 2, "they are decided by whoever comes next"
    published = [decode(raw).id for _, raw in bench.published]
    assert published == [event.id for event in bench.journal()]
    assert all(one.done() for one in done)
    await asyncio.wait_for(shell.handle("tiny", [report("late")]), HANG_S)
    assert bench.opened_by() == ["r1"]


async def test_a_stop_does_not_wait_for_a_database_that_is_away_nor_for_a_desk_that_hangs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, hanging = bench.shell(), bench.shell()
    asked = 0

    def away(*_: Any) -> set[str]:
        nonlocal asked
        asked += 1
        raise StoreError("the database refused or can't be reached")

    monkeypatch.setattr("streams.desk_shell.RETRY_S", 0.01)
    await shell.open("tiny")
    known = bench.store.known
    monkeypatch.setattr(bench.store, "known", away)
    waiting = await shell.submit("tiny", [report("r1")])
    await until(lambda: asked > 3)
    assert not waiting.done()
    await asyncio.wait_for(shell.close(2 * HANG_S), HANG_S)
    assert waiting.done()
    monkeypatch.setattr(bench.store, "known", known)

    deciding, go_on = threading.Event(), threading.Event()

    def hang(desk: Desk, event: Event) -> list[Event]:
        deciding.set()
        go_on.wait()
        return []

    await hanging.open("tiny")
    monkeypatch.setattr(Desk, "step", hang)
    try:
        stuck = await hanging.submit("tiny", [report("r2")])
        assert await asyncio.to_thread(deciding.wait, HANG_S)
        await asyncio.wait_for(hanging.close(0.1), HANG_S)
        assert stuck.done()
    finally:
        go_on.set()


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


async def test_a_decision_that_could_not_be_read_back_is_a_dead_letter_and_never_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = PlaybookSet.match

    def unreadable(self: PlaybookSet, facts: Any) -> Any:
        plan = match(self, facts)
        if facts.code == "poison":
            return msgspec.structs.replace(plan, response_level=2.0)
        return plan

    monkeypatch.setattr(PlaybookSet, "match", unreadable)
    bench.store.put([inbox_row("r1"), inbox_row("bad"), inbox_row("r2")])
    await bench.shell().handle("tiny", [report("r1"), report("bad", code="poison"), report("r2")])
    assert bench.opened_by() == ["r1", "r2"]
    (letter,) = bench.store.dead_letters()
    assert (letter.event_id, letter.code) == ("bad", "desk_failed")
    assert "response_level" in letter.reason
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
            overlapped.append(looked_at.wait(HANG_S))
        write(step)

    def seen(jurisdiction: str, ids: list[str]) -> set[str]:
        if "r2" in ids:
            assert writing.wait(HANG_S)
            looked_at.set()
        return known(jurisdiction, ids)

    monkeypatch.setattr(bench.store, "write_step", slow)
    monkeypatch.setattr(bench.store, "known", seen)
    done = [await shell.submit("tiny", [report(name)]) for name in ("r1", "r2", "r1")]
    await asyncio.gather(*done)
    assert overlapped == [True], "the second batch is decided before the first is written"
    opened = [e.cause for e in bench.journal() if isinstance(e.data, ev.IncidentOpened)]
    assert opened == ["r1", "r2"]


async def test_what_comes_again_while_it_is_written_is_not_decided_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal would refuse it, and the desk would be claimed and built anew."""
    shell = bench.shell(desk_batch=1)
    await shell.open("tiny")
    write, known = bench.store.write_step, bench.store.known
    writing, looked_at = threading.Event(), threading.Event()
    looks = 0

    def slow(step: ReadyStep) -> None:
        if "r1" in step.finished:
            writing.set()
            assert looked_at.wait(HANG_S)
        write(step)

    def seen(jurisdiction: str, ids: list[str]) -> set[str]:
        nonlocal looks
        looks += "r1" in ids
        if looks != 2:
            return known(jurisdiction, ids)
        assert writing.wait(HANG_S)
        found = known(jurisdiction, ids)
        looked_at.set()
        return found

    monkeypatch.setattr(bench.store, "write_step", slow)
    monkeypatch.setattr(bench.store, "known", seen)
    await asyncio.gather(*[await shell.submit("tiny", [report("r1")]) for _ in range(2)])
    assert (looks, bench.opened_by(), bench.epoch()) == (2, ["r1"], 1)


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


async def test_each_tick_that_hangs_plans_more_simply_whatever_comes_in_between(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, go_on = Desk.step, threading.Event()

    def hang(desk: Desk, event: Event) -> list[Event]:
        hangs = isinstance(event.data, ev.ClockTicked) and event.data.hung < 2
        if hangs and not desk.situation.ticked:
            go_on.wait()
        return step(desk, event)

    monkeypatch.setattr(Desk, "step", hang)
    try:
        for name in ("r1", "r2"):
            shell = bench.shell()
            await shell.handle("tiny", [report(name)])
            await until(partial(getattr, shell, "in_hand"))
            give_up(shell, bench.store)
        # The report moves on what the next tick is called by.
        await bench.shell().handle("tiny", [report("r3")])
        told = await bench.until(ev.PlanningFellBack)
        assert isinstance(told.data, ev.PlanningFellBack)
        assert told.data.hung == 2
        await bench.until(ev.ProposalMade)
        await bench.shells[-1].handle("tiny", [report("r4", lon=119.41)])
        await until(lambda: len(ticks(bench)) > 1)
        assert [tick.hung for tick in ticks(bench)][:2] == [2, 0]
    finally:
        go_on.set()


def ticks(bench: Bench) -> list[ev.ClockTicked]:
    """Return what the journal has of them."""
    return [e.data for e in bench.journal() if isinstance(e.data, ev.ClockTicked)]


def give_up(shell: DeskShell, store: Store) -> None:
    """Look as a watchdog does until it ends the process."""
    now, ended = 0.0, list[int]()
    dog = Watchdog(
        3.0, store, lambda: shell.in_hand, dict, lambda: True, end=ended.append, clock=lambda: now
    )
    while not ended:
        now += 1.0
        dog.turned()
        dog.look()
