"""Units: who there is, where they are, what they do without an assignment, where they should stand.

Also for what else changes a unit: :func:`touch_unit`, :func:`drop_move_up`. What an assignment
makes of its unit is in :mod:`models.fold.assignments`.
"""

from __future__ import annotations

from models import events as ev
from models.events import Event
from models.lifecycles import UnitState
from models.situation import FarPosition, MoveUp, Situation, Touched, Unit


def unit_registered(s: Situation, event: Event, data: ev.UnitRegistered, touched: Touched) -> None:
    known = s.units.get(data.unit)
    s.units[data.unit] = Unit(
        id=data.unit,
        kind=data.kind,
        skills=data.skills,
        owner=data.owner,
        state=known.state if known else UnitState.AVAILABLE,
        lon=known.lon if known else data.lon,
        lat=known.lat if known else data.lat,
        home_lon=data.lon,
        home_lat=data.lat,
        since=known.since if known else event.time,
        position_at=known.position_at if known else event.time,
        updated_seq=event.seq,
        station=data.station,
        call_sign=data.call_sign,
        assignment=known.assignment if known else "",
        incident=known.incident if known else "",
        queue=known.queue if known else [],
        held_by=known.held_by if known else "",
        held_reason=known.held_reason if known else "",
        post=known.post if known else "",
        post_lon=known.post_lon if known else None,
        post_lat=known.post_lat if known else None,
        duty_s=known.duty_s if known else 0.0,
        duty_at=known.duty_at if known else None,
        stays_until=known.stays_until if known else None,
        neighbour=data.neighbour,
        far=known.far if known else None,
    )
    s.plan_due = True
    touched.add(("units", data.unit))


def unit_positions_reported(
    s: Situation, event: Event, data: ev.UnitPositionsReported, touched: Touched
) -> None:
    for unit_id, (lon, lat) in data.positions.items():
        if unit_id in s.units:
            _stands(touch_unit(s, event, unit_id, touched), lon, lat, event)


def unit_status_reported(
    s: Situation, event: Event, data: ev.UnitStatusReported, touched: Touched
) -> None:
    if data.unit in s.units and data.lon is not None and data.lat is not None:
        _stands(touch_unit(s, event, data.unit, touched), data.lon, data.lat, event)


def unit_position_set_aside(
    s: Situation, event: Event, data: ev.UnitPositionSetAside, touched: Touched
) -> None:
    unit = touch_unit(s, event, data.unit, touched)
    told_at = unit.position_at
    (unit.lon, unit.lat), unit.position_at = data.kept, data.kept_at
    unit.far = FarPosition(lon=data.lon, lat=data.lat, away_m=data.away_m, told_at=told_at)


def unit_moved(s: Situation, event: Event, data: ev.UnitMoved, touched: Touched) -> None:
    unit = touch_unit(s, event, data.unit, touched)
    unit.state, unit.since = data.state, event.time
    if data.state is UnitState.OUT_OF_SERVICE:
        unit.post, unit.post_lon, unit.post_lat = "", None, None
        drop_move_up(s, data.unit, touched)
    if data.lon is not None and data.lat is not None:
        _stands(unit, data.lon, data.lat, event)
    s.plan_due = True


def unit_held(s: Situation, event: Event, data: ev.UnitHeld, touched: Touched) -> None:
    unit = touch_unit(s, event, data.unit, touched)
    unit.held_by = data.by if data.held else ""
    unit.held_reason = data.reason if data.held else ""
    s.plan_due = True


def unit_queued(s: Situation, event: Event, data: ev.UnitQueued, touched: Touched) -> None:
    unit = touch_unit(s, event, data.unit, touched)
    if data.queued:
        unit.queue.append(data.incident)
    else:
        unit.queue.remove(data.incident)


def move_up_proposed(s: Situation, event: Event, data: ev.MoveUpProposed, touched: Touched) -> None:
    s.move_ups[data.unit] = MoveUp(
        id=data.unit,
        lon=data.lon,
        lat=data.lat,
        drive_s=data.drive_s,
        made_at=event.time,
        updated_seq=event.seq,
        post=data.post,
        coverage=data.coverage,
        coverage_after=data.coverage_after,
    )
    touched.add(("move_ups", data.unit))


def move_up_withdrawn(
    s: Situation, event: Event, data: ev.MoveUpWithdrawn, touched: Touched
) -> None:
    drop_move_up(s, data.unit, touched)
    if data.until is not None:
        touch_unit(s, event, data.unit, touched).stays_until = data.until


def move_up_ordered(s: Situation, event: Event, data: ev.MoveUpOrdered, touched: Touched) -> None:
    unit = touch_unit(s, event, data.unit, touched)
    unit.state, unit.since, unit.post = UnitState.RETURNING, event.time, data.post
    away = bool(data.post)
    unit.post_lon, unit.post_lat = (data.lon, data.lat) if away else (None, None)
    unit.stays_until = data.until
    drop_move_up(s, data.unit, touched)


def drop_move_up(s: Situation, unit: str, touched: Touched) -> None:
    """Forget the move-up that is proposed for a unit, if there is one."""
    if s.move_ups.pop(unit, None) is not None:
        touched.add(("move_ups", unit))


def _stands(unit: Unit, lon: float, lat: float, event: Event) -> None:
    """Take a position as told; where it can't be, the desk's next word sets it aside."""
    unit.lon, unit.lat, unit.position_at, unit.far = lon, lat, event.time, None


def touch_unit(s: Situation, event: Event, unit_id: str, touched: Touched) -> Unit:
    """Return a unit that this event changes, marked so."""
    unit = s.units[unit_id]
    unit.updated_seq = event.seq
    touched.add(("units", unit_id))
    return unit
