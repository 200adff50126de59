"""Which journals a console follows, and that a newer desk or a bad snapshot doesn't end it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from models import events as ev
from models.database import transaction
from models.events import encode, encode_batch
from models.store import Store
from models.tables import JurisdictionRecord, SnapshotRecord
from models.words import Posture
from tests.waiting import until
from web_console import feed as feeding
from web_console.console import Console

HOME = "tiny"
OLD = [f"tiny.exercise.{number}" for number in range(20)]


def commit(store: Store, writer: Any, *, ago: timedelta = timedelta()) -> None:
    """Write a writer's events as a desk did some time ago."""
    at = datetime.now(UTC) - ago
    lease = store.claim(writer.jurisdiction, exercise=writer.jurisdiction != HOME, at=at)
    store.commit_step(lease, writer.events, [encode(event) for event in writer.events], wall=at)


@pytest.fixture
def old_drills(store: Store, journal_writer: Any) -> None:
    """Drills of a year ago."""
    for name in OLD:
        writer = journal_writer(name)
        writer.open_incident(1)
        commit(store, writer, ago=timedelta(days=300))


class Looks:
    """Counts how often a feed has gone through all journals."""

    def __init__(self, feed: feeding.Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        self._look = feed._look
        self._whole = 0
        monkeypatch.setattr(feed, "_look", self._counted)

    async def again(self) -> None:
        """Wait until a look that begins from now on has ended."""
        # The next to end may have begun before.
        enough = self._whole + 2
        await until(lambda: self._whole >= enough)

    async def _counted(self) -> None:
        await self._look()
        self._whole += 1


@pytest.fixture
def looks(console: Console, monkeypatch: pytest.MonkeyPatch) -> Looks:
    """How often the console's feed looked."""
    return Looks(console.feed, monkeypatch)


@pytest.fixture
async def running(
    console: Console, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Console]:
    """A console whose feed runs, without a broker."""
    monkeypatch.setattr(feeding, "LOOK_AWAY_S", 0.01)
    task = asyncio.create_task(console.feed.run())
    yield console
    assert not task.done(), task.exception()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def followed(console: Console) -> list[str]:
    return sorted(room.jurisdiction for room in console.hub.rooms)


@pytest.mark.usefixtures("old_drills")
async def test_only_what_is_alive_or_watched_has_a_room(
    running: Console,
    looks: Looks,
    store: Store,
    journal_writer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, drill = journal_writer(), journal_writer("tiny.exercise")
    home.open_incident(1)
    commit(store, home, ago=timedelta(days=2))  # a quiet city's own journal
    drill.open_incident(1)
    commit(store, drill)
    await looks.again()
    assert followed(running) == [HOME, "tiny.exercise"]
    # Somebody looks at an old one.
    room = await running.hub.room(OLD[7])
    assert room.situation.incidents.keys() == {"i1"}
    await looks.again()
    assert followed(running) == [HOME, "tiny.exercise", OLD[7]]
    monkeypatch.setattr(feeding, "LATELY_S", 0.0)
    await looks.again()
    assert followed(running) == [HOME]


@pytest.mark.usefixtures("old_drills")
async def test_an_old_journal_that_moves_again_is_followed(
    running: Console, looks: Looks, store: Store
) -> None:
    await looks.again()
    assert followed(running) == []
    lease = store.claim(OLD[7], exercise=True, at=datetime.now(UTC))
    new = [
        ev.Event(
            id=f"again{number}",
            source="/desk",
            time=datetime.now(UTC),
            jurisdiction=OLD[7],
            exercise=True,
            seq=lease.seq + number,
            data=ev.PostureSet(posture=Posture.EMERGENCY, by="x"),
        )
        for number in (1, 2)
    ]
    store.commit_step(lease, new, [encode(event) for event in new], wall=datetime.now(UTC))
    await looks.again()
    assert followed(running) == [OLD[7]]
    assert running.hub.known_seq(OLD[7]) == new[-1].seq


async def test_events_of_a_newer_desk_dont_end_the_console(
    running: Console, store: Store, journal_writer: Any
) -> None:
    writer = journal_writer()
    writer.open_incident(1)
    writer.append(ev.PostureSet(posture=Posture.EMERGENCY, by="x"))
    writer.open_incident(2)
    bodies = [encode(event) for event in writer.events]
    bodies[2] = json.dumps(
        json.loads(bodies[2]) | {"type": "gridcommand.drone.launched", "data": {}}
    ).encode()
    room = await running.hub.room(HOME)
    lease = store.claim(HOME, exercise=False, at=datetime.now(UTC))
    store.commit_step(lease, writer.events, bodies, wall=datetime.now(UTC))
    await until(lambda: room.seq >= len(bodies))
    assert room.unshown == 1
    assert room.situation.incidents.keys() == {"i1", "i2"}


async def test_a_newer_desks_record_leads_to_the_journal(
    console: Console, store: Store, journal_writer: Any
) -> None:
    writer = journal_writer()
    writer.open_incident(1)
    room = await console.hub.room(HOME)
    bodies = [encode(event) for event in writer.events]
    bodies[1] = json.dumps(json.loads(bodies[1]) | {"type": "gridcommand.new"}).encode()
    lease = store.claim(HOME, exercise=False, at=datetime.now(UTC))
    store.commit_step(lease, writer.events, bodies, wall=datetime.now(UTC))
    await console.feed._take_record(encode_batch(bodies))
    assert (room.seq, room.unshown) == (2, 1)


async def test_a_snapshot_that_cant_be_read_costs_only_its_own_screens(
    running: Console,
    looks: Looks,
    store: Store,
    journal_writer: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with transaction(store._engine, writes=True) as connection:
        now = datetime.now(UTC)
        connection.execute(
            insert(JurisdictionRecord).values(
                id="another", exercise=False, epoch=1, seq=9, head_hash=b"", opened_at=now,
                last_commit_at=now,
            )
        )  # fmt: skip
        connection.execute(
            insert(SnapshotRecord).values(jurisdiction="another", seq=9, at=now, body=b"newer")
        )
    writer = journal_writer()
    writer.open_incident(1)
    commit(store, writer)
    await looks.again()
    assert followed(running) == [HOME]
    assert running.feed.journal_ready
    said = [record for record in caplog.records if "another" in record.message]
    assert len(said) == 1
