"""The checker finds what is wrong with journals that were broken on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from sqlalchemy import text

from gridcommand.rehearsal.checker import Verdict, check
from gridcommand.rehearsal.sensors import SensorReports, Watched, compare
from gridcommand.rehearsal.silence import Outage, longest_s, recovered_s, silences, too_long_s
from models import events as ev
from models.dead_letters import DeadLetterRow
from models.events import Event, encode
from models.fold import apply
from models.inbox import InboxRow
from models.lifecycles import AssignmentState, IncidentState
from models.situation import Situation
from models.store import Store
from models.words import Channel, Grade
from tests.templates import sqlite_database
from web_console import frames

HOME = "tiny"
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A journal in which reports a and b were decided, one incident each."""
    store = Store(sqlite_database(tmp_path / "checked.db"))
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


def report(name: str, channel: Channel = Channel.WORKER, reporter: str = "") -> Event:
    classified = ev.ReportClassified(
        channel=channel, received_at=NOW, category="accident.fire", priority=2,
        grade=Grade.IV, confidence=0.9, reporter=reporter,
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


def said(event_id: str, data: ev.Payload, cause: str = "") -> Event:
    return Event(
        id=event_id, source="/desk", time=NOW, jurisdiction=HOME, cause=cause, data=data
    )  # fmt: skip


def unit(name: str) -> Event:
    data = ev.UnitRegistered(
        unit=name, kind="engine", skills=("fire_suppression",), owner="government", lon=1.0, lat=2.0
    )
    return said(f"register/{name}", data)


def asks(incident: str, count: int) -> Event:
    engines = ev.Requirement(
        key="engines", skills=("fire_suppression",), count=count, within_s=300.0, playbook="p"
    )
    data = ev.PlanAdopted(incident=incident, playbooks=("p",), requirements=(engines,))
    return said(f"asks/{incident}", data)


def sent(assignment: str, incident: str, name: str, again: str = "", **more: Any) -> Event:
    data = ev.AssignmentOrdered(
        assignment=assignment, incident=incident, unit=name, requirement="engines",
        by="gridcommand", **more,
    )  # fmt: skip
    return said(f"sent/{assignment}{again}", data)


def ended(assignment: str, incident: str, name: str, state: AssignmentState, at: int = 0) -> Event:
    data = ev.AssignmentMoved(assignment=assignment, incident=incident, unit=name, state=state)
    return said(f"ended/{assignment}/{at}", data)


def letter(store: Store, name: str, reason: str = "evil content") -> None:
    store.add_dead_letters(
        [
            DeadLetterRow(
                at=NOW, topic="reports", key=HOME, body=name.encode(), code="failed",
                reason=reason, jurisdiction=HOME, event_id=name, stage="reports",
            )
        ]
    )  # fmt: skip
    store.finish(HOME, [name], NOW)


class Shown:
    """What a screen shows that has the journal up to a seq."""

    def __init__(self, store: Store, seq: int | None = None) -> None:
        situation = Situation(jurisdiction=HOME, exercise=False)
        for raw in store.read(HOME, 0, 1000 if seq is None else seq):
            apply(situation, ev.decode(raw))
        whole = json.loads(msgspec.json.encode(frames.everything(situation)))
        self.kinds = {kind: {one["id"]: one for one in whole[kind]} for kind in frames.KINDS}
        self.seq: int | None = situation.seq
        self.gaps: list[tuple[int, int | None]] = []


def write(store: Store, *events: Event) -> None:
    lease = store.claim(HOME, exercise=False, at=NOW)
    numbered = [
        msgspec.structs.replace(event, seq=lease.seq + number)
        for number, event in enumerate(events, 1)
    ]
    reports = [event.id for event in events if isinstance(event.data, ev.ReportClassified)]
    store.commit_step(lease, numbered, [encode(e) for e in numbered], wall=NOW, finished=reports)


def verdict(store: Store, *told: str, **more: Any) -> Verdict:
    times = dict.fromkeys(told, 0.0)
    return check(store, HOME, times, dict.fromkeys(("a", "b"), 1.0), **more)


def broken(store: Store, statement: str) -> None:
    with store._engine.begin() as connection:
        connection.execute(text(statement))


def test_a_sound_journal_holds(store: Store) -> None:
    found = verdict(store, "a", "b")
    assert found.holds
    assert (found.acknowledged, found.decided, found.unseen) == (2, 2, 0)


def test_a_decision_that_is_missing_is_lost(store: Store) -> None:
    found = verdict(store, "a", "b", "never-came")
    assert (found.lost, found.examples, found.holds) == (1, ("report never-came: lost",), False)


def test_a_report_in_the_journal_of_which_nothing_came_is_lost(store: Store) -> None:
    put(store, "c")
    write(store, report("c"))
    found = verdict(store, "a", "c")
    assert (found.decided, found.lost, found.holds) == (1, 1, False)


def test_what_waits_in_the_inbox_is_neither_lost_nor_done(store: Store) -> None:
    put(store, "c")
    found = verdict(store, "a", "c")
    assert (found.lost, found.waiting, found.holds) == (0, 1, False)


def test_a_long_backlog_waits_and_is_not_lost(store: Store) -> None:
    # More are unfinished than were told: alarms of sensors come through the same inbox.
    put(store, *(f"alarm-{number:04}" for number in range(1200)), "c")
    found = verdict(store, "a", "c")
    assert (found.lost, found.waiting, found.holds) == (0, 1, False)


@pytest.mark.parametrize(("reason", "lost"), [("evil content", 0), ("", 1)])
def test_a_dead_letter_counts_with_its_reason_only(store: Store, reason: str, lost: int) -> None:
    put(store, "c")
    letter(store, "c", reason)
    found = verdict(store, "a", "c")
    assert (found.dead_lettered, found.lost, found.holds) == (1 - lost, lost, not lost)


def test_decided_and_a_dead_letter_is_doubled_until_somebody_replayed_it(store: Store) -> None:
    letter(store, "a")
    found = verdict(store, "a", "b")
    assert (found.doubled, found.dead_lettered, found.holds) == (1, 0, False)
    assert found.examples == ("report a: decided and a dead letter",)
    (open_letter,) = store.dead_letters()
    row = InboxRow(
        event_id="a", jurisdiction=HOME, topic="reports", key=HOME, body=b"{}", received_at=NOW
    )
    store.replay_dead_letter(open_letter.id, row, by="wang", at=NOW)
    store.finish(HOME, ["a"], NOW)
    assert verdict(store, "a", "b").holds


def test_an_evil_report_must_be_a_dead_letter(store: Store) -> None:
    put(store, "c")
    assert verdict(store, "a", evil={"c"}).waiting == 1
    letter(store, "c")
    found = verdict(store, "a", evil={"c"})
    assert (found.acknowledged, found.dead_lettered, found.holds) == (2, 1, True)
    found = verdict(store, "a", evil={"b"})
    assert (found.swallowed, found.holds) == (1, False)


def test_what_was_decided_and_is_on_no_screen_is_told(store: Store) -> None:
    found = check(store, HOME, {"a": 0.0, "b": 0.0}, {"a": 1.0})
    assert (found.unseen, found.holds) == (1, False)


def test_a_report_in_two_incidents_is_doubled(store: Store) -> None:
    write(store, opened("a", "i3"))
    found = verdict(store, "a", "b")
    assert (found.doubled, found.examples, found.holds) == (1, ("report a: i1, i3",), False)


def test_a_report_decided_twice_on_one_incident_is_doubled(store: Store) -> None:
    data = ev.ReportLinked(incident="i1", report="a", distance_m=0.0, age_s=0.0)
    write(store, said("a/again", data, cause="a"))
    assert (verdict(store, "a").doubled, verdict(store, "a").holds) == (1, False)


def test_a_report_that_a_person_merged_stands_in_one_incident(store: Store) -> None:
    linked = ev.ReportLinked(incident="i2", report="a", distance_m=0.0, age_s=0.0)
    write(store, said("o1/1", linked, cause="o1"))
    assert not verdict(store, "a").holds
    merged = ev.IncidentMoved(
        incident="i1", state=IncidentState.CANCELLED, by="wang", merged_into="i2"
    )
    write(store, said("o1/2", merged, cause="o1"))
    assert verdict(store, "a", "b").holds


def test_a_report_whose_merge_was_undone_stands_in_its_own_incident(store: Store) -> None:
    linked = ev.ReportLinked(incident="i2", report="a", distance_m=0.0, age_s=0.0, merged_from="i1")
    merged = ev.IncidentMoved(incident="i1", state=IncidentState.CANCELLED, merged_into="i2")
    back = ev.IncidentMoved(incident="i1", state=IncidentState.OPEN, by="wang")
    unmerged = ev.IncidentUnmerged(
        incident="i2", duplicate="i1", reports=("a",), by="wang",
        share=ev.Share(priority=2, grade=Grade.IV),
    )  # fmt: skip
    write(store, said("o1/1", linked, cause="o1"), said("o1/2", merged, cause="o1"))
    write(store, said("o2/1", back, cause="o2"))
    assert verdict(store, "a", "b").doubled == 1, "both have it"
    write(store, said("o2/2", unmerged, cause="o2"))
    assert verdict(store, "a", "b").holds


def test_who_is_sent_after_an_incident_was_reopened_is_not_sent_twice(store: Store) -> None:
    write(store, unit("E1"), asks("i1", 1), sent("i1-a1", "i1", "E1"))
    write(store, ended("i1-a1", "i1", "E1", AssignmentState.CLEARED))
    for state in (IncidentState.CLOSED, IncidentState.OPEN):
        write(store, said(f"now/{state}", ev.IncidentMoved(incident="i1", state=state)))
    write(store, sent("i1-a2", "i1", "E1"))
    assert verdict(store, "a", "b").holds
    write(store, sent("i1-a3", "i1", "E3"))
    assert verdict(store, "a", "b").doubled == 1


def test_what_is_sent_once_holds_and_may_be_sent_again_when_it_is_back(store: Store) -> None:
    write(store, unit("E1"), unit("E2"), asks("i1", 1), asks("i2", 1), sent("i1-a1", "i1", "E1"))
    write(store, ended("i1-a1", "i1", "E1", AssignmentState.CANCELLED))
    write(store, sent("i2-a1", "i2", "E1"), sent("i1-a2", "i1", "E2"))
    write(store, sent("i1-a3", "i1", "E3", override=True))  # a person may send more by name
    assert verdict(store, "a", "b").holds


@pytest.mark.parametrize(
    ("events", "doubled", "two_places", "word"),
    [
        ([sent("i1-a1", "i1", "E2", "/again")], 1, 0, "i1-a1: ordered twice"),
        ([sent("i1-a2", "i1", "E2")], 1, 0, "i1 asks for 1 of engines"),
        ([sent("i2-a1", "i2", "E1")], 0, 1, "unit E1: sent on i2-a1 while it serves i1-a1"),
        ([ended("i1-a1", "i1", "E2", AssignmentState.EN_ROUTE)], 1, 0, "though E2 isn't on it"),
        (
            [
                ended("i1-a1", "i1", "E1", AssignmentState.CLEARED),
                ended("i1-a1", "i1", "E1", AssignmentState.CLEARED, 1),
            ],
            1,
            0,
            "i1-a1: cleared though",
        ),
        # Who came and left counts as had.
        (
            [
                ended("i1-a1", "i1", "E1", AssignmentState.CLEARED),
                sent("i1-a2", "i1", "E2"),
            ],
            1,
            0,
            "and has them",
        ),
    ],
)
def test_what_is_sent_twice_or_to_two_places_is_told(
    store: Store, events: list[Event], doubled: int, two_places: int, word: str
) -> None:
    write(store, unit("E1"), unit("E2"), asks("i1", 1), asks("i2", 1), sent("i1-a1", "i1", "E1"))
    assert verdict(store, "a").holds
    write(store, *events)
    found = verdict(store, "a")
    assert (found.doubled, found.two_places, found.holds) == (doubled, two_places, False)
    assert word in found.examples[0]


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("DELETE FROM journal WHERE seq = 2", "seq 2 is missing"),
        ("DELETE FROM journal WHERE seq = 4", "ends at seq 3"),
        ("UPDATE journal SET body = CAST('no event' AS BLOB) WHERE seq = 2", "seq 2"),
        ("UPDATE jurisdiction SET seq = 3", "seq"),
        ("UPDATE journal SET hash = zeroblob(32) WHERE seq = 3", "the chain breaks at seq 3"),
        ("UPDATE journal SET cause = 'x' WHERE seq = 2", "columns of seq 2"),
        ("DELETE FROM jurisdiction", "there is no journal"),
    ],
)
def test_a_journal_that_was_tampered_with_says_where(
    store: Store, statement: str, word: str
) -> None:
    broken(store, statement)
    found = verdict(store, "a")
    assert word in found.journal
    assert not found.holds


