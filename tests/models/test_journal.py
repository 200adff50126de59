"""The journal against any sequence of claims and commits, while it is written, and on paper."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import text

from models import events as ev
from models.brief import NEWEST, BriefIncident
from models.database import transaction
from models.errors import EventError, FencedError, JournalBrokenError, StoreError
from models.events import Event, encode
from models.journal import GENESIS
from models.lifecycles import IncidentState
from models.situation import Incident
from models.steps import Entity, Lease
from models.store import Store
from models.words import Grade
from tests.templates import sqlite_database

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


def event(seq: int, *, name: str = "", time: datetime = NOW) -> Event:
    return Event(
        id=name or f"e{seq}", source="/t", time=time, jurisdiction="tiny", seq=seq,
        data=ev.ClockTicked(),
    )  # fmt: skip


def commit(
    store: Store, lease: Lease, made: list[Event], entities: tuple[Entity, ...] = ()
) -> Lease:
    return store.commit_step(lease, made, [encode(e) for e in made], wall=NOW, entities=entities)


def incident(name: str, opened_at: datetime, category: str = "fire.building") -> Incident:
    return Incident(
        id=name, number=f"2026-{name}", state=IncidentState.OPEN, category=category, priority=2,
        grade=Grade.IV, confidence=1.0, opened_at=opened_at, updated_at=opened_at,
        updated_seq=1,
    )  # fmt: skip


class Writers(RuleBasedStateMachine):
    """Two would-be writers claim and commit as they like; the model is a list of bodies."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.store = Store(sqlite_database(Path(self.folder.name) / "test.db"))
        self.leases: list[Lease | None] = [None, None]
        self.holder: int | None = None
        self.bodies: list[bytes] = []

    @rule(who=st.integers(0, 1))
    def claim(self, who: int) -> None:
        self.leases[who] = self.store.claim("tiny", exercise=False, at=NOW)
        self.holder = who

    @rule(who=st.integers(0, 1), count=st.integers(0, 3))
    def commit(self, who: int, count: int) -> None:
        lease = self.leases[who]
        if lease is None:
            return
        made = [event(lease.seq + n + 1, name=f"{who}/{lease.seq + n + 1}") for n in range(count)]
        if who == self.holder:
            self.leases[who] = commit(self.store, lease, made)
            self.bodies.extend(encode(e) for e in made)
        else:
            with pytest.raises(FencedError):
                commit(self.store, lease, made)

    @invariant()
    def holds(self) -> None:
        if self.holder is None:
            return
        head = self.store.verify("tiny")
        assert self.store.read("tiny", 0, 1000) == self.bodies
        chain = GENESIS
        for body in self.bodies:
            chain = hashlib.sha256(chain + body).digest()
        assert (head.seq, head.head_hash) == (len(self.bodies), chain)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


TestWriters = Writers.TestCase
TestWriters.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


def test_a_journal_that_is_being_written_still_proves(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = commit(store, store.claim("tiny", exercise=False, at=NOW), [event(1), event(2)])
    entries = store._live

    def while_a_desk_writes(*args: object, **more: object) -> object:
        nonlocal lease
        lease = commit(store, lease, [event(lease.seq + 1)])
        return entries(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "_live", while_a_desk_writes)
    assert store.verify("tiny").seq == 2
    head = store.export("tiny", tmp_path / "out.jsonl")
    chain = GENESIS
    for line in (tmp_path / "out.jsonl").read_bytes().splitlines():
        chain = hashlib.sha256(chain + line).digest()
    assert (head.seq, head.head_hash) == (3, chain), "the file is what was verified, no more"
    assert store.head("tiny").seq == 5  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE journal SET exercise = (1 = 1) WHERE seq = 2", "columns of seq 2"),
        ("UPDATE journal SET time = '2020-01-01 00:00:00.000000' WHERE seq = 3",
         "columns of seq 3"),
        ("UPDATE jurisdiction SET head_hash = (SELECT hash FROM journal WHERE seq = 1)",
         "head's hash"),
        ("UPDATE jurisdiction SET seq = 2, head_hash = (SELECT hash FROM journal WHERE seq = 2)",
         "ends at seq 3, its head says 2"),
    ],
)  # fmt: skip
def test_quiet_damage_is_found_out(store: Store, damage: str, says: str) -> None:
    made = [event(1), event(2), event(3)]
    commit(store, store.claim("tiny", exercise=False, at=NOW), made)
    with transaction(store._engine, writes=True) as connection:
        connection.execute(text(damage))
    with pytest.raises(JournalBrokenError, match=says):
        store.verify("tiny")


