"""Asking: whoever is blocked costs the others nothing, and everybody gets an answer in time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from models.errors import StoreBusyError, StoreError
from web_console.asking import Asking


class Hanging:
    """Calls that return when they are let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.let_go = threading.Event()

    def __call__(self) -> int:
        self.calls += 1
        number = self.calls
        self.let_go.wait(30)
        return number


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    one = Hanging()
    yield one
    one.let_go.set()


async def test_a_call_that_hangs_is_given_up_in_time(hanging: Hanging) -> None:
    ask = Asking("test", within_s=0.1)
    began = time.monotonic()
    with pytest.raises(StoreBusyError, match=r"0\.1 s \(test\)"):
        await ask(hanging)
    assert time.monotonic() - began < 1.0
    ask.close()


async def test_others_threads_are_not_those_that_are_blocked(hanging: Hanging) -> None:
    reads, intake = Asking("reads", threads=2, within_s=0.1), Asking("intake")
    blocked = [asyncio.create_task(reads(hanging)) for _ in range(5)]
    assert await intake(lambda: "taken") == "taken"
    given_up = await asyncio.gather(*blocked, return_exceptions=True)
    assert all(isinstance(one, StoreBusyError) for one in given_up)
    assert hanging.calls == 2
    reads.close()
    intake.close()


async def test_what_nobody_waits_for_any_more_is_not_begun(hanging: Hanging) -> None:
    ask = Asking("test", threads=1, within_s=0.1)
    await asyncio.gather(*(ask(hanging) for _ in range(3)), return_exceptions=True)
    hanging.let_go.set()
    assert await ask(lambda: "next") == "next"
    assert hanging.calls == 1
    ask.close()


async def test_too_many_at_once_are_told_at_once(hanging: Hanging) -> None:
    ask = Asking("test", threads=1, capacity=2, within_s=5.0)
    waiting = [asyncio.create_task(ask(hanging)) for _ in range(2)]
    await asyncio.sleep(0)
    began = time.monotonic()
    with pytest.raises(StoreBusyError):
        await ask(hanging)
    assert time.monotonic() - began < 1.0
    hanging.let_go.set()
    await asyncio.gather(*waiting)
    assert await ask(lambda: "room again") == "room again"
    ask.close()


async def test_a_shared_call_is_made_once_however_often_it_is_asked(hanging: Hanging) -> None:
    ask = Asking("test", within_s=0.1)
    for _ in range(5):
        with pytest.raises(StoreBusyError):
            await ask.shared(hanging)
    assert hanging.calls == 1
    hanging.let_go.set()
    assert await ask.shared(hanging) in (1, 2)
    assert await ask.shared(hanging) > 1
    ask.close()


async def test_what_a_call_raises_is_raised_and_not_remembered() -> None:
    ask = Asking("test")
    answers = iter([StoreError("away"), "back"])

    def call() -> str:
        answer = next(answers)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    with pytest.raises(StoreError, match="away"):
        await ask.shared(call)
    assert await ask.shared(call) == "back"
    ask.close()


async def test_a_console_that_stops_says_so() -> None:
    ask = Asking("test")
    ask.close()
    with pytest.raises(StoreBusyError, match="stops"):
        await ask(lambda: None)
