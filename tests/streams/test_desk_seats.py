"""Taking and leaving a desk: from snapshot and tail, fenced, only where it may be claimed."""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from itertools import pairwise
from typing import Any

import pytest

from dispatch.desk import Desk
from models import events as ev
from models.errors import StoreError
from models.events import Event, encode
from models.fold import apply
from models.situation import Situation, dump, load
from models.steps import Position
from streams.errors import NotOursError, OpeningError
from streams.seats import read_journal, read_situation
from tests.streams.desk_bench import Bench, inbox_row, report
from tests.waiting import HANG_S

NEVER_S = 100_000.0
"""Of a doubt: over when the test says so, however slow it runs."""


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
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was halted still has a thousand records of a desk that another has by now."""
    monkeypatch.setattr("streams.claims.DOUBT_S", NEVER_S)
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
    another: asyncio.Queue[str] = asyncio.Queue()
    one, two = bench.shell(knock=asked.put), bench.shell(knock=another.put)
    await one.open("tiny")
    await two.open("tiny")
    await one.handle("tiny", [report("r1")])
    assert await asyncio.wait_for(asked.get(), HANG_S) == "tiny"
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
    # Time stands still for its claims: however long the events take, the pause isn't over.
    shell._claims._clock = lambda: 0.0
    for _ in range(50):
        await shell.handle("tiny", [report("r1"), report("r2")])
    assert bench.epoch() == tries == 1
    assert bench.store.unfinished() == 2
    assert bench.store.dead_letters() == []
    (told,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert "plans that fit no city" in told.getMessage()
    assert told.exc_info
    shell._claims._clock = time.monotonic
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


async def test_of_two_desks_one_writes_and_the_other_comes_back_clean(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.claims.DOUBT_S", NEVER_S)
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