def test_a_body_that_is_no_event_breaks_the_journal_even_with_its_chain_made_anew(
    store: Store,
) -> None:
    commit(store, store.claim("tiny", exercise=False, at=NOW), [event(1)])
    forged = hashlib.sha256(GENESIS + b"rubbish").digest()
    with transaction(store._engine, writes=True) as connection:
        connection.execute(
            text("UPDATE journal SET body = :b, hash = :h"), {"b": b"rubbish", "h": forged}
        )
        connection.execute(text("UPDATE jurisdiction SET head_hash = :h"), {"h": forged})
    with pytest.raises(JournalBrokenError, match="seq 1 can't be read"):
        store.verify("tiny")


def test_an_export_that_cannot_be_written_says_so_and_leaves_nothing(
    store: Store, tmp_path: Path
) -> None:
    commit(store, store.claim("tiny", exercise=False, at=NOW), [event(1)])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    with pytest.raises(StoreError, match="can't be written"):
        store.export("tiny", tmp_path / "folder")
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []


def test_a_step_that_cannot_be_stored_is_no_outage_and_leaves_the_lease_good(store: Store) -> None:
    lease = store.claim("tiny", exercise=False, at=NOW)
    bad = incident("i1", NOW.replace(tzinfo=None))
    with pytest.raises(EventError, match="can't be stored"):
        commit(store, lease, [event(1)], (bad,))
    assert commit(store, lease, [event(1)], (incident("i1", NOW),)).seq == 1
    assert store.verify("tiny").seq == 1


def test_pages_of_incidents_leave_none_out(store: Store) -> None:
    """Seven of one instant, three a page: the time alone would lose some."""
    lease = store.claim("tiny", exercise=False, at=NOW)
    many = [incident(f"i{n}", NOW) for n in range(7)]
    late = incident("late", NOW + timedelta(seconds=1), "fire.forest")
    commit(store, lease, [event(1)], (*many, late, incident("other", NOW, "firework")))
    seen: list[str] = []
    at: datetime | None = None
    last = ""
    while page := [
        msgspec.json.decode(doc, type=Incident)
        for doc in store.find_incidents(
            "tiny", category="fire", opened_before=at, before_id=last, limit=3
        )
    ]:
        seen += [i.id for i in page]
        at, last = page[-1].opened_at, page[-1].id
    assert seen == ["late", *(f"i{n}" for n in range(6, -1, -1))]
    assert store.incident_doc("tiny", "i1") is not None
    assert store.incident_doc("tiny", "nothing") is None
    assert store.find_incidents("tiny", states=["closed"]) == []
    assert len(store.find_incidents("tiny", words="-lat")) == 1
    assert store.find_incidents("tiny", words="%") == [], "a wildcard is a letter like others"


def test_the_table_does_not_take_all_reports_once_more_with_each(store: Store) -> None:
    lease = store.claim("tiny", exercise=False, at=NOW)
    many = [f"r{number}" for number in range(5000)]
    quake = msgspec.structs.replace(incident("i1", NOW), reports=many, texts=["it shakes"] * 4999)
    commit(store, lease, [event(1)], (quake,))
    doc = store.incident_doc("tiny", "i1")
    assert doc is not None
    assert len(doc) < 5_000
    shown = msgspec.json.decode(doc, type=BriefIncident)
    assert (shown.report_count, shown.reports) == (5000, many[-NEWEST:])
