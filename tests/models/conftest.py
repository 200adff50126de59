"""A migrated store on each database that can be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from gridcommand.rehearsal.servers import postgresql
from models.database import make_engine, transaction
from models.store import Store
from tests.templates import postgresql_database, sqlite_database


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL of the tests' own."""
    with postgresql() as running:
        yield running.address


@pytest.fixture
def empty_postgresql(postgresql_url: str) -> str:
    """A database of it, without tables."""
    engine = make_engine(postgresql_url)
    with transaction(engine, writes=True) as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return postgresql_url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty database with tables, which stay as they are."""
    if request.param == "postgresql":
        url = postgresql_database(request.getfixturevalue("postgresql_url"))
    else:
        url = sqlite_database(tmp_path / "test.db")
    with closing(Store(url, tmp_path / "archive")) as opened:
        yield opened
