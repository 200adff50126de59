"""A worker's sign of life: a row of the database, every few seconds, off the event loop.

So that a console can say that nobody decides. Not for finding a worker that stands still
(:mod:`streams.watchdog` does): one whose event loop doesn't turn gives no sign either.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Collection
from datetime import UTC, datetime

from models.errors import StoreError
from models.workers import Workers

log = logging.getLogger(__name__)

EVERY_S = 3.0


async def give_signs(
    workers: Workers,
    stages: Collection[str],
    has_joined: asyncio.Event,
    every_s: float = EVERY_S,
) -> None:
    """Say that this worker lives, from when it has joined its group; runs until cancelled.

    A database that is away is borne: consoles say of it what there is to say.
    """
    await has_joined.wait()
    name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    could = True
    while True:
        try:
            await asyncio.to_thread(workers.note_worker, name, stages, datetime.now(UTC))
            could = True
        except StoreError as error:
            if could:
                log.warning("no sign of life can be given: %s", error)
            could = False
        await asyncio.sleep(every_s)
