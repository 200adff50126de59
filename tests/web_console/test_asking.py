"""Asking: whoever is blocked costs the others nothing, and everybody gets an answer in time."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from models.errors import StoreBusyError, StoreError
from tests.waiting import HANG_S
from tests.web_console import virtual_time
from web_console.asking import Asking

T = TypeVar("T")
SOON_S = 0.1


class Hanging:
    """Calls that return when they are let go, and not before."""

    def __init__(self) -> None:
        self.calls = 0
        self.let_go = threading.Event()
        self._numbers = itertools.count(1)

    def __call__(self) -> int:
        self.calls = number = next(self._numbers)
        self.let_go.wait()
        return number


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    one = Hanging()
    yield one
    one.let_go.set()


async def block(ask: Asking, hanging: Hanging, threads: int) -> None:
    """Have each thread of an asker hang; a slow machine begins a call after it was given up."""
    async with asyncio.timeout(HANG_S):
        while hanging.calls < threads:
            with suppress(StoreBusyError):
                await ask(hanging)


async def patiently(ask: Callable[[Callable[[], T]], Awaitable[T]], call: Callable[[], T]) -> T:
    """Ask again until there is an answer; a slow machine takes longer than ``SOON_S``."""
    async with asyncio.timeout(HANG_S):
        while True:
            with suppress(StoreBusyError):
                return await ask(call)


def test_a_call_that_hangs_is_given_up_when_its_time_is_over(hanging: Hanging) -> None:
    async def given_up_at() -> float:
        ask = Asking("test", within_s=2.5)
        with pytest.raises(StoreBusyError, match=r"2\.5 s \(test\)"):
            await ask(hanging)
        ask.close()
        return asyncio.get_running_loop().time()

    assert virtual_time.run(given_up_at()) == pytest.approx(2.5)


async def test_others_threads_are_not_those_that_are_blocked(hanging: Hanging) -> None:
    reads = Asking("reads", threads=2, within_s=SOON_S)
    intake = Asking("intake", within_s=HANG_S)
    await block(reads, hanging, 2)
    blocked = [asyncio.create_task(reads(hanging)) for _ in range(5)]
    assert await intake(lambda: "taken") == "taken"
    given_up = await asyncio.gather(*blocked, return_exceptions=True)
    assert [type(one) for one in given_up] == [StoreBusyError] * 5
    assert hanging.calls == 2
    reads.close()
    intake.close()


async def test_what_nobody_waits_for_any_more_is_not_begun(hanging: Hanging) -> None:
    ask = Asking("test", threads=1, within_s=SOON_S)
    await block(ask, hanging, 1)
    given_up = await asyncio.gather(*(ask(hanging) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in given_up] == [StoreBusyError] * 3
    hanging.let_go.set()
    # The one thread comes to it after all that was asked before.
    assert await patiently(ask, lambda: hanging.calls) == 1
    ask.close()


async def test_too_many_at_once_are_told_at_once(hanging: Hanging) -> None:
    ask = Asking("test", threads=1, capacity=2, within_s=HANG_S)
    waiting = [asyncio.create_task(ask(hanging)) for _ in range(2)]
    await asyncio.sleep(0)
    # One step and no more: it is refused before it waits for anything.
    with pytest.raises(StoreBusyError):
        ask(hanging).send(None)
    hanging.let_go.set()
    assert await asyncio.gather(*waiting) == [1, 2]
    assert await ask(lambda: "room again") == "room again"
    ask.close()


async def test_a_shared_call_is_made_once_however_often_it_is_asked(hanging: Hanging) -> None:
    ask = Asking("test", threads=1, within_s=SOON_S)
    for _ in range(5):
        with pytest.raises(StoreBusyError):
            await ask.shared(hanging)
    hanging.let_go.set()
    # The one thread comes to it after all that was asked before.
    assert await patiently(ask, lambda: hanging.calls) == 1
    assert await patiently(ask.shared, hanging) > 1
    ask.close()


async def test_what_a_call_raises_is_raised_and_not_remembered() -> None:
    ask = Asking("test", within_s=HANG_S)
    answers: Iterator[StoreError | str] = iter([StoreError("away"), "back"])

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


async def test_a_call_that_was_given_up_and_fails_later_fills_no_log() -> None:
    """A database that hangs would have a traceback logged every two seconds."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    ask, go_on = Asking("test", threads=1, within_s=0.05), threading.Event()

    def fail() -> None:
        assert go_on.wait(HANG_S)
        raise StoreError("late")

    with pytest.raises(StoreBusyError):
        await ask.shared(fail)
    go_on.set()
    # The same thread does one after the other, and tells the loop so.
    await asyncio.wrap_future(ask._threads.submit(int))
    ask.close()
    del ask, fail
    gc.collect()
    assert told == []
