"""Where patients are brought: soonest, within what a hospital takes, and as a person says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.errors import CityPackError
from models.lifecycles import UnitState
from models.situation import dump, load
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld, of

NEAR, FAR = "near", "far"
TO_HOSPITAL = (UnitState.EN_ROUTE, UnitState.ON_SCENE, UnitState.TRANSPORTING)


def hospital(
    name: str, column: int, row: int, per_hour: int | None = None
) -> ev.HospitalRegistered:
    return ev.HospitalRegistered(
        hospital=name,
        names={"zh": name, "en": name},
        lon=WEST + column * STEP,
        lat=SOUTH + row * STEP,
        per_hour=per_hour,
    )


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    """A desk with a hospital near the patients, and one far off."""
    made = DeskWorld(tiny_city, tiny_roads, automatic=(1, 2, 3, 4))
    made.say(hospital(NEAR, 1, 2, per_hour=2))
    made.say(hospital(FAR, 3, 0))
    return made


def bring(world: DeskWorld) -> ev.HospitalChosen | None:
    """Let the medic take a patient at (1, 1) up; who is free of the last one first."""
    if world.situation.units["M01"].assignment:
        world.status("M01", UnitState.AT_HOSPITAL, UnitState.AVAILABLE)
    world.wait(60)
    world.report("health.medical", attributes={"source_incident": str(len(world.inputs))})
    world.wait(5)
    chosen = of(world.status("M01", *TO_HOSPITAL), ev.HospitalChosen)
    return chosen[0] if chosen else None


def test_the_soonest_takes_the_patient_and_says_what_else_was_looked_at(world: DeskWorld) -> None:
    chosen = bring(world)
    assert chosen is not None
    assert (chosen.hospital, chosen.by) == (NEAR, "gridcommand")
    near, far = chosen.options
    assert (near.hospital, far.hospital) == (NEAR, FAR)
    assert near.drive_s is not None
    assert far.drive_s is not None
    assert chosen.drive_s == near.drive_s < far.drive_s
    assert (near.per_hour, far.per_hour, near.load) == (2, 8, 0)
    sent = world.situation.assignments[chosen.assignment]
    assert (sent.hospital, sent.hospital_by) == (NEAR, "gridcommand")
    assert world.situation.hospitals[NEAR].bound == [sent.id]


def test_a_hospital_that_took_what_it_takes_comes_second_until_the_hour_is_over(
    world: DeskWorld,
) -> None:
    assert [getattr(bring(world), "hospital", "") for _ in range(3)] == [NEAR, NEAR, FAR]
    full = bring(world)
    assert full is not None
    by_name = {one.hospital: one for one in full.options}
    assert by_name[NEAR].load == 2
    assert by_name[NEAR].over_s == 600.0
    world.wait(3600)
    again = bring(world)
    assert again is not None
    assert again.hospital == NEAR


def test_who_is_on_the_way_to_a_hospital_that_closes_is_turned_and_told_why(
    world: DeskWorld,
) -> None:
    bring(world)
    made = world.say(ev.SetHospital(hospital=NEAR, closed=True, by="wang", reason="flooded"))
    (anew,) = of(made, ev.HospitalChosen)
    assert (anew.hospital, anew.reason) == (FAR, "closed")
    assert world.situation.hospitals[NEAR].bound == []
    made = world.say(ev.SetHospital(hospital=FAR, closed=True, by="wang"))
    (nowhere,) = of(made, ev.HospitalChosen)
    assert nowhere.hospital == ""
    assert {one.hospital for one in nowhere.options if one.closed} == {NEAR, FAR}
    made = world.say(ev.SetHospital(hospital=NEAR, by="wang"))
    (back,) = of(made, ev.HospitalChosen)
    assert (back.hospital, back.reason) == (NEAR, "opened")


def test_a_person_says_where_and_how_many(world: DeskWorld) -> None:
    world.report("health.medical")
    world.wait(5)
    world.status("M01", UnitState.EN_ROUTE, UnitState.ON_SCENE)
    order = ev.SendToHospital(unit="M01", hospital=FAR, by="wang", reason="burns unit")
    (said,) = of(world.say(order), ev.HospitalChosen)
    assert (said.hospital, said.by, said.reason) == (FAR, "wang", "burns unit")
    assert not of(world.status("M01", UnitState.TRANSPORTING), ev.HospitalChosen), "it stands"
    assert of(world.say(order), ev.OrderRefused)[0].code == "already_sent"
    world.say(ev.SetHospital(hospital=NEAR, per_hour=0, by="wang"))
    full = bring(world)
    assert full is not None
    assert full.options[0].hospital == FAR
    assert {one.hospital: one.over_s for one in full.options} == {FAR: 0.0, NEAR: 600.0}


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (ev.SetHospital(hospital="nowhere", by="wang"), "unknown_hospital"),
        (ev.SetHospital(hospital=NEAR, per_hour=-1, by="wang"), "no_capacity"),
        (ev.SendToHospital(unit="M01", hospital="nowhere", by="wang"), "unknown_hospital"),
        (ev.SendToHospital(unit="M01", hospital=NEAR, by="wang"), "not_transporting"),
        (ev.SendToHospital(unit="X", hospital=NEAR, by="wang"), "unknown_unit"),
    ],
)
def test_what_cannot_be_done_is_refused(world: DeskWorld, order: ev.Order, code: str) -> None:
    assert of(world.say(order), ev.OrderRefused)[0].code == code


def test_who_brings_nobody_is_not_sent(world: DeskWorld) -> None:
    world.report()
    world.wait(5)
    engine = next(a.unit for a in world.situation.assignments.values())
    world.status(engine, UnitState.EN_ROUTE, UnitState.ON_SCENE)
    made = world.say(ev.SendToHospital(unit=engine, hospital=NEAR, by="wang"))
    assert of(made, ev.OrderRefused)[0].code == "not_transporting"


def test_a_closed_road_counts(world: DeskWorld) -> None:
    lon, lat = WEST + STEP, SOUTH + 2 * STEP
    world.say(ev.CloseRoad(closure="c", lon=lon, lat=lat, radius_m=400.0, by="li"))
    chosen = bring(world)
    assert chosen is not None
    assert chosen.hospital == FAR
    on_foot = next(one for one in chosen.options if one.hospital == NEAR).drive_s
    assert on_foot is not None
    assert on_foot > 300


def test_roads_that_change_on_the_way_are_told_and_turn_who_is_sooner_elsewhere(
    world: DeskWorld,
) -> None:
    chosen = bring(world)
    assert chosen is not None
    assert chosen.hospital == NEAR
    around: dict[str, Any] = {"lon": WEST + STEP, "lat": SOUTH + 2 * STEP, "radius_m": 400.0}
    slow = ev.CloseRoad(closure="s", **around, speed=0.5, by="li")
    (told,) = of(world.say(slow), ev.HospitalChosen)
    assert (told.hospital, told.reason, told.by) == (NEAR, "roads", "gridcommand")
    assert told.drive_s > chosen.drive_s

    (turned,) = of(world.say(ev.CloseRoad(closure="c", **around, by="li")), ev.HospitalChosen)
    assert (turned.hospital, turned.reason) == (FAR, "roads")
    assert world.situation.hospitals[NEAR].bound == []
    # Nothing of that lies on the way to the other one.
    assert not of(world.say(ev.ReopenRoad(closure="s", by="li")), ev.HospitalChosen)


def test_who_was_sent_by_a_person_stays_and_hears_how_long_it_takes(world: DeskWorld) -> None:
    bring(world)
    world.say(ev.SendToHospital(unit="M01", hospital=FAR, by="wang", reason="burns"))
    east: dict[str, Any] = {"lon": WEST + 3 * STEP, "lat": SOUTH, "radius_m": 800.0}
    made = world.say(ev.CloseRoad(closure="s", **east, speed=0.1, by="li"))
    (told,) = of(made, ev.HospitalChosen)
    assert (told.hospital, told.by, told.reason) == (FAR, "wang", "roads")


def test_a_city_without_hospitals_says_nothing(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    assert bring(DeskWorld(tiny_city, tiny_roads, automatic=(1, 2, 3, 4))) is None


def test_it_outlives_a_restart_and_a_pack_that_lists_more(world: DeskWorld) -> None:
    bring(world)
    world.say(ev.SetHospital(hospital=FAR, closed=True, by="wang", reason="full"))
    world.desk = world.new_desk(load(dump(world.situation)))
    world.say(hospital(FAR, 3, 0, per_hour=20))
    far = world.situation.hospitals[FAR]
    assert (far.listed_per_hour, far.closed, far.set_by) == (20, True, "wang")
    assert world.situation.hospitals[NEAR].bound


def test_a_pack_says_how_many_a_hospital_takes(tiny_city_path: Path) -> None:
    table = tiny_city_path / "facilities.csv"
    rows = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()]
    rows[0].append("per_hour")
    for row, said in zip(rows[1:], ["", "12"], strict=True):
        row.append(said)
    table.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    assert [one.per_hour for one in CityPack.load(tiny_city_path).facilities] == [None, 12]
    table.write_text(table.read_text(encoding="utf-8").replace(",12", ",many"), encoding="utf-8")
    with pytest.raises(CityPackError, match=r"facilities\.csv:3: per_hour must be a number"):
        CityPack.load(tiny_city_path)
