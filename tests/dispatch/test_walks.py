"""A way with kilometres on foot is ordered by a person, never by the machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.settings import CHECKOUT
from models.situation import Proposal
from playbooks.engine import PlaybookSet
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld, of

FIRE = "i000001"
PACKAGE = """\
id: t.rescue
names: {zh: 救援, en: Rescue}
categories: [accident.fire.structure]
when: "true"
requirements:
  - {key: engine, names: {zh: 消防车, en: Engine}, skills: [fire_suppression], count: 1,
     within_s: 900, package: entry}
  - {key: ladder, names: {zh: 云梯车, en: Ladder}, skills: [aerial_ladder], count: 1,
     within_s: 900, package: entry}
  - {key: medic, names: {zh: 救护车, en: Medic}, skills: [medical_transport], count: 1,
     within_s: 900}
"""


def proposal(world: DeskWorld) -> Proposal:
    return world.situation.proposals[world.situation.incidents[FIRE].proposal]


def off_the_road(
    city: CityPack, roads: RoadGraph, *, units: dict[str, str], plans: PlaybookSet | None = None
) -> DeskWorld:
    """A city whose table has these units, by id with their kind, 5 km west of every street."""
    specs = [
        msgspec.structs.replace(one, lon=WEST - 0.053, kind=units[one.id])
        if one.id in units
        else one
        for one in city.units
    ]
    return DeskWorld(replace(city, units=tuple(specs)), roads, plans=plans)


def test_who_has_kilometres_on_foot_is_proposed_and_ordered_by_a_person(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = off_the_road(tiny_city, tiny_roads, units={"E01": "engine", "E02": "engine"})
    world.report()
    made = world.wait(600)
    assert not of(made, ev.AssignmentOrdered)
    stands = proposal(world)
    assert (stands.automatic, stands.held) == (False, "walk")
    (chosen,) = [c.chosen for c in stands.choices if c.chosen]
    assert 4500 < chosen.walked_m < 5500
    assert len(of(made, ev.ProposalMade)) == 1, "it is proposed once"
    sent = world.say(ev.ConfirmProposal(incident=FIRE, proposal=stands.id, by="li"))
    assert [one.by for one in of(sent, ev.AssignmentOrdered)] == ["li"]


def test_who_drives_is_sent_before_who_walks(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    world = off_the_road(tiny_city, tiny_roads, units={"E01": "engine"})
    world.report(at=(0, 0))
    (order,) = of(world.settle(), ev.AssignmentOrdered)
    assert order.unit == "E02"


def test_whom_roads_lead_to_goes_at_once_and_who_walks_waits_for_a_person(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = off_the_road(tiny_city, tiny_roads, units={"E01": "engine"})
    made = world.report(facts={"trapped": 1}) + world.settle()
    assert [one.unit for one in of(made, ev.AssignmentOrdered)] == ["E02"]
    first, second = of(made, ev.ProposalMade)
    rules = {one.rule: one.units for choice in first.choices for one in choice.excluded}
    assert rules["walks"] == ("E01",)
    assert (first.shortage, first.held) == ({"engines": 1}, "")
    assert [c.chosen.unit for c in second.choices if c.chosen] == ["E01"]
    assert (second.shortage, second.held) == ({}, "walk")


def test_a_package_waits_whole_for_a_person(
    tiny_city: CityPack, tiny_roads: RoadGraph, tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(PACKAGE, encoding="utf-8")
    world = off_the_road(
        tiny_city, tiny_roads, units={"T01": "truck"}, plans=PlaybookSet.load(tmp_path)
    )
    made = world.report() + world.settle()
    assert [one.unit for one in of(made, ev.AssignmentOrdered)] == ["M01"]
    first, second = of(made, ev.ProposalMade)
    rules = {(c.requirement, one.rule): one.units for c in first.choices for one in c.excluded}
    assert rules["engine", "package"] == ("E01", "E02")
    assert rules["ladder", "walks"] == ("T01",)
    assert {c.chosen.unit for c in second.choices if c.chosen} == {"E01", "T01"}
    assert second.held == "walk"


def test_who_goes_on_foot_anyhow_walks_there(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    world = off_the_road(
        tiny_city, tiny_roads, units={"E01": "volunteer_team", "E02": "volunteer_team"}
    )
    world.report()
    assert of(world.settle(), ev.AssignmentOrdered)


def test_two_places_off_the_road_near_each_other_are_a_short_walk(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = off_the_road(tiny_city, tiny_roads, units={"E01": "engine"})
    world.report(lon=WEST - 0.054, lat=SOUTH, cell="", outside=True)
    (order,) = of(world.settle(), ev.AssignmentOrdered)
    assert order.unit == "E01"
    assert order.length_m < 200


def test_an_airport_off_the_map_of_san_francisco_is_left_to_a_person() -> None:
    pack = CityPack.load(CHECKOUT / "cities" / "san_francisco")
    airport = next(one for one in pack.units if one.id == "AP")
    pack = replace(pack, units=(msgspec.structs.replace(airport, skills=("fire_suppression",)),))
    world = DeskWorld(pack, RoadGraph.load(pack))
    world.report(lon=-122.41, lat=37.77, cell="")
    assert not of(world.settle(), ev.AssignmentOrdered)
    assert proposal(world).held == "walk"


def test_into_a_closed_area_the_proposal_says_where_the_vehicle_stops(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, automatic=())
    slow = ev.CloseRoad(closure="slow", lon=WEST, lat=SOUTH, radius_m=5000.0, by="li", speed=0.5)
    away = ev.CloseRoad(closure="away", lon=WEST, lat=SOUTH, radius_m=20.0, by="li")
    world.say(away)
    world.report(at=(1.4, 1))
    world.settle()
    (chosen,) = [c.chosen for c in proposal(world).choices if c.chosen]
    assert (chosen.cordon, chosen.cordon_m) == ((), 0.0)
    world.say(slow)
    for name in ("flood", "gas"):
        lon, lat = WEST + 1.4 * STEP, SOUTH + STEP
        world.say(ev.CloseRoad(closure=name, lon=lon, lat=lat, radius_m=60.0, by="li"))
    world.settle()
    (chosen,) = [c.chosen for c in proposal(world).choices if c.chosen]
    assert chosen.cordon == ("flood", "gas")
    assert 0 < chosen.cordon_m == chosen.walked_m
    for name in ("flood", "gas"):
        world.say(ev.ReopenRoad(closure=name, by="li"))
    world.settle()
    (chosen,) = [c.chosen for c in proposal(world).choices if c.chosen]
    assert (chosen.cordon, chosen.walked_m) == ((), 0.0)
