"""Roads that change under those who are on them: told at once, and swapped where that wins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dispatch import diversion
from dispatch.correlation import distance_m
from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.routes import WALK_M_S, Route
from dispatch.simulator import Simulator
from dispatch.travel_times import TravelTimes
from models import events as ev
from models.city import CityPack
from models.events import Choice
from models.lifecycles import UnitState
from models.situation import dump, load
from tests.dispatch.desk_world import PLANS, SOUTH, STEP, WEST, DeskWorld, of

FIRE = "accident.fire.structure"
AHEAD = ev.CloseRoad(closure="c1", lon=WEST + 1.5 * STEP, lat=SOUTH, radius_m=50.0, by="li")
"""In the middle of the street that leads east from E01's station."""


def under_way(
    city: CityPack,
    roads: RoadGraph,
    *,
    priority: int,
    automatic: tuple[int, ...] = (1, 2, 3, 4),
    at: tuple[int, int] = (2, 0),
) -> DeskWorld:
    """E01 has been driving east along the southern street for five seconds; E02 is held."""
    world = DeskWorld(city, roads, automatic=automatic)
    world.say(ev.HoldUnit(unit="E02", by="li"))
    world.report(FIRE, priority=priority, at=at)
    world.settle()
    incident = world.situation.incidents["i000001"]
    if incident.proposal:
        world.say(ev.ConfirmProposal(incident=incident.id, proposal=incident.proposal, by="wang"))
        world.settle()
    world.wait(60)
    world.status("E01", UnitState.EN_ROUTE)
    world.now += timedelta(seconds=5)
    assert world.situation.units["E01"].incident == incident.id
    return world


@pytest.mark.parametrize("priority", [1, 2, 3, 4])
def test_a_closure_ahead_is_told_with_the_way_round_and_what_it_costs(
    tiny_city: CityPack, tiny_roads: RoadGraph, priority: int
) -> None:
    world = under_way(tiny_city, tiny_roads, priority=priority)
    sent = world.situation.assignments["i000001-a1"]
    before, left_s = sent.drive_s, diversion.left_s(sent, world.situation.units["E01"], world.now)
    made = world.say(AHEAD)
    (told,) = of(made, ev.AssignmentRerouted)
    assert (told.unit, told.closure, told.why) == ("E01", "c1", "road_closed")
    assert told.added_s > 30
    assert told.drive_s == pytest.approx(left_s + told.added_s, abs=0.11)
    # It turns off, or round, before the middle of the closed street.
    assert all(abs(lon - AHEAD.lon) > 1e-4 or lat > SOUTH for lon, lat in told.route)
    assert (sent.route, sent.drive_s, sent.added_s) == (told.route, told.drive_s, told.added_s)
    assert sent.drive_s > before - 5
    world.now += timedelta(seconds=20)
    left_now = diversion.left_s(sent, world.situation.units["E01"], world.now)
    assert left_now == pytest.approx(told.drive_s - 20, abs=0.11)
    (back,) = of(world.say(ev.ReopenRoad(closure="c1", by="li")), ev.AssignmentRerouted)
    assert back.why == "road_reopened"
    assert back.added_s < 0


