"""Ends a worker that stands still, so that its supervisor starts another.

A thread of its own, because what it watches may hold up the event loop. Three things count as
standing still for ``stalled_after_s``: the event loop does not turn; the desk has one event in
hand; rows wait in the inbox, no journal moves, and nothing outside explains it (the broker can be
reached and the database answers). Each is named in the log, with where threads and tasks are.

A report or order that a desk hangs on is a dead letter first (code ``hangs``): the next worker
leaves it out, instead of hanging on it for ever. A tick is nobody's word and comes again.

Not for what fails with an error; that is caught where it happens.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from models.dead_letters import DeadLetterRow
from models.errors import StoreError
from models.events import ClockTicked, Event, encode
from models.journal import Head

log = logging.getLogger(__name__)

EXIT_STALLED = 75
"""Exit code of a worker that was ended for standing still."""

HANGS = "hangs"
LOOK_S = 1.0
CONNECT_WITHIN_S = 1.0


class Records(Protocol):
    """The store, as much as the watchdog sees of it."""

    def unfinished_ids(self, limit: int) -> list[int]:
        """Return the ids of the oldest unfinished rows."""

    def heads(self) -> list[Head]:
        """Return where every journal stands."""

    def add_dead_letters(self, letters: Sequence[DeadLetterRow]) -> None:
        """Keep letters and finish their inbox rows."""


class Watchdog:
    """Watches one worker.

    Parameters
    ----------
    stalled_after_s
        How long standing still is borne.
    records
        Inbox, journals and dead letters.
    in_hand
        What the desk decides on now.
    is_ours
        Whether this worker holds partitions that reports go through.
    broker
        Host and port of a bootstrap server.
    end
        Ends the process at once.
    """

    def __init__(
        self,
        stalled_after_s: float,
        records: Records,
        in_hand: Callable[[], Event | None],
        is_ours: Callable[[], bool],
        broker: tuple[str, int],
        *,
        end: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._after_s = stalled_after_s
        self._records = records
        self._in_hand = in_hand
        self._is_ours = is_ours
        self._broker = broker
        self._end = end
        self._clock = clock
        self._looked_at = clock()
        self._lived = 0.0
        self._has_turned = True
        self._turned_at = self._moved_at = self._taken_at = 0.0
        self._held: Event | None = None
        self._stand: tuple[int, tuple[int, ...]] | None = None
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def turned(self) -> None:
        """Say that the event loop turned."""
        self._has_turned = True

    def start(self) -> None:
        """Watch the running event loop, on a daemon thread, until :meth:`stop`."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()

    def look(self) -> None:
        """Look once; end the process when it stands still."""
        self._pass_time()
        held = self._in_hand()
        if held is not self._held:
            self._held, self._taken_at = held, self._lived
        if self._has_turned:
            self._has_turned, self._turned_at = False, self._lived
        if held is not None and self._is_late(self._taken_at):
            if not isinstance(held.data, ClockTicked):
                self._give_up(held)
            self._stalled(f"the desk of {held.jurisdiction} hangs on event {held.id}")
        elif self._is_late(self._turned_at):
            self._stalled("the event loop does not turn")
        elif self._waits() and self._is_late(self._moved_at):
            self._stalled("reports wait in the inbox, broker and database answer, nothing moves")

    def _pass_time(self) -> None:
        """Count the time in which the process could have moved: not that of a halt of all of it."""
        now = self._clock()
        self._lived += min(now - self._looked_at, 2 * LOOK_S)
        self._looked_at = now

    def _is_late(self, since: float) -> bool:
        return self._lived - since > self._after_s

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self.look()
            except Exception:
                log.exception("the watchdog could not look; it looks again")

    def _waits(self) -> bool:
        """Whether something waits for us that nothing outside holds up."""
        try:
            oldest = self._records.unfinished_ids(1)
            stand = (oldest[0], tuple(h.seq for h in self._records.heads())) if oldest else None
        except StoreError:
            stand = None
        if stand is None or stand != self._stand or not self._is_ours() or not self._can_connect():
            self._stand, self._moved_at = stand, self._lived
            return False
        return True

    def _can_connect(self) -> bool:
        try:
            socket.create_connection(self._broker, CONNECT_WITHIN_S).close()
        except OSError:
            return False
        return True

    def _give_up(self, event: Event) -> None:
        letter = DeadLetterRow(
            at=datetime.now(UTC),
            topic="desk",
            key=event.jurisdiction,
            body=encode(event),
            code=HANGS,
            reason=f"the desk was at it for {self._after_s:g} s and not done",
            jurisdiction=event.jurisdiction,
            exercise=event.exercise,
            event_id=event.id,
            stage="desk",
        )
        try:
            self._records.add_dead_letters([letter])
        except StoreError as error:
            log.error("event %s could not be given up: %s", event.id, error)

    def _stalled(self, what: str) -> None:
        log.critical(
            "%s since more than %g s; this worker ends, for another to start",
            what,
            self._after_s,
            extra={"event": self._held.id} if self._held else None,
        )
        faulthandler.dump_traceback(sys.stderr)
        if self._loop is not None:
            for task in asyncio.all_tasks(self._loop):
                task.print_stack(limit=3)
        logging.shutdown()
        self._end(EXIT_STALLED)
