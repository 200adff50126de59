"""Everything that can happen to a desk, in any order: Hypothesis's state machine.

A live desk and an exercise's stand side by side on one city and one road graph, as they do in a
worker, and get every kind of input in any order. What must hold then is in ``desk_checks.py``.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

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

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from models import events as ev
from models.city import CityPack
from models.errors import EventError
from models.events import NamedPlace
from models.lifecycles import TaskState, UnitState
from models.situation import dump, load
from models.words import Channel, Grade, Posture
from tests.conftest import InvariantCases
from tests.dispatch.desk_checks import DeskChecks, Overrides, Side
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld

UNITS = ("E01", "E02", "T01", "M01")
CATEGORIES = ("accident.fire.structure", "health.medical", "city.other")
HOSPITALS = {"H1": (0, 3), "H2": (3, 0)}
PEOPLE = ("wang", "li")
hospitals = st.sampled_from(sorted(HOSPITALS))
places = st.tuples(st.integers(0, 3), st.integers(0, 3))
units = st.sampled_from(UNITS)
pick = st.integers(0, 99)
late = st.sampled_from([0.0, 0.0, 0.0, 30.0, 900.0])


class DeskMachine(DeskChecks, RuleBasedStateMachine):
    """Everything that can happen to a desk, in any order."""

    city: ClassVar[CityPack]
    begins: ClassVar[tuple[tuple[int, ...], ...]]
    """Priorities that are sent without a person when a case begins, one of these."""
    cases: ClassVar[int]
    given: ClassVar[set[type[ev.Payload]]]

    @initialize(
        which=pick,
        begun=st.lists(st.tuples(places, st.sampled_from(CATEGORIES[:2])), max_size=3),
    )
    def open_desks(self, which: int, begun: list[tuple[tuple[int, int], str]]) -> None:
        type(self).cases += 1
        automatic = self.begins[which % len(self.begins)]
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
                self.report(at, category, 2, 1, placed="yes", held_up=False, late_s=0.0)
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
        placed=st.sampled_from(["yes", "yes", "yes", "yes", "no", "far", "near"]),
        held_up=st.booleans(),
        late_s=late,
        understood=st.sampled_from(["well", "well", "danger", "badly"]),
    )
    def report(
        self,
        at: tuple[int, int],
        category: str,
        priority: int,
        trapped: int,
        placed: str,
        held_up: bool,
        late_s: float,
        understood: str = "well",
    ) -> None:
        """Somebody tells us, sometimes of what was told before; it may be held up on its way."""
        lon, lat = WEST + at[0] * STEP, SOUTH + at[1] * STEP
        near = NamedPlace(lon=lon, lat=lat, names={}) if placed == "near" else None
        data = ev.ReportClassified(
            channel=Channel.HOTLINE,
            received_at=self.world.now - timedelta(seconds=late_s),
            category=category,
            priority=priority,
            grade=Grade.IV,
            confidence=1.0 if understood == "well" else 0.1,
            triage=understood != "well",
            text=understood,
            life_threat=understood == "danger",
            lon={"yes": lon, "far": -lon}.get(placed),
            lat=lat if placed in ("yes", "far") else None,
            outside=placed != "yes",
            near=near,
            facts={"trapped": trapped},
        )
        self.side.reports += 1
        name = f"r{self.side.reports}"
        event = self.world.event(data, event_id=name, late_s=late_s)
        if held_up:
            self.side.on_its_way.append(event)
        else:
            self.world.hand(event)

    @rule(unsure=places, sure=places, category=st.sampled_from(CATEGORIES[:2]))
    def a_sure_report_after_an_unsure_one(
        self, unsure: tuple[int, int], sure: tuple[int, int], category: str
    ) -> None:
        """What was not understood has its proposal when somebody calls who is sure."""
        for at, understood in ((unsure, "badly"), (sure, "well")):
            self.report(
                at, category, 1, 1, placed="yes", held_up=False, late_s=0.0, understood=understood
            )
            self.world.wait(5)

    @rule(which=pick)
    def a_report_comes_late(self, which: int) -> None:
        """Out of order: others, and hours, came between."""
        if waiting := self.side.on_its_way:
            self.world.hand(waiting.pop(which % len(waiting)))

    @rule(which=pick, at=places, far=st.booleans())
    def a_report_gets_its_place(self, which: int, at: tuple[int, int], far: bool) -> None:
        """Of a report that came, or that no desk has decided; what has a place stays there."""
        report = f"r{which % (self.side.reports + 1)}"
        incidents = self.world.situation.incidents
        before = {one.id: one.at for one in incidents.values() if one.is_placed}
        lon, lat = WEST + at[0] * STEP, SOUTH + at[1] * STEP
        made = self.world.say(
            ev.ReportPlaced(report=report, lon=-lon if far else lon, lat=lat, by="worker")
        )
        answered = [e.data for e in made if isinstance(e.data, ev.IncidentPlaced | ev.EventRefused)]
        assert len(answered) == 1, "it is placed, or its sender is told why not"
        assert all(incidents[name].at == stood for name, stood in before.items())

    @rule(which=pick)
    def an_alarm_ends(self, which: int) -> None:
        """Of a report that came, or that no desk has decided."""
        report = f"r{which % (self.side.reports + 1)}"
        self.world.say(ev.AlarmEnded(report=report, device="d1", rule="x", at=self.world.now))

    @rule(seconds=st.sampled_from([0, 5, 60, 400, 1900]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule(late_s=late)
    def tick(self, late_s: float) -> None:
        """A clock that tells the time though nothing is due, or tells an old one."""
        self.world.say(ev.ClockTicked(), late_s=late_s)

    @rule(
        unit=units,
        state=st.sampled_from(list(UnitState)),
        old=st.booleans(),
        late_s=late,
        lost=st.booleans(),
    )
    def status(self, unit: str, state: UnitState, old: bool, late_s: float, lost: bool) -> None:
        """A crew says what it does; perhaps still of an assignment that it no longer has.

        Its phone may have no fix.
        """
        assignment = "i000001-a1" if old else ""
        data = ev.UnitStatusReported(unit=unit, state=state, assignment=assignment)
        if lost:
            data = msgspec.structs.replace(data, lon=0.0, lat=0.0)
        self.world.say(data, late_s=late_s)

    @rule(
        at=places,
        who=st.sets(st.sampled_from((*UNITS, "nobody"))),
        lost=st.sets(units),
        late_s=late,
    )
    def positions(self, at: tuple[int, int], who: set[str], lost: set[str], late_s: float) -> None:
        """Where units are; of some the sign is lost."""
        lon, lat = WEST + at[0] * STEP, SOUTH + at[1] * STEP
        told = {unit: (-lon if unit in lost else lon, lat) for unit in sorted(who)}
        self.world.say(ev.UnitPositionsReported(positions=told), late_s=late_s)

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

    @rule(which=pick, at=places, far=st.booleans())
    def place(self, which: int, at: tuple[int, int], far: bool) -> None:
        if incident := self._incident(which):
            lon, lat = WEST + at[0] * STEP, SOUTH + at[1] * STEP
            self.order(ev.PlaceIncident, incident=incident, lon=-lon if far else lon, lat=lat)

    @rule(one=pick, other=pick)
    def merge(self, one: int, other: int) -> None:
        if incident := self._incident(one):
            duplicate = self._incident(other) or incident
            self.order(ev.MergeIncidents, incident=incident, duplicate=duplicate)

    @rule(which=pick)
    def unmerge(self, which: int) -> None:
        """Of one that was merged if there is one, else of one that wasn't."""
        incidents = self.world.situation.incidents
        merged = [one.id for one in incidents.values() if one.merged_into]
        if incident := merged[which % len(merged)] if merged else self._incident(which):
            self.order(ev.UnmergeIncident, incident=incident)

    @rule(which=pick, any_one=st.booleans())
    def reopen(self, which: int, any_one: bool) -> None:
        """One that has ended, mostly; merged or not."""
        incidents = self.world.situation.incidents
        ended = [one.id for one in incidents.values() if one.ended and not any_one]
        if incident := ended[which % len(ended)] if ended else self._incident(which):
            self.order(ev.ReopenIncident, incident=incident)

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
        """Give an order, each with a reason of its own; return it unless it was refused.

        Some say what their giver saw, which may be what stood a while ago.
        """
        number = len(self.world.inputs)
        saw = max(0, self.world.situation.seq - number % 8) if number % 3 == 0 else None
        order = kind(by=PEOPLE[number % 2], reason=f"reason {number}", saw=saw, **of_it)
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

    @invariant()
    def check(self) -> None:
        """Check both sides: what happens on one must leave no trace on the other."""
        for side in getattr(self, "sides", ()):
            self.check_side(side)


