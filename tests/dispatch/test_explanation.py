"""What a proposal says of those who don't go: each by name, with the rule, pins not kept too."""

from __future__ import annotations

import pytest

from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld, of

FIRE = "accident.fire.structure"


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads, automatic=())


def rules(world: DeskWorld, incident: str) -> dict[str, tuple[str, ...]]:
    """Units by the rule that keeps them from an incident's first place."""
    proposal = world.situation.proposals[world.situation.incidents[incident].proposal]
    return {e.rule: e.units for e in proposal.choices[0].excluded}


def register(world: DeskWorld, name: str, kind: str, skills: tuple[str, ...]) -> None:
    world.say(ev.UnitRegistered(unit=name, kind=kind, skills=skills, owner="government",
                                lon=WEST, lat=SOUTH + STEP))  # fmt: skip


def test_who_lacks_the_skill_is_named_those_of_the_kind_first(world: DeskWorld) -> None:
    register(world, "E09", "engine", ("technical_rescue",))
    world.report(FIRE, priority=2, at=(1, 0))
    world.settle()
    assert rules(world, "i000001")["lacks_skill"] == ("E09", "M01", "T01")


def test_all_who_are_busy_are_named_up_to_a_bound_that_says_how_many_more(
    world: DeskWorld,
) -> None:
    most = Policy().named_exclusions
    for number in range(most + 20):
        register(world, f"X{number:03d}", "engine", ("fire_suppression",))
        world.say(ev.HoldUnit(unit=f"X{number:03d}", by="li"))
    world.report(FIRE, priority=2, at=(1, 0))
    world.settle()
    proposal = next(iter(world.situation.proposals.values()))
    (held,) = [e for e in proposal.choices[0].excluded if e.rule == "held"]
    assert (len(held.units), held.count) == (most, most + 20)
    assert held.units[0] == "X000"


def test_a_pin_of_a_unit_that_waits_for_another_incident_is_refused(world: DeskWorld) -> None:
    for at in ((1, 0), (3, 3)):
        world.report(FIRE, priority=2, at=at)
    world.settle()
    world.say(ev.PinUnit(incident="i000001", unit="E02", by="wang"))
    made = world.say(ev.PinUnit(incident="i000002", unit="E02", by="wang"))
    (refused,) = of(made, ev.OrderRefused)
    assert refused.code == "pinned_elsewhere"
    assert world.situation.incidents["i000001"].number in refused.detail
    assert world.situation.incidents["i000002"].pins == []
    world.say(ev.LiftOverride(incident="i000001", by="wang"))
    assert not of(world.say(ev.PinUnit(incident="i000002", unit="E02", by="wang")), ev.OrderRefused)


def test_a_pin_where_nothing_is_missing_is_refused(world: DeskWorld) -> None:
    world.report(FIRE, priority=2, at=(1, 0))
    world.settle()
    proposal = world.situation.incidents["i000001"].proposal
    world.say(ev.ConfirmProposal(incident="i000001", proposal=proposal, by="wang"))
    (refused,) = of(
        world.say(ev.PinUnit(incident="i000001", unit="E02", by="wang")), ev.OrderRefused
    )
    assert refused.code == "nothing_missing"


def test_pins_that_an_older_desk_took_and_can_not_keep_are_named(world: DeskWorld) -> None:
    """Two incidents want the same unit by a person's word: the one that goes without says so."""
    for at in ((1, 0), (3, 3)):
        world.report(FIRE, priority=2, at=at)
    for incident in ("i000001", "i000002"):
        world.situation.incidents[incident].pins.append("E02")
    world.settle()
    assert rules(world, "i000002")["pin_elsewhere"] == ("E02",)


def test_more_pins_than_places_are_named(world: DeskWorld) -> None:
    world.report(FIRE, priority=2, at=(1, 0))
    world.settle()
    for unit in ("E01", "E02"):
        world.say(ev.PinUnit(incident="i000001", unit=unit, by="wang"))
    world.settle()
    assert rules(world, "i000001")["pin_no_place"] == ("E02",)


def test_a_pin_that_no_open_road_leads_from_is_named(world: DeskWorld) -> None:
    world.report(FIRE, priority=2, at=(1, 0))
    world.settle()
    world.say(ev.PinUnit(incident="i000001", unit="E02", by="wang"))
    world.say(ev.CloseRoad(closure="c", edges=("h22", "v22", "h32", "v23"), by="wang"))
    world.say(ev.CloseRoad(closure="d", edges=("h31", "h21", "v12", "v13"), by="wang"))
    world.settle()
    assert rules(world, "i000001")["pin_unreachable"] == ("E02",)
