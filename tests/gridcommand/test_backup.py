"""A backup is one moment, restored whole into either database, or nothing is restored."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import random
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlmodel import SQLModel
from typer.testing import CliRunner, Result

from gridcommand.backup import make_backup, restore_backup
from gridcommand.main import app
from gridcommand.rehearsal.servers import postgresql
from models import events as ev
from models.backup_file import (
    FORMAT,
    VERSION,
    File,
    Frame,
    Header,
    Piece,
    Rows,
    Table,
    frames,
    writing,
)
from models.database import transaction
from models.dead_letters import DeadLetterRow
from models.errors import BackupError
from models.events import Event, encode
from models.inbox import InboxRow
from models.registers import Photo
from models.schema import newest_revision
from models.steps import Lease
from models.store import Store
from models.words import Role
from tests.waiting import HANG_S

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
PICTURE = random.Random(1).randbytes(2_500_000)
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)]
Places = Callable[[str], Store]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL for the tests of this module."""
    with postgresql() as running:
        yield running.address


@pytest.fixture
def places(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Places]:
    """Make empty databases of a kind, without tables."""
    made: list[Store] = []

    def place(kind: str) -> Store:
        name = f"place_{len(made)}_{abs(hash(tmp_path)) % 10**8}"
        url = f"sqlite:///{tmp_path / name}.db"
        if kind == "postgresql":
            server_url = make_url(request.getfixturevalue("server"))
            plain = server_url.set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(plain, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
            url = server_url.set(database=name).render_as_string(hide_password=False)
        made.append(Store(url))
        return made[-1]

    yield place
    for store in made:
        store.close()


def commit(store: Store, lease: Lease, count: int) -> Lease:
    made = [
        Event(
            id=f"{lease.epoch}/{lease.seq + n + 1}", source="/t", time=NOW, jurisdiction="tiny",
            seq=lease.seq + n + 1, data=ev.ClockTicked(),
        )
        for n in range(count)
    ]  # fmt: skip
    return store.commit_step(lease, made, [encode(e) for e in made], wall=NOW)


def inbox_row(name: str) -> InboxRow:
    return InboxRow(
        event_id=name, jurisdiction="tiny", topic="reports", key="tiny", body=b'{"\xc3\xa9": 1}',
        received_at=NOW + timedelta(microseconds=1),
    )  # fmt: skip


def filled(store: Store, photos: Path) -> None:
    """Something in the tables of every subject, and a photo."""
    store.migrate()
    commit(store, store.claim("tiny", exercise=False, at=NOW), 2500)
    store.put([inbox_row(f"r{number}") for number in range(5)])
    store.finish("tiny", ["r0"], NOW)
    store.add_account("李伟", Role.GRID_WORKER, at=NOW, jurisdictions=("*",), cells=("1", "2"))
    letter = DeadLetterRow(
        at=NOW, topic="desk", key="tiny", body=bytes(range(256)), code="failed", reason="坏",
        stage="desk",
    )  # fmt: skip
    store.add_dead_letters([letter])
    digest = hashlib.sha256(PICTURE).hexdigest()
    name = f"{digest[:2]}/{digest}.jpg"
    (photos / digest[:2]).mkdir(parents=True)
    (photos / name).write_bytes(PICTURE)
    photo = Photo(
        id="p1", sha256=digest, content_type="image/jpeg", size=len(PICTURE), account="李伟",
        at=NOW, file=name,
    )  # fmt: skip
    store.add_photo(photo)


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with transaction(store._engine, writes=False) as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(
                    table.select().order_by(*table.primary_key.columns)
                )
            ]
            for table in SQLModel.metadata.sorted_tables
        }  # fmt: skip


