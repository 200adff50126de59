"""What only a server can do: end a session that stands still and keeps its locks."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

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
