"""`gridcommand dead-letters`: what is listed, what goes in again, and what can't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

from gridcommand.main import app
from models.dead_letters import DeadLetterRow
from models.events import ClockTicked, Event, ReopenIncident, ReportReceived, encode
from models.inbox import InboxRow
from models.settings import Settings
from models.store import Store, open_store
from models.words import Channel
from tests.templates import sqlite_database
from web_console.console import PRIORITY_OF_ORDERS, PRIORITY_OF_TEXT

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Run = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("GRIDCOMMAND_DATA_DIR", str(tmp_path))
    settings = Settings()
    sqlite_database(Path(make_url(settings.database).database or ""))
    with closing(open_store(settings)) as opened:
        yield opened


@pytest.fixture
def run(store: Store) -> Run:
    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["dead-letters", *arguments])

    return call


def letter(name: str, code: str = "hangs", body: bytes | None = None) -> DeadLetterRow:
    report = ReportReceived(channel=Channel.WORKER, received_at=NOW, text="smoke")
    event = Event(id=name, source="/test", time=NOW, jurisdiction="us-ca-sf", data=report)
    return DeadLetterRow(
        at=NOW,
        topic="desk",
        key="us-ca-sf",
        body=encode(event) if body is None else body,
        code=code,
        reason="the desk was at it for 15 s",
        stage="desk",
        jurisdiction="us-ca-sf",
        event_id=name,
    )


def test_an_empty_list_says_so(run: Run) -> None:
    assert "There are none" in run("list").output


def test_a_mended_letter_goes_in_once_and_is_open_again_when_it_fails_again(
    store: Store, run: Run
) -> None:
    store.add_dead_letters([letter("a"), letter("b", "desk_failed")])
    assert run("list", "--code", "hangs").output.count("hangs: ") == 1
    assert "1 would be replayed" in run("replay", "--code", "hangs", "--dry-run").output
    assert store.unfinished() == 0
    assert "1 replayed" in run("replay", "--code", "hangs").output
    rows = store.unfinished_after(0, 10)
    assert [(row.event_id, row.topic) for row in rows] == [("a", "reports")]
    assert "was replayed already" in run("replay", "1").output
    assert store.dead_letter_ids("us-ca-sf", codes=["hangs"]) == frozenset()
    store.add_dead_letters([letter("a")])
    assert store.unfinished() == 0
    assert store.dead_letter_ids("us-ca-sf", codes=["hangs"]) == frozenset({"a"})
    assert "new" in run("list", "--code", "hangs").output


def test_a_letter_of_an_exercise_goes_in_on_its_own_side(store: Store, run: Run) -> None:
    place = "us-ca-sf.exercise"
    report = ReportReceived(channel=Channel.WORKER, received_at=NOW, text="smoke")
    event = Event(id="a", source="/test", time=NOW, jurisdiction=place, exercise=True, data=report)
    of_exercise = msgspec.structs.replace(
        letter("a", body=encode(event)), key=place, jurisdiction=place, exercise=True
    )
    store.add_dead_letters([of_exercise])
    assert "1 replayed" in run("replay", "1").output
    (row,) = store.unfinished_after(0, 10)
    assert (row.topic, row.jurisdiction, row.exercise) == ("exercise.reports", place, True)


def test_what_the_inbox_has_goes_again_as_it_was(store: Store, run: Run) -> None:
    store.add_dead_letters([letter("a")])
    run("replay", "1")
    store.finish("us-ca-sf", ["a"], NOW)
    assert "1 replayed" in run("replay", "1", "--again").output
    assert [row.event_id for row in store.unfinished_after(0, 10)] == ["a"]


def test_a_replay_goes_as_urgent_as_the_event_is(store: Store, run: Run) -> None:
    """The inbox's own row says it, and where that was forgotten the event."""
    now = datetime.now(UTC)
    kept = letter("kept")
    store.put(
        [
            InboxRow(
                event_id="kept", jurisdiction="us-ca-sf", topic="reports", key="us-ca-sf",
                body=kept.body, received_at=now, priority=4,
            )
        ]
    )  # fmt: skip
    other = Event(
        id="other",
        source="/intake/c",
        time=NOW,
        jurisdiction="us-ca-sf",
        data=ReopenIncident(incident="i000001", by="li"),
    )
    store.add_dead_letters([kept, letter("forgotten"), letter("other", body=encode(other))])
    run("replay", "1", "2", "3")
    found = {row.event_id: row.priority for row in store.unfinished_after(0, 10)}
    assert found == {"kept": 4, "forgotten": PRIORITY_OF_TEXT, "other": PRIORITY_OF_ORDERS}


def test_the_time_is_told_again_anyway_and_not_replayed(store: Store, run: Run) -> None:
    tick = Event(
        id="tick/7", source="/clock/us-ca-sf", time=NOW, jurisdiction="us-ca-sf", data=ClockTicked()
    )
    store.add_dead_letters([letter("tick/7", body=encode(tick))])
    assert "holds the time" in run("replay", "1").output
    assert store.unfinished() == 0


def test_what_can_not_be_read_is_left_with_the_reason(store: Store, run: Run) -> None:
    store.add_dead_letters([letter("", "unreadable", b"{"), letter("c")])
    said = run("replay", "1", "2").output
    assert "1: holds no event that can be read" in said
    assert "1 replayed, 1 left as they are" in said


def test_misuse_is_said(run: Run) -> None:
    assert "name letters by id" in str(run("replay").exception)
    assert "there is no dead letter 9" in str(run("show", "9").exception)


def test_show_has_the_record_as_it_came(store: Store, run: Run) -> None:
    store.add_dead_letters([letter("a"), letter("", "unreadable", b"\xff{")])
    assert '"text": "smoke"' in run("show", "1").output
    assert "{" in run("show", "2").output


def test_readings_are_not_replayed(store: Store, run: Run) -> None:
    row = msgspec.structs.replace(letter("", "unreadable", b"[{}]"), topic="exercise.readings")
    store.add_dead_letters([row])
    assert "1: holds readings" in run("replay", "1").output


def test_all_since_a_time_go_in_whatever_their_code(store: Store, run: Run) -> None:
    early = msgspec.structs.replace(letter("a"), at=NOW - timedelta(hours=1))
    store.add_dead_letters([early, letter("b", "desk_failed"), letter("c")])
    assert "2 replayed" in run("replay", "--since", "2026-01-01T00:00:00").output
    assert [row.event_id for row in store.unfinished_after(0, 10)] == ["b", "c"]
