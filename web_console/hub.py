"""The hub: one situation for each jurisdiction, and the screens that watch it.

For: folding journal events in the order of ``seq``, healing gaps from the journal, and sending
each screen one snapshot and then deltas without a hole. Not for: where events come from
(:mod:`web_console.feed`) nor sockets (:mod:`web_console.live`). Relies on an event loop; all
that touches a room and its screens happens between two awaits, so a screen is never between two
states.

Events are gathered for :data:`GATHER_S`, positions alone for :data:`POSITIONS_S`. A delta is
encoded once for all who see everything, and once for each worker whom it concerns.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from models import events as ev
from models import tracing
from models.errors import EventError, NewerVersionError
from models.events import Event, Label, decode, label
from models.fold import apply
from models.situation import Situation, load
from models.words import is_exercise
from web_console import frames
from web_console.frames import Change, DrillClock, LogEntry, Pipeline
from web_console.views import Viewer, WorkerView

log = logging.getLogger(__name__)

GATHER_S: Final = 0.004
POSITIONS_S: Final = 0.25
RESUMABLE: Final = 5000
"""Journal events that a screen may be behind and still get only what it missed."""
READ_AT_ONCE: Final = 1000
REPORTERS_KEPT: Final = 20_000


class JournalReader(Protocol):
    """The part of :class:`models.store.Store` that the hub reads; calls block."""

    def latest_snapshot(self, jurisdiction: str) -> bytes | None: ...
    def read(self, jurisdiction: str, after_seq: int, limit: int) -> list[bytes]: ...


class Screen(Protocol):
    """One connection, as the hub sees it."""

    viewer: Viewer

    def send(self, frame: bytes) -> None:
        """Hand a frame over without waiting; a screen too slow for it drops itself."""

    def send_whole(self, frame: bytes) -> None:
        """Hand over what replaces everything before, whatever its size."""

    @property
    def gone(self) -> bool:
        """Whether nothing more need be sent."""


Clock = Callable[[str], tuple[datetime, DrillClock | None]]
"""Jurisdiction to its time now, and how an exercise's time runs."""

Ask = Callable[..., Awaitable[Any]]
"""Runs a blocking call with its arguments elsewhere."""


