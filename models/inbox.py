"""The inbox: what was acknowledged and not yet decided.

A row is finished when the journal or the dead letters have its event, not when Kafka took it;
what isn't finished is published again. :class:`GroupedInbox` makes one commit out of many
callers' rows. Who reads a backlog reads it most urgent first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    BindParameter,
    Connection,
    Engine,
    bindparam,
    delete,
    func,
    select,
    text,
    union_all,
    update,
)

from models.database import single_read, transaction
from models.errors import EventError, GridcommandError, StoreBusyError, StoreError
from models.tables import InboxRecord
from models.words import PRIORITIES

_inbox = InboxRecord.__table__  # type: ignore[attr-defined]

_PUT = text(
    "INSERT INTO inbox (event_id, jurisdiction, topic, key, body, exercise, priority, received_at)"
    " VALUES (:event_id, :jurisdiction, :topic, :key, :body, :exercise, :priority, :received_at)"
    " ON CONFLICT DO NOTHING"
).bindparams(bindparam("received_at", type_=_inbox.c.received_at.type))


_OPEN = select(
    _inbox.c.id,
    _inbox.c.event_id,
    _inbox.c.jurisdiction,
    _inbox.c.topic,
    _inbox.c.key,
    _inbox.c.body,
    _inbox.c.exercise,
    _inbox.c.priority,
).where(_inbox.c.finished_at.is_(None))

_UNFINISHED = (
    _OPEN.where(_inbox.c.id > bindparam("after")).order_by(_inbox.c.id).limit(bindparam("at_most"))
)

# Each priority has its own reach of the index, so that a long backlog is never sorted.
_lanes = union_all(
    *(
        select(
            _OPEN.where(_inbox.c.priority == one, _inbox.c.id > bindparam(f"after_{one}"))
            .order_by(_inbox.c.id)
            .limit(bindparam("at_most"))
            .subquery(f"lane_{one}")
        )
        for one in PRIORITIES
    )
).subquery()
_MOST_URGENT = select(_lanes).order_by(_lanes.c.priority, _lanes.c.id).limit(bindparam("at_most"))

_AMONG: BindParameter[Any] = bindparam("ids", expanding=True)
_UNFINISHED_AMONG = _OPEN.where(_inbox.c.id.in_(_AMONG)).order_by(_inbox.c.priority, _inbox.c.id)
_UNFINISHED_IDS_AMONG = select(_inbox.c.id).where(
    _inbox.c.finished_at.is_(None), _inbox.c.id.in_(_AMONG)
)

_UNFINISHED_IDS = (
    select(_inbox.c.id)
    .where(_inbox.c.finished_at.is_(None))
    .order_by(_inbox.c.id)
    .limit(bindparam("at_most"))
)


_OLDEST = (
    select(_inbox.c.id, _inbox.c.received_at)
    .where(_inbox.c.finished_at.is_(None))
    .order_by(_inbox.c.id)
    .limit(1)
)
_NEWEST = select(func.max(_inbox.c.id))


class Backlog(NamedTuple):
    """A side's oldest unfinished row (0 and None: there is none) and the newest of both sides."""

    oldest_id: int = 0
    received_at: datetime | None = None
    newest_id: int = 0


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One acknowledged event.

    Attributes
    ----------
    topic
        Full name, exercise prefix included.
    body
        The encoded CloudEvent.
    priority
        1 to 4, as far as it is known before anybody has read it: who goes first when there is a
        backlog.
    """

    event_id: str
    jurisdiction: str
    topic: str
    key: str
    body: bytes
    received_at: datetime
    exercise: bool = False
    priority: int = 3


class UnfinishedRow(NamedTuple):
    """What a relay needs of a row. ``id`` is a running number, set by the database."""

    id: int
    event_id: str
    jurisdiction: str
    topic: str
    key: str
    body: bytes
    exercise: bool
    priority: int


class Inbox:
    """The inbox's part of the store."""

    _engine: Engine

    def put(self, rows: Sequence[InboxRow]) -> list[bytes]:
        """Write rows in one transaction; a row whose event is there already is left out.

        Returns
        -------
        list of bytes
            For each row the event that the inbox holds under its id: its own, or the one that
            came first.

        Raises
        ------
        EventError
            One of the rows can't be stored, now or later; none was written.
        """
        if not rows:
            return []
        with transaction(self._engine, writes=True) as connection:
            if put_rows(connection, rows) == len(rows):
                return [row.body for row in rows]
            standing = connection.execute(
                select(_inbox.c.jurisdiction, _inbox.c.event_id, _inbox.c.body).where(
                    _inbox.c.event_id.in_({row.event_id for row in rows})
                )
            )
            bodies = {(row.jurisdiction, row.event_id): bytes(row.body) for row in standing}
        return [bodies[row.jurisdiction, row.event_id] for row in rows]

    def unfinished_after(self, row_id: int, limit: int) -> list[UnfinishedRow]:
        """Return the oldest unfinished rows with an id above ``row_id``, by id.

        Notes
        -----
        A row whose transaction commits after a later row's has the lower id: who pages by id
        must look again from 0 now and then.
        """
        with single_read(self._engine) as connection:
            found = connection.execute(_UNFINISHED, {"after": row_id, "at_most": limit})
            return [UnfinishedRow._make(row) for row in found.all()]

    def most_urgent_after(self, row_ids: Mapping[int, int], limit: int) -> list[UnfinishedRow]:
        """Return unfinished rows, lowest priority number first and then by id.

        Parameters
        ----------
        row_ids
            Of each priority, the id to go on after.
        """
        values = {f"after_{one}": row_ids[one] for one in PRIORITIES}
        with single_read(self._engine) as connection:
            found = connection.execute(_MOST_URGENT, {**values, "at_most": limit})
            return [UnfinishedRow._make(row) for row in found.all()]

    def unfinished_of(self, row_ids: Collection[int]) -> list[UnfinishedRow]:
        """Return those of some rows that aren't finished, most urgent first."""
        with single_read(self._engine) as connection:
            found = connection.execute(_UNFINISHED_AMONG, {"ids": list(row_ids)})
            return [UnfinishedRow._make(row) for row in found.all()]

    def unfinished_ids_of(self, row_ids: Collection[int]) -> list[int]:
        """Return the ids of those of some rows that aren't finished."""
        with single_read(self._engine) as connection:
            found = connection.execute(_UNFINISHED_IDS_AMONG, {"ids": list(row_ids)})
            return list(found.scalars().all())

    def unfinished_ids(self, limit: int) -> list[int]:
        """Return the ids of the oldest unfinished rows: a tenth of what the rows cost."""
        with single_read(self._engine) as connection:
            found = connection.execute(_UNFINISHED_IDS, {"at_most": limit})
            # All at once: a row at a time takes the interpreter's lock as often.
            return list(found.scalars().all())

    def oldest_unfinished_id(self, jurisdiction: str) -> int | None:
        """Return the id of a jurisdiction's oldest unfinished row, None when it has none."""
        query = (
            select(_inbox.c.id)
            .where(_inbox.c.finished_at.is_(None), _inbox.c.jurisdiction == jurisdiction)
            .order_by(_inbox.c.id)
            .limit(1)
        )
        with single_read(self._engine) as connection:
            found: int | None = connection.execute(query).scalar()
            return found

    def finish(self, jurisdiction: str, event_ids: Iterable[str], at: datetime) -> None:
        """Note that the journal has events (a duplicate that came again, for instance)."""
        ids = list(event_ids)
        if ids:
            with transaction(self._engine, writes=True) as connection:
                finish_rows(connection, jurisdiction, ids, at)

    def oldest_unfinished(self, *, exercise: bool | None = None) -> datetime | None:
        """Return when the oldest unfinished row was received, of both sides or of one."""
        query = _OLDEST if exercise is None else _OLDEST.where(_inbox.c.exercise == exercise)
        with transaction(self._engine, writes=False) as connection:
            oldest = connection.execute(query).first()
        return oldest.received_at if oldest else None

    def backlogs(self) -> dict[bool, Backlog]:
        """Return the oldest row that isn't finished, of live and of exercise, and how far the
        inbox goes, for both sides alike."""
        found = {}
        with transaction(self._engine, writes=False) as connection:
            newest = connection.execute(_NEWEST).scalar() or 0
            for exercise in (False, True):
                query = _OLDEST.where(_inbox.c.exercise == exercise)
                oldest = connection.execute(query).first()
                found[exercise] = Backlog(newest_id=newest)
                if oldest is not None:
                    last = max(newest, oldest.id)
                    found[exercise] = Backlog(oldest.id, oldest.received_at, last)
        return found

    def unfinished(self, jurisdiction: str | None = None) -> int:
        """Return how many rows are not finished."""
        query = select(func.count()).select_from(_inbox).where(_inbox.c.finished_at.is_(None))
        if jurisdiction is not None:
            query = query.where(_inbox.c.jurisdiction == jurisdiction)
        with transaction(self._engine, writes=False) as connection:
            return int(connection.execute(query).scalar_one())

    def forget_finished(self, before: datetime, limit: int) -> int:
        """Remove rows that were finished before a time, of the ``limit`` oldest; how many."""
        oldest = select(_inbox.c.id, _inbox.c.finished_at).order_by(_inbox.c.id).limit(limit)
        piece = oldest.subquery()
        gone = select(piece.c.id).where(piece.c.finished_at < before)
        with transaction(self._engine, writes=True) as connection:
            return connection.execute(delete(_inbox).where(_inbox.c.id.in_(gone))).rowcount

    def received(self, jurisdiction: str) -> int:
        """Return how many rows a jurisdiction ever got."""
        query = select(func.count()).select_from(_inbox)
        with transaction(self._engine, writes=False) as connection:
            return int(
                connection.execute(query.where(_inbox.c.jurisdiction == jurisdiction)).scalar_one()
            )


