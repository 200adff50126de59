"""A jurisdiction's seat: the desk that decides, and what its decisions write.

Deciding and writing are two halves, for two threads: :meth:`Seat.decide` changes the situation and
makes a step ready, :meth:`Seat.write` has the journal take it, while the next batch is decided. A
seat whose write failed knows more than the journal does: it is dropped, and what it had decided
comes again. Not for: threads, queues and topics; that is :mod:`streams.desk_shell`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dispatch.desk import Desk
from models import events as ev
from models import tracing
from models.clock import JurisdictionClock
from models.events import Event, encode
from models.fold import apply
from models.situation import Situation, Touched, dump, load
from models.steps import Entity, Lease, Position, ReadyStep
from models.store import Store
from models.words import is_exercise
from streams.errors import StumbledError
from streams.metrics import BATCH_EVENTS, COMMIT_SECONDS, STEP_SECONDS
from streams.watchdog import HANGS, TICK_HANGS

log = logging.getLogger(__name__)

READ_AT_ONCE = 5000

TICK = "tick/"
"""What the id of a tick begins with; its ``seq`` follows."""

DESK_FAILED = "desk_failed"
"""Code of a dead letter: the desk has a defect, or the event has."""


class Decided(NamedTuple):
    """A batch that is decided and not written.

    Attributes
    ----------
    step
        None where the journal has all of it already.
    encoded
        The journal's new events.
    """

    batch: list[Event]
    step: ReadyStep | None
    encoded: list[bytes]
    began: float


class Since(NamedTuple):
    """What the journal has had since the last snapshot.

    Attributes
    ----------
    seq
        Of the snapshot; 0 where there is none.
    snapshot_bytes, journal_bytes
        Size of the snapshot, and of the events after it.
    """

    seq: int
    snapshot_bytes: int
    journal_bytes: int


class Seat:
    """One jurisdiction that this process writes.

    Parameters
    ----------
    lease
        As it was claimed.
    given_up
        Ids of events that a desk failed on, or hung on.
    hung_ticks
        At which ``seq`` each tick was to be that a desk hung on.
    since
        The last snapshot, and what came after.
    snapshot_every
        Journal events from one snapshot to the next, at least. The more is open in a city the
        larger its snapshot is: there are also as many bytes of journal between two as one has, so
        that snapshots cost no more than the journal does.
    """

    def __init__(
        self,
        store: Store,
        lease: Lease,
        desk: Desk,
        clock: JurisdictionClock,
        given_up: frozenset[str],
        hung_ticks: tuple[int, ...],
        since: Since,
        snapshot_every: int,
    ) -> None:
        self.lease = lease
        self.desk = desk
        self.clock = clock
        self.changed = asyncio.Event()
        self.ticking: asyncio.Task[None] | None = None
        self.in_hand: Event | None = None
        """What is decided on now; read by the watchdog's thread."""
        self.due = desk.next_due()
        """When the desk wants to be told the time; as of what was decided last."""
        self._store = store
        self._given_up = given_up
        self._hung_ticks = hung_ticks
        self._snapshot_every = snapshot_every
        self._since = since
        self._unwritten: set[str] = set()

    @property
    def situation(self) -> Situation:
        """As it stands after what was decided last."""
        return self.desk.situation

    def decide(self, batch: list[Event], position: Position | None) -> Decided:
        """Decide on a batch, in order; what came before is left out.

        Raises
        ------
        StoreError
            The database can't be asked; nothing has changed.
        StumbledError
            The desk fails on one of them: the situation may be half changed.
        """
        situation = self.situation
        # Looked at first: what is written meanwhile the database knows.
        known = set(self._unwritten)
        known |= self._store.known(situation.jurisdiction, [event.id for event in batch])
        made: list[Event] = []
        encoded: list[bytes] = []
        BATCH_EVENTS.observe(len(batch))
        began = time.perf_counter()
        try:
            for event in batch:
                if event.id in known or self._is_given_up(event):
                    continue
                known.add(event.id)
                self.in_hand = event
                try:
                    decided = self.desk.step(event)
                    encoded.extend(map(encode, decided))
                    made.extend(decided)
                except Exception as error:
                    raise StumbledError(event) from error
        finally:
            self.in_hand = None
        self.due = self.desk.next_due()
        STEP_SECONDS.observe(time.perf_counter() - began)
        for event in made:
            if isinstance(event.data, ev.PlanAdopted):
                for problem in event.data.problems:
                    log.warning("playbooks on %s: %s", event.data.incident, problem)
        if not made:
            return Decided(batch, None, [], began)
        finished = [event.id for event in batch]
        snapshot = self._snapshot_if_due(encoded)
        step = self._store.ready_step(
            self.lease,
            made,
            encoded,
            entities=_entities(situation, self.desk.take_touched()),
            finished=finished,
            snapshot=snapshot,
            position=position,
            wall=datetime.now(UTC),
        )
        self.lease = step.after
        self._unwritten.update(finished)
        return Decided(batch, step, encoded, began)

    def tick(self, now: datetime) -> Event:
        """Return the event that tells the desk the time; once nothing is in flight.

        Then its ``seq`` is its own, and its time not before the last.
        """
        situation = self.situation
        hung = sum(seq > situation.ticked for seq in self._hung_ticks)
        return Event(
            # Of its own each time: letters of one name are one letter, and count once.
            id=f"{TICK}{situation.seq + 1}" + (f"/{hung}" if hung else ""),
            source=f"/clock/{situation.jurisdiction}",
            time=max(now, situation.now or now),
            jurisdiction=situation.jurisdiction,
            exercise=situation.exercise,
            data=ev.ClockTicked(hung=hung),
        )

    def write(self, decided: Decided) -> list[bytes]:
        """Have the journal take what was decided; batches in their order, one after another.

        Returns
        -------
        list of bytes
            The journal's new events.

        Raises
        ------
        FencedError
            Somebody else claimed the jurisdiction; nothing was written.
        StoreError
            The database can't be written; whether it was is not known.
        """
        batch, step = decided.batch, decided.step
        began = time.perf_counter()
        if step is None:
            self._store.finish(
                self.situation.jurisdiction, [event.id for event in batch], datetime.now(UTC)
            )
            return []
        self._store.write_step(step)
        self._unwritten.difference_update(step.finished)
        committed = time.perf_counter()
        COMMIT_SECONDS.observe(committed - began)
        if tracing.is_on():
            took = committed - decided.began
            for event in batch:
                tracing.note("decide", event.traceparent, took, together=len(batch))
        return decided.encoded

    def _snapshot_if_due(self, encoded: list[bytes]) -> bytes | None:
        """Return the situation when the journal, with what was just decided, has enough behind."""
        since, seq = self._since, self.situation.seq
        grown = since.journal_bytes + sum(map(len, encoded))
        if seq - since.seq < self._snapshot_every or grown < since.snapshot_bytes:
            self._since = since._replace(journal_bytes=grown)
            return None
        snapshot = dump(self.situation)
        self._since = Since(seq, len(snapshot), 0)
        return snapshot

    def _is_given_up(self, event: Event) -> bool:
        """Whether a dead letter holds this; one that somebody replayed doesn't.

        It was on its way here more than once. A tick comes again: see :meth:`tick`.
        """
        if event.id not in self._given_up or isinstance(event.data, ev.ClockTicked):
            return False
        self._given_up = read_given_up(self._store, event.jurisdiction)
        return event.id in self._given_up


