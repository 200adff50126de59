"""Months in files and the rest in the database are one journal, whatever happens in between."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from models import archive
from models import events as ev
from models.archive import Segment, month_start
from models.database import transaction
from models.errors import JournalBrokenError, StoreError
from models.events import Event, encode
from models.inbox import InboxRow
from models.lifecycles import IncidentState
from models.situation import Incident
from models.store import Store
from models.words import Grade

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 7, 1, tzinfo=UTC)
EACH_DAY = 3
DAYS = 100
"""Some of January, February, March and April."""


@pytest.fixture
def journal(store: Store) -> Store:
    """Three events a day, the third of another incident each; one of them is still open."""
    lease = store.claim("tiny", exercise=False, at=JANUARY)
    for day in range(DAYS):
        made = [
            Event(
                id=f"e{day}-{number}",
                source="/t",
                time=JANUARY + timedelta(days=day, hours=number),
                jurisdiction="tiny",
                seq=day * EACH_DAY + number + 1,
                subject=("", "closed", "open" if day == 5 else "other")[number],
                data=ev.ClockTicked(),
            )
            for number in range(EACH_DAY)
        ]
        lease = store.commit_step(
            lease,
            made,
            [encode(one) for one in made],
            wall=NOW,
            entities=[incident("open", None), incident("closed", JANUARY)] if not day else (),
            snapshot=b"as it stood" if day == DAYS - 1 else None,
        )
    return store


def incident(name: str, closed_at: datetime | None) -> Incident:
    return Incident(
        id=name, number=name, state=IncidentState.OPEN, category="fire.building", priority=2,
        grade=Grade.IV, confidence=1.0, opened_at=JANUARY, updated_at=JANUARY, updated_seq=1,
        closed_at=closed_at,
    )  # fmt: skip


def live_rows(store: Store) -> list[int]:
    with transaction(store._engine, writes=False) as connection:
        return list(connection.execute(text("SELECT seq FROM journal ORDER BY seq")).scalars())


def archived(store: Store, before: str = "2026-04") -> list[Segment]:
    return store.archive_before("tiny", month_start(before), NOW)


def run_sql(store: Store, statement: str) -> None:
    with transaction(store._engine, writes=True) as connection:
        connection.execute(text(statement))


def test_whole_months_go_and_the_journal_stays_one(journal: Store, tmp_path: Path) -> None:
    journal.export("tiny", tmp_path / "before.jsonl")
    entries = list(journal.entries("tiny"))
    made = archived(journal)
    assert [one.month for one in made] == ["2026-01", "2026-02", "2026-03"]
    assert [one.last_seq for one in made] == [93, 93 + 84, 93 + 84 + 93]
    # January's event of the incident that is open stays beside those of April.
    assert live_rows(journal) == [18, *range(271, 301)]
    assert list(journal.entries("tiny")) == entries
    assert list(journal.entries("tiny", through=100)) == entries[:100]
    journal.export("tiny", tmp_path / "after.jsonl")
    assert (tmp_path / "after.jsonl").read_bytes() == (tmp_path / "before.jsonl").read_bytes()
    unpacked = b"".join(gzip.decompress((journal.archive / one.file).read_bytes()) for one in made)
    assert (tmp_path / "before.jsonl").read_bytes().startswith(unpacked)
    assert journal.verify("tiny").seq == 300
    assert journal.incident_log("tiny", "open") == [entries[17].body]
    assert not archived(journal), "there is no more to do"


def test_what_no_snapshot_covers_and_the_month_that_runs_stay(journal: Store) -> None:
    run_sql(journal, "UPDATE snapshot SET seq = 100")
    assert [one.month for one in archived(journal, "2026-07")] == ["2026-01"]
    run_sql(journal, "UPDATE snapshot SET seq = 300")
    assert [one.month for one in archived(journal, "2026-07")] == ["2026-02", "2026-03"]
    assert journal.verify("tiny").seq == 300


def test_a_month_is_proven_alone_and_what_is_archived_may_be_left_out(journal: Store) -> None:
    january, february, _ = archived(journal)
    (journal.archive / january.file).unlink()
    journal.verify_segment(february)
    assert journal.verify("tiny", archived=False).seq == 300
    with pytest.raises(JournalBrokenError, match="2026-01"):
        journal.verify("tiny")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.unlink(), "is missing: copy it there"),
        (lambda path: path.write_bytes(path.read_bytes()[:-50]), "can't be read after"),
        (lambda path: path.write_bytes(gzip.compress(b"{}\n")), "isn't what was archived"),
    ],
)
def test_a_damaged_file_is_found_out(
    journal: Store, damage: Callable[[Path], None], says: str
) -> None:
    _, february, _ = archived(journal)
    damage(journal.archive / february.file)
    with pytest.raises(JournalBrokenError, match=says):
        for _ in journal.read_segment(february):
            pass
    with pytest.raises(JournalBrokenError):
        journal.verify("tiny")
    with pytest.raises(JournalBrokenError):
        list(journal.entries("tiny"))


def test_a_lost_segment_is_found_out(journal: Store) -> None:
    archived(journal)
    run_sql(journal, "DELETE FROM journal_segment WHERE month = '2026-02'")
    with pytest.raises(JournalBrokenError, match="doesn't follow on seq 93"):
        journal.verify("tiny", archived=False)


def test_a_broken_chain_is_not_archived(journal: Store) -> None:
    run_sql(journal, "UPDATE journal SET hash = body WHERE seq = 120")
    with pytest.raises(JournalBrokenError, match="breaks at seq 120"):
        archived(journal)
    assert [one.month for one in journal.segments("tiny")] == ["2026-01"]
    assert len(live_rows(journal)) == 300


@pytest.mark.parametrize("place", ["replace", "_sync_folder", "_remove_archived"])
def test_ended_half_way_the_next_run_ends_it(
    journal: Store, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    class Gone(BaseException):
        """As kill -9 leaves it."""

    def die(*_: object) -> None:
        raise Gone

    with monkeypatch.context() as dying:
        where = {"replace": Path, "_sync_folder": archive, "_remove_archived": Store}[place]
        dying.setattr(where, place, die)
        with pytest.raises(Gone):
            archived(journal)
    assert journal.verify("tiny").seq == 300
    archived(journal)
    assert journal.verify("tiny").seq == 300
    assert live_rows(journal) == [18, *range(271, 301)]
    assert not [one for one in journal.archive.iterdir() if one.suffix == ".part"]


def test_a_folder_that_cannot_be_written_is_said(journal: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal.archive = tmp_path / "file"
    with pytest.raises(StoreError, match="GRIDCOMMAND_ARCHIVE_DIR"):
        archived(journal)
    assert len(live_rows(journal)) == 300


def test_old_rows_of_the_inbox_go_in_pieces_and_a_late_duplicate_is_known_until_then(
    store: Store,
) -> None:
    rows = [
        InboxRow(
            event_id=f"r{n}", jurisdiction="tiny", topic="reports", key="tiny", body=b"{}",
            received_at=JANUARY + timedelta(days=n),
        )
        for n in range(10)
    ]  # fmt: skip
    store.put(rows)
    for n in range(8):
        store.finish("tiny", [f"r{n}"], JANUARY + timedelta(days=n))
    limit = JANUARY + timedelta(days=5)
    assert [store.forget_finished(limit, 3) for _ in range(3)] == [3, 2, 0]
    store.put(rows)
    unfinished = [one.event_id for one in store.unfinished_after(0, 100)]
    assert unfinished == ["r8", "r9", "r0", "r1", "r2", "r3", "r4"]
