"""What a worker does beside its work, so that the database doesn't grow with the age of the city.

Rows of the inbox that were finished ``remember_days`` ago go; until then a report that is sent
again is known by its id. Any number of workers may do it at once. Not for the journal, whose months
are archived by command.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from models.errors import StoreError
from models.inbox import Inbox

log = logging.getLogger(__name__)

EVERY_S = 600.0
AT_ONCE = 1000
PAUSE_S = 0.2
"""Between two pieces: intake and desks write in between."""


async def keep_house(inbox: Inbox, remember_days: float, every_s: float = EVERY_S) -> None:
    """Forget what is old, every now and then; runs until cancelled."""
    while True:
        try:
            if gone := await forget_old(inbox, datetime.now(UTC) - timedelta(days=remember_days)):
                log.info("%d rows of the inbox are older than %g days", gone, remember_days)
        except StoreError as error:
            log.warning("old rows of the inbox stay for now: %s", error)
        await asyncio.sleep(every_s)


async def forget_old(inbox: Inbox, before: datetime) -> int:
    """Remove in small pieces what was finished before a time; return how many rows."""
    total = 0
    while gone := await asyncio.to_thread(inbox.forget_finished, before, AT_ONCE):
        total += gone
        await asyncio.sleep(PAUSE_S)
    return total