M = TypeVar("M", bound=type[DeskMachine])


def gone_through(machine: M, city: CityPack, roads: RoadGraph, cases: InvariantCases) -> M:
    """Return a machine after it went through its cases; what broke, broke here."""
    made_ready(machine, city, roads)
    run_state_machine_as_test(
        cases.seeded(machine), settings=cases.settings(stateful_step_count=24)
    )
    return machine


def made_ready(machine: type[DeskMachine], city: CityPack, roads: RoadGraph) -> None:
    """Give a machine its city, and let it forget the cases it went through."""
    machine.city, machine.roads = city, roads
    machine.travel = TravelTimes.of_pack(roads, city)
    machine.cases, machine.looked, machine.given = 0, Counter(), set()


INVARIANTS = {
    2: "every_report_ends_in_one_incident",
    3: "nothing_changes_without_the_journal",
    4: "a_unit_serves_one_assignment_at_a_time",
    5: "a_person_outranks_the_machine",
    6: "nobody_goes_over_a_closed_road_or_without_the_skill",
    7: "every_proposal_explains_itself",
    8: "nothing_of_an_exercise_leaves_it",
}
each_invariant = pytest.mark.parametrize(
    "number", [pytest.param(n, id=f"invariant_{n}_{what}") for n, what in INVARIANTS.items()]
)


def assert_held(machine: type[DeskMachine], cases: InvariantCases, number: int) -> None:
    """Every case held; and there was something to hold, in at least one case of ten."""
    assert machine.cases >= cases.count
    assert machine.looked[number] >= cases.count / 10


def assert_all_kinds_came(machine: type[DeskMachine], cases: InvariantCases) -> None:
    """Chance gave the desk every kind of input; few cases may miss as many as 1000 miss none of."""
    assert len(ev.INPUTS - machine.given) <= 100 // cases.count
