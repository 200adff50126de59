"""What may be life-threatening and could not be read surely waits for a person, not for long."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dispatch.maybe import KEY, NOTICE
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.events import Event
from models.lifecycles import UnitState
from models.settings import GENERIC_PLANS
from models.words import Grade
from playbooks.engine import PlaybookSet
from tests.dispatch.desk_world import DeskWorld, of

LOOK_S = Policy().look_s
INCIDENT = "i000001"
UNSURE: dict[str, Any] = {"at": (2, 0), "priority": 1, "triage": True, "confidence": 0.4}


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads)


def told(events: list[Event]) -> list[str]:
    raised = of(events, ev.EscalationRaised)
    return [one.to_role for one in raised if one.notice == NOTICE]


def test_a_commander_is_told_when_it_is_not_looked_at(world: DeskWorld) -> None:
    world.report(**UNSURE)
    world.settle()
    assert not of(world.journal, ev.AssignmentOrdered)
    assert told(world.wait(LOOK_S + 1)) == ["commander"]
    assert told(world.wait(4000)) == []


def test_triage_stops_its_clock(world: DeskWorld) -> None:
    world.report(**UNSURE)
    world.say(
        ev.TriageIncident(
            incident=INCIDENT,
            category="city.noise",
            priority=4,
            grade=Grade.IV,
            by="li",
            reason="a film",
        )
    )
    assert f"{INCIDENT}-d-{KEY}" not in world.situation.deadlines
    assert told(world.wait(4000)) == []


def test_a_sure_danger_needs_no_clock_and_is_served(world: DeskWorld) -> None:
    world.report(**UNSURE | {"life_threat": True})
    world.settle()
    assert of(world.journal, ev.AssignmentOrdered)
    assert told(world.wait(4000)) == []


def test_nobody_is_told_once_units_go(world: DeskWorld) -> None:
    world.report(**UNSURE)
    world.settle()
    (proposal,) = world.situation.proposals.values()
    world.say(ev.ConfirmProposal(incident=INCIDENT, proposal=proposal.id, by="li"))
    (ordered, *_) = of(world.journal, ev.AssignmentOrdered)
    world.status(ordered.unit, UnitState.ASSIGNED)
    assert told(world.wait(LOOK_S + 1)) == []


def test_a_playbook_raises_no_drill_and_no_memory(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, plans=PlaybookSet.load(GENERIC_PLANS))
    read = ev.Reading(reader="test", language="zh", modality="drill", real=0.02, danger=0.9)
    world.report(priority=3, triage=True, confidence=0.9, reading=read)
    assert world.situation.incidents[INCIDENT].playbooks
    assert world.situation.incidents[INCIDENT].priority == 3
    live = msgspec.structs.replace(read, modality="live", real=0.9)
    world.report(at=(3, 3), priority=3, triage=True, confidence=0.9, reading=live)
    assert world.situation.incidents["i000002"].priority == 1


def test_a_later_report_starts_the_clock_of_an_incident(world: DeskWorld) -> None:
    world.report(at=(2, 0), priority=3, triage=True, confidence=0.4, text="smell")
    assert f"{INCIDENT}-d-{KEY}" not in world.situation.deadlines
    world.report(**UNSURE, text="smell")
    assert f"{INCIDENT}-d-{KEY}" in world.situation.deadlines
