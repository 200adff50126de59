"""Tables are made once, by whoever comes first, and a database from elsewhere is said in words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from models.database import transaction
from models.errors import StoreError
from models.schema import MIGRATIONS, migrate_to
from models.store import Store
from tests.waiting import HANG_S


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database without tables, of the test's own: these tests change what a copy would have."""
    if request.param == "postgresql":
        url = request.getfixturevalue("empty_postgresql")
    else:
        url = f"sqlite:///{tmp_path / 'test.db'}"
    with closing(Store(url, tmp_path / "archive")) as opened:
        yield opened


def test_several_processes_may_start_at_once(store: Store) -> None:
    """Stores and a thread each on an empty database: one makes the tables, the others wait."""
    failures: list[Exception] = []

    def start() -> None:
        one = Store(store.url)
        try:
            one.migrate()
        except StoreError as error:
            failures.append(error)
        finally:
            one.close()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []
    assert store.is_current()
    assert store.unfinished() == 0


def test_a_file_that_another_program_holds_from_its_beginning_is_told_in_words(
    tmp_path: Path,
) -> None:
    file = tmp_path / "held.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with (
            closing(Store(f"sqlite:///{file}", answer_within_s=0.05)) as store,
            pytest.raises(StoreError, match="is locked"),
        ):
            store.migrate()


def test_migrating_again_keeps_what_is_there(store: Store) -> None:
    store.migrate()
    with transaction(store._engine, writes=True) as connection:
        connection.execute(
            text(
                "INSERT INTO device (id, key_hash, jurisdiction, kind, cell, disabled)"
                " VALUES ('d', 'h', 'tiny', '', '', (1 = 0))"
            )
        )
    store.migrate()
    assert store.device("d") is not None


def test_a_newer_database_is_refused_in_words(store: Store) -> None:
    store.migrate()
    with transaction(store._engine, writes=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not store.is_current()
    with pytest.raises(StoreError, match="newer version"):
        store.migrate()


def test_a_database_without_tables_says_what_to_run(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'new.db'}")
    assert not store.is_current()
    with pytest.raises(StoreError, match="gridcommand up"):
        store.unfinished()
    store.close()


@pytest.mark.parametrize("url", ["nonsense", "foo://x/y", "postgresql+psycopg://h:port/x"])
def test_a_url_that_names_no_database_says_how_to_write_one(url: str) -> None:
    with pytest.raises(StoreError, match=r"postgresql\+psycopg://") as caught:
        Store(url)
    assert url not in str(caught.value), "it may hold a password"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="data_dir"):
        Store(f"sqlite:///{tmp_path / 'file' / 'a.db'}")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_bytes(b"not a database" * 500)
    store = Store(f"sqlite:///{tmp_path / 'junk.db'}")
    with pytest.raises(StoreError, match="not a database"):
        store.migrate()
    store.close()


def test_sqlite_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    with transaction(store._engine, writes=False) as connection:
        told = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    store.close()


def _shape(store: Store) -> dict[str, dict[str, tuple[str, bool, bool]]]:
    """Tables to columns: type, whether NULL may stand, whether a row may leave it out."""
    found = inspect(store._engine)
    return {
        table: {
            column["name"]: (
                str(column["type"]),
                bool(column["nullable"]),
                bool(column["nullable"]) or column["default"] is not None,
            )
            for column in found.get_columns(table)
        }
        for table in found.get_table_names()
    }


def _revisions() -> list[str]:
    names = sorted(path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    return [name.partition("_")[0] for name in names]


@pytest.mark.parametrize(("before", "after"), list(pairwise(_revisions())))
def test_processes_of_the_version_before_go_on_over_a_migration(
    before: str, after: str, tmp_path: Path
) -> None:
    """docs/operations.md's rolling upgrade: what is there stays, what is new may be left out."""
    store = Store(f"sqlite:///{tmp_path / 'test.db'}")
    with transaction(store._engine, writes=True) as connection:
        migrate_to(connection, before)
    old = _shape(store)
    with transaction(store._engine, writes=True) as connection:
        migrate_to(connection, after)
    new = _shape(store)
    store.close()
    for table, columns in old.items():
        assert columns.items() <= new[table].items(), f"{table} is no longer what it was"
        for name in new[table].keys() - columns.keys():
            assert new[table][name][2], f"{table}.{name} must be given, and old processes don't"


@pytest.mark.parametrize("beside", [(), ("tiny", "tiny.exercise")])
def test_who_belonged_everywhere_by_an_empty_list_does_so_in_words(
    beside: tuple[str, ...], tmp_path: Path
) -> None:
    """By name too, for consoles of before; photos are placed where something names them."""
    store = Store(f"sqlite:///{tmp_path / 'test.db'}")
    with transaction(store._engine, writes=True) as connection:
        migrate_to(connection, "0008")
        for name, jurisdictions in (("all", "[]"), ("one", '["tiny"]')):
            connection.execute(
                text(
                    "INSERT INTO account (name, role, password_hash, jurisdictions, cells,"
                    " language, disabled, created_at)"
                    " VALUES (:name, 'commander', '', :jurisdictions, '[]', '', false,"
                    " '2026-01-01 00:00:00')"
                ),
                {"name": name, "jurisdictions": jurisdictions},
            )
        for name in beside:
            connection.execute(
                text(
                    "INSERT INTO jurisdiction (id, exercise, epoch, seq, head_hash, opened_at)"
                    " VALUES (:id, false, 1, 0, :hash, '2026-01-01 00:00:00')"
                ),
                {"id": name, "hash": b""},
            )
        for number in range(3):
            connection.execute(
                text(
                    "INSERT INTO incident (jurisdiction, id, exercise, updated_seq, doc, number,"
                    " grade, cell, category, state, priority, opened_at)"
                    " VALUES ('tiny', :id, false, 1, :doc, '1', 'IV', '', 'x', 'open', 1,"
                    " '2026-01-01 00:00:00')"
                ),
                {"id": f"i{number}", "doc": b'{"photos":["p%d","p0"]}' % number},
            )
        waits = {"topic": "reports", "finished_at": None, "body": b'{"data":{"photos":["p9"]}}'}
        for name, row in {
            "r1": waits,
            "r2": waits | {"body": b"no JSON"},
            "r3": waits | {"body": b'{"data":{"photos":7}}'},
        }.items():
            connection.execute(
                text(
                    "INSERT INTO inbox (event_id, jurisdiction, topic, key, body, received_at,"
                    " exercise, priority, finished_at)"
                    " VALUES (:name, 'tiny.exercise', :topic, 'k', :body,"
                    " '2026-01-01 00:00:00', true, 1, :finished_at)"
                ),
                {"name": name, **row},
            )
    store.migrate()
    assert {one.name: one.jurisdictions for one in store.accounts()} == {
        "all": ("*", *beside),
        "one": ("tiny",),
    }
    places = {photo: store.photo_places(photo) for photo in ("p0", "p1", "p2", "p9", "p8")}
    assert places == {
        "p0": ["tiny"],
        "p1": ["tiny"],
        "p2": ["tiny"],
        "p9": ["tiny.exercise"],
        "p8": [],
    }
    store.close()
