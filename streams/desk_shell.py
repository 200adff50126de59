"""The desk's shell: batch, ``Desk.step``, one fenced transaction, then publish.

For: everything around the pure desk that touches the world: the journal, the jurisdiction's
clock, the updates topic. Not for: deciding. Relies on the store's fence: whoever claims a
jurisdiction last is its only writer; an older claim's next commit fails with
:class:`~models.errors.FencedError` and its work is dropped (it comes again from the inbox).

A jurisdiction that this process writes is a :class:`~streams.seats.Seat`. Deciding has a thread
of its own and writing another, so that a batch is decided while the one before it is written;
neither runs on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from models import events as ev
from models.city import CityPack
from models.clock import read_clock
from models.errors import FencedError, StoreError
from models.events import Event, encode
from models.settings import Settings
from models.steps import Position
from models.store import DeadLetterRow, Store
from models.words import home_jurisdiction, is_exercise
from playbooks.engine import PlaybookSet
from streams.opening import opening_events
from streams.seats import Seat, read_situation
from streams.watchdog import HANGS

log = logging.getLogger(__name__)

T = TypeVar("T")

Publish = Callable[[str, list[bytes]], Awaitable[None]]
"""Hands journal events of one jurisdiction to the updates topic, in order."""

CLOCK_POLL_S = 0.25
"""How often a drill's clock (its speed, its pause) is looked up."""

PLANNING_SHARE = 0.1
"""How much of the time planning may take at most; reports come first, and a backlog is planned
once, not once a report."""

QUEUE = 500
"""Submissions that may wait for a desk."""

AT_A_STRETCH = 16
"""Batches of a backlog that are decided before whoever waits for the desk has a turn: planning."""

RETRY_S = 1.0


class _Given(NamedTuple):
    """What one caller handed over."""

    events: list[Event]
    position: Position | None
    done: asyncio.Future[None]


class _Batch(NamedTuple):
    """What waited together and is decided together."""

    given: list[_Given]

    @property
    def events(self) -> list[Event]:
        return [event for given in self.given for event in given.events]

    @property
    def position(self) -> Position | None:
        return self.given[-1].position

    def done(self) -> None:
        """Let those who handed it over go on."""
        for given in self.given:
            if not given.done.done():
                given.done.set_result(None)


