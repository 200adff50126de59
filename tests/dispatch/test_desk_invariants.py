"""DESIGN's invariants that can be stated on the desk, as a state machine over its inputs.

A live desk and an exercise's stand side by side on one city and one road graph, as they do in a
worker, and get every kind of input in any order. Each ``invariant_N`` below is the N-th of the
ten. The others:

- 1 and 9 (nothing acknowledged is lost, whichever process dies), and 2 and 3 once more with faults
  between any two steps: ``tests/streams/test_pipeline_invariants.py``, and on running systems
  ``tests/integration/test_pulled_plugs.py``.
- 10 (a screen never lies): ``tests/web_console/test_hub.py`` and, in a browser,
  ``test_a_cut_line_shows_and_heals_with_nothing_missing``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from dispatch.explanation import PIN_RULES, rounded
from dispatch.roads import CircleClosure, RoadGraph
from dispatch.travel_times import TravelTimes
from dispatch.wanted import close_roads
from gridcommand.rehearsal.ledger import Ledger
from models import events as ev
from models.city import CityPack
from models.errors import EventError
from models.events import Event
from models.fold import apply
from models.lifecycles import SENDABLE_UNIT, AssignmentState, TaskState, UnitState
from models.situation import Incident, Situation, Unit, dump, load
from models.words import Channel, Grade, Posture
from tests.conftest import InvariantCases
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld

UNITS = ("E01", "E02", "T01", "M01")
CATEGORIES = ("accident.fire.structure", "health.medical", "city.other")
HOSPITALS = {"H1": (0, 3), "H2": (3, 0)}
PEOPLE = ("wang", "li")
ROUNDED_S = 0.11
"""A proposal's seconds are told to a tenth, each of its two parts."""
UNDER_WAY = {AssignmentState.ORDERED, AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE}
hospitals = st.sampled_from(sorted(HOSPITALS))
places = st.tuples(st.integers(0, 3), st.integers(0, 3))
units = st.sampled_from(UNITS)
pick = st.integers(0, 99)
late = st.sampled_from([0.0, 0.0, 0.0, 30.0, 900.0])


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
        self.ledger = Ledger()
        self.checked = 0
        self.reports = 0
        self.held: dict[str, tuple[str, str]] = {}
        self.overrides: dict[str, Overrides] = {}
        self.placed: dict[str, tuple[ev.Point, datetime]] = {}
        self.on_its_way: list[Event] = []


