"""Nobody waits for ever behind more urgent calls, and no wait comes before a life."""

from __future__ import annotations

import pytest

from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from tests.dispatch.desk_world import DeskWorld, of

LONG_S = Policy().starved_after_s


@pytest.mark.parametrize(
    ("waits_s", "other", "first"),
    [
        (LONG_S - 60, 3, "other"),
        (LONG_S + 60, 3, "waiting"),
        (LONG_S + 60, 2, "waiting"),
        (10 * LONG_S, 1, "other"),
    ],
)
def test_who_waited_too_long_counts_as_urgent(
    tiny_city: CityPack, tiny_roads: RoadGraph, waits_s: float, other: int, first: str
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, automatic=(1, 2, 3, 4))
    for unit in tiny_city.units:
        world.say(ev.HoldUnit(unit=unit.id, by="li", reason="all away"))
    world.report(at=(0, 0), priority=4)
    world.wait(waits_s)
    world.report(at=(2, 2), priority=other)
    world.settle()
    world.say(ev.LiftHold(unit="E01", by="li", reason="back"))
    made = world.settle()
    (order,) = of(made, ev.AssignmentOrdered)
    assert order.incident == {"waiting": "i000001", "other": "i000002"}[first]
    (proposal,) = [p for p in of(made, ev.ProposalMade) if p.incident == order.incident]
    assert proposal.counted_priority == (2 if first == "waiting" else 0)
    assert order.turnout_s == Policy().turnout_s


def test_turnouts_are_those_that_the_city_recorded(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    (engine,) = [u for u in tiny_city.units if u.id == "E01"]
    policy = Policy(turnouts_s={engine.kind: 77.0})
    world = DeskWorld(tiny_city, tiny_roads, policy=policy)
    world.report(at=(1, 0))
    (order,) = of(world.settle(), ev.AssignmentOrdered)
    assert (order.unit, order.turnout_s) == ("E01", 77.0)
