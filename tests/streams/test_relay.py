"""The relay: everything acknowledged is published until it is finished, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.dead_letters import DeadLetterRow
from models.settings import Settings
from models.store import InboxRow, Store
from streams.relay import Relay
from tests.waiting import HANG_S

HOME = "us-ca-sf"


class FakePublisher:
    """Takes what it is given; ``failures`` as the real one counts them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes]] = []
        self.failures = 0
        self.refused: set[bytes] = set()
        self.on_sent: Callable[[], None] = lambda: None

    async def publish(self, topic: str, key: str, events: Sequence[bytes]) -> dict[int, str]:
        refused = {place: "too large" for place, one in enumerate(events) if one in self.refused}
        self.sent.extend(
            (topic, key, event) for place, event in enumerate(events) if place not in refused
        )
        self.on_sent()
        return refused


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'relay.db'}")
    store.migrate()
    yield store
    store.close()


def relay(store: Store, publisher: FakePublisher, retry_s: float = 3600.0) -> Relay:
    settings = Settings(relay_poll_ms=1, relay_retry_s=retry_s)

    async def give_up(letter: DeadLetterRow) -> None:
        store.add_dead_letters([letter])

    return Relay(settings, store, publisher, give_up)  # type: ignore[arg-type]


def put(store: Store, *names: str, priority: int = 2) -> None:
    store.put(
        [
            InboxRow(
                event_id=name,
                jurisdiction=HOME,
                topic="reports",
                key=HOME,
                body=name.encode(),
                received_at=datetime.now(UTC),
                priority=priority,
            )
            for name in names
        ]
    )


async def drain(relay: Relay) -> None:
    while await relay.step():
        pass
    await relay.step()


def bodies(publisher: FakePublisher) -> list[bytes]:
    return [body for _, _, body in publisher.sent]


async def test_new_rows_are_published_once_and_in_order(store: Store) -> None:
    publisher = FakePublisher()
    subject = relay(store, publisher)
    await drain(subject)
    put(store, "a", "b")
    await drain(subject)
    put(store, "c")
    await drain(subject)
    assert bodies(publisher) == [b"a", b"b", b"c"]
    assert publisher.sent[0][:2] == ("reports", HOME)


async def test_what_an_earlier_process_left_unfinished_is_published(store: Store) -> None:
    put(store, "done", "open")
    await drain(relay(store, FakePublisher()))
    store.finish(HOME, ["done"], datetime.now(UTC))
    publisher = FakePublisher()
    await drain(relay(store, publisher))
    assert bodies(publisher) == [b"open"]


async def test_after_the_broker_came_back_only_unfinished_rows_go_again(store: Store) -> None:
    publisher = FakePublisher()
    subject = relay(store, publisher)
    await drain(subject)
    put(store, "a", "b", "c")
    await drain(subject)
    store.finish(HOME, ["b"], datetime.now(UTC))
    publisher.sent.clear()
    subject.publish_again()
    await drain(subject)
    assert bodies(publisher) == [b"a", b"c"]


async def test_a_failed_try_makes_unfinished_rows_go_again(store: Store) -> None:
    publisher = FakePublisher()
    subject = relay(store, publisher)
    await drain(subject)
    put(store, "a")
    await drain(subject)
    publisher.failures = 3
    put(store, "b")
    await drain(subject)
    assert bodies(publisher).count(b"a") == 2


async def test_what_no_broker_takes_is_a_dead_letter_and_holds_nothing_up(store: Store) -> None:
    publisher = FakePublisher()
    publisher.refused = {b"b"}
    subject = relay(store, publisher)
    put(store, "a", "b", "c")
    await drain(subject)
    assert bodies(publisher) == [b"a", b"c"]
    (letter,) = store.dead_letters()
    assert (letter.code, letter.stage, letter.event_id) == ("oversize", "relay", "b")
    assert [row.event_id for row in store.unfinished_after(0, 10)] == ["a", "c"]


