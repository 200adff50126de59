"""The situation of one jurisdiction: what the journal adds up to.

For: whoever needs to know how things stand, the desk, the consoles and the tables alike; also as
JSON, for a snapshot. Not for: changing it, which :mod:`models.fold` alone does, event by event.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

from models import events as ev
from models.events import FactValue, Point, Requirement
from models.lifecycles import (
    ENDED_ASSIGNMENT,
    ENDED_INCIDENT,
    AssignmentState,
    IncidentState,
    TaskState,
    UnitState,
)
from models.words import Channel, Grade, Posture

Kind: TypeAlias = Literal[
    "incidents",
    "units",
    "assignments",
    "proposals",
    "tasks",
    "closures",
    "move_ups",
    "hospitals",
    "settings",
]
Touched: TypeAlias = set[tuple[Kind, str]]
"""Kinds and ids of entities that changed, came or left."""

PATIENTS_HOUR = timedelta(hours=1)
REST_HALVES_S = 8 * 3600.0
"""What a unit did counts half after so much rest: a night's work is over after a day."""
DEMAND_SIDE_DEG = 0.005
"""Side of the squares in which demand is counted: some 450 by 550 m in a temperate city."""


class Escalation(msgspec.Struct, frozen=True):
    """A person was told that something is overdue.

    ``deadline``, ``kind`` and ``unit`` are those of :class:`~models.events.EscalationRaised`. It
    is kept when it is settled: whether it still holds follows from the rest of the situation.
    ``states`` are those of the incident in which a playbook's deadline is unmet, ``until`` is the
    deadline's.
    """

    at: datetime
    deadline: str
    to_role: str
    notice: dict[str, str]
    kind: str = ""
    unit: str = ""
    states: tuple[IncidentState, ...] = ()
    until: str = ""


class LastOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person ordered last on an incident: see :class:`models.events.OrderCarriedOut`."""

    seq: int
    at: datetime
    order: str
    by: str
    reason: str = ""
    units: tuple[str, ...] = ()


class Joined(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was merged into an incident: from which one, and what that one's reports made of it.

    ``where`` is where the incident was known to be before, if it has its place from there.
    """

    incident: str
    share: ev.Share
    where: ev.Where | None = None


