"""What only a server can do: end a session that stands still and keeps its locks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from gridcommand.rehearsal.servers import ServerProgram, postgresql
from gridcommand.rehearsal.yardstick import slowness
from models.database import make_engine, transaction
from models.errors import StoreError
from models.store import Store
from tests.templates import postgresql_database
from tests.waiting import HANG_S

TAKEN_OVER_S = 7.0
ANSWER_S = 2.0

pytestmark = pytest.mark.servers


def taken_over_s(url: str) -> float:
    """Return how long a claim waits for a writer that stands still and keeps its locks."""
    now = datetime.now(UTC)
    engine = make_engine(url)
    claimed: list[tuple[int, float]] = []

    def halted_in_mid_transaction(store: Store) -> None:
        with transaction(engine, writes=True) as connection:
            connection.execute(text("UPDATE jurisdiction SET epoch = epoch + 1"))
            began = time.monotonic()
            lease = store.claim("x", exercise=False, at=now)
            claimed.append((lease.epoch, time.monotonic() - began))
            connection.execute(text("SELECT 1"))

    with closing(Store(url)) as store:
        store.claim("x", exercise=False, at=now)
        with pytest.raises(StoreError, match="idle-in-transaction timeout"):
            halted_in_mid_transaction(store)
    engine.dispose()
    ((epoch, took_s),) = claimed
    assert epoch == 2, "what the halted one wrote must not stand"
    return took_s


def test_a_writer_that_stands_still_in_a_transaction_gives_way(postgresql_url: str) -> None:
    taken_over_s(postgresql_database(postgresql_url))


@pytest.mark.timely
def test_a_writer_that_stands_still_is_taken_over_from_in_seven_seconds(
    postgresql_url: str,
) -> None:
    assert taken_over_s(postgresql_database(postgresql_url)) < TAKEN_OVER_S * slowness()


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProgram]:
    """A PostgreSQL to be halted."""
    with postgresql() as running:
        yield running


@pytest.fixture
def store(server: ServerProgram, tmp_path: Path) -> Iterator[Store]:
    """A store for callers whom people wait for."""
    url = postgresql_database(server.address)
    with closing(Store(url, tmp_path, answer_within_s=ANSWER_S)) as opened:
        assert opened.unfinished() == 0
        yield opened


@contextmanager
def locked(store: Store) -> Iterator[None]:
    with psycopg.connect(store.url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def halted(server: ServerProgram) -> Iterator[None]:
    server.suspend()
    try:
        yield
    finally:
        server.resume()


def test_a_wait_for_a_lock_is_ended_by_the_server(
    server: ServerProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its limit this one, whose own watch has been put away, would wait for ever."""
    monkeypatch.setattr("models.database._GRACE_S", 10 * HANG_S)
    url = postgresql_database(server.address)
    with closing(Store(url, tmp_path, answer_within_s=ANSWER_S)) as store:
        with locked(store):
            assert "canceling statement due to" in refused(store)[0]
        assert store.unfinished() == 0


def test_a_wait_for_a_halted_server_is_ended_by_the_one_who_waits(
    server: ServerProgram, store: Store
) -> None:
    with halted(server):
        refused(store)
        # The connection that hung was given up; a new one isn't answered either.
        assert "connection timeout" in refused(store)[0]
    assert store.unfinished() == 0


@pytest.mark.timely
def test_who_is_waited_for_is_refused_in_time(server: ServerProgram, store: Store) -> None:
    slow = slowness()
    with locked(store):
        assert refused(store)[1] < 2.8 * slow
    assert store.unfinished() == 0
    with halted(server):
        # The server's own limit says nothing now: a statement, and the try to connect anew.
        assert refused(store)[1] < 6.0 * slow
        assert refused(store)[1] < 3.5 * slow
    assert store.unfinished() == 0


def refused(store: Store) -> tuple[str, float]:
    """Return what is said to a caller, and after how many seconds."""
    began = time.monotonic()
    with pytest.raises(StoreError) as told:
        store.unfinished()
    return str(told.value), time.monotonic() - began
