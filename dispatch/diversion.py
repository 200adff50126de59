"""Who under way may be turned, from where, and what is told of it.

For: the planner, which offers these units to the model beside the idle ones, and the order book.

A unit under way may be turned only
- to a life-threatening incident (priority `TO_PRIORITY`), from one that is less urgent,
- while it hasn't arrived, and was sent by the machine or by confirming what the machine proposed:
  what a person ordered otherwise, pinned or queued for it stands,
- neither from two roles nor out of a package, which stays whole,
- if the incident that it leaves has lost fewer than ``divert_losses`` units this way.
A unit under way to a life-threatening incident may be relieved there by an idle one that is
sooner; it becomes free. Where roads changed since it was sent, so may a unit under way to any
other. Who took somebody's place is itself relieved only if roads changed since.

So a storm is impossible: a diversion always ends at a life-threatening incident, from which
nobody is diverted; an incident loses a bounded number; a relief isn't relieved while the roads
stay as they are. Besides, a diversion or a relief must win ``divert_gain_s`` or ``swap_gain_s``
against the best without it.

Where a unit is, and how long it still drives, its last report says, carried on at the pace of its
way; before the first one it is as far as it should be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from dispatch.legs import Leg, passed
from dispatch.policy import Policy
from dispatch.step import Step
from dispatch.together import belongs
from dispatch.wanted import MACHINE, roads_changed
from models.events import AssignmentMoved, Point, UnitDiverted
from models.lifecycles import AssignmentState
from models.situation import Assignment, Incident, Situation, Unit

TO_PRIORITY = 1
OFF_WAY_M = 150.0
"""A unit that reports itself farther than this from its way has taken another one."""
DIVERT, RELIEF, ORDER = "divert", "relief", "order"

UNDER_WAY = frozenset({AssignmentState.ORDERED, AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE})


def under_way(situation: Situation, incident: Incident) -> Iterable[Assignment]:
    """Return the assignments of an incident whose units haven't arrived."""
    sent = (situation.assignments[name] for name in incident.assignments)
    return (one for one in sent if one.state in UNDER_WAY)


def turnable(situation: Situation, sent: Assignment, policy: Policy) -> bool:
    """Say whether a unit may be turned from where it is under way to."""
    incident = situation.incidents[sent.incident]
    return (
        _the_machines(situation, sent, incident)
        and incident.priority > TO_PRIORITY
        and incident.losses < policy.divert_losses
        and not belongs(situation, sent)
    )


def relievable(situation: Situation, sent: Assignment) -> bool:
    """Say whether an idle unit may take the place of one that is under way."""
    incident = situation.incidents[sent.incident]
    changed = sent.rerouted_at is not None or roads_changed(
        situation, sent.times[AssignmentState.ORDERED.value]
    )
    return (
        _the_machines(situation, sent, incident)
        and not sent.also
        and (changed or (incident.priority == TO_PRIORITY and not sent.relieves))
    )


def _the_machines(situation: Situation, sent: Assignment, incident: Incident) -> bool:
    unit = situation.units[sent.unit]
    return (
        sent.state in UNDER_WAY
        and sent.requirement != ""
        and not sent.override
        and not incident.by_hand
        and sent.unit not in incident.pins
        and not unit.held_by
        and not unit.queue
    )


def where(sent: Assignment, unit: Unit, now: datetime) -> Point:
    """Return where a unit under way is now."""
    began = sent.way_began
    if began is None or not sent.route or off_way(sent, unit):
        return unit.lon, unit.lat
    return Leg.along(sent.route, _as_if_begun(sent, unit, began), sent.drive_s).position(now)


def off_way(sent: Assignment, unit: Unit) -> bool:
    """Say whether a unit has left the way that it was given."""
    return _has_reported(sent, unit) and passed(sent.route, (unit.lon, unit.lat))[1] > OFF_WAY_M


def driven_s(sent: Assignment, now: datetime) -> float:
    """Return how long a unit has been driving."""
    left = sent.times.get(AssignmentState.EN_ROUTE.value)
    return (now - left).total_seconds() if left is not None else 0.0


def _has_reported(sent: Assignment, unit: Unit) -> bool:
    began = sent.way_began
    return began is not None and bool(sent.route) and unit.position_at > began


def _as_if_begun(sent: Assignment, unit: Unit, began: datetime) -> datetime:
    """Return when a unit would have begun its way to be where it reported to be at its pace."""
    if not _has_reported(sent, unit):
        return began
    behind, _ = passed(sent.route, (unit.lon, unit.lat))
    return unit.position_at - timedelta(seconds=round(behind * sent.drive_s, 1))


def turn_s(sent: Assignment, now: datetime, policy: Policy) -> float:
    """Return the seconds until a unit under way rolls towards another place."""
    if sent.state is AssignmentState.EN_ROUTE:
        return policy.rolling_s
    since = (now - sent.times[AssignmentState.ORDERED.value]).total_seconds()
    return max(policy.rolling_s, sent.turnout_s - since)


def left_s(sent: Assignment, unit: Unit, now: datetime) -> float:
    """Return the seconds until a unit on its way is there; inf where no open road leads there."""
    if sent.cut_off:
        return math.inf
    if sent.way_began is not None:
        return drive_left_s(sent, unit, now)
    since = (now - sent.times[AssignmentState.ORDERED.value]).total_seconds()
    return max(0.0, sent.turnout_s - since) + sent.drive_s


def drive_left_s(sent: Assignment, unit: Unit, now: datetime) -> float:
    """Return how much of its drive a unit on its way has before it."""
    began = sent.way_began
    if began is None:
        return sent.drive_s
    gone = (now - _as_if_begun(sent, unit, began)).total_seconds()
    return max(0.0, sent.drive_s - gone)


def turn(
    step: Step,
    sent: Assignment,
    *,
    to: str,
    kind: str,
    gain_s: float = 0.0,
    by: str = MACHINE,
    reason: str = "",
) -> None:
    """Take a unit off what it is under way to, and tell both incidents."""
    step.emit(
        UnitDiverted(
            unit=sent.unit,
            assignment=sent.id,
            incident=sent.incident,
            to=to,
            kind=kind,
            by=by,
            gain_s=round(gain_s, 1),
            reason=reason,
        ),
        incident=sent.incident,
    )
    step.emit(
        AssignmentMoved(
            assignment=sent.id,
            incident=sent.incident,
            unit=sent.unit,
            state=AssignmentState.CANCELLED,
            by=by,
            reason="relieved" if kind == RELIEF else "diverted",
        ),
        incident=sent.incident,
    )
