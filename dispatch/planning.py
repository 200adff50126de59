"""Who should go: all waiting requirements and all units that may be sent, in one model.

For: turning what incidents still need into proposals that explain themselves, and into orders
where the jurisdiction sends by itself. Not for: orders given by people
(:mod:`dispatch.orders`). Relies on :mod:`dispatch.assignment` for the choice and on
:mod:`dispatch.travel_times` for seconds and roads.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TypeAlias

import msgspec
import numpy as np

from dispatch import assignment
from dispatch.policy import Policy
from dispatch.roads import CircleClosure
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from models.events import (
    AssignmentOrdered,
    Candidate,
    Choice,
    Exclusion,
    Point,
    ProposalMade,
    ProposalWithdrawn,
    Requirement,
)
from models.lifecycles import SENDABLE_UNIT, AssignmentState, IncidentState, UnitState
from models.situation import Incident, Proposal, Situation, Touched, Unit

MACHINE = "gridcommand"
"""Who orders when nobody had to: stands in ``by``."""


class _Wanted(msgspec.Struct, frozen=True):
    incident: Incident
    requirement: Requirement
    missing: int

    @property
    def slot_id(self) -> str:
        return f"{self.incident.id}|{self.requirement.key}"


def missing(situation: Situation, incident: Incident) -> list[tuple[Requirement, int]]:
    """Return what an incident's requirements still lack; units that came and left count as had."""
    had: dict[str, int] = {}
    for assignment_id in incident.assignments:
        sent = situation.assignments[assignment_id]
        if sent.state is not AssignmentState.CANCELLED:
            had[sent.requirement] = had.get(sent.requirement, 0) + 1
    gaps = ((r, r.count - had.get(r.key, 0)) for r in incident.requirements)
    return [(requirement, gap) for requirement, gap in gaps if gap > 0]


def sendable(unit: Unit) -> bool:
    """Say whether a unit may be proposed."""
    return unit.state in SENDABLE_UNIT and not unit.held_by and not unit.assignment


def turnout_s(unit: Unit, policy: Policy) -> float:
    """Return the seconds from order to wheels rolling."""
    return policy.turnout_s if unit.state is UnitState.AVAILABLE else policy.rolling_s


def close_roads(situation: Situation, travel: TravelTimes) -> None:
    """Make the travel times those of the situation's closures; free when nothing changed."""
    travel.set_closures(
        CircleClosure(closure.lon, closure.lat, closure.radius_m)
        for _, closure in sorted(situation.closures.items())
    )


