"""The engine behind the store: SQLite or PostgreSQL, and their errors in our words.

SQLite runs with a write-ahead log and ``synchronous=FULL`` (a commit is on the disk when it
returns); a transaction that writes says so at its start (``BEGIN IMMEDIATE``), for one that turns
from reading to writing half-way can be refused. On PostgreSQL the server ends a session that
stands still in the middle of a transaction; for callers whom people wait for it ends statements as
well, and we those of a server that is itself halted.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError, StatementError

from models.errors import EventError, StoreError

_READS, _WRITES, _SINGLE = "reads", "writes", "single"
_BUSY_MS = 10_000
_SOON_TRIES, _SOON_S = 100, 0.001
_GRACE_S = 1.0

_LOCK_MS = 8000
_CONNECT_S = 5

_POSTGRESQL = {
    # A process that is halted, or whose network is gone, in the middle of a transaction must not
    # keep its locks: the one that takes over waits for them. Milliseconds in the options, seconds
    # here.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def make_engine(url: str, answer_within_s: float | None = None) -> Engine:
    """Return an engine; the folder of an SQLite file is made if it isn't there.

    Parameters
    ----------
    answer_within_s
        Longest that one statement may take, waiting for locks included, for callers whom people
        wait for; None for those who verify, archive and migrate, whose statements take their time.

    Raises
    ------
    StoreError
        When the URL names no database that can be opened; the URL itself, which may hold a
        password, is not repeated.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return _postgresql(parsed, answer_within_s)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise StoreError(
            "database_url can't be used: write it as postgresql+psycopg://user@host/name, "
            "or leave it empty for SQLite"
        ) from error
    if parsed.database and parsed.database != ":memory:":
        folder = Path(parsed.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the database's folder {folder} can't be made ({error.strerror}): "
                "set data_dir to one that can be written"
            ) from error
    busy_ms = _BUSY_MS if answer_within_s is None else round(answer_within_s * 1000)
    engine = create_engine(parsed, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        _write_ahead(connection, busy_ms)
        for pragma in ("synchronous=FULL", f"busy_timeout={busy_ms}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get("kind")
        if kind == _READS:
            connection.exec_driver_sql("BEGIN")
        elif kind == _WRITES and not _begin_soon(connection.connection.driver_connection, busy_ms):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL, answer_within_s: float | None) -> Engine:
    limits = {"idle_in_transaction_session_timeout": 4000, "lock_timeout": _LOCK_MS}
    if answer_within_s is not None:
        limits["lock_timeout"] = limits["statement_timeout"] = round(answer_within_s * 1000)
    options = " ".join(f"-c {key}={value}" for key, value in limits.items())
    connect_s = _CONNECT_S if answer_within_s is None else min(_CONNECT_S, answer_within_s)
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=8,
        connect_args={**_POSTGRESQL, "options": options, "connect_timeout": int(connect_s)},
    )
    if answer_within_s is not None and url.get_driver_name() == "psycopg":
        from models.postgresql import connection_class

        # Behind the server's own limit, so that a server that lives says what it was.
        patient = connection_class(answer_within_s + _GRACE_S)

        @event.listens_for(engine, "do_connect")
        def _connect(_dialect: Any, _record: Any, given: Any, named: Any) -> Any:
            return patient.connect(*given, **named)

    return engine


def _write_ahead(connection: Any, busy_ms: int) -> None:
    """Turn the write-ahead log on; the file keeps it, so only who makes the file waits for others.

    SQLite's own waiting doesn't hold for this change.
    """
    until = time.monotonic() + busy_ms / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_SOON_S)
        else:
            return


def _begin_soon(connection: Any, busy_ms: int) -> bool:
    """Begin to write as soon as the writer before us ends; False if that takes long.

    SQLite's own waiting sleeps longer each time, up to 100 ms, where a commit takes two.
    """
    connection.execute("PRAGMA busy_timeout=0")
    try:
        for _ in range(_SOON_TRIES):
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                time.sleep(_SOON_S)
            else:
                return True
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout={busy_ms}")


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """Open a transaction; commit at the end, roll back on any error.

    Raises
    ------
    StoreError
        Where the database refused or can't be reached, with what to do. It may pass.
    EventError
        Where a value can't be stored at all (a NUL in PostgreSQL's text, half a surrogate pair,
        a number out of range, a time without a zone). Trying again never helps, so it must not
        look like an outage.
    """
    with _connected(engine, _WRITES if writes else _READS) as connection:
        yield connection


@contextmanager
def single_read(engine: Engine) -> Iterator[Connection]:
    """Open a connection for one statement that reads, which needs no transaction around it.

    Raises
    ------
    StoreError, EventError
        As :func:`transaction`.
    """
    with _connected(engine, _SINGLE) as connection:
        yield connection


@contextmanager
def _connected(engine: Engine, kind: str) -> Iterator[Connection]:
    try:
        with engine.connect().execution_options(kind=kind) as connection, connection.begin():
            yield connection
    except (UnicodeError, OverflowError) as error:  # SQLite's driver lets these through bare
        raise EventError(f"a value can't be stored: {error}") from error
    except (SQLAlchemyError, sqlite3.Error) as error:  # bare where a connection is made
        if _is_of_the_value(error):
            raise EventError(f"a value can't be stored: {_first_line(error)}") from error
        raise StoreError(_in_words(error)) from error


def _is_of_the_value(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError)
    return isinstance(error, StatementError) and isinstance(error.orig, ValueError | OverflowError)


def _first_line(error: Exception) -> str:
    cause = str(error.orig) if isinstance(error, StatementError) and error.orig else str(error)
    return cause.strip().splitlines()[0] if cause.strip() else type(error).__name__


def _in_words(error: Exception) -> str:
    first_line = _first_line(error)
    lowered = first_line.lower()
    if "disk is full" in lowered or "no space left" in lowered:
        return f"the disk is full ({first_line}): free some space, nothing acknowledged is lost"
    if "locked" in lowered:
        return (
            f"the database is locked ({first_line}): another program holds it, or the disk is slow"
        )
    if "readonly" in lowered or "read-only" in lowered or "permission denied" in lowered:
        return f"the database can't be written ({first_line}): give this user the right to"
    if "no such table" in lowered or ("relation" in lowered and "does not exist" in lowered):
        return f"the database has no tables yet ({first_line}): run `gridcommand up` or `doctor`"
    return f"the database refused or can't be reached: {first_line}"
