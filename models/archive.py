"""Months of a journal in files, so that the database doesn't grow with the age of the city.

A segment is one month (UTC) of one journal as gzipped CloudEvents lines: what ``zcat`` gives is
what an export has there. It is written whole, read back and proven before its rows leave the
database, in small transactions; ended half-way, the next run ends it. Events of incidents that are
still open stay in the database as well, so that their log is whole on the screen.

Not for deciding when: that is the command's. Relies on :mod:`models.journal` for the chain.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import Engine, delete, func, insert, select

from models.database import transaction
from models.errors import JournalBrokenError, StoreError
from models.journal import GENESIS
from models.tables import IncidentRecord, JournalRecord, SegmentRecord, SnapshotRecord

_incident = IncidentRecord.__table__  # type: ignore[attr-defined]
_journal = JournalRecord.__table__  # type: ignore[attr-defined]
_segment = SegmentRecord.__table__  # type: ignore[attr-defined]
_snapshot = SnapshotRecord.__table__  # type: ignore[attr-defined]

READ_AT_ONCE = 2000
DELETE_AT_ONCE = 5000
COMPRESSION = 6

Tell = Callable[[str], None]


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One month of one journal in a file.

    Attributes
    ----------
    first_seq, last_seq
        What it holds, both included.
    month
        ``YYYY-MM`` of its first event.
    file
        Name below the archive's folder.
    size
        Of the file, in bytes.
    before_hash, after_hash
        The chain's value before its first event and after its last.
    """

    jurisdiction: str
    first_seq: int
    last_seq: int
    month: str
    file: str
    size: int
    before_hash: bytes
    after_hash: bytes
    archived_at: datetime


