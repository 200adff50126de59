"""A desk always decides: where the policy in force fails, a simpler one plans.

For: :class:`dispatch.desk.Desk`, which plans by nothing else. The policies are tried in turn: the
one in force, :data:`SIMPLER`, and at last the nearest idle unit by the straight line, which looks
at nothing that can fail: no roads, no model, no coverage. It proposes and orders nothing, for it
knows no closed road. What failed stands in the journal once, and on every screen until the policy
in force works again.

A policy that fails in the middle leaves what it decided before: each event of a step stands for
itself. One that never ends is ended with its worker by the shell's watchdog, and the next worker's
tick says so (``ClockTicked.hung``): it is passed over then, and rests for :data:`REST`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

import msgspec

from dispatch.automation import precedence
from dispatch.correlation import distance_m
from dispatch.planning import Planner, in_a_line
from dispatch.policy import Policy
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from dispatch.wanted import missing, place_of, sendable, turnout_s
from models.city import CityPack
from models.events import (
    Candidate,
    Choice,
    ClockTicked,
    PlanningFellBack,
    PlanningRestored,
    ProposalMade,
    Requirement,
)
from models.lifecycles import IncidentState
from models.situation import Incident, Situation

SIMPLER = ("joint", "closest-idle")
NEAREST = "nearest"
STRAIGHT_MS = 8.0
"""Metres a second by the straight line: what a vehicle does in a town, detours included."""

REST = timedelta(hours=1)
"""How long a policy that did not end is left alone: to try it once more costs a worker, and its
desks some twenty seconds."""


class Planning:
    """Plans by the policy in force, or by the first simpler one that works.

    Parameters
    ----------
    planner
        Of the policy in force.
    """

    def __init__(
        self,
        planner: Planner,
        situation: Situation,
        travel: TravelTimes,
        policy: Policy,
        pack: CityPack,
    ) -> None:
        self._planner = planner
        self._given = situation, travel, policy, pack

    def plan(self, step: Step) -> None:
        """Bring every proposal up to date with the situation; raises for nothing it is given."""
        _, _, policy, _ = self._given
        names = (policy.name, *(one for one in SIMPLER if one != policy.name), NEAREST)
        rest = _rest(step, policy.name)
        tried = names[rest.hung : -1]
        passed_over = ", ".join(name for name in names[:-1] if name not in tried)
        error = f"did not end: {passed_over}" if passed_over else ""
        for name in tried:
            try:
                was_asked = self._named(name).plan(step)
            except Exception as failure:
                error = error or in_a_line(failure)
                continue
            left_out = self._planner.unplannable
            if error or left_out:
                _tell(step, policy.name, name, error, left_out, rest)
            elif was_asked and step.situation.rules.simpler_planning is not None:
                step.emit(PlanningRestored(policy=policy.name))
            return
        _tell(step, policy.name, NEAREST, error, plan_nearest(step, policy), rest)

    def _named(self, name: str) -> Planner:
        situation, travel, policy, pack = self._given
        if name == policy.name:
            return self._planner
        return Planner(situation, travel, msgspec.structs.replace(policy, name=name), pack)


class _Rest(NamedTuple):
    """How many policies did not end and are passed over, and until when."""

    hung: int
    until: datetime | None


def _rest(step: Step, policy: str) -> _Rest:
    before = step.situation.rules.simpler_planning
    hung = step.cause.data.hung if isinstance(step.cause.data, ClockTicked) else 0
    rests = (
        before is not None
        and before.policy == policy
        and before.rests_until is not None
        and step.now < before.rests_until
    )
    if before is not None and rests:
        return _Rest(max(hung, before.hung), step.now + REST if hung else before.rests_until)
    return _Rest(hung, step.now + REST if hung else None)


def _tell(
    step: Step, policy: str, used: str, error: str, left_out: Mapping[str, str], rest: _Rest
) -> None:
    """Journal how planning became simpler, unless that stands there.

    ``left_out`` says what is wrong with incidents that can't be looked at; the first is told.
    """
    errors = [error] if error else []
    if left_out:
        errors.append(": ".join(min(left_out.items())))
    before = step.situation.rules.simpler_planning
    now = PlanningFellBack(
        policy=policy,
        used=used,
        error="; ".join(errors),
        incidents=tuple(sorted(left_out)),
        hung=rest.hung,
        rests_until=rest.until,
    )
    told = before and PlanningFellBack(
        policy=before.policy,
        used=before.used,
        error=before.error,
        incidents=before.incidents,
        hung=before.hung,
        rests_until=before.rests_until,
    )
    if told != now:
        step.emit(now)


def plan_nearest(step: Step, policy: Policy) -> dict[str, str]:
    """Propose the nearest idle units by the straight line; return what it can't propose for.

    Those are incidents that can't even be looked at, with the error of each, not those for which
    no unit is free. The most urgent choose first, also among units that stand in the proposals of
    others.
    """
    situation = step.situation
    waiting: list[tuple[tuple[int, int, float, str], Incident]] = []
    failed: dict[str, str] = {}
    taken: set[str] = set()
    for name, incident in situation.incidents.items():
        try:
            if (
                not incident.ended
                and incident.at is not None
                and incident.state is not IncidentState.RESOLVED
            ):
                waiting.append((precedence(situation, incident, step.now, policy), incident))
        except Exception as error:
            failed[name] = in_a_line(error)
    for _, incident in sorted(waiting, key=itemgetter(0)):
        try:
            named = _named(situation, incident)
            if named and not named & taken and all(sendable(situation.units[n]) for n in named):
                taken |= named
            else:
                _propose(step, incident, policy, taken)
        except Exception as error:
            failed[incident.id] = in_a_line(error)
    return failed


def _named(situation: Situation, incident: Incident) -> set[str]:
    """Return the units that an incident's proposal names."""
    proposal = situation.proposals.get(incident.proposal)
    choices = proposal.choices if proposal is not None else ()
    return {choice.chosen.unit for choice in choices if choice.chosen is not None}