async def test_no_more_than_a_window_is_in_flight(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.relay.WINDOW", 3)
    publisher = FakePublisher()
    subject = relay(store, publisher)
    put(store, *"abcde")
    await drain(subject)
    assert (bodies(publisher), subject.in_flight) == ([b"a", b"b", b"c"], 3)
    store.finish(HOME, ["a", "b"], datetime.now(UTC))
    monkeypatch.setattr("streams.relay.FULL_SWEEP_S", 0.0)
    await subject.step()
    assert bodies(publisher) == [b"a", b"b", b"c", b"d", b"e"]


async def test_a_backlog_goes_most_urgent_first_and_the_oldest_of_these(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.relay.WINDOW", 2)
    monkeypatch.setattr("streams.relay.FULL_SWEEP_S", 0.0)
    for name, priority in zip("abcdefgh", (4, 2, 1, 3, 2, 1, 9, 0), strict=True):
        put(store, name, priority=priority)
    publisher = FakePublisher()
    subject = relay(store, publisher)
    for _ in range(40):
        await subject.step()
        done = [body.decode() for body in bodies(publisher)]
        store.finish(HOME, done, datetime.now(UTC))
        if len(done) == 4:
            put(store, "late", priority=1)
    assert done == [*"cfhb", "late", *"edag"]
    put(store, "then", priority=4)
    await drain(subject)
    assert bodies(publisher)[-1] == b"then"


async def test_what_is_in_flight_of_a_backlog_goes_again_when_the_broker_comes_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.relay.WINDOW", 2)
    monkeypatch.setattr("streams.relay.FULL_SWEEP_S", 0.0)
    put(store, *"abc", priority=4)
    put(store, *"uv", priority=1)
    publisher = FakePublisher()
    subject = relay(store, publisher)
    await drain(subject)
    await drain(subject)
    assert bodies(publisher) == [b"u", b"v"]
    subject.publish_again()
    await drain(subject)
    assert bodies(publisher) == [b"u", b"v"] * 2
    assert subject.in_flight == 2


async def test_overdue_rows_go_again_until_finished(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.relay.SWEEP_S", 0.0)
    publisher = FakePublisher()
    subject = relay(store, publisher, retry_s=0.001)
    put(store, "a")
    async with asyncio.timeout(HANG_S):
        while len(publisher.sent) < 3:
            await subject.step()
    store.finish(HOME, ["a"], datetime.now(UTC))
    await subject.step()
    count = len(publisher.sent)
    for _ in range(20):
        await subject.step()
    assert len(publisher.sent) == count


async def test_it_outlives_a_database_that_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.relay.DATABASE_PAUSE_S", 0.001)
    publisher = FakePublisher()
    subject = relay(store, publisher)
    put(store, "a")
    failing = {"left": 3}
    whole = store.unfinished_ids

    def shaky(limit: int) -> Sequence[int]:
        if failing["left"]:
            failing["left"] -= 1
            raise OSError("disk")
        return whole(limit)

    monkeypatch.setattr(store, "unfinished_ids", shaky)
    stop = asyncio.Event()
    publisher.on_sent = stop.set
    async with asyncio.timeout(HANG_S):
        await subject.run(stop)
    assert bodies(publisher) == [b"a"]
    assert failing["left"] == 0


async def test_a_row_that_was_slow_to_commit_is_found_when_nothing_is_in_flight(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("SWEEP_S", "IDLE_SWEEP_S"):
        monkeypatch.setattr(f"streams.relay.{pause}", 0.0)
    publisher = FakePublisher()
    subject = relay(store, publisher)
    put(store, "slow", "quick")
    with store._engine.begin() as connection:  # its commit comes after the later row's
        connection.exec_driver_sql("UPDATE inbox SET finished_at = '2026' WHERE event_id = 'slow'")
    await drain(subject)
    store.finish(HOME, ["quick"], datetime.now(UTC))
    await drain(subject)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE inbox SET finished_at = NULL WHERE event_id = 'slow'")
    await drain(subject)
    assert bodies(publisher) == [b"quick", b"slow"]


async def test_a_row_that_was_slow_to_commit_is_found_after_a_backlog_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.relay.WINDOW", 2)
    for pause in ("SWEEP_S", "FULL_SWEEP_S", "IDLE_SWEEP_S"):
        monkeypatch.setattr(f"streams.relay.{pause}", 0.0)
    publisher = FakePublisher()
    subject = relay(store, publisher)
    put(store, "slow", *"abcd")
    with store._engine.begin() as connection:  # its commit comes after the later rows'
        connection.exec_driver_sql("UPDATE inbox SET finished_at = '2026' WHERE event_id = 'slow'")
    for _ in range(4):
        await drain(subject)
        store.finish(HOME, [body.decode() for body in bodies(publisher)], datetime.now(UTC))
    assert bodies(publisher) == [b"a", b"b", b"c", b"d"]
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE inbox SET finished_at = NULL WHERE event_id = 'slow'")
    await drain(subject)
    assert bodies(publisher)[4:] == [b"slow"]
