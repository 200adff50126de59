"""An event loop whose clock stands still while there is work, and jumps to the next timer.

For: what is due after a time, checked to the instant, whatever the machine does meanwhile. Not for
calls in threads that return: the clock doesn't wait for them.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that begins at 0 s."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_Jumping(self._jump))

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now_s

    def _jump(self, by_s: float) -> None:
        self._now_s += by_s


def run(main: Coroutine[None, None, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class _Jumping(selectors.SelectSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not timeout:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self._jump(timeout)
        return ready
