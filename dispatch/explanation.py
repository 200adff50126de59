"""Why these units: the choices of a proposal, with who was second and who was ruled out.

For: the planner, once the model has answered. Not for: choosing. Relies on the travel times for
roads; each chosen unit's is computed here, nobody else's is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np

from dispatch import assignment, diversion
from dispatch.policy import Policy
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from dispatch.wanted import (
    Able,
    Wanted,
    able_units,
    closures_of,
    counted_priority,
    place_of,
    sendable,
    turnout_s,
)
from models.events import Candidate, Choice, Exclusion, Point
from models.lifecycles import UnitState
from models.neighbours import Neighbour
from models.situation import Assignment, Unit

RUNNERS_UP = 2
"""So many who were next are named for each place."""

PACKAGE = "package"
WALKS = "walks"
PIN_NO_PLACE = "pin_no_place"
_PIN_REFUSED = {
    assignment.PinRefusal.UNREACHABLE: "pin_unreachable",
    assignment.PinRefusal.PINNED_ELSEWHERE: "pin_elsewhere",
}
PIN_RULES = frozenset({PIN_NO_PLACE, *_PIN_REFUSED.values()})


@dataclass
class Found:
    """A solution and what an explanation of it needs.

    Attributes
    ----------
    able
        Who fits what, free or not.
    problem, solution
        What was asked and answered; no solution where nobody who fits is free.
    turned
        Units under way that were offered too, with what they are under way to.
    reference_s
        For each slot: seconds to the arrival of its last unit without any diversion.
    bare_s, loss
        What the going of each unit leaves bare, in seconds and as a share of coverage.
    reserve_names
        What each reserve is for, by its id.
    elsewhere
        Idle units that weren't offered, for more urgent incidents are to have them.
    left
        Units that the answer sends and the machine doesn't, with the rule: a person may.
    """

    able: Able
    problem: assignment.Problem
    solution: assignment.Solution | None
    turned: dict[str, Assignment] = field(default_factory=dict)
    reference_s: dict[str, float] = field(default_factory=dict)
    bare_s: dict[str, float] = field(default_factory=dict)
    loss: dict[str, float] = field(default_factory=dict)
    share: float | None = None
    reserve_names: dict[str, dict[str, str]] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()
    left: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._columns = {slot.id: column for column, slot in enumerate(self.problem.slots)}

    @cached_property
    def taken(self) -> set[str]:
        """Units that the answer sends somewhere."""
        slots = self.solution.slots if self.solution else ()
        return {c.unit_id for slot in slots for c in slot.chosen}

    def reserved(self, wanted: Wanted) -> dict[str, str]:
        """Return who stays for want of units to spare, with the reserve that holds it."""
        held: dict[str, str] = {}
        for reserve in self.problem.reserves:
            if wanted.slot_id not in reserve.breaking:
                mine = reserve.unit_ids & self.taken
                if len(mine) >= reserve.spare:
                    for unit in reserve.unit_ids - mine:
                        held.setdefault(unit, reserve.id)
        return held

    def pins_not_kept(self, wanted: Wanted) -> dict[str, str]:
        """Return the idle units pinned to a slot that don't go there, with the rule."""
        if self.solution is None or not self.problem.pinned:
            return {}
        rules = {
            unit: _PIN_REFUSED[why]
            for unit, slot, why in self.solution.refused_pins
            if slot == wanted.slot_id and why in _PIN_REFUSED
        }
        chosen = {c.unit_id for c in self.chosen(wanted)}
        result = self.result(wanted)
        for one in result.chosen if result is not None else ():
            if (one.unit_id, wanted.slot_id) in self.problem.pinned and one.unit_id not in chosen:
                rules[one.unit_id] = PIN_NO_PLACE
        return rules

    def result(self, wanted: Wanted) -> assignment.SlotResult | None:
        """Return what became of a slot; None where nobody who fits is free."""
        if self.solution is None or wanted.slot_id not in self._columns:
            return None
        return self.solution[wanted.slot_id]

    def chosen(self, wanted: Wanted) -> tuple[assignment.Candidate, ...]:
        """Return who goes newly; who is on the way there anyhow is no news."""
        result = self.result(wanted)
        if result is None:
            return ()
        new = [c for c in result.chosen if not self.stays(c.unit_id, wanted)]
        return tuple(c for c in new[: wanted.missing] if c.unit_id not in self.left)

    def taken_by(self, wants: Iterable[Wanted]) -> list[str]:
        """Return who goes newly for these, in their order."""
        return [c.unit_id for wanted in wants for c in self.chosen(wanted)]

    def stays(self, unit: str, wanted: Wanted) -> bool:
        """Say whether a unit is under way to this very slot."""
        sent = self.turned.get(unit)
        return sent is not None and sent.incident == wanted.incident.id

    def unreachable(self, wanted: Wanted) -> set[str]:
        """Return the offered units that no open road leads to the slot."""
        column = self._columns.get(wanted.slot_id)
        if column is None:
            return set()
        rows = np.flatnonzero(np.isinf(self.problem.time_s[:, column]))
        return {self.problem.unit_ids[row] for row in rows.tolist()}


