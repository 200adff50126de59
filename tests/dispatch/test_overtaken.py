"""A proposal stands only as long as it can be confirmed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.events import Event
from models.lifecycles import UnitState
from tests.dispatch.desk_world import DeskWorld, of

FIRST, SECOND = "i000001", "i000002"
TAKES_AWAY: dict[str, Callable[[DeskWorld, str], list[Event]]] = {
    "sent by hand": lambda world, unit: world.say(
        ev.SendUnits(incident=SECOND, units=(unit,), by="li")
    ),
    "held": lambda world, unit: world.say(ev.HoldUnit(unit=unit, by="li", reason="tyres")),
    "out of service": lambda world, unit: world.status(unit, UnitState.OUT_OF_SERVICE),
}


@pytest.fixture
def two_fires(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    """Two fires, each with an engine proposed that nobody has confirmed."""
    world = DeskWorld(tiny_city, tiny_roads, automatic=())
    for at in ((0, 0), (3, 3)):
        world.report(at=at)
    world.settle()
    return world


def proposed(world: DeskWorld, incident: str) -> list[str]:
    proposal = world.situation.proposals[world.situation.incidents[incident].proposal]
    return [choice.chosen.unit for choice in proposal.choices if choice.chosen is not None]


@pytest.mark.parametrize("take", TAKES_AWAY.values(), ids=TAKES_AWAY.keys())
def test_a_proposal_is_withdrawn_in_the_step_that_takes_its_unit(
    two_fires: DeskWorld, take: Callable[[DeskWorld, str], list[Event]]
) -> None:
    (unit,) = proposed(two_fires, FIRST)
    made = take(two_fires, unit)
    (withdrawn,) = [w for w in of(made, ev.ProposalWithdrawn) if w.incident == FIRST]
    assert withdrawn.why == "overtaken"
    two_fires.settle()
    assert unit not in proposed(two_fires, FIRST)


def test_a_proposal_whose_units_are_free_stands(two_fires: DeskWorld) -> None:
    (unit,) = proposed(two_fires, FIRST)
    made = two_fires.say(ev.HoldUnit(unit="T01", by="li", reason="tyres"))
    assert of(made, ev.ProposalWithdrawn) == []
    assert proposed(two_fires, FIRST) == [unit]


def test_after_a_refusal_the_proposal_in_force_is_another_one(two_fires: DeskWorld) -> None:
    old = two_fires.situation.incidents[FIRST].proposal
    (unit,) = proposed(two_fires, FIRST)
    two_fires.say(ev.SendUnits(incident=SECOND, units=(unit,), by="li"))
    made = two_fires.say(ev.ConfirmProposal(incident=FIRST, proposal=old, by="wang"))
    (refused,) = of(made, ev.OrderRefused)
    assert refused.proposal not in ("", old)
    assert unit not in proposed(two_fires, FIRST)
