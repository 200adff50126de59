"""The situation of one jurisdiction: what the journal adds up to.

:func:`apply` folds one journal event into the situation and says which entities it touched. The
desk uses it to know, a restarted desk to remember, and the console to show; so nobody computes
the same state in a second way. It never decides and never refuses: what stands in a journal has
happened. :mod:`dispatch.desk` is where things are decided.

An ended incident stays in the situation until :data:`ENDED_KEPT` others ended after it; then it,
its assignments and its tasks leave the memory (the tables and the journal keep them).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

import msgspec

from models import events as ev
from models.events import Event, FactValue, Point, Requirement
from models.lifecycles import (
    ENDED_ASSIGNMENT,
    ENDED_INCIDENT,
    UNIT_STATE_OF_ASSIGNMENT,
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

ENDED_KEPT = 300
ESCALATIONS_KEPT = 20
PATIENTS_HOUR = timedelta(hours=1)
REST_HALVES_S = 8 * 3600.0
"""What a unit did counts half after so much rest: a night's work is over after a day."""
DEMAND_SIDE_DEG = 0.005
"""Side of the squares in which demand is counted: some 450 by 550 m in a temperate city."""

URGENT = 2
"""Calls of this priority or worse are demand that coverage is for."""


class Escalation(msgspec.Struct, frozen=True):
    """A person was told that something is overdue."""

    at: datetime
    deadline: str
    to_role: str
    notice: dict[str, str]


