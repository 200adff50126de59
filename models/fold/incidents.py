"""Incidents: what they are, what their plans ask for, what is due; and the demand they count as.

Also for what else changes an incident: :func:`touch_incident`. An ended incident stays in the
situation until :data:`ENDED_KEPT` others ended after it; then it, its assignments and its tasks
leave the memory (the tables and the journal keep them).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from models import events as ev
from models.events import Event
from models.lifecycles import ENDED_INCIDENT, IncidentState
from models.situation import (
    DEMAND_SIDE_DEG,
    Deadline,
    Escalation,
    Incident,
    Joined,
    LastOrder,
    Situation,
    Touched,
)

ENDED_KEPT = 300
ESCALATIONS_KEPT = 20
URGENT = 2
"""Calls of this priority or worse are demand that coverage is for."""


def incident_opened(s: Situation, event: Event, data: ev.IncidentOpened, touched: Touched) -> None:
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
        life_threat=data.life_threat,
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
        near=data.near,
        far=data.far,
        words={data.text: data.words} if data.words else {},
        reading=data.reading,
    )
    touched.add(("incidents", data.incident))
    is_demand = data.priority <= URGENT and not data.far
    if is_demand and data.lon is not None and data.lat is not None:
        s.demand.calls += 1
        column = math.floor(data.lon / DEMAND_SIDE_DEG)
        row = math.floor(data.lat / DEMAND_SIDE_DEG)
        key = f"{column}:{row}:{data.received_at.hour}"
        s.demand.places[key] = s.demand.places.get(key, 0) + 1


def incident_placed(s: Situation, event: Event, data: ev.IncidentPlaced, touched: Touched) -> None:
    incident = touch_incident(s, event, data.incident, touched)
    for one in incident.joined:
        # Where a person said it is, it stays, whatever becomes of the merge.
        one.where = incident.where if one.incident == data.merged_from else None
    incident.lon, incident.lat = data.lon, data.lat
    incident.cell, incident.outside = data.cell, data.outside
    incident.place = data.place or incident.place
    incident.near, incident.far = None, False
    s.plan_due = True


def report_linked(s: Situation, event: Event, data: ev.ReportLinked, touched: Touched) -> None:
    incident = touch_incident(s, event, data.incident, touched)
    if data.own is not None:
        incident.own = data.own
    if data.merged_from and data.merged_from not in {one.incident for one in incident.joined}:
        share = s.incidents[data.merged_from].share
        incident.joined.append(Joined(incident=data.merged_from, share=share))
    incident.reports.append(data.report)
    if data.text:
        incident.texts.append(data.text)
        if data.leads:
            incident.leading = data.text
        if data.words:
            incident.words[data.text] = data.words
    if data.reading is not None:
        if incident.reading is None or data.leads:
            incident.reading = data.reading
        if data.reading.sketch:
            incident.sketches.append(data.reading.sketch)
    incident.photos.extend(data.photos)
    incident.facts = dict(data.facts)
    if data.life_threat and not incident.life_threat:
        incident.life_threat = s.plan_due = True


def report_ended(s: Situation, event: Event, data: ev.ReportEnded, touched: Touched) -> None:
    touch_incident(s, event, data.incident, touched)


def incident_revised(
    s: Situation, event: Event, data: ev.IncidentRevised, touched: Touched
) -> None:
    incident = touch_incident(s, event, data.incident, touched)
    incident.category, incident.priority, incident.grade = data.category, data.priority, data.grade
    incident.triage = data.triage
    # Whether it goes out by itself, and before whom, may be another now.
    s.plan_due = True
    if data.by:
        incident.triaged_by = data.by
        _say_of_all(incident, data)


def _say_of_all(incident: Incident, data: ev.IncidentRevised) -> None:
    """Let what a person said an incident is stand when a merge from before is undone."""
    said = {"priority": data.priority, "grade": data.grade}
    if incident.own is not None:
        incident.own = msgspec.structs.replace(incident.own, **said)
    for one in incident.joined:
        one.share = msgspec.structs.replace(one.share, **said)


def incident_unmerged(
    s: Situation, event: Event, data: ev.IncidentUnmerged, touched: Touched
) -> None:
    incident = touch_incident(s, event, data.incident, touched)
    gone = s.incidents[data.duplicate]
    _cut(incident.reports, data.reports)
    _cut(incident.texts, texts_of(gone))
    if incident.leading not in incident.texts:
        incident.leading = ""
    _cut(incident.photos, gone.photos)
    incident.facts = dict(data.share.facts)
    incident.priority, incident.grade = data.share.priority, data.share.grade
    incident.life_threat = data.share.life_threat
    if data.where is not None:
        for name in data.where.__struct_fields__:
            setattr(incident, name, getattr(data.where, name))
    incident.joined = [one for one in incident.joined if one.incident != data.duplicate]
    if not incident.joined:
        incident.own = None
    s.plan_due = True


def texts_of(incident: Incident) -> list[str]:
    """Return what an incident's reports said, in the order in which they came."""
    return [text for text in (incident.text, *incident.texts) if text]


