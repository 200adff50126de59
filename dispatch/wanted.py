"""What incidents still want, and which units may be sent to it.

For: the planner and what it is made of. Pure functions of the situation; not for choosing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime
from typing import TypeAlias

import msgspec

from dispatch import roads
from dispatch.policy import Policy
from dispatch.roads import AreaClosure, CircleClosure, EdgeClosure, RoadGraph, SlowZone
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from models.events import Point, Requirement, RoadClosed
from models.lifecycles import SENDABLE_UNIT, AssignmentState, UnitState
from models.situation import Closure, Incident, Situation, Unit

MACHINE = "gridcommand"
"""Who orders when nobody had to: stands in ``by``."""

STARVED_PRIORITY = 2
"""What counts for who waited too long: urgent, and behind every life-threatening one."""


Kind: TypeAlias = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Skills, and the sets of skills that will do instead."""

Able: TypeAlias = dict[Kind, list[Unit]]
"""For each kind that is asked for, the units that fit, by id."""


def slot_id(incident: str, requirement: str) -> str:
    """Return a requirement's name in the model."""
    return f"{incident}|{requirement}"


class Wanted(msgspec.Struct, frozen=True):
    """A requirement of an incident as the planner looks at it.

    Attributes
    ----------
    missing
        Units that are not there and not under way.
    """

    incident: Incident
    requirement: Requirement
    missing: int

    @property
    def slot_id(self) -> str:
        """Name in the model."""
        return slot_id(self.incident.id, self.requirement.key)

    @property
    def kind(self) -> Kind:
        """What a unit must have to fit."""
        return self.requirement.skills, self.requirement.alternatives

    def within_s(self, now: datetime) -> float:
        """Return the seconds left of the requirement's target."""
        gone = (now - self.incident.opened_at).total_seconds()
        return max(0.0, self.requirement.within_s - gone)


def missing(situation: Situation, incident: Incident) -> list[tuple[Requirement, int]]:
    """Return what an incident's requirements still lack; units that came and left count as had."""
    had: dict[str, int] = {}
    for assignment_id in incident.sent:
        sent = situation.assignments[assignment_id]
        if sent.state is not AssignmentState.CANCELLED:
            for filled in (sent.requirement, sent.also) if sent.also else (sent.requirement,):
                had[filled] = had.get(filled, 0) + 1
    gaps = ((r, r.count - had.get(r.key, 0)) for r in incident.requirements)
    return [(requirement, gap) for requirement, gap in gaps if gap > 0]


def able_units(situation: Situation, waiting: Iterable[Wanted]) -> Able:
    """Return who fits what is asked for, free or not."""
    asked = {w.kind: w.requirement for w in waiting}
    units = [(u, frozenset(u.skills)) for _, u in sorted(situation.units.items())]
    return {kind: [u for u, has in units if r.met_by(has)] for kind, r in asked.items()}


def next_free_s(
    step: Step, wants: Iterable[Wanted], shortage: Container[str], able: Able, policy: Policy
) -> float | None:
    """Return the seconds until a unit for what is short may be free; None: nobody who fits works.

    Each is taken to be gone for ``policy.busy_s`` from its order, and a minute more where that is
    over.
    """
    lefts = []
    for wanted in wants:
        if wanted.requirement.key not in shortage:
            continue
        for unit in able[wanted.kind]:
            if unit.assignment and not unit.held_by and unit.id not in wanted.incident.bans:
                sent = step.situation.assignments[unit.assignment]
                gone_s = (step.now - sent.times[AssignmentState.ORDERED.value]).total_seconds()
                lefts.append(max(60.0, policy.busy_s - gone_s))
    return round(min(lefts), 1) if lefts else None


def sendable(unit: Unit) -> bool:
    """Say whether a unit may be proposed."""
    return unit.state in SENDABLE_UNIT and not unit.held_by and not unit.assignment


def turnout_s(unit: Unit, policy: Policy) -> float:
    """Return the seconds from order to wheels rolling."""
    if unit.state is not UnitState.AVAILABLE:
        return policy.rolling_s
    return policy.turnouts_s.get(unit.kind, policy.turnout_s)


def counted_priority(incident: Incident, now: datetime, policy: Policy) -> int:
    """Return the priority that an incident's waiting counts with.

    To whom nobody was sent for ``starved_after_s`` counts like `STARVED_PRIORITY`, so that nobody
    waits for ever behind the more urgent ones.
    """
    if incident.priority <= STARVED_PRIORITY or incident.first_ordered_at is not None:
        return incident.priority
    waited_s = (now - incident.opened_at).total_seconds()
    return STARVED_PRIORITY if waited_s >= policy.starved_after_s else incident.priority


def urgency(incident: Incident, now: datetime, policy: Policy) -> tuple[int, float, str]:
    """Return what incidents are sorted by: the most urgent first, then the longest waiting.

    Raises
    ------
    TypeError
        The priority or the time of the incident can't be read: all keys returned can be compared.
    """
    waited_s = (now - incident.opened_at).total_seconds()
    return counted_priority(incident, now, policy), -waited_s, incident.id


def place_of(incident: Incident) -> Point:
    """Return where an incident is planned for; only those that have a place are."""
    if incident.at is None:
        raise ValueError(f"incident {incident.id} has no place")
    return incident.at


def close_roads(situation: Situation, travel: TravelTimes) -> None:
    """Make the travel times those of the situation's closures; free when nothing changed."""
    travel.set_closures(
        area
        for _, closure in sorted(situation.closures.items())
        for area in areas_of(closure, travel.graph)
    )


def closures_of(situation: Situation, graph: RoadGraph, edges: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the closures that one of these streets is closed by."""
    asked = set(edges)
    return tuple(
        name
        for name, closure in sorted(situation.closures.items())
        if not closure.speed
        and any(asked & graph.edges_in(shape) for shape in shapes_of(closure, graph))
    )


def roads_changed(situation: Situation, since: datetime) -> bool:
    """Say whether a road was closed, made slow or reopened after then."""
    return situation.roads_at is not None and situation.roads_at > since


def areas_of(closure: Closure | RoadClosed, graph: RoadGraph) -> list[roads.Closure | SlowZone]:
    """Return what a closure means on the road graph; streets that a pack no longer has fall out."""
    shapes = shapes_of(closure, graph)
    if not closure.speed:
        return [*shapes]
    return [SlowZone(shape, closure.speed) for shape in shapes]


def shapes_of(closure: Closure | RoadClosed, graph: RoadGraph) -> list[roads.Closure]:
    """Return where a closure is, whether its streets are closed or slow."""
    if closure.edges:
        return [EdgeClosure(edge) for edge in closure.edges if graph.has_edge(edge)]
    if closure.ring:
        return [AreaClosure(closure.ring)]
    return [CircleClosure(closure.lon, closure.lat, closure.radius_m)]
