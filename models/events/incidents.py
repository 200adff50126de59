"""What a desk decides about an incident: what it is, what its playbooks ask for, what is due.

Not for: who goes there (:mod:`models.events.proposals`, :mod:`models.events.units`).
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from models.events.payload import FactValue, NamedPlace, Payload, Time
from models.events.reading import Reading
from models.lifecycles import IncidentState
from models.words import Channel, Grade


class IncidentOpened(Payload, frozen=True, kw_only=True):
    """A new incident; ``number`` is what people call it on the radio.

    Attributes
    ----------
    near
        As the report has it.
    far
        Its place is so far from every street, unit and facility that the machine sends nobody.
    words
        ``zh`` and ``en`` of a text that a machine wrote.
    reading
        As the report has it.
    """

    type_name: ClassVar[str] = "incident.opened"
    incident: str
    number: str
    report: str
    category: str
    priority: int
    grade: Grade
    confidence: float
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
    received_at: Time
    observed_at: Time | None = None
    clock_skew_s: float = 0.0
    photos: tuple[str, ...] = ()
    facts: dict[str, FactValue] = {}
    near: NamedPlace | None = None
    far: bool = False
    words: dict[str, str] = {}
    reading: Reading | None = None


class IncidentPlaced(Payload, frozen=True, kw_only=True):
    """A person said where an incident is, a dispatcher or who reported it.

    ``place`` in words; empty: as before.

    ``merged_from`` is the incident whose place it is, which a person merged into this one.
    """

    type_name: ClassVar[str] = "incident.placed"
    incident: str
    lon: float
    lat: float
    by: str
    place: str = ""
    cell: str = ""
    outside: bool = False
    reason: str = ""
    merged_from: str = ""


class Share(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What some reports make of an incident: facts, how urgent, how bad, whether a life is at risk.

    Kept of each part of an incident that others were merged into, so that a merge can be undone.
    """

    facts: dict[str, FactValue] = {}
    priority: int
    grade: Grade
    life_threat: bool = False


class Where(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an incident is, as far as that is known; fields as of :class:`IncidentOpened`."""

    lon: float | None = None
    lat: float | None = None
    place: str = ""
    cell: str = ""
    outside: bool = False
    near: NamedPlace | None = None
    far: bool = False


class ReportLinked(Payload, frozen=True, kw_only=True):
    """A further report of an incident that is already open, and why we think so.

    Attributes
    ----------
    facts
        Of the incident, with this report.
    merged_from
        Incident that it was of until a person merged that into this one.
    own
        What the incident would be without all that was merged into it; None: as before.
    leads
        It is more urgent than what was known before: its text says best what happens.
    words
        As of :class:`IncidentOpened`.
    reading
        As the report has it.
    """

    type_name: ClassVar[str] = "report.linked"
    incident: str
    report: str
    distance_m: float
    age_s: float
    text: str = ""
    facts: dict[str, FactValue] = {}
    photos: tuple[str, ...] = ()
    life_threat: bool = False
    merged_from: str = ""
    own: Share | None = None
    leads: bool = False
    words: dict[str, str] = {}
    reading: Reading | None = None


class ReportEnded(Payload, frozen=True, kw_only=True):
    """What a sensor reported of an open incident is over; the incident is as it was."""

    type_name: ClassVar[str] = "report.ended"
    incident: str
    report: str
    device: str
    at: Time
    by_itself: bool = False


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


class IncidentUnmerged(Payload, frozen=True, kw_only=True):
    """A merge was undone: an incident lost what came from another one.

    Attributes
    ----------
    duplicate
        The incident that is one of its own again.
    reports
        Those that went back to it, with their texts and photos.
    share
        What is left.
    where
        Where the incident was known to be before, if its place came from the duplicate.
    """

    type_name: ClassVar[str] = "incident.unmerged"
    incident: str
    duplicate: str
    reports: tuple[str, ...]
    share: Share
    where: Where | None = None
    by: str
    reason: str = ""


class OrderCarriedOut(Payload, frozen=True, kw_only=True):
    """A person's order on an incident was carried out: who orders next must have seen it.

    Attributes
    ----------
    order
        Type of the order, such as ``send_units``; its id is the cause.
    units
        Units that the order names.
    """

    type_name: ClassVar[str] = "order.carried_out"
    incident: str
    order: str
    by: str
    reason: str = ""
    units: tuple[str, ...] = ()


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
    """Something is due; when it passes while the incident is in one of ``states``, escalate.

    ``until`` is ``triaged`` where it is dropped once a person says what the incident is.
    """

    type_name: ClassVar[str] = "deadline.set"
    deadline: str
    incident: str
    due: Time
    states: tuple[IncidentState, ...]
    to_role: str
    notice: dict[str, str]
    until: str = ""


class EscalationRaised(Payload, frozen=True, kw_only=True):
    """A deadline passed unmet: a person is told.

    Attributes
    ----------
    deadline
        Its name; where ``kind`` says what it is, the assignment's id, a hyphen and the kind.
    notice
        ``zh`` and ``en``, as the playbook has it; empty where ``kind`` says what it is.
    kind
        What a desk watches without a playbook: ``unanswered`` (a crew doesn't say that it goes),
        ``overdue`` (it hasn't arrived), ``dropped_out`` (it can't, and no other unit goes there).
    unit
        The crew that it is about.
    """

    type_name: ClassVar[str] = "escalation.raised"
    incident: str
    deadline: str
    to_role: str
    notice: dict[str, str]
    kind: str = ""
    unit: str = ""


class DeadlineDropped(Payload, frozen=True, kw_only=True):
    """A deadline that no longer matters."""

    type_name: ClassVar[str] = "deadline.dropped"
    deadline: str
    incident: str
