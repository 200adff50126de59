"""What a desk does with a person's order: carries it out, or refuses it and says why.

A person outranks the machine: what is ordered here is not undone by the planner until the person
lifts it. An order is refused only where it can't be done (no such unit, no open road) or where
it rests on something that has changed meanwhile; then the proposal in force goes with the
refusal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dispatch import closing, diversion
from dispatch.correlation import distance_m
from dispatch.hospitals import TRANSPORT_SKILL
from dispatch.move_ups import move_up
from dispatch.planning import Planner, order
from dispatch.roads import RoadGraph
from dispatch.step import Step
from dispatch.wanted import close_roads, missing, sendable
from models import events as ev
from models.categories import categories
from models.lifecycles import AssignmentState, UnitState
from models.situation import Hospital, Incident, Proposal, Unit
from models.words import PRIORITIES

MOST_RADIUS_M = 20_000.0
_MAY_TRANSPORT = frozenset({AssignmentState.ON_SCENE, AssignmentState.TRANSPORTING})


class RefusalError(Exception):
    """Why an order can't be carried out: a code for screens and a sentence for the log."""

    def __init__(self, code: str, detail: str, incident: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.incident = incident


class OrderBook:
    """Carries out orders on one jurisdiction.

    Parameters
    ----------
    planner
        For the road to a place, and for the new proposal that a refusal hands out.
    adopt
        Matches the playbooks anew, after a person said what an incident really is.
    """

    def __init__(self, planner: Planner, adopt: Callable[[Step, Incident], None]) -> None:
        self._planner = planner
        self._adopt = adopt
        self._handlers: dict[type[ev.Order], Callable[[Step, Any], None]] = {
            ev.ConfirmProposal: self._confirm,
            ev.SendUnits: self._send,
            ev.RecallUnit: self._recall,
            ev.DivertUnit: self._divert,
            ev.ConfirmMoveUp: self._confirm_move_up,
            ev.RefuseMoveUp: self._refuse_move_up,
            ev.SetHospital: self._set_hospital,
            ev.SendToHospital: self._send_to_hospital,
            ev.HoldUnit: self._hold,
            ev.LiftHold: self._lift_hold,
            ev.PinUnit: self._pin,
            ev.BanUnit: self._ban,
            ev.LiftOverride: self._lift_override,
            ev.TriageIncident: self._triage,
            ev.MergeIncidents: self._merge,
            ev.CloseIncident: self._close,
            ev.CloseRoad: self._close_road,
            ev.ReopenRoad: self._reopen_road,
            ev.SetAutomation: self._set_automation,
            ev.SetPosture: self._set_posture,
        }

    def carry_out(self, step: Step, given: ev.Order) -> None:
        """Carry out an order, or emit :class:`~models.events.OrderRefused`."""
        try:
            self._handlers[type(given)](step, given)
        except RefusalError as refusal:
            proposal = ""
            if refusal.incident:
                self._planner.plan(step)
                proposal = step.incident(refusal.incident).proposal
            step.emit(
                ev.OrderRefused(
                    order=step.cause.id,
                    by=given.by,
                    code=refusal.code,
                    detail=refusal.detail,
                    incident=refusal.incident,
                    proposal=proposal,
                ),
                incident=refusal.incident,
            )

    # ── who goes ──────────────────────────────────────────────────────────────────────────────

    def _confirm(self, step: Step, given: ev.ConfirmProposal) -> None:
        incident = _open_incident(step, given.incident)
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

    def _send(self, step: Step, given: ev.SendUnits) -> None:
        incident = _open_incident(step, given.incident)
        units = [_unit(step, unit_id) for unit_id in dict.fromkeys(given.units)]
        if not units:
            raise RefusalError("no_units", "the order names no unit", incident.id)
        for unit in units:
            if unit.incident == incident.id or incident.id in unit.queue:
                raise RefusalError(
                    "already_sent", f"unit {unit.id} is on this incident already", incident.id
                )
            if unit.state is UnitState.OUT_OF_SERVICE:
                raise RefusalError("off_duty", f"unit {unit.id} is out of service", incident.id)
        roads = {unit.id: self._road(step, unit, incident) for unit in units if not unit.assignment}
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
                self._order_one(step, unit, incident, roads[unit.id], given.by, given.reason)
        closing.settle(step, incident)

    def next_in_queue(self, step: Step, unit: Unit) -> None:
        """Send a unit that just became free to what a person queued for it."""
        while unit.queue and sendable(unit):
            incident = step.incident(unit.queue[0])
            try:
                road = self._road(step, unit, incident)
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
                self._order_one(step, unit, incident, road, "queue", "queued by a person")
                closing.settle(step, incident)

    def _road(self, step: Step, unit: Unit, incident: Incident) -> ev.AssignmentOrdered | None:
        """Return the way there as an order without names, or None where no place is known."""
        if incident.lon is None or incident.lat is None:
            return None
        close_roads(step.situation, self._planner.travel)
        start = self._planner.explainer.stands(step, unit)
        travel = self._planner.travel.of_kind(unit.kind)
        route = travel.route(start, (incident.lon, incident.lat))
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

    def _order_one(
        self,
        step: Step,
        unit: Unit,
        incident: Incident,
        road: ev.AssignmentOrdered | None,
        by: str,
        reason: str,
        diverted_from: str = "",
    ) -> None:
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

    def _recall(self, step: Step, given: ev.RecallUnit) -> None:
        unit = _unit(step, given.unit)
        if not unit.assignment:
            raise RefusalError(
                "not_assigned", f"unit {unit.id} has no assignment to be recalled from"
            )
        incident = step.incident(unit.incident)
        closing.release(
            step, unit.assignment, AssignmentState.CANCELLED, by=given.by, reason=given.reason
        )
        # Without the ban the planner would send the same unit back at once.
        self._override(
            step,
            incident,
            given,
            bans=(*incident.bans, unit.id),
            pins=_without(incident.pins, unit),
        )
        closing.settle(step, incident)
        self.next_in_queue(step, unit)

    def _divert(self, step: Step, given: ev.DivertUnit) -> None:
        incident, unit = _open_incident(step, given.incident), _unit(step, given.unit)
        sent = step.situation.assignments.get(unit.assignment)
        if sent is None or sent.state not in diversion.UNDER_WAY:
            raise RefusalError(
                "not_under_way", f"unit {unit.id} is {unit.state.value}, not under way", incident.id
            )
        if sent.incident == incident.id:
            raise RefusalError(
                "already_sent", f"unit {unit.id} is on this incident already", incident.id
            )
        road = self._road(step, unit, incident)
        left = step.incident(sent.incident)
        diversion.turn(
            step, sent, to=incident.id, kind=diversion.ORDER, by=given.by, reason=given.reason
        )
        self._override(
            step,
            incident,
            given,
            pins=tuple(incident.pins),
            bans=_without(incident.bans, unit),
        )
        self._order_one(step, unit, incident, road, given.by, given.reason, left.id)
        closing.settle(step, left)
        closing.settle(step, incident)

    # ── who moves up ──────────────────────────────────────────────────────────────────────────

    def _confirm_move_up(self, step: Step, given: ev.ConfirmMoveUp) -> None:
        unit = _unit(step, given.unit)
        move = step.situation.move_ups.get(unit.id)
        if move is None:
            raise RefusalError("no_move_up", f"no move-up of unit {unit.id} is proposed")
        if not sendable(unit):
            raise RefusalError("unit_taken", f"unit {unit.id} is {unit.state.value} now")
        drive_s, line = self._planner.move_up_road(step, unit)
        if not line:
            raise RefusalError("road_closed", f"no open road for unit {unit.id}")
        policy = self._planner.policy
        move_up(step, policy, move, drive_s, line, by=given.by, reason=given.reason)

    def _refuse_move_up(self, step: Step, given: ev.RefuseMoveUp) -> None:
        unit = _unit(step, given.unit)
        if unit.id not in step.situation.move_ups:
            raise RefusalError("no_move_up", f"no move-up of unit {unit.id} is proposed")
        step.emit(
            ev.MoveUpWithdrawn(
                unit=unit.id,
                why="refused",
                by=given.by,
                reason=given.reason,
                until=step.after(self._planner.policy.refused_s),
            )
        )

    # ── where patients go ─────────────────────────────────────────────────────────────────────

    def _set_hospital(self, step: Step, given: ev.SetHospital) -> None:
        hospital = _hospital(step, given.hospital)
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

    def _send_to_hospital(self, step: Step, given: ev.SendToHospital) -> None:
        unit, hospital = _unit(step, given.unit), _hospital(step, given.hospital)
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

    # ── what a person keeps back, pins and bans ───────────────────────────────────────────────

    def _hold(self, step: Step, given: ev.HoldUnit) -> None:
        unit = _unit(step, given.unit)
        if unit.held_by:
            raise RefusalError("already_held", f"unit {unit.id} is held by {unit.held_by}")
        step.emit(ev.UnitHeld(unit=unit.id, held=True, by=given.by, reason=given.reason))

    def _lift_hold(self, step: Step, given: ev.LiftHold) -> None:
        unit = _unit(step, given.unit)
        if not unit.held_by:
            raise RefusalError("not_held", f"unit {unit.id} is not held")
        step.emit(ev.UnitHeld(unit=unit.id, held=False, by=given.by, reason=given.reason))

    def _pin(self, step: Step, given: ev.PinUnit) -> None:
        incident, unit = _open_incident(step, given.incident), _unit(step, given.unit)
        if not any(r.met_by(frozenset(unit.skills)) for r in incident.requirements):
            raise RefusalError(
                "lacks_skill", f"unit {unit.id} fits no requirement here", incident.id
            )
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
        self._override(
            step,
            incident,
            given,
            pins=tuple(dict.fromkeys((*incident.pins, unit.id))),
            bans=_without(incident.bans, unit),
        )

    def _ban(self, step: Step, given: ev.BanUnit) -> None:
        incident, unit = _open_incident(step, given.incident), _unit(step, given.unit)
        self._override(
            step,
            incident,
            given,
            pins=_without(incident.pins, unit),
            bans=tuple(dict.fromkeys((*incident.bans, unit.id))),
        )

    def _lift_override(self, step: Step, given: ev.LiftOverride) -> None:
        incident = _open_incident(step, given.incident)
        if not (incident.pins or incident.bans or incident.by_hand):
            raise RefusalError("no_override", f"incident {incident.number} has no override")
        self._override(step, incident, given, pins=(), bans=(), by_hand=False)

    def _override(
        self,
        step: Step,
        incident: Incident,
        given: ev.Order,
        *,
        pins: tuple[str, ...],
        bans: tuple[str, ...],
        by_hand: bool = True,
    ) -> None:
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

    # ── what it is ────────────────────────────────────────────────────────────────────────────

    def _triage(self, step: Step, given: ev.TriageIncident) -> None:
        incident = _open_incident(step, given.incident)
        if given.category not in categories():
            raise RefusalError("unknown_category", f"no category {given.category!r}")
        if given.priority not in PRIORITIES:
            raise RefusalError("unknown_priority", f"priority is 1 to 4, not {given.priority}")
        step.emit(
            ev.IncidentRevised(
                incident=incident.id,
                category=given.category,
                priority=given.priority,
                grade=given.grade,
                triage=False,
                by=given.by,
                reason=given.reason,
            ),
            incident=incident.id,
        )
        self._adopt(step, incident)

    def _merge(self, step: Step, given: ev.MergeIncidents) -> None:
        incident = _open_incident(step, given.incident)
        duplicate = _open_incident(step, given.duplicate)
        if incident is duplicate:
            raise RefusalError("same_incident", "an incident can't be merged with itself")
        for report in duplicate.reports:
            step.emit(
                ev.ReportLinked(
                    incident=incident.id,
                    report=report,
                    distance_m=0.0,
                    age_s=0.0,
                    text=duplicate.text if report == duplicate.reports[0] else "",
                    facts=incident.facts,
                    photos=tuple(duplicate.photos) if report == duplicate.reports[0] else (),
                ),
                incident=incident.id,
            )
        moving = [
            step.situation.assignments[a]
            for a in duplicate.assignments
            if not step.situation.assignments[a].ended
        ]
        units = [step.unit(assignment.unit) for assignment in moving]
        roads: dict[str, ev.AssignmentOrdered | None] = {}
        for unit in units:
            try:
                roads[unit.id] = self._road(step, unit, incident)
            except RefusalError:
                continue  # no open road from there: the unit is set free and the planner decides
        closing.end(
            step,
            duplicate,
            by=given.by,
            reason=given.reason or "duplicate",
            cancelled=True,
            merged_into=incident.id,
        )
        for unit in units:
            if unit.id in roads and sendable(unit):
                self._order_one(step, unit, incident, roads[unit.id], given.by, "merged")
        closing.settle(step, incident)

    def _close(self, step: Step, given: ev.CloseIncident) -> None:
        incident = _open_incident(step, given.incident)
        units = [
            step.unit(step.situation.assignments[a].unit)
            for a in incident.assignments
            if not step.situation.assignments[a].ended
        ]
        closing.end(step, incident, by=given.by, reason=given.reason, cancelled=given.cancelled)
        for unit in units:
            self.next_in_queue(step, unit)

    # ── roads and rules ───────────────────────────────────────────────────────────────────────

    def _close_road(self, step: Step, given: ev.CloseRoad) -> None:
        if given.closure in step.situation.closures:
            raise RefusalError("closure_exists", f"closure {given.closure} is in force already")
        lon, lat, radius_m = _around(given, self._planner.travel.graph)
        if not 0 < radius_m <= MOST_RADIUS_M:
            raise RefusalError(
                "bad_radius", f"radius_m must be in (0, {MOST_RADIUS_M}], not {radius_m}"
            )
        if not 0 <= given.speed < 1:
            raise RefusalError("bad_speed", f"speed must be in [0, 1), not {given.speed}")
        if given.until is not None and given.until <= step.now:
            raise RefusalError("in_the_past", f"the closure would end at {given.until.isoformat()}")
        self._planner.rerouting.change(
            step,
            ev.RoadClosed(
                closure=given.closure,
                lon=lon,
                lat=lat,
                radius_m=radius_m,
                ring=given.ring,
                edges=given.edges,
                speed=given.speed,
                until=given.until,
                by=given.by,
                reason=given.reason,
            ),
        )

    def _reopen_road(self, step: Step, given: ev.ReopenRoad) -> None:
        if given.closure not in step.situation.closures:
            raise RefusalError("no_closure", f"no closure {given.closure} is in force")
        self._planner.rerouting.change(
            step, ev.RoadReopened(closure=given.closure, by=given.by, reason=given.reason)
        )

    def _set_automation(self, step: Step, given: ev.SetAutomation) -> None:
        if wrong := sorted(set(given.priorities) - set(PRIORITIES)):
            raise RefusalError("unknown_priority", f"priorities are 1 to 4, not {wrong}")
        step.emit(ev.AutomationSet(priorities=tuple(sorted(set(given.priorities))), by=given.by))

    def _set_posture(self, step: Step, given: ev.SetPosture) -> None:
        step.emit(ev.PostureSet(posture=given.posture, by=given.by))


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


def _open_incident(step: Step, incident_id: str) -> Incident:
    incident = step.situation.incidents.get(incident_id)
    if incident is None:
        raise RefusalError("unknown_incident", f"no incident {incident_id} is in the situation")
    if incident.ended:
        raise RefusalError(
            "incident_ended", f"incident {incident.number} is {incident.state.value}"
        )
    return incident


def _unit(step: Step, unit_id: str) -> Unit:
    unit = step.situation.units.get(unit_id)
    if unit is None:
        raise RefusalError("unknown_unit", f"no unit {unit_id} is registered")
    return unit


def _hospital(step: Step, hospital_id: str) -> Hospital:
    hospital = step.situation.hospitals.get(hospital_id)
    if hospital is None:
        raise RefusalError("unknown_hospital", f"no hospital {hospital_id} is registered")
    return hospital


def _pinned_on(step: Step, unit: Unit, incident: Incident) -> Incident | None:
    """Return another incident that a unit is pinned to and isn't at."""
    for name, other in sorted(step.situation.incidents.items()):
        waits = unit.incident != name and not other.ended and unit.id in other.pins
        if waits and other is not incident:
            return other
    return None


def _around(given: ev.CloseRoad, graph: RoadGraph) -> tuple[float, float, float]:
    """Return a place and the metres from it within which all lies that is to be closed."""
    if given.edges:
        unknown = [edge for edge in given.edges if not graph.has_edge(edge)]
        if unknown:
            raise RefusalError("unknown_edge", f"the city has no street {unknown[0]!r}")
        rows = map(graph.edge_row, given.edges)
        points = [point for row in rows for point in graph.geometry(row).tolist()]
    elif given.ring:
        points = [[lon, lat] for lon, lat in given.ring]
        if len(points) < 3:
            raise RefusalError("bad_area", f"an area has at least 3 corners, not {len(points)}")
    elif given.lon is None or given.lat is None or given.radius_m is None:
        raise RefusalError("bad_area", "the order names neither a place nor an area nor streets")
    else:
        return given.lon, given.lat, given.radius_m
    lons, lats = [lon for lon, _ in points], [lat for _, lat in points]
    lon, lat = (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
    farthest_m = max(distance_m(lon, lat, *point) for point in points)
    return round(lon, 6), round(lat, 6), math.ceil(farthest_m) + 1.0


def _without(units: list[str], unit: Unit) -> tuple[str, ...]:
    return tuple(u for u in units if u != unit.id)
