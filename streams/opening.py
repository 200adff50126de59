"""What a desk is told before anything else: the city, the plans, the rules, the units.

For: the desk's shell and the fast replay, at each start. Only what the situation doesn't have
yet is told again, so a restart with nothing changed adds nothing to the journal. Not for: units
that leave the pack; a unit once registered stays until a person takes it out of service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from models.city import HOSPITAL, CityPack
from models.events import DeskOpened, Event, HospitalRegistered, Payload, UnitRegistered, encode
from models.situation import Situation
from playbooks.engine import PlaybookSet

SOURCE = "/opening"


def opening_events(
    situation: Situation,
    pack: CityPack,
    playbooks: PlaybookSet,
    *,
    automatic_priorities: Iterable[int],
    correlation_radius_m: float,
    correlation_window_s: float,
    at: datetime,
    more_units: Iterable[UnitRegistered] = (),
) -> list[Event]:
    """Return the inputs that bring a situation in line with pack, plans and settings.

    Parameters
    ----------
    situation
        As the journal left it.
    automatic_priorities
        In force from the first opening on. Afterwards the situation's own stand, for a person
        may have changed them, and a restart must not undo that.
    at
        The jurisdiction's time, aware: the drill's in an exercise.
    more_units
        Units beside the pack's, such as a recording's own.

    Returns
    -------
    list of Event
        ``DeskOpened`` where a hash or number differs, then ``HospitalRegistered`` and
        ``UnitRegistered`` for each hospital and unit that is missing or described otherwise. Ids
        follow from content and time.
    """
    rules = situation.rules
    opened = bool(rules.city)
    wanted = DeskOpened(
        city=pack.id,
        pack_hash=pack.pack_hash,
        playbooks_hash=playbooks.hash,
        automatic_priorities=rules.automatic_priorities
        if opened
        else tuple(sorted(set(automatic_priorities))),
        correlation_radius_m=correlation_radius_m,
        correlation_window_s=correlation_window_s,
    )
    in_force = DeskOpened(
        city=rules.city,
        pack_hash=rules.pack_hash,
        playbooks_hash=rules.playbooks_hash,
        automatic_priorities=rules.automatic_priorities,
        correlation_radius_m=rules.correlation_radius_m,
        correlation_window_s=rules.correlation_window_s,
    )
    told: list[Payload] = [] if wanted == in_force else [wanted]
    told.extend(
        one for one in _hospitals(pack) if _hospital_registered(situation, one.hospital) != one
    )
    told.extend(
        unit for unit in (*_of_pack(pack), *more_units) if _registered(situation, unit.unit) != unit
    )
    return [_event(situation, payload, at) for payload in told]


def _of_pack(pack: CityPack) -> Iterable[UnitRegistered]:
    for spec in pack.units:
        yield UnitRegistered(
            unit=spec.id,
            kind=spec.kind,
            skills=spec.skills,
            owner=spec.owner,
            lon=spec.lon,
            lat=spec.lat,
            station=spec.station,
            call_sign=spec.call_sign,
        )
    for neighbour in pack.neighbours:
        for unit in neighbour.units:
            yield UnitRegistered(
                unit=unit.id,
                kind=unit.kind,
                skills=tuple(sorted(unit.skills)),
                owner=unit.owner,
                lon=unit.lon,
                lat=unit.lat,
                call_sign=unit.call_sign or unit.id,
                neighbour=neighbour.id,
            )


def _hospitals(pack: CityPack) -> Iterable[HospitalRegistered]:
    for place in pack.facilities:
        if place.kind == HOSPITAL:
            yield HospitalRegistered(
                hospital=place.id,
                names={"zh": place.name.zh, "en": place.name.en},
                lon=place.lon,
                lat=place.lat,
                per_hour=place.per_hour,
            )


def _hospital_registered(situation: Situation, hospital_id: str) -> HospitalRegistered | None:
    hospital = situation.hospitals.get(hospital_id)
    if hospital is None:
        return None
    return HospitalRegistered(
        hospital=hospital.id,
        names=hospital.names,
        lon=hospital.lon,
        lat=hospital.lat,
        per_hour=hospital.listed_per_hour,
    )


def _registered(situation: Situation, unit_id: str) -> UnitRegistered | None:
    unit = situation.units.get(unit_id)
    if unit is None:
        return None
    return UnitRegistered(
        unit=unit.id,
        kind=unit.kind,
        skills=unit.skills,
        owner=unit.owner,
        lon=unit.home_lon,
        lat=unit.home_lat,
        station=unit.station,
        call_sign=unit.call_sign,
        neighbour=unit.neighbour,
    )


def _event(situation: Situation, payload: Payload, at: datetime) -> Event:
    time = at.astimezone(UTC)
    unnamed = Event(
        id="open",
        source=SOURCE,
        time=time,
        jurisdiction=situation.jurisdiction,
        exercise=situation.exercise,
        data=payload,
    )
    digest = hashlib.sha256(encode(unnamed)).hexdigest()[:24]
    return Event(
        id=f"open/{digest}",
        source=SOURCE,
        time=time,
        jurisdiction=situation.jurisdiction,
        exercise=situation.exercise,
        data=payload,
    )
