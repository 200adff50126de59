"""The fold: what one journal event makes of the situation.

:func:`apply` folds it in and says which entities it touched. The desk uses it to know, a
restarted desk to remember, and the console to show; so nobody computes the same state in a second
way. It never decides and never refuses: what stands in a journal has happened.
:mod:`dispatch.desk` is where things are decided.

What an event does is a function of its name, in the module of the entity that it is about; events
that change nothing have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models import events as ev
from models.events import Event
from models.fold import (
    assignments,
    hospitals,
    incidents,
    jurisdiction,
    proposals,
    tasks,
    units,
)
from models.situation import Situation, Touched


def apply(situation: Situation, event: Event) -> Touched:
    """Fold a journal event into the situation, in place.

    Parameters
    ----------
    situation
        State after ``event.seq - 1``.
    event
        The next event of the journal.

    Returns
    -------
    Touched
        The kinds and ids of entities that changed, came or left.
    """
    touched: Touched = set()
    situation.seq = event.seq
    if situation.demand.since is None:
        situation.demand.since = event.time
    if situation.now is None or event.time > situation.now:
        situation.now = event.time
    handler = _HANDLERS.get(type(event.data))
    if handler is not None:
        handler(situation, event, event.data, touched)
    return touched


_HANDLERS: dict[type[ev.Payload], Callable[[Situation, Event, Any, Touched], None]] = {
    ev.DeskOpened: jurisdiction.desk_opened,
    ev.UnitRegistered: units.unit_registered,
    ev.UnitPositionsReported: units.unit_positions_reported,
    ev.IncidentOpened: incidents.incident_opened,
    ev.IncidentPlaced: incidents.incident_placed,
    ev.ReportLinked: incidents.report_linked,
    ev.ReportEnded: incidents.report_ended,
    ev.IncidentRevised: incidents.incident_revised,
    ev.IncidentMoved: incidents.incident_moved,
    ev.IncidentUnmerged: incidents.incident_unmerged,
    ev.PlanAdopted: incidents.plan_adopted,
    ev.DeadlineSet: incidents.deadline_set,
    ev.DeadlineDropped: incidents.deadline_dropped,
    ev.EscalationRaised: incidents.escalation_raised,
    ev.ProposalMade: proposals.proposal_made,
    ev.ProposalWithdrawn: proposals.proposal_withdrawn,
    ev.AssignmentOrdered: assignments.assignment_ordered,
    ev.AssignmentMoved: assignments.assignment_moved,
    ev.AssignmentRerouted: assignments.assignment_rerouted,
    ev.UnitDiverted: assignments.unit_diverted,
    ev.MoveUpProposed: units.move_up_proposed,
    ev.MoveUpWithdrawn: units.move_up_withdrawn,
    ev.MoveUpOrdered: units.move_up_ordered,
    ev.HospitalRegistered: hospitals.hospital_registered,
    ev.HospitalSet: hospitals.hospital_set,
    ev.HospitalChosen: hospitals.hospital_chosen,
    ev.UnitMoved: units.unit_moved,
    ev.UnitPositionSetAside: units.unit_position_set_aside,
    ev.UnitHeld: units.unit_held,
    ev.UnitQueued: units.unit_queued,
    ev.UnitStatusReported: units.unit_status_reported,
    ev.OrderCarriedOut: incidents.order_carried_out,
    ev.OverrideSet: incidents.override_set,
    ev.TaskAssigned: tasks.task_assigned,
    ev.TaskMoved: tasks.task_moved,
    ev.RoadClosed: jurisdiction.road_closed,
    ev.RoadReopened: jurisdiction.road_reopened,
    ev.AutomationSet: jurisdiction.automation_set,
    ev.PostureSet: jurisdiction.posture_set,
    ev.PlanningFellBack: jurisdiction.planning_fell_back,
    ev.PlanningRestored: jurisdiction.planning_restored,
    ev.ClockTicked: jurisdiction.clock_ticked,
}
