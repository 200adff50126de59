"""Who should go: all waiting requirements and all units that may be sent, in one model.

For: turning what incidents still need into proposals that explain themselves, and into orders
where the jurisdiction sends by itself. Not for: orders given by people
(:mod:`dispatch.orders`). Relies on :mod:`dispatch.posing` for the question, on the rule in force
(:mod:`dispatch.policies`) for the choice and on :mod:`dispatch.explanation` for the why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from dispatch import assignment, diversion
from dispatch.automation import held, is_automatic, precedence
from dispatch.coverage import Coverage
from dispatch.explanation import PIN_RULES, Explainer, Found, rounded
from dispatch.hospitals import Hospitals
from dispatch.move_ups import MoveUps
from dispatch.policies import Rule, rule_named
from dispatch.policy import Policy
from dispatch.posing import Poser, idle_units
from dispatch.relief import Reliefs
from dispatch.rerouting import Rerouting
from dispatch.reserves import Reserves
from dispatch.step import Step
from dispatch.together import posed, with_roles
from dispatch.travel_times import TravelTimes
from dispatch.waiting import Group, WaitingList
from dispatch.wanted import (
    MACHINE,
    Wanted,
    close_roads,
    counted_priority,
    missing,
    next_free_s,
    place_of,
    sendable,
    slot_id,
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
from models.situation import Incident, Proposal, Situation, Touched, Unit

ERROR_CHARACTERS = 300
NAMES_NONE = 0.25
"""What a proposal that names no unit takes of the time of another: it explains no road."""


@dataclass
class _Plan:
    """What is known in the middle of a plan.

    Attributes
    ----------
    swaps
        By incident, who takes the place of whom; None while nobody looked.
    was_asked
        The rule had something to choose.
    """

    swaps: dict[str, tuple[Choice, ...]] | None = None
    was_asked: bool = False


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
        self.hospitals = Hospitals(travel, policy)
        self.rerouting = Rerouting(travel, self.explainer, self.hospitals)
        self._coverage: Coverage | None = None
        self._move_ups: MoveUps | None = None
        if self.rule.covers:
            self._coverage = Coverage(situation, travel, policy)
            self._move_ups = MoveUps(self._coverage, travel, policy)
        self._reliefs = Reliefs(
            travel, policy, self._poser, self.explainer, self._reserves, self._coverage
        )
        self._situation = situation
        self._gaps: dict[str, list[tuple[Requirement, int]]] = {}
        self._under_way: set[str] = set()
        self.unplannable: dict[str, str] = {}
        """Incidents that can't be looked at, and what is wrong with them."""
        self.note({("incidents", name) for name in situation.incidents})

    def note(self, touched: Touched) -> None:
        """Look again at what incidents lack and who is under way; a plan looks at no others."""
        for kind, name in touched:
            if kind != "incidents":
                continue
            self._gaps.pop(name, None)
            self._under_way.discard(name)
            self.unplannable.pop(name, None)
            try:
                self._note(name)
            except Exception as error:
                self.unplannable[name] = in_a_line(error)

    def _note(self, name: str) -> None:
        incident = self._situation.incidents.get(name)
        if incident is None or incident.ended or incident.at is None:
            return
        if any(diversion.under_way(self._situation, incident)):
            self._under_way.add(name)
        if incident.state is IncidentState.RESOLVED:
            gaps = []
        else:
            gaps = missing(self._situation, incident)
        if gaps or incident.proposal:
            # What can't be sorted is found out here, by itself, and holds no other up.
            precedence(self._situation, incident, incident.updated_at, self.policy)
            self._gaps[name] = gaps

    def plan(self, step: Step) -> bool:
        """Bring every proposal up to date with the situation; return whether the rule was asked.

        Notes
        -----
        A matrix and a flow for all that the machine sends to, and one for all that waits for a
        person; some 5 ms each with 160 units and 20 waiting incidents.
        """
        close_roads(step.situation, self.travel)
        self.note(step.touched)
        waiting = WaitingList(step, self._gaps, self.policy, diverts=self.rule.diverts)
        plan = _Plan()
        made = 0.0
        for wants, found in self._answers(step, waiting, plan):
            most = self._most(found, wants[0].incident)
            # The last one of a full hand asks for another plan, so that a burst of calls does
            # not keep the desk from the reports behind it.
            mine = (plan.swaps or {}).get(wants[0].incident.id, ())
            share = 1.0 if any(found.chosen(wanted) for wanted in wants) else NAMES_NONE
            if self._propose(step, wants, found, mine, more=made + share >= most):
                made += share
                if made >= most:
                    return plan.was_asked
        if plan.swaps is None:
            plan.swaps = self._begin(step, set(), set())
        for name, mine in plan.swaps.items():
            if not self._gaps.get(name):
                self._relieve(step, step.incident(name), mine)
        if self._move_ups is not None:
            self._move_ups.plan(step)
        return plan.was_asked

    def _answers(
        self, step: Step, waiting: WaitingList, plan: _Plan
    ) -> Iterator[tuple[list[Wanted], Found]]:
        """Return what each incident lacks and what was chosen for it, in turn.

        Who may be relieved is known when all of the first batch is chosen for, but for what is
        held; of incidents to which somebody is under way, and all after them, is told only then.
        """
        for batch in waiting.batches():
            later: list[tuple[list[Wanted], Found]] = []
            going: set[str] = set()
            for part in batch:
                if part.held and plan.swaps is None:
                    self._look_for_swaps(step, waiting, plan, going, waiting.fitting(part))
                group = waiting.group(part)
                found = self._found(step, group)
                plan.was_asked |= found.solution is not None
                going |= found.taken
                waiting.take(found.taken)
                for wants in group.by_incident():
                    may_swap = plan.swaps is None and wants[0].incident.id in self._under_way
                    if later or may_swap:
                        later.append((wants, found))
                    else:
                        yield wants, found
            if plan.swaps is None:
                self._look_for_swaps(step, waiting, plan, going, set())
            yield from later

    def _look_for_swaps(
        self, step: Step, waiting: WaitingList, plan: _Plan, going: set[str], held_fit: set[str]
    ) -> None:
        plan.swaps = self._begin(step, going, held_fit)
        waiting.take(swap.chosen.unit for mine in plan.swaps.values() for swap in mine
                     if swap.chosen is not None)  # fmt: skip

    def _most(self, found: Found, incident: Incident) -> int:
        """How many proposals a plan may have made that makes one there."""
        took_model = found.solution is not None and found.solution.solved
        is_urgent = incident.priority == diversion.TO_PRIORITY
        policy = self.policy
        return policy.proposals_at_most if took_model or is_urgent else policy.proposals_per_plan

    def _begin(
        self, step: Step, going: set[str], held_fit: set[str]
    ) -> dict[str, tuple[Choice, ...]]:
        """Find who may be relieved, and withdraw the proposals that nobody needs any more."""
        swaps = self._swaps(step, going, held_fit) if self.rule.diverts else {}
        for name in sorted(self._gaps):
            if not self._gaps[name] and name not in swaps:
                _withdraw(step, step.incident(name), "not_needed")
        self.note(step.touched)
        return swaps

    def _found(self, step: Step, group: Group) -> Found:
        able, served = group.able, group.served
        free = [u for u in idle_units(served, able) if u.id not in group.elsewhere]
        reserves = self._reserves.of(step.situation, served, group.elsewhere)
        problem = self._poser.problem(step, free, served, able)
        problem = posed(problem, served, group.waiting, reserves)
        found = Found(
            able, problem, None, reserve_names=self._reserves.names, elsewhere=group.elsewhere
        )
        if not served:
            return found
        if self._coverage is not None:
            bare = self._coverage.bare(free, step.now)
            problem = replace(problem, bare_s=bare.cost_s)
            found.problem, found.share = problem, bare.share
            found.bare_s = dict(zip(problem.unit_ids, bare.cost_s.tolist(), strict=True))
            found.loss = dict(zip(problem.unit_ids, bare.loss.tolist(), strict=True))
        found.solution = solution = self.rule.choose(problem)
        if group.may_divert:
            found.reference_s = {s.id: _last_s(solution[s.id], s.count) for s in problem.slots}
            first_s = {s.id: _first_s(solution[s.id]) for s in problem.slots}
            more = self._poser.with_turnable(
                step, problem, served, found.reference_s, first_s, self._under_way, group.elsewhere
            )
            if more is not None:
                problem, found.turned = more
                return replace(found, problem=problem, solution=self.rule.choose(problem))
        return found

    def _propose(
        self,
        step: Step,
        wants: list[Wanted],
        found: Found,
        swaps: tuple[Choice, ...],
        *,
        more: bool,
    ) -> bool:
        """Make an incident's proposal if it isn't the one in force; say whether it was made."""
        incident = wants[0].incident
        chosen = {w.requirement.key: tuple(c.unit_id for c in found.chosen(w)) for w in wants}
        shortage = {
            w.requirement.key: w.missing - len(chosen[w.requirement.key])
            for w in wants
            if w.missing > len(chosen[w.requirement.key])
        }
        automatic = is_automatic(step.situation, incident, self.policy)
        sends = automatic and (any(chosen.values()) or bool(swaps))
        old = step.situation.proposals.get(incident.proposal)
        names = {(key, unit, "") for key, units in chosen.items() for unit in units}
        unkept = {
            (w.requirement.key, unit, rule)
            for w in wants
            for unit, rule in found.pins_not_kept(w).items()
        }
        now = shortage, names | _named(swaps), unkept
        told = old and (old.shortage, _named(old.choices), _pins_not_kept(old.choices))
        why_held = held(step.situation, incident, self.policy)
        if told == now and old is not None and old.held == why_held and not sends:
            return False
        choices: list[Choice] = []
        for wanted in wants:
            choices.extend(self.explainer.choices(step, wanted, found))
        status = assignment.Status.SHORT if shortage else assignment.Status.COMPLETE
        after = None
        if found.share is not None:
            gone = {unit for units in chosen.values() for unit in units}
            after = found.share - sum(found.loss.get(unit, 0.0) for unit in sorted(gone))
            if swaps:
                after = self._left_by(step, swaps, gone)
        proposal = ProposalMade(
            proposal=f"{incident.id}-p{step.situation.seq + 1}",
            incident=incident.id,
            choices=(*with_roles(choices), *swaps),
            shortage=shortage,
            automatic=automatic,
            held=why_held,
            status=status.value,
            replaces=incident.proposal,
            more=more,
            counted_priority=_counted(step, incident, self.policy),
            policy=self.policy.name,
            gap=found.solution.gap if found.solution else 0.0,
            solved=found.solution.solved if found.solution else "",
            next_free_s=next_free_s(step, wants, shortage, found.able, self.policy),
            coverage=None if found.share is None else round(found.share, 4),
            coverage_after=None if after is None else round(max(0.0, after), 4),
        )
        step.emit(proposal, incident=incident.id)
        if sends:
            order(step, proposal, by=MACHINE)
        return True

    # ── relief ────────────────────────────────────────────────────────────────────────────────

    def _swaps(
        self, step: Step, going: set[str], held_fit: set[str]
    ) -> dict[str, tuple[Choice, ...]]:
        """Return, by incident, who would be there sooner than who is under way."""
        named = [
            (choice.chosen.unit, bool(proposal.held))
            for proposal in step.situation.proposals.values()
            for choice in proposal.choices
            if choice.chosen is not None and not choice.chosen.relieves
        ]
        going = going | {unit for unit, is_held in named if not is_held}
        held_fit = held_fit | {unit for unit, is_held in named if is_held}
        missing_there = {
            slot_id(name, requirement.key): gap
            for name, gaps in self._gaps.items()
            for requirement, gap in gaps
        }
        return self._reliefs.choices(step, self._under_way, going, held_fit, missing_there)

    def _relieve(self, step: Step, incident: Incident, swaps: tuple[Choice, ...]) -> None:
        """Propose swaps on an incident that lacks nobody."""
        automatic = is_automatic(step.situation, incident, self.policy)
        old = step.situation.proposals.get(incident.proposal)
        if not automatic and old is not None and _named(old.choices) == _named(swaps):
            return
        share = after = None
        if self._coverage is not None:
            share = self._coverage.state(step.now).share()
            after = self._left_by(step, swaps, set())
        proposal = ProposalMade(
            proposal=f"{incident.id}-p{step.situation.seq + 1}",
            incident=incident.id,
            choices=swaps,
            automatic=automatic,
            held=held(step.situation, incident, self.policy),
            replaces=incident.proposal,
            policy=self.policy.name,
            coverage=None if share is None else round(share, 4),
            coverage_after=None if after is None else round(after, 4),
        )
        step.emit(proposal, incident=incident.id)
        if automatic:
            order(step, proposal, by=MACHINE)

    def _left_by(self, step: Step, swaps: Sequence[Choice], gone: set[str]) -> float | None:
        """Return coverage when units went and others were relieved."""
        if self._coverage is None:
            return None
        named = [choice.chosen for choice in swaps if choice.chosen is not None]
        going = gone | {one.unit for one in named}
        return self._coverage.share_if(step.now, going, [step.unit(one.relieves) for one in named])

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

    def move_up_road(self, step: Step, unit: Unit) -> tuple[float, tuple[tuple[float, float], ...]]:
        """Return the way of a proposed move-up: seconds and line; inf where no road is open."""
        close_roads(step.situation, self.travel)
        move = step.situation.move_ups[unit.id]
        travel = self.travel.of_kind(unit.kind)
        route = travel.route((unit.lon, unit.lat), (move.lon, move.lat))
        if route is None:
            return float("inf"), ()
        return round(route.time_s, 1), rounded(route.geometry)


