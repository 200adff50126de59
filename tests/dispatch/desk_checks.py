"""DESIGN's invariants on one desk: each new journal event against what was before and after it.

For ``desk_machine.py``, which makes things happen. Each ``invariant_N`` is the N-th of the ten;
which are checked elsewhere, ``test_desk_invariants.py`` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from dispatch.automation import is_automatic
from dispatch.explanation import PIN_RULES, rounded
from dispatch.roads import CircleClosure, RoadGraph
from dispatch.travel_times import TravelTimes
from dispatch.wanted import close_roads, missing, sendable
from gridcommand.rehearsal.ledger import Ledger
from models import events as ev
from models.categories import OTHER
from models.city import CityPack
from models.events import Event
from models.fold import apply
from models.fold.incidents import texts_of
from models.lifecycles import SENDABLE_UNIT, AssignmentState, IncidentState, UnitState
from models.situation import Incident, Proposal, Situation, Unit, dump
from tests.dispatch.desk_world import DeskWorld

ROUNDED_S = 0.11
"""A proposal's seconds are told to a tenth, each of its two parts."""
UNDER_WAY = {AssignmentState.ORDERED, AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE}


class Overrides(msgspec.Struct):
    """What people said of an incident, and did not take back."""

    pins: set[str] = msgspec.field(default_factory=set)
    bans: set[str] = msgspec.field(default_factory=set)
    by_hand: bool = False


class Side:
    """One of two desks: live, or an exercise; and what we know of it without asking it."""

    def __init__(self, city: CityPack, roads: RoadGraph, *, exercise: bool, **more: Any) -> None:
        self.world = DeskWorld(city, roads, exercise=exercise, **more)
        self.folded = Situation(jurisdiction=self.world.jurisdiction, exercise=exercise)
        self.told = b""
        """What the journal so far makes of an empty situation, as a snapshot."""
        self.ledger = Ledger()
        self.checked = 0
        self.reports = 0
        self.held: dict[str, tuple[str, str]] = {}
        self.overrides: dict[str, Overrides] = {}
        self.placed: dict[str, tuple[ev.Point, datetime]] = {}
        self.lost: dict[str, ev.Point] = {}
        """What was told last of where units are, where that can't be."""
        self.on_its_way: list[Event] = []


