"""Crews of a drill: they accept, drive, work, bring to hospital and go home.

For: letting an exercise live. Reads the journal, and answers with what crews would report
(``UnitStatusReported``) and where they are. Not for: deciding anything; a desk can't tell these
crews from real ones. Pure: time comes in as an argument, and the same journal gives the same
reports. Relies on :mod:`dispatch.travel_times`, an instance of its own.

How long a crew works is :mod:`dispatch.services`'.

The way to hospital takes as long as was recorded, and longer by what the hospital that the desk
chose is farther than the nearest of the city pack; where no hospital can be reached the crew goes
home.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dispatch.diversion import UNDER_WAY
from dispatch.hospitals import TRANSPORT_SKILL
from dispatch.legs import Leg
from dispatch.roads import Closure, SlowZone
from dispatch.services import Services
from dispatch.travel_times import TravelTimes
from dispatch.wanted import areas_of
from models import events as ev
from models.city import HOSPITAL, CityPack
from models.events import Event, Point, ServiceRecorded
from models.lifecycles import ENDED_ASSIGNMENT, ENDED_INCIDENT, AssignmentState, UnitState
from models.situation import Assignment, Situation, Unit

SOURCE = "/simulator"
REPORTER = "simulator"
ACCEPT_S = 5.0

_STAGES = (
    AssignmentState.ORDERED,
    AssignmentState.ACCEPTED,
    AssignmentState.EN_ROUTE,
    AssignmentState.ON_SCENE,
    AssignmentState.TRANSPORTING,
    AssignmentState.AT_HOSPITAL,
)
_RANK = {stage: rank for rank, stage in enumerate(_STAGES)}


@dataclass
class _Crew:
    """One unit: ``stage`` is where it is on its assignment, None at its post or on the way there.

    ``post`` is where it was told to stand instead of at home, until its next assignment;
    ``hospital`` is where it was told to bring its patients, ``loaded`` when it left with them.
    """

    unit: str
    kind: str
    transports: bool
    home: Point
    at: Point
    stage: AssignmentState | None = None
    assignment: str = ""
    incident: str = ""
    turnout_s: float = 0.0
    drive_s: float = 0.0
    route: tuple[Point, ...] = ()
    cut_off: bool = False
    service: ServiceRecorded | None = None
    leg: Leg | None = None
    due: datetime | None = None
    version: int = 0
    post: Point | None = None
    hospital: Point | None = None
    loaded: datetime | None = None

    def where(self, now: datetime) -> Point:
        """Return where it is now."""
        return self.leg.position(now) if self.leg else self.at


@dataclass
class _Scene:
    code: str
    place: Point | None
    reports: list[str]


class Simulator:
    """The crews of one jurisdiction.

    Parameters
    ----------
    pack
        For hospitals.
    travel
        Not shared: its closures are those of the journal that is observed.
    jurisdiction
        Of the exercise; stands on the reports.
    """

    def __init__(self, pack: CityPack, travel: TravelTimes, jurisdiction: str) -> None:
        self._travel = travel
        self._jurisdiction = jurisdiction
        self._hospitals = {f.id: (f.lon, f.lat) for f in pack.facilities if f.kind == HOSPITAL}
        self._crews: dict[str, _Crew] = {}
        self._scenes: dict[str, _Scene] = {}
        self._services = Services()
        self._closures: dict[str, list[Closure | SlowZone]] = {}
        self._due: list[tuple[datetime, str, int]] = []
        self._handlers: dict[type[ev.Payload], Callable[[Event, Any], None]] = {
            ev.UnitRegistered: self._registered,
            ev.IncidentOpened: self._opened,
            ev.IncidentPlaced: self._placed,
            ev.ReportLinked: self._linked,
            ev.IncidentMoved: self._incident_moved,
            ev.AssignmentOrdered: self._ordered,
            ev.AssignmentMoved: self._assignment_moved,
            ev.AssignmentRerouted: self._rerouted,
            ev.HospitalChosen: self._hospital_chosen,
            ev.UnitMoved: self._unit_moved,
            ev.MoveUpOrdered: self._moved_up,
            ev.RoadClosed: self._road_closed,
            ev.RoadReopened: self._road_reopened,
        }

    @classmethod
    def resume(
        cls,
        situation: Situation,
        pack: CityPack,
        travel: TravelTimes,
        learnt: Iterable[Event] = (),
    ) -> Simulator:
        """Return the crews as a situation leaves them, each in the midst of what it did.

        Parameters
        ----------
        situation
            Not changed.
        learnt
            Reports and service times of the recording up to here, in order.
        """
        simulator = cls(pack, travel, situation.jurisdiction)
        for event in learnt:
            simulator.learn(event)
        simulator._take_up(situation)
        return simulator

    def learn(self, event: Event) -> None:
        """Take in a line of a recording: a report's code, or a service time behind it."""
        self._services.learn(event)

    def observe(self, event: Event) -> None:
        """Take in one event of the journal; the same twice does no harm."""
        handler = self._handlers.get(type(event.data))
        if handler is not None:
            handler(event, event.data)

    def next_due(self) -> datetime | None:
        """Return when a crew next has something to report."""
        while self._due:
            due, unit, version = self._due[0]
            if self._crews[unit].version == version:
                return due
            heapq.heappop(self._due)
        return None

    def due_events(self, now: datetime) -> list[Event]:
        """Return what crews report up to now, in order, each at its own time."""
        events = []
        while (due := self.next_due()) is not None and due <= now:
            _, unit, _ = heapq.heappop(self._due)
            crew = self._crews[unit]
            crew.due = None
            events.append(self._advance(crew, due))
        return events

    def positions(self, now: datetime) -> dict[str, Point]:
        """Return where the units are that move now, sorted by unit."""
        return {
            unit: _rounded(crew.where(now))
            for unit, crew in sorted(self._crews.items())
            if crew.leg
        }

    @property
    def busy(self) -> int:
        """Number of units that are on an assignment or on their way home."""
        return sum(crew.stage is not None or crew.leg is not None for crew in self._crews.values())

    # ── what the journal says ─────────────────────────────────────────────────────────────────

    def _registered(self, event: Event, data: ev.UnitRegistered) -> None:
        known = self._crews.get(data.unit)
        home = data.lon, data.lat
        if known is not None:
            known.kind, known.home = data.kind, home
            known.transports = TRANSPORT_SKILL in data.skills
            return
        self._crews[data.unit] = _Crew(
            data.unit, data.kind, TRANSPORT_SKILL in data.skills, home, home
        )

    def _opened(self, event: Event, data: ev.IncidentOpened) -> None:
        place = None if data.near is None else (data.near.lon, data.near.lat)
        if data.lon is not None and data.lat is not None and not data.far:
            place = data.lon, data.lat
        self._scenes.setdefault(data.incident, _Scene(data.code, place, [data.report]))

    def _placed(self, event: Event, data: ev.IncidentPlaced) -> None:
        if data.incident in self._scenes:
            self._scenes[data.incident].place = data.lon, data.lat

    def _linked(self, event: Event, data: ev.ReportLinked) -> None:
        scene = self._scenes.get(data.incident)
        if scene is not None and data.report not in scene.reports:
            scene.reports.append(data.report)

    def _incident_moved(self, event: Event, data: ev.IncidentMoved) -> None:
        if data.state in ENDED_INCIDENT and (scene := self._scenes.pop(data.incident, None)):
            self._services.forget(scene.reports)

    def _ordered(self, event: Event, data: ev.AssignmentOrdered) -> None:
        crew = self._crews.get(data.unit)
        if crew is None or crew.assignment == data.assignment:
            return
        crew.at, crew.leg = crew.where(event.time), None
        crew.assignment, crew.incident = data.assignment, data.incident
        crew.turnout_s, crew.drive_s, crew.route = data.turnout_s, data.drive_s, data.route
        crew.cut_off = False
        crew.service, crew.post, crew.hospital = None, None, None
        self._enter(crew, AssignmentState.ORDERED, event.time)

    def _assignment_moved(self, event: Event, data: ev.AssignmentMoved) -> None:
        crew = self._crews.get(data.unit)
        if crew is None or crew.assignment != data.assignment or crew.stage is None:
            return
        if data.state in ENDED_ASSIGNMENT:
            crew.at, crew.leg = crew.where(event.time), None
            self._go_home(crew, event.time)
        elif _RANK[data.state] > _RANK[crew.stage]:
            # A person said it before the simulated crew did.
            crew.at, crew.leg = crew.where(event.time), None
            self._enter(crew, data.state, event.time)

    def _rerouted(self, event: Event, data: ev.AssignmentRerouted) -> None:
        crew = self._crews.get(data.unit)
        if crew is None or crew.assignment != data.assignment or crew.stage not in UNDER_WAY:
            return
        crew.route, crew.drive_s, crew.cut_off = data.route, data.drive_s, data.cut_off
        if crew.stage is AssignmentState.EN_ROUTE:
            crew.at, crew.leg = crew.where(event.time), None
            self._enter(crew, crew.stage, event.time)

    def _hospital_chosen(self, event: Event, data: ev.HospitalChosen) -> None:
        crew = self._crews.get(data.unit)
        place = self._hospitals.get(data.hospital)
        if crew is None or crew.assignment != data.assignment or crew.hospital == place:
            return
        crew.hospital = place
        if crew.stage is AssignmentState.TRANSPORTING:
            crew.at, crew.leg = crew.where(event.time), None
            self._transport(crew, event.time)

    def _unit_moved(self, event: Event, data: ev.UnitMoved) -> None:
        crew = self._crews.get(data.unit)
        if crew is None:
            return
        if data.state is UnitState.OUT_OF_SERVICE:
            crew.at, crew.leg, crew.stage = crew.where(event.time), None, None
            self._wait(crew, None)
        elif data.state is UnitState.RETURNING and crew.stage is None and crew.leg is None:
            self._go_home(crew, event.time)

    def _moved_up(self, event: Event, data: ev.MoveUpOrdered) -> None:
        crew = self._crews.get(data.unit)
        post = (data.lon, data.lat) if data.post else None
        if crew is None or crew.stage is not None or (crew.post == post and crew.leg):
            return
        crew.at, crew.leg = crew.where(event.time), None
        # What it reports from here on is not of its last assignment, and has ids of its own.
        crew.post, crew.assignment = post, ""
        self._go_home(crew, event.time)

    def _road_closed(self, event: Event, data: ev.RoadClosed) -> None:
        areas = areas_of(data, self._travel.graph)
        if self._closures.get(data.closure) == areas:
            return
        self._closures[data.closure] = areas
        self._close_roads()
        for _, crew in sorted(self._crews.items()):
            leg = crew.leg
            # Who drives to a scene is told its way by the desk.
            if crew.stage is AssignmentState.EN_ROUTE:
                continue
            if leg and leg.passes(event.time, data.lon, data.lat, data.radius_m):
                here, driven_s = crew.where(event.time), (event.time - leg.start).total_seconds()
                travel = self._travel.of_kind(crew.kind)
                left = travel.matrix([here], [leg.goal], driven_s=driven_s)
                self._drive(crew, here, leg.goal, event.time, float(left[0, 0]))

    def _road_reopened(self, event: Event, data: ev.RoadReopened) -> None:
        if self._closures.pop(data.closure, None) is not None:
            self._close_roads()

    def _close_roads(self) -> None:
        self._travel.set_closures(area for areas in self._closures.values() for area in areas)

    # ── what crews do ─────────────────────────────────────────────────────────────────────────

    def _enter(self, crew: _Crew, stage: AssignmentState, since: datetime) -> None:
        """Begin a stage of an assignment: where it moves to, and when it is over."""
        crew.stage = stage
        if stage is AssignmentState.ORDERED:
            self._wait(crew, _after(since, ACCEPT_S))
        elif stage is AssignmentState.ACCEPTED:
            self._wait(crew, _after(since, max(0.0, crew.turnout_s - ACCEPT_S)))
        elif stage is AssignmentState.EN_ROUTE:
            scene = self._scenes.get(crew.incident)
            goal = scene.place if scene and scene.place else crew.at
            if crew.cut_off:
                self._drive(crew, crew.at, goal, since)
                return
            crew.leg = Leg.along(crew.route or (crew.at, goal), since, crew.drive_s)
            self._wait(crew, crew.leg.end)
        elif stage is AssignmentState.ON_SCENE:
            scene = self._scenes.get(crew.incident)
            if scene and scene.place:
                crew.at = scene.place
            crew.leg = None
            crew.service = self._take_service(crew)
            self._wait(crew, _after(since, crew.service.on_scene_s))
        elif stage is AssignmentState.TRANSPORTING:
            crew.loaded = since
            self._transport(crew, since)
        else:
            crew.at, crew.leg = crew.where(since), None
            seconds = crew.service.hospital_s if crew.service else None
            self._wait(crew, _after(since, seconds or 0.0))

    def _advance(self, crew: _Crew, now: datetime) -> Event:
        """End what a crew was doing, begin the next, and say so."""
        stage = crew.stage
        # Who comes home stands at the station, not in the street before it.
        home = (crew.post or crew.home) if stage is None and crew.leg else None
        crew.at, crew.leg = home or crew.where(now), None
        if stage is None:
            return self._report(crew, UnitState.AVAILABLE, now)
        if stage is AssignmentState.ORDERED:
            state, following = UnitState.ASSIGNED, AssignmentState.ACCEPTED
        elif stage is AssignmentState.ACCEPTED:
            state, following = UnitState.EN_ROUTE, AssignmentState.EN_ROUTE
        elif stage is AssignmentState.EN_ROUTE:
            state, following = UnitState.ON_SCENE, AssignmentState.ON_SCENE
        elif stage is AssignmentState.ON_SCENE and self._goes_to_hospital(crew):
            state, following = UnitState.TRANSPORTING, AssignmentState.TRANSPORTING
        elif stage is AssignmentState.TRANSPORTING:
            state, following = UnitState.AT_HOSPITAL, AssignmentState.AT_HOSPITAL
        else:
            self._go_home(crew, now)
            return self._report(crew, UnitState.RETURNING, now)
        self._enter(crew, following, now)
        return self._report(crew, state, now)

    def _go_home(self, crew: _Crew, now: datetime) -> None:
        crew.stage, crew.service, crew.route = None, None, ()
        self._drive(crew, crew.at, crew.post or crew.home, now)

    def _drive(
        self,
        crew: _Crew,
        origin: Point,
        goal: Point,
        now: datetime,
        seconds: float | None = None,
    ) -> None:
        """Set a crew on the road, for so many seconds or as long as the road takes.

        Where no road is open it walks to a scene or a hospital; nobody walks home, it stays.
        """
        route = self._travel.of_kind(crew.kind).route(origin, goal)
        if route is not None:
            crew.leg = Leg.of_route(route, now, seconds)
        elif crew.stage is None:
            crew.at, crew.leg = origin, None
            self._wait(crew, now)
            return
        else:
            crew.leg = Leg.on_foot(origin, goal, now)
        self._wait(crew, crew.leg.end)

    def _goes_to_hospital(self, crew: _Crew) -> bool:
        service = crew.service
        return (
            crew.transports
            and service is not None
            and service.transport_s is not None
            and self._hospital(crew.at) is not None
        )

    def _transport(self, crew: _Crew, now: datetime) -> None:
        """Drive to the hospital that was chosen, or to the nearest."""
        nearest = self._hospital(crew.at)
        goal = crew.hospital or nearest or crew.at
        recorded = crew.service.transport_s if crew.service else None
        seconds = None
        # Who turns on the way drives as long as the road takes.
        if recorded is not None and now == crew.loaded:
            seconds = recorded
            if nearest is not None and goal != nearest:
                travel = self._travel.of_kind(crew.kind)
                there, least = travel.matrix([crew.at], [goal, nearest])[0].tolist()
                seconds += there - least if there < float("inf") else 0.0
        self._drive(crew, crew.at, goal, now, seconds)

    def _hospital(self, place: Point) -> Point | None:
        places = list(self._hospitals.values())
        if not places:
            return None
        seconds = self._travel.matrix([place], places)[0].tolist()
        least = min(seconds)
        return places[seconds.index(least)] if least < float("inf") else None

    def _take_service(self, crew: _Crew) -> ServiceRecorded:
        scene = self._scenes.get(crew.incident)
        return self._services.take(
            scene.reports if scene else (),
            scene.code if scene else "",
            crew.kind,
            transports=crew.transports,
        )

    def _wait(self, crew: _Crew, until: datetime | None) -> None:
        crew.version += 1
        crew.due = until
        if until is not None:
            heapq.heappush(self._due, (until, crew.unit, crew.version))

    def _report(self, crew: _Crew, state: UnitState, now: datetime) -> Event:
        lon, lat = _rounded(crew.at)
        served = crew.assignment or f"{crew.unit}/{now.isoformat()}"
        return Event(
            id=f"sim/{served}/{state.value}",
            source=SOURCE,
            time=now,
            jurisdiction=self._jurisdiction,
            exercise=True,
            data=ev.UnitStatusReported(
                unit=crew.unit,
                state=state,
                assignment=crew.assignment,
                lon=lon,
                lat=lat,
                reporter=REPORTER,
            ),
        )

    # ── after a restart ───────────────────────────────────────────────────────────────────────

    def _take_up(self, situation: Situation) -> None:
        for closure in situation.closures.values():
            self._closures[closure.id] = areas_of(closure, self._travel.graph)
        self._close_roads()
        for incident in situation.incidents.values():
            if not incident.ended:
                self._scenes[incident.id] = _Scene(
                    incident.code, incident.at, list(incident.reports)
                )
        for unit in situation.units.values():
            self._crews[unit.id] = _Crew(
                unit.id,
                unit.kind,
                TRANSPORT_SKILL in unit.skills,
                (unit.home_lon, unit.home_lat),
                (unit.lon, unit.lat),
            )
            if unit.post_lon is not None and unit.post_lat is not None:
                self._crews[unit.id].post = unit.post_lon, unit.post_lat
        on_scene = AssignmentState.ON_SCENE.value
        arrived = [a for a in situation.assignments.values() if on_scene in a.times]
        services = {}
        # Records are taken in the order of arrival, by those who have left again as well.
        for sent in sorted(arrived, key=lambda a: (a.times[on_scene], a.unit)):
            if sent.incident in self._scenes and (crew := self._crews.get(sent.unit)):
                crew.incident = sent.incident
                services[sent.id] = self._take_service(crew)
        for _, unit in sorted(situation.units.items()):
            running = situation.assignments.get(unit.assignment)
            if running is not None:
                self._continue(unit, running, services.get(running.id))
            elif unit.state is UnitState.RETURNING:
                self._go_home(self._crews[unit.id], situation.now or unit.since)

    def _continue(self, unit: Unit, sent: Assignment, service: ServiceRecorded | None) -> None:
        crew = self._crews[unit.id]
        crew.assignment, crew.incident = sent.id, sent.incident
        crew.turnout_s, crew.drive_s, crew.route = sent.turnout_s, sent.drive_s, sent.route
        crew.cut_off = sent.cut_off
        crew.hospital = self._hospitals.get(sent.hospital)
        since = sent.times[sent.state.value]
        if sent.state is AssignmentState.EN_ROUTE:
            since = sent.way_began or since
        crew.stage, crew.service = sent.state, service
        scene = self._scenes.get(sent.incident)
        if sent.state is AssignmentState.ON_SCENE and service is not None:
            crew.at = scene.place if scene and scene.place else crew.at
            self._wait(crew, _after(since, service.on_scene_s))
            return
        if sent.state is AssignmentState.TRANSPORTING and scene and scene.place:
            crew.at = scene.place
        self._enter(crew, sent.state, since)


def _after(time: datetime, seconds: float) -> datetime:
    return time + timedelta(seconds=round(seconds, 1))


def _rounded(place: Point) -> Point:
    return round(place[0], 6), round(place[1], 6)