def test_a_screen_that_shows_what_the_journal_says_holds_wherever_it_is(store: Store) -> None:
    write(store, unit("E1"), asks("i1", 1), sent("i1-a1", "i1", "E1"))
    screens = [Shown(store), Shown(store, 5), Shown(store, 0)]
    assert verdict(store, "a", "b", screens=screens).holds


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda s: s.kinds["incidents"].pop("i1"), "incidents i1 isn't shown"),
        (lambda s: s.kinds["incidents"]["i2"].update(state="closed"), "i2 is shown otherwise"),
        (lambda s: s.kinds["units"].update(ghost={"id": "ghost"}), "ghost is shown and isn't"),
        (lambda s: setattr(s, "seq", 3), "at seq 3"),
        (lambda s: setattr(s, "seq", 99), "it is at seq 99, the journal ends at 5"),
        (lambda s: setattr(s, "seq", None), "it is at seq None"),
        (lambda s: s.gaps.append((3, 2)), "had seq 2, and the next from 3"),
    ],
)
def test_a_screen_that_shows_something_else_is_told(store: Store, spoil: Any, word: str) -> None:
    write(store, unit("E1"))
    wrong = Shown(store)
    spoil(wrong)
    found = verdict(store, "a", "b", screens=[Shown(store), wrong])
    assert (found.screens_wrong, found.holds) == (1, False)
    assert "screen 1" in found.examples[0]
    assert word in found.examples[0]