class Archive:
    """The archive's part of the store."""

    _engine: Engine
    archive: Path
    """Folder of the segments."""

    def segments(self, jurisdiction: str) -> list[Segment]:
        """Return a journal's segments, oldest first."""
        with transaction(self._engine, writes=False) as connection:
            rows = connection.execute(
                select(_segment)
                .where(_segment.c.jurisdiction == jurisdiction)
                .order_by(_segment.c.first_seq)
            ).all()
        return [Segment(**row._mapping) for row in rows]

    def archive_before(
        self, jurisdiction: str, until: datetime, at: datetime, tell: Tell = lambda _: None
    ) -> list[Segment]:
        """Move the months that ended before a time into files; return the new segments.

        What no snapshot covers stays, for a desk begins from its snapshot.

        Parameters
        ----------
        until
            The first instant of a month.
        at
            Now, for the record.
        tell
            Called with a sentence for each segment.

        Raises
        ------
        JournalBrokenError
            The chain doesn't hold, or a file that was written doesn't read back; no row was
            removed for it.
        StoreError
            The folder can't be written, or the database can't be reached.
        """
        made: list[Segment] = []
        while (segment := self._next(jurisdiction, until, at)) is not None:
            tell(f"{segment.month}: {segment.last_seq - segment.first_seq + 1} events written")
            with transaction(self._engine, writes=True) as connection:
                connection.execute(insert(_segment), msgspec.structs.asdict(segment))
            made.append(segment)
        removed = self._remove_archived(jurisdiction)
        tell(f"{removed} rows left the database")
        return made

    def read_segment(self, segment: Segment) -> Iterator[bytes]:
        """Yield the events of a segment, proven up to each of them.

        Raises
        ------
        JournalBrokenError
            The file is missing, damaged or another; says how to mend it.
        """
        where = f"{segment.jurisdiction}: {self.archive / segment.file}"
        chain, seq = segment.before_hash, segment.first_seq - 1
        try:
            with gzip.open(self.archive / segment.file, "rb") as lines:
                for line in lines:
                    body = line.rstrip(b"\n")
                    chain = hashlib.sha256(chain + body).digest()
                    seq += 1
                    yield body
        except FileNotFoundError as error:
            raise JournalBrokenError(
                f"{where} is missing: copy it there from where it was kept"
            ) from error
        except (OSError, EOFError, zlib.error) as error:
            raise JournalBrokenError(f"{where} can't be read after seq {seq}: {error}") from error
        if (seq, chain) != (segment.last_seq, segment.after_hash):
            raise JournalBrokenError(
                f"{where} isn't what was archived: it ends at seq {seq} with "
                f"{chain.hex()}, {segment.last_seq} with {segment.after_hash.hex()} was written"
            )

    def _next(self, jurisdiction: str, until: datetime, at: datetime) -> Segment | None:
        """Write the month that comes next, if all of it may go."""
        before = self.segments(jurisdiction)
        first = before[-1].last_seq + 1 if before else 1
        chain = before[-1].after_hash if before else GENESIS
        with transaction(self._engine, writes=False) as connection:
            covered = connection.execute(
                select(func.max(_snapshot.c.seq)).where(_snapshot.c.jurisdiction == jurisdiction)
            ).scalar()
            began = connection.execute(
                select(_journal.c.time).where(
                    _journal.c.jurisdiction == jurisdiction, _journal.c.seq == first
                )
            ).scalar()
        if covered is None or began is None or began >= until:
            return None
        month, end = f"{began:%Y-%m}", min(_next_month(began), until)
        name = f"{jurisdiction}-{month}-{first}.jsonl.gz"
        path = self.archive / name
        try:
            self.archive.mkdir(parents=True, exist_ok=True)
            last, after = self._write(path, jurisdiction, first, covered, end, chain)
            if last is None:
                return None
            size = path.stat().st_size
        except OSError as error:
            raise StoreError(
                f"{path} can't be written ({error.strerror}): name a folder with room by "
                "GRIDCOMMAND_ARCHIVE_DIR"
            ) from error
        segment = Segment(
            jurisdiction=jurisdiction,
            first_seq=first,
            last_seq=last,
            month=month,
            file=name,
            size=size,
            before_hash=chain,
            after_hash=after,
            archived_at=at,
        )
        for _ in self.read_segment(segment):
            pass
        return segment

    def _write(
        self, path: Path, jurisdiction: str, first: int, covered: int, end: datetime, chain: bytes
    ) -> tuple[int | None, bytes]:
        """Write events from ``first`` that lie before ``end``; the last seq, None: not a month."""
        part = path.with_name(path.name + ".part")
        seq = first - 1
        is_whole = False
        try:
            with part.open("wb") as raw:
                with gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as packed:
                    for row in self._rows(jurisdiction, first, covered):
                        if row.time >= end:
                            is_whole = True
                            break
                        seq += 1
                        chain = hashlib.sha256(chain + bytes(row.body)).digest()
                        if row.seq != seq or bytes(row.hash) != chain:
                            raise JournalBrokenError(
                                f"{jurisdiction}: the chain breaks at seq {seq}"
                            )
                        packed.write(bytes(row.body) + b"\n")
                raw.flush()
                os.fsync(raw.fileno())
            if not is_whole or seq < first:
                return None, chain
            part.replace(path)
            _sync_folder(path.parent)
            return seq, chain
        finally:
            with contextlib.suppress(OSError):
                part.unlink()

    def _rows(self, jurisdiction: str, first: int, covered: int) -> Iterator[_Row]:
        after = first - 1
        columns = (_journal.c.seq, _journal.c.time, _journal.c.body, _journal.c.hash)
        while True:
            with transaction(self._engine, writes=False) as connection:
                rows = connection.execute(
                    select(*columns)
                    .where(
                        _journal.c.jurisdiction == jurisdiction,
                        _journal.c.seq > after,
                        _journal.c.seq <= covered,
                    )
                    .order_by(_journal.c.seq)
                    .limit(READ_AT_ONCE)
                ).all()
            yield from (_Row(*row) for row in rows)
            if len(rows) < READ_AT_ONCE:
                return
            after = rows[-1].seq

    def _remove_archived(self, jurisdiction: str) -> int:
        """Remove rows that lie in segments, but those of incidents that are open."""
        still_open = select(_incident.c.id).where(
            _incident.c.jurisdiction == jurisdiction, _incident.c.closed_at.is_(None)
        )
        removed = 0
        for segment in self.segments(jurisdiction):
            for start in range(segment.first_seq, segment.last_seq + 1, DELETE_AT_ONCE):
                end = min(start + DELETE_AT_ONCE - 1, segment.last_seq)
                with transaction(self._engine, writes=True) as connection:
                    removed += connection.execute(
                        delete(_journal).where(
                            _journal.c.jurisdiction == jurisdiction,
                            _journal.c.seq.between(start, end),
                            _journal.c.incident.is_(None) | _journal.c.incident.not_in(still_open),
                        )
                    ).rowcount
        return removed


class _Row(msgspec.Struct, frozen=True):
    """What a segment needs of a row."""

    seq: int
    time: datetime
    body: bytes
    hash: bytes


def month_start(month: str) -> datetime:
    """Return the first instant (UTC) of ``YYYY-MM``.

    Raises
    ------
    ValueError
        It is no month.
    """
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)


def _next_month(at: datetime) -> datetime:
    return datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
