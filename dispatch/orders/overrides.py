"""Orders of what the planner must keep to: units held back, pinned and banned, until lifted."""

from __future__ import annotations

from dispatch.orders.refusal import RefusalError, known_unit, open_incident
from dispatch.step import Step
from dispatch.wanted import missing
from models import events as ev
from models.situation import Incident, Unit


def hold_unit(step: Step, given: ev.HoldUnit) -> None:
    unit = known_unit(step, given.unit)
    if unit.held_by:
        raise RefusalError("already_held", f"unit {unit.id} is held by {unit.held_by}")
    step.emit(ev.UnitHeld(unit=unit.id, held=True, by=given.by, reason=given.reason))


def lift_hold(step: Step, given: ev.LiftHold) -> None:
    unit = known_unit(step, given.unit)
    if not unit.held_by:
        raise RefusalError("not_held", f"unit {unit.id} is not held")
    step.emit(ev.UnitHeld(unit=unit.id, held=False, by=given.by, reason=given.reason))


def pin_unit(step: Step, given: ev.PinUnit) -> None:
    incident, unit = open_incident(step, given.incident), known_unit(step, given.unit)
    if not any(r.met_by(frozenset(unit.skills)) for r in incident.requirements):
        raise RefusalError("lacks_skill", f"unit {unit.id} fits no requirement here", incident.id)
    gaps = missing(step.situation, incident)
    if not any(r.met_by(frozenset(unit.skills)) for r, _ in gaps):
        raise RefusalError(
            "nothing_missing",
            f"nothing is missing on incident {incident.number} that unit {unit.id} fits; send "
            "it there instead",
            incident.id,
        )
    other = _pinned_on(step, unit, incident)
    if other is not None:
        raise RefusalError(
            "pinned_elsewhere",
            f"unit {unit.id} is pinned to incident {other.number}, which waits for it; lift "
            "that first",
            incident.id,
        )
    override(
        step,
        incident,
        given,
        pins=tuple(dict.fromkeys((*incident.pins, unit.id))),
        bans=without(incident.bans, unit),
    )


def ban_unit(step: Step, given: ev.BanUnit) -> None:
    incident, unit = open_incident(step, given.incident), known_unit(step, given.unit)
    override(
        step,
        incident,
        given,
        pins=without(incident.pins, unit),
        bans=tuple(dict.fromkeys((*incident.bans, unit.id))),
    )


def lift_override(step: Step, given: ev.LiftOverride) -> None:
    incident = open_incident(step, given.incident)
    if not (incident.pins or incident.bans or incident.by_hand):
        raise RefusalError("no_override", f"incident {incident.number} has no override")
    override(step, incident, given, pins=(), bans=(), by_hand=False)


def override(
    step: Step,
    incident: Incident,
    given: ev.Order,
    *,
    pins: tuple[str, ...],
    bans: tuple[str, ...],
    by_hand: bool = True,
) -> None:
    """Set what holds for an incident from now on, in a person's name."""
    step.emit(
        ev.OverrideSet(
            incident=incident.id,
            pins=pins,
            bans=bans,
            by_hand=by_hand,
            by=given.by,
            reason=given.reason,
        ),
        incident=incident.id,
    )


def without(units: list[str], unit: Unit) -> tuple[str, ...]:
    """Return pins or bans as they are when this unit's is taken out."""
    return tuple(u for u in units if u != unit.id)


def _pinned_on(step: Step, unit: Unit, incident: Incident) -> Incident | None:
    """Return another incident that a unit is pinned to and isn't at."""
    for name, other in sorted(step.situation.incidents.items()):
        waits = unit.incident != name and not other.ended and unit.id in other.pins
        if waits and other is not incident:
            return other
    return None
