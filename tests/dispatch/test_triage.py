"""What nobody understood well enough waits for a person, unless a danger to life was read."""

from __future__ import annotations

import pytest

from dispatch.fallback import plan_nearest
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.step import Step
from models import events as ev
from models.city import CityPack
from models.events import NamedPlace
from models.situation import Proposal
from models.words import Grade
from tests.dispatch.desk_checks import held_back
from tests.dispatch.desk_world import DeskWorld, of

HERE = "i000001"


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads, automatic=(1, 2, 3, 4))


def proposal(world: DeskWorld) -> Proposal:
    return world.situation.proposals[world.situation.incidents[HERE].proposal]


def test_what_was_read_badly_is_proposed_and_ordered_by_nobody_but_a_person(
    world: DeskWorld,
) -> None:
    world.report(confidence=0.1, triage=True)
    made = world.wait(600)
    assert not of(made, ev.AssignmentOrdered)
    stands = proposal(world)
    assert (stands.automatic, stands.held) == (False, "triage")
    assert [c.chosen.unit for c in stands.choices if c.chosen]
    sent = world.say(ev.ConfirmProposal(incident=HERE, proposal=stands.id, by="wang"))
    assert {one.by for one in of(sent, ev.AssignmentOrdered)} == {"wang"}


def test_a_danger_to_life_waits_for_nobody(world: DeskWorld) -> None:
    world.report(confidence=0.4, triage=True, life_threat=True)
    assert of(world.settle(), ev.AssignmentOrdered)


def test_a_second_report_that_reads_a_danger_to_life_sends_at_once(world: DeskWorld) -> None:
    world.report(confidence=0.4, triage=True)
    assert not of(world.settle(), ev.AssignmentOrdered)
    world.report(life_threat=True)
    assert world.incident_ids() == [HERE]
    assert of(world.settle(), ev.AssignmentOrdered)


def test_triage_that_finds_what_was_believed_lets_the_machine_order(world: DeskWorld) -> None:
    world.report(confidence=0.1, triage=True)
    world.settle()
    known = world.situation.incidents[HERE]
    world.say(
        ev.TriageIncident(
            incident=HERE,
            category=known.category,
            priority=known.priority,
            grade=Grade.IV,
            by="wang",
        )
    )
    assert of(world.settle(), ev.AssignmentOrdered)


def test_the_proposal_says_so_only_where_a_machine_would_order_else(world: DeskWorld) -> None:
    world.say(ev.SetAutomation(priorities=(), by="wang", reason="test"))
    world.report(confidence=0.1, triage=True)
    world.settle()
    assert proposal(world).held == ""
    world.say(ev.SetAutomation(priorities=(1,), by="wang", reason="test"))
    world.settle()
    assert proposal(world).held == "triage"