def test_a_journal_that_cannot_be_folded_is_broken(store: Store) -> None:
    shown = Shown(store)
    write(store, sent("i9-a1", "i9", "nobody", override=True))
    shown.seq = 5
    found = verdict(store, "a", "b", screens=[shown])
    assert "seq 5 can't be folded" in found.journal
    assert not found.holds


class Detectors:
    """Two that saw smoke begin, each once."""

    began: ClassVar = {"smoke-1": [NOW.timestamp() - 5], "smoke-2": [NOW.timestamp() - 5]}

    def told(self, store: Store) -> Watched:
        return compare(self.began, SensorReports(HOME).read(store))


@pytest.mark.parametrize(
    ("alarms", "found", "holds"),
    [
        (["smoke-1", "smoke-2"], Watched(conditions=2), True),
        (["smoke-1"], Watched(conditions=2, missed=1), False),
        (["smoke-1", "smoke-2", "smoke-2"], Watched(conditions=2, doubled=1), False),
    ],
)
def test_an_alarm_that_is_missing_or_told_twice_is_told(
    store: Store, alarms: list[str], found: Watched, holds: bool
) -> None:
    for number, device in enumerate(alarms):
        name = f"smoke-alarm-{number}"
        put(store, name)
        write(
            store, report(name, channel=Channel.SENSOR, reporter=device), opened(name, f"s{number}")
        )
    result = verdict(store, "a", "b", sensors=Detectors())
    assert (result.watched, result.holds) == (found, holds)


