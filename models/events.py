"""CloudEvents 1.0 with typed payloads: the only thing that travels between the rooms.

An :class:`Event` is the envelope with its payload already parsed; :func:`decode` and
:func:`encode` turn it from and to structured-mode JSON (``application/cloudevents+json``), byte
for byte the same for the same event. The payload's class decides the event's ``type``. Inputs
(what the world says) and decisions (what a desk says) are payloads alike; :data:`INPUTS` names
the former.

Extensions: ``jurisdiction`` (partition key), ``exercise``, ``cause`` (id of the event that this
one follows from) and ``seq`` (place in the journal; only on journal events).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec

from models.errors import EventError
from models.lifecycles import AssignmentState, IncidentState, TaskState, UnitState
from models.words import Channel, Datum, Grade, Posture

FactValue: TypeAlias = bool | int | str
Point: TypeAlias = tuple[float, float]
"""Longitude and latitude in degrees, WGS-84."""

Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware time; one without a zone is refused at the door."""

TYPE_PREFIX = "gridcommand."


class Payload(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of all payloads. ``type_name`` is the CloudEvents type without its prefix."""

    type_name: ClassVar[str] = ""


# ── what the world says ────────────────────────────────────────────────────────────────────────


class ReportReceived(Payload, frozen=True, kw_only=True):
    """A report as it came, before anyone thought about it.

    Attributes
    ----------
    text
        What was said, in the sender's words.
    code
        The source's own structured code, if it has one.
    lon, lat, datum
        Place as sent, in degrees; ``None`` when the sender has none.
    place
        Address or description of the place.
    observed_at
        The sender's clock; may be wrong by hours and never decides anything.
    received_at
        Our clock; decides.
    attributes
        What the source knows besides (priority, group, alarms, …).
    """

    type_name: ClassVar[str] = "report.received"
    channel: Channel
    received_at: Time
    text: str = ""
    code: str = ""
    lon: float | None = None
    lat: float | None = None
    datum: Datum = Datum.WGS84
    accuracy_m: float | None = None
    place: str = ""
    observed_at: Time | None = None
    reporter: str = ""
    language: str = ""
    photos: tuple[str, ...] = ()
    attributes: dict[str, FactValue] = {}


class ReportClassified(Payload, frozen=True, kw_only=True):
    """A report that a desk can act on.

    Attributes
    ----------
    confidence
        0 to 1; under the classifier's threshold ``triage`` is set.
    outside
        The place lies in no cell of the jurisdiction, or there is none.
    clock_skew_s
        The sender's clock minus ours, in seconds; 0 when the sender gave none.
    """

    type_name: ClassVar[str] = "report.classified"
    channel: Channel
    received_at: Time
    category: str
    priority: int
    grade: Grade
    confidence: float
    triage: bool = False
    text: str = ""
    code: str = ""
    lon: float | None = None
    lat: float | None = None
    accuracy_m: float | None = None
    place: str = ""
    cell: str = ""
    outside: bool = False
    observed_at: Time | None = None
    clock_skew_s: float = 0.0
    reporter: str = ""
    language: str = ""
    photos: tuple[str, ...] = ()
    facts: dict[str, FactValue] = {}
    attributes: dict[str, FactValue] = {}
    terms: tuple[str, ...] = ()


class UnitRegistered(Payload, frozen=True, kw_only=True):
    """A unit joins the jurisdiction's pool; ``neighbour`` is who lends it, if it is not our own."""

    type_name: ClassVar[str] = "unit.registered"
    unit: str
    kind: str
    skills: tuple[str, ...]
    owner: str
    lon: float
    lat: float
    station: str = ""
    call_sign: str = ""
    neighbour: str = ""


class UnitStatusReported(Payload, frozen=True, kw_only=True):
    """A crew (or its simulator) says what it does now."""

    type_name: ClassVar[str] = "unit.status_reported"
    unit: str
    state: UnitState
    assignment: str = ""
    lon: float | None = None
    lat: float | None = None
    reporter: str = ""


class UnitPositionsReported(Payload, frozen=True, kw_only=True):
    """Where units are now: one event for many, about one a second."""

    type_name: ClassVar[str] = "unit.positions_reported"
    positions: dict[str, Point]


class TaskReported(Payload, frozen=True, kw_only=True):
    """A person accepts or finishes a task."""

    type_name: ClassVar[str] = "task.reported"
    task: str
    state: TaskState
    by: str
    note: str = ""
    photos: tuple[str, ...] = ()


class ClockTicked(Payload, frozen=True, kw_only=True):
    """Time passed: a deadline that the desk named is due."""

    type_name: ClassVar[str] = "clock.ticked"


class DeskOpened(Payload, frozen=True, kw_only=True):
    """First event of a journal, and again whenever pack, plans or settings changed."""

    type_name: ClassVar[str] = "desk.opened"
    city: str
    pack_hash: str
    playbooks_hash: str
    automatic_priorities: tuple[int, ...]
    correlation_radius_m: float
    correlation_window_s: float


class HospitalRegistered(Payload, frozen=True, kw_only=True):
    """A hospital that takes patients; ``per_hour`` as many as its pack says, None: not known."""

    type_name: ClassVar[str] = "hospital.registered"
    hospital: str
    names: dict[str, str]
    lon: float
    lat: float
    per_hour: int | None = None


class Order(Payload, frozen=True, kw_only=True):
    """Base of a person's orders. ``by`` is who, ``reason`` is why."""

    by: str
    reason: str = ""


class ConfirmProposal(Order, frozen=True, kw_only=True):
    """Send what the proposal says. Refused when the proposal is no longer the one in force."""

    type_name: ClassVar[str] = "order.confirm_proposal"
    incident: str
    proposal: str


class SendUnits(Order, frozen=True, kw_only=True):
    """Override: send these units, whatever the machine proposes."""

    type_name: ClassVar[str] = "order.send_units"
    incident: str
    units: tuple[str, ...]


class RecallUnit(Order, frozen=True, kw_only=True):
    """Take a unit off its assignment."""

    type_name: ClassVar[str] = "order.recall_unit"
    unit: str


class DivertUnit(Order, frozen=True, kw_only=True):
    """Turn a unit that is under way to this incident instead, at once."""

    type_name: ClassVar[str] = "order.divert_unit"
    incident: str
    unit: str


class ConfirmMoveUp(Order, frozen=True, kw_only=True):
    """Let a unit move up, or go back, as is proposed for it."""

    type_name: ClassVar[str] = "order.confirm_move_up"
    unit: str


class RefuseMoveUp(Order, frozen=True, kw_only=True):
    """Leave a unit where it is, for a while."""

    type_name: ClassVar[str] = "order.refuse_move_up"
    unit: str


class SetHospital(Order, frozen=True, kw_only=True):
    """Say what a hospital takes from now on; ``per_hour`` None: what the city pack says."""

    type_name: ClassVar[str] = "order.set_hospital"
    hospital: str
    closed: bool = False
    per_hour: int | None = None


class SendToHospital(Order, frozen=True, kw_only=True):
    """Let a unit at work bring its patients to this hospital."""

    type_name: ClassVar[str] = "order.send_to_hospital"
    unit: str
    hospital: str


class HoldUnit(Order, frozen=True, kw_only=True):
    """Keep a unit from being proposed until lifted."""

    type_name: ClassVar[str] = "order.hold_unit"
    unit: str


class LiftHold(Order, frozen=True, kw_only=True):
    """End a hold."""

    type_name: ClassVar[str] = "order.lift_hold"
    unit: str


class PinUnit(Order, frozen=True, kw_only=True):
    """For this incident propose only plans that include this unit, until lifted."""

    type_name: ClassVar[str] = "order.pin_unit"
    incident: str
    unit: str


class BanUnit(Order, frozen=True, kw_only=True):
    """Never propose this unit for this incident, until lifted."""

    type_name: ClassVar[str] = "order.ban_unit"
    incident: str
    unit: str


class LiftOverride(Order, frozen=True, kw_only=True):
    """Give an incident back to the machine: end its pins, bans and overrides."""

    type_name: ClassVar[str] = "order.lift_override"
    incident: str


class TriageIncident(Order, frozen=True, kw_only=True):
    """Say what the incident really is; the machine won't change it again."""

    type_name: ClassVar[str] = "order.triage_incident"
    incident: str
    category: str
    priority: int
    grade: Grade


class MergeIncidents(Order, frozen=True, kw_only=True):
    """``duplicate`` is the same incident as ``incident``."""

    type_name: ClassVar[str] = "order.merge_incidents"
    incident: str
    duplicate: str


class CloseIncident(Order, frozen=True, kw_only=True):
    """End an incident; its units become free."""

    type_name: ClassVar[str] = "order.close_incident"
    incident: str
    cancelled: bool = False


class CloseRoad(Order, frozen=True, kw_only=True):
    """Close roads, or make them slow: around a point, in an area, or some by their ids.

    Attributes
    ----------
    lon, lat, radius_m
        All roads within so many metres of the point; None where ``ring`` or ``edges`` say which.
    ring
        Shell of the area, as (lon, lat), at least three.
    edges
        Ids of the city pack's road table.
    speed
        Share of the usual speed that is left, under 1; 0: closed.
    """

    type_name: ClassVar[str] = "order.close_road"
    closure: str
    lon: float | None = None
    lat: float | None = None
    radius_m: float | None = None
    ring: tuple[Point, ...] = ()
    edges: tuple[str, ...] = ()
    speed: float = 0.0
    until: Time | None = None


class ReopenRoad(Order, frozen=True, kw_only=True):
    """End a closure."""

    type_name: ClassVar[str] = "order.reopen_road"
    closure: str


class SetAutomation(Order, frozen=True, kw_only=True):
    """Say for which priorities orders go out by themselves."""

    type_name: ClassVar[str] = "order.set_automation"
    priorities: tuple[int, ...]


class SetPosture(Order, frozen=True, kw_only=True):
    """Change between routine and emergency running."""

    type_name: ClassVar[str] = "order.set_posture"
    posture: Posture


# ── what a desk decides ────────────────────────────────────────────────────────────────────────


class IncidentOpened(Payload, frozen=True, kw_only=True):
    """A new incident; ``number`` is what people call it on the radio."""

    type_name: ClassVar[str] = "incident.opened"
    incident: str
    number: str
    report: str
    category: str
    priority: int
    grade: Grade
    confidence: float
    triage: bool = False
    text: str = ""
    code: str = ""
    channel: Channel = Channel.SYSTEM
    lon: float | None = None
    lat: float | None = None
    place: str = ""
    cell: str = ""
    outside: bool = False
    received_at: Time
    observed_at: Time | None = None
    clock_skew_s: float = 0.0
    photos: tuple[str, ...] = ()
    facts: dict[str, FactValue] = {}


class ReportLinked(Payload, frozen=True, kw_only=True):
    """A further report of an incident that is already open, and why we think so."""

    type_name: ClassVar[str] = "report.linked"
    incident: str
    report: str
    distance_m: float
    age_s: float
    text: str = ""
    facts: dict[str, FactValue] = {}
    photos: tuple[str, ...] = ()


class IncidentRevised(Payload, frozen=True, kw_only=True):
    """Category, priority, grade or playbooks of an incident changed."""

    type_name: ClassVar[str] = "incident.revised"
    incident: str
    category: str
    priority: int
    grade: Grade
    triage: bool
    by: str
    reason: str = ""


class IncidentMoved(Payload, frozen=True, kw_only=True):
    """An incident's state changed."""

    type_name: ClassVar[str] = "incident.moved"
    incident: str
    state: IncidentState
    by: str = ""
    reason: str = ""
    merged_into: str = ""


class Requirement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``count`` units with all of ``skills``, there within ``within_s`` seconds of the report.

    Attributes
    ----------
    alternatives
        Other sets of skills that will do; a unit with one of them comes second to one with
        ``skills`` that is there about as soon.
    package
        Requirements of an incident with the same one are filled all together or not at all.
    shares
        Keys of other requirements of the incident that a unit sent for this one may fill too, if
        it fits both.
    """

    key: str
    skills: tuple[str, ...]
    count: int
    within_s: float
    playbook: str
    names: dict[str, str] = {}
    alternatives: tuple[tuple[str, ...], ...] = ()
    package: str = ""
    shares: tuple[str, ...] = ()

    def met_by(self, skills: frozenset[str]) -> bool:
        """Say whether a unit with these skills fits, as asked for or as an alternative."""
        return skills.issuperset(self.skills) or self.is_second(skills)

    def is_second(self, skills: frozenset[str]) -> bool:
        """Say whether a unit with these skills fits as an alternative only."""
        return not skills.issuperset(self.skills) and any(
            skills.issuperset(other) for other in self.alternatives
        )


class PlanAdopted(Payload, frozen=True, kw_only=True):
    """What the playbooks ask for on this incident; replaces an earlier plan.

    Attributes
    ----------
    names
        Of the playbooks, by id: language to name.
    problems
        Expressions of playbooks that failed on this incident: a mistake to be mended there.
    """

    type_name: ClassVar[str] = "plan.adopted"
    incident: str
    playbooks: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    notices: tuple[dict[str, str], ...] = ()
    response_level: int | None = None
    names: dict[str, dict[str, str]] = {}
    problems: tuple[str, ...] = ()


class DeadlineSet(Payload, frozen=True, kw_only=True):
    """Something is due; when it passes while the incident is in one of ``states``, escalate."""

    type_name: ClassVar[str] = "deadline.set"
    deadline: str
    incident: str
    due: Time
    states: tuple[IncidentState, ...]
    to_role: str
    notice: dict[str, str]


class EscalationRaised(Payload, frozen=True, kw_only=True):
    """A deadline passed unmet: a person is told."""

    type_name: ClassVar[str] = "escalation.raised"
    incident: str
    deadline: str
    to_role: str
    notice: dict[str, str]


class DeadlineDropped(Payload, frozen=True, kw_only=True):
    """A deadline that no longer matters."""

    type_name: ClassVar[str] = "deadline.dropped"
    deadline: str
    incident: str


class Candidate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A unit that could go: seconds from order to arrival and what it would cost the plan.

    Attributes
    ----------
    added_s
        What the whole plan would lose if it went instead of the chosen one, in seconds of this
        incident; one beyond the target weighs more than one before it.
    bare_s
        Seconds that life-threatening calls to come are expected to wait longer if it goes.
    diverted_from
        Incident that it is under way to now, and would be turned from.
    gain_s
        Seconds that a diversion or relief wins here against the best without it.
    relieves
        Unit under way that it takes the place of, because it is there sooner.
    alternative
        It fits by an alternative of the requirement, not by the skills that it asks for first.
    also
        Key of the other requirement that it fills at once: one unit in two roles.
    aid, aid_s
        Names of the neighbour that lends it, and the seconds that it is counted later for that;
        they are no part of its arrival.
    """

    unit: str
    turnout_s: float
    drive_s: float
    length_m: float = 0.0
    added_s: float = 0.0
    bare_s: float = 0.0
    diverted_from: str = ""
    gain_s: float = 0.0
    relieves: str = ""
    alternative: bool = False
    also: str = ""
    aid: dict[str, str] = {}
    aid_s: float = 0.0


class Exclusion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Units ruled out and the rule.

    ``busy``, ``held``, ``banned``, ``off_duty``, ``road_closed``, ``lacks_skill``,
    ``reserved`` (for the posture in force; ``names`` says for what), ``package`` (they wait until
    all that the package needs are there), ``elsewhere`` (proposed for another incident),
    ``neighbour`` (mutual aid, which doesn't relieve our own); and why a person's pin isn't kept:
    ``pin_elsewhere`` (pinned to another incident as well), ``pin_unreachable`` (no open road),
    ``pin_no_place`` (more are pinned than are missing).

    ``units`` are by id, those of a kind of which some fit first; where ``count`` is more, the rest
    goes unnamed.
    """

    rule: str
    units: tuple[str, ...]
    count: int
    names: dict[str, str] = {}


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place in a requirement and who should fill it."""

    requirement: str
    slot: int
    chosen: Candidate | None = None
    route: tuple[Point, ...] = ()
    streets: tuple[tuple[str, float], ...] = ()
    runners_up: tuple[Candidate, ...] = ()
    excluded: tuple[Exclusion, ...] = ()


class ProposalMade(Payload, frozen=True, kw_only=True):
    """Who should go, by which road, how long, who was second, who was ruled out and why.

    ``more`` says that this plan goes on in the next one, for other incidents.

    Attributes
    ----------
    counted_priority
        What the incident counted as because it waited so long; 0: its own.
    policy
        The rule that chose.
    status
        Of the model: ``complete``, or ``short`` where somebody is missing.
    gap
        Relative gap to the best answer that the model may still hide; 0 where it is the best.
    solved
        How CP-SAT ended where packages, two roles or reserves needed it: ``optimal``, or
        ``feasible`` at its limit; empty where the flow alone said it all.
    coverage, coverage_after
        Expected share of urgent calls that would be reached in time, before and after these
        units go; None where the policy doesn't look at it.
    """

    type_name: ClassVar[str] = "proposal.made"
    proposal: str
    incident: str
    choices: tuple[Choice, ...]
    shortage: dict[str, int] = {}
    automatic: bool = False
    counted_priority: int = 0
    status: str = "complete"
    replaces: str = ""
    more: bool = False
    policy: str = ""
    gap: float = 0.0
    solved: str = ""
    coverage: float | None = None
    coverage_after: float | None = None


class ProposalWithdrawn(Payload, frozen=True, kw_only=True):
    """A proposal no longer stands: ordered, overtaken or not needed."""

    type_name: ClassVar[str] = "proposal.withdrawn"
    proposal: str
    incident: str
    why: str


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
    """An assignment's state changed, and the unit's with it."""

    type_name: ClassVar[str] = "assignment.moved"
    assignment: str
    incident: str
    unit: str
    state: AssignmentState
    by: str = ""
    reason: str = ""


class UnitMoved(Payload, frozen=True, kw_only=True):
    """A unit's own state changed (not by an assignment's move)."""

    type_name: ClassVar[str] = "unit.moved"
    unit: str
    state: UnitState
    lon: float | None = None
    lat: float | None = None


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


class TaskAssigned(Payload, frozen=True, kw_only=True):
    """A person has something to do by a time."""

    type_name: ClassVar[str] = "task.assigned"
    task: str
    incident: str
    title: dict[str, str]
    role: str
    due: Time
    proof: str = "none"
    assignee: str = ""
    cell: str = ""


class TaskMoved(Payload, frozen=True, kw_only=True):
    """A task's state changed."""

    type_name: ClassVar[str] = "task.moved"
    task: str
    incident: str
    state: TaskState
    by: str = ""
    note: str = ""
    photos: tuple[str, ...] = ()


class RoadClosed(Payload, frozen=True, kw_only=True):
    """Roads may not be used, or are slow: see :class:`CloseRoad`.

    With ``ring`` or ``edges`` all of them lie within ``radius_m`` of the point.
    """

    type_name: ClassVar[str] = "road.closed"
    closure: str
    lon: float
    lat: float
    radius_m: float
    ring: tuple[Point, ...] = ()
    edges: tuple[str, ...] = ()
    speed: float = 0.0
    until: Time | None = None
    by: str = ""
    reason: str = ""


class RoadReopened(Payload, frozen=True, kw_only=True):
    """A closure ended."""

    type_name: ClassVar[str] = "road.reopened"
    closure: str
    by: str = ""
    reason: str = ""


class AutomationSet(Payload, frozen=True, kw_only=True):
    """For these priorities orders go out by themselves from now on."""

    type_name: ClassVar[str] = "automation.set"
    priorities: tuple[int, ...]
    by: str


class PostureSet(Payload, frozen=True, kw_only=True):
    """The jurisdiction runs in this posture from now on."""

    type_name: ClassVar[str] = "posture.set"
    posture: Posture
    by: str


class OrderRefused(Payload, frozen=True, kw_only=True):
    """An order could not be carried out; ``proposal`` is what could be done instead."""

    type_name: ClassVar[str] = "order.refused"
    order: str
    by: str
    code: str
    detail: str
    incident: str = ""
    proposal: str = ""


class EventRefused(Payload, frozen=True, kw_only=True):
    """An input that a desk could read but not use, and why (a unit that nobody knows, …)."""

    type_name: ClassVar[str] = "event.refused"
    event: str
    code: str
    detail: str


# ── what only a drill says ─────────────────────────────────────────────────────────────────────


class DrillDescribed(Payload, frozen=True, kw_only=True):
    """First line of a recording: what it is and where it comes from."""

    type_name: ClassVar[str] = "drill.described"
    name: str
    city: str
    calls: int
    units: int
    first: Time
    last: Time
    attribution: str = ""
    source_sha256: str = ""


class ServiceRecorded(Payload, frozen=True, kw_only=True):
    """How long one kind of unit was busy at a recorded call; only the simulator reads it.

    Attributes
    ----------
    report
        Id of the report that this call began with.
    kind
        Unit kind.
    on_scene_s
        Seconds from arrival to leaving the scene (or to being free).
    transport_s, hospital_s
        Seconds on the way to and at the hospital; ``None`` without transport.
    """

    type_name: ClassVar[str] = "drill.service_recorded"
    report: str
    kind: str
    on_scene_s: float
    transport_s: float | None = None
    hospital_s: float | None = None


def _leaves(base: type[Payload]) -> Iterable[type[Payload]]:
    for cls in base.__subclasses__():
        if cls.type_name:
            yield cls
        yield from _leaves(cls)


PAYLOADS: dict[str, type[Payload]] = {TYPE_PREFIX + cls.type_name: cls for cls in _leaves(Payload)}
ORDERS: frozenset[type[Payload]] = frozenset(_leaves(Order))
INPUTS: frozenset[type[Payload]] = ORDERS | {
    ReportClassified,
    UnitRegistered,
    HospitalRegistered,
    UnitStatusReported,
    UnitPositionsReported,
    TaskReported,
    ClockTicked,
    DeskOpened,
}
"""What a desk takes in; everything else in a journal is its decision."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvent whose payload is parsed.

    Attributes
    ----------
    id
        Unique with ``source``; UUIDv7 from the sender where it can. A decision's id is its
        cause's with a running number behind a slash.
    source
        URI reference of who says it, e.g. ``/intake`` or ``/desk/us-ca-sf``.
    time
        Our clock's time, or the drill's in an exercise; aware, UTC.
    seq
        Place in the jurisdiction's journal; 0 outside a journal.
    """

    id: str
    source: str
    time: datetime
    jurisdiction: str
    data: Payload
    exercise: bool = False
    cause: str = ""
    subject: str = ""
    seq: int = 0
    traceparent: str = ""

    @property
    def type(self) -> str:
        """CloudEvents type."""
        return TYPE_PREFIX + self.data.type_name


class _Wire(msgspec.Struct, kw_only=True, omit_defaults=True):
    # Field order is the byte order of what we write.
    specversion: str
    id: str
    source: str
    type: str
    time: datetime
    jurisdiction: str
    exercise: bool = False
    cause: str = ""
    subject: str = ""
    seq: int = 0
    traceparent: str = ""
    datacontenttype: str = "application/json"
    data: msgspec.Raw


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_wire = msgspec.json.Decoder(_Wire).decode
_decode_wires = msgspec.json.Decoder(list[msgspec.Raw]).decode
_payload_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(cls) for name, cls in PAYLOADS.items()
}


def encode(event: Event) -> bytes:
    """Return the event as structured-mode JSON, the same bytes for the same event."""
    return _encode(
        _Wire(
            specversion="1.0",
            id=event.id,
            source=event.source,
            type=event.type,
            time=event.time,
            jurisdiction=event.jurisdiction,
            exercise=event.exercise,
            cause=event.cause,
            subject=event.subject,
            seq=event.seq,
            traceparent=event.traceparent,
            data=msgspec.Raw(_encode(event.data)),
        )
    )


def encode_batch(events: Iterable[bytes]) -> bytes:
    """Return already encoded events as one ``application/cloudevents-batch+json`` value."""
    return b"[" + b",".join(events) + b"]"


def decode(raw: bytes | msgspec.Raw) -> Event:
    """Parse one event.

    Raises
    ------
    EventError
        When it isn't JSON, isn't CloudEvents 1.0, has an unknown type, a naive time or a payload
        that doesn't fit its type; the message says which field.
    """
    try:
        wire = _decode_wire(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"not a CloudEvent: {error}") from error
    if wire.specversion != "1.0":
        raise EventError(f"specversion is {wire.specversion!r}; only CloudEvents 1.0 is read")
    names = (wire.id, wire.source, wire.jurisdiction)
    if not all(names) or any("\0" in name for name in (*names, wire.cause, wire.subject)):
        raise EventError("id, source and jurisdiction must not be empty, and no name holds a NUL")
    if wire.time.tzinfo is None:
        raise EventError(f"time {wire.time.isoformat()} has no zone; write it in UTC, as …Z")
    try:
        time = wire.time.astimezone(UTC)
    except OverflowError as error:
        raise EventError(f"time {wire.time.isoformat()} is out of range") from error
    decoder = _payload_decoders.get(wire.type)
    if decoder is None:
        raise EventError(f"type {wire.type!r} is not known; see the topics reference")
    try:
        data = decoder.decode(wire.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"data of {wire.type}: {error}") from error
    return Event(
        id=wire.id,
        source=wire.source,
        time=time,
        jurisdiction=wire.jurisdiction,
        exercise=wire.exercise,
        cause=wire.cause,
        subject=wire.subject,
        seq=wire.seq,
        traceparent=wire.traceparent,
        data=data,
    )


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says of itself to who can't read the rest: another version's, perhaps."""

    id: str = ""
    type: str = ""
    jurisdiction: str = ""
    time: str = ""
    seq: int = 0


_decode_label = msgspec.json.Decoder(Label).decode


def label(raw: bytes | msgspec.Raw) -> Label:
    """Return the label of an event whose payload need not be known.

    Raises
    ------
    EventError
        When it isn't JSON of an event's shape.
    """
    try:
        return _decode_label(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"not a CloudEvent: {error}") from error


def split_batch(raw: bytes) -> list[bytes]:
    """Split a record's value into its events; a single event is a batch of one.

    Raises
    ------
    EventError
        When the value is neither.
    """
    if not raw.lstrip().startswith(b"["):
        return [raw]
    try:
        return [bytes(part) for part in _decode_wires(raw)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"not a CloudEvents batch: {error}") from error
