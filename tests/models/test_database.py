"""What only a server can do: end a session that stands still and keeps its locks."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from gridcommand.rehearsal.servers import postgresql
from models.database import make_engine, transaction
from models.errors import StoreError
from models.store import Store

TAKEN_OVER_S = 7.0


@pytest.mark.servers
def test_a_writer_that_stands_still_in_a_transaction_gives_way(empty_postgresql: str) -> None:
    store = Store(empty_postgresql)
    store.migrate()
    now = datetime.now(UTC)
    store.claim("x", exercise=False, at=now)
    engine = make_engine(empty_postgresql)
    took: list[float] = []

    def halted_in_mid_transaction() -> None:
        with transaction(engine, writes=True) as connection:
            connection.execute(text("UPDATE jurisdiction SET epoch = epoch + 1"))
            began = time.monotonic()
            assert store.claim("x", exercise=False, at=now).epoch == 2
            took.append(time.monotonic() - began)
            connection.execute(text("SELECT 1"))

    with pytest.raises(StoreError):
        halted_in_mid_transaction()
    assert took[0] < TAKEN_OVER_S
    engine.dispose()
    store.close()


@pytest.mark.servers
def test_who_is_waited_for_waits_for_no_lock_and_no_halted_server(tmp_path: Path) -> None:
    with postgresql() as server:
        store = Store(server.address, tmp_path, answer_within_s=2.0)
        store.migrate()
        assert store.unfinished() == 0
        with psycopg.connect(server.address.replace("+psycopg", "")) as other:
            other.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
            assert _refused_after_s(store) < 2.8
        assert store.unfinished() == 0
        server.suspend()
        try:
            # The server's own limit says nothing now.
            # A statement, and the try to connect anew behind it.
            assert 2.8 < _refused_after_s(store) < 6.0
            # The connection that hung was given up; a new one isn't answered either.
            assert _refused_after_s(store) < 3.5
        finally:
            server.resume()
        assert store.unfinished() == 0
        store.close()


def _refused_after_s(store: Store) -> float:
    began = time.monotonic()
    with pytest.raises(StoreError):
        store.unfinished()
    return time.monotonic() - began
