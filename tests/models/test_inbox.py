"""The inbox's door: every caller gets an answer, and one bad row costs the others nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from models.dead_letters import BODY_MAX, DeadLetterRow
from models.errors import EventError, StoreError
from models.inbox import GroupedInbox, InboxRow, UnfinishedRow
from models.store import Store
from tests.waiting import HANG_S

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
UNSTORABLE = "\ud800"


def row(event_id: str, at: datetime = NOW) -> InboxRow:
    return InboxRow(
        event_id=event_id, jurisdiction="tiny", topic="reports", key="k", body=b"{}", received_at=at
    )


def ids(store: Store) -> list[str]:
    return [r.event_id for r in store.unfinished_after(0, 100)]


def test_no_rows_are_no_error(store: Store) -> None:
    store.put([])
    store.finish("tiny", [], NOW)
    store.add_dead_letters([])
    assert ids(store) == []


def test_rows_come_back_as_they_went(store: Store) -> None:
    sent = InboxRow(
        event_id="a", jurisdiction="tiny.exercise", topic="exercise.reports", key="键",
        body=bytes(range(256)), received_at=NOW + timedelta(microseconds=1), exercise=True,
        priority=1,
    )  # fmt: skip
    store.put([sent])
    (found,) = store.unfinished_after(0, 10)
    assert found.id > 0
    assert found == UnfinishedRow(found.id, *(getattr(sent, f) for f in UnfinishedRow._fields[1:]))


def test_unfinished_rows_come_in_order_and_by_pages(store: Store) -> None:
    store.put([row(str(n)) for n in range(5)])
    store.finish("tiny", ["1", "not there"], NOW)
    store.finish("other", ["2"], NOW)
    first = store.unfinished_after(0, 2)
    rest = store.unfinished_after(first[-1].id, 10)
    assert [r.event_id for r in first + rest] == ["0", "2", "3", "4"]
    assert store.received("tiny") == 5


@pytest.mark.parametrize(
    "bad", [row(UNSTORABLE), row("naive", NOW.replace(tzinfo=None))], ids=["surrogate", "naive"]
)
def test_what_can_never_be_stored_is_no_outage(store: Store, bad: InboxRow) -> None:
    with pytest.raises(EventError, match="can't be stored"):
        store.put([row("good"), bad])
    assert ids(store) == [], "one transaction: all or none"


async def test_a_bad_row_is_refused_alone(store: Store) -> None:
    grouped = GroupedInbox(store)
    rows = [row("a"), row(UNSTORABLE), row("b")]
    answers = await asyncio.wait_for(
        asyncio.gather(*(grouped.put(r) for r in rows), return_exceptions=True), HANG_S
    )
    assert [type(a) for a in answers] == [bytes, EventError, bytes]
    assert ids(store) == ["a", "b"]
    await grouped.close()


async def test_a_callers_answer_is_what_stands_under_its_id(store: Store) -> None:
    def said(body: bytes, jurisdiction: str = "tiny") -> InboxRow:
        return msgspec.structs.replace(row("a"), body=body, jurisdiction=jurisdiction)

    grouped = GroupedInbox(store)
    assert await grouped.put(said(b"first")) == b"first"
    answers = [said(b"second"), said(b"elsewhere", "other"), said(b"third")]
    assert await asyncio.gather(*map(grouped.put, answers)) == [b"first", b"elsewhere", b"first"]
    store.finish("tiny", ["a"], NOW)
    assert await grouped.put(said(b"after it was decided")) == b"first"
    await grouped.close()


async def test_whatever_fails_every_caller_hears_of_it_and_the_next_is_served(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(rows: list[InboxRow]) -> None:
        raise MemoryError("no room")

    grouped = GroupedInbox(store)
    with monkeypatch.context() as patch:
        patch.setattr(store, "put", broken)
        answers = await asyncio.wait_for(
            asyncio.gather(*(grouped.put(row(str(n))) for n in range(3)), return_exceptions=True),
            HANG_S,
        )
    assert [type(a) for a in answers] == [StoreError] * 3
    await asyncio.wait_for(grouped.put(row("after")), HANG_S)
    assert ids(store) == ["after"]
    await grouped.close()


async def test_a_caller_that_goes_away_takes_no_row_along(store: Store) -> None:
    grouped = GroupedInbox(store)
    leaving = asyncio.create_task(grouped.put(row("left")))
    staying = asyncio.create_task(grouped.put(row("stayed")))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait_for(staying, HANG_S)
    assert leaving.cancelled()
    assert ids(store) == ["left", "stayed"]
    await grouped.close()


def test_a_dead_letter_takes_any_text(store: Store) -> None:
    letter = DeadLetterRow(
        at=NOW, topic="reports", key="\0", body=b"\0\xff", code="c", reason="bad \0 \ud800",
        stage="classify", jurisdiction="tiny", event_id=UNSTORABLE,
    )  # fmt: skip
    store.add_dead_letters([letter])
    store.add_dead_letters([letter])
    (kept,) = store.dead_letters()
    assert (kept.body, kept.key, kept.reason) == (b"\0\xff", "\ufffd", "bad \ufffd ?")


def test_a_stranger_that_names_an_event_does_not_finish_it(store: Store) -> None:
    store.put([row("a")])
    (waiting,) = store.unfinished_after(0, 10)
    stranger = DeadLetterRow(
        at=NOW, topic="reports", key="", body=b'{"id":"a"}', code="unreadable", reason="r",
        stage="reports", jurisdiction="tiny", event_id="a",
    )  # fmt: skip
    for code in ("unreadable", "wrong_side", "not_a_report", "failed"):
        store.add_dead_letters([msgspec.structs.replace(stranger, code=code)])
        assert ids(store) == ["a"], code
    store.add_dead_letters([msgspec.structs.replace(stranger, body=waiting.body)])
    assert ids(store) == []


def test_a_record_is_kept_up_to_a_bound_and_finishes_its_row_all_the_same(store: Store) -> None:
    body = b"x" * (BODY_MAX + 7)
    store.put([msgspec.structs.replace(row("a"), body=body)])
    letter = DeadLetterRow(
        at=NOW, topic="reports", key="", body=body, code="unreadable", reason="r",
        stage="reports", jurisdiction="tiny", event_id="a",
    )  # fmt: skip
    store.add_dead_letters([letter])
    assert [len(kept.body) for kept in store.dead_letters()] == [BODY_MAX]
    assert ids(store) == []


def test_a_nul_is_kept_or_refused_but_no_outage(store: Store) -> None:
    """SQLite keeps it in text, PostgreSQL can't: to try again there would be for ever."""
    if store.url.startswith("sqlite"):
        store.put([row("a\0")])
        assert ids(store) == ["a\0"]
    else:
        with pytest.raises(EventError, match="NUL"):
            store.put([row("a\0")])
