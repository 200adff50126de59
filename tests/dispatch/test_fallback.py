"""A desk always decides: what fails in planning, and who plans then."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from dispatch import policies
from dispatch.assignment import Problem, Solution
from dispatch.coverage import Coverage
from dispatch.fallback import REST
from dispatch.planning import Planner
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from models import events as ev
from models.city import CityPack
from models.lifecycles import UnitState
from models.situation import Incident
from tests.dispatch.desk_world import DeskWorld, of

FIRE = "accident.fire.structure"


class Fails:
    """A city's own policy, with a mistake."""

    diverts = False
    covers = False
    is_mended = False

    def choose(self, problem: Problem) -> Solution:
        """Fail, or say who goes where."""
        if not Fails.is_mended:
            raise ZeroDivisionError("division by zero")
        return policies.BUILT_IN["joint"]().choose(problem)


@pytest.fixture
def failing(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    Fails.is_mended = False
    return DeskWorld(tiny_city, tiny_roads, policy=Policy(name=f"{__name__}:Fails"))


def test_a_failing_policy_is_told_once_and_the_next_simpler_one_plans(failing: DeskWorld) -> None:
    failing.report(FIRE, priority=1)
    first = failing.settle()
    assert [one.used for one in of(first, ev.PlanningFellBack)] == ["joint"]
    (told,) = of(first, ev.PlanningFellBack)
    assert told.error == "ZeroDivisionError: division by zero"
    assert of(first, ev.AssignmentOrdered), "life-threatening calls are ordered all the same"
    shown = failing.situation.rules.simpler_planning
    assert shown is not None
    assert shown.since == failing.now
    failing.report(FIRE, priority=2, at=(2, 2))
    assert of(failing.settle(), ev.PlanningFellBack) == []
    assert failing.situation.rules.simpler_planning == shown


def test_a_policy_that_works_again_is_told_and_plans(failing: DeskWorld) -> None:
    failing.report(FIRE, priority=2)
    failing.settle()
    Fails.is_mended = True
    failing.report(FIRE, priority=2, at=(2, 2))
    events = failing.settle()
    assert len(of(events, ev.PlanningRestored)) == 1
    assert failing.situation.rules.simpler_planning is None
    assert [one.policy for one in of(events, ev.ProposalMade)] == [f"{__name__}:Fails"]


def test_coverage_that_fails_leaves_who_goes_to_a_policy_without_it(
    tiny_city: CityPack, tiny_roads: RoadGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Coverage, "bare", _fail)
    world = DeskWorld(tiny_city, tiny_roads)
    world.report(FIRE, priority=1)
    events = world.settle()
    assert [one.used for one in of(events, ev.PlanningFellBack)] == ["joint"]
    assert of(events, ev.AssignmentOrdered)


def test_without_roads_the_nearest_is_proposed_and_nobody_is_ordered(
    tiny_city: CityPack, tiny_roads: RoadGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = DeskWorld(tiny_city, tiny_roads)
    monkeypatch.setattr(TravelTimes, "matrix", _fail)
    monkeypatch.setattr(TravelTimes, "nearest", _fail)
    world.report(FIRE, priority=1, at=(3, 3))
    events = world.settle()
    assert [one.used for one in of(events, ev.PlanningFellBack)] == ["nearest"]
    (proposal,) = of(events, ev.ProposalMade)
    assert [choice.chosen.unit for choice in proposal.choices] == ["E02"]
    assert not proposal.automatic
    assert not of(events, ev.AssignmentOrdered), "no road was looked at, so a person decides"
    # It stands as long as it can be carried out.
    world.report("health.medical", priority=2)
    assert [one.incident for one in of(world.settle(), ev.ProposalMade)] == ["i000002"]
    # And is an order like any other when a person confirms it.
    monkeypatch.undo()
    world.say(ev.ConfirmProposal(incident="i000001", proposal=proposal.proposal, by="li"))
    assert world.situation.units["E02"].incident == "i000001"


def test_without_roads_the_most_urgent_choose_first_and_a_unit_that_goes_is_replaced(
    tiny_city: CityPack, tiny_roads: RoadGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = DeskWorld(tiny_city, tiny_roads)
    monkeypatch.setattr(TravelTimes, "matrix", _fail)
    monkeypatch.setattr(TravelTimes, "nearest", _fail)
    world.report(FIRE, priority=3, at=(0, 0))
    assert named(world) == {"i000001": {"E01"}}
    # It wants both, and the one that the other waits for is one of them.
    world.report(FIRE, priority=1, at=(3, 3), facts={"trapped": 1})
    assert named(world) == {"i000001": set(), "i000002": {"E01", "E02"}}
    assert world.situation.proposals[world.situation.incidents["i000001"].proposal].shortage
    world.status("E02", UnitState.OUT_OF_SERVICE)
    assert named(world) == {"i000001": set(), "i000002": {"E01"}}


def named(world: DeskWorld) -> dict[str, set[str]]:
    """Settle; return which units the proposal of each incident names."""
    world.settle()
    situation = world.situation
    return {
        incident.id: {
            choice.chosen.unit
            for choice in situation.proposals[incident.proposal].choices
            if choice.chosen is not None
        }
        for incident in situation.incidents.values()
    }


def without_a_count(incident: Incident) -> None:
    incident.requirements = [msgspec.structs.replace(incident.requirements[0], count="two")]


def without_a_priority(incident: Incident) -> None:
    incident.priority = None  # type: ignore[assignment]


def without_a_time(incident: Incident) -> None:
    incident.opened_at = None  # type: ignore[assignment]


BREAK = pytest.mark.parametrize(
    "break_it", [without_a_count, without_a_priority, without_a_time], ids=lambda one: one.__name__
)
"""As no desk of today writes it, and a journal may have it."""


def with_a_broken_one(world: DeskWorld, break_it: Callable[[Incident], None]) -> None:
    """Report a fire that can't be planned for, and one more."""
    world.report(FIRE, priority=1, at=(0, 0))
    break_it(world.situation.incidents["i000001"])
    world.desk = world.new_desk(world.situation)
    world.report(FIRE, priority=1, at=(3, 3))


@BREAK
def test_an_unreadable_incident_is_named_with_its_error_and_holds_none_up(
    tiny_city: CityPack, tiny_roads: RoadGraph, break_it: Callable[[Incident], None]
) -> None:
    world = DeskWorld(tiny_city, tiny_roads)
    with_a_broken_one(world, break_it)
    events = world.settle()
    (told,) = of(events, ev.PlanningFellBack)
    assert (told.used, told.incidents) == (world.policy.name, ("i000001",))
    assert told.error.startswith("i000001: TypeError: ")
    assert [one.incident for one in of(events, ev.AssignmentOrdered)] == ["i000002"]


@BREAK
def test_nearest_names_an_unreadable_incident_and_plans_the_others(
    tiny_city: CityPack,
    tiny_roads: RoadGraph,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[Incident], None],
) -> None:
    world = DeskWorld(tiny_city, tiny_roads)
    monkeypatch.setattr(Planner, "plan", _fail)
    with_a_broken_one(world, break_it)
    events = world.settle()
    (told,) = of(events, ev.PlanningFellBack)
    assert (told.used, told.incidents) == ("nearest", ("i000001",))
    assert told.error.startswith("RuntimeError: nothing is to be had; i000001: TypeError: ")
    assert [one.incident for one in of(events, ev.ProposalMade)] == ["i000002"]


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("nothing is to be had")


def test_an_order_that_is_refused_has_a_simpler_plan_where_the_policy_fails(
    failing: DeskWorld,
) -> None:
    failing.report(FIRE, priority=2)
    incident = failing.incident_ids()[0]
    events = failing.say(ev.PinUnit(incident=incident, unit="T01", by="li"))
    (refused,) = of(events, ev.OrderRefused)
    (proposal,) = of(events, ev.ProposalMade)
    assert (refused.code, refused.proposal) == ("lacks_skill", proposal.proposal)


class Counts(Fails):
    """Plans, and counts how often it was asked."""

    asked = 0

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where."""
        Counts.asked += 1
        return policies.BUILT_IN["joint"]().choose(problem)


@pytest.fixture
def counting(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    Counts.asked = 0
    return DeskWorld(tiny_city, tiny_roads, policy=Policy(name=f"{__name__}:Counts"))


def fell_back(world: DeskWorld, hung: int) -> list[tuple[str, int]]:
    """Report, and tell the time as a worker whose desk hung so often; return what planned."""
    world.report(FIRE, priority=2, at=(len(world.situation.incidents) % 4, 2))
    events = world.say(ev.ClockTicked(hung=hung))
    return [(one.used, one.hung) for one in of(events, ev.PlanningFellBack)]


def test_a_policy_that_did_not_end_is_passed_over_and_so_on_to_one_that_cannot_hang(
    counting: DeskWorld,
) -> None:
    assert fell_back(counting, 1) == [("joint", 1)]
    assert counting.situation.incidents["i000001"].proposal
    assert fell_back(counting, 2) == [("closest-idle", 2)]
    assert fell_back(counting, 3) == [("nearest", 3)]
    assert fell_back(counting, 9) == [("nearest", 9)]
    assert not Counts.asked


def test_it_rests_for_an_hour_and_then_is_tried_again(counting: DeskWorld) -> None:
    fell_back(counting, 1)
    counting.wait(REST.total_seconds() - 1)
    counting.report(FIRE, priority=2, at=(2, 2))
    assert of(counting.settle(), ev.PlanningFellBack) == [], "it was told"
    assert not Counts.asked
    counting.wait(2)
    counting.report(FIRE, priority=2, at=(3, 3))
    assert len(of(counting.settle(), ev.PlanningRestored)) == 1
    assert Counts.asked
    assert counting.situation.rules.simpler_planning is None


def test_another_policy_is_tried_at_once(counting: DeskWorld) -> None:
    fell_back(counting, 1)
    counting.policy = Policy(name="closest-idle")
    counting.desk = counting.new_desk(counting.situation)
    counting.report(FIRE, priority=2, at=(3, 3))
    assert len(of(counting.settle(), ev.PlanningRestored)) == 1
