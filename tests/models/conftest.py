"""A migrated store on each database that can be had."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel

from models.database import make_engine, transaction
from models.store import Store

POSTGRES = os.environ.get("GRIDCOMMAND_TEST_POSTGRES", "")


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES else [])])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty database with tables; PostgreSQL too when GRIDCOMMAND_TEST_POSTGRES has a URL."""
    url = POSTGRES if request.param == "postgresql" else f"sqlite:///{tmp_path / 'test.db'}"
    if url == POSTGRES:
        engine = make_engine(url)
        SQLModel.metadata.drop_all(engine)
        with transaction(engine, writes=True) as connection:
            connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
        engine.dispose()
    opened = Store(url)
    opened.migrate()
    yield opened
    opened.close()
