"""The frames of the live channel: what a screen is told, as bytes.

For: turning entities of :mod:`models.situation` and journal events into the JSON that
``docs/live-channel.md`` describes. Pure: no sockets, no clock. Not for: who sees what
(:mod:`web_console.views`) and when a frame goes out (:mod:`web_console.hub`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from models import events as ev
from models.brief import brief
from models.events import TYPE_PREFIX, Event
from models.situation import Situation

KINDS: Final = (
    "incidents",
    "units",
    "assignments",
    "proposals",
    "tasks",
    "closures",
    "move_ups",
    "hospitals",
)
RULES: Final = "rules"

# Too many to read, and nothing that a person decided or must know.
# What was carried out stands in the log as the order itself.
_NOT_LOGGED = (ev.UnitPositionsReported, ev.ClockTicked, ev.OrderCarriedOut)

_encode = msgspec.json.Encoder().encode

Upsert = dict[str, Any]
"""Kind to the list of its entities; ``rules`` to the rules themselves."""
Removed = dict[str, list[str]]
"""Kind to the ids that are gone."""


class LogEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One journal event in a line."""

    seq: int
    time: datetime
    type: str
    id: str
    incident: str = ""
    unit: str = ""
    by: str = ""
    cause: str = ""


class Change(msgspec.Struct, frozen=True):
    """What one journal event touched, kept for those who come back."""

    seq: int
    touched: frozenset[tuple[str, str]]
    entry: LogEntry | None


class DrillClock(msgspec.Struct, frozen=True):
    """How an exercise's time runs; ``over`` says that no process drives its drill any more."""

    speed: float
    paused: bool
    anchor_sim: datetime
    anchor_wall: datetime
    over: bool


class Pipeline(msgspec.Struct, frozen=True):
    """Whether what was acknowledged is decided in time.

    Attributes
    ----------
    state
        ``ok`` or ``delayed``.
    since
        Since when it is delayed, by our clock.
    cause
        ``database``: it can't be asked; ``worker``: none runs; ``planning``: a plan is due and
        isn't made; empty: only late.
    """

    state: str = "ok"
    since: datetime | None = None
    oldest_unfinished_s: float = 0.0
    cause: str = ""


class _Snapshot(msgspec.Struct, tag_field="type", tag="snapshot"):
    jurisdiction: str
    exercise: bool
    seq: int
    now: datetime
    wall: datetime
    clock: DrillClock | None
    unshown: int
    situation: Upsert


class _Delta(msgspec.Struct, tag_field="type", tag="delta"):
    begin: int = msgspec.field(name="from")
    seq: int
    now: datetime
    upsert: Upsert
    remove: Mapping[str, Sequence[str]]
    log: Sequence[LogEntry]


class _Heartbeat(msgspec.Struct, tag_field="type", tag="heartbeat"):
    seq: int
    now: datetime
    wall: datetime
    clock: DrillClock | None
    unshown: int
    pipeline: Pipeline


class _Refused(msgspec.Struct, tag_field="type", tag="refused"):
    order: str
    code: str
    detail: str
    incident: str
    proposal: str


class _Error(msgspec.Struct, tag_field="type", tag="error"):
    code: int
    message: str


def log_entry(event: Event) -> LogEntry | None:
    """Return an event's line in the log; None for what the log leaves out."""
    data = event.data
    if isinstance(data, _NOT_LOGGED):
        return None
    if isinstance(data, ev.UnitPositionSetAside) and data.again:
        return None
    return LogEntry(
        seq=event.seq,
        time=event.time,
        type=event.type.removeprefix(TYPE_PREFIX),
        id=event.id,
        incident=getattr(data, "incident", "") or event.subject,
        unit=getattr(data, "unit", ""),
        by=getattr(data, "by", "") or getattr(data, "reporter", ""),
        cause=event.cause,
    )


def everything(situation: Situation) -> Upsert:
    """Return all entities that a screen shows."""
    whole: Upsert = {kind: list(getattr(situation, kind).values()) for kind in KINDS}
    whole["incidents"] = [brief(one) for one in whole["incidents"]]
    whole[RULES] = situation.rules
    return whole


def changes(situation: Situation, touched: Iterable[tuple[str, str]]) -> tuple[Upsert, Removed]:
    """Split touched entities into those that stand now and those that are gone."""
    upsert: Upsert = {}
    remove: Removed = {}
    for kind, entity_id in sorted(touched):
        if kind == "settings":
            upsert[RULES] = situation.rules
            continue
        entity = getattr(situation, kind).get(entity_id)
        if entity is None:
            remove.setdefault(kind, []).append(entity_id)
        else:
            upsert.setdefault(kind, []).append(brief(entity))
    return upsert, remove


def snapshot(
    situation: Situation,
    shown: Upsert,
    now: datetime,
    wall: datetime,
    clock: DrillClock | None,
    unshown: int,
) -> bytes:
    """Return a frame that replaces all that a screen knew.

    ``unshown`` counts the journal's events that this console couldn't read or fold.
    """
    return _encode(
        _Snapshot(
            jurisdiction=situation.jurisdiction,
            exercise=situation.exercise,
            seq=situation.seq,
            now=now,
            wall=wall,
            clock=clock,
            unshown=unshown,
            situation=shown,
        )
    )


def delta(
    begin: int,
    seq: int,
    now: datetime,
    upsert: Upsert,
    remove: Removed,
    log: Sequence[LogEntry],
) -> bytes:
    """Return a frame that leads a screen from ``begin`` to ``seq``."""
    return _encode(_Delta(begin=begin, seq=seq, now=now, upsert=upsert, remove=remove, log=log))


def heartbeat(
    seq: int,
    now: datetime,
    wall: datetime,
    clock: DrillClock | None,
    unshown: int,
    pipeline: Pipeline,
) -> bytes:
    """Return a frame that says how old nothing new is."""
    return _encode(
        _Heartbeat(seq=seq, now=now, wall=wall, clock=clock, unshown=unshown, pipeline=pipeline)
    )


def refused(data: ev.OrderRefused | ev.EventRefused) -> bytes:
    """Return a frame that tells a person that an order, or another word, could not be used."""
    if isinstance(data, ev.EventRefused):
        frame = _Refused(
            order=data.event, code=data.code, detail=data.detail, incident="", proposal=""
        )
    else:
        frame = _Refused(
            order=data.order,
            code=data.code,
            detail=data.detail,
            incident=data.incident,
            proposal=data.proposal,
        )
    return _encode(frame)


def error(code: int, message: str) -> bytes:
    """Return a frame that says why the connection ends."""
    return _encode(_Error(code=code, message=message))
