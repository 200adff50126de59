"""Orders of who goes: confirm what is proposed, send others, recall and divert; the units' queues.

Relies on the planner for ways and for who may go; not for choosing, which is its own work.
"""

from __future__ import annotations

from dispatch import closing, diversion
from dispatch.orders.overrides import override, without
from dispatch.orders.refusal import RefusalError, known_unit, open_incident
from dispatch.planning import Planner, order
from dispatch.step import Step
from dispatch.wanted import close_roads, missing, sendable
from models import events as ev
from models.lifecycles import AssignmentState, UnitState
from models.situation import Incident, Proposal, Unit


class Sending:
    """Sends units where a person wants them.

    Parameters
    ----------
    planner
        For the road to a place, and for what a proposal comes to now.
    """

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def confirm_proposal(self, step: Step, given: ev.ConfirmProposal) -> None:
        incident = open_incident(step, given.incident)
        proposal = step.situation.proposals.get(given.proposal)
        if proposal is None or incident.proposal != given.proposal:
            raise RefusalError(
                "proposal_changed",
                f"proposal {given.proposal} is no longer in force",
                incident.id,
            )
        named = [c.chosen for c in proposal.choices if c.chosen is not None]
        if not named:
            raise RefusalError("nobody_to_send", "the proposal names no unit", incident.id)
        if overfull := _overfull(step, proposal):
            # Somebody sent others, or said that it is something else, since it was made.
            raise RefusalError(
                "proposal_changed",
                f"incident {incident.number} no longer lacks what proposal {given.proposal} "
                f"names for {overfull}",
                incident.id,
            )
        for candidate in named:
            if not self._planner.may_go(step, incident, candidate):
                state = step.unit(candidate.unit).state.value
                raise RefusalError(
                    "unit_taken", f"unit {candidate.unit} is {state} now", incident.id
                )
        order(step, self._planner.up_to_date(step, proposal), by=given.by, reason=given.reason)
        closing.settle(step, incident)
        for name in sorted({c.diverted_from for c in named if c.diverted_from}):
            closing.settle(step, step.incident(name))

    def send_units(self, step: Step, given: ev.SendUnits) -> None:
        incident = open_incident(step, given.incident)
        units = [known_unit(step, unit_id) for unit_id in dict.fromkeys(given.units)]
        if not units:
            raise RefusalError("no_units", "the order names no unit", incident.id)
        for unit in units:
            if unit.incident == incident.id or incident.id in unit.queue:
                raise RefusalError(
                    "already_sent", f"unit {unit.id} is on this incident already", incident.id
                )
            if unit.state is UnitState.OUT_OF_SERVICE:
                raise RefusalError("off_duty", f"unit {unit.id} is out of service", incident.id)
        roads = {unit.id: self.road(step, unit, incident) for unit in units if not unit.assignment}
        step.emit(
            ev.OverrideSet(
                incident=incident.id,
                pins=tuple(incident.pins),
                bans=tuple(b for b in incident.bans if b not in given.units),
                by_hand=True,
                by=given.by,
                reason=given.reason,
            ),
            incident=incident.id,
        )
        for unit in units:
            if unit.assignment:
                step.emit(
                    ev.UnitQueued(
                        unit=unit.id,
                        incident=incident.id,
                        queued=True,
                        by=given.by,
                        reason=given.reason,
                    ),
                    incident=incident.id,
                )
            else:
                self.order_one(step, unit, incident, roads[unit.id], given.by, given.reason)
        closing.settle(step, incident)

    def recall_unit(self, step: Step, given: ev.RecallUnit) -> None:
        unit = known_unit(step, given.unit)
        if not unit.assignment:
            raise RefusalError(
                "not_assigned", f"unit {unit.id} has no assignment to be recalled from"
            )
        incident = step.incident(unit.incident)
        closing.release(
            step, unit.assignment, AssignmentState.CANCELLED, by=given.by, reason=given.reason
        )
        # Without the ban the planner would send the same unit back at once.
        override(
            step,
            incident,
            given,
            bans=(*incident.bans, unit.id),
            pins=without(incident.pins, unit),
        )
        closing.settle(step, incident)
        self.next_in_queue(step, unit)

    def divert_unit(self, step: Step, given: ev.DivertUnit) -> None:
        incident, unit = open_incident(step, given.incident), known_unit(step, given.unit)
        sent = step.situation.assignments.get(unit.assignment)
        if sent is None or sent.state not in diversion.UNDER_WAY:
            raise RefusalError(
                "not_under_way", f"unit {unit.id} is {unit.state.value}, not under way", incident.id
            )
        if sent.incident == incident.id:
            raise RefusalError(
                "already_sent", f"unit {unit.id} is on this incident already", incident.id
            )
        road = self.road(step, unit, incident)
        left = step.incident(sent.incident)
        diversion.turn(
            step, sent, to=incident.id, kind=diversion.ORDER, by=given.by, reason=given.reason
        )
        override(
            step,
            incident,
            given,
            pins=tuple(incident.pins),
            bans=without(incident.bans, unit),
        )
        self.order_one(step, unit, incident, road, given.by, given.reason, left.id)
        closing.settle(step, left)
        closing.settle(step, incident)

    def next_in_queue(self, step: Step, unit: Unit) -> None:
        """Send a unit that just became free to what a person queued for it."""
        while unit.queue and sendable(unit):
            incident = step.incident(unit.queue[0])
            try:
                road = self.road(step, unit, incident)
            except RefusalError as refusal:
                why, road = refusal.code, None
            else:
                why = "next"
            step.emit(
                ev.UnitQueued(
                    unit=unit.id, incident=incident.id, queued=False, by="queue", reason=why
                ),
                incident=incident.id,
            )
            if why == "next":
                self.order_one(step, unit, incident, road, "queue", "queued by a person")
                closing.settle(step, incident)

    def road(self, step: Step, unit: Unit, incident: Incident) -> ev.AssignmentOrdered | None:
        """Return the way there as an order without names, or None where no place is known."""
        if incident.at is None:
            return None
        close_roads(step.situation, self._planner.travel)
        start = self._planner.explainer.stands(step, unit)
        travel = self._planner.travel.of_kind(unit.kind)
        route = travel.route(start, incident.at)
        if route is None:
            raise RefusalError("road_closed", f"no open road for unit {unit.id}", incident.id)
        return ev.AssignmentOrdered(
            assignment="",
            incident=incident.id,
            unit=unit.id,
            requirement="",
            by="",
            turnout_s=round(self._planner.explainer.turnout_s(step, unit), 1),
            drive_s=round(route.time_s, 1),
            length_m=round(route.length_m, 1),
            route=tuple((round(lon, 6), round(lat, 6)) for lon, lat in route.geometry),
        )

    def order_one(
        self,
        step: Step,
        unit: Unit,
        incident: Incident,
        road: ev.AssignmentOrdered | None,
        by: str,
        reason: str,
        diverted_from: str = "",
    ) -> None:
        """Send a unit by a way that :meth:`road` found, whatever is missing there."""
        # One that fills no gap goes as extra help, which needs no skill.
        skills = frozenset(unit.skills)
        gaps = missing(step.situation, incident)
        fits = next((r.key for r, _ in gaps if r.met_by(skills)), "")
        step.emit(
            ev.AssignmentOrdered(
                assignment=f"{incident.id}-a{len(incident.assignments) + 1}",
                incident=incident.id,
                unit=unit.id,
                requirement=fits,
                by=by,
                override=True,
                reason=reason,
                turnout_s=road.turnout_s if road else 0.0,
                drive_s=road.drive_s if road else 0.0,
                length_m=road.length_m if road else 0.0,
                route=road.route if road else (),
                diverted_from=diverted_from,
            ),
            incident=incident.id,
        )


def _overfull(step: Step, proposal: Proposal) -> str:
    """Return a requirement for which a proposal names more than are missing now; empty: none."""
    incident = step.incident(proposal.incident)
    left = {requirement.key: gap for requirement, gap in missing(step.situation, incident)}
    for choice in proposal.choices:
        # Who relieves somebody takes a place that is filled.
        if choice.chosen is not None and not choice.chosen.relieves:
            left[choice.requirement] = left.get(choice.requirement, 0) - 1
            if left[choice.requirement] < 0:
                return choice.requirement
    return ""
