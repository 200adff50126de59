"""What time it is in each jurisdiction, for the console: read often, asked of the database rarely.

For: the time that a report was received and the ``now`` of every frame. A drill's row is believed
for :data:`CACHED_S`; changes made here are seen at once by :meth:`Clocks.forget`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final, NamedTuple

from models.clock import JurisdictionClock, read_clock
from models.store import Store
from models.words import is_exercise
from web_console.asking import Asking
from web_console.frames import DrillClock

CACHED_S: Final = 0.25


class _Read(NamedTuple):
    """A clock as it was read, when by the monotonic clock, and whether its drill was over then."""

    at: float
    clock: JurisdictionClock
    is_over: bool


class Clocks:
    """The clocks of all jurisdictions.

    Parameters
    ----------
    store, ask
        Holds the drills, and who asks it.
    """

    def __init__(self, store: Store, ask: Asking) -> None:
        self._store = store
        self._ask = ask
        self._read: dict[str, _Read] = {}

    async def now(self, jurisdiction: str) -> datetime:
        """Return the jurisdiction's time; ours where an exercise has no drill yet.

        Raises
        ------
        StoreError
            When the drill's clock can't be read.
        """
        await self.refresh(jurisdiction)
        return self.last(jurisdiction)[0]

    async def observed(self, jurisdiction: str, sent: datetime | None) -> datetime | None:
        """Return what a sender's clock said, in UTC; in an exercise as the drill's time of then.

        None where nobody can say: it lies before the drill's clock was last set, or before or
        after all time.

        Raises
        ------
        StoreError
            When the drill's clock can't be read.
        """
        if sent is None:
            return None
        await self.refresh(jurisdiction)
        known = self._read.get(jurisdiction)
        try:
            if known is None or known.clock.drill is None:
                return sent.astimezone(UTC)
            return known.clock.now(sent) if sent >= known.clock.drill.anchor_wall else None
        except OverflowError:
            return None

    async def refresh(self, jurisdiction: str) -> None:
        """Read a drill's clock again, if what is known is too old."""
        if not is_exercise(jurisdiction):
            return
        known = self._read.get(jurisdiction)
        if known is None or time.monotonic() - known.at > CACHED_S:
            # What was just forgotten must not come back out of a call that began before.
            ask = self._ask if known is None else self._ask.shared
            clock = await ask(read_clock, self._store, jurisdiction)
            # While the database is away, no drill gives a sign of life that we could see.
            is_over = clock.drill is not None and not clock.drill.is_driven(datetime.now(UTC))
            self._read[jurisdiction] = _Read(time.monotonic(), clock, is_over)

    async def is_open(self, jurisdiction: str) -> bool:
        """Say whether inputs may enter: the live side, or an exercise whose drill has not ended.

        Raises
        ------
        StoreError
            When the drill can't be read.
        """
        await self.refresh(jurisdiction)
        if self._is_open(jurisdiction):
            return True
        # It may have begun since.
        self.forget(jurisdiction)
        await self.refresh(jurisdiction)
        return self._is_open(jurisdiction)

    def _is_open(self, jurisdiction: str) -> bool:
        if not is_exercise(jurisdiction):
            return True
        known = self._read.get(jurisdiction)
        drill = known.clock.drill if known is not None else None
        return drill is not None and drill.state != "ended"

    def forget(self, jurisdiction: str) -> None:
        """Read the clock again at the next question."""
        self._read.pop(jurisdiction, None)

    def last(self, jurisdiction: str) -> tuple[datetime, DrillClock | None]:
        """Return the time by what was read last, and how a drill's clock runs."""
        wall = datetime.now(UTC)
        known = self._read.get(jurisdiction)
        if known is None:
            return wall, None
        drill = known.clock.drill
        now = known.clock.now(wall) or wall
        if drill is None:
            return now, None
        return now, DrillClock(
            speed=drill.speed,
            paused=drill.paused or drill.state != "running",
            anchor_sim=drill.anchor_sim,
            anchor_wall=drill.anchor_wall,
            over=known.is_over,
        )
