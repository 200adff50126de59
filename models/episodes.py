"""What sense must not forget: which alarms are on, and its windows.

An episode is written in the same transaction as the report it became, so that after any crash a
condition that lasts is neither told twice nor taken for one that is new. The windows are written
now and then; what they lost is a few seconds of readings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Engine, bindparam, select, text

from models.database import transaction
from models.inbox import InboxRow, put_rows
from models.tables import EpisodeRecord, SenseWindowsRecord

_episodes = EpisodeRecord.__table__  # type: ignore[attr-defined]
_windows = SenseWindowsRecord.__table__  # type: ignore[attr-defined]

_BEGIN = text(
    "INSERT INTO sense_episode (place, device, rule, began)"
    " VALUES (:place, :device, :rule, :began)"
    " ON CONFLICT (place, device, rule) DO UPDATE SET began = excluded.began"
).bindparams(bindparam("began", type_=_episodes.c.began.type))
_END = text("DELETE FROM sense_episode WHERE place = :place AND device = :device AND rule = :rule")
_KEEP = text(
    "INSERT INTO sense_windows (place, at, doc) VALUES (:place, :at, :doc)"
    " ON CONFLICT (place) DO UPDATE SET at = excluded.at, doc = excluded.doc"
).bindparams(bindparam("at", type_=_windows.c.at.type))


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that is on for a device, since ``began``."""

    device: str
    rule: str
    began: datetime


class Episodes:
    """Sense's part of the store. A ``place`` is a partition of the readings' topic."""

    _engine: Engine

    def note_episodes(
        self,
        place: str,
        episodes: Mapping[tuple[str, str], Episode | None],
        reports: Sequence[InboxRow],
    ) -> None:
        """Write episodes by device and rule, and the reports they became, in one transaction.

        Parameters
        ----------
        place
            Partition of the readings' topic.
        episodes
            ``None``: it is over.

        Raises
        ------
        EventError
            One of the reports can't be stored; nothing was written.
        """
        with transaction(self._engine, writes=True) as connection:
            if reports:
                put_rows(connection, reports)
            if began := [one for one in episodes.values() if one is not None]:
                connection.execute(
                    _BEGIN, [{"place": place, **msgspec.structs.asdict(one)} for one in began]
                )
            if ended := [key for key, one in episodes.items() if one is None]:
                connection.execute(
                    _END,
                    [{"place": place, "device": device, "rule": rule} for device, rule in ended],
                )

    def keep_windows(self, place: str, doc: bytes, at: datetime) -> None:
        """Keep a partition's windows; replaces those kept before."""
        with transaction(self._engine, writes=True) as connection:
            connection.execute(_KEEP, {"place": place, "at": at, "doc": doc})

    def sense_memory(self, place: str) -> tuple[bytes, list[Episode]]:
        """Return the windows that were kept last (empty: none) and the episodes that are on."""
        with transaction(self._engine, writes=False) as connection:
            doc = connection.execute(
                select(_windows.c.doc).where(_windows.c.place == place)
            ).scalar()
            found = connection.execute(
                select(_episodes.c.device, _episodes.c.rule, _episodes.c.began)
                .where(_episodes.c.place == place)
                .order_by(_episodes.c.device, _episodes.c.rule)
            )
            episodes = [Episode(device=row.device, rule=row.rule, began=row.began) for row in found]
        return bytes(doc or b""), episodes
