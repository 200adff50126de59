"""Dead letters: what could not be handled, kept with its reason until somebody has seen it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Engine, bindparam, func, select, text, update

from models.database import transaction
from models.inbox import finish_rows
from models.tables import DeadLetterRecord

_dead = DeadLetterRecord.__table__  # type: ignore[attr-defined]

_ADD = text(
    "INSERT INTO dead_letter (digest, at, topic, key, body, code, reason, jurisdiction, exercise,"
    " event_id, stage, acknowledged_by) VALUES (:digest, :at, :topic, :key, :body, :code, :reason,"
    " :jurisdiction, :exercise, :event_id, :stage, '') ON CONFLICT DO NOTHING"
).bindparams(bindparam("at", type_=_dead.c.at.type))


class DeadLetterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter.

    Attributes
    ----------
    topic, key, body
        The record as it came.
    code, reason
        For screens, and in words.
    stage
        Which part gave it up: classify, sense or desk.
    jurisdiction, event_id
        As far as they could be read; empty otherwise.
    id, acknowledged_by, acknowledged_at
        Set by the database.
    """

    at: datetime
    topic: str
    key: str
    body: bytes
    code: str
    reason: str
    stage: str
    jurisdiction: str = ""
    exercise: bool = False
    event_id: str = ""
    id: int = 0
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None


class DeadLetters:
    """The dead letters' part of the store."""

    _engine: Engine

    def add_dead_letters(self, letters: Sequence[DeadLetterRow]) -> None:
        """Keep letters and finish their inbox rows, in one transaction.

        The same record given up again is the same letter. Text that a database can't keep
        (NUL, half a surrogate pair) is kept with a replacement sign: what can't be stored must
        end here, so here nothing may be refused. ``body`` stays as it came.
        """
        if not letters:
            return
        with transaction(self._engine, writes=True) as connection:
            connection.execute(
                _ADD,
                [
                    {
                        **{
                            name: _storable(value) if isinstance(value, str) else value
                            for name, value in msgspec.structs.asdict(letter).items()
                            if name not in ("id", "acknowledged_by", "acknowledged_at")
                        },
                        "digest": _digest(letter),
                    }
                    for letter in letters
                ],
            )
            for letter in letters:
                if letter.event_id:
                    finish_rows(
                        connection,
                        _storable(letter.jurisdiction),
                        [_storable(letter.event_id)],
                        letter.at,
                    )

    def dead_letter_ids(self, jurisdiction: str, *, code: str) -> frozenset[str]:
        """Return the ids of events that were given up for a reason."""
        query = select(_dead.c.event_id).where(
            _dead.c.jurisdiction == jurisdiction, _dead.c.code == code
        )
        with transaction(self._engine, writes=False) as connection:
            return frozenset(connection.execute(query).scalars())

    def dead_letters(
        self, *, limit: int = 100, before: int | None = None, jurisdiction: str | None = None
    ) -> list[DeadLetterRow]:
        """Return letters, newest first; ``before`` is the id to go on from."""
        query = select(_dead).order_by(_dead.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(_dead.c.id < before)
        if jurisdiction is not None:
            query = query.where(_dead.c.jurisdiction == jurisdiction)
        with transaction(self._engine, writes=False) as connection:
            return [
                DeadLetterRow(
                    at=row.at,
                    topic=row.topic,
                    key=row.key,
                    body=bytes(row.body),
                    code=row.code,
                    reason=row.reason,
                    stage=row.stage,
                    jurisdiction=row.jurisdiction,
                    exercise=bool(row.exercise),
                    event_id=row.event_id,
                    id=row.id,
                    acknowledged_by=row.acknowledged_by,
                    acknowledged_at=row.acknowledged_at,
                )
                for row in connection.execute(query)
            ]

    def count_dead_letters(self, *, unseen: bool = False, jurisdiction: str | None = None) -> int:
        """Return how many letters there are, or how many nobody has seen."""
        query = select(func.count()).select_from(_dead)
        if unseen:
            query = query.where(_dead.c.acknowledged_at.is_(None))
        if jurisdiction is not None:
            query = query.where(_dead.c.jurisdiction == jurisdiction)
        with transaction(self._engine, writes=False) as connection:
            return int(connection.execute(query).scalar_one())

    def acknowledge_dead_letter(self, letter: int, *, by: str, at: datetime) -> bool:
        """Note that a person has seen a letter; False when there is none, or it was seen."""
        with transaction(self._engine, writes=True) as connection:
            changed = connection.execute(
                update(_dead)
                .where(_dead.c.id == letter, _dead.c.acknowledged_at.is_(None))
                .values(acknowledged_by=by, acknowledged_at=at)
            )
            return changed.rowcount == 1


def _storable(value: str) -> str:
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _digest(letter: DeadLetterRow) -> str:
    parts = (
        _storable(letter.stage).encode(),
        _storable(letter.topic).encode(),
        letter.body,
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
