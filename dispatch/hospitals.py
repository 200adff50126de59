"""Which hospital takes the patients: soonest there, and not more than it can take.

For: a unit that begins to transport, those bound for a hospital that closes, and those whose way
there changes with the roads. Not for: what is done inside a hospital; the city says how many
patients it takes in an hour, in its pack or by an order. A hospital's cost is the drive plus
``hospital_over_s`` for each patient beyond that; ties are broken by id. A person's choice stands
until its hospital closes or can't be reached.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from dispatch.policy import Policy
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from dispatch.wanted import MACHINE, close_roads
from models.events import HospitalChosen, HospitalOption
from models.lifecycles import AssignmentState
from models.situation import Assignment, Hospital

TRANSPORT_SKILL = "medical_transport"
"""Of a unit that can bring patients to hospital."""

CLOSED = "closed"
OPENED = "opened"
ROADS = "roads"
CHANGED_S = 5.0
"""A way that takes so much longer or less than before is another one."""

TURNED_FOR_S = 60.0
"""Nobody is turned to another hospital on the way for less."""

OPTIONS_SHOWN = 8


class Hospitals:
    """Chooses hospitals for one jurisdiction."""

    def __init__(self, travel: TravelTimes, policy: Policy) -> None:
        self._travel = travel
        self._policy = policy

    def choose(
        self,
        step: Step,
        assignment: Assignment,
        *,
        hospital: str = "",
        by: str = MACHINE,
        reason: str = "",
    ) -> None:
        """Say where a unit brings its patients: to ``hospital``, or else to the best of all.

        A jurisdiction without hospitals says nothing.
        """
        options = self._options(step, assignment)
        if not options:
            return
        named = next((one for one in options if one.hospital == hospital), None)
        chosen = named or (options[0] if _can_take(options[0]) else None)
        shown = [one for at, one in enumerate(options) if at < OPTIONS_SHOWN or one is named]
        step.emit(
            HospitalChosen(
                assignment=assignment.id,
                incident=assignment.incident,
                unit=assignment.unit,
                hospital=chosen.hospital if chosen else "",
                drive_s=(chosen.drive_s if chosen else None) or 0.0,
                by=by,
                reason=reason,
                options=tuple(shown),
            ),
            incident=assignment.incident,
        )

    def choose_anew(self, step: Step, hospital: Hospital) -> None:
        """Choose again for those bound for one that closed, or without one where one opened."""
        whose, reason = (hospital.id, CLOSED) if hospital.closed else ("", OPENED)
        situation = step.situation
        for _, unit in sorted(situation.units.items()):
            sent = situation.assignments.get(unit.assignment)
            if sent is None or sent.hospital != whose:
                continue
            # One that isn't loaded yet has a hospital only where a person named it.
            if whose or sent.state is AssignmentState.TRANSPORTING:
                self.choose(step, sent, reason=reason)

    def ways(self, step: Step) -> dict[str, float]:
        """Return the seconds that who transports still has to its hospital, by assignment."""
        found: dict[str, float] = {}
        for _, sent in sorted(step.situation.assignments.items()):
            hospital = step.situation.hospitals.get(sent.hospital)
            if hospital is not None and sent.state is AssignmentState.TRANSPORTING:
                unit = step.unit(sent.unit)
                travel = self._travel.of_kind(unit.kind)
                there = [(hospital.lon, hospital.lat)]
                found[sent.id] = float(travel.matrix([(unit.lon, unit.lat)], there)[0, 0])
        return found

    def roads_changed(self, step: Step, before: Mapping[str, float]) -> None:
        """Tell those whose way changed, and turn those who are sooner elsewhere now.

        Parameters
        ----------
        before
            What :meth:`ways` said before.
        """
        for name, now_s in self.ways(step).items():
            before_s = before[name]
            if now_s == before_s or abs(now_s - before_s) <= CHANGED_S:
                continue
            sent = step.situation.assignments[name]
            stays = self._stays(step, sent)
            by = sent.hospital_by if stays else MACHINE
            self.choose(step, sent, hospital=sent.hospital if stays else "", by=by, reason=ROADS)

    def _stays(self, step: Step, sent: Assignment) -> bool:
        """Whether a unit under way keeps its hospital."""
        options = self._options(step, sent)
        own = next(one for one in options if one.hospital == sent.hospital)
        if not _can_take(own):
            return False
        return sent.hospital_by != MACHINE or _cost(own) < _cost(options[0]) + TURNED_FOR_S

    def _options(self, step: Step, assignment: Assignment) -> list[HospitalOption]:
        hospitals = [one for _, one in sorted(step.situation.hospitals.items())]
        if not hospitals:
            return []
        incident, unit = step.incident(assignment.incident), step.unit(assignment.unit)
        start = (unit.lon, unit.lat)
        under_way = assignment.state is AssignmentState.TRANSPORTING and assignment.hospital
        if not under_way and incident.at is not None:
            start = incident.at
        close_roads(step.situation, self._travel)
        travel = self._travel.of_kind(unit.kind)
        seconds = travel.matrix([start], [(one.lon, one.lat) for one in hospitals])[0]
        made = [
            self._option(step, assignment, one, drive_s)
            for one, drive_s in zip(hospitals, seconds.tolist(), strict=True)
        ]
        return sorted(made, key=_order)

    def _option(
        self, step: Step, assignment: Assignment, hospital: Hospital, drive_s: float
    ) -> HospitalOption:
        load = hospital.load(step.now) - (assignment.id in hospital.bound)
        per_hour = self._policy.hospital_per_hour
        for said in (hospital.set_per_hour, hospital.listed_per_hour):
            if said is not None:
                per_hour = said
                break
        over = max(0, load + 1 - per_hour)
        return HospitalOption(
            hospital=hospital.id,
            load=load,
            per_hour=per_hour,
            drive_s=round(drive_s, 1) if math.isfinite(drive_s) else None,
            over_s=over * self._policy.hospital_over_s,
            closed=hospital.closed,
        )


def _can_take(option: HospitalOption) -> bool:
    return option.drive_s is not None and not option.closed


def _cost(option: HospitalOption) -> float:
    return math.inf if option.drive_s is None else option.drive_s + option.over_s


def _order(option: HospitalOption) -> tuple[bool, float, str]:
    return not _can_take(option), _cost(option), option.hospital
