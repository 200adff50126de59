"""Every city decides on every category in every posture: whoever waits has a proposal or a reason.

The shipped packs with their own playbooks, and a made one with odd fleets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.categories import categories
from models.city import CityPack, UnitSpec
from models.lifecycles import UnitState
from models.settings import CHECKOUT
from models.words import Grade, Posture
from playbooks.engine import PlaybookSet
from playbooks.facts import IncidentFacts
from playbooks.samples import Samples
from tests.dispatch.desk_world import START, DeskWorld, undecided

PLANS = CHECKOUT / "playbooks" / "plans"
CITIES = ("liyang", "san_francisco")
AT_ONCE = 6
LOCAL_HOUR = START.astimezone(ZoneInfo("Asia/Shanghai")).hour
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


@pytest.mark.parametrize("posture", list(Posture))
@pytest.mark.parametrize("city", CITIES)
def test_every_playbook_is_decided(city: str, posture: Posture) -> None:
    pack, roads, plans = loaded(city)
    world = DeskWorld(pack, roads, plans=plans, exercise=posture is Posture.EMERGENCY)
    world.say(ev.SetPosture(posture=posture, by="li", reason="test"))
    never = []
    for number, name in enumerate(plans.playbooks):
        asked = asking_for(name, plans, posture)
        if asked is None:
            never.append(name)
            continue
        unit = pack.units[number % len(pack.units)]
        world.report(
            asked.category, priority=asked.priority, grade=Grade(asked.grade), code=asked.code,
            facts=asked.facts, lon=unit.lon, lat=unit.lat, cell=asked.cell,
        )  # fmt: skip
        (incident,) = [one for one in world.situation.incidents.values() if not one.ended]
        assert name in incident.playbooks
        look(world)
    assert len(never) < len(plans.playbooks) / 4, f"no sample for {never}"


def asking_for(name: str, plans: PlaybookSet, posture: Posture) -> IncidentFacts | None:
    """Return an incident to which a playbook applies now, of those that its condition names."""
    playbook = plans.playbooks[name]
    for sample in Samples(playbook.when, sorted(playbook.categories)):
        asked = msgspec.structs.replace(sample, posture=posture.value, hour=LOCAL_HOUR, alarms=1)
        if name in plans.match(asked).playbooks:
            return asked
    return None


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
