"""Ends a worker that stands still, so that its supervisor starts another.

A thread of its own, because what it watches may hold up the event loop. Three things count as
standing still for ``stalled_after_s``: the event loop does not turn; the desk has one event in
hand; something waits for this very worker and does not move, and nothing outside explains it (the
broker answers the Kafka protocol, and the database). Each is named in the log, with where threads
and tasks are.

What a desk hangs on is a dead letter first. A report or order the next worker
leaves out, instead of hanging on it for ever. A tick comes again, for time can't be left out, and
says how often it hung: the next simpler policy plans then (:mod:`dispatch.fallback`).

Not for what fails with an error; that is caught where it happens.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from models.dead_letters import DeadLetterRow
from models.errors import StoreError
from models.events import ClockTicked, Event, encode

log = logging.getLogger(__name__)

EXIT_STALLED = 75
"""Exit code of a worker that was ended for standing still."""

HANGS = "hangs"
TICK_HANGS = "tick_hangs"
"""Codes of dead letters: what a desk hung on is somebody's word, or the time."""

LOOK_S = 1.0
_NOWHERE = object()


class Records(Protocol):
    """The store, as much as the watchdog sees of it."""

    def add_dead_letters(self, letters: Sequence[DeadLetterRow]) -> None:
        """Keep letters and finish their inbox rows."""


class Watchdog:
    """Watches one worker.

    Parameters
    ----------
    stalled_after_s
        How long standing still is borne.
    records
        For dead letters.
    in_hand
        What the desk decides on now.
    waiting
        What waits for this worker and for no other, by a name for the log, with where it stands:
        anything that is another when it has moved. Called on a thread; a
        :class:`~models.errors.StoreError` says that the database is away.
    broker_answers
        Whether it does now. Called on a thread.
    end
        Ends the process at once.
    """

    def __init__(
        self,
        stalled_after_s: float,
        records: Records,
        in_hand: Callable[[], Event | None],
        waiting: Callable[[], Mapping[str, object]],
        broker_answers: Callable[[], bool],
        *,
        end: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._after_s = stalled_after_s
        self._records = records
        self._in_hand = in_hand
        self._waiting = waiting
        self._broker_answers = broker_answers
        self._end = end
        self._clock = clock
        self._looked_at = clock()
        self._lived = 0.0
        self._has_turned = True
        self._turned_at = self._taken_at = 0.0
        self._held: Event | None = None
        self._stands: dict[str, tuple[object, float]] = {}
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
            self._give_up(held)
            self._stalled(f"the desk of {held.jurisdiction} hangs on event {held.id}")
        elif self._is_late(self._turned_at):
            self._stalled("the event loop does not turn")
        elif still := self._stands_still():
            self._stalled(f"{still} wait, broker and database answer, nothing moves")

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

    def _stands_still(self) -> str:
        """What has waited for us for too long while nothing outside held it up; empty: nothing."""
        try:
            waiting = self._waiting()
        except StoreError:
            waiting = {}
        same = [what for what, stand in waiting.items() if self._stood(what) == stand]
        if same and not self._broker_answers():
            same = []
        self._stands = {
            what: (stand, self._stands[what][1] if what in same else self._lived)
            for what, stand in waiting.items()
        }
        return next((what for what in same if self._is_late(self._stands[what][1])), "")

    def _stood(self, what: str) -> object:
        return self._stands[what][0] if what in self._stands else _NOWHERE

    def _give_up(self, event: Event) -> None:
        letter = DeadLetterRow(
            at=datetime.now(UTC),
            topic="desk",
            key=event.jurisdiction,
            body=encode(event),
            code=TICK_HANGS if isinstance(event.data, ClockTicked) else HANGS,
            reason=f"the desk was at it for {self._after_s:g} s and not done",
            jurisdiction=event.jurisdiction,
            exercise=event.exercise,
            event_id=event.id,
            stage="desk",
        )
        try:
            self._records.add_dead_letters([letter])
        except StoreError as error:
            log.error("event %s could not be given up: %s", event.id, error, extra=_about(event))

    def _stalled(self, what: str) -> None:
        log.critical(
            "%s since more than %g s; this worker ends, for another to start",
            what,
            self._after_s,
            extra=_about(self._held) if self._held else None,
        )
        faulthandler.dump_traceback(sys.stderr)
        if self._loop is not None:
            for task in asyncio.all_tasks(self._loop):
                task.print_stack(limit=3)
        logging.shutdown()
        self._end(EXIT_STALLED)


def _about(event: Event) -> dict[str, str]:
    return {"event": event.id, "jurisdiction": event.jurisdiction, "stage": "desk"}
