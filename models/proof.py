"""Proof that a journal holds, and handing it out to those who check it for themselves.

A journal is its archived months and then what the database has; both are read as one, and each
month can be proven alone, so that a proof need not grow with the age of the city.

A journal may be written while it is proven: what is checked is the journal up to its head at the
start; that nothing lies beyond the head is asked at the end, in one statement. Relies on
:mod:`models.journal` for how the chain is made.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, func, select

from models.archive import Archive, Segment, Tell
from models.database import transaction
from models.errors import EventError, JournalBrokenError, StoreError
from models.events import decode
from models.journal import GENESIS, Entry, Head
from models.tables import JournalRecord, JurisdictionRecord

_journal = JournalRecord.__table__  # type: ignore[attr-defined]
_jurisdiction = JurisdictionRecord.__table__  # type: ignore[attr-defined]

READ_AT_ONCE = 2000


class Proof(Archive):
    """The proof's part of the store."""

    _engine: Engine

    def entries(self, jurisdiction: str, *, through: int | None = None) -> Iterator[Entry]:
        """Yield a journal, archived months included, oldest first, in pieces that fit the memory.

        Parameters
        ----------
        through
            Last seq to yield; None: all there is, what is written meanwhile included.
        """
        after = 0
        for segment in self.segments(jurisdiction):
            if through is not None and segment.first_seq > through:
                return
            chain = segment.before_hash
            for body in self.read_segment(segment):
                chain = hashlib.sha256(chain + body).digest()
                if through is None or after < through:
                    after += 1
                    yield _entry(jurisdiction, after, body, chain)
        yield from self._live(jurisdiction, after, through)

    def _live(self, jurisdiction: str, after: int, through: int | None) -> Iterator[Entry]:
        query = select(_journal).where(_journal.c.jurisdiction == jurisdiction)
        if through is not None:
            query = query.where(_journal.c.seq <= through)
        while True:
            with transaction(self._engine, writes=False) as connection:
                rows = connection.execute(
                    query.where(_journal.c.seq > after).order_by(_journal.c.seq).limit(READ_AT_ONCE)
                ).all()
            for row in rows:
                yield Entry(
                    row.seq,
                    row.event_id,
                    row.type,
                    row.cause,
                    row.incident or "",
                    row.time,
                    bytes(row.body),
                    bytes(row.hash),
                    bool(row.exercise),
                )
            if len(rows) < READ_AT_ONCE:
                return
            after = rows[-1].seq

    def verify(
        self, jurisdiction: str, *, archived: bool = True, tell: Tell = lambda _: None
    ) -> Head:
        """Check numbering, chain and columns of a whole journal.

        Parameters
        ----------
        archived
            Read the archived months too; else only what the database has is read, from the hash
            that the last month ended with.
        tell
            Called with a sentence for each month that holds.

        Returns
        -------
        Head
            What was checked: everything up to its ``seq``.

        Raises
        ------
        JournalBrokenError
            Names the first event that doesn't hold, and what is wrong with it.
        StoreError
            There is no such journal, or the database can't be reached.
        """
        head = self._head_of(jurisdiction)
        chain, seq = GENESIS, 0
        for segment in self.segments(jurisdiction):
            if (segment.first_seq, segment.before_hash) != (seq + 1, chain):
                raise JournalBrokenError(
                    f"{jurisdiction}: {segment.file} doesn't follow on seq {seq}"
                )
            if archived:
                self.verify_segment(segment)
                tell(f"{segment.month} holds, up to seq {segment.last_seq}")
            chain, seq = segment.after_hash, segment.last_seq
        beyond = seq
        for entry in self._live(jurisdiction, seq, head.seq):
            if entry.seq != seq + 1:
                raise JournalBrokenError(f"{jurisdiction}: seq {seq + 1} is missing")
            seq = entry.seq
            chain = hashlib.sha256(chain + entry.body).digest()
            if chain != entry.hash:
                raise JournalBrokenError(f"{jurisdiction}: the chain breaks at seq {seq}")
            _check_columns(jurisdiction, entry)
        if seq != head.seq:
            raise JournalBrokenError(
                f"{jurisdiction}: the journal ends at seq {seq}, its head says {head.seq}"
            )
        if chain != head.head_hash:
            raise JournalBrokenError(f"{jurisdiction}: the head's hash is not that of seq {seq}")
        self._check_end(jurisdiction, beyond)
        return head

    def verify_segment(self, segment: Segment) -> None:
        """Check one archived month alone: its chain, and that each event says its own place.

        Raises
        ------
        JournalBrokenError
            It doesn't hold.
        """
        for seq, body in enumerate(self.read_segment(segment), segment.first_seq):
            entry = _entry(segment.jurisdiction, seq, body, b"")
            if entry.seq != seq:
                raise JournalBrokenError(
                    f"{segment.jurisdiction}: the event at seq {seq} says that it is {entry.seq}"
                )

    def export(self, jurisdiction: str, path: Path) -> Head:
        """Check a journal and write it as CloudEvents lines; replaces ``path`` at the end.

        Returns
        -------
        Head
            Its ``head_hash`` is what a chain over the file's lines must come to.
        """
        head = self.verify(jurisdiction)
        part = path.with_name(path.name + ".part")
        try:
            with part.open("wb") as file:
                for entry in self.entries(jurisdiction, through=head.seq):
                    file.write(entry.body + b"\n")
            part.replace(path)
        except OSError as error:
            raise StoreError(
                f"{path} can't be written ({error.strerror}): name a place that can be, with room"
            ) from error
        finally:
            with contextlib.suppress(OSError):  # where it can't be made it can't be removed
                part.unlink()
        return head

    def _head_of(self, jurisdiction: str) -> Head:
        with transaction(self._engine, writes=False) as connection:
            row = connection.execute(
                select(_jurisdiction).where(_jurisdiction.c.id == jurisdiction)
            ).first()
        if row is None:
            raise StoreError(f"there is no journal of {jurisdiction}")
        return Head(
            row.id,
            bool(row.exercise),
            row.epoch,
            row.seq,
            bytes(row.head_hash),
            row.last_commit_at,
        )

    def _check_end(self, jurisdiction: str, archived: int) -> None:
        # One statement: head and last row as one commit left them, whoever writes meanwhile.
        last_row = (
            select(func.max(_journal.c.seq))
            .where(_journal.c.jurisdiction == jurisdiction)
            .scalar_subquery()
        )
        with transaction(self._engine, writes=False) as connection:
            head_seq, last_seq = connection.execute(
                select(_jurisdiction.c.seq, last_row).where(_jurisdiction.c.id == jurisdiction)
            ).one()
        # What the database has may all be archived too.
        last_seq = max(last_seq or 0, archived)
        if last_seq != head_seq:
            raise JournalBrokenError(
                f"{jurisdiction}: the journal ends at seq {last_seq}, its head says {head_seq}"
            )


def _entry(jurisdiction: str, seq: int, body: bytes, chain: bytes) -> Entry:
    try:
        event = decode(body)
    except EventError as error:
        raise JournalBrokenError(f"{jurisdiction}: seq {seq} can't be read: {error}") from error
    return Entry(
        event.seq or 0,
        event.id,
        event.type,
        event.cause,
        event.subject,
        event.time,
        body,
        chain,
        event.exercise,
    )


def _check_columns(jurisdiction: str, entry: Entry) -> None:
    try:
        event = decode(entry.body)
    except EventError as error:
        raise JournalBrokenError(
            f"{jurisdiction}: seq {entry.seq} can't be read: {error}"
        ) from error
    columns = (
        jurisdiction, entry.seq, entry.event_id, entry.type, entry.cause, entry.incident,
        entry.time, entry.exercise,
    )  # fmt: skip
    told = (
        event.jurisdiction, event.seq, event.id, event.type, event.cause, event.subject,
        event.time, event.exercise,
    )  # fmt: skip
    if columns != told:
        raise JournalBrokenError(f"{jurisdiction}: columns of seq {entry.seq} don't fit its body")
