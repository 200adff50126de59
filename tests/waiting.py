"""Waiting for what nothing tells of but looking: one limit, which only a hang reaches.

A test of safety never asks how long something took. A test of what users are promised in seconds
is marked ``timely``, runs in ``make rehearse`` and holds its time against
:mod:`gridcommand.rehearsal.yardstick`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

HANG_S = 120.0
"""Longer than anything takes on a machine at a tenth of its speed."""
LOOK_AGAIN_S = 0.02


async def until(holds: Callable[[], object], within_s: float = HANG_S) -> None:
    """Look until something holds, on the loop that it is called on.

    Raises
    ------
    TimeoutError
        It never did.
    """
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - nothing tells of it but looking
            await asyncio.sleep(LOOK_AGAIN_S)


async def until_async(holds: Callable[[], Awaitable[object]], within_s: float = HANG_S) -> None:
    """Look until what has to be awaited holds.

    Raises
    ------
    TimeoutError
        It never did.
    """
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN_S)


def until_now(holds: Callable[[], object], within_s: float = HANG_S) -> None:
    """Look until something holds, where no loop runs.

    Raises
    ------
    TimeoutError
        It never did.
    """
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"still not so after {within_s:g} s")
        time.sleep(LOOK_AGAIN_S)
