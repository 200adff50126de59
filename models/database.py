"""The engine behind the store: SQLite or PostgreSQL, and their errors in our words.

SQLite runs with a write-ahead log and ``synchronous=FULL`` (a commit is on the disk when it
returns); a transaction that writes says so at its start (``BEGIN IMMEDIATE``), for one that turns
from reading to writing half-way can be refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from models.errors import StoreError

WRITES = {"writes": True}


def make_engine(url: str) -> Engine:
    """Return an engine; the folder of an SQLite file is made if it isn't there."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, pool_size=8)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": 10, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=10000",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """Open a transaction; commit at the end, roll back on any error.

    Raises
    ------
    StoreError
        Where the database refused or can't be reached, with what to do.
    """
    options = {"writes": True} if writes else {}
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        raise StoreError(_in_words(error)) from error


def _in_words(error: SQLAlchemyError) -> str:
    cause = str(error.orig) if isinstance(error, DBAPIError) and error.orig else str(error)
    first_line = cause.strip().splitlines()[0] if cause.strip() else type(error).__name__
    lowered = first_line.lower()
    if "disk is full" in lowered or "no space left" in lowered:
        return f"the disk is full ({first_line}): free some space, nothing acknowledged is lost"
    if "locked" in lowered:
        return (
            f"the database is locked ({first_line}): another program holds it, or the disk is slow"
        )
    if "no such table" in lowered or "does not exist" in lowered:
        return f"the database has no tables yet ({first_line}): run `gridcommand up` or `doctor`"
    return f"the database refused or can't be reached: {first_line}"
