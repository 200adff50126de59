"""How an incident and its assignments end, and what their states follow from.

An incident's state follows from its assignments: somebody there makes it active, somebody sent
makes it assigned. When everybody who was there has cleared and nobody is left, it is resolved;
when no task is left either, it is closed. A person may close it at any time, and open it again:
what was done before that no longer counts.
"""

from __future__ import annotations

from datetime import datetime

from dispatch.step import Step
from dispatch.wanted import MACHINE
from models.events import (
    AssignmentMoved,
    DeadlineDropped,
    IncidentMoved,
    ProposalWithdrawn,
    TaskMoved,
    UnitQueued,
)
from models.lifecycles import ENDED_TASK, AssignmentState, IncidentState, TaskState
from models.situation import Incident, Task
from models.words import TRIAGED

_AT_WORK = frozenset(
    {AssignmentState.ON_SCENE, AssignmentState.TRANSPORTING, AssignmentState.AT_HOSPITAL}
)


def settle(step: Step, incident: Incident) -> None:
    """Bring the incident's state in line with its assignments and tasks."""
    if incident.ended:
        return
    situation = step.situation
    states = [situation.assignments[a].state for a in incident.sent]
    running = [s for s in states if s not in (AssignmentState.CLEARED, AssignmentState.CANCELLED)]
    served = AssignmentState.CLEARED in states
    tasks = [t for t in map(situation.tasks.__getitem__, incident.tasks) if _counts(incident, t)]
    # Who said what it is has not said that it is over.
    asked = [task for task in tasks if not (incident.triaged_by and task.until == TRIAGED)]
    tasks_left = any(task.state not in ENDED_TASK for task in tasks)
    if any(s in _AT_WORK for s in running):
        state = IncidentState.ACTIVE
    elif running:
        state = IncidentState.ACTIVE if served else IncidentState.ASSIGNED
    elif served or (not incident.requirements and asked and not tasks_left):
        state = IncidentState.RESOLVED
    else:
        state = IncidentState.OPEN
    if state is IncidentState.RESOLVED and not tasks_left:
        end(step, incident, by=MACHINE, reason="served")
    elif state is not incident.state:
        step.emit(
            IncidentMoved(incident=incident.id, state=state, by=MACHINE), incident=incident.id
        )


def _counts(incident: Incident, task: Task) -> bool:
    """Whether a task is of since the incident was opened last: what was done before ends it not."""
    return incident.reopened_at is None or task.assigned_at >= incident.reopened_at


def end(
    step: Step,
    incident: Incident,
    *,
    by: str,
    reason: str,
    cancelled: bool = False,
    merged_into: str = "",
) -> None:
    """Close or cancel an incident with all that hangs on it."""
    situation = step.situation
    if incident.proposal:
        step.emit(
            ProposalWithdrawn(
                proposal=incident.proposal, incident=incident.id, why="incident_ended"
            ),
            incident=incident.id,
        )
    for assignment_id in list(incident.assignments):
        assignment = situation.assignments[assignment_id]
        if not assignment.ended:
            there = assignment.state in _AT_WORK
            release(
                step,
                assignment_id,
                AssignmentState.CLEARED if there else AssignmentState.CANCELLED,
                by=by,
                reason="incident_ended",
            )
    for task_id in incident.tasks:
        if situation.tasks[task_id].state not in ENDED_TASK:
            step.emit(
                TaskMoved(task=task_id, incident=incident.id, state=TaskState.CANCELLED, by=by),
                incident=incident.id,
            )
    for deadline in [d for d in situation.deadlines.values() if d.incident == incident.id]:
        step.emit(DeadlineDropped(deadline=deadline.id, incident=incident.id), incident=incident.id)
    for unit in [u for u in situation.units.values() if incident.id in u.queue]:
        step.emit(
            UnitQueued(
                unit=unit.id, incident=incident.id, queued=False, by=by, reason="incident_ended"
            ),
            incident=incident.id,
        )
    step.emit(
        IncidentMoved(
            incident=incident.id,
            state=IncidentState.CANCELLED if cancelled else IncidentState.CLOSED,
            by=by,
            reason=reason,
            merged_into=merged_into,
        ),
        incident=incident.id,
    )


def end_triage(step: Step, incident: Incident, *, by: str, reason: str) -> None:
    """Count what waited for somebody to say what an incident is as done."""
    situation = step.situation
    for task_id in incident.tasks:
        task = situation.tasks[task_id]
        if task.until == TRIAGED and task.state not in ENDED_TASK:
            step.emit(
                TaskMoved(
                    task=task_id, incident=incident.id, state=TaskState.DONE, by=by, note=reason
                ),
                incident=incident.id,
            )
    for deadline in [d for d in situation.deadlines.values() if d.incident == incident.id]:
        if deadline.until == TRIAGED:
            step.emit(
                DeadlineDropped(deadline=deadline.id, incident=incident.id), incident=incident.id
            )


def release(
    step: Step,
    assignment_id: str,
    state: AssignmentState,
    *,
    by: str,
    reason: str = "",
    observed_at: datetime | None = None,
) -> None:
    """End an assignment; its unit is free from here on. ``observed_at``: by its crew's clock."""
    assignment = step.situation.assignments[assignment_id]
    step.emit(
        AssignmentMoved(
            assignment=assignment_id,
            incident=assignment.incident,
            unit=assignment.unit,
            state=state,
            by=by,
            reason=reason,
            observed_at=observed_at,
        ),
        incident=assignment.incident,
    )
