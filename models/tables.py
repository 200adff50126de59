"""The tables, declared once for SQLite and PostgreSQL.

``inbox`` and ``journal`` are the memory; ``jurisdiction`` holds each journal's head and fence;
the entity tables (incident, unit, assignment, task) are what the journal adds up to, written in
the same transaction, for people who ask with SQL. Times are UTC. Migrations are in
``models/migrations``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlmodel import Field, SQLModel

RowId = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Refuse naive times; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value.isoformat()} has no zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Read UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _time(**kwargs: Any) -> Any:
    return Field(sa_type=UtcDateTime, **kwargs)


class InboxRecord(SQLModel, table=True):
    """Something acknowledged; finished when the journal or the dead letters have it."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("jurisdiction", "event_id"),
        Index(
            "ix_inbox_unfinished",
            "id",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index(
            "ix_inbox_urgent",
            "priority",
            "id",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )
    id: int | None = Field(sa_column=Column(RowId, primary_key=True, autoincrement=True))
    event_id: str
    jurisdiction: str
    topic: str
    key: str
    body: bytes = Field(sa_type=LargeBinary)
    exercise: bool = False
    priority: int = 3
    received_at: datetime = _time()
    finished_at: datetime | None = _time(default=None)


class JournalRecord(SQLModel, table=True):
    """One event of a jurisdiction's memory; ``hash`` chains it to the one before."""

    __tablename__ = "journal"
    __table_args__ = (
        UniqueConstraint("jurisdiction", "event_id"),
        Index("ix_journal_incident", "jurisdiction", "incident", "seq"),
    )
    jurisdiction: str = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger, primary_key=True)
    event_id: str
    type: str
    cause: str = ""
    incident: str | None = None
    time: datetime = _time()
    exercise: bool = False
    body: bytes = Field(sa_type=LargeBinary)
    hash: bytes = Field(sa_type=LargeBinary)


class SegmentRecord(SQLModel, table=True):
    """A month of a journal that lies in a file, and what its chain begins and ends with."""

    __tablename__ = "journal_segment"
    jurisdiction: str = Field(primary_key=True)
    first_seq: int = Field(sa_type=BigInteger, primary_key=True)
    last_seq: int = Field(sa_type=BigInteger)
    month: str
    file: str
    size: int = Field(sa_type=BigInteger)
    before_hash: bytes = Field(sa_type=LargeBinary)
    after_hash: bytes = Field(sa_type=LargeBinary)
    archived_at: datetime = _time()


class JurisdictionRecord(SQLModel, table=True):
    """Head and fence of a journal: who holds a higher epoch is its writer."""

    __tablename__ = "jurisdiction"
    id: str = Field(primary_key=True)
    exercise: bool = False
    epoch: int = 0
    seq: int = Field(default=0, sa_type=BigInteger)
    head_hash: bytes = Field(sa_type=LargeBinary)
    opened_at: datetime = _time()
    last_commit_at: datetime | None = _time(default=None)


class SnapshotRecord(SQLModel, table=True):
    """A situation, so that a desk need not read its whole journal."""

    __tablename__ = "snapshot"
    jurisdiction: str = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger, primary_key=True)
    at: datetime = _time()
    body: bytes = Field(sa_type=LargeBinary)


class PositionRecord(SQLModel, table=True):
    """How far a topic was read when a step was committed; informative, for ids decide."""

    __tablename__ = "position"
    jurisdiction: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    partition: int = Field(primary_key=True)
    record_offset: int = Field(sa_type=BigInteger)


class DeadLetterRecord(SQLModel, table=True):
    """What could not be handled, until somebody has seen it."""

    __tablename__ = "dead_letter"
    id: int | None = Field(sa_column=Column(RowId, primary_key=True, autoincrement=True))
    digest: str = Field(unique=True)
    at: datetime = _time()
    topic: str
    key: str
    body: bytes = Field(sa_type=LargeBinary)
    code: str
    reason: str = Field(sa_type=Text)
    jurisdiction: str = ""
    exercise: bool = False
    event_id: str = ""
    stage: str = ""
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = _time(default=None)
    replayed_at: datetime | None = _time(default=None)


class _Entity(SQLModel):
    jurisdiction: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    exercise: bool = False
    updated_seq: int = Field(sa_type=BigInteger)
    doc: bytes = Field(sa_type=LargeBinary)


class IncidentRecord(_Entity, table=True):
    """An incident as the journal left it."""

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_opened", "jurisdiction", "opened_at"),)
    number: str
    state: str
    category: str
    priority: int
    grade: str
    lon: float | None = Field(default=None, sa_type=Float)
    lat: float | None = Field(default=None, sa_type=Float)
    cell: str = ""
    opened_at: datetime = _time()
    closed_at: datetime | None = _time(default=None)