def read_hung_ticks(store: Store, jurisdiction: str) -> tuple[int, ...]:
    """Return at which ``seq`` each tick was to be that a desk hung on."""
    names = store.dead_letter_ids(jurisdiction, codes=(TICK_HANGS,))
    return tuple(int(name.removeprefix(TICK).split("/")[0]) for name in names)


def read_given_up(store: Store, jurisdiction: str) -> frozenset[str]:
    """Return the ids of events that a desk failed on, or hung on, and that nobody replayed."""
    return store.dead_letter_ids(jurisdiction, codes=(DESK_FAILED, HANGS))


def read_situation(store: Store, jurisdiction: str) -> Situation:
    """Return the situation of a jurisdiction: its latest snapshot and the journal since."""
    return read_journal(store, jurisdiction)[0]


def read_journal(store: Store, jurisdiction: str) -> tuple[Situation, Since]:
    """Return the situation of a jurisdiction, and what of it no snapshot has."""
    snapshot = store.latest_snapshot(jurisdiction)
    if snapshot is None:
        situation = Situation(jurisdiction=jurisdiction, exercise=is_exercise(jurisdiction))
    else:
        situation = load(snapshot)
    since = Since(situation.seq, len(snapshot or b""), 0)
    while tail := store.read(jurisdiction, situation.seq, READ_AT_ONCE):
        for raw in tail:
            apply(situation, ev.decode(raw))
        since = since._replace(journal_bytes=since.journal_bytes + sum(map(len, tail)))
    return situation, since


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
