"""Dead letters: what could not be handled, kept with its reason until somebody has seen it.

A letter whose cause is mended is replayed: its event goes through the inbox again, from the start,
so that it is decided once as any other. When it fails again, the letter is open again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Engine, bindparam, func, select, text, update

from models.database import transaction
from models.inbox import InboxRow, finish_rows, put_again
from models.tables import DeadLetterRecord

_dead = DeadLetterRecord.__table__  # type: ignore[attr-defined]

BODY_MAX = 1_000_000
"""Bytes of a record that are kept."""

UNREADABLE, WRONG_SIDE, NOT_A_REPORT = "unreadable", "wrong_side", "not_a_report"
FAILED = "failed"
_STRANGERS = frozenset({UNREADABLE, WRONG_SIDE, NOT_A_REPORT, FAILED})
"""Codes of what anybody may have written: that it names an event doesn't make it that event."""

_SET_HERE = ("id", "acknowledged_by", "acknowledged_at", "replayed_at")

_ADD = text(
    "INSERT INTO dead_letter (digest, at, topic, key, body, code, reason, jurisdiction, exercise,"
    " event_id, stage, acknowledged_by) VALUES (:digest, :at, :topic, :key, :body, :code, :reason,"
    " :jurisdiction, :exercise, :event_id, :stage, '') ON CONFLICT (digest) DO UPDATE SET"
    " at = excluded.at, code = excluded.code, reason = excluded.reason, acknowledged_by = '',"
    " acknowledged_at = NULL, replayed_at = NULL WHERE dead_letter.replayed_at IS NOT NULL"
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
    id, acknowledged_by, acknowledged_at, replayed_at
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
    replayed_at: datetime | None = None


class DeadLetters:
    """The dead letters' part of the store."""

    _engine: Engine

    def add_dead_letters(self, letters: Sequence[DeadLetterRow]) -> None:
        """Keep letters and finish their inbox rows, in one transaction.

        A letter for what could not be read, or did not belong where it was, finishes a row only if
        its body is the row's. A body is kept up to :data:`BODY_MAX` bytes.

        The same record given up again is the same letter, and open again if it was replayed.
        Text that a database can't keep (NUL, half a surrogate pair) is kept with a replacement
        sign: what can't be stored must end here, so here nothing may be refused. ``body`` stays
        as it came.
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
                            if name not in _SET_HERE
                        },
                        "body": letter.body[:BODY_MAX],
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
                        body=letter.body if letter.code in _STRANGERS else None,
                    )

    def dead_letter_ids(self, jurisdiction: str, *, codes: Collection[str]) -> frozenset[str]:
        """Return the ids of events that were given up for these reasons, not replayed since."""
        query = select(_dead.c.event_id).where(
            _dead.c.jurisdiction == jurisdiction,
            _dead.c.code.in_(codes),
            _dead.c.replayed_at.is_(None),
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
            return [_letter(row) for row in connection.execute(query)]

    def dead_letter(self, letter: int) -> DeadLetterRow | None:
        """Return one letter, or None when there is none of that id."""
        with transaction(self._engine, writes=False) as connection:
            row = connection.execute(select(_dead).where(_dead.c.id == letter)).one_or_none()
        return None if row is None else _letter(row)

    def replay_dead_letter(self, letter: int, row: InboxRow, *, by: str, at: datetime) -> None:
        """Put a letter's event into the inbox again, unfinished, and note that, as one.

        Parameters
        ----------
        row
            What goes into the inbox if it has nothing of that id; else what it has goes again.
        """
        with transaction(self._engine, writes=True) as connection:
            put_again(connection, row)
            seen = select(_dead.c.acknowledged_at).where(_dead.c.id == letter)
            values: dict[str, object] = {"replayed_at": at}
            if connection.execute(seen).scalar() is None:
                values |= {"acknowledged_by": by, "acknowledged_at": at}
            connection.execute(update(_dead).where(_dead.c.id == letter).values(values))

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


def _letter(row: Any) -> DeadLetterRow:
    return DeadLetterRow(
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
        replayed_at=row.replayed_at,
    )


def _storable(value: str) -> str:
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _digest(letter: DeadLetterRow) -> str:
    parts = (
        _storable(letter.stage).encode(),
        _storable(letter.topic).encode(),
        letter.body[:BODY_MAX],
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
