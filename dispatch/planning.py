"""Who should go: all waiting requirements and all units that may be sent, in one model.

For: turning what incidents still need into proposals that explain themselves, and into orders
where the jurisdiction sends by itself. Not for: orders given by people
(:mod:`dispatch.orders`). Relies on :mod:`dispatch.posing` for the question, on the rule in force
(:mod:`dispatch.policies`) for the choice and on :mod:`dispatch.explanation` for the why.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from dispatch import assignment, diversion
from dispatch.correlation import METRES_A_DEGREE, distance_m
from dispatch.coverage import Coverage
from dispatch.explanation import Explainer, Found, rounded
from dispatch.move_ups import MoveUps
from dispatch.policies import Rule, rule_named
from dispatch.policy import Policy
from dispatch.posing import Poser, idle_units
from dispatch.reserves import Reserves
from dispatch.step import Step
from dispatch.together import posed, with_roles
from dispatch.travel_times import TravelTimes
from dispatch.wanted import (
    MACHINE,
    Wanted,
    able_units,
    close_roads,
    missing,
    place_of,
    roads_changed,
    sendable,
    turnout_s,
)
from models.city import CityPack
from models.events import (
    AssignmentOrdered,
    Candidate,
    Choice,
    ProposalMade,
    ProposalWithdrawn,
    Requirement,
)
from models.lifecycles import IncidentState
from models.situation import Assignment, Incident, Proposal, Situation, Touched, Unit

SAME_DRIVE_S = 1.0
"""A drive that takes this much longer or shorter, in seconds, is another one to decide on."""
_FASTEST_M_S = 40.0
"""Nobody drives faster through a city: who is too far as the crow flies isn't looked at."""


