"""DESIGN's invariants that can be stated on the desk, as a state machine over its inputs.

Each ``invariant_N`` below is the N-th of the ten. The others:

- 1 and 9 (nothing acknowledged is lost, whichever process dies), and 2 and 3 once more with faults
  between any two steps: ``tests/streams/test_pipeline_invariants.py``, and on running systems
  ``tests/integration/test_pulled_plugs.py``.
- 8 (nothing of an exercise leaves it): the sides of the topics, ``tests/streams/test_agents.py``.
- 10 (a screen never lies): ``tests/web_console/test_hub.py`` and, in a browser,
  ``test_a_cut_line_shows_and_heals_with_nothing_missing``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from dispatch.roads import CircleClosure, RoadGraph
from models import events as ev
from models.city import CityPack
from models.events import Event
from models.lifecycles import TaskState, UnitState
from models.situation import Situation, apply, dump, load
from models.words import Grade
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld

UNITS = ("E01", "E02", "T01", "M01")
CATEGORIES = ("accident.fire.structure", "health.medical", "city.other")
HOSPITALS = {"H1": (0, 3), "H2": (3, 0)}
hospitals = st.sampled_from(sorted(HOSPITALS))
places = st.tuples(st.integers(0, 3), st.integers(0, 3))
units = st.sampled_from(UNITS)
pick = st.integers(0, 99)


class DeskMachine(RuleBasedStateMachine):
    """Everything that can happen to a desk, in any order."""

    city: ClassVar[CityPack]
    roads: ClassVar[RoadGraph]

    @initialize(automatic=st.sampled_from([(), (1,), (1, 2, 3, 4)]))
    def open_desk(self, automatic: tuple[int, ...]) -> None:
        self.world = DeskWorld(self.city, self.roads, automatic=automatic)
        for name, (column, row) in HOSPITALS.items():
            lon, lat = WEST + column * STEP, SOUTH + row * STEP
            self.world.say(
                ev.HospitalRegistered(hospital=name, names={}, lon=lon, lat=lat, per_hour=1)
            )
        self.folded = Situation(jurisdiction="tiny", exercise=False)
        self.checked = 0
        self.holds: set[str] = set()
        self.reports = 0

    # ── what happens ──────────────────────────────────────────────────────────────────────────

    @rule(
        at=places,
        category=st.sampled_from(CATEGORIES),
        priority=st.integers(1, 4),
        trapped=st.integers(0, 2),
        placed=st.booleans(),
    )
    def report(
        self, at: tuple[int, int], category: str, priority: int, trapped: int, placed: bool
    ) -> None:
        changes: dict[str, Any] = {} if placed else {"lon": None, "lat": None, "outside": True}
        self.reports += 1
        self.world.report(category, at=at, priority=priority, facts={"trapped": trapped}, **changes)

    @rule(seconds=st.sampled_from([0, 5, 60, 400, 1900]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule(unit=units, state=st.sampled_from(list(UnitState)))
    def status(self, unit: str, state: UnitState) -> None:
        self.world.status(unit, state)

    @rule(which=pick)
    def confirm(self, which: int) -> None:
        proposals = list(self.world.situation.proposals.values())
        if proposals:
            chosen = proposals[which % len(proposals)]
            self.world.say(
                ev.ConfirmProposal(incident=chosen.incident, proposal=chosen.id, by="wang")
            )

    @rule(which=pick, sent=st.lists(units, max_size=3))
    def send(self, which: int, sent: list[str]) -> None:
        if incident := self._incident(which):
            self.world.say(ev.SendUnits(incident=incident, units=tuple(sent), by="wang"))

    @rule(unit=units)
    def recall(self, unit: str) -> None:
        self.world.say(ev.RecallUnit(unit=unit, by="wang"))

    @rule(which=pick, unit=units)
    def divert(self, which: int, unit: str) -> None:
        if incident := self._incident(which):
            self.world.say(ev.DivertUnit(incident=incident, unit=unit, by="wang"))

    @rule(unit=units, confirm=st.booleans())
    def move_up(self, unit: str, confirm: bool) -> None:
        kind = ev.ConfirmMoveUp if confirm else ev.RefuseMoveUp
        self.world.say(kind(unit=unit, by="wang"))

    @rule(hospital=hospitals, closed=st.booleans(), per_hour=st.sampled_from([None, 0, 3]))
    def set_hospital(self, hospital: str, closed: bool, per_hour: int | None) -> None:
        self.world.say(
            ev.SetHospital(hospital=hospital, closed=closed, per_hour=per_hour, by="wang")
        )

    @rule(hospital=hospitals)
    def send_to_hospital(self, hospital: str) -> None:
        self.world.say(ev.SendToHospital(unit="M01", hospital=hospital, by="wang"))

    @rule(unit=units, held=st.booleans())
    def hold(self, unit: str, held: bool) -> None:
        order: ev.Order = (
            ev.HoldUnit(unit=unit, by="li") if held else ev.LiftHold(unit=unit, by="li")
        )
        self.world.say(order)
        (self.holds.add if held else self.holds.discard)(unit)

    @rule(which=pick, unit=units, ban=st.booleans())
    def pin_or_ban(self, which: int, unit: str, ban: bool) -> None:
        if incident := self._incident(which):
            kind = ev.BanUnit if ban else ev.PinUnit
            self.world.say(kind(incident=incident, unit=unit, by="wang"))

    @rule(which=pick)
    def lift(self, which: int) -> None:
        if incident := self._incident(which):
            self.world.say(ev.LiftOverride(incident=incident, by="wang"))

    @rule(which=pick, category=st.sampled_from(CATEGORIES), priority=st.integers(1, 4))
    def triage(self, which: int, category: str, priority: int) -> None:
        if incident := self._incident(which):
            self.world.say(
                ev.TriageIncident(
                    incident=incident,
                    category=category,
                    priority=priority,
                    grade=Grade.III,
                    by="wang",
                )
            )

    @rule(one=pick, other=pick)
    def merge(self, one: int, other: int) -> None:
        if incident := self._incident(one):
            duplicate = self._incident(other) or incident
            self.world.say(ev.MergeIncidents(incident=incident, duplicate=duplicate, by="wang"))

    @rule(which=pick, cancelled=st.booleans())
    def close(self, which: int, cancelled: bool) -> None:
        if incident := self._incident(which):
            self.world.say(ev.CloseIncident(incident=incident, cancelled=cancelled, by="wang"))

    @rule(name=st.sampled_from(["c1", "c2"]), at=places, radius=st.sampled_from([50.0, 700.0]))
    def close_road(self, name: str, at: tuple[int, int], radius: float) -> None:
        lon, lat = 119.40 + at[0] * 0.005, 31.40 + at[1] * 0.005
        self.world.say(ev.CloseRoad(closure=name, lon=lon, lat=lat, radius_m=radius, by="li"))

    @rule(
        name=st.sampled_from(["c1", "c2"]),
        edges=st.lists(st.sampled_from(["h00", "h11", "v01", "v12", "h99"]), max_size=2),
        speed=st.sampled_from([0.0, 0.3]),
    )
    def close_streets(self, name: str, edges: list[str], speed: float) -> None:
        self.world.say(ev.CloseRoad(closure=name, edges=tuple(edges), speed=speed, by="li"))

    @rule(name=st.sampled_from(["c1", "c2"]))
    def reopen_road(self, name: str) -> None:
        self.world.say(ev.ReopenRoad(closure=name, by="li"))

    @rule(which=pick, state=st.sampled_from(list(TaskState)))
    def task(self, which: int, state: TaskState) -> None:
        tasks = list(self.world.situation.tasks)
        if tasks:
            name = tasks[which % len(tasks)]
            self.world.say(ev.TaskReported(task=name, state=state, by="worker"))

    @rule(priorities=st.sets(st.integers(1, 4)))
    def automate(self, priorities: set[int]) -> None:
        self.world.say(ev.SetAutomation(priorities=tuple(priorities), by="wang"))

    @rule()
    def hand_over(self) -> None:
        """Another desk goes on from a snapshot."""
        self.world.desk = self.world.new_desk(load(dump(self.world.situation)))

    def _incident(self, which: int) -> str:
        ids = self.world.incident_ids()
        return ids[which % len(ids)] if ids else ""

    def teardown(self) -> None:
        """Invariant 3: one desk, given the same inputs, says the same, byte for byte."""
        if not hasattr(self, "world"):
            return
        alone = self.world.new_desk(Situation(jurisdiction="tiny", exercise=False))
        again = [e for given in self.world.inputs for e in alone.step(given)]
        assert [ev.encode(e) for e in again] == [ev.encode(e) for e in self.world.journal]

    # ── what holds ────────────────────────────────────────────────────────────────────────────

    @invariant()
    def check(self) -> None:
        """Check each new journal event against the situation just before and after it."""
        for event in self.world.journal[self.checked :]:
            assert event.seq == self.folded.seq + 1, "the journal has a gap"
            self._before(event)
            apply(self.folded, event)
        self.checked = len(self.world.journal)
        self.invariant_2_every_report_ends_in_one_incident()
        self.invariant_3_nothing_changes_without_the_journal()
        self.invariant_4_one_assignment_at_a_time()
        self.hospitals_know_who_comes()

    def _before(self, event: Event) -> None:
        data = event.data
        if isinstance(data, ev.AssignmentOrdered):
            self.invariant_5_a_person_outranks_the_machine(data)
            self.invariant_6_no_closed_road_no_missing_skill(data)
        if isinstance(data, ev.HospitalChosen):
            self.no_hospital_that_is_closed_or_cut_off(data)
        if isinstance(data, ev.ProposalMade):
            self.invariant_7_a_proposal_explains_itself(data)
        assert not event.exercise, "invariant 8: nothing crosses between live and exercise"

    def invariant_2_every_report_ends_in_one_incident(self) -> None:
        linked = [
            e.data.report
            for e in self.world.journal
            if isinstance(e.data, ev.IncidentOpened | ev.ReportLinked)
            and e.cause == e.data.report  # a merge links again, by its own cause
        ]
        assert len(linked) == len(set(linked)) == self.reports

    def invariant_3_nothing_changes_without_the_journal(self) -> None:
        assert dump(self.folded) == dump(self.world.situation)

    def invariant_4_one_assignment_at_a_time(self) -> None:
        running = [a.unit for a in self.folded.assignments.values() if not a.ended]
        assert len(running) == len(set(running))
        for unit in self.folded.units.values():
            assert (unit.assignment != "") == (unit.id in running)

    def invariant_5_a_person_outranks_the_machine(self, data: ev.AssignmentOrdered) -> None:
        incident = self.folded.incidents[data.incident]
        if data.by == "gridcommand":
            assert not self.folded.units[data.unit].held_by
            assert data.unit not in incident.bans
            assert not incident.by_hand
        if data.by == "gridcommand" and data.diverted_from:
            assert incident.priority == 1
            assert self.folded.incidents[data.diverted_from].losses <= 2

    def invariant_6_no_closed_road_no_missing_skill(self, data: ev.AssignmentOrdered) -> None:
        incident, unit = self.folded.incidents[data.incident], self.folded.units[data.unit]
        for requirement in incident.requirements:
            if requirement.key == data.requirement:
                assert requirement.met_by(frozenset(unit.skills))
        closed: set[str] = set()
        for closure in self.folded.closures.values():
            if not closure.speed:
                around = CircleClosure(closure.lon, closure.lat, closure.radius_m)
                closed |= set(closure.edges) or self.roads.edges_in(around)
        # A place on a closed street is reached, and left, on foot; the rest of the way is open.
        for edge in closed if data.route else ():
            (x1, y1), (x2, y2) = self.roads.geometry(self.roads.edge_row(edge))
            ends = (data.route[0], data.route[-1])
            if not any(_runs_over(((x1, y1), (x2, y2)), end) for end in ends):
                middle = ((x1 + x2) / 2, (y1 + y2) / 2)
                assert not _runs_over(data.route, middle), f"{data.unit} goes over closed {edge}"

    def no_hospital_that_is_closed_or_cut_off(self, data: ev.HospitalChosen) -> None:
        open_now = [one for one in data.options if not one.closed and one.drive_s is not None]
        if data.by == "gridcommand":
            best = min(
                open_now, key=lambda o: ((o.drive_s or 0.0) + o.over_s, o.hospital), default=None
            )
            assert data.hospital == (best.hospital if best else "")
        assert {one.hospital for one in data.options if one.closed} == {
            name for name, one in self.folded.hospitals.items() if one.closed
        }

    def hospitals_know_who_comes(self) -> None:
        for name, hospital in self.folded.hospitals.items():
            bound = {
                a.id for a in self.folded.assignments.values() if a.hospital == name and not a.ended
            }
            assert set(hospital.bound) == bound
            assert len(hospital.bound) == len(bound)

    def invariant_7_a_proposal_explains_itself(self, data: ev.ProposalMade) -> None:
        wanted = {r.key for r in self.folded.incidents[data.incident].requirements}
        assert data.choices
        for choice in data.choices:
            assert choice.requirement in wanted
            explained = {u for e in choice.excluded for u in e.units}
            counted = sum(e.count for e in choice.excluded)
            named = {c.unit for c in choice.runners_up}
            chosen = {
                c.chosen.unit
                for c in data.choices
                if c.chosen is not None and c.requirement == choice.requirement
            }
            assert not chosen & explained
            assert counted + len(named | chosen) >= min(len(UNITS), counted + 1)
            if choice.chosen is not None:
                assert choice.chosen.drive_s >= 0


def _runs_over(route: tuple[tuple[float, float], ...], point: tuple[float, float]) -> bool:
    """Say whether an axis-parallel line passes a point, as all lines of the tiny city are."""
    near = 1e-6
    return any(
        min(x1, x2) - near <= point[0] <= max(x1, x2) + near
        and min(y1, y2) - near <= point[1] <= max(y1, y2) + near
        for (x1, y1), (x2, y2) in pairwise(route)
    )


@pytest.mark.timeout(600)
def test_invariants_of_the_desk(
    tiny_city: CityPack, tiny_roads: RoadGraph, invariant_cases: int
) -> None:
    DeskMachine.city, DeskMachine.roads = tiny_city, tiny_roads
    run_state_machine_as_test(
        DeskMachine,
        settings=settings(
            max_examples=invariant_cases,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


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
    other = world.new_desk(Situation(jurisdiction="tiny", exercise=False))
    again = [e for given in world.inputs for e in other.step(ev.decode(ev.encode(given)))]
    assert [ev.encode(e) for e in again] == [ev.encode(e) for e in world.journal]
