"""Crews that don't answer, don't arrive or drop out: the dispatcher is told.

For: :class:`dispatch.desk.Desk`. A crew says that it goes and that it is there; when it says
neither in time, it may not come at all. Not for: the playbooks' own deadlines.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatch.policy import Policy
from dispatch.step import Step
from models.events import EscalationRaised
from models.lifecycles import AssignmentState
from models.situation import Assignment, Incident, Situation

UNANSWERED, OVERDUE, DROPPED_OUT = "unanswered", "overdue", "dropped_out"
TO_ROLE = "dispatcher"


def due(sent: Assignment, policy: Policy) -> tuple[datetime, str] | None:
    """Return when the dispatcher is to be told of a crew next, and of what; None: of nothing."""
    ordered = sent.times[AssignmentState.ORDERED.value]
    if sent.state is AssignmentState.ORDERED:
        return ordered + timedelta(seconds=sent.turnout_s + policy.answer_s), UNANSWERED
    under_way = sent.state in (AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE)
    if not under_way or sent.cut_off or not sent.route:
        return None
    began = sent.way_began or ordered + timedelta(seconds=sent.turnout_s)
    return began + timedelta(seconds=sent.drive_s + policy.overdue_s), OVERDUE


def is_told(situation: Situation, sent: Assignment, kind: str) -> bool:
    """Say whether the dispatcher was told that of the crew already."""
    told = situation.incidents[sent.incident].escalations
    return any(one.deadline == _name(sent, kind) for one in told)


def tell(step: Step, sent: Assignment, kind: str) -> None:
    """Tell the dispatcher of a crew."""
    step.emit(
        EscalationRaised(
            incident=sent.incident,
            deadline=_name(sent, kind),
            to_role=TO_ROLE,
            notice={},
            kind=kind,
            unit=sent.unit,
        ),
        incident=sent.incident,
    )


def no_unit_goes(situation: Situation, incident: Incident) -> bool:
    """Say whether an incident that goes on has no running assignment left."""
    sent = (situation.assignments[name] for name in incident.assignments)
    return not incident.ended and all(one.ended for one in sent)


def _name(sent: Assignment, kind: str) -> str:
    return f"{sent.id}-{kind}"