class DeskMachine(RuleBasedStateMachine):
    """Everything that can happen to a desk, in any order."""

    city: ClassVar[CityPack]
    roads: ClassVar[RoadGraph]
    travel: ClassVar[TravelTimes]
    """Of our own, to ask for ways and seconds again."""
    cases: ClassVar[int]
    looked: ClassVar[Counter[int]]
    """Invariant to how often something was there to hold."""
    given: ClassVar[set[type[ev.Payload]]]

    @initialize(
        automatic=st.sampled_from([(), (1,), (1, 2, 3, 4)]),
        begun=st.lists(st.tuples(places, st.sampled_from(CATEGORIES[:2])), max_size=3),
    )
    def open_desks(
        self, automatic: tuple[int, ...], begun: list[tuple[tuple[int, int], str]]
    ) -> None:
        type(self).cases += 1
        self.sides: list[Side] = []
        for exercise in (True, False):
            self.side = Side(self.city, self.roads, exercise=exercise, automatic=automatic)
            self.sides.append(self.side)
            for name, (column, row) in HOSPITALS.items():
                lon, lat = WEST + column * STEP, SOUTH + row * STEP
                self.world.say(
                    ev.HospitalRegistered(hospital=name, names={}, lon=lon, lat=lat, per_hour=1)
                )
            for at, category in begun:
                self.report(at, category, 2, 1, placed=True, held_up=False, late_s=0.0)
            self.check()

    # ── what happens ──────────────────────────────────────────────────────────────────────────

    @property
    def world(self) -> DeskWorld:
        return self.side.world

    @rule()
    def the_other_side(self) -> None:
        """What follows happens in the exercise, or in life again."""
        self.side = self._other()

    @rule(
        at=places,
        category=st.sampled_from(CATEGORIES),
        priority=st.integers(1, 4),
        trapped=st.integers(0, 2),
        placed=st.booleans(),
        held_up=st.booleans(),
        late_s=late,
    )
    def report(
        self,
        at: tuple[int, int],
        category: str,
        priority: int,
        trapped: int,
        placed: bool,
        held_up: bool,
        late_s: float,
    ) -> None:
        """Somebody tells us, sometimes of what was told before; it may be held up on its way."""
        data = ev.ReportClassified(
            channel=Channel.HOTLINE,
            received_at=self.world.now - timedelta(seconds=late_s),
            category=category,
            priority=priority,
            grade=Grade.IV,
            confidence=1.0,
            lon=WEST + at[0] * STEP if placed else None,
            lat=SOUTH + at[1] * STEP if placed else None,
            outside=not placed,
            facts={"trapped": trapped},
        )
        self.side.reports += 1
        name = f"r{self.side.reports}"
        event = self.world.event(data, event_id=name, late_s=late_s)
        if held_up:
            self.side.on_its_way.append(event)
        else:
            self.world.hand(event)

    @rule(which=pick)
    def a_report_comes_late(self, which: int) -> None:
        """Out of order: others, and hours, came between."""
        if waiting := self.side.on_its_way:
            self.world.hand(waiting.pop(which % len(waiting)))

    @rule(seconds=st.sampled_from([0, 5, 60, 400, 1900]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule(late_s=late)
    def tick(self, late_s: float) -> None:
        """A clock that tells the time though nothing is due, or tells an old one."""
        self.world.say(ev.ClockTicked(), late_s=late_s)

    @rule(unit=units, state=st.sampled_from(list(UnitState)), old=st.booleans(), late_s=late)
    def status(self, unit: str, state: UnitState, old: bool, late_s: float) -> None:
        """A crew says what it does; perhaps still of an assignment that it no longer has."""
        assignment = "i000001-a1" if old else ""
        data = ev.UnitStatusReported(unit=unit, state=state, assignment=assignment)
        self.world.say(data, late_s=late_s)

    @rule(at=places, who=st.sets(st.sampled_from((*UNITS, "nobody"))), late_s=late)
    def positions(self, at: tuple[int, int], who: set[str], late_s: float) -> None:
        place = (WEST + at[0] * STEP, SOUTH + at[1] * STEP)
        self.world.say(
            ev.UnitPositionsReported(positions=dict.fromkeys(sorted(who), place)), late_s=late_s
        )

    @rule(which=pick)
    def confirm(self, which: int) -> None:
        proposals = list(self.world.situation.proposals.values())
        if proposals:
            chosen = proposals[which % len(proposals)]
            self.order(ev.ConfirmProposal, incident=chosen.incident, proposal=chosen.id)

    @rule(which=pick, sent=st.lists(units, max_size=3))
    def send(self, which: int, sent: list[str]) -> None:
        incident = self._incident(which)
        if incident and self.order(ev.SendUnits, incident=incident, units=tuple(sent)):
            self._overrides(incident).bans -= set(sent)

    @rule(unit=units)
    def recall(self, unit: str) -> None:
        incident = self.world.situation.units[unit].incident
        if self.order(ev.RecallUnit, unit=unit):
            self._overrides(incident).bans.add(unit)
            self._overrides(incident).pins.discard(unit)

    @rule(which=pick, unit=units)
    def divert(self, which: int, unit: str) -> None:
        incident = self._incident(which)
        if incident and self.order(ev.DivertUnit, incident=incident, unit=unit):
            self._overrides(incident).bans.discard(unit)

    @rule(unit=units, confirm=st.booleans())
    def move_up(self, unit: str, confirm: bool) -> None:
        self.order(ev.ConfirmMoveUp if confirm else ev.RefuseMoveUp, unit=unit)

    @rule(hospital=hospitals, closed=st.booleans(), per_hour=st.sampled_from([None, 0, 3]))
    def set_hospital(self, hospital: str, closed: bool, per_hour: int | None) -> None:
        self.order(ev.SetHospital, hospital=hospital, closed=closed, per_hour=per_hour)

    @rule(hospital=hospitals)
    def send_to_hospital(self, hospital: str) -> None:
        self.order(ev.SendToHospital, unit="M01", hospital=hospital)

    @rule(unit=units, held=st.booleans())
    def hold(self, unit: str, held: bool) -> None:
        if order := self.order(ev.HoldUnit if held else ev.LiftHold, unit=unit):
            if held:
                self.side.held[unit] = (order.by, order.reason)
            else:
                del self.side.held[unit]

    @rule(which=pick, unit=units, ban=st.booleans())
    def pin_or_ban(self, which: int, unit: str, ban: bool) -> None:
        incident = self._incident(which)
        kind = ev.BanUnit if ban else ev.PinUnit
        if incident and self.order(kind, incident=incident, unit=unit):
            known = self._overrides(incident)
            (known.bans if ban else known.pins).add(unit)
            (known.pins if ban else known.bans).discard(unit)

    @rule(which=pick)
    def lift(self, which: int) -> None:
        incident = self._incident(which)
        if incident and self.order(ev.LiftOverride, incident=incident):
            self.side.overrides[incident] = Overrides()

    @rule(which=pick, category=st.sampled_from(CATEGORIES), priority=st.integers(1, 4))
    def triage(self, which: int, category: str, priority: int) -> None:
        if incident := self._incident(which):
            self.order(
                ev.TriageIncident,
                incident=incident,
                category=category,
                priority=priority,
                grade=Grade.III,
            )

    @rule(one=pick, other=pick)
    def merge(self, one: int, other: int) -> None:
        if incident := self._incident(one):
            duplicate = self._incident(other) or incident
            self.order(ev.MergeIncidents, incident=incident, duplicate=duplicate)

    @rule(which=pick, cancelled=st.booleans())
    def close(self, which: int, cancelled: bool) -> None:
        if incident := self._incident(which):
            self.order(ev.CloseIncident, incident=incident, cancelled=cancelled)

    @rule(
        name=st.sampled_from(["c1", "c2"]),
        at=places,
        radius=st.sampled_from([50.0, 700.0]),
        for_s=st.sampled_from([None, 30, 500]),
    )
    def close_road(self, name: str, at: tuple[int, int], radius: float, for_s: int | None) -> None:
        lon, lat = WEST + at[0] * STEP, SOUTH + at[1] * STEP
        until = None if for_s is None else self.world.now + timedelta(seconds=for_s)
        self.order(ev.CloseRoad, closure=name, lon=lon, lat=lat, radius_m=radius, until=until)

    @rule(
        name=st.sampled_from(["c1", "c2"]),
        edges=st.lists(st.sampled_from(["h00", "h11", "v01", "v12", "h99"]), max_size=2),
        speed=st.sampled_from([0.0, 0.3]),
    )
    def close_streets(self, name: str, edges: list[str], speed: float) -> None:
        self.order(ev.CloseRoad, closure=name, edges=tuple(edges), speed=speed)

    @rule(name=st.sampled_from(["c1", "c2"]))
    def reopen_road(self, name: str) -> None:
        self.order(ev.ReopenRoad, closure=name)

    @rule(which=pick, state=st.sampled_from(list(TaskState)))
    def task(self, which: int, state: TaskState) -> None:
        tasks = list(self.world.situation.tasks)
        if tasks:
            name = tasks[which % len(tasks)]
            self.world.say(ev.TaskReported(task=name, state=state, by="worker"))

    @rule(priorities=st.sets(st.integers(1, 4)))
    def automate(self, priorities: set[int]) -> None:
        self.order(ev.SetAutomation, priorities=tuple(sorted(priorities)))

    @rule(posture=st.sampled_from(list(Posture)))
    def set_posture(self, posture: Posture) -> None:
        self.order(ev.SetPosture, posture=posture)

    @rule(unit=units)
    def register_again(self, unit: str) -> None:
        """The pack changed while the unit was at work."""
        known = self.world.situation.units[unit]
        self.world.say(
            ev.UnitRegistered(
                unit=unit,
                kind=known.kind,
                skills=known.skills,
                owner=known.owner,
                lon=known.home_lon,
                lat=known.home_lat,
            )
        )

    @rule()
    def hand_over(self) -> None:
        """Another desk goes on from a snapshot."""
        self.world.desk = self.world.new_desk(load(dump(self.world.situation)))

    @rule(which=pick)
    def a_stray_event(self, which: int) -> None:
        """The other side's, another city's, or no input at all: none of it is decided on."""
        mine, other = self.side, self._other()
        event = self.world.event(ev.ClockTicked(), event_id="stray")
        moved = ev.UnitMoved(unit="E01", state=UnitState.OUT_OF_SERVICE)
        stray = (
            msgspec.structs.replace(event, exercise=not event.exercise),
            msgspec.structs.replace(event, jurisdiction=other.world.jurisdiction),
            other.world.event(ev.ClockTicked(), event_id="stray"),
            msgspec.structs.replace(event, data=moved),
        )[which % 4]
        with pytest.raises(EventError, match="stray"):
            mine.world.desk.step(stray)
        assert dump(mine.world.situation) == dump(mine.folded)

    def order(self, kind: type[ev.Order], **of_it: Any) -> ev.Order | None:
        """Give an order, each with a reason of its own; return it unless it was refused."""
        number = len(self.world.inputs)
        order = kind(by=PEOPLE[number % 2], reason=f"reason {number}", **of_it)
        made = self.world.say(order)
        return None if any(isinstance(e.data, ev.OrderRefused) for e in made) else order

    def _other(self) -> Side:
        return self.sides[self.side is self.sides[0]]

    def _incident(self, which: int) -> str:
        ids = self.world.incident_ids()
        return ids[which % len(ids)] if ids else ""

    def _overrides(self, incident: str) -> Overrides:
        return self.side.overrides.setdefault(incident, Overrides())

    def teardown(self) -> None:
        """Invariants 3 and 8: each desk alone, given the same inputs, says the same bytes."""
        for side in getattr(self, "sides", ()):
            alone = side.world.new_desk()
            again = [e for given in side.world.inputs for e in alone.step(given)]
            assert [ev.encode(e) for e in again] == [ev.encode(e) for e in side.world.journal]
            self.given.update(type(event.data) for event in side.world.inputs)

    # ── what holds ────────────────────────────────────────────────────────────────────────────

    @invariant()
    def check(self) -> None:
        """Check each new journal event against the situation just before and after it."""
        for side in getattr(self, "sides", ()):
            new = side.world.journal[side.checked :]
            for event in new:
                assert event.seq == side.folded.seq + 1, "the journal has a gap"
                self._before(side, event)
                apply(side.folded, event)
                side.ledger.take(event)
                self._after(side, event)
            side.checked = len(side.world.journal)
            self.invariant_3_nothing_changes_without_the_journal(side)
            if new:
                self.invariant_2_every_report_ends_in_one_incident(side)
                self.invariant_4_one_assignment_at_a_time(side)
                self.invariant_5_what_a_person_said_stands(side)
                self.hospitals_know_who_comes(side)
                self.places_say_how_old_they_are(side)

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
                side.placed[unit] = (data.positions[unit], event.time)

    def invariant_2_every_report_ends_in_one_incident(self, side: Side) -> None:
        handed = side.reports - len(side.on_its_way)
        assert len(side.ledger.decided) == handed
        assert not side.ledger.twice()
        self.looked[2] += bool(handed)

    def invariant_3_nothing_changes_without_the_journal(self, side: Side) -> None:
        assert dump(side.folded) == dump(side.world.situation)
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
        assert incident.lon is not None
        assert incident.lat is not None
        goal = (incident.lon, incident.lat)
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
        assert incident.lon is not None
        assert incident.lat is not None
        if candidate.diverted_from:
            sent = side.folded.assignments[unit.assignment]
            assert (sent.incident, sent.state in UNDER_WAY) == (candidate.diverted_from, True)
            return  # from where it should be by now
        goal = [(incident.lon, incident.lat)]
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
        assert incident.lon is not None
        assert incident.lat is not None
        travel = self.travel.of_kind(unit.kind)
        way = travel.route((unit.lon, unit.lat), (incident.lon, incident.lat))
        return "road_closed" if way is None else "nothing is against it"

    # ── invariant 8 ───────────────────────────────────────────────────────────────────────────

    def invariant_8_nothing_of_an_exercise_leaves_it(self, side: Side, event: Event) -> None:
        assert side is self.side, "a desk said something that nobody asked"
        assert event.jurisdiction == side.world.jurisdiction
        assert event.exercise == side.world.exercise
        self.looked[8] += side.world.exercise


def _runs_over(route: Iterable[ev.Point], point: ev.Point) -> bool:
    """Say whether an axis-parallel line passes a point, as all lines of the tiny city are."""
    near = 1e-6
    return any(
        min(x1, x2) - near <= point[0] <= max(x1, x2) + near
        and min(y1, y2) - near <= point[1] <= max(y1, y2) + near
        for (x1, y1), (x2, y2) in pairwise(route)
    )


@pytest.fixture(scope="module")
def desk_cases(
    tiny_city: CityPack, tiny_roads: RoadGraph, invariant_cases: InvariantCases
) -> type[DeskMachine]:
    """The machine after it went through its cases; what broke, broke here."""
    DeskMachine.city, DeskMachine.roads = tiny_city, tiny_roads
    DeskMachine.travel = TravelTimes.of_pack(tiny_roads, tiny_city)
    DeskMachine.cases, DeskMachine.looked, DeskMachine.given = 0, Counter(), set()
    run_state_machine_as_test(
        invariant_cases.seeded(DeskMachine),
        settings=invariant_cases.settings(stateful_step_count=24),
    )
    return DeskMachine


INVARIANTS = {
    2: "every_report_ends_in_one_incident",
    3: "nothing_changes_without_the_journal",
    4: "a_unit_serves_one_assignment_at_a_time",
    5: "a_person_outranks_the_machine",
    6: "nobody_goes_over_a_closed_road_or_without_the_skill",
    7: "every_proposal_explains_itself",
    8: "nothing_of_an_exercise_leaves_it",
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "number", [pytest.param(n, id=f"invariant_{n}_{what}") for n, what in INVARIANTS.items()]
)
def test_on_the_desk(
    desk_cases: type[DeskMachine], invariant_cases: InvariantCases, number: int
) -> None:
    """Every case held; and there was something to hold, as often as there were cases."""
    assert desk_cases.cases >= invariant_cases.count
    assert desk_cases.looked[number] >= invariant_cases.count / 10


def test_every_kind_of_input_came_to_the_desk(desk_cases: type[DeskMachine]) -> None:
    assert desk_cases.given == ev.INPUTS


def test_invariant_3_the_same_inputs_give_the_same_bytes(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    """A whole evening through two desks, one of which reads its inputs off the wire."""
    world = DeskWorld(tiny_city, tiny_roads, automatic=(1, 2))
    for number in range(30):
        world.report(
            CATEGORIES[number % 3],
            at=(number % 4, number * 7 % 4),
            priority=1 + number % 4,
            attributes={"source_incident": str(number)},
        )
        world.wait(90)
        for unit in UNITS:
            if world.situation.units[unit].assignment:
                world.status(unit, UnitState.EN_ROUTE, UnitState.ON_SCENE, UnitState.AVAILABLE)
    other = world.new_desk()
    again = [e for given in world.inputs for e in other.step(ev.decode(ev.encode(given)))]
    assert [ev.encode(e) for e in again] == [ev.encode(e) for e in world.journal]
