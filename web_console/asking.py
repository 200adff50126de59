"""Asking the database from the event loop: threads of its own, and an end to each wait.

A database that hangs must cost those who ask it an answer within seconds ("try again"), and
nobody else anything: each kind of caller has an :class:`Asking` with threads of its own, so that
readers who are blocked never keep a report from being taken. A call that was given up goes on in
its thread until the store's own time limit ends it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from models.errors import StoreBusyError

P = ParamSpec("P")
T = TypeVar("T")

WITHIN_S = 2.5
"""With what else a request takes, the answer is there within three seconds."""
ANSWER_WITHIN_S = 5.0
"""Time limit of the store's own, which frees the threads."""


class Asking:
    """Runs blocking calls in threads of its own.

    Parameters
    ----------
    name
        Of the threads.
    threads
        Calls at a time.
    capacity
        Calls that run or wait at most; beyond, the caller is told to try again at once.
    within_s
        How long a caller waits.
    """

    def __init__(
        self, name: str, *, threads: int = 4, capacity: int = 2000, within_s: float = WITHIN_S
    ) -> None:
        self._name = name
        self._within_s = within_s
        self._threads = ThreadPoolExecutor(threads, name)
        self._room = threading.BoundedSemaphore(capacity)
        self._shared: dict[Any, Future[Any]] = {}

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the call returns.

        Raises
        ------
        StoreBusyError
            Too many wait already, or it takes too long.
        """
        future = self._begin(call, *args, **kwargs)
        try:
            async with asyncio.timeout(self._within_s):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise self._busy() from error

    async def shared(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the call returns; where the same one runs still, wait for that one.

        For what is asked again and again: a database that hangs has one of it in hand, not one
        more every two seconds.

        Raises
        ------
        StoreBusyError
            As for any call.
        """
        key = (call, args, tuple(sorted(kwargs.items())))
        future = self._shared.get(key)
        if future is None or future.done():
            future = self._shared[key] = self._begin(call, *args, **kwargs)
        running = asyncio.wrap_future(future)
        running.add_done_callback(_take_notice)
        try:
            async with asyncio.timeout(self._within_s):
                answer: T = await asyncio.shield(running)
        except TimeoutError as error:
            raise self._busy() from error
        finally:
            if future.done() and self._shared.get(key) is future:
                del self._shared[key]
        return answer

    def close(self) -> None:
        """Take no more calls; those that run end by the store's own time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if not self._room.acquire(blocking=False):
            raise self._busy()
        try:
            future = self._threads.submit(call, *args, **kwargs)
        except RuntimeError as error:
            self._room.release()
            raise StoreBusyError("the console stops; ask another") from error
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _busy(self) -> StoreBusyError:
        return StoreBusyError(
            f"the database takes longer than {self._within_s:g} s ({self._name}); try again"
        )


def _take_notice(future: asyncio.Future[Any]) -> None:
    """Look at how a call ended that its caller may have given up: the loop would log it whole."""
    if not future.cancelled():
        future.exception()
