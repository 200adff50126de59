"""Every city decides on every category in every posture: whoever waits has a proposal or a reason.

The shipped packs with their own playbooks, and a made one with odd fleets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import msgspec
import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.categories import categories
from models.city import CityPack, UnitSpec
from models.lifecycles import UnitState
from models.settings import CHECKOUT
from models.words import Posture
from playbooks.engine import PlaybookSet
from tests.dispatch.desk_world import DeskWorld, undecided

PLANS = CHECKOUT / "playbooks" / "plans"
CITIES = ("liyang", "san_francisco")
AT_ONCE = 6
Fleet = Callable[[tuple[UnitSpec, ...]], tuple[UnitSpec, ...]]

FLEETS: dict[str, Fleet] = {
    "nobody": lambda units: (),
    "one": lambda units: units[:1],
    "no drivers": lambda units: tuple(
        msgspec.structs.replace(one, kind="grid_worker") for one in units
    ),
    "none of a skill": lambda units: tuple(u for u in units if "fire_suppression" not in u.skills),
}


@cache
def loaded(city: str) -> tuple[CityPack, RoadGraph, PlaybookSet]:
    pack = CityPack.load(CHECKOUT / "cities" / city)
    return pack, RoadGraph.load(pack), PlaybookSet.load(PLANS / city)


@pytest.mark.parametrize(
    ("exercise", "posture"), [(False, Posture.ROUTINE), (True, Posture.EMERGENCY)]
)
@pytest.mark.parametrize("city", CITIES)
def test_every_category_is_decided(city: str, exercise: bool, posture: Posture) -> None:
    pack, roads, plans = loaded(city)
    world = DeskWorld(pack, roads, plans=plans, exercise=exercise)
    world.say(ev.SetPosture(posture=posture, by="li", reason="flood"))
    decide_all(world, pack)


@pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS.keys())
@pytest.mark.parametrize("city", [*CITIES, "tiny"])
def test_every_category_is_decided_whatever_the_fleet(
    city: str, fleet: Fleet, tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    generic = PlaybookSet.load(PLANS / "generic")
    pack, roads, plans = (tiny_city, tiny_roads, generic) if city == "tiny" else loaded(city)
    pack = replace(pack, units=fleet(pack.units))
    decide_all(DeskWorld(pack, roads, plans=plans), pack)


def test_every_category_is_decided_with_everybody_out_of_service() -> None:
    pack, roads, plans = loaded("liyang")
    world = DeskWorld(pack, roads, plans=plans)
    for unit in pack.units:
        world.status(unit.id, UnitState.OUT_OF_SERVICE)
    decide_all(world, pack)


def decide_all(world: DeskWorld, pack: CityPack) -> None:
    """Report every category at places of the city, and look after each hand of them."""
    places = [(unit.lon, unit.lat) for unit in pack.units] or [pack.center]
    for number, category in enumerate(categories()):
        lon, lat = places[number % len(places)]
        world.report(category, priority=number % 4 + 1, lon=lon, lat=lat, cell="")
        if number % AT_ONCE == AT_ONCE - 1:
            look(world)
    look(world)


def look(world: DeskWorld) -> None:
    """Everything that waits is decided; then it is over, so that others have units again."""
    world.settle()
    assert world.situation.rules.simpler_planning is None
    assert not list(undecided(world))
    for incident in list(world.situation.incidents.values()):
        if not incident.ended:
            world.say(ev.CloseIncident(incident=incident.id, by="li", reason="over"))
