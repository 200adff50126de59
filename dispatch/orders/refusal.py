"""Refusing an order, and looking up what one names: there, or refused because it isn't."""

from __future__ import annotations

from dispatch.step import Step
from models.situation import Hospital, Incident, Unit


class RefusalError(Exception):
    """Why an order can't be carried out: a code for screens and a sentence for the log."""

    def __init__(self, code: str, detail: str, incident: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.incident = incident


def open_incident(step: Step, incident_id: str) -> Incident:
    """Return an incident that orders may still be given for."""
    incident = step.situation.incidents.get(incident_id)
    if incident is None:
        raise RefusalError("unknown_incident", f"no incident {incident_id} is in the situation")
    if incident.ended:
        raise RefusalError(
            "incident_ended", f"incident {incident.number} is {incident.state.value}"
        )
    return incident


def known_unit(step: Step, unit_id: str) -> Unit:
    """Return a unit of the jurisdiction's pool."""
    unit = step.situation.units.get(unit_id)
    if unit is None:
        raise RefusalError("unknown_unit", f"no unit {unit_id} is registered")
    return unit


def known_hospital(step: Step, hospital_id: str) -> Hospital:
    """Return a hospital that takes patients of the jurisdiction."""
    hospital = step.situation.hospitals.get(hospital_id)
    if hospital is None:
        raise RefusalError("unknown_hospital", f"no hospital {hospital_id} is registered")
    return hospital