class Incident(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What we believe is happening.

    ``opened_at`` is our time of the first report; ``losses`` counts units under way that were
    turned to something more urgent. ``near`` and ``far`` are those of
    :class:`~models.events.IncidentOpened`, until a person gives it a place. ``last_order`` is what
    a person ordered last here. While ``triage`` waits for a person no machine orders here, unless
    ``life_threat`` was read.

    ``leading`` is the text of a later report that was more urgent than what was known before.
    ``words`` has ``zh`` and ``en`` of those texts that a machine wrote.

    ``reading`` is what was read in its leading text, ``sketches`` the meanings of later ones.

    ``joined`` is what was merged into it, and ``own`` what it would be without; None: nothing was.

    Of an incident that was reopened, at ``reopened_at`` the last time, the first ``former`` of its
    assignments are of before and fill nothing any more; ``closed_s`` are the seconds in which it
    was closed, which count for no deadline.
    """

    id: str
    number: str
    state: IncidentState
    category: str
    priority: int
    grade: Grade
    confidence: float
    opened_at: datetime
    updated_at: datetime
    updated_seq: int
    triage: bool = False
    life_threat: bool = False
    text: str = ""
    code: str = ""
    channel: Channel = Channel.SYSTEM
    lon: float | None = None
    lat: float | None = None
    place: str = ""
    cell: str = ""
    outside: bool = False
    observed_at: datetime | None = None
    clock_skew_s: float = 0.0
    reports: list[str] = []
    texts: list[str] = []
    leading: str = ""
    words: dict[str, dict[str, str]] = {}
    photos: list[str] = []
    facts: dict[str, FactValue] = {}
    playbook_names: dict[str, dict[str, str]] = {}
    playbooks: list[str] = []
    requirements: list[Requirement] = []
    notices: list[dict[str, str]] = []
    response_level: int | None = None
    assignments: list[str] = []
    tasks: list[str] = []
    proposal: str = ""
    by_hand: bool = False
    triaged_by: str = ""
    pins: list[str] = []
    bans: list[str] = []
    escalations: list[Escalation] = []
    merged_into: str = ""
    own: ev.Share | None = None
    joined: list[Joined] = []
    near: ev.NamedPlace | None = None
    far: bool = False
    reading: ev.Reading | None = None
    sketches: list[str] = []
    losses: int = 0
    last_order: LastOrder | None = None
    first_ordered_at: datetime | None = None
    first_on_scene_at: datetime | None = None
    closed_at: datetime | None = None
    reopened_at: datetime | None = None
    former: int = 0
    closed_s: float = 0.0

    @property
    def ended(self) -> bool:
        """Closed or cancelled."""
        return self.state in ENDED_INCIDENT

    @property
    def sent(self) -> list[str]:
        """Assignments that count: all, or those since it was reopened."""
        return self.assignments[self.former :]

    @property
    def share(self) -> ev.Share:
        """What its reports made of it."""
        return ev.Share(
            facts=dict(self.facts),
            priority=self.priority,
            grade=self.grade,
            life_threat=self.life_threat,
        )

    @property
    def where(self) -> ev.Where:
        """Where it is, as far as that is known."""
        return ev.Where(
            lon=self.lon,
            lat=self.lat,
            place=self.place,
            cell=self.cell,
            outside=self.outside,
            near=self.near,
            far=self.far,
        )

    @property
    def is_placed(self) -> bool:
        """Whether it has a place of its own that units can be sent to."""
        return self.lon is not None and self.lat is not None and not self.far

    @property
    def at(self) -> Point | None:
        """Where it is planned for: its own place, else the middle of the one that words name."""
        if self.lon is not None and self.lat is not None and not self.far:
            return self.lon, self.lat
        return None if self.near is None else (self.near.lon, self.near.lat)


class FarPosition(msgspec.Struct, kw_only=True, frozen=True):
    """What was told of a unit's position last and can't be: far from the city.

    Attributes
    ----------
    lon, lat
        In degrees, as told.
    away_m
        Metres from where the unit is taken to be.
    told_at
        When it was told.
    """

    lon: float
    lat: float
    away_m: float
    told_at: datetime


class Unit(msgspec.Struct, kw_only=True, omit_defaults=True):
    """People and vehicle that can be sent. ``queue`` holds what it does next, visible to all.

    ``lon``, ``lat`` is the last position that can be, told at ``position_at``; ``far`` is what was
    told since and can't, until a good one comes.

    ``post`` names where it stands, or drives to, away from home, with its place; empty: at home.
    ``duty_s`` are the seconds that its ended assignments took, for fairness, as they counted at
    ``duty_at``; see :meth:`tired_s`. Until ``stays_until`` no move-up is proposed for it, for it
    moved or a person refused one. ``neighbour`` is who lends it.
    """

    id: str
    kind: str
    skills: tuple[str, ...]
    owner: str
    state: UnitState
    lon: float
    lat: float
    home_lon: float
    home_lat: float
    since: datetime
    position_at: datetime
    updated_seq: int
    station: str = ""
    call_sign: str = ""
    assignment: str = ""
    incident: str = ""
    queue: list[str] = []
    held_by: str = ""
    held_reason: str = ""
    post: str = ""
    post_lon: float | None = None
    post_lat: float | None = None
    duty_s: float = 0.0
    duty_at: datetime | None = None
    stays_until: datetime | None = None
    neighbour: str = ""
    far: FarPosition | None = None

    def tired_s(self, now: datetime) -> float:
        """Seconds under way that still count: half of them after `REST_HALVES_S` of rest."""
        rest_s = (now - self.duty_at).total_seconds() if self.duty_at else 0.0
        return round(self.duty_s * math.pow(0.5, max(0.0, rest_s / REST_HALVES_S)), 1)


class Assignment(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One unit sent to one incident. ``times`` says when each state began, ``said`` when its crew
    said so by its own clock.

    ``diverted_from`` is the incident that it was under way to when it was turned to this one,
    ``diverted_to`` the one that it was turned to from here. ``also`` is a second requirement that
    the unit fills at once, ``relieves`` the assignment whose place it took. ``hospital`` is where
    it brings its patients, as ``hospital_by`` chose among ``hospital_options``.

    Roads may change while it is under way: then ``route``, ``drive_s`` and ``length_m`` count from
    where it was at ``rerouted_at``. ``added_s`` is what such changes have cost it so far;
    ``cut_off`` says that no open road leads there.

    ``end_reason`` is why it ended: ``out_of_service`` where the crew dropped out, or other words
    of the desk's or of a person's.
    """

    id: str
    incident: str
    unit: str
    requirement: str
    state: AssignmentState
    by: str
    updated_seq: int
    proposal: str = ""
    override: bool = False
    reason: str = ""
    turnout_s: float = 0.0
    drive_s: float = 0.0
    length_m: float = 0.0
    route: tuple[Point, ...] = ()
    times: dict[str, datetime] = {}
    said: dict[str, datetime] = {}
    diverted_from: str = ""
    diverted_to: str = ""
    also: str = ""
    relieves: str = ""
    rerouted_at: datetime | None = None
    added_s: float = 0.0
    cut_off: bool = False
    hospital: str = ""
    hospital_s: float = 0.0
    hospital_by: str = ""
    hospital_options: tuple[ev.HospitalOption, ...] = ()
    end_reason: str = ""

    @property
    def ended(self) -> bool:
        """Cleared or cancelled."""
        return self.state in ENDED_ASSIGNMENT

    @property
    def way_began(self) -> datetime | None:
        """When it began the way that `route` is; None while it hasn't left its post."""
        left = self.times.get(AssignmentState.EN_ROUTE.value)
        if left is None or self.rerouted_at is None:
            return left
        return max(left, self.rerouted_at)


class Proposal(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Who should go, waiting for a decision."""

    id: str
    incident: str
    made_at: datetime
    choices: tuple[ev.Choice, ...]
    updated_seq: int
    shortage: dict[str, int] = {}
    automatic: bool = False
    held: str = ""
    counted_priority: int = 0
    status: str = "complete"
    policy: str = ""
    gap: float = 0.0
    solved: str = ""
    coverage: float | None = None
    coverage_after: float | None = None
    next_free_s: float | None = None


class MoveUp(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An idle unit should stand elsewhere: waiting for a decision. ``id`` is the unit's."""

    id: str
    lon: float
    lat: float
    drive_s: float
    made_at: datetime
    updated_seq: int
    post: str = ""
    coverage: float = 0.0
    coverage_after: float = 0.0


class Hospital(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where patients are brought.

    Attributes
    ----------
    listed_per_hour, set_per_hour
        Patients that it takes in an hour: as the city pack says, and as a person said.
    bound
        Assignments whose patients are on their way or being handed over.
    brought
        When patients came whose crews have left, within an hour before the last.
    """

    id: str
    names: dict[str, str]
    lon: float
    lat: float
    updated_seq: int
    listed_per_hour: int | None = None
    set_per_hour: int | None = None
    closed: bool = False
    set_by: str = ""
    reason: str = ""
    bound: list[str] = []
    brought: list[datetime] = []

    def load(self, now: datetime) -> int:
        """Return its patients of the last hour, those on their way among them."""
        return len(self.bound) + sum(at > now - PATIENTS_HOUR for at in self.brought)


class Task(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Something a person must do by a time, or ``until`` the incident is ``triaged``."""

    id: str
    incident: str
    title: dict[str, str]
    role: str
    due: datetime
    state: TaskState
    assigned_at: datetime
    updated_seq: int
    proof: str = "none"
    assignee: str = ""
    cell: str = ""
    by: str = ""
    note: str = ""
    photos: list[str] = []
    until: str = ""
    was_overdue: bool = False


class Closure(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Roads that may not be used, or are slow: see :class:`models.events.RoadClosed`."""

    id: str
    lon: float
    lat: float
    radius_m: float
    since: datetime
    updated_seq: int
    ring: tuple[Point, ...] = ()
    edges: tuple[str, ...] = ()
    speed: float = 0.0
    until: datetime | None = None
    by: str = ""
    reason: str = ""


class Deadline(msgspec.Struct, kw_only=True):
    """Something is due; the desk asks for a clock event then.

    ``until`` is ``triaged`` where it is of no matter once the incident is.
    """

    id: str
    incident: str
    due: datetime
    states: tuple[IncidentState, ...]
    to_role: str
    notice: dict[str, str]
    until: str = ""


class SimplerPlanning(msgspec.Struct, kw_only=True, frozen=True):
    """The policy in force fails: see :class:`models.events.PlanningFellBack`.

    ``since`` is when it failed first.
    """

    since: datetime
    policy: str
    used: str
    error: str
    incidents: tuple[str, ...] = ()
    hung: int = 0
    rests_until: datetime | None = None


class PostureChange(msgspec.Struct, kw_only=True, frozen=True):
    """Who set the posture last, when, why, and what it was ``before``."""

    seq: int
    at: datetime
    by: str
    reason: str
    before: Posture


class AutomationChange(msgspec.Struct, kw_only=True, frozen=True):
    """Who set the automatic priorities last, when, why, and which they were ``before``."""

    seq: int
    at: datetime
    by: str
    reason: str
    before: tuple[int, ...]


class Rules(msgspec.Struct, kw_only=True):
    """The jurisdiction's running settings, as the screens show them."""

    posture: Posture = Posture.ROUTINE
    automatic_priorities: tuple[int, ...] = (1,)
    city: str = ""
    pack_hash: str = ""
    playbooks_hash: str = ""
    correlation_radius_m: float = 150.0
    correlation_window_s: float = 1800.0
    simpler_planning: SimplerPlanning | None = None
    posture_change: PostureChange | None = None
    automation_change: AutomationChange | None = None


class Demand(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where and when urgent calls came so far: what coverage learns from.

    Attributes
    ----------
    since
        When counting began.
    calls
        Urgent incidents opened.
    places
        ``column:row:hour`` to how many: square of `DEMAND_SIDE_DEG` and hour of the day, UTC.
    asked
        Skills, joined by ``|``, to the urgent incidents that asked for a unit with them.
    """

    since: datetime | None = None
    calls: int = 0
    places: dict[str, int] = {}
    asked: dict[str, int] = {}


class Situation(msgspec.Struct, kw_only=True):
    """Everything a desk knows, after journal event ``seq``.

    ``roads_at`` is when a road was last closed, made slow or reopened; ``ticked`` the ``seq`` of
    the last tick.
    """

    jurisdiction: str
    exercise: bool
    seq: int = 0
    now: datetime | None = None
    opened: int = 0
    incidents: dict[str, Incident] = {}
    units: dict[str, Unit] = {}
    assignments: dict[str, Assignment] = {}
    proposals: dict[str, Proposal] = {}
    tasks: dict[str, Task] = {}
    closures: dict[str, Closure] = {}
    deadlines: dict[str, Deadline] = {}
    rules: Rules = msgspec.field(default_factory=Rules)
    ended: list[str] = []
    plan_due: bool = False
    ticked: int = 0
    roads_at: datetime | None = None
    move_ups: dict[str, MoveUp] = {}
    hospitals: dict[str, Hospital] = {}
    demand: Demand = msgspec.field(default_factory=Demand)

    def incidents_of(self, report: str) -> list[Incident]:
        """Return the incidents that have a report: two where one was merged into the other."""
        return [one for one in self.incidents.values() if report in one.reports]


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Situation)


def dump(situation: Situation) -> bytes:
    """Return the situation as JSON, for a snapshot."""
    return _ENCODER.encode(situation)


def load(raw: bytes) -> Situation:
    """Return the situation that :func:`dump` wrote."""
    return _DECODER.decode(raw)