def _propose(step: Step, incident: Incident, policy: Policy, taken: set[str]) -> None:
    choices: list[Choice] = []
    shortage: dict[str, int] = {}
    for requirement, gap in missing(step.situation, incident):
        found = _nearest(step, incident, requirement, policy, taken)[: int(gap)]
        taken.update(one.unit for one in found)
        choices += [
            Choice(requirement=requirement.key, slot=slot, chosen=one)
            for slot, one in enumerate(found)
        ]
        if len(found) < gap:
            shortage[requirement.key] = int(gap) - len(found)
    old = step.situation.proposals.get(incident.proposal)
    is_told = old is not None and old.shortage == shortage
    if not choices and (is_told or not shortage):
        return
    step.emit(
        ProposalMade(
            proposal=f"{incident.id}-p{step.situation.seq + 1}",
            incident=incident.id,
            choices=tuple(choices),
            shortage=shortage,
            status="short" if shortage else "complete",
            replaces=incident.proposal,
            policy=NEAREST,
        ),
        incident=incident.id,
    )


def _nearest(
    step: Step, incident: Incident, requirement: Requirement, policy: Policy, taken: set[str]
) -> list[Candidate]:
    """Return who could go, the soonest by the straight line first."""
    place = place_of(incident)
    found = [
        Candidate(
            unit=unit.id,
            turnout_s=round(turnout_s(unit, policy), 1),
            drive_s=round(distance_m(*place, unit.lon, unit.lat) / STRAIGHT_MS, 1),
        )
        for unit in step.situation.units.values()
        if unit.id not in taken
        and unit.id not in incident.bans
        and sendable(unit)
        and requirement.met_by(frozenset(unit.skills))
    ]
    return sorted(found, key=lambda one: (one.turnout_s + one.drive_s, one.unit))