class Planner:
    """Makes the proposals of one jurisdiction.

    Parameters
    ----------
    travel
        Not shared with another planner: its closures are this jurisdiction's.
    """

    def __init__(self, situation: Situation, travel: TravelTimes, policy: Policy) -> None:
        self.travel = travel
        self.policy = policy
        self._situation = situation
        self._gaps: dict[str, list[tuple[Requirement, int]]] = {}
        self.note({("incidents", name) for name in situation.incidents})

    def note(self, touched: Touched) -> None:
        """Look again at what incidents lack; a plan then looks at no others."""
        for kind, name in touched:
            if kind != "incidents":
                continue
            incident = self._situation.incidents.get(name)
            self._gaps.pop(name, None)
            if incident is None or incident.ended or incident.lon is None:
                continue
            if incident.state is IncidentState.RESOLVED:
                gaps = []
            else:
                gaps = missing(self._situation, incident)
            if gaps or incident.proposal:
                self._gaps[name] = gaps

    def plan(self, step: Step) -> None:
        """Bring every proposal up to date with the situation.

        Notes
        -----
        One matrix and one flow for all; some 5 ms with 160 units and 20 waiting incidents.
        """
        situation = step.situation
        close_roads(situation, self.travel)
        waiting = self._waiting(step)
        if not waiting:
            return
        able = _able(situation, waiting)
        # No road is computed for a place that nobody could be sent to, nor for who fits nothing.
        served = [w for w in waiting if any(map(sendable, able[w.requirement.skills]))]
        useful = {
            unit.id: unit for w in served for unit in able[w.requirement.skills] if sendable(unit)
        }
        problem = self._problem(step, [useful[name] for name in sorted(useful)], served, able)
        found = _Found(problem, assignment.solve(problem) if served else None, able)
        by_incident: dict[str, list[_Wanted]] = {}
        for wanted in waiting:
            by_incident.setdefault(wanted.incident.id, []).append(wanted)
        made = 0
        for wants in by_incident.values():
            # The last one of a full hand asks for another plan, so that a burst of calls does
            # not keep the desk from the reports behind it.
            last = made + 1 == self.policy.proposals_per_plan
            made += self._propose(step, wants, found, more=last)
            if made == self.policy.proposals_per_plan:
                return

    def _waiting(self, step: Step) -> list[_Wanted]:
        self.note(step.touched)
        wanting: list[Incident] = []
        for name in sorted(self._gaps):
            incident = step.incident(name)
            if self._gaps[name]:
                wanting.append(incident)
            else:
                _withdraw(step, incident, "not_needed")
        self.note(step.touched)
        first = heapq.nsmallest(
            self.policy.incidents_per_plan, wanting, key=lambda i: (i.priority, i.opened_at, i.id)
        )
        return [
            _Wanted(i, requirement, gap) for i in first for requirement, gap in self._gaps[i.id]
        ]

    def _problem(
        self, step: Step, free: list[Unit], waiting: list[_Wanted], able: _Able
    ) -> assignment.Problem:
        places = {w.incident.id: _place(w.incident) for w in waiting}
        columns = {incident: column for column, incident in enumerate(places)}
        seconds = np.zeros((len(free), len(places)), dtype=np.float32)
        if free:
            seconds = self.travel.matrix([(u.lon, u.lat) for u in free], list(places.values()))
            seconds = seconds + np.array([[turnout_s(u, self.policy)] for u in free], np.float32)
        rows = {unit.id: row for row, unit in enumerate(free)}
        eligible = np.zeros((len(free), len(waiting)), bool)
        for column, wanted in enumerate(waiting):
            fit = [rows[u.id] for u in able[wanted.requirement.skills] if u.id in rows]
            eligible[fit, column] = True
        banned: set[tuple[str, str]] = set()
        pinned: set[tuple[str, str]] = set()
        kept: set[tuple[str, str]] = set()
        seen: set[str] = set()
        for column, wanted in enumerate(waiting):
            incident = wanted.incident
            banned.update((unit, wanted.slot_id) for unit in incident.bans)
            kept.update(_kept(step.situation, wanted))
            for unit in incident.pins:
                key = f"{incident.id}|{unit}"
                if key not in seen and unit in rows and eligible[rows[unit], column]:
                    seen.add(key)
                    pinned.add((unit, wanted.slot_id))
        return assignment.Problem(
            unit_ids=[unit.id for unit in free],
            slots=[
                assignment.Slot(
                    id=w.slot_id,
                    priority=w.incident.priority,
                    count=w.missing,
                    within_s=max(
                        0.0,
                        w.requirement.within_s - (step.now - w.incident.opened_at).total_seconds(),
                    ),
                )
                for w in waiting
            ],
            eligible=eligible,
            time_s=seconds[:, [columns[w.incident.id] for w in waiting]],
            banned=frozenset(banned),
            pinned=frozenset(pinned),
            kept=frozenset(kept),
            stickiness_s=self.policy.stickiness_s,
        )

    def _propose(self, step: Step, wants: list[_Wanted], found: _Found, *, more: bool) -> bool:
        """Make an incident's proposal if it isn't the one in force; say whether it was made."""
        incident = wants[0].incident
        results = {w.requirement.key: found.result(w) for w in wants}
        chosen = {
            key: tuple(c.unit_id for c in result.chosen) if result else ()
            for key, result in results.items()
        }
        shortage = {
            w.requirement.key: w.missing - len(chosen[w.requirement.key])
            for w in wants
            if w.missing > len(chosen[w.requirement.key])
        }
        automatic = _automatic(step.situation, incident)
        sends = automatic and any(chosen.values())
        old = step.situation.proposals.get(incident.proposal)
        if not sends and old and _same(old, chosen, shortage) and self.roads_hold(step, old):
            return False
        choices: list[Choice] = []
        for wanted in wants:
            choices.extend(self._choices(step, wanted, found))
        status = assignment.Status.SHORT if shortage else assignment.Status.COMPLETE
        proposal = ProposalMade(
            proposal=f"{incident.id}-p{step.situation.seq + 1}",
            incident=incident.id,
            choices=tuple(choices),
            shortage=shortage,
            automatic=automatic,
            status=status.value,
            replaces=incident.proposal,
            more=more,
        )
        step.emit(proposal, incident=incident.id)
        if sends:
            order(step, proposal, by=MACHINE)
        return True

    def roads_hold(self, step: Step, proposal: Proposal) -> bool:
        """Say whether the roads of a proposal are still the ones to take.

        They are computed again only where a closure is younger than the proposal.
        """
        close_roads(step.situation, self.travel)
        if all(c.since < proposal.made_at for c in step.situation.closures.values()):
            return True
        place = _place(step.incident(proposal.incident))
        for choice in proposal.choices:
            if choice.chosen is not None:
                unit = step.unit(choice.chosen.unit)
                route = self.travel.route((unit.lon, unit.lat), place)
                if route is None or _rounded(route.geometry) != choice.route:
                    return False
        return True

    def _choices(self, step: Step, wanted: _Wanted, found: _Found) -> Iterable[Choice]:
        result = found.result(wanted)
        chosen = result.chosen if result else ()
        excluded = self._excluded(step, wanted, found)
        place = _place(wanted.incident)
        dearest = max((c.cost for c in chosen), default=0)
        second = assignment.second(wanted.incident.priority)
        runners_up = tuple(
            self._candidate(step, c, added_s=(c.cost - dearest) / second)
            for c in (result.runners_up if result else ())
        )
        for slot in range(wanted.missing):
            if slot >= len(chosen):
                yield Choice(
                    requirement=wanted.requirement.key,
                    slot=slot,
                    runners_up=runners_up,
                    excluded=excluded,
                )
                continue
            unit = step.unit(chosen[slot].unit_id)
            route = self.travel.route((unit.lon, unit.lat), place)
            candidate = self._candidate(step, chosen[slot])
            yield Choice(
                requirement=wanted.requirement.key,
                slot=slot,
                chosen=msgspec.structs.replace(
                    candidate, length_m=round(route.length_m, 1) if route else 0.0
                ),
                route=_rounded(route.geometry) if route else (),
                streets=tuple((name, round(m, 1)) for name, m in route.streets) if route else (),
                runners_up=runners_up,
                excluded=excluded,
            )

    def _candidate(
        self, step: Step, found: assignment.Candidate, added_s: float = 0.0
    ) -> Candidate:
        turnout = turnout_s(step.unit(found.unit_id), self.policy)
        return Candidate(
            unit=found.unit_id,
            turnout_s=turnout,
            drive_s=round(max(0.0, found.time_s - turnout), 1),
            added_s=round(added_s, 1),
        )

    def _excluded(self, step: Step, wanted: _Wanted, found: _Found) -> tuple[Exclusion, ...]:
        able = found.able[wanted.requirement.skills]
        unreachable = found.unreachable(wanted)
        rules: dict[str, list[str]] = {}
        for unit in able:
            rule = _rule_against(unit, wanted, unreachable)
            if rule:
                rules.setdefault(rule, []).append(unit.id)
        excluded = [
            Exclusion(rule=rule, units=tuple(ids[: self.policy.named_exclusions]), count=len(ids))
            for rule, ids in rules.items()
        ]
        lacking = len(step.situation.units) - len(able)
        if lacking:
            # Who lacks the skill is no news; the others are who a commander asks about.
            excluded.append(Exclusion(rule="lacks_skill", units=(), count=lacking))
        return tuple(sorted(excluded, key=lambda e: e.rule))


