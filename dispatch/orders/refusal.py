"""Refusing an order, and looking up what one names: there, or refused because it isn't."""

from __future__ import annotations

from collections.abc import Iterable

from dispatch.step import Step
from models import events as ev
from models.rights import Place, least, may_order, place_of
from models.situation import (
    AutomationChange,
    Hospital,
    Incident,
    LastOrder,
    PostureChange,
    Unit,
)


class RefusalError(Exception):
    """Why an order can't be carried out: a code for screens and a sentence for the log."""

    def __init__(self, code: str, detail: str, incident: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.incident = incident


def check_right(step: Step, given: ev.Order) -> None:
    """Refuse an order of somebody who may not give it, whoever let it pass before."""
    here = step.situation.jurisdiction
    kind = type(given)
    if may_order(kind, given.role, given.jurisdictions, here):
        return
    if place_of(given.jurisdictions, here) is Place.FOREIGN:
        belongs = ", ".join(given.jurisdictions) or "nowhere"
        raise RefusalError(
            "no_right_here", f"{given.by} belongs to {belongs}, and gave an order in {here}"
        )
    needed = least(kind)
    raise RefusalError(
        "no_right",
        f"{kind.type_name} takes the role {needed.value if needed else 'of nobody'}; "
        f"{given.by} is {given.role.value}",
    )


def check_seen(step: Step, given: ev.Order, incidents: Iterable[str]) -> None:
    """Refuse an order whose giver hasn't seen what another person ordered there meanwhile."""
    if given.saw is None:
        return
    for name in incidents:
        incident = step.situation.incidents.get(name)
        if incident is None or incident.ended:
            continue
        last = incident.last_order
        if last is not None and _is_news(given, last):
            raise RefusalError(
                "changed_meanwhile",
                f"{last.by} gave {last.order} on incident {incident.number} at "
                f"{last.at.isoformat()}, after what {given.by} saw",
                incident.id,
            )


def check_rule_seen(
    step: Step, given: ev.Order, last: AutomationChange | PostureChange | None
) -> None:
    """Refuse a rule of somebody who hasn't seen that another person set it meanwhile."""
    if last is not None and _is_news(given, last):
        raise RefusalError(
            "changed_meanwhile",
            f"{last.by} set it at {last.at.isoformat()}, after what {given.by} saw",
        )


def _is_news(given: ev.Order, last: LastOrder | AutomationChange | PostureChange) -> bool:
    return given.saw is not None and last.seq > given.saw and last.by != given.by


def reason_of(given: ev.Order) -> str:
    """Return the reason of an order that must have one."""
    if not given.reason.strip():
        raise RefusalError("no_reason", f"{given.type_name} needs a reason, and has none")
    return given.reason


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