_FINISH = (
    update(_inbox)
    .where(
        _inbox.c.jurisdiction == bindparam("of"),
        _inbox.c.event_id.in_(bindparam("ids", expanding=True)),
        _inbox.c.finished_at.is_(None),
    )
    .values(finished_at=bindparam("at"))
)
_FINISH_IF_SAME = _FINISH.where(_inbox.c.body == bindparam("same"))
IDS_AT_ONCE = 400


def put_rows(connection: Connection, rows: Sequence[InboxRow]) -> int:
    """Write rows inside a transaction of the caller's; return how many were not there yet."""
    first, last = PRIORITIES[0], PRIORITIES[-1]
    written = [
        {**msgspec.structs.asdict(row), "priority": min(max(row.priority, first), last)}
        for row in rows
    ]
    return connection.execute(_PUT, written).rowcount


def finish_rows(
    connection: Connection,
    jurisdiction: str,
    event_ids: Sequence[str],
    at: datetime,
    *,
    body: bytes | None = None,
) -> None:
    """Finish rows inside a transaction of the caller's; with ``body`` only those that hold it."""
    statement = _FINISH if body is None else _FINISH_IF_SAME
    same = {} if body is None else {"same": body}
    for start in range(0, len(event_ids), IDS_AT_ONCE):
        ids = event_ids[start : start + IDS_AT_ONCE]
        connection.execute(statement, {"of": jurisdiction, "ids": ids, "at": at, **same})


