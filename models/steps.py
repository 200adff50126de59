"""What a desk's step writes, made ready for its transaction.

For: doing what takes the interpreter (encoding, hashing, values as the driver wants them) on the
desk's thread, as things stand after the step, so that the next step can be decided while this one
is written. Not for: writing; that is :mod:`models.journal`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

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


_KEY = ("jurisdiction", "id")
_UPSERTS: dict[type[Entity], BulkInsert] = {
    Incident: BulkInsert(IncidentRecord.__table__, key=_KEY),  # type: ignore[attr-defined]
    Unit: BulkInsert(UnitRecord.__table__, key=_KEY),  # type: ignore[attr-defined]
    Assignment: BulkInsert(AssignmentRecord.__table__, key=_KEY),  # type: ignore[attr-defined]
    Task: BulkInsert(TaskRecord.__table__, key=_KEY),  # type: ignore[attr-defined]
}
_APPEND = BulkInsert(JournalRecord.__table__)  # type: ignore[attr-defined]


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
    for kind, many in _entity_rows(lease, entities).items():
        statements += _UPSERTS[kind].statements(many, is_sqlite=is_sqlite)
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
) -> tuple[list[Mapping[str, object]], bytes]:
    rows: list[Mapping[str, object]] = []
    head, seq = lease.head_hash, lease.seq
    for event, body in zip(events, bodies, strict=True):
        seq += 1
        if event.seq != seq or event.jurisdiction != lease.jurisdiction:
            raise JournalBrokenError(
                f"event {event.id} has seq {event.seq} of {event.jurisdiction}, "
                f"the next of {lease.jurisdiction} is {seq}"
            )
        head = hashlib.sha256(head + body).digest()
        rows.append(
            {
                "jurisdiction": event.jurisdiction,
                "seq": seq,
                "event_id": event.id,
                "type": event.type,
                "cause": event.cause,
                "incident": event.subject or None,
                "time": event.time,
                "exercise": event.exercise,
                "body": body,
                "hash": head,
            }
        )
    return rows, head


def _entity_rows(
    lease: Lease, entities: Iterable[Entity]
) -> dict[type[Entity], list[Mapping[str, object]]]:
    rows: dict[type[Entity], list[Mapping[str, object]]] = {}
    for entity in entities:
        row: dict[str, object] = {
            "jurisdiction": lease.jurisdiction,
            "id": entity.id,
            "exercise": lease.exercise,
            "updated_seq": entity.updated_seq,
            "doc": _doc(entity),
            "state": entity.state.value,
        }
        if isinstance(entity, Incident):
            row |= {
                "number": entity.number,
                "category": entity.category,
                "priority": entity.priority,
                "grade": entity.grade.value,
                "lon": entity.lon,
                "lat": entity.lat,
                "cell": entity.cell,
                "opened_at": entity.opened_at,
                "closed_at": entity.closed_at,
            }
        elif isinstance(entity, Unit):
            row |= {
                "kind": entity.kind,
                "lon": entity.lon,
                "lat": entity.lat,
                "incident": entity.incident,
            }
        elif isinstance(entity, Assignment):
            row |= {"incident": entity.incident, "unit": entity.unit}
        else:
            row |= {
                "incident": entity.incident,
                "role": entity.role,
                "assignee": entity.assignee,
                "due": entity.due,
            }
        rows.setdefault(type(entity), []).append(row)
    return rows
