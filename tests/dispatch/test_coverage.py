"""Coverage and move-ups: by hand on the tiny city, and the same in any order."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from dispatch.coverage import LEAST_BUSY, Coverage
from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from models import events as ev
from models.city import CityPack
from models.lifecycles import UnitState
from tests.dispatch.desk_world import PLANS, DeskWorld, of

FIRE = "accident.fire.structure"


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    world = DeskWorld(tiny_city, tiny_roads, automatic=())
    for unit in ("E01", "E02"):
        world.say(ev.HoldUnit(unit=unit, by="li"))
    world.report(FIRE, priority=1, at=(0, 0))
    world.settle()
    for unit in ("E01", "E02"):
        world.say(ev.LiftHold(unit=unit, by="li"))
    return world


def coverage_of(world: DeskWorld, policy: Policy) -> Coverage:
    return Coverage(world.situation, TravelTimes(world.roads), policy)


def test_share_is_that_of_the_squares_in_reach(world: DeskWorld) -> None:
    """With everybody in reach of everything, all that is missing is that all may be busy."""
    coverage = coverage_of(world, Policy(late_s=10_000))
    bare = coverage.bare([world.situation.units["E01"]], world.now)
    assert bare.share == pytest.approx(1 - LEAST_BUSY**2, abs=1e-4)
    assert bare.share == pytest.approx(bare.full, abs=1e-6)
    # Without the one, only the other may come: 1 - q instead of 1 - q².
    assert bare.loss[0] == pytest.approx(LEAST_BUSY - LEAST_BUSY**2, abs=1e-4)


def test_nobody_in_reach_covers_nothing_and_costs_nothing(world: DeskWorld) -> None:
    coverage = coverage_of(world, Policy(late_s=1, turnout_s=500))
    bare = coverage.bare(list(world.situation.units.values()), world.now)
    assert bare.share == 0
    assert not bare.cost_s.any()


def test_what_going_costs_is_bounded_and_only_of_who_is_asked_for(world: DeskWorld) -> None:
    policy = Policy(coverage_weight=1e6)
    units = [world.situation.units[name] for name in ("E01", "E02", "M01", "T01")]
    bare = coverage_of(world, policy).bare(units, world.now)
    assert bare.cost_s[:2].tolist() == [policy.coverage_most_s] * 2
    assert bare.cost_s[2:].tolist() == [0, 0]


def test_the_order_of_units_changes_nothing(world: DeskWorld) -> None:
    units = list(world.situation.units.values())
    one = coverage_of(world, Policy()).bare(units, world.now)
    world.situation.units = dict(reversed(world.situation.units.items()))
    other = coverage_of(world, Policy()).bare(units, world.now)
    assert np.array_equal(one.cost_s, other.cost_s)
    assert one.share == other.share


def test_a_move_up_is_proposed_refused_for_a_while_and_confirmed(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, automatic=(1,))
    world.desk = Desk(
        world.situation,
        tiny_city,
        PLANS,
        TravelTimes(tiny_roads),
        Policy(late_s=160, move_up_gain=1e-4),
    )
    world.say(ev.HoldUnit(unit="E02", by="li"))
    for number in range(3):
        world.report(FIRE, priority=1, at=(3, 3), attributes={"source_incident": str(number)})
    world.settle()
    assert world.situation.units["E01"].assignment
    world.status("E01", UnitState.EN_ROUTE, UnitState.ON_SCENE)
    world.say(ev.UnitStatusReported(unit="E01", state=UnitState.AVAILABLE))
    world.settle()
    for incident in list(world.situation.incidents):
        world.say(ev.CloseIncident(incident=incident, by="wang"))
    world.say(ev.UnitStatusReported(unit="E01", state=UnitState.AVAILABLE))
    world.settle()
    move = world.situation.move_ups["E01"]
    assert move.coverage_after > move.coverage
    world.say(ev.RefuseMoveUp(unit="E01", by="wang"))
    world.say(ev.SetAutomation(priorities=(1, 2), by="wang", reason="test"))
    world.wait(60)
    assert not world.situation.move_ups, "a refused move-up comes back at once"
    world.wait(Policy().refused_s)
    world.say(ev.HoldUnit(unit="M01", by="li"))
    world.settle()
    assert "E01" in world.situation.move_ups
    made = world.say(ev.ConfirmMoveUp(unit="E01", by="wang"))
    (ordered,) = of(made, ev.MoveUpOrdered)
    assert (ordered.lon, ordered.lat) == (move.lon, move.lat)
    unit = world.situation.units["E01"]
    assert (unit.state, unit.post) == (UnitState.RETURNING, ordered.post)


def test_skills_that_nobody_who_drives_has_are_covered_by_nobody(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    """Urgent calls ask for a home care team, which goes on foot: the desk decides on."""
    units = tuple(
        msgspec.structs.replace(unit, kind="grid_worker") if unit.id == "M01" else unit
        for unit in tiny_city.units
    )
    world = DeskWorld(replace(tiny_city, units=units), tiny_roads, automatic=())
    for at in ((0, 0), (3, 3)):
        world.report("health.medical", priority=1, at=at)
        made = of(world.settle(), ev.ProposalMade)
    assert made
    assert coverage_of(world, Policy(late_s=10_000)).state(world.now).share() < 1