def test_a_slow_zone_and_a_closure_that_expires_are_told_too(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = under_way(tiny_city, tiny_roads, priority=2)
    slow = ev.CloseRoad(
        closure="c1", lon=WEST + 1.5 * STEP, lat=SOUTH, radius_m=50.0, by="li", speed=0.8,
        until=world.now + timedelta(seconds=3),
    )  # fmt: skip
    (told,) = of(world.say(slow), ev.AssignmentRerouted)
    assert (told.why, told.cut_off) == ("road_slow", False)
    (back,) = of(world.wait(4), ev.AssignmentRerouted)
    assert back.why == "road_reopened"
    assert back.added_s == pytest.approx(-told.added_s, abs=0.5)


def test_a_road_that_nobody_is_on_tells_nobody(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    world = under_way(tiny_city, tiny_roads, priority=2)
    far = ev.CloseRoad(closure="c1", lon=WEST, lat=SOUTH + 2.5 * STEP, radius_m=50.0, by="li")
    made = world.say(far)
    assert not of(made, ev.AssignmentRerouted)


def test_who_is_cut_off_is_told_so_and_relieved_whatever_the_priority(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = under_way(tiny_city, tiny_roads, priority=3, at=(3, 3))
    world.say(ev.LiftHold(unit="E02", by="li"))
    assert not of(world.settle(), ev.AssignmentOrdered), "no relief of the less urgent by itself"
    # The streets that lead out of the corner that E01 is still in.
    out = ev.CloseRoad(closure="bridge", edges=("h10", "v10", "h01", "v01"), by="li")
    made = world.say(out)
    (told,) = of(made, ev.AssignmentRerouted)
    assert told.cut_off
    sent = world.situation.assignments["i000001-a1"]
    assert diversion.left_s(sent, world.situation.units["E01"], world.now) == float("inf")
    made = world.settle()
    (turned,) = of(made, ev.UnitDiverted)
    assert (turned.unit, turned.kind) == ("E01", diversion.RELIEF)
    (ordered,) = of(made, ev.AssignmentOrdered)
    assert (ordered.unit, ordered.relieves) == ("E02", "i000001-a1")


def test_a_swap_after_a_closure_explains_itself(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    world = under_way(tiny_city, tiny_roads, priority=3, automatic=(), at=(3, 3))
    world.say(ev.LiftHold(unit="E02", by="li"))
    world.settle()
    world.say(ev.CloseRoad(closure="bridge", edges=("h10", "v10", "h01", "v01"), by="li"))
    (proposal,) = of(world.settle(), ev.ProposalMade)
    (choice,) = proposal.choices
    assert choice.chosen is not None
    assert (choice.chosen.unit, choice.chosen.relieves) == ("E02", "E01")
    assert choice.chosen.gain_s > Policy().swap_gain_s
    assert choice.route
    assert {e.rule: e.units for e in choice.excluded} == {"lacks_skill": ("M01", "T01")}
    assert proposal.coverage is not None
    assert proposal.coverage_after is not None
    incident = world.situation.incidents["i000001"]
    made = world.say(ev.ConfirmProposal(incident=incident.id, proposal=incident.proposal, by="w"))
    assert [o.unit for o in of(made, ev.AssignmentOrdered)] == ["E02"]
    assert not world.situation.units["E01"].assignment
    # Who took the place keeps it, while the roads stay as they are.
    assert not of(world.wait(30), ev.UnitDiverted, ev.ProposalMade)


def test_a_swap_is_proposed_beside_a_gap(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    """One of two places waits for somebody; who goes to the other may be relieved all the same."""
    world = under_way(tiny_city, tiny_roads, priority=2, automatic=(), at=(3, 3))
    engine = world.situation.units["E02"]
    third = ev.UnitRegistered(
        unit="E03", kind=engine.kind, skills=engine.skills, owner=engine.owner,
        lon=WEST + 3 * STEP, lat=SOUTH + 2 * STEP,
    )  # fmt: skip
    world.say(third)
    world.report(FIRE, priority=2, at=(3, 3), facts={"trapped": 2})
    world.say(ev.LiftHold(unit="E02", by="li"))
    world.settle()
    incident = world.situation.incidents["i000001"]
    before = world.situation.proposals[incident.proposal].choices
    assert [(c.chosen.unit, c.chosen.relieves) for c in before if c.chosen] == [("E02", "")]
    world.say(ev.CloseRoad(closure="bridge", edges=("h10", "v10", "h01", "v01"), by="li"))
    world.settle()
    choices: tuple[Choice, ...] = world.situation.proposals[incident.proposal].choices
    named = [(c.chosen.unit, c.chosen.relieves) for c in choices if c.chosen]
    assert named == [("E02", ""), ("E03", "E01")]
    places = [(c.requirement, c.slot) for c in choices]
    assert len(places) == len(set(places))
    assert not of(world.settle(), ev.ProposalMade), "the same is proposed again and again"
    made = world.say(ev.ConfirmProposal(incident=incident.id, proposal=incident.proposal, by="w"))
    assert sorted(o.unit for o in of(made, ev.AssignmentOrdered)) == ["E02", "E03"]


def test_a_recall_is_no_relief(tiny_city: CityPack, tiny_roads: RoadGraph) -> None:
    """The place of a unit that a person called back may still be taken by somebody sooner."""
    world = DeskWorld(tiny_city, tiny_roads, automatic=(1,))
    world.say(ev.HoldUnit(unit="E02", by="li"))
    world.report(FIRE, priority=1, at=(3, 3))
    world.settle()
    world.status("E01", UnitState.EN_ROUTE, UnitState.AVAILABLE)
    assert world.situation.assignments["i000001-a1"].state == "cancelled"
    world.settle()
    world.status("E01", UnitState.EN_ROUTE)
    made = world.say(ev.LiftHold(unit="E02", by="li")) + world.settle()
    assert [(t.unit, t.kind) for t in of(made, ev.UnitDiverted)] == [("E01", diversion.RELIEF)]


def test_where_a_unit_says_it_is_counts_and_not_where_it_should_be(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    """Stuck at its station for ten minutes, by its own reports: somebody else goes."""
    world = DeskWorld(tiny_city, tiny_roads, automatic=(1,))
    world.say(ev.HoldUnit(unit="E02", by="li"))
    world.report(FIRE, priority=1, at=(2, 3))
    world.settle()
    world.status("E01", UnitState.EN_ROUTE)
    unit, sent = world.situation.units["E01"], world.situation.assignments["i000001-a1"]
    home = unit.home_lon, unit.home_lat
    for _ in range(20):
        world.wait(30)
        world.say(ev.UnitPositionsReported(positions={"E01": home}))
    assert diversion.left_s(sent, unit, world.now) == pytest.approx(sent.drive_s, abs=0.1)
    assert diversion.where(sent, unit, world.now) == pytest.approx(home, abs=1e-6)
    made = world.say(ev.LiftHold(unit="E02", by="li")) + world.settle()
    assert [(t.unit, t.kind) for t in of(made, ev.UnitDiverted)] == [("E01", diversion.RELIEF)]


def test_half_of_the_way_by_report_is_half_of_the_drive(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = under_way(tiny_city, tiny_roads, priority=2, at=(2, 0))
    unit, sent = world.situation.units["E01"], world.situation.assignments["i000001-a1"]
    middle = (WEST + STEP, SOUTH)
    world.now += timedelta(seconds=3)
    world.say(ev.UnitPositionsReported(positions={"E01": middle}))
    half = sent.drive_s / 2
    assert diversion.left_s(sent, unit, world.now) == pytest.approx(half, abs=0.2)
    later = world.now + timedelta(seconds=10)
    assert diversion.left_s(sent, unit, later) == pytest.approx(half - 10, abs=0.2)
    assert diversion.where(sent, unit, later)[0] > middle[0]
    # Somewhere else altogether: it counts from there, by the roads.
    world.say(ev.UnitPositionsReported(positions={"E01": (WEST, SOUTH + 3 * STEP)}))
    assert diversion.off_way(sent, unit)
    assert diversion.where(sent, unit, later) == (WEST, SOUTH + 3 * STEP)


def test_a_proposal_whose_road_closes_goes_and_one_that_holds_is_not_computed_again(
    tiny_city: CityPack, tiny_roads: RoadGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, automatic=())
    world.report(FIRE, priority=2, at=(2, 0))
    world.settle()
    (withdrawn,) = of(world.say(AHEAD), ev.ProposalWithdrawn)
    assert withdrawn.why == "roads"
    world.settle()
    asked: list[object] = []
    route = TravelTimes.route

    def noted(*given: Any, **more: Any) -> Route | None:
        asked.append(given)
        return route(*given, **more)

    monkeypatch.setattr(TravelTimes, "route", noted)
    for _ in range(3):
        world.say(ev.SetAutomation(priorities=(), by="wang", reason="test"))
        assert not of(world.settle(), ev.ProposalMade)
    assert not asked, "nothing changed, and ways were computed"


def test_crews_of_a_drill_take_the_way_that_they_are_told(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = under_way(tiny_city, tiny_roads, priority=2)
    crews = Simulator(tiny_city, TravelTimes(tiny_roads), "tiny")
    for event in world.journal:
        crews.observe(event)
    made = world.say(AHEAD)
    (told,) = of(made, ev.AssignmentRerouted)
    for event in made:
        crews.observe(event)
    assert crews.next_due() == world.now + timedelta(seconds=told.drive_s)
    again = Simulator.resume(load(dump(world.situation)), tiny_city, TravelTimes(tiny_roads))
    assert again.next_due() == crews.next_due()
    half = world.now + timedelta(seconds=told.drive_s / 2)
    assert again.positions(half) == crews.positions(half)


def test_a_crew_that_is_cut_off_walks_and_is_nobodys_arrival_on_wheels(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = under_way(tiny_city, tiny_roads, priority=3, at=(3, 3))
    crews = Simulator(tiny_city, TravelTimes(tiny_roads), "tiny")
    for event in world.journal:
        crews.observe(event)
    here = crews.positions(world.now)["E01"]
    for event in world.say(
        ev.CloseRoad(closure="bridge", edges=("h10", "v10", "h01", "v01"), by="li")
    ):
        crews.observe(event)
    arrival = crews.next_due()
    assert arrival is not None
    goal = WEST + 3 * STEP, SOUTH + 3 * STEP
    assert (arrival - world.now).total_seconds() == pytest.approx(
        distance_m(*here, *goal) / WALK_M_S, rel=0.01
    )
    again = Simulator.resume(load(dump(world.situation)), tiny_city, TravelTimes(tiny_roads))
    resumed = again.next_due()
    assert resumed is not None
    assert abs((resumed - arrival).total_seconds()) < 60


def test_a_desk_that_takes_over_tells_nothing_twice(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    world = under_way(tiny_city, tiny_roads, priority=2)
    world.say(AHEAD)
    world.desk = Desk(
        load(dump(world.situation)), tiny_city, PLANS, TravelTimes(tiny_roads), Policy()
    )
    made = world.settle()
    assert not of(made, ev.AssignmentRerouted)