class UnitRecord(_Entity, table=True):
    """A unit as the journal left it."""

    __tablename__ = "unit"
    kind: str
    state: str
    lon: float
    lat: float
    incident: str = ""


class AssignmentRecord(_Entity, table=True):
    """An assignment as the journal left it."""

    __tablename__ = "assignment"
    incident: str
    unit: str
    state: str


class TaskRecord(_Entity, table=True):
    """A task as the journal left it."""

    __tablename__ = "task"
    incident: str
    state: str
    role: str
    assignee: str = ""
    due: datetime = _time()


class AccountRecord(SQLModel, table=True):
    """A person who may sign in."""

    __tablename__ = "account"
    id: int | None = Field(sa_column=Column(RowId, primary_key=True, autoincrement=True))
    name: str = Field(unique=True)
    role: str
    password_hash: str = ""
    jurisdictions: str = "[]"
    cells: str = "[]"
    language: str = ""
    disabled: bool = False
    created_at: datetime = _time()


class SessionRecord(SQLModel, table=True):
    """A sign-in; only the hash of its token is kept."""

    __tablename__ = "session"
    token_hash: str = Field(primary_key=True)
    account: int
    jurisdiction: str = ""
    created_at: datetime = _time()
    expires_at: datetime = _time()


class SignInLinkRecord(SQLModel, table=True):
    """A link that signs in once."""

    __tablename__ = "sign_in_link"
    token_hash: str = Field(primary_key=True)
    account: int
    jurisdiction: str = ""
    expires_at: datetime = _time()
    used_at: datetime | None = _time(default=None)


class DeviceRecord(SQLModel, table=True):
    """A sensor that may send readings."""

    __tablename__ = "device"
    id: str = Field(primary_key=True)
    key_hash: str
    jurisdiction: str
    kind: str = ""
    lon: float | None = Field(default=None, sa_type=Float)
    lat: float | None = Field(default=None, sa_type=Float)
    cell: str = ""
    disabled: bool = False
    owner: str = Field(default="", sa_column_kwargs={"server_default": ""})
    changed_at: datetime | None = _time(default=None)
    last_seen_at: datetime | None = _time(default=None)
    fault: str = Field(default="", sa_column_kwargs={"server_default": ""})
    fault_at: datetime | None = _time(default=None)


class PhotoRecord(SQLModel, table=True):
    """A photo's file and who sent it."""

    __tablename__ = "photo"
    id: str = Field(primary_key=True)
    sha256: str
    content_type: str
    size: int
    account: str
    at: datetime = _time()
    file: str


class PhotoPlaceRecord(SQLModel, table=True):
    """A jurisdiction whose report or task names a photo: who belongs there may look at it."""

    __tablename__ = "photo_place"
    photo: str = Field(primary_key=True)
    jurisdiction: str = Field(primary_key=True)


class DrillRecord(SQLModel, table=True):
    """A live drill: its recording, how far it is, and its clock."""

    __tablename__ = "drill"
    jurisdiction: str = Field(primary_key=True)
    name: str
    recording: str
    recording_sha256: str
    speed: float
    anchor_sim: datetime = _time()
    anchor_wall: datetime = _time()
    paused: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    position: int = 0
    state: str = Field(default="running", sa_column=Column(String, nullable=False))
    updated_at: datetime = _time()


class EpisodeRecord(SQLModel, table=True):
    """A device's last alarm by a rule; ``place`` is a partition of the readings' topic."""

    __tablename__ = "sense_episode"
    place: str = Field(primary_key=True)
    device: str = Field(primary_key=True)
    rule: str = Field(primary_key=True)
    began: datetime = _time()
    heard: datetime | None = _time(default=None)
    is_over: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class SenseWindowsRecord(SQLModel, table=True):
    """Windows and times of a partition's devices, as they were some seconds ago, and whose."""

    __tablename__ = "sense_windows"
    place: str = Field(primary_key=True)
    epoch: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    at: datetime = _time()
    doc: bytes = Field(sa_type=LargeBinary)


class WorkerRecord(SQLModel, table=True):
    """A worker's sign of life, written every few seconds while it decides."""

    __tablename__ = "worker"
    id: str = Field(primary_key=True)
    stages: str
    seen_at: datetime = _time()


class ExampleRecord(SQLModel, table=True):
    """A text that a person said the meaning of, for the reader to learn from.

    Of one that is to be forgotten a digest of its text is left, so that it isn't learned again.
    """

    __tablename__ = "example"
    __table_args__ = (UniqueConstraint("jurisdiction", "text"),)
    id: int | None = Field(sa_column=Column(RowId, primary_key=True, autoincrement=True))
    jurisdiction: str
    text: str = Field(sa_type=Text)
    language: str
    category: str
    danger: bool
    modality: str
    by: str
    at: datetime = _time()
    incident: str
    changed_at: datetime = _time()
    is_forgotten: bool = False
