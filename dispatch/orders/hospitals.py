"""Orders of where patients go: what a hospital takes, and which one a crew drives to."""

from __future__ import annotations

from dispatch.hospitals import TRANSPORT_SKILL
from dispatch.orders.refusal import RefusalError, known_hospital, known_unit
from dispatch.planning import Planner
from dispatch.step import Step
from models import events as ev
from models.lifecycles import AssignmentState

_MAY_TRANSPORT = frozenset({AssignmentState.ON_SCENE, AssignmentState.TRANSPORTING})


class HospitalOrders:
    """Sets hospitals, and sends crews to them.

    Parameters
    ----------
    planner
        For its choice of hospitals.
    """

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def set_hospital(self, step: Step, given: ev.SetHospital) -> None:
        hospital = known_hospital(step, given.hospital)
        if given.per_hour is not None and given.per_hour < 0:
            raise RefusalError("no_capacity", f"{given.per_hour} patients an hour can't be")
        step.emit(
            ev.HospitalSet(
                hospital=hospital.id,
                closed=given.closed,
                per_hour=given.per_hour,
                by=given.by,
                reason=given.reason,
            )
        )
        self._planner.hospitals.choose_anew(step, hospital)

    def send_to_hospital(self, step: Step, given: ev.SendToHospital) -> None:
        unit, hospital = known_unit(step, given.unit), known_hospital(step, given.hospital)
        sent = step.situation.assignments.get(unit.assignment)
        if sent is None or sent.state not in _MAY_TRANSPORT or TRANSPORT_SKILL not in unit.skills:
            raise RefusalError(
                "not_transporting",
                f"unit {unit.id} is {unit.state.value} and brings nobody to hospital now",
            )
        if sent.hospital == hospital.id:
            raise RefusalError("already_sent", f"unit {unit.id} goes to {hospital.id} already")
        self._planner.hospitals.choose(
            step, sent, hospital=hospital.id, by=given.by, reason=given.reason
        )
