"""A worker gives signs of life once it decides, and bears a database that is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime

import pytest

from models.errors import StoreError
from models.workers import Workers
from streams.sign_of_life import give_signs


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


async def until_written(rows: Rows, count: int) -> None:
    async with asyncio.timeout(10):
        while len(rows.written) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_signs_begin_when_the_worker_decides() -> None:
    rows, joined = Rows(), asyncio.Event()
    signing = asyncio.create_task(give_signs(rows, ["desk"], joined, every_s=0.001))
    await asyncio.sleep(0.02)
    assert rows.tried == 0
    joined.set()
    await until_written(rows, 3)
    signing.cancel()
    assert len(set(rows.written)) == 1
    assert rows.written[0][1] == ("desk",)


async def test_a_database_that_is_away_is_borne_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows, joined = Rows(away=3), asyncio.Event()
    joined.set()
    with caplog.at_level(logging.WARNING):
        signing = asyncio.create_task(give_signs(rows, ["desk"], joined, every_s=0.001))
        await until_written(rows, 1)
        signing.cancel()
    assert [record.message for record in caplog.records] == [
        "no sign of life can be given: the database is away"
    ]
