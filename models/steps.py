"""What a desk's step writes, made ready for its transaction.

For: doing what takes the interpreter (encoding, hashing, values as the driver wants them) on the
desk's thread, as things stand after the step, so that the next step can be decided while this one
is written. Not for: writing; that is :mod:`models.journal`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter

import msgspec
from sqlmodel import SQLModel

from models.brief import brief
from models.bulk import BulkInsert, Statement
from models.errors import JournalBrokenError
from models.events import Event
from models.situation import Assignment, Incident, Task, Unit
from models.tables import (
    AssignmentRecord,
    IncidentRecord,
    JournalRecord,
    TaskRecord,
    UnitRecord,
)

_doc = msgspec.json.Encoder(order="deterministic").encode
Entity = Incident | Unit | Assignment | Task


class Lease(msgspec.Struct, frozen=True):
    """A writer's hold on a jurisdiction, at the head that it knows."""

    jurisdiction: str
    exercise: bool
    epoch: int
    seq: int
    head_hash: bytes


class Position(msgspec.Struct, frozen=True):
    """A record's place on a topic."""

    topic: str
    partition: int
    record_offset: int


class ReadyStep(msgspec.Struct, frozen=True):
    """One step, ready to be written.

    Attributes
    ----------
    lease
        What the transaction is fenced by.
    after
        The lease once it is written: the next step can be made ready before that.
    statements
        Rows of journal and entities.
    """

    lease: Lease
    after: Lease
    statements: list[Statement]
    wall: datetime
    finished: Sequence[str] = ()
    snapshot: bytes | None = None
    position: Position | None = None


class _Rows:
    """How entities of a kind are written: each column is an attribute, or what is behind it.

    Parameters
    ----------
    attributes
        Beside those that all kinds have.
    """

    def __init__(self, record: type[SQLModel], *attributes: str) -> None:
        own = ("id", "updated_seq", "state.value", *attributes)
        self._get = attrgetter(*own)
        self.insert = BulkInsert(
            record.__table__,  # type: ignore[attr-defined]
            ("jurisdiction", "exercise", "doc", *(name.removesuffix(".value") for name in own)),
            key=("jurisdiction", "id"),
        )

    def row(self, lease: Lease, entity: Entity) -> list[object]:
        """Return an entity as it stands."""
        return [lease.jurisdiction, lease.exercise, _doc(brief(entity)), *self._get(entity)]


_ROWS: dict[type[Entity], _Rows] = {
    Incident: _Rows(
        IncidentRecord, "number", "category", "priority", "grade.value", "lon", "lat", "cell",
        "opened_at", "closed_at",
    ),
    Unit: _Rows(UnitRecord, "kind", "lon", "lat", "incident"),
    Assignment: _Rows(AssignmentRecord, "incident", "unit"),
    Task: _Rows(TaskRecord, "incident", "role", "assignee", "due"),
}  # fmt: skip
_APPEND = BulkInsert(
    JournalRecord.__table__,  # type: ignore[attr-defined]
    (
        "jurisdiction", "seq", "event_id", "type", "cause", "incident", "time", "exercise",
        "body", "hash",
    ),
)  # fmt: skip


def make_ready(
    lease: Lease,
    events: Sequence[Event],
    bodies: Sequence[bytes],
    *,
    wall: datetime,
    entities: Iterable[Entity] = (),
    finished: Sequence[str] = (),
    snapshot: bytes | None = None,
    position: Position | None = None,
    is_sqlite: bool,
) -> ReadyStep:
    """Return what a step writes; parameters as :meth:`models.journal.Journal.ready_step` has them.

    Raises
    ------
    EventError
        A value can't be stored, now or later.
    JournalBrokenError
        The events don't run on from the lease.
    """
    rows, head = _chain(lease, events, bodies)
    statements = _APPEND.statements(rows, is_sqlite=is_sqlite)
    changed: dict[type[Entity], list[list[object]]] = {}
    for entity in entities:
        kind = type(entity)
        changed.setdefault(kind, []).append(_ROWS[kind].row(lease, entity))
    for kind, many in changed.items():
        statements += _ROWS[kind].insert.statements(many, is_sqlite=is_sqlite)
    return ReadyStep(
        lease=lease,
        after=msgspec.structs.replace(lease, seq=lease.seq + len(rows), head_hash=head),
        statements=statements,
        wall=wall,
        finished=finished,
        snapshot=snapshot,
        position=position,
    )


def _chain(
    lease: Lease, events: Sequence[Event], bodies: Sequence[bytes]
) -> tuple[list[list[object]], bytes]:
    rows: list[list[object]] = []
    head, seq, jurisdiction = lease.head_hash, lease.seq, lease.jurisdiction
    for event, body in zip(events, bodies, strict=True):
        seq += 1
        if event.seq != seq or event.jurisdiction != jurisdiction:
            raise JournalBrokenError(
                f"event {event.id} has seq {event.seq} of {event.jurisdiction}, "
                f"the next of {jurisdiction} is {seq}"
            )
        head = hashlib.sha256(head + body).digest()
        rows.append(
            [
                jurisdiction,
                seq,
                event.id,
                event.type,
                event.cause,
                event.subject or None,
                event.time,
                event.exercise,
                body,
                head,
            ]
        )
    return rows, head
