"""Databases with today's tables, copied from one that was migrated: Alembic runs once a process.

Not for tests of the migrations themselves.
"""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy import make_url

from models.store import Store


def sqlite_database(path: Path) -> str:
    """Put an empty database with tables at a path; return its URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_sqlite_template())
    return f"sqlite:///{path}"


def postgresql_database(server_url: str) -> str:
    """Return the URL of a server's database with tables, with nothing in it any more.

    There is one for each server: to delete rows takes a tenth of the time of a new database. Who
    changes its tables makes a database of their own.

    Parameters
    ----------
    server_url
        SQLAlchemy URL of any database of the server.
    """
    url = _postgresql_template(server_url)
    with psycopg.connect(_plain(url)) as server:
        tables = server.execute(
            "SELECT quote_ident(tablename) FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename != 'alembic_version'"
        ).fetchall()
        numbers = server.execute(
            "SELECT quote_ident(sequencename) FROM pg_sequences WHERE schemaname = 'public'"
        ).fetchall()
        for (table,) in tables:
            server.execute(f"DELETE FROM {table}")
        for (number,) in numbers:
            server.execute(f"ALTER SEQUENCE {number} RESTART")
    return url


@cache
def _sqlite_template() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        # The last connection that closes carries the write-ahead log over into the file.
        _migrate(f"sqlite:///{path}")
        return path.read_bytes()


@cache
def _postgresql_template(server_url: str) -> str:
    name = f"migrated_{uuid.uuid4().hex}"  # one that failed half-way is in nobody's way
    with psycopg.connect(_plain(server_url), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    _migrate(url)
    return url


def _migrate(url: str) -> None:
    store = Store(url)
    store.migrate()
    store.close()


def _plain(url: str) -> str:
    """Without the driver, as psycopg reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