def in_a_line(failure: Exception) -> str:
    """Return what went wrong, for people."""
    return f"{type(failure).__name__}: {failure}".replace("\n", " ")[:ERROR_CHARACTERS]


def order(step: Step, proposal: ProposalMade, *, by: str, reason: str = "") -> None:
    """Send every unit that a proposal names, once, and withdraw the proposal."""
    ordered: set[str] = set()
    for choice in proposal.choices:
        chosen = choice.chosen
        if chosen is None or chosen.unit in ordered:
            continue
        ordered.add(chosen.unit)
        incident = step.incident(proposal.incident)
        relieves = ""
        if chosen.relieves:
            old = step.situation.assignments[step.unit(chosen.relieves).assignment]
            relieves = old.id
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
                relieves=relieves,
            ),
            incident=incident.id,
        )
    _withdraw(step, step.incident(proposal.incident), "ordered")


def _counted(step: Step, incident: Incident, policy: Policy) -> int:
    """Return what an incident counted as in the model; 0: its own priority."""
    counted = counted_priority(incident, step.now, policy)
    return 0 if counted == incident.priority else counted


def _withdraw(step: Step, incident: Incident, why: str) -> None:
    step.emit(
        ProposalWithdrawn(proposal=incident.proposal, incident=incident.id, why=why),
        incident=incident.id,
    )


def _last_s(result: assignment.SlotResult, count: int) -> float:
    """Seconds to the arrival of the last unit of a slot; inf where one is missing."""
    if len(result.chosen) < count:
        return float("inf")
    return max((c.time_s for c in result.chosen), default=0.0)


def _first_s(result: assignment.SlotResult) -> float:
    return min((c.time_s for c in result.chosen), default=float("inf"))


def _pins_not_kept(choices: Iterable[Choice]) -> set[tuple[str, str, str]]:
    """Return whose pin is said not to be kept, where and why."""
    return {
        (choice.requirement, unit, one.rule)
        for choice in choices
        for one in choice.excluded
        if one.rule in PIN_RULES
        for unit in one.units
    }


def _named(choices: Iterable[Choice]) -> set[tuple[str, str, str]]:
    """Return who goes for what, and in whose place."""
    return {
        (c.requirement, c.chosen.unit, c.chosen.relieves) for c in choices if c.chosen is not None
    }
