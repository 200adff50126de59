"""What the world says: reports, units and hospitals, crews' words, the clock.

For: all that enters a desk and is no person's order. A report is immutable and comes twice: as it
was received, and as classify understood it. Not for: what a desk makes of it.
"""

from __future__ import annotations

from typing import ClassVar

from models.events.payload import FactValue, NamedPlace, Payload, Point, Time
from models.events.reading import Reading
from models.lifecycles import TaskState, UnitState
from models.words import Channel, Datum, Grade


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
    life_threat
        A danger to life, here and now, was read in it surely enough for the machine to order,
        whatever its category.
    reading
        What was read in its text; None where a code or a sensor said what it is.
    outside
        The place lies in no cell of the jurisdiction, or there is none.
    near
        The cell or town that the words name, where the report has no place of its own.
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
    life_threat: bool = False
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
    near: NamedPlace | None = None
    reading: Reading | None = None


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
    """A crew (or its simulator) says what it does now.

    ``observed_at`` is when it said so by its own clock; that may be long before, or wrong by hours,
    and never decides anything.
    """

    type_name: ClassVar[str] = "unit.status_reported"
    unit: str
    state: UnitState
    assignment: str = ""
    lon: float | None = None
    lat: float | None = None
    reporter: str = ""
    observed_at: Time | None = None


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


class ReportPlaced(Payload, frozen=True, kw_only=True):
    """Who reported says afterwards where it is.

    Attributes
    ----------
    report
        Id of the report that had no place, or one that can't be.
    lon, lat
        In WGS-84, degrees.
    place
        Address or description of the place.
    by
        Account that says so.
    """

    type_name: ClassVar[str] = "report.placed"
    report: str
    lon: float
    lat: float
    by: str
    accuracy_m: float | None = None
    place: str = ""


class AlarmEnded(Payload, frozen=True, kw_only=True):
    """What a sensor's report told is over: the device says so, or says nothing more of it.

    Attributes
    ----------
    report
        Id of the report that the alarm was.
    at
        Time of the reading that said so, or of the last.
    by_itself
        An event, such as a button, that is over for it was not said again.
    """

    type_name: ClassVar[str] = "alarm.ended"
    report: str
    device: str
    rule: str
    at: Time
    by_itself: bool = False


class ClockTicked(Payload, frozen=True, kw_only=True):
    """Time passed: a deadline that the desk named is due.

    ``hung`` counts how often a desk has hung on a tick since the last one it was done with: each
    time it plans by a simpler policy.
    """

    type_name: ClassVar[str] = "clock.ticked"
    hung: int = 0


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
