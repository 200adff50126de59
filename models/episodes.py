"""What sense must not forget: which alarms are on, and its windows.

An episode is written in the same transaction as the report it became, so that after any crash a
condition that lasts is neither told twice nor taken for one that is new. The windows are written
now and then, and the readings since come again. Who senses a partition claims it first:
a worker that was halted and woke writes no more, for what it remembers is of another time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Engine, bindparam, select, text

from models.database import transaction
from models.errors import FencedError
from models.inbox import InboxRow, put_rows
from models.lifecycles import ENDED_INCIDENT, IncidentState
from models.tables import EpisodeRecord, IncidentRecord, JournalRecord, SenseWindowsRecord

_journal = JournalRecord.__table__  # type: ignore[attr-defined]
_incident = IncidentRecord.__table__  # type: ignore[attr-defined]
_episodes = EpisodeRecord.__table__  # type: ignore[attr-defined]
_windows = SenseWindowsRecord.__table__  # type: ignore[attr-defined]

_NOTE = text(
    "INSERT INTO sense_episode (place, device, rule, began, heard, is_over)"
    " VALUES (:place, :device, :rule, :began, :heard, :is_over)"
    " ON CONFLICT (place, device, rule) DO UPDATE"
    " SET began = excluded.began, heard = excluded.heard, is_over = excluded.is_over"
).bindparams(
    bindparam("began", type_=_episodes.c.began.type),
    bindparam("heard", type_=_episodes.c.heard.type),
)
_CLAIM = text(
    "INSERT INTO sense_windows (place, epoch, at, doc) VALUES (:place, 1, :at, :doc)"
    " ON CONFLICT (place) DO UPDATE SET epoch = sense_windows.epoch + 1 RETURNING epoch, doc"
).bindparams(bindparam("at", type_=_windows.c.at.type))


_EPOCH = text("SELECT epoch FROM sense_windows WHERE place = :place")
# Holds the row until the transaction ends, so that nobody claims in between.
_HOLD = text("UPDATE sense_windows SET epoch = epoch WHERE place = :place AND epoch = :epoch")
_KEEP = text(
    "UPDATE sense_windows SET at = :at, doc = :doc WHERE place = :place AND epoch = :epoch"
).bindparams(bindparam("at", type_=_windows.c.at.type))


DECIDED_WITHIN = 50
"""Journal events behind a report among which its incident is named."""
MERGES_FOLLOWED = 10


class _Merged(msgspec.Struct):
    merged_into: str = ""


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that is on for a device since ``began``, or was.

    Attributes
    ----------
    heard
        Time of the reading by which that was known: it and those before it say nothing new, when
        they come again.
    is_over
        It ended then.
    """

    device: str
    rule: str
    began: datetime
    heard: datetime | None = None
    is_over: bool = False


class SenseMemory(msgspec.Struct, frozen=True):
    """What a worker goes on from that claimed a partition.

    Attributes
    ----------
    epoch
        What it must show to write: the next who claims has a higher one.
    windows
        Those that were kept last; empty: none.
    episodes
        The last of each device and rule, over or not.
    """

    epoch: int
    windows: bytes
    episodes: list[Episode]


class Episodes:
    """Sense's part of the store. A ``place`` is a partition of the readings' topic."""

    _engine: Engine

    def claim_sense(self, place: str, at: datetime) -> SenseMemory:
        """Be the one that senses a partition; who did until now can write no more."""
        with transaction(self._engine, writes=True) as connection:
            row = connection.execute(_CLAIM, {"place": place, "at": at, "doc": b""}).one()
            return SenseMemory(row.epoch, bytes(row.doc), _last(connection, place))

    def sense_epoch(self, place: str) -> int:
        """Return the epoch of who claimed a partition last; 0: nobody did."""
        with transaction(self._engine, writes=False) as connection:
            return connection.execute(_EPOCH, {"place": place}).scalar() or 0

    def note_episodes(
        self,
        place: str,
        epoch: int,
        episodes: Mapping[tuple[str, str], Episode],
        reports: Sequence[InboxRow],
    ) -> None:
        """Write episodes by device and rule, and the reports they became, in one transaction.

        Parameters
        ----------
        place
            Partition of the readings' topic.
        epoch
            Of the claim.
        Raises
        ------
        EventError
            One of the reports can't be stored; nothing was written.
        FencedError
            Somebody else claimed the partition; nothing was written.
        """
        with transaction(self._engine, writes=True) as connection:
            held = connection.execute(_HOLD, {"place": place, "epoch": epoch})
            _fence(held.rowcount, place)
            if reports:
                put_rows(connection, reports)
            if episodes:
                connection.execute(
                    _NOTE,
                    [{"place": place, **msgspec.structs.asdict(one)} for one in episodes.values()],
                )

    def keep_windows(self, place: str, epoch: int, doc: bytes, at: datetime) -> None:
        """Keep a partition's windows; replaces those kept before.

        Raises
        ------
        FencedError
            Somebody else claimed the partition; nothing was written.
        """
        values = {"place": place, "epoch": epoch, "at": at, "doc": doc}
        with transaction(self._engine, writes=True) as connection:
            _fence(connection.execute(_KEEP, values).rowcount, place)

    def has_ended(self, jurisdiction: str, report: str) -> bool:
        """Say whether the incident that a report is of is closed or cancelled.

        One that was merged into another is that one. A report that no desk decided yet is of none.
        """
        columns = _journal.c
        ours = columns.jurisdiction == jurisdiction
        with transaction(self._engine, writes=False) as connection:
            seq = connection.execute(
                select(columns.seq).where(ours, columns.event_id == report)
            ).scalar()
            if seq is None:
                return False
            # What a desk decides on an input stands right behind it.
            near = (columns.seq > seq) & (columns.seq <= seq + DECIDED_WITHIN)
            decided = connection.execute(
                select(columns.incident)
                .where(ours, near, columns.cause == report, columns.incident.is_not(None))
                .order_by(columns.seq)
            ).scalars()
            incident = next((name for name in decided if name), None)
            for _ in range(MERGES_FOLLOWED):
                row = connection.execute(
                    select(_incident.c.state, _incident.c.doc).where(
                        _incident.c.jurisdiction == jurisdiction, _incident.c.id == incident
                    )
                ).first()
                if row is None:
                    return False
                into = msgspec.json.decode(row.doc, type=_Merged).merged_into
                if not into:
                    return IncidentState(row.state) in ENDED_INCIDENT
                incident = into
        return False

    def episodes(self, place: str) -> list[Episode]:
        """Return the episodes that are on, by device and rule."""
        with transaction(self._engine, writes=False) as connection:
            return [one for one in _last(connection, place) if not one.is_over]


def _last(connection: Connection, place: str) -> list[Episode]:
    columns = _episodes.c
    found = connection.execute(
        select(columns.device, columns.rule, columns.began, columns.heard, columns.is_over)
        .where(_episodes.c.place == place)
        .order_by(_episodes.c.device, _episodes.c.rule)
    )
    return [Episode(**row._mapping) for row in found]


def _fence(rows: int, place: str) -> None:
    if rows != 1:
        raise FencedError(f"another worker senses {place} now")
