"""A worker gives signs of life once it decides, and bears a database that is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import pytest

from models.errors import StoreError
from models.workers import Workers
from streams.sign_of_life import give_signs
from tests.waiting import until


class Rows(Workers):
    """What was written; away as often as it says."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.written: list[tuple[str, tuple[str, ...]]] = []
        self.tried = 0

    def note_worker(self, worker: str, stages: Iterable[str], at: datetime) -> None:
        assert at.tzinfo is not None
        self.tried += 1
        if self.tried <= self.away:
            raise StoreError("the database is away")
        self.written.append((worker, tuple(stages)))


class Joined(asyncio.Event):
    """Set when the worker has joined its group; knows whether somebody waits for that."""

    is_waited_for = False

    async def wait(self) -> Literal[True]:
        self.is_waited_for = True
        return await super().wait()


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_signs_begin_when_the_worker_decides() -> None:
    rows, joined = Rows(), Joined()
    signing = asyncio.create_task(give_signs(rows, ["desk"], joined, every_s=0.001))
    await until(lambda: joined.is_waited_for or rows.tried)
    assert rows.tried == 0
    joined.set()
    await until(lambda: len(rows.written) >= 3)
    await end(signing)
    assert len(set(rows.written)) == 1
    assert rows.written[0][1] == ("desk",)


async def test_a_database_that_is_away_is_borne_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows, joined = Rows(away=3), asyncio.Event()
    joined.set()
    with caplog.at_level(logging.WARNING):
        signing = asyncio.create_task(give_signs(rows, ["desk"], joined, every_s=0.001))
        await until(lambda: rows.written)
        await end(signing)
    assert rows.tried > rows.away
    assert [one.message for one in caplog.records if one.name == "streams.sign_of_life"] == [
        "no sign of life can be given: the database is away"
    ]
