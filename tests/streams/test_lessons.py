"""A worker reads as the city taught it, looks for changes, and bears a database that is away."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from models.errors import StoreError
from models.examples import Example
from streams.lessons import Lessons
from tests.waiting import HANG_S, until

AT = datetime(2026, 7, 1, tzinfo=UTC)
TEXT = "路口井盖没了"


class Register:
    """Examples in memory."""

    def __init__(self) -> None:
        self.kept: list[Example] = []
        self.looks = 0
        self.is_away = False

    def teach(self, category: str) -> None:
        self.kept = [
            Example(
                id=len(self.kept) + 1,
                jurisdiction="320481",
                text=TEXT,
                language="zh",
                category=category,
                danger=False,
                modality="live",
                by="li",
                at=AT,
                incident="i1",
            )
        ]

    def examples_mark(self) -> tuple[int, datetime | None]:
        self.looks += 1
        if self.is_away:
            raise StoreError("away")
        return len(self.kept), AT if self.kept else None

    def examples(self, jurisdiction: str | None = None) -> list[Example]:
        return [one for one in self.kept if one.jurisdiction == jurisdiction]


def test_the_register_is_read_where_it_changed() -> None:
    register = Register()
    lessons = Lessons(register, "320481")
    assert lessons.look()
    assert not lessons.look()
    register.teach("city.noise")
    assert lessons.look()
    (found,) = lessons.understand([TEXT])
    assert (found.category, found.reading.taught) == ("city.noise", "1")


def test_examples_of_another_jurisdiction_do_not_count() -> None:
    register = Register()
    register.teach("city.noise")
    lessons = Lessons(register, "330100")
    lessons.look()
    (found,) = lessons.understand([TEXT])
    assert not found.reading.taught


async def test_a_database_that_is_away_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    register = Register()
    register.is_away = True
    task = asyncio.create_task(Lessons(register, "320481").keep_up(every_s=0))
    async with asyncio.timeout(HANG_S):
        await until(lambda: register.looks > 2)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert "away" in caplog.text
