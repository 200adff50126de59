"""Units under way: who may be turned, what is told of it, and that no storm can come of it."""

from __future__ import annotations

import pytest

from dispatch import diversion
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.lifecycles import UnitState
from tests.dispatch.desk_world import DeskWorld, of

FIRE = "accident.fire.structure"


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads, automatic=(1, 2, 3, 4))


def busy_with_routine(world: DeskWorld) -> str:
    """Send E01 east to something that can wait, with E02 held; return that incident."""
    world.say(ev.HoldUnit(unit="E02", by="li"))
    world.report(FIRE, priority=3, at=(3, 0))
    world.settle()
    world.status("E01", UnitState.EN_ROUTE)
    assert world.situation.units["E01"].incident == "i000001"
    return "i000001"


def test_a_life_in_danger_gets_the_unit_that_is_under_way_to_less(world: DeskWorld) -> None:
    left = busy_with_routine(world)
    world.wait(20)
    world.report(FIRE, priority=1, at=(0, 1))
    made = world.settle()
    (turned,) = of(made, ev.UnitDiverted)
    assert (turned.unit, turned.incident, turned.to, turned.kind) == (
        "E01",
        left,
        "i000002",
        diversion.DIVERT,
    )
    assert turned.gain_s > Policy().divert_gain_s
    (ordered,) = of(made, ev.AssignmentOrdered)
    assert (ordered.unit, ordered.diverted_from) == ("E01", left)
    assert world.situation.incidents[left].losses == 1
    assert world.situation.incidents[left].proposal, "the one it left waits again, visibly"


@pytest.mark.parametrize("priority", [2, 3, 4])
def test_nobody_is_turned_to_what_is_not_life_threatening(world: DeskWorld, priority: int) -> None:
    busy_with_routine(world)
    world.report(FIRE, priority=priority, at=(0, 1))
    assert not of(world.settle(), ev.UnitDiverted)


def test_what_a_person_sent_stays(world: DeskWorld) -> None:
    world.say(ev.HoldUnit(unit="E02", by="li"))
    world.report("city.other", priority=4, at=(3, 0))
    world.say(ev.SendUnits(incident="i000001", units=("E01",), by="wang"))
    world.report(FIRE, priority=1, at=(0, 1))
    assert not of(world.settle(), ev.UnitDiverted)
    assert world.situation.units["E01"].incident == "i000001"


def test_a_person_may_turn_anybody_under_way(world: DeskWorld) -> None:
    left = busy_with_routine(world)
    world.report("city.other", priority=4, at=(0, 1))
    made = world.say(ev.DivertUnit(unit="E01", incident="i000002", by="wang", reason="child"))
    (turned,) = of(made, ev.UnitDiverted)
    assert (turned.kind, turned.by, turned.incident) == (diversion.ORDER, "wang", left)
    world.status("E01", UnitState.EN_ROUTE, UnitState.ON_SCENE)
    (refused,) = of(world.say(ev.DivertUnit(unit="E01", incident=left, by="wang")), ev.OrderRefused)
    assert refused.code == "not_under_way"


def test_a_storm_of_diversions_is_impossible(world: DeskWorld) -> None:
    """Life-threatening calls without end: one incident loses a bounded number of units."""
    left = busy_with_routine(world)
    for number in range(12):
        world.report(FIRE, priority=1, at=(number % 4, number % 3), facts={})
        world.wait(15)
        for unit in ("E01", "T01"):
            if world.situation.units[unit].state is UnitState.ASSIGNED:
                world.status(unit, UnitState.EN_ROUTE)
        if number % 3 == 2 and world.situation.units["E01"].assignment:
            world.status("E01", UnitState.ON_SCENE, UnitState.AVAILABLE)
    turned = [e for e in of(world.journal, ev.UnitDiverted) if e.kind == diversion.DIVERT]
    assert turned
    lost = [e for e in turned if e.incident == left]
    assert len(lost) <= Policy().divert_losses
    assert all(world.situation.incidents[e.to].priority == 1 for e in turned
               if e.to in world.situation.incidents)  # fmt: skip


def test_one_who_is_sooner_relieves_and_both_incidents_are_told(world: DeskWorld) -> None:
    world.say(ev.HoldUnit(unit="E02", by="li"))
    world.report(FIRE, priority=1, at=(3, 3))
    world.settle()
    world.status("E01", UnitState.EN_ROUTE)
    made = world.say(ev.LiftHold(unit="E02", by="li")) + world.settle()
    (turned,) = of(made, ev.UnitDiverted)
    assert (turned.unit, turned.kind, turned.to) == ("E01", diversion.RELIEF, "")
    (ordered,) = of(made, ev.AssignmentOrdered)
    assert ordered.unit == "E02"
    (proposal,) = of(made, ev.ProposalMade)
    assert proposal.choices[0].chosen.relieves == "E01"
    assert proposal.choices[0].chosen.gain_s == turned.gain_s > Policy().swap_gain_s
    assert world.situation.units["E01"].assignment == ""


def test_by_hand_a_relief_is_proposed_and_confirmed(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, automatic=())
    world.say(ev.HoldUnit(unit="E02", by="li"))
    world.report(FIRE, priority=1, at=(3, 3))
    world.settle()
    incident = world.situation.incidents["i000001"]
    world.say(ev.ConfirmProposal(incident=incident.id, proposal=incident.proposal, by="wang"))
    world.settle()
    world.say(ev.LiftHold(unit="E02", by="li"))
    world.settle()
    proposal = world.situation.proposals[incident.proposal]
    assert [c.chosen.relieves for c in proposal.choices if c.chosen] == ["E01"]
    made = world.say(ev.ConfirmProposal(incident=incident.id, proposal=proposal.id, by="wang"))
    assert [o.unit for o in of(made, ev.AssignmentOrdered)] == ["E02"]
    assert not of(made, ev.OrderRefused)
