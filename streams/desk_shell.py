"""The desk's shell: batch, ``Desk.step``, one fenced transaction, then publish.

For: everything around the pure desk that touches the world: the journal, the jurisdiction's
clock, the updates topic. Not for: deciding. Relies on the store's fence: whoever claims a
jurisdiction last is its only writer; an older claim's next commit fails with
:class:`~models.errors.FencedError` and its work is dropped (it comes again from the inbox).

A jurisdiction that this process writes is a :class:`~streams.seats.Seat`; :mod:`streams.claims`
knows which it may take. Deciding has a thread of its own and writing another, so that a batch is
decided while the one before it is written; neither runs on the event loop.

All that a desk decides on is in the inbox, and comes again until the journal or the dead letters
have it. So events may be dropped here without a word to anybody, and are: of a desk that is not
ours, that can't be opened, or when the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from dispatch.roads import RoadGraph
from models.city import CityPack
from models.clock import read_clock
from models.errors import FencedError, JournalBrokenError, StoreError
from models.events import Event, encode
from models.settings import Settings
from models.steps import Lease, Position
from models.store import DeadLetterRow, Store
from models.words import home_jurisdiction
from playbooks.engine import PlaybookSet
from streams.claims import Claims, Place, pause_s
from streams.desk_queue import Batch, DeskQueue
from streams.errors import OpeningError, StreamsError, StumbledError
from streams.seating import Seating, sweep
from streams.seats import DESK_FAILED, Seat

log = logging.getLogger(__name__)

T = TypeVar("T")

Publish = Callable[[str, list[bytes]], Awaitable[None]]
"""Hands journal events of one jurisdiction to the updates topic, in order."""

Knock = Callable[[str], Awaitable[None]]
"""Asks for a desk to be opened by whoever's it is: by way of the topic, which knows."""

CLOCK_POLL_S = 0.25
"""How often a drill's clock (its speed, its pause) is looked up."""

PLANNING_SHARE = 0.1
"""How much of the time short plans may take; reports come first, and a backlog is planned once,
not once a report."""

PLANNING_RESTS_S = 1.0
"""How long planning rests at most: who waits for a unit must not wait for the share."""

RETRY_S = 1.0
CLOSE_WITHIN_S = 2.0
"""How long the batches in hand may take when the process ends; what isn't written by then comes
again from the inbox, at another's or at the next start."""


