"""Where an incident is: places that can't be, places that words name, and a person's word."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dispatch.correlation import METRES_A_DEGREE
from dispatch.far import FAR_M, KnownPlaces, Surroundings
from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.events import Event, NamedPlace
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld, of

FIRE = "i000001"
NOWHERE: dict[str, Any] = {"lon": None, "lat": None, "cell": "", "outside": True}
LOST_SIGN: dict[str, Any] = {"lon": -WEST, "lat": SOUTH, "cell": "", "outside": True}
NEAR = NamedPlace(lon=WEST + 3 * STEP, lat=SOUTH + 3 * STEP, names={"zh": "北村", "en": "North"})


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads)


def proposed(events: list[Event]) -> list[str]:
    (proposal,) = of(events, ev.ProposalMade)
    return [choice.chosen.unit for choice in proposal.choices if choice.chosen is not None]


@pytest.mark.parametrize(
    ("lon", "lat", "far"),
    [
        (WEST, SOUTH, False),
        (WEST - 0.015, SOUTH, False),  # 1.4 km west of the last street
        (WEST - 0.025, SOUTH, True),
        (-WEST, SOUTH, True),
        (0.0, 0.0, True),
        (WEST + 360, SOUTH, False),
    ],
)
def test_what_is_two_kilometres_from_all_that_a_city_has_is_far(
    tiny_city: CityPack, tiny_roads: RoadGraph, lon: float, lat: float, far: bool
) -> None:
    assert Surroundings(tiny_roads, tiny_city).is_far(lon, lat) is far


@st.composite
def towns(draw: st.DrawFn) -> tuple[NDArray[np.float64], list[tuple[float, float]]]:
    """Places around one point of the earth, and points in and around them."""
    middle = draw(st.sampled_from((0.0, 119.4, -122.4, 179.99, -180.0)))
    lat = draw(st.sampled_from((0.0, 31.4, -54.8, 78.2, 89.97, -90.0)))
    spread = draw(st.sampled_from((0.01, 0.05, 1.0)))
    aside = st.floats(-spread, spread)
    wide = max(0.01, math.cos(math.radians(lat)))

    def point() -> tuple[float, float]:
        lon = (middle + draw(aside) / wide + 180) % 360 - 180
        return lon, min(90.0, max(-90.0, lat + draw(aside)))

    known = [point() for _ in range(draw(st.integers(0, 12)))]
    anywhere = st.tuples(st.floats(-540, 540), st.floats(-90, 90))
    asked = [point() for _ in range(12)] + [draw(anywhere)]
    return np.array(known, np.float64).reshape(-1, 2), asked


@given(towns())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_few_places_are_looked_at_and_the_answer_is_that_of_all(
    town: tuple[NDArray[np.float64], list[tuple[float, float]]],
) -> None:
    lonlat, asked = town
    known = KnownPlaces(lonlat)
    for lon, lat in asked:
        away = np.abs(lonlat - (lon, lat))
        away[:, 0] = np.minimum(away[:, 0], 360.0 - away[:, 0]) * np.cos(np.radians(lat))
        near = (np.hypot(away[:, 0], away[:, 1]) <= FAR_M / METRES_A_DEGREE).any()
        assert known.any_near(lon, lat) == near, (lon, lat)


def test_a_place_at_the_edge_of_far_and_across_the_antimeridian() -> None:
    known = KnownPlaces(np.array([[179.99, -17.0]]))
    edge = FAR_M / METRES_A_DEGREE
    for within, near in ((0.999, True), (1.001, False)):
        east = 179.99 + within * edge / math.cos(math.radians(-17.0)) - 360
        assert known.any_near(east, -17.0) is near
        assert known.any_near(179.99, -17.0 + within * edge) is near
        assert known.any_near(179.99, -17.0 - within * edge) is near


def test_no_unit_is_proposed_or_sent_to_an_impossible_place(world: DeskWorld) -> None:
    made = world.report(**LOST_SIGN) + world.wait(3000)
    assert not of(made, ev.AssignmentOrdered, ev.ProposalMade)
    incident = world.situation.incidents[FIRE]
    assert incident.far
    assert incident.lon == -WEST, "what was said is kept"


def test_two_reports_of_one_impossible_place_are_two_incidents(world: DeskWorld) -> None:
    for _ in range(2):
        world.report(**LOST_SIGN)
    assert len(world.incident_ids()) == 2


def test_a_place_that_words_name_is_proposed_for_and_never_sent_to_by_itself(
    world: DeskWorld,
) -> None:
    made = world.report(**NOWHERE, near=NEAR) + world.settle()
    assert proposed(made) == ["E02"], "the engine that stands there"
    assert not of(made, ev.AssignmentOrdered)


def test_a_person_gives_a_place_and_the_machine_goes_on_from_there(world: DeskWorld) -> None:
    world.report(**NOWHERE, near=NEAR)
    world.settle()
    lon, lat = WEST + STEP / 10, SOUTH
    made = world.say(
        ev.PlaceIncident(incident=FIRE, lon=lon, lat=lat, place="一号楼", by="li", reason="called")
    )
    (placed,) = of(made, ev.IncidentPlaced)
    assert (placed.cell, placed.outside, placed.by, placed.reason) == (
        "tiny-r0c0", False, "li", "called",
    )  # fmt: skip
    assert [w.why for w in of(made, ev.ProposalWithdrawn)] == ["overtaken"]
    (order,) = of(world.settle(), ev.AssignmentOrdered)
    assert order.unit == "E01"
    incident = world.situation.incidents[FIRE]
    assert (incident.lon, incident.lat, incident.place, incident.near) == (lon, lat, "一号楼", None)


def test_a_cell_is_a_place_too(world: DeskWorld, tiny_city: CityPack) -> None:
    world.report(**LOST_SIGN)
    world.say(ev.PlaceIncident(incident=FIRE, cell="tiny-r1c1", by="li"))
    incident = world.situation.incidents[FIRE]
    cell = tiny_city.cells.get("tiny-r1c1")
    assert cell is not None
    assert (incident.lon, incident.lat) == cell.middle
    assert (incident.cell, incident.far) == ("tiny-r1c1", False)
    assert of(world.settle(), ev.AssignmentOrdered)


@pytest.mark.parametrize("told", [NOWHERE | {"near": NEAR}, LOST_SIGN], ids=["nowhere", "far"])
def test_who_reported_gives_a_place_as_a_dispatcher_does(
    world: DeskWorld, told: dict[str, Any]
) -> None:
    world.report(**told)
    world.settle()
    had = world.situation.incidents[FIRE].proposal
    (report,) = world.situation.incidents[FIRE].reports
    lon, lat = WEST + STEP / 10, SOUTH
    made = world.say(ev.ReportPlaced(report=report, lon=lon, lat=lat, place="一号楼", by="worker1"))
    assert [w.proposal for w in of(made, ev.ProposalWithdrawn)] == ([had] if had else [])
    (placed,) = of(made, ev.IncidentPlaced)
    assert (placed.incident, placed.cell, placed.by) == (FIRE, "tiny-r0c0", "worker1")
    (order,) = of(world.settle(), ev.AssignmentOrdered)
    assert order.unit == "E01"
    incident = world.situation.incidents[FIRE]
    assert (incident.lon, incident.lat, incident.place, incident.far) == (lon, lat, "一号楼", False)


def test_what_a_dispatcher_placed_who_reported_moves_no_more(world: DeskWorld) -> None:
    world.report(**NOWHERE)
    (report,) = world.situation.incidents[FIRE].reports
    world.say(ev.PlaceIncident(incident=FIRE, cell="tiny-r1c1", by="li"))
    stood = world.situation.incidents[FIRE].at
    made = world.say(ev.ReportPlaced(report=report, lon=WEST, lat=SOUTH, by="worker1"))
    (refused,) = of(made, ev.EventRefused)
    assert (refused.code, refused.event, refused.by) == ("placed_already", made[0].id, "worker1")
    assert "dispatcher" in refused.detail, "it says what can be done"
    assert world.situation.incidents[FIRE].at == stood


def test_an_incident_that_others_have_told_the_place_of_is_not_moved(world: DeskWorld) -> None:
    world.report(**NOWHERE)
    world.report()
    placed, other = world.situation.incidents[FIRE], world.situation.incidents["i000002"]
    world.say(ev.MergeIncidents(incident=other.id, duplicate=FIRE, by="li"))
    (report,) = placed.reports
    stood = other.at
    assert report in other.reports
    made = world.say(ev.ReportPlaced(report=report, lon=WEST, lat=SOUTH, by="worker1"))
    assert [r.code for r in of(made, ev.EventRefused)] == ["placed_already"]
    assert (other.at, placed.is_placed) == (stood, False)


def test_a_place_of_a_report_that_can_not_be_used_is_refused_with_what_to_do(
    world: DeskWorld,
) -> None:
    def refusal(report: str, lon: float) -> str:
        made = world.say(ev.ReportPlaced(report=report, lon=lon, lat=SOUTH, by="worker1"))
        (refused,) = of(made, ev.EventRefused)
        assert not of(made, ev.IncidentPlaced)
        return str(refused.code)

    assert refusal("unknown", WEST) == "unknown_report"
    world.report(**NOWHERE)
    (report,) = world.situation.incidents[FIRE].reports
    assert refusal(report, -WEST) == "far_place"
    assert refusal(report, float("nan")) == "far_place"
    world.say(ev.CloseIncident(incident=FIRE, by="li", reason="found by phone"))
    assert refusal(report, WEST) == "incident_ended"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (ev.PlaceIncident(incident=FIRE, lon=0.0, lat=0.0, by="li"), "far_place"),
        (ev.PlaceIncident(incident=FIRE, cell="nowhere", by="li"), "unknown_cell"),
        (ev.PlaceIncident(incident="i9", lon=WEST, lat=SOUTH, by="li"), "unknown_incident"),
    ],
)
def test_a_place_that_can_not_be_is_refused(
    world: DeskWorld, order: ev.PlaceIncident, code: str
) -> None:
    world.report(**NOWHERE)
    (refused,) = of(world.say(order), ev.OrderRefused)
    assert refused.code == code
    assert not world.situation.incidents[FIRE].is_placed
