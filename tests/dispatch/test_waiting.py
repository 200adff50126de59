"""However much waits, each incident is planned, or told why nobody comes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.reserves import ReserveRule
from models.words import Posture
from tests.dispatch.desk_world import DeskWorld, of, undecided

TOGETHER = Policy(incidents_per_plan=3, proposals_per_plan=2)
PLACES = [(column, row) for row in range(4) for column in range(4)]


@pytest.fixture
def many_engines(tiny_city: CityPack) -> CityPack:
    """The tiny city with twelve engines at each of its stations."""
    more = [
        msgspec.structs.replace(unit, id=f"{unit.id}-{number:02d}")
        for unit in tiny_city.units
        if unit.kind == "engine"
        for number in range(12)
    ]
    return replace(tiny_city, units=tuple(more))


def fires(world: DeskWorld, *, priority: int = 2) -> list[str]:
    """Report a fire at each crossing; return their incidents."""
    before = set(world.incident_ids())
    for at in PLACES:
        world.report(at=at, priority=priority)
    return [name for name in world.incident_ids() if name not in before]


def named(world: DeskWorld, incident: str) -> list[str]:
    proposal = world.situation.proposals[world.situation.incidents[incident].proposal]
    return [choice.chosen.unit for choice in proposal.choices if choice.chosen is not None]


def test_more_than_one_group_has_proposals_with_a_unit_for_each(
    many_engines: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(many_engines, tiny_roads, automatic=(), policy=TOGETHER)
    waiting = fires(world)
    world.settle()
    sent = [unit for incident in waiting for unit in named(world, incident)]
    assert len(sent) == len(set(sent)) == len(waiting) == len(PLACES)


def test_the_plan_of_many_groups_stands_until_something_changes(
    many_engines: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(many_engines, tiny_roads, automatic=(), policy=TOGETHER)
    fires(world)
    world.settle()
    assert of(world.say(ev.ClockTicked()), ev.ProposalMade) == []


def test_what_nobody_idle_fits_does_not_hold_up_what_somebody_does(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, policy=TOGETHER)
    for unit in ("E01", "E02"):
        world.say(ev.HoldUnit(unit=unit, by="li", reason="away"))
    fires(world, priority=1)
    world.settle()
    world.report("health.medical", at=(1, 1), priority=4)
    (proposal,) = [p for p in of(world.settle(), ev.ProposalMade) if not p.shortage]
    assert [choice.chosen.unit for choice in proposal.choices] == ["M01"]


def test_each_one_that_nobody_comes_to_is_told_why(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, automatic=(), policy=TOGETHER)
    waiting = fires(world)
    world.settle()
    assert not list(undecided(world))
    last = world.situation.proposals[world.situation.incidents[waiting[-1]].proposal]
    (choice,) = last.choices
    assert {one.rule: one.units for one in choice.excluded}["elsewhere"] == ("E01", "E02")


def test_a_pinned_unit_is_kept_for_an_incident_of_a_later_group(
    many_engines: CityPack, tiny_roads: RoadGraph
) -> None:
    only = replace(many_engines, units=many_engines.units[:6])
    world = DeskWorld(only, tiny_roads, automatic=(), policy=TOGETHER)
    last = fires(world)[-1]
    unit = only.units[0].id
    world.say(ev.PinUnit(incident=last, unit=unit, by="li", reason="knows the place"))
    world.settle()
    assert named(world, last) == [unit]


def test_a_reserve_counts_the_units_of_earlier_groups_as_gone(
    many_engines: CityPack, tiny_roads: RoadGraph
) -> None:
    kept = ReserveRule(
        id="engines", names={}, kind="engine", skills=(), keep={Posture.ROUTINE: 20}, breaks_for=()
    )
    city = replace(many_engines, reserves=(kept,))
    world = DeskWorld(city, tiny_roads, automatic=(), policy=TOGETHER)
    waiting = fires(world)
    world.settle()
    assert sum(bool(named(world, incident)) for incident in waiting) == len(city.units) - 20
    assert not list(undecided(world))


def test_who_waits_is_told_when_the_next_unit_may_be_free(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, automatic=(1,))
    fires(world, priority=1)
    world.settle()
    world.wait(600)
    world.report(at=(0, 3), priority=1, attributes={"source_incident": "another"})
    (proposal,) = of(world.settle(), ev.ProposalMade)
    assert proposal.shortage
    assert proposal.next_free_s == Policy().busy_s - 600
