"""The checker finds what is wrong with journals that were broken on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from gridcommand.rehearsal.checker import Verdict, check, longest_silence
from models import events as ev
from models.dead_letters import DeadLetterRow
from models.events import Event, encode
from models.inbox import InboxRow
from models.store import Store
from models.words import Channel, Grade

HOME = "tiny"
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A journal in which reports a and b were decided, one incident each."""
    store = Store(f"sqlite:///{tmp_path / 'checked.db'}")
    store.migrate()
    put(store, "a", "b")
    write(store, report("a"), opened("a", "i1"), report("b"), opened("b", "i2"))
    yield store
    store.close()


def put(store: Store, *names: str) -> None:
    store.put(
        [
            InboxRow(
                event_id=name, jurisdiction=HOME, topic="reports", key=HOME, body=b"{}",
                received_at=NOW,
            )
            for name in names
        ]
    )  # fmt: skip


def report(name: str) -> Event:
    classified = ev.ReportClassified(
        channel=Channel.WORKER, received_at=NOW, category="accident.fire", priority=2,
        grade=Grade.IV, confidence=0.9,
    )  # fmt: skip
    return Event(id=name, source="/t", time=NOW, jurisdiction=HOME, data=classified)


def opened(name: str, incident: str) -> Event:
    data = ev.IncidentOpened(
        incident=incident, number="1", report=name, category="accident.fire", priority=2,
        grade=Grade.IV, confidence=0.9, received_at=NOW, channel=Channel.WORKER,
    )  # fmt: skip
    return Event(
        id=f"{name}/{incident}", source="/desk", time=NOW, jurisdiction=HOME, cause=name, data=data
    )


def write(store: Store, *events: Event) -> None:
    lease = store.claim(HOME, exercise=False, at=NOW)
    numbered = [
        msgspec.structs.replace(event, seq=lease.seq + number)
        for number, event in enumerate(events, 1)
    ]
    reports = [event.id for event in events if isinstance(event.data, ev.ReportClassified)]
    store.commit_step(lease, numbered, [encode(e) for e in numbered], wall=NOW, finished=reports)


def verdict(store: Store, *told: str) -> Verdict:
    times = dict.fromkeys(told, 0.0)
    return check(store, HOME, times, dict.fromkeys(("a", "b"), 1.0))


def broken(store: Store, statement: str) -> None:
    with store._engine.begin() as connection:
        connection.execute(text(statement))


def test_a_sound_journal_holds(store: Store) -> None:
    found = verdict(store, "a", "b")
    assert found.holds
    assert (found.acknowledged, found.decided, found.unseen) == (2, 2, 0)


def test_a_decision_that_is_missing_is_lost(store: Store) -> None:
    found = verdict(store, "a", "b", "never-came")
    assert (found.lost, found.examples, found.holds) == (1, ("never-came",), False)


def test_a_report_in_the_journal_of_which_nothing_came_is_lost(store: Store) -> None:
    put(store, "c")
    write(store, report("c"))
    found = verdict(store, "a", "c")
    assert (found.decided, found.lost, found.holds) == (1, 1, False)


def test_what_waits_in_the_inbox_is_neither_lost_nor_done(store: Store) -> None:
    put(store, "c")
    found = verdict(store, "a", "c")
    assert (found.lost, found.waiting, found.holds) == (0, 1, False)


@pytest.mark.parametrize(("reason", "lost"), [("evil content", 0), ("", 1)])
def test_a_dead_letter_counts_with_its_reason_only(store: Store, reason: str, lost: int) -> None:
    put(store, "c")
    store.add_dead_letters(
        [
            DeadLetterRow(
                at=NOW, topic="reports", key=HOME, body=b"", code="failed", reason=reason,
                jurisdiction=HOME, exercise=False, event_id="c", stage="reports",
            )
        ]
    )  # fmt: skip
    store.finish(HOME, ["c"], NOW)
    found = verdict(store, "a", "c")
    assert (found.dead_lettered, found.lost) == (1 - lost, lost)


def test_a_report_in_two_incidents_is_doubled(store: Store) -> None:
    write(store, opened("a", "i3"))
    found = verdict(store, "a", "b")
    assert (found.doubled, found.examples, found.holds) == (1, ("a",), False)


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("DELETE FROM journal WHERE seq = 2", "seq 2 is missing"),
        ("DELETE FROM journal WHERE seq = 4", "ends at seq 3"),
        ("UPDATE journal SET body = CAST('no event' AS BLOB) WHERE seq = 2", "seq 2"),
        ("UPDATE jurisdiction SET seq = 3", "seq"),
    ],
)
def test_a_journal_that_was_tampered_with_says_where(
    store: Store, statement: str, word: str
) -> None:
    broken(store, statement)
    found = verdict(store, "a")
    assert word in found.journal
    assert not found.holds


def test_silence_is_counted_only_while_something_is_owed() -> None:
    told = {"a": 0.0, "b": 100.0, "c": 101.0}
    assert longest_silence(told, {"a": 2.0, "b": 101.5, "c": 105.0}) == 3.5
    assert longest_silence(told, {"a": 2.0, "b": 100.5, "c": 100.9}) == 2.0
    assert longest_silence({}, {}) == 0.0
    assert longest_silence({"a": 0.0, "b": 60.0}, {"a": 1.0}, ended=600.0) == 540.0
    assert longest_silence({"a": 0.0}, {"a": 1.0}, ended=600.0) == 1.0
