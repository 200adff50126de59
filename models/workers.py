"""Workers' signs of life, so that a console can say that nobody decides.

A worker writes its row every few seconds; who reads them judges by whether a row *changes* while
it looks, for clocks of two machines differ. Not for who owns what: the broker shares the
partitions and the fence in the database lets one write.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine, delete, insert, select, update

from models.database import transaction
from models.tables import WorkerRecord

_worker = WorkerRecord.__table__  # type: ignore[attr-defined]

FORGET_AFTER = timedelta(hours=1)


class WorkerSign(NamedTuple):
    """A worker's last sign of life."""

    worker: str
    stages: frozenset[str]
    seen_at: datetime


class Workers:
    """The workers' part of the store."""

    _engine: Engine

    def note_worker(self, worker: str, stages: Iterable[str], at: datetime) -> None:
        """Write a worker's sign of life, and remove those of workers long gone."""
        values = {"stages": " ".join(sorted(stages)), "seen_at": at}
        with transaction(self._engine, writes=True) as connection:
            one = update(_worker).where(_worker.c.id == worker).values(values)
            if not connection.execute(one).rowcount:
                connection.execute(insert(_worker).values(id=worker, **values))
            connection.execute(delete(_worker).where(_worker.c.seen_at < at - FORGET_AFTER))

    def worker_signs(self) -> list[WorkerSign]:
        """Return the last sign of life of each worker of late; the dead among them too."""
        with transaction(self._engine, writes=False) as connection:
            rows = connection.execute(select(_worker).order_by(_worker.c.id)).all()
        return [WorkerSign(row.id, frozenset(row.stages.split()), row.seen_at) for row in rows]