class DeskChecks:
    """What holds of each side after each step.

    Attributes
    ----------
    side
        The one that the last step asked.
    """

    roads: ClassVar[RoadGraph]
    travel: ClassVar[TravelTimes]
    """Of our own, to ask for ways and seconds again."""
    looked: ClassVar[Counter[int]]
    """Invariant to how often something was there to hold."""
    side: Side

    def check_side(self, side: Side) -> None:
        """Check each new journal event against the situation just before and after it."""
        new = side.world.journal[side.checked :]
        for event in new:
            assert event.seq == side.folded.seq + 1, "the journal has a gap"
            self._before(side, event)
            apply(side.folded, event)
            side.ledger.take(event)
            self._after(side, event)
        side.checked = len(side.world.journal)
        self.invariant_3_nothing_changes_without_the_journal(side, bool(new))
        if new:
            self.invariant_2_every_report_ends_in_one_incident(side)
            self.invariant_4_one_assignment_at_a_time(side)
            self.invariant_5_what_a_person_said_stands(side)
            self.hospitals_know_who_comes(side)
            self.an_incident_has_what_its_parts_have(side)
            self.places_say_how_old_they_are(side)
            self.no_unit_is_where_none_can_be(side)
            self.nobody_waits_for_a_unit_that_waits_for_a_person(side)

    def _before(self, side: Side, event: Event) -> None:
        data = event.data
        self.invariant_8_nothing_of_an_exercise_leaves_it(side, event)
        if isinstance(data, ev.AssignmentOrdered):
            self.invariant_5_a_person_outranks_the_machine(side, data)
            self.invariant_6_no_closed_road_no_missing_skill(side, data)
        if isinstance(data, ev.OverrideSet | ev.UnitHeld):
            self.invariant_5_the_log_says_who_and_why(side, event, data)
        if isinstance(data, ev.MoveUpOrdered | ev.AssignmentRerouted):
            self.goes_over_open_roads(side, data.unit, data.route)
            self.looked[6] += 1
        if isinstance(data, ev.HospitalChosen):
            self.no_hospital_that_is_closed_or_cut_off(side, data)
        if isinstance(data, ev.ReportLinked) and not data.merged_from:
            self.what_nobody_could_read_joins_only_the_same(side, data)
        if isinstance(data, ev.ProposalMade):
            self.invariant_7_a_proposal_explains_itself(side, data)

    def _after(self, side: Side, event: Event) -> None:
        data = event.data
        if isinstance(data, ev.AssignmentOrdered) and data.override:
            side.overrides.setdefault(data.incident, Overrides()).by_hand = True
        elif isinstance(data, ev.OverrideSet):
            side.overrides.setdefault(data.incident, Overrides()).by_hand = data.by_hand
        elif isinstance(data, ev.UnitPositionsReported):
            for unit in data.positions.keys() & side.folded.units.keys():
                self._told(side, unit, data.positions[unit], event.time)
        elif (
            isinstance(data, ev.UnitStatusReported)
            and data.lon is not None
            and data.lat is not None
        ):
            self._told(side, data.unit, (data.lon, data.lat), event.time)

    def _told(self, side: Side, unit: str, place: ev.Point, at: datetime) -> None:
        if place[0] > 0:
            side.placed[unit] = (place, at)
            side.lost.pop(unit, None)
        else:
            side.lost[unit] = place

    def invariant_2_every_report_ends_in_one_incident(self, side: Side) -> None:
        handed = side.reports - len(side.on_its_way)
        assert len(side.ledger.decided) == handed
        assert not side.ledger.twice()
        self.looked[2] += bool(handed)

    def what_nobody_could_read_joins_only_the_same(self, side: Side, data: ev.ReportLinked) -> None:
        told = next(one.data for one in side.world.inputs if one.id == data.report)
        incident = side.folded.incidents[data.incident]
        assert isinstance(told, ev.ReportClassified)
        if told.triage or incident.triage or told.category == OTHER:
            assert told.text
            assert told.text in texts_of(incident)

    def an_incident_has_what_its_parts_have(self, side: Side) -> None:
        """With merges, and after they were undone: the reports that the journal gave it, once."""
        standing: Counter[str] = Counter()
        for incident in side.folded.incidents.values():
            assert (incident.closed_at is not None) == incident.ended
            assert incident.ended == (incident.id in side.folded.ended)
            assert incident.ended or not incident.merged_into
            if not incident.merged_into:
                standing.update(incident.reports)
            assert (incident.own is not None) == bool(incident.joined)
            for joined in incident.joined:
                merged = side.folded.incidents[joined.incident]
                assert merged.merged_into == incident.id
                assert set(merged.reports) <= set(incident.reports)
        assert set(standing.values()) <= {1}
        assert set(standing) == side.ledger.decided

    def invariant_3_nothing_changes_without_the_journal(self, side: Side, new: bool) -> None:
        if new or not side.told:
            side.told = dump(side.folded)
        assert dump(side.world.situation) == side.told
        self.looked[3] += 1

    def invariant_4_one_assignment_at_a_time(self, side: Side) -> None:
        assert not side.ledger.two_places
        assert not side.ledger.doubled
        running = [a.unit for a in side.folded.assignments.values() if not a.ended]
        assert len(running) == len(set(running))
        for unit in side.folded.units.values():
            assert (unit.assignment != "") == (unit.id in running)
            # What it does next is a queue of its own, of incidents that still go on.
            assert not any(side.folded.incidents[name].ended for name in unit.queue)
            assert (
                not unit.queue or unit.assignment or unit.state not in SENDABLE_UNIT or unit.held_by
            )
        self.looked[4] += bool(running)

    def invariant_5_a_person_outranks_the_machine(
        self, side: Side, data: ev.AssignmentOrdered
    ) -> None:
        incident = side.folded.incidents[data.incident]
        if data.by == "gridcommand":
            assert not side.folded.units[data.unit].held_by
            assert data.unit not in incident.bans
            assert not incident.by_hand
            assert incident.is_placed, "the machine sends nobody to where nobody knows"
            assert incident.life_threat or not incident.triage, "nobody understood it yet"
            self.looked[5] += 1
        if data.by == "gridcommand" and data.diverted_from:
            left = side.folded.incidents[data.diverted_from]
            assert incident.priority == 1
            assert left.losses <= 2
            assert not left.by_hand

    def invariant_5_what_a_person_said_stands(self, side: Side) -> None:
        """Until it is lifted: the desk's holds, pins and bans are those that were asked for."""
        for unit in side.folded.units.values():
            assert (unit.held_by, unit.held_reason) == side.held.get(unit.id, ("", ""))
        for incident in side.folded.incidents.values():
            known = side.overrides.get(incident.id, Overrides())
            assert set(incident.pins) == known.pins
            assert set(incident.bans) == known.bans
            assert incident.by_hand == known.by_hand
            self.looked[5] += known.by_hand
        self.looked[5] += bool(side.held)

    def invariant_5_the_log_says_who_and_why(
        self, side: Side, event: Event, data: ev.OverrideSet | ev.UnitHeld
    ) -> None:
        (order,) = (e.data for e in side.world.inputs if e.id == event.cause)
        assert isinstance(order, ev.Order), "the machine changed what a person said"
        assert (data.by, data.reason) == (order.by, order.reason)

    def invariant_6_no_closed_road_no_missing_skill(
        self, side: Side, data: ev.AssignmentOrdered
    ) -> None:
        incident, unit = side.folded.incidents[data.incident], side.folded.units[data.unit]
        for requirement in incident.requirements:
            if requirement.key == data.requirement:
                assert requirement.met_by(frozenset(unit.skills))
        self.goes_over_open_roads(side, data.unit, data.route)
        assert all(lon > 0 for lon, _ in data.route), "a way from where nobody can be"
        self.looked[6] += 1

    def goes_over_open_roads(self, side: Side, unit: str, route: tuple[ev.Point, ...]) -> None:
        closed: set[str] = set()
        for closure in side.folded.closures.values():
            if not closure.speed:
                around = CircleClosure(closure.lon, closure.lat, closure.radius_m)
                closed |= set(closure.edges) or self.roads.edges_in(around)
        # A place on a closed street is reached, and left, on foot; the rest of the way is open.
        for edge in closed if route else ():
            (x1, y1), (x2, y2) = self.roads.geometry(self.roads.edge_row(edge))
            if not any(_runs_over(((x1, y1), (x2, y2)), end) for end in (route[0], route[-1])):
                middle = ((x1 + x2) / 2, (y1 + y2) / 2)
                assert not _runs_over(route, middle), f"{unit} goes over closed {edge}"

    def no_hospital_that_is_closed_or_cut_off(self, side: Side, data: ev.HospitalChosen) -> None:
        open_now = [one for one in data.options if not one.closed and one.drive_s is not None]
        if data.by == "gridcommand":
            best = min(
                open_now, key=lambda o: ((o.drive_s or 0.0) + o.over_s, o.hospital), default=None
            )
            assert data.hospital == (best.hospital if best else "")
        assert {one.hospital for one in data.options if one.closed} == {
            name for name, one in side.folded.hospitals.items() if one.closed
        }

    def hospitals_know_who_comes(self, side: Side) -> None:
        for name, hospital in side.folded.hospitals.items():
            bound = {
                a.id for a in side.folded.assignments.values() if a.hospital == name and not a.ended
            }
            assert set(hospital.bound) == bound
            assert len(hospital.bound) == len(bound)

    def places_say_how_old_they_are(self, side: Side) -> None:
        """One that was held up on its way is shown with the time that it is of."""
        for name, (place, at) in side.placed.items():
            unit = side.folded.units[name]
            assert ((unit.lon, unit.lat), unit.position_at) == (place, at)

    def no_unit_is_where_none_can_be(self, side: Side) -> None:
        """What was told is kept beside where the unit was known to be last."""
        for name, unit in side.folded.units.items():
            assert unit.lon > 0
            told = None if unit.far is None else (unit.far.lon, unit.far.lat)
            assert told == side.lost.get(name)

    def nobody_waits_for_a_unit_that_waits_for_a_person(self, side: Side) -> None:
        """Once it planned: what the machine would send to has the units that would only be held."""
        if not side.world.situation.plan_due:
            assert not list(held_back(side.world))

    # ── invariant 7 ───────────────────────────────────────────────────────────────────────────

    def invariant_7_a_proposal_explains_itself(self, side: Side, data: ev.ProposalMade) -> None:
        """Who, how long by which road, who was second, who was ruled out and by which rule."""
        incident = side.folded.incidents[data.incident]
        asked = {r.key: r for r in incident.requirements}
        close_roads(side.folded, self.travel)
        assert data.choices
        for choice in data.choices:
            fits = {
                name: unit
                for name, unit in side.folded.units.items()
                if asked[choice.requirement].met_by(frozenset(unit.skills))
            }
            if choice.chosen is not None:
                assert choice.chosen.unit in fits
                self._goes_as_it_says(side, data, incident, choice)
            of_it = [c for c in data.choices if c.requirement == choice.requirement]
            sent = {c.chosen.unit for c in of_it if c.chosen is not None}
            second = {c.unit for c in choice.runners_up}
            assert len(second) == len(choice.runners_up)
            assert not second & sent
            for candidate in choice.runners_up:
                self._there_in(side, fits[candidate.unit], incident, candidate)
            told = [unit for rule_ in choice.excluded for unit in rule_.units]
            assert len(told) == len(set(told)), "a unit is ruled out twice"
            rules = {
                unit: one.rule
                for one in choice.excluded
                for unit in one.units
                if one.rule != "lacks_skill"
            }
            # Nobody is passed over in silence: all who fit are sent, second or ruled out.
            assert set(fits) == sent | second | set(rules)
            assert not (sent | second) & set(rules)
            for name, rule_ in rules.items():
                against = self._rule_against(side, fits[name], incident)
                if rule_ in PIN_RULES:
                    assert name in incident.pins
                    assert (rule_ == "pin_unreachable") == (against == "road_closed"), name
                    continue
                if rule_ == "elsewhere":
                    # Idle, and kept for an incident that comes first.
                    against = against.replace("nothing is against it", rule_)
                assert rule_ == against, name
            assert set(told) - set(rules) == set(side.folded.units) - set(fits)
            self.looked[7] += 1

    def _goes_as_it_says(
        self, side: Side, data: ev.ProposalMade, incident: Incident, choice: ev.Choice
    ) -> None:
        assert choice.chosen is not None
        unit = side.folded.units[choice.chosen.unit]
        assert not unit.held_by
        assert unit.id not in incident.bans
        self._there_in(side, unit, incident, choice.chosen)
        self.goes_over_open_roads(side, unit.id, choice.route)
        assert incident.at is not None
        goal = incident.at
        if not choice.chosen.diverted_from:
            way = self.travel.of_kind(unit.kind).route((unit.lon, unit.lat), goal)
            assert way is not None
            assert choice.route == rounded(way.geometry)
            assert choice.chosen.length_m == pytest.approx(way.length_m, abs=ROUNDED_S)
            assert choice.streets == tuple((name, round(m, 1)) for name, m in way.streets)
        # A place on a closed street is reached on foot from where the open ones end.
        if not side.folded.closures:
            assert choice.route[-1] == pytest.approx(goal, abs=2e-6)
            driven_m = sum(m for _, m in choice.streets)
            assert driven_m == pytest.approx(choice.chosen.length_m, abs=0.5)

    def _there_in(
        self, side: Side, unit: Unit, incident: Incident, candidate: ev.Candidate
    ) -> None:
        """The seconds are those of the fastest open way, asked for again and on its own."""
        assert incident.at is not None
        if candidate.diverted_from:
            sent = side.folded.assignments[unit.assignment]
            assert (sent.incident, sent.state in UNDER_WAY) == (candidate.diverted_from, True)
            return  # from where it should be by now
        goal = [incident.at]
        travel = self.travel.of_kind(unit.kind)
        drive_s = float(travel.matrix([(unit.lon, unit.lat)], goal)[0, 0])
        assert candidate.drive_s == pytest.approx(drive_s, abs=ROUNDED_S)
        if unit.assignment:
            # The plan that names it second has just sent it elsewhere.
            sent = side.folded.assignments[unit.assignment]
            assert sent.times[AssignmentState.ORDERED.value] == side.folded.now
            assert candidate.turnout_s == sent.turnout_s
        else:
            assert candidate.turnout_s == (60.0 if unit.state is UnitState.AVAILABLE else 10.0)

    def _rule_against(self, side: Side, unit: Unit, incident: Incident) -> str:
        """The rule that keeps a unit that fits from going, told from the situation alone."""
        if unit.id in incident.bans:
            return "banned"
        if unit.held_by:
            return "held"
        if unit.state is UnitState.OUT_OF_SERVICE:
            return "off_duty"
        if unit.assignment or unit.state not in SENDABLE_UNIT:
            return "busy"
        assert incident.at is not None
        travel = self.travel.of_kind(unit.kind)
        way = travel.route((unit.lon, unit.lat), incident.at)
        return "road_closed" if way is None else "nothing is against it"

    # ── invariant 8 ───────────────────────────────────────────────────────────────────────────

    def invariant_8_nothing_of_an_exercise_leaves_it(self, side: Side, event: Event) -> None:
        assert side is self.side, "a desk said something that nobody asked"
        assert event.jurisdiction == side.world.jurisdiction
        assert event.exercise == side.world.exercise
        self.looked[8] += side.world.exercise