class Incident(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What we believe is happening.

    ``opened_at`` is our time of the first report; ``losses`` counts units under way that were
    turned to something more urgent.
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
    losses: int = 0
    first_ordered_at: datetime | None = None
    first_on_scene_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Closed or cancelled."""
        return self.state in ENDED_INCIDENT


class Unit(msgspec.Struct, kw_only=True, omit_defaults=True):
    """People and vehicle that can be sent. ``queue`` holds what it does next, visible to all.

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

    def tired_s(self, now: datetime) -> float:
        """Seconds under way that still count: half of them after `REST_HALVES_S` of rest."""
        rest_s = (now - self.duty_at).total_seconds() if self.duty_at else 0.0
        return round(self.duty_s * math.pow(0.5, max(0.0, rest_s / REST_HALVES_S)), 1)


class Assignment(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One unit sent to one incident. ``times`` says when each state began.

    ``diverted_from`` is the incident that it was under way to when it was turned to this one,
    ``diverted_to`` the one that it was turned to from here. ``also`` is a second requirement that
    the unit fills at once, ``relieves`` the assignment whose place it took. ``hospital`` is where
    it brings its patients, as ``hospital_by`` chose among ``hospital_options``.

    Roads may change while it is under way: then ``route``, ``drive_s`` and ``length_m`` count from
    where it was at ``rerouted_at``. ``added_s`` is what such changes have cost it so far;
    ``cut_off`` says that no open road leads there.
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
    counted_priority: int = 0
    status: str = "complete"
    policy: str = ""
    gap: float = 0.0
    solved: str = ""
    coverage: float | None = None
    coverage_after: float | None = None


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
    """Something a person must do by a time."""

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
    """Something is due; the desk asks for a clock event then."""

    id: str
    incident: str
    due: datetime
    states: tuple[IncidentState, ...]
    to_role: str
    notice: dict[str, str]


class Rules(msgspec.Struct, kw_only=True):
    """The jurisdiction's running settings, as the screens show them."""

    posture: Posture = Posture.ROUTINE
    automatic_priorities: tuple[int, ...] = (1,)
    city: str = ""
    pack_hash: str = ""
    playbooks_hash: str = ""
    correlation_radius_m: float = 150.0
    correlation_window_s: float = 1800.0


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

    ``roads_at`` is when a road was last closed, made slow or reopened.
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
    roads_at: datetime | None = None
    move_ups: dict[str, MoveUp] = {}
    hospitals: dict[str, Hospital] = {}
    demand: Demand = msgspec.field(default_factory=Demand)


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Situation)


def dump(situation: Situation) -> bytes:
    """Return the situation as JSON, for a snapshot."""
    return _ENCODER.encode(situation)


def load(raw: bytes) -> Situation:
    """Return the situation that :func:`dump` wrote."""
    return _DECODER.decode(raw)


def apply(situation: Situation, event: Event) -> Touched:
    """Fold a journal event into the situation, in place.

    Parameters
    ----------
    situation
        State after ``event.seq - 1``.
    event
        The next event of the journal.

    Returns
    -------
    Touched
        The kinds and ids of entities that changed, came or left.
    """
    touched: Touched = set()
    situation.seq = event.seq
    if situation.demand.since is None:
        situation.demand.since = event.time
    if situation.now is None or event.time > situation.now:
        situation.now = event.time
    handler = _HANDLERS.get(type(event.data))
    if handler is not None:
        handler(situation, event, event.data, touched)
    return touched


def _touch_incident(s: Situation, event: Event, incident_id: str, touched: Touched) -> Incident:
    incident = s.incidents[incident_id]
    incident.updated_at = event.time
    incident.updated_seq = event.seq
    touched.add(("incidents", incident_id))
    return incident


def _touch_unit(s: Situation, event: Event, unit_id: str, touched: Touched) -> Unit:
    unit = s.units[unit_id]
    unit.updated_seq = event.seq
    touched.add(("units", unit_id))
    return unit


def _desk_opened(s: Situation, event: Event, data: ev.DeskOpened, touched: Touched) -> None:
    s.rules.city = data.city
    s.rules.pack_hash = data.pack_hash
    s.rules.playbooks_hash = data.playbooks_hash
    s.rules.automatic_priorities = data.automatic_priorities
    s.rules.correlation_radius_m = data.correlation_radius_m
    s.rules.correlation_window_s = data.correlation_window_s
    s.plan_due = True
    touched.add(("settings", "rules"))


def _unit_registered(s: Situation, event: Event, data: ev.UnitRegistered, touched: Touched) -> None:
    known = s.units.get(data.unit)
    s.units[data.unit] = Unit(
        id=data.unit,
        kind=data.kind,
        skills=data.skills,
        owner=data.owner,
        state=known.state if known else UnitState.AVAILABLE,
        lon=known.lon if known else data.lon,
        lat=known.lat if known else data.lat,
        home_lon=data.lon,
        home_lat=data.lat,
        since=known.since if known else event.time,
        position_at=known.position_at if known else event.time,
        updated_seq=event.seq,
        station=data.station,
        call_sign=data.call_sign,
        assignment=known.assignment if known else "",
        incident=known.incident if known else "",
        queue=known.queue if known else [],
        held_by=known.held_by if known else "",
        held_reason=known.held_reason if known else "",
        post=known.post if known else "",
        post_lon=known.post_lon if known else None,
        post_lat=known.post_lat if known else None,
        duty_s=known.duty_s if known else 0.0,
        duty_at=known.duty_at if known else None,
        stays_until=known.stays_until if known else None,
        neighbour=data.neighbour,
    )
    s.plan_due = True
    touched.add(("units", data.unit))


def _positions(
    s: Situation, event: Event, data: ev.UnitPositionsReported, touched: Touched
) -> None:
    for unit_id, (lon, lat) in data.positions.items():
        if unit_id in s.units:
            unit = _touch_unit(s, event, unit_id, touched)
            unit.lon, unit.lat, unit.position_at = lon, lat, event.time


def _incident_opened(s: Situation, event: Event, data: ev.IncidentOpened, touched: Touched) -> None:
    s.opened += 1
    s.incidents[data.incident] = Incident(
        id=data.incident,
        number=data.number,
        state=IncidentState.OPEN,
        category=data.category,
        priority=data.priority,
        grade=data.grade,
        confidence=data.confidence,
        opened_at=data.received_at,
        updated_at=event.time,
        updated_seq=event.seq,
        triage=data.triage,
        text=data.text,
        code=data.code,
        channel=data.channel,
        lon=data.lon,
        lat=data.lat,
        place=data.place,
        cell=data.cell,
        outside=data.outside,
        observed_at=data.observed_at,
        clock_skew_s=data.clock_skew_s,
        reports=[data.report],
        photos=list(data.photos),
        facts=dict(data.facts),
    )
    touched.add(("incidents", data.incident))
    if data.priority <= URGENT and data.lon is not None and data.lat is not None:
        s.demand.calls += 1
        column = math.floor(data.lon / DEMAND_SIDE_DEG)
        row = math.floor(data.lat / DEMAND_SIDE_DEG)
        key = f"{column}:{row}:{data.received_at.hour}"
        s.demand.places[key] = s.demand.places.get(key, 0) + 1


def _report_linked(s: Situation, event: Event, data: ev.ReportLinked, touched: Touched) -> None:
    incident = _touch_incident(s, event, data.incident, touched)
    incident.reports.append(data.report)
    if data.text:
        incident.texts.append(data.text)
    incident.photos.extend(data.photos)
    incident.facts = dict(data.facts)


def _incident_revised(
    s: Situation, event: Event, data: ev.IncidentRevised, touched: Touched
) -> None:
    incident = _touch_incident(s, event, data.incident, touched)
    incident.category, incident.priority, incident.grade = data.category, data.priority, data.grade
    incident.triage = data.triage
    if data.by:
        incident.triaged_by = data.by


def _incident_moved(s: Situation, event: Event, data: ev.IncidentMoved, touched: Touched) -> None:
    incident = _touch_incident(s, event, data.incident, touched)
    incident.state = data.state
    if data.merged_into:
        incident.merged_into = data.merged_into
    if not incident.ended:
        return
    incident.closed_at = event.time
    s.ended.append(incident.id)
    s.plan_due = True
    while len(s.ended) > ENDED_KEPT:
        _forget(s, s.ended.pop(0), touched)


def _forget(s: Situation, incident_id: str, touched: Touched) -> None:
    incident = s.incidents.pop(incident_id)
    touched.add(("incidents", incident_id))
    for assignment in incident.assignments:
        s.assignments.pop(assignment, None)
        touched.add(("assignments", assignment))
    for task in incident.tasks:
        s.tasks.pop(task, None)
        touched.add(("tasks", task))


def _plan_adopted(s: Situation, event: Event, data: ev.PlanAdopted, touched: Touched) -> None:
    incident = _touch_incident(s, event, data.incident, touched)
    incident.playbook_names = data.names
    if not incident.requirements and incident.priority <= URGENT:
        for requirement in data.requirements:
            key = "|".join(requirement.skills)
            s.demand.asked[key] = s.demand.asked.get(key, 0) + 1
    incident.playbooks = list(data.playbooks)
    incident.requirements = list(data.requirements)
    incident.notices = list(data.notices)
    incident.response_level = data.response_level
    s.plan_due = True


def _deadline_set(s: Situation, event: Event, data: ev.DeadlineSet, touched: Touched) -> None:
    s.deadlines[data.deadline] = Deadline(
        id=data.deadline,
        incident=data.incident,
        due=data.due,
        states=data.states,
        to_role=data.to_role,
        notice=data.notice,
    )


def _deadline_dropped(
    s: Situation, event: Event, data: ev.DeadlineDropped, touched: Touched
) -> None:
    s.deadlines.pop(data.deadline, None)


def _escalation(s: Situation, event: Event, data: ev.EscalationRaised, touched: Touched) -> None:
    s.deadlines.pop(data.deadline, None)
    incident = _touch_incident(s, event, data.incident, touched)
    incident.escalations.append(Escalation(event.time, data.deadline, data.to_role, data.notice))
    del incident.escalations[:-ESCALATIONS_KEPT]


def _proposal_made(s: Situation, event: Event, data: ev.ProposalMade, touched: Touched) -> None:
    incident = _touch_incident(s, event, data.incident, touched)
    if incident.proposal:
        s.proposals.pop(incident.proposal, None)
        touched.add(("proposals", incident.proposal))
    incident.proposal = data.proposal
    s.plan_due = s.plan_due or data.more
    s.proposals[data.proposal] = Proposal(
        id=data.proposal,
        incident=data.incident,
        made_at=event.time,
        choices=data.choices,
        updated_seq=event.seq,
        shortage=data.shortage,
        automatic=data.automatic,
        counted_priority=data.counted_priority,
        status=data.status,
        policy=data.policy,
        gap=data.gap,
        solved=data.solved,
        coverage=data.coverage,
        coverage_after=data.coverage_after,
    )
    touched.add(("proposals", data.proposal))


def _proposal_withdrawn(
    s: Situation, event: Event, data: ev.ProposalWithdrawn, touched: Touched
) -> None:
    s.proposals.pop(data.proposal, None)
    touched.add(("proposals", data.proposal))
    incident = s.incidents.get(data.incident)
    if incident is not None and incident.proposal == data.proposal:
        _touch_incident(s, event, data.incident, touched).proposal = ""


def _assignment_ordered(
    s: Situation, event: Event, data: ev.AssignmentOrdered, touched: Touched
) -> None:
    incident = _touch_incident(s, event, data.incident, touched)
    incident.assignments.append(data.assignment)
    if incident.first_ordered_at is None:
        incident.first_ordered_at = event.time
    if data.override:
        incident.by_hand = True
    s.assignments[data.assignment] = Assignment(
        id=data.assignment,
        incident=data.incident,
        unit=data.unit,
        requirement=data.requirement,
        state=AssignmentState.ORDERED,
        by=data.by,
        updated_seq=event.seq,
        proposal=data.proposal,
        override=data.override,
        reason=data.reason,
        turnout_s=data.turnout_s,
        drive_s=data.drive_s,
        length_m=data.length_m,
        route=data.route,
        times={AssignmentState.ORDERED.value: event.time},
        diverted_from=data.diverted_from,
        also=data.also,
        relieves=data.relieves,
    )
    touched.add(("assignments", data.assignment))
    unit = _touch_unit(s, event, data.unit, touched)
    unit.state, unit.since = UnitState.ASSIGNED, event.time
    unit.assignment, unit.incident = data.assignment, data.incident
    # Wherever it stood: what comes after the assignment is its way home.
    unit.post, unit.post_lon, unit.post_lat = "", None, None
    _drop_move_up(s, data.unit, touched)
    s.plan_due = True


def _assignment_rerouted(
    s: Situation, event: Event, data: ev.AssignmentRerouted, touched: Touched
) -> None:
    sent = s.assignments[data.assignment]
    sent.route, sent.drive_s, sent.length_m = data.route, data.drive_s, data.length_m
    sent.added_s = round(sent.added_s + data.added_s, 1)
    sent.cut_off, sent.rerouted_at = data.cut_off, event.time
    sent.updated_seq = event.seq
    touched.add(("assignments", data.assignment))
    _touch_incident(s, event, data.incident, touched)


def _unit_diverted(s: Situation, event: Event, data: ev.UnitDiverted, touched: Touched) -> None:
    sent = s.assignments[data.assignment]
    sent.diverted_to, sent.updated_seq = data.to, event.seq
    touched.add(("assignments", data.assignment))
    _touch_incident(s, event, data.incident, touched).losses += data.kind == "divert"
    if data.to:
        _touch_incident(s, event, data.to, touched)
    _touch_unit(s, event, data.unit, touched)


def _move_up_proposed(
    s: Situation, event: Event, data: ev.MoveUpProposed, touched: Touched
) -> None:
    s.move_ups[data.unit] = MoveUp(
        id=data.unit,
        lon=data.lon,
        lat=data.lat,
        drive_s=data.drive_s,
        made_at=event.time,
        updated_seq=event.seq,
        post=data.post,
        coverage=data.coverage,
        coverage_after=data.coverage_after,
    )
    touched.add(("move_ups", data.unit))


def _move_up_withdrawn(
    s: Situation, event: Event, data: ev.MoveUpWithdrawn, touched: Touched
) -> None:
    _drop_move_up(s, data.unit, touched)
    if data.until is not None:
        _touch_unit(s, event, data.unit, touched).stays_until = data.until


def _move_up_ordered(s: Situation, event: Event, data: ev.MoveUpOrdered, touched: Touched) -> None:
    unit = _touch_unit(s, event, data.unit, touched)
    unit.state, unit.since, unit.post = UnitState.RETURNING, event.time, data.post
    away = bool(data.post)
    unit.post_lon, unit.post_lat = (data.lon, data.lat) if away else (None, None)
    unit.stays_until = data.until
    _drop_move_up(s, data.unit, touched)


def _drop_move_up(s: Situation, unit: str, touched: Touched) -> None:
    if s.move_ups.pop(unit, None) is not None:
        touched.add(("move_ups", unit))


def _assignment_moved(
    s: Situation, event: Event, data: ev.AssignmentMoved, touched: Touched
) -> None:
    assignment = s.assignments[data.assignment]
    assignment.state = data.state
    assignment.times[data.state.value] = event.time
    assignment.updated_seq = event.seq
    touched.add(("assignments", data.assignment))
    unit = _touch_unit(s, event, data.unit, touched)
    if assignment.ended:
        if unit.assignment == data.assignment:
            unit.assignment, unit.incident = "", ""
            unit.state, unit.since = UnitState.RETURNING, event.time
        began = assignment.times.get(AssignmentState.ORDERED.value, event.time)
        took_s = round((event.time - began).total_seconds(), 1)
        unit.duty_s, unit.duty_at = unit.tired_s(event.time) + took_s, event.time
        _leave_hospital(s, event, assignment, touched)
        s.plan_due = True
    else:
        unit.state, unit.since = UNIT_STATE_OF_ASSIGNMENT[data.state], event.time
    incident = _touch_incident(s, event, data.incident, touched)
    if data.state is AssignmentState.ON_SCENE and incident.first_on_scene_at is None:
        incident.first_on_scene_at = event.time


def _leave_hospital(s: Situation, event: Event, assignment: Assignment, touched: Touched) -> None:
    hospital = s.hospitals.get(assignment.hospital)
    if hospital is None or assignment.id not in hospital.bound:
        return
    hospital.bound.remove(assignment.id)
    there = assignment.times.get(AssignmentState.AT_HOSPITAL.value)
    if there is not None:
        oldest = event.time - PATIENTS_HOUR
        hospital.brought = [at for at in (*hospital.brought, there) if at > oldest]
    hospital.updated_seq = event.seq
    touched.add(("hospitals", hospital.id))


def _hospital_registered(
    s: Situation, event: Event, data: ev.HospitalRegistered, touched: Touched
) -> None:
    known = s.hospitals.get(data.hospital)
    made = Hospital(
        id=data.hospital,
        names=data.names,
        lon=data.lon,
        lat=data.lat,
        updated_seq=event.seq,
        listed_per_hour=data.per_hour,
    )
    if known is not None:
        made.set_per_hour, made.closed = known.set_per_hour, known.closed
        made.set_by, made.reason = known.set_by, known.reason
        made.bound, made.brought = known.bound, known.brought
    s.hospitals[data.hospital] = made
    touched.add(("hospitals", data.hospital))


def _hospital_set(s: Situation, event: Event, data: ev.HospitalSet, touched: Touched) -> None:
    hospital = s.hospitals[data.hospital]
    hospital.closed, hospital.set_per_hour = data.closed, data.per_hour
    hospital.set_by, hospital.reason = data.by, data.reason
    hospital.updated_seq = event.seq
    touched.add(("hospitals", data.hospital))


def _hospital_chosen(s: Situation, event: Event, data: ev.HospitalChosen, touched: Touched) -> None:
    assignment = s.assignments[data.assignment]
    for name in (assignment.hospital, data.hospital):
        hospital = s.hospitals.get(name)
        if hospital is not None:
            if name == data.hospital and data.assignment not in hospital.bound:
                hospital.bound.append(data.assignment)
            elif name != data.hospital and data.assignment in hospital.bound:
                hospital.bound.remove(data.assignment)
            hospital.updated_seq = event.seq
            touched.add(("hospitals", name))
    assignment.hospital, assignment.hospital_s = data.hospital, data.drive_s
    assignment.hospital_by, assignment.hospital_options = data.by, data.options
    assignment.updated_seq = event.seq
    touched.add(("assignments", data.assignment))


def _unit_moved(s: Situation, event: Event, data: ev.UnitMoved, touched: Touched) -> None:
    unit = _touch_unit(s, event, data.unit, touched)
    unit.state, unit.since = data.state, event.time
    if data.state is UnitState.OUT_OF_SERVICE:
        unit.post, unit.post_lon, unit.post_lat = "", None, None
        _drop_move_up(s, data.unit, touched)
    if data.lon is not None and data.lat is not None:
        unit.lon, unit.lat, unit.position_at = data.lon, data.lat, event.time
    s.plan_due = True


def _unit_held(s: Situation, event: Event, data: ev.UnitHeld, touched: Touched) -> None:
    unit = _touch_unit(s, event, data.unit, touched)
    unit.held_by = data.by if data.held else ""
    unit.held_reason = data.reason if data.held else ""
    s.plan_due = True


def _unit_queued(s: Situation, event: Event, data: ev.UnitQueued, touched: Touched) -> None:
    unit = _touch_unit(s, event, data.unit, touched)
    if data.queued:
        unit.queue.append(data.incident)
    else:
        unit.queue.remove(data.incident)


def _status_reported(
    s: Situation, event: Event, data: ev.UnitStatusReported, touched: Touched
) -> None:
    if data.unit in s.units and data.lon is not None and data.lat is not None:
        unit = _touch_unit(s, event, data.unit, touched)
        unit.lon, unit.lat, unit.position_at = data.lon, data.lat, event.time


def _override_set(s: Situation, event: Event, data: ev.OverrideSet, touched: Touched) -> None:
    incident = _touch_incident(s, event, data.incident, touched)
    incident.pins, incident.bans = list(data.pins), list(data.bans)
    incident.by_hand = data.by_hand
    s.plan_due = True


def _task_assigned(s: Situation, event: Event, data: ev.TaskAssigned, touched: Touched) -> None:
    s.tasks[data.task] = Task(
        id=data.task,
        incident=data.incident,
        title=data.title,
        role=data.role,
        due=data.due,
        state=TaskState.ASSIGNED,
        assigned_at=event.time,
        updated_seq=event.seq,
        proof=data.proof,
        assignee=data.assignee,
        cell=data.cell,
    )
    touched.add(("tasks", data.task))
    _touch_incident(s, event, data.incident, touched).tasks.append(data.task)


def _task_moved(s: Situation, event: Event, data: ev.TaskMoved, touched: Touched) -> None:
    task = s.tasks[data.task]
    task.state, task.updated_seq = data.state, event.seq
    task.was_overdue |= data.state is TaskState.OVERDUE
    task.by = data.by or task.by
    task.note = data.note or task.note
    task.photos.extend(data.photos)
    touched.add(("tasks", data.task))


def _road_closed(s: Situation, event: Event, data: ev.RoadClosed, touched: Touched) -> None:
    s.closures[data.closure] = Closure(
        id=data.closure,
        lon=data.lon,
        lat=data.lat,
        radius_m=data.radius_m,
        ring=data.ring,
        edges=data.edges,
        speed=data.speed,
        since=event.time,
        updated_seq=event.seq,
        until=data.until,
        by=data.by,
        reason=data.reason,
    )
    s.plan_due, s.roads_at = True, event.time
    touched.add(("closures", data.closure))


def _road_reopened(s: Situation, event: Event, data: ev.RoadReopened, touched: Touched) -> None:
    s.closures.pop(data.closure, None)
    s.plan_due, s.roads_at = True, event.time
    touched.add(("closures", data.closure))


def _automation_set(s: Situation, event: Event, data: ev.AutomationSet, touched: Touched) -> None:
    s.rules.automatic_priorities = data.priorities
    s.plan_due = True
    touched.add(("settings", "rules"))


def _posture_set(s: Situation, event: Event, data: ev.PostureSet, touched: Touched) -> None:
    s.rules.posture = data.posture
    s.plan_due = True
    touched.add(("settings", "rules"))


def _clock_ticked(s: Situation, event: Event, data: ev.ClockTicked, touched: Touched) -> None:
    # A tick is when the desk plans; what follows in the journal is that plan.
    s.plan_due = False


_HANDLERS: dict[type[ev.Payload], Callable[[Situation, Event, Any, Touched], None]] = {
    ev.DeskOpened: _desk_opened,
    ev.UnitRegistered: _unit_registered,
    ev.UnitPositionsReported: _positions,
    ev.IncidentOpened: _incident_opened,
    ev.ReportLinked: _report_linked,
    ev.IncidentRevised: _incident_revised,
    ev.IncidentMoved: _incident_moved,
    ev.PlanAdopted: _plan_adopted,
    ev.DeadlineSet: _deadline_set,
    ev.DeadlineDropped: _deadline_dropped,
    ev.EscalationRaised: _escalation,
    ev.ProposalMade: _proposal_made,
    ev.ProposalWithdrawn: _proposal_withdrawn,
    ev.AssignmentOrdered: _assignment_ordered,
    ev.AssignmentMoved: _assignment_moved,
    ev.AssignmentRerouted: _assignment_rerouted,
    ev.UnitDiverted: _unit_diverted,
    ev.MoveUpProposed: _move_up_proposed,
    ev.MoveUpWithdrawn: _move_up_withdrawn,
    ev.MoveUpOrdered: _move_up_ordered,
    ev.HospitalRegistered: _hospital_registered,
    ev.HospitalSet: _hospital_set,
    ev.HospitalChosen: _hospital_chosen,
    ev.UnitMoved: _unit_moved,
    ev.UnitHeld: _unit_held,
    ev.UnitQueued: _unit_queued,
    ev.UnitStatusReported: _status_reported,
    ev.OverrideSet: _override_set,
    ev.TaskAssigned: _task_assigned,
    ev.TaskMoved: _task_moved,
    ev.RoadClosed: _road_closed,
    ev.RoadReopened: _road_reopened,
    ev.AutomationSet: _automation_set,
    ev.PostureSet: _posture_set,
    ev.ClockTicked: _clock_ticked,
}