def _cut(whole: list[str], part: Sequence[str]) -> None:
    """Take out what a merge put in: it stands together, for it came in one step."""
    for start in range(len(whole) - len(part), -1, -1):
        if whole[start : start + len(part)] == list(part):
            del whole[start : start + len(part)]
            return


def incident_moved(s: Situation, event: Event, data: ev.IncidentMoved, touched: Touched) -> None:
    incident = touch_incident(s, event, data.incident, touched)
    if incident.closed_at is not None and data.state not in ENDED_INCIDENT:
        _reopened(s, event, incident)
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


def _reopened(s: Situation, event: Event, incident: Incident) -> None:
    s.ended.remove(incident.id)
    if incident.closed_at is not None:
        incident.closed_s += max(0.0, (event.time - incident.closed_at).total_seconds())
    incident.closed_at, incident.reopened_at = None, event.time
    incident.merged_into = ""
    incident.former = len(incident.assignments)
    s.plan_due = True


def plan_adopted(s: Situation, event: Event, data: ev.PlanAdopted, touched: Touched) -> None:
    incident = touch_incident(s, event, data.incident, touched)
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


def override_set(s: Situation, event: Event, data: ev.OverrideSet, touched: Touched) -> None:
    incident = touch_incident(s, event, data.incident, touched)
    incident.pins, incident.bans = list(data.pins), list(data.bans)
    incident.by_hand = data.by_hand
    s.plan_due = True


def order_carried_out(
    s: Situation, event: Event, data: ev.OrderCarriedOut, touched: Touched
) -> None:
    incident = touch_incident(s, event, data.incident, touched)
    incident.last_order = LastOrder(
        seq=event.seq,
        at=event.time,
        order=data.order,
        by=data.by,
        reason=data.reason,
        units=data.units,
    )


def deadline_set(s: Situation, event: Event, data: ev.DeadlineSet, touched: Touched) -> None:
    s.deadlines[data.deadline] = Deadline(
        id=data.deadline,
        incident=data.incident,
        due=data.due,
        states=data.states,
        to_role=data.to_role,
        notice=data.notice,
        until=data.until,
    )


def deadline_dropped(
    s: Situation, event: Event, data: ev.DeadlineDropped, touched: Touched
) -> None:
    s.deadlines.pop(data.deadline, None)


def escalation_raised(
    s: Situation, event: Event, data: ev.EscalationRaised, touched: Touched
) -> None:
    deadline = s.deadlines.pop(data.deadline, None)
    incident = touch_incident(s, event, data.incident, touched)
    incident.escalations.append(
        Escalation(
            at=event.time,
            deadline=data.deadline,
            to_role=data.to_role,
            notice=data.notice,
            kind=data.kind,
            unit=data.unit,
            states=deadline.states if deadline else (),
            until=deadline.until if deadline else "",
        )
    )
    del incident.escalations[:-ESCALATIONS_KEPT]


def touch_incident(s: Situation, event: Event, incident_id: str, touched: Touched) -> Incident:
    """Return an incident that this event changes, marked so."""
    incident = s.incidents[incident_id]
    incident.updated_at = event.time
    incident.updated_seq = event.seq
    touched.add(("incidents", incident_id))
    return incident


def _forget(s: Situation, incident_id: str, touched: Touched) -> None:
    incident = s.incidents.pop(incident_id)
    touched.add(("incidents", incident_id))
    for assignment in incident.assignments:
        s.assignments.pop(assignment, None)
        touched.add(("assignments", assignment))
    for task in incident.tasks:
        s.tasks.pop(task, None)
        touched.add(("tasks", task))