class Room:
    """One jurisdiction: its situation, its screens, what they haven't been told yet."""

    def __init__(self, jurisdiction: str, clock: Clock) -> None:
        self.jurisdiction = jurisdiction
        self.situation = Situation(jurisdiction=jurisdiction, exercise=is_exercise(jurisdiction))
        self.reporters: OrderedDict[str, str] = OrderedDict()
        self.unshown = 0
        self.used_at = time.monotonic()
        self.plan_due_at: float | None = None
        """Since when a plan has been due, by the monotonic clock; a tick makes one."""
        self._clock = clock
        self._ring: deque[Change] = deque(maxlen=RESUMABLE)
        self._told = 0
        self._touched: set[tuple[str, str]] = set()
        self._log: list[LogEntry] = []
        self._refusals: list[ev.OrderRefused | ev.EventRefused] = []
        self._traced: list[tuple[str, float]] = []
        self._commanders: set[Screen] = set()
        self._workers: dict[Screen, _Worker] = {}
        self._flush_at = 0.0
        self._flushed_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def seq(self) -> int:
        """The last journal event that is in the situation."""
        return self.situation.seq

    @property
    def watched(self) -> int:
        """How many screens watch."""
        return len(self._commanders) + len(self._workers)

    def start_from(self, situation: Situation) -> None:
        """Begin with a snapshot; only before anybody watches."""
        self.situation = situation
        self._told = situation.seq

    def take(self, event: Event) -> bool:
        """Fold the next event; return False where ``seq`` jumps and the journal must be read."""
        if event.seq <= self.situation.seq:
            return True
        if event.seq != self.situation.seq + 1:
            return False
        if isinstance(event.data, ev.ReportClassified) and event.data.reporter:
            self.note_reporter(event.id, event.data.reporter)
        try:
            touched = apply(self.situation, event)
        except Exception:
            # What stands in a journal has happened; one bad event must not blind the screens.
            self.unshown += 1
            touched = set()
            log.exception(
                "%s: event %s, seq %d, can't be folded",
                self.jurisdiction,
                event.id,
                event.seq,
                extra={"event": event.id, "jurisdiction": self.jurisdiction},
            )
        if not self.situation.plan_due:
            self.plan_due_at = None
        elif self.plan_due_at is None or isinstance(event.data, ev.ClockTicked):
            self.plan_due_at = time.monotonic()
        entry = frames.log_entry(event)
        self._ring.append(Change(event.seq, frozenset(touched), entry))
        if not self.watched:
            self._told = event.seq
            return True
        self._touched.update(touched)
        if entry is not None:
            self._log.append(entry)
        if isinstance(event.data, ev.OrderRefused | ev.EventRefused):
            self._refusals.append(event.data)
        if event.traceparent and isinstance(event.data, ev.IncidentOpened | ev.ReportLinked):
            self._traced.append((event.traceparent, time.perf_counter()))
        self._schedule(POSITIONS_S if entry is None else GATHER_S)
        return True

    def take_unread(self, event: Label, why: EventError) -> bool:
        """Go past an event that this version can't read; False where ``seq`` jumps.

        A newer desk wrote it. What it changed isn't shown, and screens are told so.
        """
        if event.seq <= self.situation.seq:
            return True
        if event.seq != self.situation.seq + 1:
            return False
        self.unshown += 1
        log.error(
            "%s: event %s, seq %d, can't be read (%s): is this console older than the desk?",
            self.jurisdiction,
            event.id,
            event.seq,
            why,
            extra={"event": event.id, "jurisdiction": self.jurisdiction},
        )
        self.situation.seq = event.seq
        self._ring.append(Change(event.seq, frozenset(), None))
        if self.watched:
            self._schedule(GATHER_S)
        else:
            self._told = event.seq
        return True

    def note_reporter(self, report: str, account: str) -> None:
        """Remember who sent a report, so that its incident is shown to them."""
        self.reporters[report] = account
        if len(self.reporters) > REPORTERS_KEPT:
            self.reporters.popitem(last=False)

    def join(self, screen: Screen, seq: int | None) -> None:
        """Bring a screen up to now and keep it there.

        Parameters
        ----------
        seq
            What the screen already knows; None for nothing. A worker always gets all anew.
        """
        self.flush()
        if not screen.viewer.sees_all:
            view = WorkerView(screen.viewer, self.reporters)
            shown = view.everything(self.situation)
            self._workers[screen] = _Worker(view, self.seq)
            screen.send_whole(self._snapshot(shown))
            return
        self._commanders.add(screen)
        missed = self._missed(seq)
        if missed is None:
            shown = frames.everything(self.situation)
            screen.send_whole(self._snapshot(shown))
        else:
            assert seq is not None
            touched = {one for change in missed for one in change.touched}
            lines = [change.entry for change in missed if change.entry is not None]
            upsert, remove = frames.changes(self.situation, touched)
            now, _ = self._clock(self.jurisdiction)
            screen.send_whole(frames.delta(seq, self.seq, now, upsert, remove, lines))

    def leave(self, screen: Screen) -> None:
        """Forget a screen."""
        self.used_at = time.monotonic()
        self._commanders.discard(screen)
        self._workers.pop(screen, None)

    def flush(self) -> None:
        """Tell every screen what it doesn't know yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        touched, lines, refusals = self._touched, self._log, self._refusals
        begin, self._told = self._told, self.seq
        if begin == self.seq:
            return
        self._touched, self._log, self._refusals = set(), [], []
        self._flushed_at = asyncio.get_running_loop().time()
        now, _ = self._clock(self.jurisdiction)
        self._prune()
        if self._commanders:
            upsert, remove = frames.changes(self.situation, touched)
            frame = frames.delta(begin, self.seq, now, upsert, remove, lines)
            for screen in self._commanders:
                screen.send(frame)
        for screen, worker in self._workers.items():
            upsert, remove = worker.view.changes(self.situation, touched)
            if upsert or remove:
                screen.send(frames.delta(worker.told, self.seq, now, upsert, remove, ()))
                worker.told = self.seq
        for refusal in refusals:
            frame = frames.refused(refusal)
            for screen in (*self._commanders, *self._workers):
                if screen.viewer.name == refusal.by:
                    screen.send(frame)
        traced, self._traced = self._traced, []
        for trace, since in traced:
            tracing.note("screen", trace, time.perf_counter() - since, screens=self.watched)

    def beat(self, pipeline: Pipeline) -> None:
        """Tell every screen that we live, and how things run."""
        self.flush()
        self._prune()
        if not self.watched:
            return
        now, _ = self._clock(self.jurisdiction)
        frame = self.heartbeat(pipeline)
        for screen in self._commanders:
            screen.send(frame)
        for screen, worker in self._workers.items():
            if worker.told != self.seq:
                screen.send(frames.delta(worker.told, self.seq, now, {}, {}, ()))
                worker.told = self.seq
            screen.send(frame)

    def heartbeat(self, pipeline: Pipeline) -> bytes:
        """Return a heartbeat frame."""
        now, clock = self._clock(self.jurisdiction)
        return frames.heartbeat(self.seq, now, datetime.now(UTC), clock, self.unshown, pipeline)

    def _snapshot(self, shown: frames.Upsert) -> bytes:
        now, clock = self._clock(self.jurisdiction)
        wall = datetime.now(UTC)
        return frames.snapshot(self.situation, shown, now, wall, clock, self.unshown)

    def _missed(self, seq: int | None) -> list[Change] | None:
        if seq is None or not 0 <= seq <= self.seq:
            return None
        if seq == self.seq:
            return []
        if not self._ring or self._ring[0].seq > seq + 1:
            return None
        first = seq + 1 - self._ring[0].seq
        return [self._ring[place] for place in range(first, len(self._ring))]

    def _schedule(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        # The first after a pause goes at the end of this turn of the loop, the rest gather.
        at = max(loop.time(), self._flushed_at + wait_s)
        if self._timer is not None:
            if self._flush_at <= at:
                return
            self._timer.cancel()
        self._flush_at = at
        self._timer = loop.call_at(at, self.flush)

    def _prune(self) -> None:
        for screen in [one for one in (*self._commanders, *self._workers) if one.gone]:
            self.leave(screen)


class _Worker:
    __slots__ = ("told", "view")

    def __init__(self, view: WorkerView, told: int) -> None:
        self.view = view
        self.told = told


class Hub:
    """All rooms of this process.

    Parameters
    ----------
    journal
        Where snapshots and missing events are read.
    clock
        A jurisdiction's time.
    ask
        Runs the journal's calls, which block.

    Notes
    -----
    A room is opened when somebody asks for it, and closed by :meth:`close_unused`.
    """

    def __init__(self, journal: JournalReader, clock: Clock, ask: Ask = asyncio.to_thread) -> None:
        self._journal = journal
        self._clock = clock
        self._ask = ask
        self._rooms: dict[str, Room] = {}
        self._opening: dict[str, asyncio.Task[Room]] = {}
        self._healing: dict[str, asyncio.Lock] = {}
        self.pipelines = {exercise: Pipeline() for exercise in (False, True)}

    @property
    def rooms(self) -> Iterable[Room]:
        """The rooms that are open."""
        return self._rooms.values()

    def plan_due_s(self, mono: float, *, exercise: bool) -> float:
        """Return for how long a plan has been due, in the room of a side that waits longest."""
        due = (
            mono - room.plan_due_at
            for room in self.rooms
            if room.plan_due_at is not None and is_exercise(room.jurisdiction) == exercise
        )
        return max(due, default=0.0)

    def known_seq(self, jurisdiction: str) -> int | None:
        """Return the last event folded; None where no room is open."""
        room = self._rooms.get(jurisdiction)
        return None if room is None else room.seq

    def known_room(self, jurisdiction: str) -> Room | None:
        """Return a room that is open."""
        return self._rooms.get(jurisdiction)

    def follows(self, jurisdiction: str) -> bool:
        """Whether a room is open, or is being opened."""
        return jurisdiction in self._rooms or jurisdiction in self._opening

    def close_unused(self, keep: Collection[str], unused_s: float) -> None:
        """Forget the rooms that nobody watches or asked for of late, but for those to keep."""
        before = time.monotonic() - unused_s
        for room in list(self._rooms.values()):
            # Who asked just now may be about to watch.
            if room.watched or room.used_at > before or room.jurisdiction in keep:
                continue
            log.debug("%s: nobody looks, its room is closed", room.jurisdiction)
            del self._rooms[room.jurisdiction]
            self._healing.pop(room.jurisdiction, None)

    async def room(self, jurisdiction: str, *, used: bool = True) -> Room:
        """Return a jurisdiction's room, read from snapshot and journal if it isn't open yet.

        Parameters
        ----------
        used
            Somebody looks, so that it stays open for a while.

        Raises
        ------
        StoreError
            When the database can't be read.
        """
        room = self._rooms.get(jurisdiction)
        if room is not None:
            if used:
                room.used_at = time.monotonic()
            return room
        task = self._opening.get(jurisdiction)
        if task is None:
            task = asyncio.create_task(self._open(jurisdiction))
            self._opening[jurisdiction] = task
            task.add_done_callback(lambda _: self._opening.pop(jurisdiction, None))
        return await asyncio.shield(task)

    async def take(self, jurisdiction: str, events: Iterable[Event]) -> None:
        """Fold events as they were published; what is missing is read from the journal."""
        room = await self.room(jurisdiction)
        for event in events:
            if not room.take(event):
                await self.heal(room, event.seq)
                if not room.take(event):
                    log.warning(
                        "%s: event %s, seq %d, was published, the journal ends at %d",
                        jurisdiction,
                        event.id,
                        event.seq,
                        room.seq,
                        extra={"event": event.id, "jurisdiction": jurisdiction},
                    )

    def pipeline_of(self, room: Room) -> Pipeline:
        """Return how the pipeline of a room's side is, live or exercise."""
        return self.pipelines[is_exercise(room.jurisdiction)]

    async def heal(self, room: Room, up_to: int) -> None:
        """Read the journal until the room knows ``up_to``, or the journal ends."""
        lock = self._healing.setdefault(room.jurisdiction, asyncio.Lock())
        async with lock:
            await self._read(room, up_to)

    def beat(self) -> None:
        """Send every room's heartbeat."""
        for room in self._rooms.values():
            room.beat(self.pipeline_of(room))

    async def _open(self, jurisdiction: str) -> Room:
        room = Room(jurisdiction, self._clock)
        raw = await self._ask(self._journal.latest_snapshot, jurisdiction)
        if raw is not None:
            try:
                situation = load(raw)
            except msgspec.DecodeError as error:
                raise NewerVersionError(
                    f"the snapshot of {jurisdiction} can't be read ({error}): "
                    "run consoles of the desk's version"
                ) from error
            room.start_from(situation)
        await self._read(room, None)
        self._rooms[jurisdiction] = room
        return room

    async def _read(self, room: Room, up_to: int | None) -> None:
        while up_to is None or room.seq < up_to:
            bodies = await self._ask(self._journal.read, room.jurisdiction, room.seq, READ_AT_ONCE)
            for body in bodies:
                try:
                    taken = room.take(decode(body))
                except EventError as error:
                    taken = room.take_unread(_label_of(body, room.seq + 1), error)
                if not taken:
                    log.error("%s: the journal has no seq %d", room.jurisdiction, room.seq + 1)
                    return
            if len(bodies) < READ_AT_ONCE:
                return


def _label_of(body: bytes, seq: int) -> Label:
    try:
        return label(body)
    except EventError:
        return Label(seq=seq)
