"""Who moves as what: each profile's own times, one network, the same closures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dispatch.roads import RoadGraph
from dispatch.routes import WALK_M_S
from dispatch.travel_times import TravelTimes
from models import events as ev
from models.city import CityPack
from models.errors import CityPackError
from models.profiles import Profile
from tests.dispatch.conftest import SOUTH, STEP, WEST
from tests.dispatch.desk_world import DeskWorld, of
from tests.dispatch.test_calibration import WEST_IS_SLOW

N00, N01, N33 = (WEST, SOUTH), (WEST + STEP, SOUTH), (WEST + 3 * STEP, SOUTH + 3 * STEP)
KINDS = ("engine", "ambulance", "gas_repair_van", "grid_worker", "volunteer_team", "unheard_of")


@pytest.fixture
def travel(tiny_city: CityPack, tiny_roads: RoadGraph) -> TravelTimes:
    """Streets of 36 km/h, `h00` one-way east."""
    return TravelTimes.of_pack(tiny_roads, tiny_city)


def test_each_moves_at_its_own_speed(travel: TravelTimes) -> None:
    seconds = {kind: float(travel.of_kind(kind).matrix([N00], [N01])[0, 0]) for kind in KINDS}
    assert seconds["engine"] == seconds["ambulance"] == seconds["unheard_of"]
    assert seconds["engine"] == pytest.approx(47.5)
    assert seconds["gas_repair_van"] == pytest.approx(47.5 / 0.8, abs=0.01)
    assert seconds["grid_worker"] == pytest.approx(475 * 3.6 / 25, abs=0.01)
    assert seconds["volunteer_team"] == pytest.approx(475 / WALK_M_S, abs=0.01)


def test_people_walk_against_one_way_streets_and_nobody_else_goes(travel: TravelTimes) -> None:
    back = {kind: travel.of_kind(kind).route(N01, N00) for kind in KINDS}
    lengths = {kind: route.length_m for kind, route in back.items() if route is not None}
    assert lengths["volunteer_team"] == pytest.approx(475)
    assert all(metres > 1500 for kind, metres in lengths.items() if kind != "volunteer_team")


def test_a_closure_holds_for_all(travel: TravelTimes) -> None:
    free = travel.matrix_of(KINDS, [N00] * len(KINDS), [N33])
    travel.set_closures(["h00", "h10", "v00"])
    for kind in KINDS:
        assert travel.of_kind(kind).closed_edges == {"h00", "h10", "v00"}
        route = travel.of_kind(kind).route(N01, N33)
        assert route is not None
        assert "h10" not in route.edge_ids
    travel.set_closures([])
    assert (travel.matrix_of(KINDS, [N00] * len(KINDS), [N33]) == free).all()


def test_lines_of_a_matrix_are_of_their_own_kind(travel: TravelTimes) -> None:
    chance = np.random.default_rng(3)
    places = chance.uniform([WEST, SOUTH], [WEST + 3 * STEP, SOUTH + 3 * STEP], (len(KINDS), 2))
    table = travel.matrix_of(KINDS, places, places)
    for row, kind in enumerate(KINDS):
        alone = travel.of_kind(kind).matrix(places[row : row + 1], places)[0]
        np.testing.assert_array_equal(table[row], alone)
    assert travel.matrix_of([], [], places).shape == (0, len(KINDS))


def test_what_engines_taught_does_not_hold_for_who_walks(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    calibrated = TravelTimes.of_pack(tiny_roads, replace(tiny_city, calibration=WEST_IS_SLOW))
    plain = TravelTimes.of_pack(tiny_roads, tiny_city)
    for kind in ("grid_worker", "volunteer_team"):
        assert calibrated.of_kind(kind).matrix([N00], [N33]) == plain.of_kind(kind).matrix(
            [N00], [N33]
        )
    assert calibrated.matrix([N00], [N33]) != plain.matrix([N00], [N33])


def test_a_pack_may_say_otherwise(tiny_city_path: Path, tiny_roads: RoadGraph) -> None:
    file = tiny_city_path / "city.yaml"
    said = file.read_text(encoding="utf-8")
    file.write_text(said + "profiles: {truck: foot, grid_worker: car}\n", encoding="utf-8")
    travel = TravelTimes.of_pack(tiny_roads, CityPack.load(tiny_city_path))
    assert travel.profile_of("truck") is Profile.FOOT
    assert travel.profile_of("grid_worker") is Profile.CAR
    assert travel.profile_of("volunteer_team") is Profile.FOOT
    file.write_text(said + "profiles: {truck: horse}\n", encoding="utf-8")
    with pytest.raises(CityPackError, match=r"city\.yaml:\d+.*horse"):
        CityPack.load(tiny_city_path)


def test_who_walks_is_nearer_and_comes_later(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    """An engine three blocks off is there before a crew that walks one block."""
    city = replace(tiny_city, profiles={"truck": Profile.FOOT})
    world = DeskWorld(city, tiny_roads, automatic=())
    for unit, kind, place in (("E01", "engine", N33), ("E02", "truck", N00)):
        world.say(
            ev.UnitRegistered(
                unit=unit,
                kind=kind,
                skills=("fire_suppression",),
                owner="government",
                lon=place[0],
                lat=place[1],
            )
        )
        world.say(ev.UnitPositionsReported(positions={unit: place}))
    world.report(at=(1, 0))
    (proposal,) = of(world.settle(), ev.ProposalMade)
    (choice,) = proposal.choices
    assert choice.chosen is not None
    assert choice.chosen.unit == "E01"
    (walks,) = [one for one in choice.runners_up if one.unit == "E02"]
    assert walks.drive_s == pytest.approx(475 / WALK_M_S, abs=0.2)