class DeskShell:
    """Runs the desks of the jurisdictions whose events come to this process.

    Parameters
    ----------
    publish
        Called after each commit, never before; a failure there loses nothing, for screens read
        what they miss from the journal.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pack: CityPack,
        playbooks: PlaybookSet,
        graph: RoadGraph,
        publish: Publish,
    ) -> None:
        self._settings = settings
        self._store = store
        self._pack = pack
        self._playbooks = playbooks
        self._graph = graph
        self._publish = publish
        self._seats: dict[str, Seat] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._queues: dict[str, asyncio.Queue[_Given]] = {}
        self._serving: list[asyncio.Task[None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._closed = False

    @property
    def in_hand(self) -> Event | None:
        """What a desk decides on now; asked by the watchdog's thread."""
        held = (seat.in_hand for seat in list(self._seats.values()))
        return next((event for event in held if event is not None), None)

    @property
    def waiting(self) -> int:
        """Submissions that wait for a desk."""
        return sum(queue.qsize() for queue in self._queues.values())

    async def open(self, jurisdiction: str) -> None:
        """Take a jurisdiction's seat now, so that its clock runs before its first event."""
        await self.handle(jurisdiction, [])

    async def submit(
        self, jurisdiction: str, events: list[Event], position: Position | None = None
    ) -> asyncio.Future[None]:
        """Queue events for a desk; return once there is room, with a future of their decision.

        What waits is decided as one batch. The queue holds `QUEUE` submissions; when it is full,
        this waits, and with it the topic. What a process loses with its queue comes again from
        the inbox.
        """
        queue = self._queues.get(jurisdiction)
        if queue is None:
            queue = self._queues[jurisdiction] = asyncio.Queue(QUEUE)
            self._serving.append(asyncio.create_task(self._serve(jurisdiction, queue)))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await queue.put(_Given(events, position, done))
        return done

    async def handle(self, jurisdiction: str, events: list[Event]) -> None:
        """Decide on events; return when they are in the journal (or in dead letters)."""
        await (await self.submit(jurisdiction, events))

    async def _serve(self, jurisdiction: str, queue: asyncio.Queue[_Given]) -> None:
        while True:
            batch = self._together(await queue.get(), queue)
            left: Iterable[_Batch] = [batch]
            try:
                if home_jurisdiction(jurisdiction) != self._pack.jurisdiction:
                    await self._run(
                        self._give_up, batch.events, "unknown_jurisdiction", self._not_ours()
                    )
                else:
                    left = await self._overlapping(jurisdiction, batch, queue)
                    for one in left:
                        await self._decide(jurisdiction, one.events, one.position)
            except Exception:
                log.exception("desk of %s failed on a batch; it comes again", jurisdiction)
            finally:
                for one in left:
                    one.done()

    def _together(self, first: _Given, queue: asyncio.Queue[_Given]) -> _Batch:
        together = [first]
        size = len(first.events)
        while size < self._settings.desk_batch and not queue.empty():
            together.append(queue.get_nowait())
            size += len(together[-1].events)
        return _Batch(together)

    def _stretch(self, first: _Batch, queue: asyncio.Queue[_Given]) -> Iterator[_Batch]:
        yield first
        for _ in range(AT_A_STRETCH - 1):
            if queue.empty():
                return
            yield self._together(queue.get_nowait(), queue)

    async def _overlapping(
        self, jurisdiction: str, first: _Batch, queue: asyncio.Queue[_Given]
    ) -> list[_Batch]:
        """Decide on a batch and those that wait behind it, each while the one before is written.

        Returns
        -------
        list of _Batch
            What isn't in the journal because something went wrong: for :meth:`_decide`.
        """
        unwritten: deque[_Batch] = deque()
        writing: asyncio.Future[list[bytes]] | None = None

        async def settle() -> None:
            nonlocal writing
            if writing is not None:
                journaled = await writing
                writing = None
                unwritten.popleft().done()
                await self._written(seat, journaled)

        async with self._lock(jurisdiction):
            try:
                seat = await self._seat(jurisdiction)
                for batch in self._stretch(first, queue):
                    unwritten.append(batch)
                    decided = await self._run(seat.decide, batch.events, batch.position)
                    await settle()
                    writing = self._on(self._writer, seat.write, decided)
                await settle()
            except Exception as error:
                errors = [error]
                try:
                    await settle()
                except Exception as of_writing:
                    errors.append(of_writing)
                self._leave(jurisdiction)
                if any(isinstance(error, FencedError) for error in errors):
                    self._gave_up(jurisdiction)
                    for batch in unwritten:
                        batch.done()
                    return []
                return list(unwritten) or [first]
        return []

    async def _decide(
        self, jurisdiction: str, events: list[Event], position: Position | None = None
    ) -> None:
        """Decide on a batch; return when it is in the journal (or in dead letters)."""
        await self._sequentially(jurisdiction, lambda seat: self._step(seat, events, position))

    async def _sequentially(
        self, jurisdiction: str, work: Callable[[Seat], Awaitable[None]]
    ) -> None:
        """Do something with a seat while nothing else is decided or written there.

        Waits as long as the database is away: an event that was taken from the topic must not
        be given up for a cause that passes.
        """
        async with self._lock(jurisdiction):
            while not self._closed:
                try:
                    await work(await self._seat(jurisdiction))
                except FencedError:
                    self._leave(jurisdiction)
                    self._gave_up(jurisdiction)
                except StoreError as error:
                    log.error("desk of %s waits for the database: %s", jurisdiction, error)
                    self._leave(jurisdiction)
                    await asyncio.sleep(RETRY_S)
                    continue
                return

    def _lock(self, jurisdiction: str) -> asyncio.Lock:
        return self._locks.setdefault(jurisdiction, asyncio.Lock())

    def _gave_up(self, jurisdiction: str) -> None:
        # Another process has it now. What we held comes to it from the inbox.
        log.warning("gave up the desk of %s: another process claimed it", jurisdiction)

    async def close(self) -> None:
        """Leave every seat; what is in hand is finished first."""
        self._closed = True
        for serving in self._serving:
            serving.cancel()
        for queue in self._queues.values():
            while not queue.empty():
                queue.get_nowait().done.cancel()
        for lock in list(self._locks.values()):
            async with lock:
                pass
        for jurisdiction in list(self._seats):
            self._leave(jurisdiction)
        self._thread.shutdown(wait=True)
        self._writer.shutdown(wait=True)

    # ── one batch ─────────────────────────────────────────────────────────────────────────────

    async def _step(self, seat: Seat, batch: list[Event], position: Position | None = None) -> None:
        try:
            decided = await self._run(seat.decide, batch, position)
            journaled = await self._on(self._writer, seat.write, decided)
        except (FencedError, StoreError):
            raise
        except Exception as error:
            # The situation may be half changed: forget it and go on from the journal.
            jurisdiction = seat.situation.jurisdiction
            self._leave(jurisdiction)
            if len(batch) == 1:
                about = {"event": batch[0].id, "jurisdiction": jurisdiction, "stage": "desk"}
                log.exception(
                    "desk of %s can't handle event %s", jurisdiction, batch[0].id, extra=about
                )
                detail = f"{type(error).__name__}: {error}"
                await self._run(self._give_up, batch, "desk_failed", detail)
            else:
                for event in batch:
                    await self._step(await self._seat(jurisdiction), [event], position)
            return
        await self._written(seat, journaled)

    async def _written(self, seat: Seat, journaled: list[bytes]) -> None:
        seat.changed.set()
        if journaled:
            await self._publish(seat.situation.jurisdiction, journaled)

    def _give_up(self, events: Iterable[Event], code: str, detail: str) -> None:
        at = datetime.now(UTC)
        self._store.add_dead_letters(
            [
                DeadLetterRow(
                    at=at,
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
                for event in events
            ]
        )

    def _not_ours(self) -> str:
        return f"this desk runs {self._pack.jurisdiction} and its exercises only"

    # ── taking and leaving a seat ─────────────────────────────────────────────────────────────

    async def _seat(self, jurisdiction: str) -> Seat:
        seat = self._seats.get(jurisdiction)
        if seat is None:
            seat = await self._run(self._take, jurisdiction)
            self._seats[jurisdiction] = seat
            at = seat.clock.now(datetime.now(UTC)) or seat.situation.now
            opening = opening_events(
                seat.situation,
                self._pack,
                self._playbooks,
                automatic_priorities=self._settings.automatic_priorities,
                correlation_radius_m=self._settings.correlation_radius_m,
                correlation_window_s=self._settings.correlation_window_s,
                at=at or datetime.now(UTC),
            )
            await self._step(seat, opening)
            seat.ticking = asyncio.create_task(self._tick(jurisdiction, seat))
            log.info(
                "desk of %s open at seq %d, epoch %d",
                jurisdiction,
                seat.lease.seq,
                seat.lease.epoch,
            )
        return seat

    def _take(self, jurisdiction: str) -> Seat:
        lease = self._store.claim(
            jurisdiction, exercise=is_exercise(jurisdiction), at=datetime.now(UTC)
        )
        situation = read_situation(self._store, jurisdiction)
        travel = TravelTimes.of_pack(
            self._graph, self._pack, cache_dir=self._settings.data_dir / "cache"
        )
        desk = Desk(situation, self._pack, self._playbooks, travel, Policy.of(self._settings))
        hung = self._store.dead_letter_ids(jurisdiction, code=HANGS)
        # City and program stay: looking them through for garbage again and again would hold up
        # a proposal by 30 ms.
        gc.collect()
        gc.freeze()
        clock = read_clock(self._store, jurisdiction)
        return Seat(self._store, lease, desk, clock, hung, self._settings.snapshot_every)

    def _leave(self, jurisdiction: str) -> None:
        seat = self._seats.pop(jurisdiction, None)
        if seat is not None and seat.ticking is not None:
            seat.ticking.cancel()

    # ── time ──────────────────────────────────────────────────────────────────────────────────

    async def _tick(self, jurisdiction: str, seat: Seat) -> None:
        """Hand the desk a clock event whenever one is due by the jurisdiction's clock."""
        while not self._closed:
            seat.changed.clear()
            due = seat.due
            if seat.clock.drill:
                seat.clock = await self._run(read_clock, self._store, jurisdiction)
            planned = seat.situation.now
            now = seat.clock.now(datetime.now(UTC)) or planned
            if due and now and (due <= now or (planned is not None and due <= planned)):
                began = time.monotonic()
                # Shielded: a seat left in mid-commit must not cut the commit short.
                await asyncio.shield(self._tell_time(jurisdiction, max(now, due)))
                took = time.monotonic() - began
                await asyncio.sleep(took * (1 / PLANNING_SHARE - 1))
                continue
            wait = seat.clock.wall_seconds_until(due, now) if due and now else None
            if seat.clock.drill:
                wait = CLOCK_POLL_S if wait is None else min(wait, CLOCK_POLL_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(seat.changed.wait(), wait)

    async def _tell_time(self, jurisdiction: str, now: datetime) -> None:
        async def tick(seat: Seat) -> None:
            # Named once nothing is in flight: its seq is its own.
            told = Event(
                id=f"tick/{seat.situation.seq + 1}",
                source=f"/clock/{jurisdiction}",
                time=now,
                jurisdiction=jurisdiction,
                exercise=is_exercise(jurisdiction),
                data=ev.ClockTicked(),
            )
            await self._step(seat, [told])

        await self._sequentially(jurisdiction, tick)

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        return await self._on(self._thread, work, *args)

    def _on(self, thread: Executor, work: Callable[..., T], *args: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(thread, lambda: work(*args))
