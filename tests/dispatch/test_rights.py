"""What a desk does with an order of somebody who may not give it: nothing, and it says so."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.rights import EVERYWHERE, RIGHTS, Place
from models.situation import dump, load
from models.words import Role
from tests.dispatch.desk_world import DeskWorld, of
from tests.every_order import FIELDS, KINDS, name_of

RIGHTLESS = {"no_right", "no_right_here"}
BELONGS = {
    Place.OWN: ("tiny",),
    Place.EXERCISE: ("tiny",),
    Place.FOREIGN: ("elsewhere",),
}


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads)


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_an_order_counts_as_the_table_says(
    kind: type[ev.Order], tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    sides = {side: DeskWorld(tiny_city, tiny_roads, exercise=side) for side in (False, True)}
    for role, place in product(Role, Place):
        world = sides[place is Place.EXERCISE]
        before = load(dump(world.situation))
        order = kind(
            by="somebody", role=role, jurisdictions=BELONGS[place], reason="r", **FIELDS[kind]
        )
        made = world.say(order)
        codes = {refused.code for refused in of(made, ev.OrderRefused)}
        counts = role in RIGHTS[kind].roles(place)
        assert (not codes & RIGHTLESS) is counts, (role, place, codes)
        assert made[0].data == order, "it stands in the journal, whatever came of it"
        if not counts:
            assert [type(event.data) for event in made[1:]] == [ev.OrderRefused]
            after = load(dump(world.situation))
            after.seq, after.now = before.seq, before.now
            assert dump(after) == dump(before), "an order that counts for nothing changes nothing"


@pytest.mark.parametrize("jurisdictions", [("tiny.exercise",), ("elsewhere", "tiny2")])
def test_who_belongs_elsewhere_orders_nothing_here(
    jurisdictions: tuple[str, ...], world: DeskWorld
) -> None:
    made = world.say(ev.HoldUnit(by="x", unit="E01", role=Role.ADMIN, jurisdictions=jurisdictions))
    (refused,) = of(made, ev.OrderRefused)
    assert refused.code == "no_right_here"
    assert jurisdictions[0] in refused.detail
    assert world.situation.units["E01"].held_by == ""


def test_an_order_that_says_no_role_and_no_place_counts_for_nothing(world: DeskWorld) -> None:
    event = world.event(ev.HoldUnit(by="x", unit="E01"))
    bare = msgspec.structs.replace(event, data=ev.HoldUnit(by="x", unit="E01"))
    (refused,) = of(world.hand(bare), ev.OrderRefused)
    assert refused.code == "no_right_here"


def test_everywhere_is_here_too(world: DeskWorld) -> None:
    made = world.say(
        ev.HoldUnit(by="x", unit="E01", role=Role.DISPATCHER, jurisdictions=(EVERYWHERE,))
    )
    assert of(made, ev.UnitHeld)
