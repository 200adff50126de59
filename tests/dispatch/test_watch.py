"""Crews that don't answer, don't arrive or drop out are told of, once."""

from __future__ import annotations

import pytest

from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.events import Event
from models.lifecycles import UnitState
from tests.dispatch.desk_world import DeskWorld, of

FIRE = "i000001"
ANSWER_S, OVERDUE_S = Policy().answer_s, Policy().overdue_s


@pytest.fixture
def sent(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    """A fire to which an engine was ordered by itself."""
    world = DeskWorld(tiny_city, tiny_roads)
    world.report(at=(2, 0))
    world.settle()
    return world


def order(world: DeskWorld) -> ev.AssignmentOrdered:
    (ordered,) = of(world.journal, ev.AssignmentOrdered)
    assert isinstance(ordered, ev.AssignmentOrdered)
    return ordered


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(one.kind, one.unit) for one in of(events, ev.EscalationRaised) if one.kind]


def test_a_crew_that_does_not_answer_is_told_of_once(sent: DeskWorld) -> None:
    unit, turnout_s = order(sent).unit, order(sent).turnout_s
    assert told(sent.wait(turnout_s + ANSWER_S - 1)) == []
    assert told(sent.wait(2)) == [("unanswered", unit)]
    assert told(sent.wait(4000)) == []
    (escalation,) = [e for e in sent.situation.incidents[FIRE].escalations if e.kind]
    assert (escalation.unit, escalation.to_role) == (unit, "dispatcher")
    # By this name a screen finds the assignment, and says whether it still holds.
    assert escalation.deadline == f"{sent.situation.units[unit].assignment}-unanswered"


def test_a_crew_that_is_under_way_is_told_of_when_it_does_not_arrive(sent: DeskWorld) -> None:
    unit, drive_s = order(sent).unit, order(sent).drive_s
    sent.status(unit, UnitState.ASSIGNED, UnitState.EN_ROUTE)
    assert told(sent.wait(drive_s + OVERDUE_S - 1)) == []
    assert told(sent.wait(2)) == [("overdue", unit)]
    assert told(sent.wait(4000)) == []


def test_a_crew_that_arrives_is_not_told_of(sent: DeskWorld) -> None:
    sent.status(order(sent).unit, UnitState.ASSIGNED, UnitState.EN_ROUTE, UnitState.ON_SCENE)
    assert told(sent.wait(4000)) == []


def test_a_desk_that_starts_again_watches_on(sent: DeskWorld) -> None:
    unit = order(sent).unit
    sent.desk = sent.new_desk(sent.situation)
    assert told(sent.wait(4000)) == [("unanswered", unit)]
    sent.desk = sent.new_desk(sent.situation)
    assert told(sent.wait(4000)) == []


def test_a_manual_order_left_without_a_unit_is_told_of(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, automatic=())
    world.report("city.other", priority=3)
    world.say(ev.SendUnits(incident=FIRE, units=("E01", "T01"), by="li"))
    assert told(world.status("E01", UnitState.OUT_OF_SERVICE)) == []
    assert told(world.status("T01", UnitState.OUT_OF_SERVICE)) == [("dropped_out", "T01")]


def test_a_unit_that_the_machine_replaces_is_not_told_of(
    sent: DeskWorld,
) -> None:
    made = sent.status(order(sent).unit, UnitState.OUT_OF_SERVICE)
    assert told(made) == []
    assert of(sent.settle(), ev.AssignmentOrdered)