@dataclass(frozen=True)
class Swap:
    """Somebody who is under way, and who would be there sooner.

    Attributes
    ----------
    sent
        The one under way.
    candidates
        The best of those who are idle, fit and can be there; the first takes the place.
    unreachable, reserved, taken
        Idle units that fit and are not among them: without a road, held back, or meant for others.
    """

    sent: Assignment
    candidates: tuple[Candidate, ...]
    unreachable: set[str]
    reserved: set[str]
    taken: set[str]


class Explainer:
    """Makes the choices of proposals.

    Parameters
    ----------
    travel
        The planner's.
    neighbours
        By id: who lends units.
    """

    def __init__(
        self, travel: TravelTimes, policy: Policy, neighbours: Mapping[str, Neighbour]
    ) -> None:
        self._neighbours = neighbours
        self._travel = travel
        self._policy = policy

    def choices(self, step: Step, wanted: Wanted, found: Found) -> Iterable[Choice]:
        """Return a choice for each unit that is missing, chosen or not."""
        result, chosen = found.result(wanted), found.chosen(wanted)
        dearest = max((c.cost for c in chosen), default=0)
        counted = counted_priority(wanted.incident, step.now, self._policy)
        second = assignment.second(counted)
        gone = {c.unit_id for c in chosen}
        held = found.reserved(wanted) if found.problem.reserves else {}
        pins = found.pins_not_kept(wanted)
        waits = bool(wanted.requirement.package) and not chosen
        runners_up = tuple(
            self._candidate(step, wanted, found, c, (c.cost - dearest) / second)
            for c in (result.runners_up if result else ())
            if c.unit_id not in gone
            and not found.stays(c.unit_id, wanted)
            and c.unit_id not in held
            and c.unit_id not in pins
            and not (waits and c.taken_by is None)
        )
        # Who is under way and could be turned is named, not ruled out.
        named = gone | {c.unit for c in runners_up}
        excluded = self._excluded(step, wanted, found, named, held, pins, waits=waits)
        for slot in range(wanted.missing):
            if slot >= len(chosen):
                yield Choice(
                    requirement=wanted.requirement.key,
                    slot=slot,
                    runners_up=runners_up,
                    excluded=excluded,
                )
                continue
            candidate = self._candidate(step, wanted, found, chosen[slot])
            yield self.by_road(
                step,
                wanted,
                Choice(
                    requirement=wanted.requirement.key,
                    slot=slot,
                    chosen=candidate,
                    runners_up=runners_up,
                    excluded=excluded,
                ),
            )

    def by_road(self, step: Step, wanted: Wanted, choice: Choice) -> Choice:
        """Return a choice with the road that its unit takes now."""
        if choice.chosen is None:
            return choice
        unit = step.unit(choice.chosen.unit)
        travel = self._travel.of_kind(unit.kind)
        route = travel.route(self.stands(step, unit), place_of(wanted.incident))
        on_foot = route.cordon_ids if route and round(route.cordon_m) > 0 else ()
        cordon = closures_of(step.situation, travel.graph, on_foot) if on_foot else ()
        return msgspec.structs.replace(
            choice,
            chosen=msgspec.structs.replace(
                choice.chosen,
                length_m=round(route.length_m, 1) if route else 0.0,
                walked_m=round(route.walked_m, 1) if route else 0.0,
                cordon=cordon,
                cordon_m=round(route.cordon_m, 1) if route and cordon else 0.0,
            ),
            route=rounded(route.geometry) if route else (),
            streets=tuple((name, round(m, 1)) for name, m in route.streets) if route else (),
        )

    def stands(self, step: Step, unit: Unit) -> Point:
        """Return where a unit is now, under way or not."""
        sent = step.situation.assignments.get(unit.assignment)
        if sent is not None and sent.state in diversion.UNDER_WAY:
            return diversion.where(sent, unit, step.now)
        return unit.lon, unit.lat

    def turnout_s(self, step: Step, unit: Unit) -> float:
        """Return the seconds until a unit rolls, from its post or from where it is under way."""
        sent = step.situation.assignments.get(unit.assignment)
        if sent is not None and sent.state in diversion.UNDER_WAY:
            return diversion.turn_s(sent, step.now, self._policy)
        return turnout_s(unit, self._policy)

    def _candidate(
        self,
        step: Step,
        wanted: Wanted,
        found: Found,
        one: assignment.Candidate,
        added_s: float = 0.0,
    ) -> Candidate:
        unit = step.unit(one.unit_id)
        turnout = round(self.turnout_s(step, unit), 1)
        sent, lender = found.turned.get(unit.id), self._neighbours.get(unit.neighbour)
        gain_s = 0.0
        if sent is not None:
            reference_s = found.reference_s.get(wanted.slot_id, assignment.LONGEST_S)
            gain_s = round(min(reference_s, assignment.LONGEST_S) - one.time_s, 1)
        return Candidate(
            unit=unit.id,
            turnout_s=turnout,
            drive_s=round(max(0.0, one.time_s - turnout), 1),
            added_s=round(added_s, 1),
            bare_s=round(found.bare_s.get(unit.id, 0.0), 1),
            diverted_from=sent.incident if sent else "",
            gain_s=gain_s,
            alternative=wanted.requirement.is_second(frozenset(unit.skills)),
            aid=lender.names if lender else {},
            aid_s=lender.cost_s if lender else 0.0,
        )

    def _excluded(
        self,
        step: Step,
        wanted: Wanted,
        found: Found,
        named: set[str],
        held: dict[str, str],
        pins: dict[str, str],
        *,
        waits: bool,
    ) -> tuple[Exclusion, ...]:
        able = found.able[wanted.kind]
        unreachable = found.unreachable(wanted)
        rules: dict[tuple[str, str], list[str]] = {}
        for unit in able:
            if unit.id in named:
                continue
            rule, reserve = pins.get(unit.id) or _rule_against(unit, wanted, unreachable), ""
            if not rule and unit.id in found.left:
                rule = found.left[unit.id]
            elif not rule and unit.id in held:
                rule, reserve = "reserved", held[unit.id]
            elif not rule and unit.id in found.elsewhere:
                rule = "elsewhere"
            elif not rule and waits and unit.id not in found.taken:
                rule = PACKAGE
            if rule:
                rules.setdefault((rule, reserve), []).append(unit.id)
        return self._exclusions(step, able, rules, found.reserve_names)

    def _exclusions(
        self,
        step: Step,
        able: Sequence[Unit],
        rules: Mapping[tuple[str, str], Sequence[str]],
        reserve_names: Mapping[str, dict[str, str]],
    ) -> tuple[Exclusion, ...]:
        most = self._policy.named_exclusions
        excluded = [
            Exclusion(
                rule=rule,
                units=tuple(ids[:most]),
                count=len(ids),
                names=reserve_names.get(reserve, {}),
            )
            for (rule, reserve), ids in sorted(rules.items())
        ]
        lacking = len(step.situation.units) - len(able)
        if lacking:
            fit, kinds = {u.id for u in able}, {u.kind for u in able}
            others = sorted(
                (u.kind not in kinds, name)
                for name, u in step.situation.units.items()
                if name not in fit
            )
            names = tuple(name for _, name in others[:most])
            excluded.append(Exclusion(rule="lacks_skill", units=names, count=lacking))
        return tuple(sorted(excluded, key=lambda e: e.rule))

    def relief(self, step: Step, wanted: Wanted, swap: Swap, slot: int) -> Choice:
        """Return the choice that somebody sooner takes the place of who is under way."""
        best, *others = swap.candidates
        taken = swap.taken | {best.unit}
        rules: dict[tuple[str, str], list[str]] = {}
        fit = able_units(step.situation, [wanted])[wanted.kind]
        named = {best.unit, swap.sent.unit, *(c.unit for c in others)}
        for unit in fit:
            if unit.id in named:
                continue
            rule = _rule_against(unit, wanted, swap.unreachable)
            if not rule and unit.neighbour:
                rule = "neighbour"
            elif not rule and unit.id in swap.reserved:
                rule = "reserved"
            elif not rule and unit.id in taken:
                rule = "elsewhere"
            if rule:
                rules.setdefault((rule, ""), []).append(unit.id)
        choice = Choice(
            requirement=wanted.requirement.key,
            slot=slot,
            chosen=best,
            runners_up=tuple(others),
            excluded=self._exclusions(step, fit, rules, {}),
        )
        return self.by_road(step, wanted, choice)


def _rule_against(unit: Unit, wanted: Wanted, unreachable: set[str]) -> str:
    if unit.id in wanted.incident.bans:
        return "banned"
    if unit.held_by:
        return "held"
    if unit.state is UnitState.OUT_OF_SERVICE:
        return "off_duty"
    if not sendable(unit):
        return "busy"
    return "road_closed" if unit.id in unreachable else ""


def rounded(points: Iterable[Point]) -> tuple[Point, ...]:
    """Return a line with six decimals: 11 cm, all that a street centreline knows."""
    return tuple((round(lon, 6), round(lat, 6)) for lon, lat in points)
