"""What the store promises: durable once, fenced, chained, gapless, counted once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from models import events as ev
from models.database import transaction
from models.dead_letters import DeadLetterRow
from models.errors import FencedError, JournalBrokenError, StoreBusyError, StoreError
from models.events import Event, encode
from models.inbox import GroupedInbox, InboxRow
from models.registers import Device, Drill
from models.steps import Lease
from models.store import Store
from models.words import Role

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


def row(event_id: str, jurisdiction: str = "tiny") -> InboxRow:
    return InboxRow(
        event_id=event_id,
        jurisdiction=jurisdiction,
        topic="reports",
        key=jurisdiction,
        body=b"{}",
        received_at=NOW,
    )


def events(first: int, count: int) -> list[Event]:
    return [
        Event(
            id=f"e{seq}",
            source="/test",
            time=NOW,
            jurisdiction="tiny",
            seq=seq,
            subject="i000001" if seq % 2 else "",
            data=ev.ClockTicked(),
        )
        for seq in range(first, first + count)
    ]


def commit(store: Store, lease: Lease, made: list[Event], **more: object) -> Lease:
    return store.commit_step(lease, made, [encode(e) for e in made], wall=NOW, **more)  # type: ignore[arg-type]


def test_the_same_event_is_in_the_inbox_once(store: Store) -> None:
    store.put([row("a"), row("b"), row("a")])
    store.put([row("a"), row("a", "other")])
    assert [r.event_id for r in store.unfinished_after(0, 10)] == ["a", "b", "a"]
    assert store.unfinished("tiny") == 2


def test_a_row_is_unfinished_until_the_journal_or_dead_letters_have_it(store: Store) -> None:
    store.put([row("a"), row("b"), row("c")])
    lease = store.claim("tiny", exercise=False, at=NOW)
    commit(store, lease, events(1, 1), finished=["a"])
    letter = DeadLetterRow(
        at=NOW, topic="desk", key="tiny", body=b"x", code="c", reason="r", stage="desk",
        jurisdiction="tiny", event_id="b",
    )  # fmt: skip
    store.add_dead_letters([letter, letter])
    assert [r.event_id for r in store.unfinished_after(0, 10)] == ["c"]
    assert store.oldest_unfinished() == NOW
    assert store.count_dead_letters() == 1


def test_a_dead_letter_is_seen_once(store: Store) -> None:
    store.add_dead_letters(
        [DeadLetterRow(at=NOW, topic="t", key="", body=b"\xff", code="c", reason="r", stage="s")]
    )
    (letter,) = store.dead_letters()
    assert store.count_dead_letters(unseen=True) == 1
    assert store.acknowledge_dead_letter(letter.id, by="admin", at=NOW)
    assert not store.acknowledge_dead_letter(letter.id, by="other", at=NOW)
    assert store.dead_letters()[0].acknowledged_by == "admin"


def test_a_journal_is_gapless_and_holds(store: Store) -> None:
    lease = store.claim("tiny", exercise=False, at=NOW)
    lease = commit(store, lease, events(1, 3))
    lease = commit(store, lease, events(4, 2))
    head = store.verify("tiny")
    assert (head.seq, head.head_hash) == (5, lease.head_hash)
    assert len(store.read("tiny", 2, 2)) == 2
    assert store.known("tiny", ["e1", "e9"]) == {"e1"}
    assert len(store.incident_log("tiny", "i000001")) == 3
    with pytest.raises(JournalBrokenError, match="next"):
        commit(store, lease, events(7, 1))


def test_an_older_claim_is_fenced_and_writes_nothing(store: Store) -> None:
    store.put([row("a")])
    first = store.claim("tiny", exercise=False, at=NOW)
    second = store.claim("tiny", exercise=False, at=NOW)
    with pytest.raises(FencedError):
        commit(store, first, events(1, 1), finished=["a"])
    assert store.unfinished() == 1
    assert store.read("tiny", 0, 10) == []
    commit(store, second, events(1, 1), finished=["a"])
    assert store.unfinished() == 0


def test_a_claim_writes_from_where_its_journal_stands_and_from_nowhere_else(store: Store) -> None:
    before = store.claim("tiny", exercise=False, at=NOW)
    after = commit(store, before, events(1, 2))
    for late in (events(1, 1), []):
        with pytest.raises(FencedError):
            commit(store, before, late)
    assert store.verify("tiny").seq == 2
    commit(store, after, events(3, 1))


def test_the_same_event_is_journaled_once(store: Store) -> None:
    lease = store.claim("tiny", exercise=False, at=NOW)
    lease = commit(store, lease, events(1, 1))
    again = events(2, 1)[0]
    with pytest.raises(StoreError):
        commit(store, lease, [msgspec.structs.replace(again, id="e1")])
    assert store.verify("tiny").seq == 1


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("DELETE FROM journal WHERE seq = 3", "seq 3 is missing"),
        ("UPDATE journal SET body = (SELECT body FROM journal WHERE seq = 1) WHERE seq = 2",
         "chain breaks at seq 2"),
        ("UPDATE journal SET type = 'x' WHERE seq = 4", "columns of seq 4"),
        ("DELETE FROM journal WHERE seq = 5", "ends at seq 4"),
    ],
)  # fmt: skip
def test_a_journal_that_was_touched_is_found_out(store: Store, damage: str, says: str) -> None:
    commit(store, store.claim("tiny", exercise=False, at=NOW), events(1, 5))
    with transaction(store._engine, writes=True) as connection:
        connection.execute(text(damage))
    with pytest.raises(JournalBrokenError, match=says):
        store.verify("tiny")


def test_export_writes_what_was_verified(store: Store, tmp_path: Path) -> None:
    made = events(1, 3)
    commit(store, store.claim("tiny", exercise=False, at=NOW), made)
    head = store.export("tiny", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == b"".join(encode(e) + b"\n" for e in made)
    assert head.seq == 3
    with pytest.raises(StoreError, match="no journal"):
        store.export("nowhere", tmp_path / "x")


def test_the_newest_snapshot_counts_and_old_ones_go(store: Store) -> None:
    lease = store.claim("tiny", exercise=False, at=NOW)
    for seq in range(1, 7):
        lease = commit(store, lease, events(seq, 1), snapshot=f"s{seq}".encode())
    assert store.latest_snapshot("tiny") == b"s6"
    with transaction(store._engine, writes=False) as connection:
        assert connection.execute(text("SELECT count(*) FROM snapshot")).scalar() == 3


async def test_many_callers_one_commit(store: Store) -> None:
    commits = 0
    put = store.put

    def counted(rows: list[InboxRow]) -> list[bytes]:
        nonlocal commits
        commits += 1
        return put(rows)

    store.put = counted  # type: ignore[method-assign, assignment]
    grouped = GroupedInbox(store)
    await asyncio.gather(*(grouped.put(row(str(n))) for n in range(300)))
    assert store.unfinished() == 300
    assert commits < 30
    await grouped.close()


async def test_a_failed_commit_reaches_every_caller(store: Store) -> None:
    def broken(rows: list[InboxRow]) -> None:
        raise StoreError("the disk is full")

    store.put = broken  # type: ignore[method-assign, assignment]
    grouped = GroupedInbox(store)
    results = await asyncio.gather(
        *(grouped.put(row(str(n))) for n in range(5)), return_exceptions=True
    )
    assert all(isinstance(r, StoreError) for r in results)
    await grouped.close()


async def test_a_full_queue_says_try_again(store: Store) -> None:
    grouped = GroupedInbox(store, capacity=1)
    waiting = asyncio.create_task(grouped.put(row("a")))
    await asyncio.sleep(0)
    with pytest.raises(StoreBusyError):
        await grouped.put(row("b"))
    await waiting
    await grouped.close()


def test_a_link_signs_in_once_and_a_session_ends(store: Store) -> None:
    account = store.add_account(
        "wang", Role.COMMANDER, at=NOW, jurisdictions=("tiny",), cells=("c1",)
    )
    token = store.make_link(account, at=NOW, hours=1, jurisdiction="tiny.exercise")
    assert store.use_link(token, at=NOW + timedelta(hours=2)) is None
    token = store.make_link(account, at=NOW, hours=1, jurisdiction="tiny.exercise")
    assert store.use_link(token, at=NOW) == (account, "tiny.exercise")
    assert store.use_link(token, at=NOW) is None
    session = store.open_session(account, at=NOW, hours=1)
    assert store.session("not a token", at=NOW) is None
    found = store.session(session, at=NOW)
    assert found is not None
    assert found.account == account
    assert store.session(session, at=NOW + timedelta(hours=1)) is None
    store.change_account("wang", disabled=True)
    assert store.session(session, at=NOW) is None
    with pytest.raises(StoreError, match="taken"):
        store.add_account("wang", Role.ADMIN, at=NOW, jurisdictions=("tiny",))


def test_a_device_has_one_key(store: Store) -> None:
    key = store.add_device(Device(id="d1", jurisdiction="tiny"))
    assert store.device("d1", key) is not None
    assert store.device("d1", "wrong") is None
    store.add_device(Device(id="d1", jurisdiction="tiny"))
    assert store.device("d1", key) is None, "a new key ends the old one"


def test_a_drill_keeps_its_place(store: Store) -> None:
    drill = Drill(
        jurisdiction="tiny.exercise", name="n", recording="r", recording_sha256="s", speed=60.0,
        anchor_sim=NOW, anchor_wall=NOW, updated_at=NOW,
    )  # fmt: skip
    store.put_drill(drill)
    assert store.set_drill("tiny.exercise", paused=True, position=7)
    assert not store.set_drill("nowhere", paused=True)
    found = store.drill("tiny.exercise")
    assert found is not None
    assert (found.paused, found.position, found.anchor_sim) == (True, 7, NOW)


def test_a_database_that_cannot_be_reached_is_said_in_words() -> None:
    store = Store("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=1")
    with pytest.raises(StoreError, match="can't be reached"):
        store.ping()


def test_tables_are_what_the_migrations_make(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlmodel import SQLModel

    assert store.is_current()
    store.migrate()
    with transaction(store._engine, writes=False) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, SQLModel.metadata) == []
