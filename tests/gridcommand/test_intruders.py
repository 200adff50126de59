"""What gets in a system's way does what it says, and is gone afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dispatch.roads import RoadGraph
from gridcommand.rehearsal.intruders import Poisoner, locked_database
from gridcommand.rehearsal.system import RehearsalError
from models.city import CityPack
from models.errors import EventError
from models.events import decode
from models.store import Store
from models.topics import REPORTS
from streams.agents import classified_event
from tests.dispatch.conftest import write_tiny_city
from tests.dispatch.desk_world import DeskWorld
from tests.templates import sqlite_database
from tests.waiting import HANG_S, until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(sqlite_database(tmp_path / "test.db"))) as store:
        yield store


def begin(store: Store) -> None:
    with closing(sqlite3.connect(store.url.removeprefix("sqlite:///"), timeout=0)) as one:
        one.execute("BEGIN IMMEDIATE")


def test_a_locked_database_takes_nothing_until_it_is_let_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked_database(store.url):
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            begin(store)
        monkeypatch.setattr("gridcommand.rehearsal.intruders.LOCKED_WITHIN_S", 0.0)
        with pytest.raises(RehearsalError, match="locked"), locked_database(store.url):
            pass
    begin(store)


@pytest.mark.parametrize("timezone", ["America/Los_Angeles", "Asia/Shanghai"])
async def test_nothing_can_be_made_of_an_evil_report(
    store: Store, tmp_path: Path, timezone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny_city(tmp_path / "tiny")
    words = (path / "city.yaml").read_text().replace("Asia/Shanghai", timezone)
    (path / "city.yaml").write_text(words)
    pack = CityPack.load(path)
    world = DeskWorld(pack, RoadGraph.load(pack))
    poisoner = Poisoner(store, pack)
    for _ in range(3):
        await poisoner.file()
    rows = store.unfinished_after(0, 10)
    assert {row.event_id for row in rows} == poisoner.filed
    for row in rows:
        event = decode(row.body)  # its envelope is valid
        with pytest.raises((EventError, OverflowError)):
            world.hand(classified_event(event, pack) if row.topic == REPORTS else event)
    looks = 0
    look = poisoner._open

    def counted() -> set[str]:
        nonlocal looks
        looks += 1
        return look()

    monkeypatch.setattr(poisoner, "_open", counted)
    monkeypatch.setattr("gridcommand.rehearsal.intruders.TRY_AGAIN_S", 0.0)
    buried = asyncio.create_task(poisoner.until_buried(HANG_S))
    await until(lambda: looks > 2)
    assert not buried.done(), "they are in the inbox"
    store.finish(pack.jurisdiction, poisoner.filed, world.now)
    await asyncio.wait_for(buried, HANG_S / 2)