class Planner:
    """Makes the proposals of one jurisdiction.

    Parameters
    ----------
    travel
        Not shared with another planner: its closures are this jurisdiction's.
    pack
        For its reserves and its neighbours.
    """

    def __init__(
        self, situation: Situation, travel: TravelTimes, policy: Policy, pack: CityPack
    ) -> None:
        self.travel = travel
        self.policy = policy
        self.rule: Rule = rule_named(policy.name)
        self.explainer = Explainer(travel, policy, {n.id: n for n in pack.neighbours})
        self._poser = Poser(travel, policy, {n.id: n.cost_s for n in pack.neighbours})
        self._reserves = Reserves(pack)
        self._coverage: Coverage | None = None
        self._move_ups: MoveUps | None = None
        if self.rule.covers:
            self._coverage = Coverage(situation, travel, policy)
            self._move_ups = MoveUps(self._coverage, travel, policy)
        self._situation = situation
        self._gaps: dict[str, list[tuple[Requirement, int]]] = {}
        self._under_way: set[str] = set()
        self.note({("incidents", name) for name in situation.incidents})

    def note(self, touched: Touched) -> None:
        """Look again at what incidents lack and who is under way; a plan looks at no others."""
        for kind, name in touched:
            if kind != "incidents":
                continue
            incident = self._situation.incidents.get(name)
            self._gaps.pop(name, None)
            self._under_way.discard(name)
            if incident is None or incident.ended or incident.lon is None:
                continue
            if any(diversion.under_way(self._situation, incident)):
                self._under_way.add(name)
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
        close_roads(step.situation, self.travel)
        self.note(step.touched)
        waiting = self._waiting(step)
        found = self._found(step, waiting) if waiting else None
        reliefs = self._reliefs(step, found) if self.rule.diverts else {}
        for name in sorted(self._gaps):
            if not self._gaps[name] and name not in reliefs:
                _withdraw(step, step.incident(name), "not_needed")
        self.note(step.touched)
        made = 0
        by_incident: dict[str, list[Wanted]] = {}
        for wanted in waiting:
            by_incident.setdefault(wanted.incident.id, []).append(wanted)
        for wants in by_incident.values():
            # The last one of a full hand asks for another plan, so that a burst of calls does
            # not keep the desk from the reports behind it.
            last = made + 1 == self.policy.proposals_per_plan
            if found is not None:
                made += self._propose(step, wants, found, more=last)
            if made == self.policy.proposals_per_plan:
                return
        for choices in reliefs.values():
            self._relieve(step, choices[0][0], tuple(choice for _, choice in choices))
        if self._move_ups is not None:
            self._move_ups.plan(step)

    def _waiting(self, step: Step) -> list[Wanted]:
        wanting = [step.incident(name) for name in sorted(self._gaps) if self._gaps[name]]
        first = heapq.nsmallest(
            self.policy.incidents_per_plan, wanting, key=lambda i: (i.priority, i.opened_at, i.id)
        )
        return [Wanted(i, requirement, gap) for i in first for requirement, gap in self._gaps[i.id]]

    def _found(self, step: Step, waiting: list[Wanted]) -> Found:
        able = able_units(step.situation, waiting)
        # No road is computed for a place that nobody could be sent to, nor for who fits nothing;
        # but a place that somebody under way could be turned to is one.
        served = [
            w
            for w in waiting
            if any(map(sendable, able[w.kind]))
            or (self.rule.diverts and w.incident.priority == diversion.TO_PRIORITY)
        ]
        free = idle_units(served, able)
        reserves = self._reserves.of(step.situation, served)
        problem = self._poser.problem(step, free, served, able)
        problem = posed(problem, served, waiting, reserves)
        found = Found(able, problem, None, reserve_names=self._reserves.names)
        if not served:
            return found
        if self._coverage is not None:
            bare = self._coverage.bare(free, step.now)
            problem = replace(problem, bare_s=bare.cost_s)
            found.problem, found.share = problem, bare.share
            found.bare_s = dict(zip(problem.unit_ids, bare.cost_s.tolist(), strict=True))
            found.loss = dict(zip(problem.unit_ids, bare.loss.tolist(), strict=True))
        solution = self.rule.choose(problem)
        if self.rule.diverts:
            reference_s = {s.id: _last_s(solution[s.id], s.count) for s in problem.slots}
            first_s = {s.id: _first_s(solution[s.id]) for s in problem.slots}
            more = self._poser.with_turnable(
                step, problem, served, reference_s, first_s, self._under_way
            )
            if more is not None:
                problem, turned = more
                solution = self.rule.choose(problem)
                return Found(
                    able, problem, solution, turned, reference_s,
                    found.bare_s, found.loss, found.share, found.reserve_names,
                )  # fmt: skip
        found.solution = solution
        return found

    def _propose(self, step: Step, wants: list[Wanted], found: Found, *, more: bool) -> bool:
        """Make an incident's proposal if it isn't the one in force; say whether it was made."""
        incident = wants[0].incident
        chosen = {w.requirement.key: tuple(c.unit_id for c in found.chosen(w)) for w in wants}
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
            choices.extend(self.explainer.choices(step, wanted, found))
        status = assignment.Status.SHORT if shortage else assignment.Status.COMPLETE
        after = None
        if found.share is not None:
            gone = {unit for units in chosen.values() for unit in units}
            after = found.share - sum(found.loss.get(unit, 0.0) for unit in sorted(gone))
        proposal = ProposalMade(
            proposal=f"{incident.id}-p{step.situation.seq + 1}",
            incident=incident.id,
            choices=tuple(with_roles(choices)),
            shortage=shortage,
            automatic=automatic,
            status=status.value,
            replaces=incident.proposal,
            more=more,
            policy=self.policy.name,
            gap=found.solution.gap if found.solution else 0.0,
            solved=found.solution.solved if found.solution else "",
            coverage=None if found.share is None else round(found.share, 4),
            coverage_after=None if after is None else round(max(0.0, after), 4),
        )
        step.emit(proposal, incident=incident.id)
        if sends:
            order(step, proposal, by=MACHINE)
        return True

    # ── relief ────────────────────────────────────────────────────────────────────────────────

    def _reliefs(self, step: Step, found: Found | None) -> dict[str, list[tuple[Incident, Choice]]]:
        """Return, for incidents that lack nothing, who would be there sooner than who is sent."""
        situation = step.situation
        taken = {
            c.unit_id
            for slot in (found.solution.slots if found and found.solution else ())
            for c in slot.chosen
        }
        taken |= {
            choice.chosen.unit
            for proposal in situation.proposals.values()
            for choice in proposal.choices
            if choice.chosen is not None and not choice.chosen.relieves
        }
        units = sorted(situation.units.items())
        idle = [u for _, u in units if sendable(u) and not u.neighbour]
        idle = self._reserves.may_go(situation, idle, diversion.TO_PRIORITY)
        result: dict[str, list[tuple[Incident, Choice]]] = {}
        for name in sorted(self._under_way):
            incident = situation.incidents[name]
            if incident.priority != diversion.TO_PRIORITY or self._gaps.get(name):
                continue
            for sent in diversion.under_way(situation, incident):
                if diversion.relievable(situation, sent):
                    choice = self._sooner(step, incident, sent, idle, taken)
                    if choice is not None and choice.chosen is not None:
                        taken.add(choice.chosen.unit)
                        result.setdefault(name, []).append((incident, choice))
        return result

    def _sooner(
        self,
        step: Step,
        incident: Incident,
        sent: Assignment,
        idle: Sequence[Unit],
        taken: set[str],
    ) -> Choice | None:
        left_s = self._poser.left_s(step, sent)
        most_s = left_s - self.policy.swap_gain_s
        asked = next((r for r in incident.requirements if r.key == sent.requirement), None)
        if most_s <= 0 or asked is None:
            return None
        wanted = Wanted(incident, asked, 1)
        place = place_of(incident)
        most_m = most_s * _FASTEST_M_S
        most_deg = most_m / METRES_A_DEGREE
        fits = {skills: asked.met_by(frozenset(skills)) for skills in {u.skills for u in idle}}
        units = [
            unit
            for unit in idle
            if abs(unit.lat - place[1]) < most_deg  # most are out before it costs anything
            and fits[unit.skills]
            and unit.id not in taken
            and unit.id not in incident.bans
            and distance_m(unit.lon, unit.lat, *place) < most_m
        ]
        if not units:
            return None
        starts = [(u.lon, u.lat) for u in units]
        seconds = self.travel.matrix_of([u.kind for u in units], starts, [place])[:, 0]
        seconds = seconds + np.array([turnout_s(u, self.policy) for u in units], np.float32)
        best = min(range(len(units)), key=lambda row: (float(seconds[row]), units[row].id))
        there_s = float(seconds[best])
        if there_s >= most_s:
            return None
        turnout = turnout_s(units[best], self.policy)
        chosen = Candidate(
            unit=units[best].id,
            turnout_s=turnout,
            drive_s=round(max(0.0, there_s - turnout), 1),
            gain_s=round(min(left_s, assignment.LONGEST_S) - there_s, 1),
            relieves=sent.unit,
            alternative=asked.is_second(frozenset(units[best].skills)),
        )
        return self.explainer.by_road(
            step, wanted, Choice(requirement=asked.key, slot=0, chosen=chosen)
        )

    def _relieve(self, step: Step, incident: Incident, choices: tuple[Choice, ...]) -> None:
        automatic = _automatic(step.situation, incident)
        old = step.situation.proposals.get(incident.proposal)
        if not automatic and old is not None and _pairs(old.choices) == _pairs(choices):
            return
        proposal = ProposalMade(
            proposal=f"{incident.id}-p{step.situation.seq + 1}",
            incident=incident.id,
            choices=choices,
            automatic=automatic,
            replaces=incident.proposal,
            policy=self.policy.name,
        )
        step.emit(proposal, incident=incident.id)
        if automatic:
            order(step, proposal, by=MACHINE)

    # ── for the order book ────────────────────────────────────────────────────────────────────

    def may_go(self, step: Step, incident: Incident, candidate: Candidate) -> bool:
        """Say whether a unit that a proposal named can still be sent as it says."""
        unit = step.unit(candidate.unit)
        if candidate.relieves:
            sent = step.situation.assignments.get(step.unit(candidate.relieves).assignment)
            if sent is None or sent.incident != incident.id:
                return False
            if not diversion.relievable(step.situation, sent):
                return False
        if not candidate.diverted_from:
            return sendable(unit)
        sent = step.situation.assignments.get(unit.assignment)
        return (
            sent is not None
            and sent.incident == candidate.diverted_from
            and incident.priority == diversion.TO_PRIORITY
            and diversion.turnable(step.situation, sent, self.policy)
        )

    def up_to_date(self, step: Step, proposal: Proposal) -> ProposalMade:
        """Return a proposal as it was made, but those under way by the road from where they are."""
        incident = step.incident(proposal.incident)
        asked = {r.key: r for r in incident.requirements}
        choices = []
        for choice in proposal.choices:
            chosen = choice.chosen
            if chosen is not None and chosen.diverted_from and choice.requirement in asked:
                unit = step.unit(chosen.unit)
                wanted = Wanted(incident, asked[choice.requirement], 1)
                start = self.explainer.stands(step, unit)
                travel = self.travel.of_kind(unit.kind)
                drive_s = float(travel.matrix([start], [place_of(incident)])[0, 0])
                chosen = msgspec.structs.replace(
                    chosen,
                    turnout_s=round(self.explainer.turnout_s(step, unit), 1),
                    drive_s=round(drive_s, 1),
                )
                choice = self.explainer.by_road(
                    step, wanted, msgspec.structs.replace(choice, chosen=chosen)
                )
            choices.append(choice)
        return ProposalMade(
            proposal=proposal.id, incident=proposal.incident, choices=tuple(choices)
        )

    def roads_hold(self, step: Step, proposal: Proposal) -> bool:
        """Say whether the roads of a proposal are still the ones to take.

        They are computed again only where roads changed since the proposal was made.
        """
        close_roads(step.situation, self.travel)
        if not roads_changed(step.situation, proposal.made_at):
            return True
        place = place_of(step.incident(proposal.incident))
        for choice in proposal.choices:
            if choice.chosen is not None:
                unit = step.unit(choice.chosen.unit)
                travel = self.travel.of_kind(unit.kind)
                route = travel.route(self.explainer.stands(step, unit), place)
                if route is None:
                    return False
                if choice.chosen.diverted_from:
                    continue
                later_s = abs(route.time_s - choice.chosen.drive_s)
                if rounded(route.geometry) != choice.route or later_s > SAME_DRIVE_S:
                    return False
        return True

    def move_up_road(self, step: Step, unit: Unit) -> tuple[float, tuple[tuple[float, float], ...]]:
        """Return the way of a proposed move-up: seconds and line; inf where no road is open."""
        close_roads(step.situation, self.travel)
        move = step.situation.move_ups[unit.id]
        travel = self.travel.of_kind(unit.kind)
        route = travel.route((unit.lon, unit.lat), (move.lon, move.lat))
        if route is None:
            return float("inf"), ()
        return round(route.time_s, 1), rounded(route.geometry)


