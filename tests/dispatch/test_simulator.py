"""Crews live as recorded, can be called back, turned round and taken up again after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.correlation import distance_m
from dispatch.legs import Leg
from dispatch.roads import RoadGraph
from dispatch.services import DEFAULT_ON_SCENE_S
from dispatch.simulator import Simulator
from dispatch.travel_times import TravelTimes
from models import events as ev
from models.city import CityPack, Facility, Text
from models.events import Event, Payload, ReportReceived, ServiceRecorded
from models.lifecycles import AssignmentState, IncidentState, UnitState
from models.situation import dump, load
from models.words import Channel
from tests.dispatch.desk_world import SOUTH, START, STEP, WEST, DeskWorld, of

HOSPITAL = (WEST + 3 * STEP, SOUTH)


@pytest.fixture(scope="module")
def city(tiny_city: CityPack) -> CityPack:
    """The tiny city with a hospital in its south-east corner."""
    hospital = Facility("H1", "hospital", Text(zh="医院", en="Hospital"), *HOSPITAL)
    return replace(tiny_city, facilities=(*tiny_city.facilities, hospital))


class Night:
    """A desk and its crews under one clock."""

    def __init__(
        self, city: CityPack, roads: RoadGraph, automatic: tuple[int, ...] = (1, 2, 3, 4)
    ) -> None:
        self.city, self.roads = city, roads
        self.world = DeskWorld(city, roads, automatic=automatic, exercise=True)
        self.crews = Simulator(city, TravelTimes(roads), self.world.jurisdiction)
        self.told: list[Event] = []
        self.learnt: list[Event] = []
        self._seen = 0
        self.look()

    def look(self) -> None:
        """Let the crews read the journal."""
        for event in self.world.journal[self._seen :]:
            self.crews.observe(event)
        self._seen = len(self.world.journal)

    def learn(self, event_id: str, data: Payload) -> None:
        """Hand the crews a line of the recording."""
        line = Event(id=event_id, source="/t", time=self.world.now, jurisdiction="tiny", data=data)
        self.learnt.append(line)
        self.crews.learn(line)

    def call(self, *services: ServiceRecorded, code: str = "Fire", **report: Any) -> None:
        """A report with what was recorded for it; its id is the desk's next event's."""
        name = f"e{len(self.world.inputs)}"
        self.learn(name, ReportReceived(channel=Channel.HOTLINE, received_at=START, code=code))
        for service in services:
            self.learn(f"{name}/s", ev.ServiceRecorded(
                report=name, kind=service.kind, on_scene_s=service.on_scene_s,
                transport_s=service.transport_s, hospital_s=service.hospital_s,
            ))  # fmt: skip
        self.world.report(code=code, **report)
        self.world.settle()
        self.look()

    def moments(self, seconds: float) -> Iterator[datetime]:
        """Let time pass; yields before each thing that happens."""
        end = self.world.now + timedelta(seconds=seconds)
        while True:
            dues = [d for d in (self.crews.next_due(), self.world.desk.next_due()) if d is not None]
            if not dues or min(dues) > end:
                break
            yield min(dues)
            self.world.wait(max(0.0, (min(dues) - self.world.now).total_seconds()))
            self.look()
            for event in self.crews.due_events(self.world.now):
                self.told.append(event)
                made = self.world.desk.step(event)
                self.world.journal.extend(made)
            self.look()
            self.world.settle()
            self.look()
        self.world.now = max(self.world.now, end)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        for _ in self.moments(seconds):
            pass

    def states(self, unit: str) -> list[tuple[str, float]]:
        """What a unit reported, and when in seconds since the start."""
        return [
            (event.data.state.value, (event.time - START).total_seconds())
            for event in self.told
            if isinstance(event.data, ev.UnitStatusReported) and event.data.unit == unit
        ]


@pytest.fixture
def night(city: CityPack, tiny_roads: RoadGraph) -> Night:
    """All quiet."""
    return Night(city, tiny_roads)


def recorded(kind: str, on_scene_s: float, *transport: float) -> ServiceRecorded:
    """A service time; its report is filled in by the call."""
    way, stay = transport or (None, None)
    return ServiceRecorded(
        report="", kind=kind, on_scene_s=on_scene_s, transport_s=way, hospital_s=stay
    )


def test_a_crew_lives_through_its_assignment_and_is_free_again(night: Night) -> None:
    night.call(recorded("engine", 300.0))
    sent = of(night.world.journal, ev.AssignmentOrdered)[0]
    night.pass_time(7200)
    states = night.states(sent.unit)
    assert [s for s, _ in states] == ["assigned", "en_route", "on_scene", "returning", "available"]
    at = dict(states)
    assert at["en_route"] == pytest.approx(sent.turnout_s, abs=0.2)
    assert at["on_scene"] - at["en_route"] == pytest.approx(sent.drive_s, abs=0.2)
    assert at["returning"] - at["on_scene"] == pytest.approx(300.0, abs=0.2)
    unit = night.world.situation.units[sent.unit]
    assert (unit.state, unit.lon, unit.lat) == (UnitState.AVAILABLE, unit.home_lon, unit.home_lat)
    assert not of(night.world.journal, ev.EventRefused)
    incident = night.world.situation.incidents["i000001"]
    assert incident.state is IncidentState.RESOLVED  # its task is left for a person
    assert night.crews.busy == 0


def test_positions_run_along_the_route(night: Night) -> None:
    night.call(recorded("engine", 300.0))
    sent = of(night.world.journal, ev.AssignmentOrdered)[0]
    start = START + timedelta(seconds=sent.turnout_s)
    night.pass_time(sent.turnout_s + sent.drive_s / 2)
    place = night.crews.positions(start + timedelta(seconds=sent.drive_s / 2))[sent.unit]
    whole = sum(distance_m(*a, *b) for a, b in zip(sent.route, sent.route[1:], strict=False))
    driven = Leg.along(sent.route, start, sent.drive_s).position(
        start + timedelta(seconds=sent.drive_s / 2)
    )
    assert distance_m(*place, *driven) < 1.0
    assert 0.2 * whole < distance_m(*place, *sent.route[0]) + distance_m(*place, *sent.route[-1])
    assert place not in (sent.route[0], sent.route[-1])


def statuses(night: Night) -> list[ev.UnitStatusReported]:
    """What crews said of what they do."""
    said: list[ev.UnitStatusReported] = of(night.told, ev.UnitStatusReported)
    return said


def test_patients_are_brought_to_the_nearest_hospital_as_recorded(night: Night) -> None:
    night.call(recorded("medic", 100.0, 400.0, 900.0), category="health.medical")
    unit = of(night.world.journal, ev.AssignmentOrdered)[0].unit
    assert unit == "M01"
    night.pass_time(7200)
    at = dict(night.states(unit))
    assert at["transporting"] - at["on_scene"] == pytest.approx(100, abs=0.2)
    assert at["at_hospital"] - at["transporting"] == pytest.approx(400, abs=0.2)
    assert at["returning"] - at["at_hospital"] == pytest.approx(900, abs=0.2)
    there = next(said for said in statuses(night) if said.state is UnitState.AT_HOSPITAL)
    assert there.lon is not None
    assert there.lat is not None
    assert distance_m(there.lon, there.lat, *HOSPITAL) < 1.0


def test_patients_go_where_the_desk_says_and_that_takes_longer_by_the_way(
    city: CityPack, tiny_roads: RoadGraph
) -> None:
    places = {"H1": HOSPITAL, "H2": (WEST, SOUTH + 3 * STEP)}
    far = Facility("H2", "hospital", Text(zh="远", en="Far"), *places["H2"])
    night = Night(replace(city, facilities=(*city.facilities, far)), tiny_roads)
    for name, (lon, lat) in places.items():
        night.world.say(ev.HospitalRegistered(hospital=name, names={}, lon=lon, lat=lat))
    night.world.say(ev.SetHospital(hospital="H1", closed=True, by="wang"))
    night.call(recorded("medic", 100.0, 400.0, 900.0), category="health.medical", at=(2, 0))
    night.pass_time(7200)
    (chosen,) = of(night.world.journal, ev.HospitalChosen)
    assert chosen.hospital == "H2"
    drives = {one.hospital: one.drive_s for one in chosen.options}
    at = dict(night.states("M01"))
    longer = drives["H2"] - drives["H1"]
    assert longer > 60
    assert at["at_hospital"] - at["transporting"] == pytest.approx(400 + longer, abs=0.3)
    there = next(said for said in statuses(night) if said.state is UnitState.AT_HOSPITAL)
    assert there.lon is not None
    assert there.lat is not None
    assert distance_m(there.lon, there.lat, *places["H2"]) < 1.0


def test_records_go_to_units_of_their_kind_in_order_of_arrival(
    city: CityPack, tiny_roads: RoadGraph
) -> None:
    night = Night(city, tiny_roads, automatic=())
    night.call(recorded("truck", 50.0), recorded("engine", 111.0), recorded("engine", 222.0))
    night.world.say(ev.SendUnits(incident="i000001", units=("E01", "E02", "T01", "M01"), by="w"))
    night.look()
    night.pass_time(7200)
    arrived = [said.unit for said in statuses(night) if said.state is UnitState.ON_SCENE]
    engines = [unit for unit in arrived if unit.startswith("E")]

    def stay(unit: str) -> float:
        at = dict(night.states(unit))
        return at["returning"] - at["on_scene"]

    assert [stay(unit) for unit in engines] == pytest.approx([111.0, 222.0], abs=0.2)
    assert stay("T01") == pytest.approx(50.0, abs=0.2)
    # No medic was recorded: it stays as long as somebody else did, and transports nobody.
    assert stay("M01") == pytest.approx(50.0, abs=0.2)


def test_without_a_record_the_median_of_the_call_type_stands_in(night: Night) -> None:
    for seconds in (100.0, 200.0, 900.0):
        night.call(recorded("engine", seconds), code="Alarm", at=(0, 0))
        night.pass_time(4000)
    night.call(code="Alarm", at=(3, 3))
    night.call(code="Never Heard", at=(0, 0))
    night.pass_time(8000)
    stays = []
    for assignment in of(night.world.journal, ev.AssignmentOrdered)[-2:]:
        times = night.world.situation.assignments[assignment.assignment].times
        stays.append((times["cleared"] - times["on_scene"]).total_seconds())
    assert stays == pytest.approx([200.0, DEFAULT_ON_SCENE_S], abs=0.2)


def test_a_recalled_unit_turns_round_where_it_is(night: Night) -> None:
    night.call(recorded("engine", 300.0), at=(2, 1))
    sent = of(night.world.journal, ev.AssignmentOrdered)[0]
    night.pass_time(sent.turnout_s + sent.drive_s / 2)
    here = night.crews.positions(night.world.now)[sent.unit]
    night.world.say(ev.HoldUnit(unit=sent.unit, by="w"))
    night.world.say(ev.RecallUnit(unit=sent.unit, by="w"))
    night.look()
    there = night.crews.positions(night.world.now)[sent.unit]
    assert distance_m(*here, *there) < 60.0
    night.pass_time(3600)
    assert [s for s, _ in night.states(sent.unit)][-1] == "available"
    unit = night.world.situation.units[sent.unit]
    assert unit.state is UnitState.AVAILABLE
    assert (unit.lon, unit.lat) == (unit.home_lon, unit.home_lat)


def test_a_new_order_on_the_way_home_starts_from_there(night: Night) -> None:
    night.call(recorded("engine", 60.0), at=(3, 0))
    first = of(night.world.journal, ev.AssignmentOrdered)[0]
    for now in night.moments(7200):
        states = [s for s, _ in night.states(first.unit)]
        if states[-1:] == ["returning"] and now > night.world.now + timedelta(seconds=20):
            break
    night.world.now += timedelta(seconds=20)
    here = night.crews.positions(night.world.now)[first.unit]
    night.world.say(ev.UnitPositionsReported(positions={first.unit: here}))
    night.call(recorded("engine", 60.0), at=(1, 0))
    second = of(night.world.journal, ev.AssignmentOrdered)[-1]
    assert second.unit == first.unit
    lon, lat = second.route[0]
    assert distance_m(lon, lat, *here) < 60.0
    night.pass_time(7200)
    assert [s for s, _ in night.states(first.unit)].count("available") == 1


def test_a_person_may_be_ahead_of_the_simulated_crew(night: Night) -> None:
    night.call(recorded("engine", 300.0))
    sent = of(night.world.journal, ev.AssignmentOrdered)[0]
    night.world.now += timedelta(seconds=2)
    night.world.status(sent.unit, UnitState.EN_ROUTE, UnitState.ON_SCENE)
    night.look()
    night.pass_time(7200)
    state, after_s = night.states(sent.unit)[0]
    assert state == "returning"
    assert after_s == pytest.approx(302.0, abs=0.2)


def test_a_road_that_closes_ahead_is_driven_round(night: Night) -> None:
    night.world.say(ev.HoldUnit(unit="E02", by="w"))  # or it would relieve the one that is delayed
    night.call(recorded("engine", 300.0), at=(3, 0))
    sent = of(night.world.journal, ev.AssignmentOrdered)[0]
    night.pass_time(sent.turnout_s + 1)
    blocked = sent.route[len(sent.route) // 2]
    night.world.say(
        ev.CloseRoad(closure="c", lon=blocked[0], lat=blocked[1], radius_m=30.0, by="w")
    )
    night.look()
    arrival = None
    for _ in night.moments(3600):
        for place in night.crews.positions(night.world.now).values():
            arrival = place
    at = dict(night.states(sent.unit))
    assert at["on_scene"] > sent.turnout_s + sent.drive_s + 1
    assert arrival is not None


def test_out_of_service_means_standing_still(night: Night) -> None:
    night.call(recorded("engine", 60.0), at=(3, 0))
    sent = of(night.world.journal, ev.AssignmentOrdered)[0]
    for _ in night.moments(7200):
        if [s for s, _ in night.states(sent.unit)][-1:] == ["returning"]:
            break
    night.world.status(sent.unit, UnitState.OUT_OF_SERVICE)
    night.look()
    assert sent.unit not in night.crews.positions(night.world.now)
    night.pass_time(3600)
    assert night.world.situation.units[sent.unit].state is UnitState.OUT_OF_SERVICE


@pytest.mark.parametrize("stop_after", range(1, 16))
def test_taken_up_after_a_restart_it_goes_on_the_same(
    city: CityPack, tiny_roads: RoadGraph, stop_after: int
) -> None:
    night = Night(city, tiny_roads)
    night.call(recorded("engine", 300.0), at=(3, 0))
    night.call(
        recorded("medic", 100.0, 400.0, 900.0), category="health.medical", at=(0, 3), priority=2
    )
    moments = night.moments(9000)
    for _, _now in zip(range(stop_after), moments, strict=False):
        pass
    situation = load(dump(night.world.situation))
    again = Simulator.resume(situation, city, TravelTimes(tiny_roads), night.learnt)
    assert again.busy == night.crews.busy
    horizon = night.world.now + timedelta(hours=3)

    def future(crews: Simulator) -> list[tuple[str, str, float]]:
        # Who drives home begins there anew after a restart: when it is home may differ a little.
        return [
            (e.id, type(e.data).__name__, round((e.time - START).total_seconds(), 0))
            for e in crews.due_events(horizon)
            if not e.id.endswith("available")
        ]

    assert future(again) == future(night.crews)


def test_the_same_journal_gives_the_same_reports(city: CityPack, tiny_roads: RoadGraph) -> None:
    def told() -> list[Event]:
        night = Night(city, tiny_roads)
        night.call(recorded("engine", 300.0), at=(3, 0))
        night.pass_time(7200)
        return night.told

    assert told() == told()


CALL = st.tuples(
    st.sampled_from([("accident.fire.structure", "engine"), ("health.medical", "medic")]),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.floats(30, 2400),
)
HAPPENING = st.one_of(
    CALL,
    st.sampled_from(["recall", "close", "reopen", "restart"]),
    st.floats(1, 1500),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(happenings=st.lists(HAPPENING, min_size=1, max_size=14))
def test_units_and_calls_are_conserved(
    city: CityPack, tiny_roads: RoadGraph, happenings: list[object]
) -> None:
    """Whatever comes: nobody is in two places or vanishes, and in the end no call is open."""
    night = Night(city, tiny_roads)
    fleet = {unit.id for unit in city.units}
    reports = 0
    for number, happening in enumerate(happenings):
        if isinstance(happening, tuple):
            (category, kind), at, on_scene_s = happening
            night.call(recorded(kind, on_scene_s), category=category, at=at)
            reports += 1
        elif isinstance(happening, float):
            for moment in night.moments(happening):
                _is_conserved(night, fleet, moment)
        elif happening == "restart":
            night.crews = _taken_up_again(night)
        else:
            _order(night, str(happening), number)
        _is_conserved(night, fleet, night.world.now)
    night.world.say(ev.ReopenRoad(closure="c", by="wang"))
    night.look()
    night.pass_time(12 * 3600)
    for incident in list(night.world.situation.incidents):
        # Who was recalled from it goes again once a person gives it back to the machine.
        night.world.say(ev.LiftOverride(incident=incident, by="wang"))
    night.world.settle()
    night.look()
    night.pass_time(12 * 3600)
    _is_conserved(night, fleet, night.world.now)
    situation = night.world.situation
    assert night.crews.busy == 0
    assert {unit.state for unit in situation.units.values()} == {UnitState.AVAILABLE}
    told = [said.report for said in of(night.world.journal, ev.IncidentOpened, ev.ReportLinked)]
    assert len(told) == len(set(told)) == reports
    ended = {IncidentState.RESOLVED, IncidentState.CLOSED}
    assert {incident.state for incident in situation.incidents.values()} <= ended


def _is_conserved(night: Night, fleet: set[str], at: datetime) -> None:
    """Each unit is somewhere once, and on one assignment at most."""
    assert night.world.situation.units.keys() == fleet
    assert night.crews.positions(at).keys() <= fleet
    going = _going(night)
    assert len(going) == len(set(going))
    assert night.crews.busy <= len(fleet)


def _going(night: Night) -> list[str]:
    """Units of all assignments that aren't over."""
    over = (AssignmentState.CLEARED, AssignmentState.CANCELLED)
    return [one.unit for one in night.world.situation.assignments.values() if one.state not in over]


def _order(night: Night, order: str, number: int) -> None:
    """Recall who is under way, close the streets around a crossing, or open them again."""
    world = night.world
    if order == "close":
        place: dict[str, Any] = {"lon": WEST + STEP, "lat": SOUTH + STEP, "radius_m": 300.0}
        world.say(ev.CloseRoad(closure="c", by="wang", **place))
    elif order == "reopen":
        world.say(ev.ReopenRoad(closure="c", by="wang"))
    else:
        if not (going := _going(night)):
            return
        world.say(ev.RecallUnit(unit=going[number % len(going)], by="wang"))
    night.look()
    world.settle()
    night.look()


def _taken_up_again(night: Night) -> Simulator:
    """What another process knows of the same night."""
    situation = load(dump(night.world.situation))
    return Simulator.resume(situation, night.city, TravelTimes(night.roads), night.learnt)
