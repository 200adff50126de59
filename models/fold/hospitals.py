"""Hospitals: what they take, who is on the way to them, whom they had within the hour."""

from __future__ import annotations

from models import events as ev
from models.events import Event
from models.lifecycles import AssignmentState
from models.situation import PATIENTS_HOUR, Assignment, Hospital, Situation, Touched


def hospital_registered(
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


def hospital_set(s: Situation, event: Event, data: ev.HospitalSet, touched: Touched) -> None:
    hospital = s.hospitals[data.hospital]
    hospital.closed, hospital.set_per_hour = data.closed, data.per_hour
    hospital.set_by, hospital.reason = data.by, data.reason
    hospital.updated_seq = event.seq
    touched.add(("hospitals", data.hospital))


def hospital_chosen(s: Situation, event: Event, data: ev.HospitalChosen, touched: Touched) -> None:
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


def leave_hospital(s: Situation, event: Event, assignment: Assignment, touched: Touched) -> None:
    """Free the hospital of an assignment that ends; patients that it brought count on there."""
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
