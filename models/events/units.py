"""What a desk decides about units: sent, turned, moved up, to which hospital, held and queued.

Not for: why these and not others (:mod:`models.events.proposals`).
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from models.events.payload import Payload, Point, Time
from models.lifecycles import AssignmentState, UnitState


class AssignmentOrdered(Payload, frozen=True, kw_only=True):
    """A unit is sent; ``diverted_from`` is the incident that it was turned from.

    ``also`` is the second requirement that it fills at once, if it goes in two roles; ``relieves``
    the assignment whose place it takes, because it is there sooner.
    """

    type_name: ClassVar[str] = "assignment.ordered"
    assignment: str
    incident: str
    unit: str
    requirement: str
    by: str
    proposal: str = ""
    override: bool = False
    reason: str = ""
    turnout_s: float = 0.0
    drive_s: float = 0.0
    length_m: float = 0.0
    route: tuple[Point, ...] = ()
    diverted_from: str = ""
    also: str = ""
    relieves: str = ""


class AssignmentRerouted(Payload, frozen=True, kw_only=True):
    """A change of roads gave a unit under way another way, or another time on the same.

    Attributes
    ----------
    closure, why
        What changed: ``road_closed``, ``road_slow`` or ``road_reopened``, and its id.
    drive_s, length_m, route
        From where it is now, or from its post while it hasn't left.
    added_s
        Seconds that the change costs it; negative where it saves some. 0 where it was cut off
        before or is so now.
    cut_off
        No open road leads there any more; ``route`` is the place where that found it.
    """

    type_name: ClassVar[str] = "assignment.rerouted"
    assignment: str
    incident: str
    unit: str
    closure: str
    why: str
    drive_s: float
    length_m: float
    route: tuple[Point, ...]
    added_s: float = 0.0
    cut_off: bool = False


class UnitDiverted(Payload, frozen=True, kw_only=True):
    """A unit under way is turned; its old assignment ends behind this, a new one may follow.

    Attributes
    ----------
    assignment, incident
        What it was under way to.
    to
        Incident that it goes to now; empty where it was relieved and is free.
    kind
        ``divert``: to a more urgent incident. ``relief``: another unit is there sooner and takes
        its place. ``order``: a person turned it.
    gain_s
        Seconds that the incident it was turned for wins.
    """

    type_name: ClassVar[str] = "unit.diverted"
    unit: str
    assignment: str
    incident: str
    to: str
    kind: str
    by: str
    gain_s: float = 0.0
    reason: str = ""


class MoveUpProposed(Payload, frozen=True, kw_only=True):
    """An idle unit should stand elsewhere, for what others' going left bare; or go back.

    Attributes
    ----------
    post
        Facility where it should stand, or a place's name; empty: its own post.
    coverage, coverage_after
        Expected share of urgent calls reached in time, as things are and with this move.
    """

    type_name: ClassVar[str] = "move_up.proposed"
    unit: str
    lon: float
    lat: float
    drive_s: float
    post: str = ""
    coverage: float = 0.0
    coverage_after: float = 0.0


class MoveUpWithdrawn(Payload, frozen=True, kw_only=True):
    """A move-up no longer stands: ``not_needed`` any more, or ``refused`` by a person.

    A refused one isn't proposed again before ``until``.
    """

    type_name: ClassVar[str] = "move_up.withdrawn"
    unit: str
    why: str
    by: str = ""
    reason: str = ""
    until: datetime | None = None


class MoveUpOrdered(Payload, frozen=True, kw_only=True):
    """An idle unit drives to another post, ready for orders all the way; or back to its own.

    It isn't moved again before ``until``.
    """

    type_name: ClassVar[str] = "move_up.ordered"
    unit: str
    lon: float
    lat: float
    drive_s: float
    by: str
    post: str = ""
    route: tuple[Point, ...] = ()
    reason: str = ""
    until: Time | None = None


class HospitalSet(Payload, frozen=True, kw_only=True):
    """A person said what a hospital takes: see :class:`SetHospital`."""

    type_name: ClassVar[str] = "hospital.set"
    hospital: str
    closed: bool
    by: str
    per_hour: int | None = None
    reason: str = ""


class HospitalOption(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A hospital that was looked at, and why it came where it came.

    Attributes
    ----------
    drive_s
        From the scene; None where no road is open.
    load
        Patients on their way or there, and those brought within the hour before.
    per_hour
        How many it takes in an hour.
    over_s
        Seconds that it was counted farther, for being full.
    """

    hospital: str
    load: int
    per_hour: int
    drive_s: float | None = None
    over_s: float = 0.0
    closed: bool = False


class HospitalChosen(Payload, frozen=True, kw_only=True):
    """Where a unit brings its patients; ``hospital`` is empty where none is open to be reached.

    ``options`` are those that were looked at, best first, those that can't be taken last.
    """

    type_name: ClassVar[str] = "hospital.chosen"
    assignment: str
    incident: str
    unit: str
    hospital: str
    by: str
    drive_s: float = 0.0
    reason: str = ""
    options: tuple[HospitalOption, ...] = ()


class AssignmentMoved(Payload, frozen=True, kw_only=True):
    """An assignment's state changed, and the unit's with it.

    ``observed_at`` is the crew's clock where a crew said so: see
    :class:`~models.events.world.UnitStatusReported`.
    """

    type_name: ClassVar[str] = "assignment.moved"
    assignment: str
    incident: str
    unit: str
    state: AssignmentState
    by: str = ""
    reason: str = ""
    observed_at: Time | None = None


class UnitMoved(Payload, frozen=True, kw_only=True):
    """A unit's own state changed (not by an assignment's move)."""

    type_name: ClassVar[str] = "unit.moved"
    unit: str
    state: UnitState
    lon: float | None = None
    lat: float | None = None


class UnitPositionSetAside(Payload, frozen=True, kw_only=True):
    """A position that was told of a unit can't be: the unit counts as where it was known last.

    Attributes
    ----------
    lon, lat
        What was told, in degrees.
    away_m
        Metres from there to ``kept``.
    kept, kept_at
        Where the unit was known to be before, its post if nobody ever said, and since when.
    again
        What was told of it before could not be either: no news for people.
    """

    type_name: ClassVar[str] = "unit.position_set_aside"
    unit: str
    lon: float
    lat: float
    away_m: float
    kept: Point
    kept_at: Time
    again: bool = False


class UnitHeld(Payload, frozen=True, kw_only=True):
    """A person holds a unit back, or lifts it."""

    type_name: ClassVar[str] = "unit.held"
    unit: str
    held: bool
    by: str
    reason: str = ""


class UnitQueued(Payload, frozen=True, kw_only=True):
    """What a busy unit does next, as a person ordered; or that it left the queue."""

    type_name: ClassVar[str] = "unit.queued"
    unit: str
    incident: str
    queued: bool
    by: str
    reason: str = ""


class OverrideSet(Payload, frozen=True, kw_only=True):
    """A person's pins and bans on an incident, as they stand now."""

    type_name: ClassVar[str] = "override.set"
    incident: str
    pins: tuple[str, ...]
    bans: tuple[str, ...]
    by_hand: bool
    by: str
    reason: str = ""
