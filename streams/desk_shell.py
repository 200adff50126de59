"""The desk's shell: batch, ``Desk.step``, one fenced transaction, then publish.

For: everything around the pure desk that touches the world: the journal, the jurisdiction's
clock, the updates topic. Not for: deciding. Relies on the store's fence: whoever claims a
jurisdiction last is its only writer; an older claim's next commit fails with
:class:`~models.errors.FencedError` and its work is dropped (it comes again from the inbox).

A jurisdiction that this process writes is a :class:`_Seat`. Steps and commits run on one thread
of their own, never on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from models import events as ev
from models import tracing
from models.city import CityPack
from models.clock import JurisdictionClock, read_clock
from models.errors import FencedError, StoreError
from models.events import Event, encode
from models.settings import Settings
from models.situation import Situation, Touched, apply, dump, load
from models.steps import Entity, Lease, Position
from models.store import DeadLetterRow, Store
from models.words import home_jurisdiction, is_exercise
from playbooks.engine import PlaybookSet
from streams.metrics import BATCH_EVENTS, COMMIT_SECONDS, STEP_SECONDS
from streams.opening import opening_events
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

RETRY_S = 1.0
READ_AT_ONCE = 5000


class _Given(NamedTuple):
    """What one caller handed over."""

    events: list[Event]
    position: Position | None
    done: asyncio.Future[None]


class _Seat:
    """One jurisdiction that this process writes."""

    def __init__(
        self, lease: Lease, desk: Desk, clock: JurisdictionClock, hung: frozenset[str]
    ) -> None:
        self.hung = hung
        self.lease = lease
        self.desk = desk
        self.clock = clock
        self.snapshot_seq = lease.seq
        self.changed = asyncio.Event()
        self.ticking: asyncio.Task[None] | None = None


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
        self._seats: dict[str, _Seat] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._queues: dict[str, asyncio.Queue[_Given]] = {}
        self._serving: list[asyncio.Task[None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._closed = False
        self.in_hand: Event | None = None
        """What a desk decides on now; read by the watchdog's thread."""

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
            together = [await queue.get()]
            size = len(together[0].events)
            while size < self._settings.desk_batch and not queue.empty():
                together.append(queue.get_nowait())
                size += len(together[-1].events)
            events = [event for given in together for event in given.events]
            try:
                await self._decide(jurisdiction, events, together[-1].position)
            except Exception:
                log.exception("desk of %s failed on a batch; it comes again", jurisdiction)
            finally:
                for given in together:
                    if not given.done.done():
                        given.done.set_result(None)

    async def _decide(
        self, jurisdiction: str, events: list[Event], position: Position | None = None
    ) -> None:
        """Decide on a batch; return when it is in the journal (or in dead letters).

        Waits as long as the database is away: an event that was taken from the topic must not
        be given up for a cause that passes.
        """
        if home_jurisdiction(jurisdiction) != self._pack.jurisdiction:
            await self._run(self._give_up, events, "unknown_jurisdiction", self._not_ours())
            return
        lock = self._locks.setdefault(jurisdiction, asyncio.Lock())
        async with lock:
            rest = events
            while not self._closed:
                try:
                    seat = await self._seat(jurisdiction)
                    for batch in _batches(rest, self._settings.desk_batch):
                        await self._step(seat, batch, position)
                        rest = rest[len(batch) :]
                    return
                except FencedError as error:
                    # Another process has it now. What we held comes to it from the inbox.
                    log.warning("gave up the desk of %s: %s", jurisdiction, error)
                    self._leave(jurisdiction)
                    return
                except StoreError as error:
                    log.error("desk of %s waits for the database: %s", jurisdiction, error)
                    self._leave(jurisdiction)
                    await asyncio.sleep(RETRY_S)

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

    # ── one batch ─────────────────────────────────────────────────────────────────────────────

    async def _step(
        self, seat: _Seat, batch: list[Event], position: Position | None = None
    ) -> None:
        try:
            journaled = await self._run(self._step_and_commit, seat, batch, position)
        except (FencedError, StoreError):
            raise
        except Exception as error:
            # The situation may be half changed: forget it and go on from the journal.
            jurisdiction = seat.desk.situation.jurisdiction
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
        seat.changed.set()
        if journaled:
            await self._publish(seat.desk.situation.jurisdiction, journaled)

    def _step_and_commit(
        self, seat: _Seat, batch: list[Event], position: Position | None
    ) -> list[bytes]:
        situation = seat.desk.situation
        known = self._store.known(situation.jurisdiction, [event.id for event in batch])
        finished: list[str] = []
        made: list[Event] = []
        BATCH_EVENTS.observe(len(batch))
        began = time.perf_counter()
        try:
            for event in batch:
                finished.append(event.id)
                if event.id in known or (event.id in seat.hung and self._hangs(seat, event)):
                    continue
                known.add(event.id)
                self.in_hand = event
                made.extend(seat.desk.step(event))
        finally:
            self.in_hand = None
        decided = time.perf_counter()
        STEP_SECONDS.observe(decided - began)
        due_for_snapshot = situation.seq - seat.snapshot_seq >= self._settings.snapshot_every
        if not made:
            self._store.finish(situation.jurisdiction, finished, datetime.now(UTC))
            return []
        encoded = [encode(event) for event in made]
        seat.lease = self._store.commit_step(
            seat.lease,
            made,
            encoded,
            entities=_entities(situation, seat.desk.take_touched()),
            finished=finished,
            snapshot=dump(situation) if due_for_snapshot else None,
            position=position,
            wall=datetime.now(UTC),
        )
        committed = time.perf_counter()
        COMMIT_SECONDS.observe(committed - decided)
        if tracing.is_on():
            for event in batch:
                tracing.note("decide", event.traceparent, committed - began, together=len(batch))
        if due_for_snapshot:
            seat.snapshot_seq = situation.seq
        for event in made:
            if isinstance(event.data, ev.PlanAdopted):
                for problem in event.data.problems:
                    log.warning("playbooks on %s: %s", event.data.incident, problem)
        return encoded

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

    def _hangs(self, seat: _Seat, event: Event) -> bool:
        """Whether an event that a desk hung on is still given up: somebody may have replayed it."""
        seat.hung = self._store.dead_letter_ids(event.jurisdiction, code=HANGS)
        return event.id in seat.hung

    def _not_ours(self) -> str:
        return f"this desk runs {self._pack.jurisdiction} and its exercises only"

    # ── taking and leaving a seat ─────────────────────────────────────────────────────────────

    async def _seat(self, jurisdiction: str) -> _Seat:
        seat = self._seats.get(jurisdiction)
        if seat is None:
            seat = await self._run(self._take, jurisdiction)
            self._seats[jurisdiction] = seat
            at = seat.clock.now(datetime.now(UTC)) or seat.desk.situation.now
            opening = opening_events(
                seat.desk.situation,
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

    def _take(self, jurisdiction: str) -> _Seat:
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
        return _Seat(lease, desk, read_clock(self._store, jurisdiction), hung)

    def _leave(self, jurisdiction: str) -> None:
        seat = self._seats.pop(jurisdiction, None)
        if seat is not None and seat.ticking is not None:
            seat.ticking.cancel()

    # ── time ──────────────────────────────────────────────────────────────────────────────────

    async def _tick(self, jurisdiction: str, seat: _Seat) -> None:
        """Hand the desk a clock event whenever one is due by the jurisdiction's clock."""
        while not self._closed:
            seat.changed.clear()
            due = seat.desk.next_due()
            if seat.clock.drill:
                seat.clock = await self._run(read_clock, self._store, jurisdiction)
            now = seat.clock.now(datetime.now(UTC)) or seat.desk.situation.now
            if due is not None and now is not None:
                planned = seat.desk.situation.now
                if due <= now or (planned is not None and due <= planned):
                    tick = Event(
                        id=f"tick/{seat.desk.situation.seq + 1}",
                        source=f"/clock/{jurisdiction}",
                        time=max(now, due),
                        jurisdiction=jurisdiction,
                        exercise=is_exercise(jurisdiction),
                        data=ev.ClockTicked(),
                    )
                    began = time.monotonic()
                    # Shielded: a seat left in mid-commit must not cut the commit short.
                    await asyncio.shield(self._decide(jurisdiction, [tick]))
                    took = time.monotonic() - began
                    await asyncio.sleep(took * (1 / PLANNING_SHARE - 1))
                    continue
            wait = seat.clock.wall_seconds_until(due, now) if due and now else None
            if seat.clock.drill:
                wait = CLOCK_POLL_S if wait is None else min(wait, CLOCK_POLL_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(seat.changed.wait(), wait)

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*args))


def read_situation(store: Store, jurisdiction: str) -> Situation:
    """Return the situation of a jurisdiction: its latest snapshot and the journal since."""
    snapshot = store.latest_snapshot(jurisdiction)
    if snapshot is None:
        situation = Situation(jurisdiction=jurisdiction, exercise=is_exercise(jurisdiction))
    else:
        situation = load(snapshot)
    while tail := store.read(jurisdiction, situation.seq, READ_AT_ONCE):
        for raw in tail:
            apply(situation, ev.decode(raw))
    return situation


def _batches(events: list[Event], size: int) -> Iterable[list[Event]]:
    rest = iter(events)
    while batch := list(islice(rest, size)):
        yield batch


def _entities(situation: Situation, touched: Touched) -> list[Entity]:
    """Return what a batch touched and the tables keep, as it stands after the batch."""
    tables: dict[str, dict[str, Any]] = {
        "incidents": situation.incidents,
        "units": situation.units,
        "assignments": situation.assignments,
        "tasks": situation.tasks,
    }
    return [
        tables[kind][name]
        for kind, name in sorted(touched)
        if kind in tables and name in tables[kind]
    ]