_Able: TypeAlias = dict[tuple[str, ...], list[Unit]]
"""For each set of skills that is asked for, the units that have it, by id."""


def _able(situation: Situation, waiting: Iterable[_Wanted]) -> _Able:
    asked = {w.requirement.skills for w in waiting}
    units = [(u, frozenset(u.skills)) for _, u in sorted(situation.units.items())]
    return {skills: [u for u, has in units if has.issuperset(skills)] for skills in asked}


class _Found:
    """A solution and what an explanation of it needs."""

    def __init__(
        self, problem: assignment.Problem, solution: assignment.Solution | None, able: _Able
    ) -> None:
        self.able = able
        self._problem = problem
        self._solution = solution
        self._columns = {slot.id: column for column, slot in enumerate(problem.slots)}

    def result(self, wanted: _Wanted) -> assignment.SlotResult | None:
        """Return what became of a slot; None where nobody who fits is free."""
        if self._solution is None or wanted.slot_id not in self._columns:
            return None
        return self._solution[wanted.slot_id]

    def unreachable(self, wanted: _Wanted) -> set[str]:
        """Return the free units that no open road leads to the slot."""
        column = self._columns.get(wanted.slot_id)
        if column is None:
            return set()
        rows = np.flatnonzero(np.isinf(self._problem.time_s[:, column]))
        return {self._problem.unit_ids[row] for row in rows.tolist()}


