"""Many mixed calls at once, in both cities: the most urgent are decided in the first plans."""

from __future__ import annotations

import random

import pytest

from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from models import events as ev
from models.categories import categories
from models.city import CityPack
from models.settings import CHECKOUT, Settings
from models.words import Grade
from playbooks.engine import PlaybookSet
from tests.dispatch.desk_world import DeskWorld, undecided

CALLS = 84
PLANS_AT_MOST = 40
URGENT = [
    "accident.fire.structure",
    "accident.gas_leak",
    "accident.hazmat.leak",
    "accident.rescue.water",
    "accident.traffic",
    "health.medical.cardiac",
    "accident.rescue.elevator",
    "accident.industrial.construction",
    "natural.flood.urban",
    "security.crime",
]


@pytest.mark.parametrize("city", ["liyang", "san_francisco"])
def test_a_burst_of_mixed_calls_is_decided_the_most_urgent_first(city: str) -> None:
    world = burst(city)
    urgent = [one.id for one in world.situation.incidents.values() if one.priority == 1]
    assert len(urgent) > CALLS // 5
    for _ in range(1 + len(urgent) // world.policy.proposals_at_most):
        world.say(ev.ClockTicked())
    situation = world.situation
    waiting = [
        name
        for name in urgent
        if not situation.incidents[name].assignments and not situation.incidents[name].proposal
    ]
    more = 0
    while situation.plan_due:
        world.say(ev.ClockTicked())
        more += 1
        assert more < PLANS_AT_MOST
    assert list(undecided(world)) == []
    # Only those have to wait whom no free unit fits, and they are told so.
    for name in waiting:
        assert not situation.incidents[name].assignments
        choices = situation.proposals[situation.incidents[name].proposal].choices
        assert not any(choice.chosen for choice in choices)


def burst(city: str) -> DeskWorld:
    """Return a city in which many calls have just come, a quarter of them of priority 1."""
    settings = Settings(city=city)
    pack = CityPack.load(CHECKOUT / "cities" / city)
    plans = PlaybookSet.load(settings.plans_dir)
    policy = Policy.of(settings, pack.calibration)
    world = DeskWorld(pack, RoadGraph.load(pack), plans=plans, policy=policy)
    chance, kinds = random.Random(3), [one for one in categories() if "." in one]
    cells = list(pack.cells)
    for number in range(CALLS):
        cell = chance.choice(cells)
        lon, lat = cell.middle
        hurt = chance.randint(0, 7)
        world.report(
            chance.choice(URGENT if number % 2 else kinds),
            priority=1 if number % 4 == 1 else chance.choice((2, 3)),
            grade=Grade.IV,
            lon=lon,
            lat=lat,
            cell=cell.code,
            facts={"injured": hurt, "casualties": hurt} if hurt > 4 else {},
            attributes={"source_incident": f"{number}"},
        )
    return world