def test_who_never_got_an_answer_is_told(store: Store) -> None:
    assert not verdict(store, "a", "b", unanswered=1).holds


def quiet(told: dict[str, float], seen: dict[str, float], ended: float | None = None) -> float:
    return longest_s(silences(told, seen, ended))


def test_silence_is_counted_only_while_something_is_owed() -> None:
    told = {"a": 0.0, "b": 100.0, "c": 101.0}
    assert quiet(told, {"a": 2.0, "b": 101.5, "c": 105.0}) == 3.5
    assert quiet(told, {"a": 2.0, "b": 100.5, "c": 100.9}) == 2.0
    assert quiet({}, {}) == 0.0
    assert quiet({"a": 0.0, "b": 60.0}, {"a": 1.0}, ended=600.0) == 540.0
    assert quiet({"a": 0.0}, {"a": 1.0}, ended=600.0) == 1.0
    # b was on the screen long before its sender heard: that hides nobody else's wait.
    assert quiet({"a": 1.0, "b": 9.0}, {"a": 8.0, "b": 0.5}) == 7.0


def test_a_silence_longer_than_allowed_breaks_the_promise(store: Store) -> None:
    told, seen = {"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 14.0}
    late = check(store, HOME, told, seen, silence_at_most_s=10.0)
    assert (late.longest_silence_s, late.silence_too_long_s, late.holds) == (13.0, 3.0, False)
    assert check(store, HOME, told, seen, silence_at_most_s=13.0).holds
    assert check(store, HOME, told, seen).holds
    # Three seconds of it something was broken; then it had ten.
    out = [Outage(1.0, 4.0)]
    soon = check(store, HOME, told, seen, silence_at_most_s=10.0, outages=out)
    assert (soon.recovered_s, soon.silence_too_long_s, soon.holds) == (10.0, 0.0, True)


def test_each_outage_excuses_its_own_length_and_one_recovery() -> None:
    found = silences({"a": 0.0}, {"a": 40.0})
    assert too_long_s(found, [], 10.0) == 30.0
    assert too_long_s(found, [Outage(0.0, 12.0)], 10.0) == 18.0
    assert too_long_s(found, [Outage(0.0, 12.0), Outage(18.0, 18.0)], 10.0) == 8.0
    assert too_long_s(found, [Outage(50.0, 60.0)], 10.0) == 30.0


def test_recovery_counts_from_the_end_of_the_last_outage_before_a_decision() -> None:
    found = silences({"a": 0.0, "b": 30.0, "c": 30.0}, {"a": 9.0, "b": 31.0, "c": 38.0})
    assert recovered_s(found, [Outage(1.0, 4.0)]) == 5.0
    assert recovered_s(found, [Outage(1.0, 4.0), Outage(6.0, 7.0)]) == 2.0
    assert recovered_s(found, [Outage(1.0, 4.0), Outage(2.0, 8.5)]) == 0.5
    assert recovered_s(found, [Outage(12.0, 20.0)]) == 0.0
    assert recovered_s(found, [Outage(32.0, 33.0)]) == 5.0
    never = silences({"a": 0.0}, {}, ended=100.0)
    assert recovered_s(never, [Outage(1.0, 4.0)]) == 96.0