def order(step: Step, proposal: ProposalMade, *, by: str, reason: str = "") -> None:
    """Send every unit that a proposal names and withdraw the proposal."""
    for choice in proposal.choices:
        if choice.chosen is None:
            continue
        incident = step.incident(proposal.incident)
        step.emit(
            AssignmentOrdered(
                assignment=f"{incident.id}-a{len(incident.assignments) + 1}",
                incident=incident.id,
                unit=choice.chosen.unit,
                requirement=choice.requirement,
                by=by,
                proposal=proposal.proposal,
                reason=reason,
                turnout_s=choice.chosen.turnout_s,
                drive_s=choice.chosen.drive_s,
                length_m=choice.chosen.length_m,
                route=choice.route,
            ),
            incident=incident.id,
        )
    _withdraw(step, step.incident(proposal.incident), "ordered")


def _withdraw(step: Step, incident: Incident, why: str) -> None:
    step.emit(
        ProposalWithdrawn(proposal=incident.proposal, incident=incident.id, why=why),
        incident=incident.id,
    )


def _automatic(situation: Situation, incident: Incident) -> bool:
    return incident.priority in situation.rules.automatic_priorities and not incident.by_hand


def _same(old: Proposal, chosen: dict[str, tuple[str, ...]], shortage: dict[str, int]) -> bool:
    if old.shortage != shortage:
        return False
    named: dict[str, set[str]] = {key: set() for key in chosen}
    for choice in old.choices:
        if choice.chosen is not None:
            named.setdefault(choice.requirement, set()).add(choice.chosen.unit)
    return named == {key: set(units) for key, units in chosen.items()}


def _kept(situation: Situation, wanted: _Wanted) -> Iterable[tuple[str, str]]:
    old = situation.proposals.get(wanted.incident.proposal)
    for choice in old.choices if old else ():
        if choice.chosen is not None and choice.requirement == wanted.requirement.key:
            yield choice.chosen.unit, wanted.slot_id


def _rule_against(unit: Unit, wanted: _Wanted, unreachable: set[str]) -> str:
    if unit.id in wanted.incident.bans:
        return "banned"
    if unit.held_by:
        return "held"
    if unit.state is UnitState.OUT_OF_SERVICE:
        return "off_duty"
    if not sendable(unit):
        return "busy"
    return "road_closed" if unit.id in unreachable else ""


def _place(incident: Incident) -> Point:
    if incident.lon is None or incident.lat is None:  # the planner leaves such incidents out
        raise ValueError(f"incident {incident.id} has no place")
    return incident.lon, incident.lat


def _rounded(points: Iterable[Point]) -> tuple[Point, ...]:
    # Six decimals are 11 cm: all that a street centreline knows.
    return tuple((round(lon, 6), round(lat, 6)) for lon, lat in points)
