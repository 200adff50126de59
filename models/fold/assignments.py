"""Assignments, and with them what their unit does and their incident has.

A unit's state follows its assignment's here; what it does without one is in
:mod:`models.fold.units`.
"""

from __future__ import annotations

from models import events as ev
from models.events import Event
from models.fold.hospitals import leave_hospital
from models.fold.incidents import touch_incident
from models.fold.units import drop_move_up, touch_unit
from models.lifecycles import UNIT_STATE_OF_ASSIGNMENT, AssignmentState, UnitState
from models.situation import Assignment, Situation, Touched


def assignment_ordered(
    s: Situation, event: Event, data: ev.AssignmentOrdered, touched: Touched
) -> None:
    incident = touch_incident(s, event, data.incident, touched)
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
    unit = touch_unit(s, event, data.unit, touched)
    unit.state, unit.since = UnitState.ASSIGNED, event.time
    unit.assignment, unit.incident = data.assignment, data.incident
    # Wherever it stood: what comes after the assignment is its way home.
    unit.post, unit.post_lon, unit.post_lat = "", None, None
    drop_move_up(s, data.unit, touched)
    s.plan_due = True


def assignment_rerouted(
    s: Situation, event: Event, data: ev.AssignmentRerouted, touched: Touched
) -> None:
    sent = s.assignments[data.assignment]
    sent.route, sent.drive_s, sent.length_m = data.route, data.drive_s, data.length_m
    sent.added_s = round(sent.added_s + data.added_s, 1)
    sent.cut_off, sent.rerouted_at = data.cut_off, event.time
    sent.updated_seq = event.seq
    touched.add(("assignments", data.assignment))
    touch_incident(s, event, data.incident, touched)


def unit_diverted(s: Situation, event: Event, data: ev.UnitDiverted, touched: Touched) -> None:
    sent = s.assignments[data.assignment]
    sent.diverted_to, sent.updated_seq = data.to, event.seq
    touched.add(("assignments", data.assignment))
    touch_incident(s, event, data.incident, touched).losses += data.kind == "divert"
    if data.to:
        touch_incident(s, event, data.to, touched)
    touch_unit(s, event, data.unit, touched)


def assignment_moved(
    s: Situation, event: Event, data: ev.AssignmentMoved, touched: Touched
) -> None:
    assignment = s.assignments[data.assignment]
    assignment.state = data.state
    assignment.times[data.state.value] = event.time
    if data.observed_at is not None:
        assignment.said[data.state.value] = data.observed_at
    assignment.updated_seq = event.seq
    touched.add(("assignments", data.assignment))
    unit = touch_unit(s, event, data.unit, touched)
    if assignment.ended:
        assignment.end_reason = data.reason
        if unit.assignment == data.assignment:
            unit.assignment, unit.incident = "", ""
            unit.state, unit.since = UnitState.RETURNING, event.time
        began = assignment.times.get(AssignmentState.ORDERED.value, event.time)
        took_s = round((event.time - began).total_seconds(), 1)
        unit.duty_s, unit.duty_at = unit.tired_s(event.time) + took_s, event.time
        leave_hospital(s, event, assignment, touched)
        s.plan_due = True
    else:
        unit.state, unit.since = UNIT_STATE_OF_ASSIGNMENT[data.state], event.time
    incident = touch_incident(s, event, data.incident, touched)
    if data.state is AssignmentState.ON_SCENE and incident.first_on_scene_at is None:
        incident.first_on_scene_at = event.time
