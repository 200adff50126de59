"""What nobody understood well enough waits for a person, unless a danger to life was read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.events import Event
from models.lifecycles import IncidentState, TaskState, UnitState
from models.situation import Proposal
from models.words import Grade
from playbooks.engine import PlaybookSet
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


JUDGED = """
id: judged
names: {zh: 研判, en: Judge}
when: "true"
tasks:
  - {key: triage, title: {zh: 研判, en: Judge}, role: dispatcher, within_s: 600, until: triaged}
deadlines:
  - key: not_triaged
    after_s: 900
    while: [open]
    until: triaged
    escalate: {to_role: commander, notice: {zh: 未研判, en: Not judged}}
"""


@pytest.fixture
def judging(tiny_city: CityPack, tiny_roads: RoadGraph, tmp_path: Path) -> DeskWorld:
    (tmp_path / "judged.yaml").write_text(JUDGED, encoding="utf-8")
    return DeskWorld(tiny_city, tiny_roads, plans=PlaybookSet.load(tmp_path))


def judge(world: DeskWorld) -> list[Event]:
    return world.say(
        ev.TriageIncident(
            incident=HERE, category="city.other", priority=3, grade=Grade.IV, by="wang"
        )
    )


@pytest.mark.parametrize("after_s", [60, 700])
def test_a_persons_triage_ends_what_asked_for_it_and_not_the_incident(
    judging: DeskWorld, after_s: int
) -> None:
    judging.report("city.other", triage=True, confidence=0.1)
    judging.wait(after_s)
    judge(judging)
    (task,) = judging.situation.tasks.values()
    assert (task.state, task.by) == (TaskState.DONE, "wang")
    assert not judging.situation.deadlines
    assert not of(judging.wait(3600), ev.EscalationRaised)
    judging.report("city.other", triage=True, at=(1, 0))
    incident = judging.situation.incidents[HERE]
    assert incident.state is IncidentState.OPEN, "it says what it is, not that it is over"
    judging.say(ev.SendUnits(incident=HERE, units=("E01",), by="wang"))
    judging.status("E01", UnitState.AVAILABLE)
    assert incident.state is IncidentState.OPEN


def test_what_a_person_judged_is_not_to_be_judged_again(judging: DeskWorld) -> None:
    judging.report("city.other")
    judge(judging)
    judging.say(ev.CloseIncident(incident=HERE, by="wang"))
    made = judging.say(ev.ReopenIncident(incident=HERE, by="wang", reason="still there"))
    assert not of(made, ev.OrderRefused)
    assert not of(made, ev.TaskAssigned, ev.DeadlineSet)


def test_nobody_who_judges_is_told_of_and_triage_after_that_settles_it(judging: DeskWorld) -> None:
    judging.report("city.other")
    (told,) = of(judging.wait(1000), ev.EscalationRaised)
    assert told.to_role == "commander"
    (escalation,) = judging.situation.incidents[HERE].escalations
    assert escalation.until == "triaged"
