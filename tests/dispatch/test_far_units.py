"""Where units are: a position that can't be moves nobody."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatch.far import Surroundings
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.events import Event
from models.lifecycles import UnitState
from models.settings import CHECKOUT
from models.situation import dump, load
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld, of

FIRE = "i000001"
HOME = (WEST, SOUTH)
BESIDE = (WEST + STEP, SOUTH)
LOST_SIGN = (-WEST, SOUTH)


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads)


def tell(world: DeskWorld, place: ev.Point, *, by_crew: bool, unit: str = "E01") -> list[Event]:
    """Say where a unit is, by its crew's word or by its tracker."""
    if by_crew:
        lon, lat = place
        return world.say(
            ev.UnitStatusReported(unit=unit, state=UnitState.AVAILABLE, lon=lon, lat=lat)
        )
    return world.say(ev.UnitPositionsReported(positions={unit: place}))


@pytest.mark.parametrize("by_crew", [True, False], ids=["crew", "tracker"])
@pytest.mark.parametrize(
    "place",
    [(0.0, 0.0), LOST_SIGN, (SOUTH, WEST - 40), (WEST + 360, SOUTH), (WEST - 0.025, SOUTH)],
    ids=["no_fix", "lost_sign", "swapped", "out_of_range", "next_town"],
)
def test_a_position_that_can_not_be_is_kept_and_moves_nobody(
    world: DeskWorld, place: ev.Point, by_crew: bool
) -> None:
    tell(world, BESIDE, by_crew=by_crew)
    known_at = world.now
    world.now += timedelta(seconds=30)
    made = tell(world, place, by_crew=by_crew)
    (aside,) = of(made, ev.UnitPositionSetAside)
    assert (aside.unit, (aside.lon, aside.lat), aside.kept) == ("E01", place, BESIDE)
    unit = world.situation.units["E01"]
    assert ((unit.lon, unit.lat), unit.position_at) == (BESIDE, known_at)
    assert unit.far is not None
    assert ((unit.far.lon, unit.far.lat), unit.far.told_at) == (place, world.now)
    assert unit.far.away_m == aside.away_m


@pytest.mark.parametrize("by_crew", [True, False], ids=["crew", "tracker"])
def test_who_never_told_a_good_position_is_at_its_station(world: DeskWorld, by_crew: bool) -> None:
    tell(world, LOST_SIGN, by_crew=by_crew)
    unit = world.situation.units["E01"]
    assert (unit.lon, unit.lat) == HOME
    assert unit.far is not None
    assert unit.far.away_m == pytest.approx(10_683_880, rel=1e-6), "by the great circle"


def test_the_machine_sends_from_where_the_unit_was_known_to_be(world: DeskWorld) -> None:
    tell(world, LOST_SIGN, by_crew=True)
    world.report(at=(0, 0))
    (order,) = of(world.settle(), ev.AssignmentOrdered)
    assert order.unit == "E01"
    assert order.length_m < 10
    tell(world, (0.0, 0.0), by_crew=False)
    assert world.situation.units["E01"].lon == WEST, "under way too"


def test_a_good_position_clears_what_was_told_before(world: DeskWorld) -> None:
    tell(world, LOST_SIGN, by_crew=False)
    made = tell(world, BESIDE, by_crew=False)
    assert not of(made, ev.UnitPositionSetAside)
    unit = world.situation.units["E01"]
    assert ((unit.lon, unit.lat), unit.far) == (BESIDE, None)


def test_of_many_positions_only_those_that_can_not_be_are_set_aside(world: DeskWorld) -> None:
    made = world.say(
        ev.UnitPositionsReported(
            positions={"E01": (0.0, 0.0), "E02": BESIDE, "M01": LOST_SIGN, "nobody": (0.0, 0.0)}
        )
    )
    assert [one.unit for one in of(made, ev.UnitPositionSetAside)] == ["E01", "M01"]
    units = world.situation.units
    assert (units["E02"].lon, units["E02"].lat) == BESIDE


def test_what_is_told_again_and_again_is_news_once(world: DeskWorld) -> None:
    made = [e for _ in range(3) for e in tell(world, (0.0, 0.0), by_crew=False)]
    assert [one.again for one in of(made, ev.UnitPositionSetAside)] == [False, True, True]
    tell(world, BESIDE, by_crew=False)
    (anew,) = of(tell(world, (0.0, 0.0), by_crew=False), ev.UnitPositionSetAside)
    assert not anew.again


def test_a_unit_that_a_journal_of_before_left_far_away_is_at_its_station(world: DeskWorld) -> None:
    situation = load(dump(world.situation))
    situation.units["E01"].lon = -WEST
    world.desk = world.new_desk(situation)
    tell(world, (0.0, 0.0), by_crew=True)
    unit = world.situation.units["E01"]
    assert (unit.lon, unit.lat) == HOME


def test_a_crew_in_a_cell_without_streets_is_where_it_says(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    surroundings = Surroundings(tiny_roads, tiny_city)
    (lon, lat) = (WEST - 0.025, SOUTH)
    assert surroundings.is_far(lon, lat)
    cell = next(iter(tiny_city.cells.cells))
    inside = cell.middle
    assert not surroundings.can_not_be(*inside)
    assert surroundings.can_not_be(lon, lat)
    assert surroundings.can_not_be(float("nan"), lat)


@pytest.mark.parametrize(
    ("city", "unit", "wrong"),
    [("liyang", "municipal-team-001", (-119.48, 31.43)), ("san_francisco", "E35", (122.39, 37.78))],
)
def test_in_the_shipped_cities_a_lost_sign_moves_nobody(
    city: str, unit: str, wrong: ev.Point
) -> None:
    pack = CityPack.load(CHECKOUT / "cities" / city)
    world = DeskWorld(pack, RoadGraph.load(pack))
    known = world.situation.units[unit]
    at = known.lon, known.lat
    for by_crew in (True, False):
        tell(world, wrong, by_crew=by_crew, unit=unit)
        now = world.situation.units[unit]
        assert (now.lon, now.lat) == at
        assert now.far is not None
    good = next(one for one in pack.units if (one.lon, one.lat) != at)
    tell(world, (good.lon, good.lat), by_crew=False, unit=unit)
    now = world.situation.units[unit]
    assert ((now.lon, now.lat), now.far) == ((good.lon, good.lat), None)