def put_again(connection: Connection, row: InboxRow) -> None:
    """Have a row of this id unfinished, inside a transaction of the caller's."""
    put_rows(connection, [row])
    connection.execute(
        update(_inbox)
        .where(_inbox.c.jurisdiction == row.jurisdiction, _inbox.c.event_id == row.event_id)
        .values(finished_at=None)
    )


class GroupedInbox:
    """Many callers, one commit.

    Parameters
    ----------
    capacity
        Rows that may wait for a commit; beyond, :meth:`put` raises at once and the caller says
        "try again" to its own.
    group
        Rows in one commit at most.
    within_s
        How long a caller waits for the commit: beyond, it is told to try again, which is safe
        whether the row came to stand or not.

    Notes
    -----
    While one commit runs, the next group fills, so the group's size follows the load by itself.
    """

    def __init__(
        self, inbox: Inbox, *, capacity: int = 5000, group: int = 1000, within_s: float = 2.5
    ) -> None:
        self._inbox = inbox
        self._within_s = within_s
        self._group = group
        self._queue: asyncio.Queue[tuple[InboxRow, asyncio.Future[bytes]]] = asyncio.Queue(capacity)
        # Its own thread: whoever reads and is blocked must not keep a report waiting.
        self._thread = ThreadPoolExecutor(1, "inbox")
        self._task: asyncio.Task[None] | None = None

    async def put(self, row: InboxRow) -> bytes:
        """Return when the row is durable, with the event that the inbox holds under its id.

        Raises
        ------
        StoreBusyError
            Too many rows wait already, or for too long.
        StoreError
            The commit failed; the row is not in the inbox.
        EventError
            This very row can't be stored; those that came with it are.
        """
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._commit_groups())
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((row, done))
        except asyncio.QueueFull as error:
            raise StoreBusyError("too many reports wait for the database; try again") from error
        try:
            return await asyncio.wait_for(done, self._within_s)
        except TimeoutError as error:
            raise StoreBusyError("the database takes too long; try again") from error

    @property
    def waiting(self) -> int:
        """Callers that wait for a commit and are in none yet."""
        return self._queue.qsize()

    async def close(self) -> None:
        """Commit what waits, then stop; what a database that hangs doesn't take was refused."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), self._within_s)
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _commit_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            group = [await self._queue.get()]
            while len(group) < self._group and not self._queue.empty():
                group.append(self._queue.get_nowait())
            answers = await asyncio.shield(
                loop.run_in_executor(self._thread, self._put_group, [row for row, _ in group])
            )
            for (_, done), answer in zip(group, answers, strict=True):
                self._queue.task_done()
                if done.done():
                    continue  # its caller went away; the row stands all the same
                if isinstance(answer, bytes):
                    done.set_result(answer)
                else:
                    done.set_exception(answer)

    def _put_group(self, rows: list[InboxRow]) -> Sequence[bytes | GridcommandError]:
        # Whatever happens, every caller gets an answer: one without would wait for ever.
        try:
            return self._inbox.put(rows)
        except EventError as error:
            if len(rows) == 1:
                return [error]
            # One caller's bad row must not cost the others theirs.
            return [answer for row in rows for answer in self._put_group([row])]
        except StoreError as error:
            return [error] * len(rows)
        except Exception as error:
            unknown = StoreError(f"the inbox failed: {type(error).__name__}: {error}")
            unknown.__cause__ = error
            return [unknown] * len(rows)