def test_a_fast_replay_has_nobody_to_ask(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    world = DeskWorld(tiny_city, tiny_roads, policy=Policy(automatic_untriaged=True))
    world.report(confidence=0.1, triage=True)
    assert of(world.settle(), ev.AssignmentOrdered)


def one_engine(world: DeskWorld) -> None:
    world.say(ev.HoldUnit(unit="E02", by="li", reason="refuelling"))


def named(world: DeskWorld, incident: str) -> list[str]:
    stands = world.situation.proposals.get(world.situation.incidents[incident].proposal)
    return [c.chosen.unit for c in stands.choices if c.chosen] if stands else []


@pytest.mark.parametrize("priority", [1, 2, 3, 4])
def test_who_is_sent_at_once_gets_the_unit_that_an_unsure_proposal_names(
    world: DeskWorld, priority: int
) -> None:
    one_engine(world)
    world.report(confidence=0.1, triage=True, at=(0, 2))
    world.wait(600)
    assert named(world, HERE) == ["E01"]
    world.report(at=(3, 1), priority=priority)
    made = world.settle()
    (sent,) = of(made, ev.AssignmentOrdered)
    assert (sent.incident, sent.unit, sent.by) == ("i000002", "E01", "gridcommand")
    replaced = [one for one in of(made, ev.ProposalMade) if one.incident == HERE]
    assert (replaced[0].held, replaced[0].shortage) == ("triage", {"engines": 1})
    assert not list(held_back(world))


def test_many_unsure_proposals_keep_no_unit_from_those_who_are_sure(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    policy = Policy(incidents_per_plan=2, proposals_per_plan=1)
    world = DeskWorld(tiny_city, tiny_roads, automatic=(1, 2), policy=policy)
    for at in [(0, 0), (3, 3), (0, 3), (3, 0)]:
        world.report(confidence=0.1, triage=True, at=at)
    world.wait(60)
    for at, priority in [((1, 1), 2), ((2, 2), 1)]:
        world.report(at=at, priority=priority)
    sent = of(world.settle(), ev.AssignmentOrdered)
    assert {one.incident for one in sent} == {"i000005", "i000006"}


def test_an_unsure_proposal_stands_while_what_is_sure_has_other_units(world: DeskWorld) -> None:
    world.report(confidence=0.1, triage=True, at=(0, 1))
    world.settle()
    assert named(world, HERE) == ["E01"]
    stood = proposal(world)
    world.report(at=(3, 2))
    world.report("health.medical", at=(1, 1))
    made = world.wait(600)
    assert {one.unit for one in of(made, ev.AssignmentOrdered)} == {"E02", "M01"}
    assert proposal(world).id == stood.id


@pytest.mark.parametrize("unplaced", [False, True])
def test_of_those_that_wait_for_a_person_the_sure_one_comes_first(
    tiny_city: CityPack, tiny_roads: RoadGraph, unplaced: bool
) -> None:
    """Where nothing is sent by the machine, and where it is but not to the sure one."""
    world = DeskWorld(tiny_city, tiny_roads, automatic=(1,) if unplaced else ())
    one_engine(world)
    world.report(confidence=0.1, triage=True, at=(0, 1))
    world.wait(600)
    assert named(world, HERE) == ["E01"]
    if unplaced:
        near = NamedPlace(lon=119.41, lat=31.41, names={})
        world.report(lon=None, lat=None, near=near)
    else:
        world.report(at=(3, 2))
    world.settle()
    assert (named(world, HERE), named(world, "i000002")) == ([], ["E01"])
    world.wait(600)
    assert named(world, "i000002") == ["E01"]


def test_who_is_less_urgent_takes_nothing_from_an_unsure_life(world: DeskWorld) -> None:
    world.say(ev.SetAutomation(priorities=(1,), by="wang", reason="test"))
    one_engine(world)
    world.report(confidence=0.1, triage=True, at=(0, 1))
    world.settle()
    world.report(at=(3, 2), priority=2)
    world.settle()
    assert (named(world, HERE), named(world, "i000002")) == (["E01"], [])


def test_the_nearest_is_proposed_to_the_sure_one_where_planning_fails(
    world: DeskWorld,
) -> None:
    one_engine(world)
    world.report(confidence=0.1, triage=True, at=(0, 1))
    world.settle()
    tick = world.report(at=(3, 2))[0]
    assert not plan_nearest(Step(world.situation, tick), world.policy)
    assert (named(world, HERE), named(world, "i000002")) == ([], ["E01"])


def test_who_is_sooner_relieves_though_an_unsure_proposal_could_have_it(world: DeskWorld) -> None:
    world.say(ev.HoldUnit(unit="E01", by="li", reason="refuelling"))
    world.report(at=(0, 1))
    (far,) = of(world.settle(), ev.AssignmentOrdered)
    assert far.unit == "E02"
    world.report(confidence=0.1, triage=True, at=(1, 0))
    world.wait(30)
    assert named(world, "i000002") == []
    world.say(ev.LiftHold(unit="E01", by="li", reason="ready"))
    (sooner,) = of(world.settle(), ev.AssignmentOrdered)
    assert (sooner.unit, sooner.incident, sooner.relieves) == ("E01", HERE, far.assignment)
    assert named(world, "i000002") == ["E02"]