def backed_up(store: Store, photos: Path, path: Path) -> Path:
    with writing(path) as writer:
        make_backup(store, photos, writer, NOW)
    return path


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_all_that_one_database_had_the_other_has(
    places: Places, tmp_path: Path, source: str, target: str
) -> None:
    old, new = places(source), places(target)
    filled(old, tmp_path / "photos")
    path = backed_up(old, tmp_path / "photos", tmp_path / "b.gcb")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    done = restore_backup(new, tmp_path / "new" / "photos", path)
    assert contents(new) == contents(old)
    assert done.rows == sum(map(len, contents(old).values()))
    assert new.verify("tiny").head_hash == old.verify("tiny").head_hash
    assert new.is_current()
    photo = new.photo("p1")
    assert photo is not None
    assert (tmp_path / "new" / "photos" / photo.file).read_bytes() == PICTURE
    # It goes on from there: running numbers behind the last, the journal behind its head.
    new.put([inbox_row("later")])
    assert [row.event_id for row in new.unfinished_after(0, 10)][-1] == "later"
    commit(new, new.claim("tiny", exercise=False, at=NOW), 3)
    assert new.verify("tiny").seq == 2503


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_one_moment_while_others_write(places: Places, tmp_path: Path, kind: str) -> None:
    old, new = places(kind), places("sqlite")
    filled(old, tmp_path / "photos")
    stop, rounds = threading.Event(), threading.Semaphore(0)

    def write() -> None:
        lease = old.claim("tiny", exercise=False, at=NOW)
        for number in itertools.count():
            if stop.is_set():
                return
            lease = commit(old, lease, 3)
            old.put([inbox_row(f"{kind}{number}")])
            rounds.release()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with writing(tmp_path / "b.gcb") as out:
            for frame in old.dump(NOW, "test"):
                out.add(frame)
                # Between any two pieces somebody writes.
                for _ in range(2):
                    assert rounds.acquire(timeout=HANG_S)
    finally:
        stop.set()
        writer.join(HANG_S)
    assert not writer.is_alive()
    restore_backup(new, tmp_path / "new", tmp_path / "b.gcb")
    restored = new.verify("tiny")
    assert 2500 <= restored.seq < old.verify("tiny").seq
    assert old.read("tiny", 0, restored.seq) == new.read("tiny", 0, restored.seq)


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_that_is_not_empty_is_refused(places: Places, tmp_path: Path, kind: str) -> None:
    old, new = places("sqlite"), places(kind)
    filled(old, tmp_path / "photos")
    path = backed_up(old, tmp_path / "photos", tmp_path / "b.gcb")
    with pytest.raises(BackupError, match=r"folder .* isn't empty"):
        restore_backup(new, tmp_path / "photos", path)
    new.migrate()
    new.add_account("somebody", Role.ADMIN, at=NOW, jurisdictions=("*",))
    before = contents(new)
    with pytest.raises(BackupError, match=r"database isn't empty .table account"):
        restore_backup(new, tmp_path / "new", path)
    assert contents(new) == before
    assert not (tmp_path / "new").exists()


