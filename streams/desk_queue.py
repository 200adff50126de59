"""What waits for one desk, in order, and how much of it is taken at once.

For: :mod:`streams.desk_shell`, which decides on a :class:`Batch` and tells those who handed it over
when that is done. Not for: deciding, nor what happens to a batch that fails.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from models.events import Event
from models.steps import Position

CAPACITY = 500
"""Submissions that may wait for a desk."""

AT_A_STRETCH = 16
"""Batches of a backlog that are decided before whoever waits for the desk has a turn: planning."""


class Given(NamedTuple):
    """What one caller handed over."""

    events: list[Event]
    position: Position | None
    done: asyncio.Future[None]

    def finish(self) -> None:
        """Let who handed it over go on."""
        if not self.done.done():
            self.done.set_result(None)


class Batch(NamedTuple):
    """What waited together and is decided together, as long as nothing fails."""

    given: list[Given]

    @property
    def events(self) -> list[Event]:
        return [event for given in self.given for event in given.events]

    @property
    def position(self) -> Position | None:
        return self.given[-1].position

    def finish(self) -> None:
        """Let those who handed it over go on."""
        for given in self.given:
            given.finish()


class DeskQueue:
    """The queue of one desk; it holds `CAPACITY` submissions.

    Parameters
    ----------
    batch_events
        A batch takes no further submission once it has so many events.
    """

    def __init__(self, batch_events: int) -> None:
        self._batch_events = batch_events
        self._queue: asyncio.Queue[Given] = asyncio.Queue(CAPACITY)
        self._closed = False

    def __len__(self) -> int:
        return self._queue.qsize()

    async def put(self, events: list[Event], position: Position | None) -> asyncio.Future[None]:
        """Queue events once there is room; return a future for who has them to set.

        It is set at once when the queue is closed meanwhile.
        """
        given = Given(events, position, asyncio.get_running_loop().create_future())
        await self._queue.put(given)
        if self._closed:
            given.finish()
        return given.done

    async def batch(self) -> Batch:
        """Return what waits, as one batch; wait until something does, or the queue is closed."""
        return self._together(await self._queue.get())

    def stretch(self, left: deque[Batch]) -> Iterator[Batch]:
        """Give the batch that is in ``left`` and those behind it, each added to ``left`` first.

        At most `AT_A_STRETCH`, and none that has to be waited for.
        """
        yield left[0]
        for _ in range(AT_A_STRETCH - 1):
            if self._closed or self._queue.empty():
                return
            left.append(self._together(self._queue.get_nowait()))
            yield left[-1]

    def close(self) -> None:
        """Let go of what waits; whoever waits for the next batch gets an empty one."""
        self._closed = True
        while not self._queue.empty():
            self._queue.get_nowait().finish()
        self._queue.put_nowait(Given([], None, asyncio.get_running_loop().create_future()))

    def _together(self, first: Given) -> Batch:
        together, size = [first], len(first.events)
        while size < self._batch_events and not self._queue.empty():
            together.append(self._queue.get_nowait())
            size += len(together[-1].events)
        return Batch(together)