def held_back(world: DeskWorld) -> Iterator[str]:
    """Say what would be sent to without asking, and lacks an idle unit that only a held one has."""
    situation = world.situation
    named: dict[str, list[Proposal]] = {}
    for proposal in situation.proposals.values():
        for choice in proposal.choices:
            if choice.chosen is not None:
                named.setdefault(choice.chosen.unit, []).append(proposal)
    pinned = {unit for incident in situation.incidents.values() for unit in incident.pins}
    kept = {
        unit
        for unit, proposals in named.items()
        if sendable(situation.units[unit])
        and unit not in pinned
        and all(proposal.held for proposal in proposals)
    }
    for incident in situation.incidents.values():
        waits = not incident.ended and incident.state is not IncidentState.RESOLVED
        if not waits or not kept or not is_automatic(situation, incident, world.policy):
            continue
        for requirement, _ in missing(situation, incident):
            for unit in sorted(kept - set(incident.bans)):
                fits = requirement.met_by(frozenset(situation.units[unit].skills))
                if fits and _can_be_there(world, situation.units[unit], incident):
                    yield f"{incident.id} lacks {requirement.key}, {unit} is only held"


def _can_be_there(world: DeskWorld, unit: Unit, incident: Incident) -> bool:
    assert incident.at is not None
    travel = TravelTimes.of_pack(world.roads, world.city)
    close_roads(world.situation, travel)
    goal = [incident.at]
    drive_s = travel.of_kind(unit.kind).matrix([(unit.lon, unit.lat)], goal)[0, 0]
    return bool(np.isfinite(drive_s))


def _runs_over(route: Iterable[ev.Point], point: ev.Point) -> bool:
    """Say whether an axis-parallel line passes a point, as all lines of the tiny city are."""
    near = 1e-6
    return any(
        min(x1, x2) - near <= point[0] <= max(x1, x2) + near
        and min(y1, y2) - near <= point[1] <= max(y1, y2) + near
        for (x1, y1), (x2, y2) in pairwise(route)
    )