class DeskShell:
    """Runs the desks of the jurisdictions whose events come to this process.

    Parameters
    ----------
    publish
        Called after each commit, never before; a failure there loses nothing, for screens read
        what they miss from the journal.
    holds
        Whether this process holds a partition.
    knock
        How a desk that was lost, or could not be opened, is asked for; without, it is opened here.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pack: CityPack,
        playbooks: PlaybookSet,
        graph: RoadGraph,
        publish: Publish,
        *,
        holds: Callable[[Place], bool] = lambda _place: True,
        knock: Knock | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._pack = pack
        self._publish = publish
        self._knock = knock or self.open
        self._claims = Claims(holds)
        self._seating = Seating(settings, store, pack, playbooks, graph, self._claims)
        self._seats: dict[str, Seat] = {}
        self._kept: dict[str, Lease] = {}
        """Of desks that failed here, until they are open again."""
        self._locks: dict[str, asyncio.Lock] = {}
        self._queues: dict[str, DeskQueue] = {}
        self._failed_ticks: dict[str, int] = {}
        self._asked_for: set[str] = set()
        self._knocking: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[Any]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._closing = False

    @property
    def in_hand(self) -> Event | None:
        """What a desk decides on now; asked by the watchdog's thread."""
        held = (seat.in_hand for seat in list(self._seats.values()))
        return next((event for event in held if event is not None), None)

    @property
    def waiting(self) -> int:
        """Submissions that wait for a desk."""
        return sum(map(len, self._queues.values()))

    async def open(self, jurisdiction: str, place: Place | None = None) -> None:
        """Take a jurisdiction's seat now, so that its clock runs before its first event.

        Waits while the database is away. Does nothing once the shell is closed.

        Parameters
        ----------
        place
            Topic and partition that its events come on.

        Raises
        ------
        OpeningError
            It can't be opened. It is told in the log, and tried again.
        NotOursError
            It may not be claimed now.
        """
        if place is not None:
            self._claims.came_on(jurisdiction, place)
        if not self._closing:
            # Shielded: a claim that nobody takes up would only fence who has the desk.
            await asyncio.shield(self._beside(self._sequentially(jurisdiction, _nothing)))

    async def reassigned(self) -> None:
        """Take notice that partitions were told anew: leave the desks that are another's now."""
        self._claims.assigned()
        for jurisdiction in list(self._seats):
            if not self._claims.holds(jurisdiction):
                async with self._lock(jurisdiction):
                    if not self._claims.holds(jurisdiction):
                        self._leave(jurisdiction)

    async def submit(
        self, jurisdiction: str, events: list[Event], position: Position | None = None
    ) -> asyncio.Future[None]:
        """Queue events for a desk; return once there is room, with a future.

        What waits is decided as one batch. When the queue is full this waits, and with it the
        topic. The future is done when the shell is done with them: they are in the journal, in
        the dead letters, or left to the inbox.
        """
        if home_jurisdiction(jurisdiction) != self._pack.jurisdiction:
            # Before it has a queue: there is no end to names that somebody may think of.
            await self._give_up(events, "unknown_jurisdiction", self._not_ours())
        elif not self._closing:
            if position is not None:
                self._claims.came_on(jurisdiction, (position.topic, position.partition))
            return await self._queue(jurisdiction).put(events, position)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def handle(self, jurisdiction: str, events: list[Event]) -> None:
        """Hand over events; return when the shell is done with them."""
        await (await self.submit(jurisdiction, events))

    async def close(self, within_s: float = CLOSE_WITHIN_S) -> None:
        """Take nothing new, write what is in hand, leave every seat.

        What waits is left to the inbox at once, and what is in hand after ``within_s``: a database
        that is away, or a desk that hangs, doesn't hold up the end of the process.
        """
        self._closing = True
        for knocking in self._knocking:
            knocking.cancel()
        for seat in self._seats.values():
            if seat.ticking is not None:
                seat.ticking.cancel()
        for queue in self._queues.values():
            queue.close()
        if self._working:
            _, late = await asyncio.wait(self._working, timeout=within_s)
            for task in late:
                log.error("not done within %g s and left to the inbox: %s", within_s, task)
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for jurisdiction in list(self._seats):
            self._leave(jurisdiction)
        # Not waited for: one that is in the middle of something that hangs would hold up the loop.
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._writer.shutdown(wait=False, cancel_futures=True)

    # ── a queue and its batches ───────────────────────────────────────────────────────────────

    def _queue(self, jurisdiction: str) -> DeskQueue:
        queue = self._queues.get(jurisdiction)
        if queue is None:
            queue = self._queues[jurisdiction] = DeskQueue(self._settings.desk_batch)
            self._beside(self._serve(jurisdiction, queue))
        return queue

    async def _serve(self, jurisdiction: str, queue: DeskQueue) -> None:
        while True:
            left = deque([await queue.batch()])
            try:
                if self._closing:
                    return
                await self._overlapping(jurisdiction, left, queue)
                for one in left:
                    await self._decide(jurisdiction, one)
            except StreamsError as error:
                # Told where it happened: this is only one more event that waits for it.
                log.debug("events for %s are left to the inbox: %s", jurisdiction, error)
            except Exception:
                log.exception("desk of %s failed on a batch; it comes again", jurisdiction)
            finally:
                for one in left:
                    one.finish()

    async def _overlapping(self, jurisdiction: str, left: deque[Batch], queue: DeskQueue) -> None:
        """Decide on a batch and those that wait behind it, each while the one before is written.

        Parameters
        ----------
        left
            The batch. Afterwards what isn't in the journal because something went wrong, with what
            was taken behind it: for :meth:`_decide`.
        """
        writing: asyncio.Future[list[bytes]] | None = None

        async def settle() -> None:
            nonlocal writing
            if writing is not None:
                journaled = await writing
                writing = None
                left.popleft().finish()
                await self._written(seat, journaled)

        async with self._lock(jurisdiction):
            try:
                seat = await self._seat(jurisdiction)
            except StoreError:
                return
            try:
                for batch in queue.stretch(left):
                    decided = await self._run(seat.decide, batch.events, batch.position)
                    await settle()
                    writing = self._on(self._writer, seat.write, decided)
                await settle()
            except Exception as error:
                failures = [error]
                try:
                    await settle()
                except Exception as of_writing:
                    failures.append(of_writing)
                is_stored = not any(isinstance(each, StoreError) for each in failures)
                self._leave(jurisdiction, keeps=is_stored)
                if any(isinstance(each, FencedError) for each in failures):
                    self._gave_up(jurisdiction)
                    while left:
                        left.popleft().finish()

    async def _decide(self, jurisdiction: str, batch: Batch) -> None:
        """Decide on a batch; return when it is in the journal (or in dead letters).

        Where the desk fails on one of them, those before it are decided on, then it alone, then
        those behind it: only what fails alone is given up.
        """
        pieces = deque([batch.events])
        while pieces:
            some = pieces.popleft()
            # Out of the error's reach, which holds the seat that failed, and with it a whole desk.
            pieces.extendleft(reversed(await self._attempt(jurisdiction, some, batch.position)))

    async def _attempt(
        self, jurisdiction: str, events: list[Event], position: Position | None
    ) -> list[list[Event]]:
        """Decide on events together; return them in pieces, in order, if that fails."""
        try:
            await self._sequentially(jurisdiction, lambda seat: self._step(seat, events, position))
            return []
        except StumbledError as error:
            if len(events) > 1:
                return _apart(events, events.index(error.event))
            await self._bury(events[0], error)
        except StreamsError:
            raise
        except Exception as error:
            if not events:
                raise
            if len(events) > 1:
                return _apart(events, len(events) // 2)
            await self._bury(events[0], error)
        # Deadlines must not wait for the next event.
        await self._sequentially(jurisdiction, _nothing)
        return []

    async def _sequentially(
        self, jurisdiction: str, work: Callable[[Seat], Awaitable[None]]
    ) -> None:
        """Do something with a seat while nothing else is decided or written there.

        Waits as long as the database is away: an event that was taken from the topic must not
        be given up for a cause that passes. Who closes doesn't wait.

        Raises
        ------
        StreamsError
            As :meth:`_seat`.
        Exception
            Whatever ``work`` fails with; the seat is left then, for its situation may be half
            changed.
        """
        async with self._lock(jurisdiction):
            while True:
                try:
                    await work(await self._seat(jurisdiction))
                    return
                except FencedError:
                    self._leave(jurisdiction)
                    self._gave_up(jurisdiction)
                    return
                except StoreError as error:
                    self._leave(jurisdiction)
                    if isinstance(error, JournalBrokenError):
                        raise
                    log.error("desk of %s waits for the database: %s", jurisdiction, error)
                    if self._closing:
                        return
                except Exception:
                    self._leave(jurisdiction, keeps=True)
                    raise
                await asyncio.sleep(RETRY_S)

    async def _step(self, seat: Seat, batch: list[Event], position: Position | None = None) -> None:
        decided = await self._run(seat.decide, batch, position)
        await self._written(seat, await self._on(self._writer, seat.write, decided))

    async def _written(self, seat: Seat, journaled: list[bytes]) -> None:
        seat.changed.set()
        if not journaled:
            return
        try:
            await self._publish(seat.situation.jurisdiction, journaled)
        except Exception:
            # The journal has them, and screens read it; the desk knows no less than it does.
            log.exception("updates of %s are not published", seat.situation.jurisdiction)

    # ── giving up ─────────────────────────────────────────────────────────────────────────────

    async def _bury(self, event: Event, error: Exception) -> None:
        """Give up what a desk can't handle."""
        about = {"event": event.id, "jurisdiction": event.jurisdiction, "stage": "desk"}
        cause = error.why if isinstance(error, StumbledError) else error
        what = f"desk of {event.jurisdiction} can't handle event {event.id}"
        log.error("%s", what, extra=about, exc_info=cause)
        await self._give_up([event], DESK_FAILED, f"{type(cause).__name__}: {cause}")

    async def _give_up(self, events: Iterable[Event], code: str, detail: str) -> None:
        """Write dead letters; waits as long as the database is away, but not when closing."""
        letters = [_letter(event, code, detail) for event in events]
        while True:
            try:
                await self._run(self._store.add_dead_letters, letters)
                return
            except StoreError as error:
                log.error("dead letters of a desk wait for the database: %s", error)
                if self._closing:
                    return
            await asyncio.sleep(RETRY_S)

    def _not_ours(self) -> str:
        return f"this desk runs {self._pack.jurisdiction} and its exercises only"

    # ── taking and leaving a seat ─────────────────────────────────────────────────────────────

    def _lock(self, jurisdiction: str) -> asyncio.Lock:
        return self._locks.setdefault(jurisdiction, asyncio.Lock())

    async def _seat(self, jurisdiction: str) -> Seat:
        """Return the seat of a jurisdiction, taken if it wasn't.

        Raises
        ------
        OpeningError, NotOursError, StoreError
            As :meth:`streams.seating.Seating.take`.
        """
        if jurisdiction in self._seats:
            return self._seats[jurisdiction]
        try:
            kept = self._kept.pop(jurisdiction, None)
            seat, journaled = await self._run(self._seating.take, jurisdiction, kept)
        except OpeningError as error:
            self._cannot_open(jurisdiction, error)
            raise
        self._seats[jurisdiction] = seat
        seat.ticking = self._beside(self._tick(jurisdiction, seat))
        lease = seat.lease
        log.info("desk of %s open at seq %d, epoch %d", jurisdiction, lease.seq, lease.epoch)
        await self._written(seat, journaled)
        await self._run(sweep)
        return seat

    def _leave(self, jurisdiction: str, *, keeps: bool = False) -> None:
        """Forget a desk; ``keeps``: it failed, and is still ours to open once more."""
        seat = self._seats.pop(jurisdiction, None)
        if seat is None:
            return
        if seat.ticking is not None:
            seat.ticking.cancel()
        if keeps:
            self._kept[jurisdiction] = seat.lease

    def _gave_up(self, jurisdiction: str) -> None:
        # Another process has it now. What we held comes to it from the inbox.
        log.warning("gave up the desk of %s: another process claimed it", jurisdiction)
        self._claims.fenced(jurisdiction)
        self._knock_later(jurisdiction)

    def _cannot_open(self, jurisdiction: str, error: OpeningError) -> None:
        is_first = self._claims.failed(jurisdiction) == 1
        log.error(
            "%s; tried again in %.0f s",
            error,
            self._claims.wait_s(jurisdiction),
            extra={"jurisdiction": jurisdiction, "stage": "desk"},
            exc_info=error if is_first else None,
        )
        self._knock_later(jurisdiction)

    def _knock_later(self, jurisdiction: str) -> None:
        """Ask for a desk once it may be claimed again: its deadlines don't wait for events."""
        if jurisdiction not in self._asked_for and not self._closing:
            self._asked_for.add(jurisdiction)
            knocking = self._beside(self._knock_when_due(jurisdiction))
            self._knocking.add(knocking)
            knocking.add_done_callback(self._knocking.discard)

    async def _knock_when_due(self, jurisdiction: str) -> None:
        while wait_s := self._claims.wait_s(jurisdiction):  # noqa: ASYNC110
            await asyncio.sleep(wait_s)
        self._asked_for.discard(jurisdiction)
        if jurisdiction not in self._seats:
            await self._knock(jurisdiction)

    # ── time ──────────────────────────────────────────────────────────────────────────────────

    async def _tick(self, jurisdiction: str, seat: Seat) -> None:
        """Hand the desk a clock event whenever one is due by the jurisdiction's clock."""
        await asyncio.sleep(pause_s(self._failed_ticks.get(jurisdiction, 0)))
        while not self._closing:
            seat.changed.clear()
            due = seat.due
            if seat.clock.drill:
                try:
                    seat.clock = await self._run(read_clock, self._store, jurisdiction)
                except StoreError as error:
                    log.warning("clock of %s waits for the database: %s", jurisdiction, error)
                    await asyncio.sleep(RETRY_S)
                    continue
            planned = seat.situation.now
            now = seat.clock.now(datetime.now(UTC)) or planned
            if due and now and (due <= now or (planned is not None and due <= planned)):
                began = time.monotonic()
                # Shielded: a seat left in mid-commit must not cut the commit short.
                await asyncio.shield(self._beside(self._tell_time(jurisdiction, max(now, due))))
                took = time.monotonic() - began
                await asyncio.sleep(min(took * (1 / PLANNING_SHARE - 1), PLANNING_RESTS_S))
                continue
            wait = seat.clock.wall_seconds_until(due, now) if due and now else None
            if seat.clock.drill:
                wait = CLOCK_POLL_S if wait is None else min(wait, CLOCK_POLL_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(seat.changed.wait(), wait)

    async def _tell_time(self, jurisdiction: str, now: datetime) -> None:
        told: Event | None = None

        async def tick(seat: Seat) -> None:
            nonlocal told
            told = seat.tick(now)
            await self._step(seat, [told])

        try:
            await self._sequentially(jurisdiction, tick)
            self._failed_ticks.pop(jurisdiction, None)
            return
        except Exception as error:
            if told is None:
                raise
            # The next desk is told the same, and may fail as this one did: later each time.
            self._failed_ticks[jurisdiction] = self._failed_ticks.get(jurisdiction, 0) + 1
            await self._bury(told, error)
        await self._sequentially(jurisdiction, _nothing)

    # ── tasks and threads ─────────────────────────────────────────────────────────────────────

    def _beside(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something beside; its error is seen whoever waits for it, and :meth:`close` waits."""
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._worked)
        return task

    def _worked(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StreamsError):
            log.error("a desk's shell failed: %s", error, exc_info=error)

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        return await self._on(self._thread, work, *args)

    def _on(self, thread: Executor, work: Callable[..., T], *args: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(thread, lambda: work(*args))


async def _nothing(_seat: Seat) -> None:
    """A seat is all that is wanted."""


def _apart(events: list[Event], place: int) -> list[list[Event]]:
    """Return what is before a place, what is at it, and what is behind."""
    pieces = [events[:place], events[place : place + 1], events[place + 1 :]]
    return [piece for piece in pieces if piece]


def _letter(event: Event, code: str, detail: str) -> DeadLetterRow:
    return DeadLetterRow(
        at=datetime.now(UTC),
        topic="desk",
        key=event.jurisdiction,
        body=encode(event),
        code=code,
        reason=detail,
        jurisdiction=event.jurisdiction,
        exercise=event.exercise,
        event_id=event.id,
        stage="desk",
    )