def test_cut_anywhere_it_is_one_sentence_and_nothing_stands(places: Places, tmp_path: Path) -> None:
    old = places("sqlite")
    filled(old, tmp_path / "photos")
    whole = backed_up(old, tmp_path / "photos", tmp_path / "b.gcb").read_bytes()
    cut = tmp_path / "cut.gcb"
    for size in (0, 1, 9, 40, len(whole) // 3, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        cut.write_bytes(whole[:size])
        new = places("sqlite")
        with pytest.raises(BackupError, match=r"cut off|is empty|damaged") as told:
            restore_backup(new, tmp_path / "new", cut)
        assert "\n" not in str(told.value)
        assert not (tmp_path / "new").exists()
        assert not Path(make_url(new.url).database or "").exists()


def test_a_changed_byte_is_noticed_wherever_it_is(places: Places, tmp_path: Path) -> None:
    old = places("sqlite")
    filled(old, tmp_path / "photos")
    whole = backed_up(old, tmp_path / "photos", tmp_path / "b.gcb").read_bytes()
    broken = tmp_path / "broken.gcb"
    for place in range(12, len(whole), len(whole) // 40):
        broken.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with pytest.raises(BackupError):
            restore_backup(places("sqlite"), tmp_path / "new", broken)
    # The same where somebody packed it again and every checksum of gzip holds.
    plain = gzip.decompress(whole)
    for place in (len(plain) // 2, len(plain) - 20):
        changed = plain[:place] + bytes([plain[place] ^ 1]) + plain[place + 1 :]
        broken.write_bytes(gzip.compress(changed, 1))
        with pytest.raises(BackupError, match="damaged"):
            restore_backup(places("sqlite"), tmp_path / "new", broken)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04 something else", gzip.compress(b"text" * 99)], ids=["zip", "gzip"]
)
def test_another_file_is_no_backup(places: Places, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(BackupError, match=r"damaged|no backup"):
        restore_backup(places("sqlite"), tmp_path / "new", tmp_path / "other")


@pytest.mark.parametrize("kind", KINDS)
def test_what_fails_half_way_leaves_nothing(places: Places, tmp_path: Path, kind: str) -> None:
    """A whole file, by its checksum, whose last row doesn't fit."""
    store = places(kind)
    path = tmp_path / "b.gcb"
    with writing(path) as out:
        out.add(Header(FORMAT, VERSION, newest_revision(), NOW, "test"))
        out.add(Table("jurisdiction", ["id", "exercise", "epoch", "seq", "head_hash", "opened_at"]))
        out.add(Rows([["tiny", False, 0, 0, b"", NOW], ["tiny", False, 0, 0, b"", NOW]]))
        out.add(File("aa/b.jpg"))
        out.add(Piece(b"x"))
    with pytest.raises(Exception, match="database refused"):
        restore_backup(store, tmp_path / "new" / "photos", path)
    with transaction(store._engine, writes=True) as connection:
        kept = "sqlite_master" if kind == "sqlite" else "pg_tables WHERE schemaname = 'public'"
        assert connection.execute(text(f"SELECT count(*) FROM {kept}")).scalar() == 0
    assert not list((tmp_path / "new").glob("*"))


def test_a_file_that_would_lie_outside_is_refused(places: Places, tmp_path: Path) -> None:
    for name in ("../out", "/etc/out", "a/../../out"):
        path = tmp_path / f"{abs(hash(name))}.gcb"
        with writing(path) as out:
            out.add(Header(FORMAT, VERSION, newest_revision(), NOW, "test"))
            out.add(File(name))
        with pytest.raises(BackupError, match="outside"):
            restore_backup(places("sqlite"), tmp_path / "new" / "photos", path)
    assert not (tmp_path / "out").exists()


def test_a_newer_format_or_schema_names_the_version_to_use(places: Places, tmp_path: Path) -> None:
    for number, (header, word) in enumerate(
        [
            (Header(FORMAT, VERSION + 1, "0001", NOW, "gridcommand 9.9"), "gridcommand 9.9"),
            (Header(FORMAT, VERSION, "9999", NOW, "gridcommand 9.9"), "revision 9999"),
        ]
    ):
        with writing(tmp_path / f"{number}.gcb") as out:
            out.add(header)
        with pytest.raises(BackupError, match=word):
            restore_backup(places("sqlite"), tmp_path / "new", tmp_path / f"{number}.gcb")


def test_an_older_schema_is_restored_and_migrated(places: Places, tmp_path: Path) -> None:
    """Tables of revision 0001, which had neither replayed letters nor sense's memory."""
    path = tmp_path / "old.gcb"
    with writing(path) as out:
        out.add(Header(FORMAT, VERSION, "0001", NOW, "test"))
        columns = ["id", "digest", "at", "topic", "key", "body", "code", "reason", "jurisdiction",
                   "exercise", "event_id", "stage", "acknowledged_by"]  # fmt: skip
        out.add(Table("dead_letter", columns))
        out.add(Rows([[7, "d", NOW, "desk", "k", b"x", "c", "r", "tiny", False, "e", "desk", ""]]))
    store = places("sqlite")
    restore_backup(store, tmp_path / "new", path)
    assert store.is_current()
    assert [letter.id for letter in store.dead_letters()] == [7]


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "b.gcb").write_bytes(b"yesterday")
    with pytest.raises(BackupError, match="is there already"), writing(tmp_path / "b.gcb"):
        pass
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"yesterday"]


def test_a_backup_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> None:
        with writing(tmp_path / "b.gcb") as out:
            out.add(Header(FORMAT, VERSION, "0001", NOW, "test"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert not list(tmp_path.iterdir())


def test_frames_come_back_as_they_went(tmp_path: Path) -> None:
    went: list[Frame] = [
        Header(FORMAT, VERSION, "1", NOW, "test"),
        Table("t", ["a"]),
        Rows([[None, True, 2**62, -1.5, "é", b"\0", NOW + timedelta(microseconds=7)]]),
        File("f"),
        Piece(b""),
    ]
    with writing(tmp_path / "b.gcb") as out:
        for frame in went:
            out.add(frame)
    assert list(frames(tmp_path / "b.gcb")) == went


def test_the_commands_say_the_same_hash_and_how_long_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(place: str, *arguments: str) -> Result:
        monkeypatch.setenv("GRIDCOMMAND_DATA_DIR", str(tmp_path / place))
        return CliRunner().invoke(app, list(arguments))

    old = Store(f"sqlite:///{tmp_path / 'old' / 'gridcommand.db'}")
    filled(old, tmp_path / "old" / "photos")
    head = old.verify("tiny").head_hash.hex()
    old.close()
    file = str(tmp_path / "b.gcb")
    said = run("old", "backup", file)
    assert said.exception is None, said.output
    assert head in said.output
    assert "1 photos" in said.output
    done = run("new", "restore", file)
    assert done.exception is None, done.output
    assert f"holds   tiny: 2500 events, head {head}" in done.output
    assert "proven in" in done.output
    assert "isn't empty" in str(run("new", "restore", file).exception)
    assert run("new", "journal", "verify").output == run("old", "journal", "verify").output
    assert "no folder" in str(run("old", "backup", str(tmp_path / "no" / "b.gcb")).exception)