def order(step: Step, proposal: ProposalMade, *, by: str, reason: str = "") -> None:
    """Send every unit that a proposal names, once, and withdraw the proposal."""
    ordered: set[str] = set()
    for choice in proposal.choices:
        chosen = choice.chosen
        if chosen is None or chosen.unit in ordered:
            continue
        ordered.add(chosen.unit)
        incident = step.incident(proposal.incident)
        if chosen.relieves:
            old = step.situation.assignments[step.unit(chosen.relieves).assignment]
            diversion.turn(
                step, old, to="", kind=diversion.RELIEF, gain_s=chosen.gain_s, by=by, reason=reason
            )
        if chosen.diverted_from:
            old = step.situation.assignments[step.unit(chosen.unit).assignment]
            diversion.turn(
                step, old, to=incident.id, kind=diversion.DIVERT, gain_s=chosen.gain_s, by=by,
                reason=reason,
            )  # fmt: skip
        step.emit(
            AssignmentOrdered(
                assignment=f"{incident.id}-a{len(incident.assignments) + 1}",
                incident=incident.id,
                unit=chosen.unit,
                requirement=choice.requirement,
                by=by,
                proposal=proposal.proposal,
                reason=reason,
                turnout_s=chosen.turnout_s,
                drive_s=chosen.drive_s,
                length_m=chosen.length_m,
                route=choice.route,
                diverted_from=chosen.diverted_from,
                also=chosen.also,
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


def _last_s(result: assignment.SlotResult, count: int) -> float:
    """Seconds to the arrival of the last unit of a slot; inf where one is missing."""
    if len(result.chosen) < count:
        return float("inf")
    return max((c.time_s for c in result.chosen), default=0.0)


def _first_s(result: assignment.SlotResult) -> float:
    return min((c.time_s for c in result.chosen), default=float("inf"))


def _same(old: Proposal, chosen: dict[str, tuple[str, ...]], shortage: dict[str, int]) -> bool:
    if old.shortage != shortage:
        return False
    named: dict[str, set[str]] = {key: set() for key in chosen}
    for choice in old.choices:
        if choice.chosen is not None:
            named.setdefault(choice.requirement, set()).add(choice.chosen.unit)
    return named == {key: set(units) for key, units in chosen.items()}


def _pairs(choices: Iterable[Choice]) -> list[tuple[str, str]]:
    return sorted((c.chosen.unit, c.chosen.relieves) for c in choices if c.chosen is not None)
