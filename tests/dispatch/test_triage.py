"""What nobody understood well enough waits for a person, unless a danger to life was read."""

from __future__ import annotations

import pytest

from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.situation import Proposal
from models.words import Grade
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
    world.report(confidence=0.4, triage=True, text="smoke")
    assert not of(world.settle(), ev.AssignmentOrdered)
    world.report(life_threat=True, text="smoke")
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
