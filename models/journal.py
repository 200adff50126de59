"""The journal: append-only, gapless, chained, one writer for each jurisdiction.

A writer claims a jurisdiction and holds a :class:`Lease`; each step is one transaction that moves
the head from the lease's seq to the next, and fails with
:class:`~models.errors.FencedError` when somebody else claimed meanwhile. The hash of an event is
``sha256(hash before + body)``, the first before being 32 zero bytes. Not for: proving that a
journal holds, which is :mod:`models.proof`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import (
    Connection,
    Engine,
    bindparam,
    insert,
    select,
    text,
    update,
)

from models.database import single_read, transaction
from models.errors import FencedError
from models.events import Event
from models.inbox import IDS_AT_ONCE, finish_rows
from models.steps import Entity, Lease, Position, ReadyStep, make_ready
from models.tables import (
    IncidentRecord,
    JournalRecord,
    JurisdictionRecord,
    SnapshotRecord,
)

_journal = JournalRecord.__table__  # type: ignore[attr-defined]
_jurisdiction = JurisdictionRecord.__table__  # type: ignore[attr-defined]
_snapshot = SnapshotRecord.__table__  # type: ignore[attr-defined]
_incident = IncidentRecord.__table__  # type: ignore[attr-defined]

GENESIS = bytes(32)
"""What stands before the first event of a chain."""

SNAPSHOTS_KEPT = 3


class Entry(msgspec.Struct, frozen=True):
    """A journal event as it stands in the table."""

    seq: int
    event_id: str
    type: str
    cause: str
    incident: str
    time: datetime
    body: bytes
    hash: bytes
    exercise: bool = False


class Head(msgspec.Struct, frozen=True):
    """Where a journal stands."""

    jurisdiction: str
    exercise: bool
    epoch: int
    seq: int
    head_hash: bytes
    last_commit_at: datetime | None


_POSITION = text(
    "INSERT INTO position (jurisdiction, topic, partition, record_offset)"
    " VALUES (:jurisdiction, :topic, :partition, :record_offset)"
    " ON CONFLICT (jurisdiction, topic, partition)"
    " DO UPDATE SET record_offset = excluded.record_offset"
)


# Built once: on the way of every event, and building costs more than running.
_MOVE_HEAD = (
    update(_jurisdiction)
    .where(
        _jurisdiction.c.id == bindparam("of"),
        _jurisdiction.c.epoch == bindparam("held_epoch"),
        _jurisdiction.c.seq == bindparam("held_seq"),
    )
    .values(seq=bindparam("to_seq"), head_hash=bindparam("to_hash"), last_commit_at=bindparam("at"))
)
_KNOWN = select(_journal.c.event_id).where(
    _journal.c.jurisdiction == bindparam("of"),
    _journal.c.event_id.in_(bindparam("ids", expanding=True)),
)


class Journal:
    """The journal's part of the store."""

    _engine: Engine

    # ── writing ───────────────────────────────────────────────────────────────────────────────

    def claim(self, jurisdiction: str, *, exercise: bool, at: datetime) -> Lease:
        """Become the writer of a jurisdiction; every earlier lease is void from now on."""
        with transaction(self._engine, writes=True) as connection:
            connection.execute(
                text(
                    "INSERT INTO jurisdiction (id, exercise, epoch, seq, head_hash, opened_at)"
                    " VALUES (:id, :exercise, 0, 0, :genesis, :at) ON CONFLICT DO NOTHING"
                ).bindparams(bindparam("at", type_=_jurisdiction.c.opened_at.type)),
                {"id": jurisdiction, "exercise": exercise, "genesis": GENESIS, "at": at},
            )
            connection.execute(
                update(_jurisdiction)
                .where(_jurisdiction.c.id == jurisdiction)
                .values(epoch=_jurisdiction.c.epoch + 1)
            )
            row = connection.execute(
                select(_jurisdiction).where(_jurisdiction.c.id == jurisdiction)
            ).one()
        return Lease(jurisdiction, bool(row.exercise), row.epoch, row.seq, bytes(row.head_hash))

    def renew(self, lease: Lease) -> Lease:
        """Return a lease as its journal stands now; for who lost the situation, not the claim.

        Raises
        ------
        FencedError
            Somebody else claimed the jurisdiction.
        """
        head = self.head(lease.jurisdiction)
        if head is None or head.epoch != lease.epoch:
            raise _fenced(lease)
        return Lease(head.jurisdiction, head.exercise, head.epoch, head.seq, head.head_hash)

    def commit_step(
        self,
        lease: Lease,
        events: Sequence[Event],
        bodies: Sequence[bytes],
        *,
        wall: datetime,
        entities: Iterable[Entity] = (),
        finished: Sequence[str] = (),
        snapshot: bytes | None = None,
        position: Position | None = None,
    ) -> Lease:
        """Make a step ready and write it; parameters of the first, errors of both."""
        return self.write_step(
            self.ready_step(
                lease,
                events,
                bodies,
                wall=wall,
                entities=entities,
                finished=finished,
                snapshot=snapshot,
                position=position,
            )
        )

    def ready_step(
        self,
        lease: Lease,
        events: Sequence[Event],
        bodies: Sequence[bytes],
        *,
        wall: datetime,
        entities: Iterable[Entity] = (),
        finished: Sequence[str] = (),
        snapshot: bytes | None = None,
        position: Position | None = None,
    ) -> ReadyStep:
        """Return what a step writes, for this database; nothing is written yet.

        Parameters
        ----------
        lease
            As the claim or the last commit returned it.
        events, bodies
            The step's events, ``seq`` running on from the lease's, and their encodings.
        entities
            What the events touched, as it stands now.
        finished
            Ids of inbox rows that the journal now has.
        snapshot
            The situation after the last event, if one is due.
        position
            The record that the events came with; for people who ask how far a desk is, for it is
            the events' ids that decide what was applied.

        Raises
        ------
        EventError
            A value can't be stored, now or later.
        JournalBrokenError
            The events don't run on from the lease.
        """
        return make_ready(
            lease,
            events,
            bodies,
            wall=wall,
            entities=entities,
            finished=finished,
            snapshot=snapshot,
            position=position,
            is_sqlite=self._engine.dialect.name == "sqlite",
        )

    def write_step(self, step: ReadyStep) -> Lease:
        """Write a step in one transaction fenced by its lease.

        Returns
        -------
        Lease
            For the next one.

        Raises
        ------
        FencedError
            Somebody else claimed the jurisdiction; nothing was written.
        """
        lease, after = step.lease, step.after
        with transaction(self._engine, writes=True) as connection:
            moved = connection.execute(
                _MOVE_HEAD,
                {
                    "of": lease.jurisdiction,
                    "held_epoch": lease.epoch,
                    "held_seq": lease.seq,
                    "to_seq": after.seq,
                    "to_hash": after.head_hash,
                    "at": step.wall,
                },
            )
            if moved.rowcount != 1:
                raise _fenced(lease)
            for statement, values in step.statements:
                connection.exec_driver_sql(statement, values)
            finish_rows(connection, lease.jurisdiction, step.finished, step.wall)
            if step.snapshot is not None:
                _write_snapshot(connection, lease.jurisdiction, after.seq, step.snapshot, step.wall)
            if step.position is not None:
                connection.execute(
                    _POSITION,
                    {"jurisdiction": lease.jurisdiction, **msgspec.structs.asdict(step.position)},
                )
        return after

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def known(self, jurisdiction: str, event_ids: Sequence[str]) -> set[str]:
        """Return those of the ids that the journal has already."""
        found: set[str] = set()
        for start in range(0, len(event_ids), IDS_AT_ONCE):
            part = {"of": jurisdiction, "ids": event_ids[start : start + IDS_AT_ONCE]}
            with single_read(self._engine) as connection:
                found.update(connection.execute(_KNOWN, part).scalars().all())
        return found

    def read(self, jurisdiction: str, after_seq: int, limit: int) -> list[bytes]:
        """Return encoded events after a seq, in order."""
        with transaction(self._engine, writes=False) as connection:
            return [
                bytes(body)
                for body in connection.execute(
                    select(_journal.c.body)
                    .where(_journal.c.jurisdiction == jurisdiction, _journal.c.seq > after_seq)
                    .order_by(_journal.c.seq)
                    .limit(limit)
                ).scalars()
            ]

    def incident_log(self, jurisdiction: str, incident: str, limit: int = 500) -> list[bytes]:
        """Return encoded events of one incident, oldest first."""
        with transaction(self._engine, writes=False) as connection:
            return [
                bytes(body)
                for body in connection.execute(
                    select(_journal.c.body)
                    .where(_journal.c.jurisdiction == jurisdiction, _journal.c.incident == incident)
                    .order_by(_journal.c.seq)
                    .limit(limit)
                ).scalars()
            ]

    def find_event(self, jurisdiction: str, event_id: str) -> bytes | None:
        """Return one encoded event by its id."""
        with transaction(self._engine, writes=False) as connection:
            body = connection.execute(
                select(_journal.c.body).where(
                    _journal.c.jurisdiction == jurisdiction, _journal.c.event_id == event_id
                )
            ).scalar()
        return None if body is None else bytes(body)

    def heads(self) -> list[Head]:
        """Return where every journal stands, sorted by jurisdiction."""
        with transaction(self._engine, writes=False) as connection:
            rows = connection.execute(select(_jurisdiction).order_by(_jurisdiction.c.id)).all()
        return [
            Head(r.id, bool(r.exercise), r.epoch, r.seq, bytes(r.head_hash), r.last_commit_at)
            for r in rows
        ]

    def head(self, jurisdiction: str) -> Head | None:
        """Return where a journal stands, or None for one that was never opened."""
        return next((head for head in self.heads() if head.jurisdiction == jurisdiction), None)

    def latest_snapshot(self, jurisdiction: str) -> bytes | None:
        """Return the newest snapshot of a situation."""
        with transaction(self._engine, writes=False) as connection:
            body = connection.execute(
                select(_snapshot.c.body)
                .where(_snapshot.c.jurisdiction == jurisdiction)
                .order_by(_snapshot.c.seq.desc())
                .limit(1)
            ).scalar()
        return None if body is None else bytes(body)

    def find_incidents(
        self,
        jurisdiction: str,
        *,
        states: Sequence[str] = (),
        category: str = "",
        words: str = "",
        opened_before: datetime | None = None,
        before_id: str = "",
        limit: int = 100,
    ) -> list[bytes]:
        """Return incidents as JSON, newest first.

        Parameters
        ----------
        category
            Matches its branches too.
        words
            Part of the incident's number.
        opened_before, before_id
            Where the last page ended. Incidents of one instant are told apart by id: with the
            time alone those that the page's end cut off would be left out.
        """
        query = select(_incident.c.doc).where(_incident.c.jurisdiction == jurisdiction)
        if states:
            query = query.where(_incident.c.state.in_(states))
        if category:
            query = query.where(
                (_incident.c.category == category)
                | _incident.c.category.startswith(category + ".", autoescape=True)
            )
        if words:
            query = query.where(_incident.c.number.contains(words, autoescape=True))
        if opened_before is not None:
            earlier = _incident.c.opened_at < opened_before
            same = (_incident.c.opened_at == opened_before) & (_incident.c.id < before_id)
            query = query.where(earlier | same if before_id else earlier)
        query = query.order_by(_incident.c.opened_at.desc(), _incident.c.id.desc()).limit(limit)
        with transaction(self._engine, writes=False) as connection:
            return [bytes(doc) for doc in connection.execute(query).scalars()]

    def incident_doc(self, jurisdiction: str, incident: str) -> bytes | None:
        """Return one incident as JSON."""
        with transaction(self._engine, writes=False) as connection:
            doc = connection.execute(
                select(_incident.c.doc).where(
                    _incident.c.jurisdiction == jurisdiction, _incident.c.id == incident
                )
            ).scalar()
        return None if doc is None else bytes(doc)


def _fenced(lease: Lease) -> FencedError:
    return FencedError(
        f"epoch {lease.epoch} of {lease.jurisdiction} is over: another desk claimed it"
    )


def _write_snapshot(
    connection: Connection, jurisdiction: str, seq: int, body: bytes, at: datetime
) -> None:
    connection.execute(
        insert(_snapshot), {"jurisdiction": jurisdiction, "seq": seq, "at": at, "body": body}
    )
    old = connection.execute(
        select(_snapshot.c.seq)
        .where(_snapshot.c.jurisdiction == jurisdiction)
        .order_by(_snapshot.c.seq.desc())
        .offset(SNAPSHOTS_KEPT)
    ).scalars()
    for gone in old.all():
        connection.execute(
            _snapshot.delete().where(
                _snapshot.c.jurisdiction == jurisdiction, _snapshot.c.seq == gone
            )
        )
