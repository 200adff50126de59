"""Roads that change: whose way it touches, and what is told of it at once.

For: the order book and the desk's clock, which close, slow and open roads through here. Who is
under way gets the way that is open now, with the seconds that the change costs or saves
(:class:`~models.events.AssignmentRerouted`); a proposal whose way is no longer the one to take is
withdrawn, and the next plan makes it anew. So every way in the situation is one over the roads as
they are. Not for: choosing others who would be there sooner now (:mod:`dispatch.planning`).

Ways are compared just before and just after the change, each from where the unit is then, so what
is told is the change's doing alone.
"""

from __future__ import annotations

import numpy as np

from dispatch import diversion
from dispatch.explanation import Explainer, rounded
from dispatch.hospitals import Hospitals
from dispatch.routes import Route
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from dispatch.wanted import close_roads, place_of
from models.events import AssignmentRerouted, ProposalWithdrawn, RoadClosed, RoadReopened
from models.situation import Assignment, Incident, Proposal

SAME_DRIVE_S = 1.0
"""A drive that takes this much longer or shorter, in seconds, is another one."""


class Rerouting:
    """Puts changes of roads into force.

    Parameters
    ----------
    travel
        The planner's.
    explainer
        For where units are.
    hospitals
        For those who bring patients there.
    """

    def __init__(self, travel: TravelTimes, explainer: Explainer, hospitals: Hospitals) -> None:
        self._travel = travel
        self._explainer = explainer
        self._hospitals = hospitals

    def change(self, step: Step, change: RoadClosed | RoadReopened) -> None:
        """Close, slow or open roads, and tell what that changes.

        Notes
        -----
        Some 2 ms for each unit under way and 1 ms for each that is proposed.
        """
        situation = step.situation
        close_roads(situation, self._travel)
        sent = [a for _, a in sorted(situation.assignments.items()) if _on_a_way(step, a)]
        before = [self._way(step, one) for one in sent]
        to_hospital = self._hospitals.ways(step)
        step.emit(change)
        close_roads(situation, self._travel)
        self._hospitals.roads_changed(step, to_hospital)
        turned = set()
        for one, old in zip(sent, before, strict=True):
            new = self._way(step, one)
            if _differs(old, new):
                turned.add(one.unit)
                self._tell(step, one, old, new, change)
        for name in sorted(situation.proposals):
            proposal = situation.proposals[name]
            if not self._holds(step, proposal, turned):
                step.emit(
                    ProposalWithdrawn(proposal=name, incident=proposal.incident, why="roads"),
                    incident=proposal.incident,
                )

    def _way(self, step: Step, sent: Assignment) -> tuple[Route | None, float]:
        """Return the way that a unit under way has before it, and its seconds."""
        unit = step.unit(sent.unit)
        travel = self._travel.of_kind(unit.kind)
        here, goal = self._explainer.stands(step, unit), place_of(step.incident(sent.incident))
        route = travel.route(here, goal)
        if route is None:
            return None, np.inf
        driven_s = diversion.driven_s(sent, step.now)
        return route, float(travel.matrix([here], [goal], driven_s=driven_s)[0, 0])

    def _tell(
        self,
        step: Step,
        sent: Assignment,
        old: tuple[Route | None, float],
        new: tuple[Route | None, float],
        change: RoadClosed | RoadReopened,
    ) -> None:
        route, new_s = new
        unit = step.unit(sent.unit)
        added_s = 0.0 if route is None or old[0] is None else new_s - old[1]
        drive_s = 0.0 if route is None else new_s
        if route is not None and old[0] is not None and not diversion.off_way(sent, unit):
            # What it was told before, and what the change makes of it: the rest stands.
            drive_s = diversion.drive_left_s(sent, unit, step.now) + added_s
        line = route.geometry if route is not None else (self._explainer.stands(step, unit),)
        step.emit(
            AssignmentRerouted(
                assignment=sent.id,
                incident=sent.incident,
                unit=sent.unit,
                closure=change.closure,
                why=_why(change),
                drive_s=round(max(0.0, drive_s), 1),
                length_m=round(route.length_m, 1) if route is not None else 0.0,
                route=rounded(line),
                added_s=round(added_s, 1),
                cut_off=route is None,
            ),
            incident=sent.incident,
        )

    def _holds(self, step: Step, proposal: Proposal, turned: set[str]) -> bool:
        """Say whether the ways of a proposal are still the ones to take."""
        place = place_of(step.incident(proposal.incident))
        for choice in proposal.choices:
            chosen = choice.chosen
            if chosen is None:
                continue
            if turned & {chosen.unit, chosen.relieves}:
                return False
            unit = step.unit(chosen.unit)
            route = self._travel.of_kind(unit.kind).route(self._explainer.stands(step, unit), place)
            if route is None:
                return False
            if chosen.diverted_from:
                continue  # it has driven on since; its way is computed anew when it is sent
            other_s = abs(route.time_s - chosen.drive_s)
            if rounded(route.geometry) != choice.route or other_s > SAME_DRIVE_S:
                return False
        return True


def _on_a_way(step: Step, sent: Assignment) -> bool:
    incident: Incident = step.incident(sent.incident)
    return sent.state in diversion.UNDER_WAY and incident.at is not None


def _differs(old: tuple[Route | None, float], new: tuple[Route | None, float]) -> bool:
    if old[0] is None or new[0] is None:
        return (old[0] is None) != (new[0] is None)
    return old[0].geometry != new[0].geometry or abs(new[1] - old[1]) > SAME_DRIVE_S


def _why(change: RoadClosed | RoadReopened) -> str:
    if isinstance(change, RoadReopened):
        return "road_reopened"
    return "road_slow" if change.speed else "road_closed"
