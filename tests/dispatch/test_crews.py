"""What crews say of themselves: who drops out is replaced, and wrong clocks decide nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.lifecycles import AssignmentState, IncidentState, UnitState
from models.situation import dump, load
from tests.dispatch.desk_world import START, DeskWorld, of

GO = (UnitState.ASSIGNED, UnitState.EN_ROUTE, UnitState.ON_SCENE)


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads)


def test_a_cancelled_turnout_leaves_the_incident_open_and_somebody_else_goes(
    world: DeskWorld,
) -> None:
    world.report(at=(1, 0))
    world.settle()
    world.status("E01", UnitState.OUT_OF_SERVICE)
    assert world.situation.assignments["i000001-a1"].state is AssignmentState.CANCELLED
    (order,) = of(world.settle(), ev.AssignmentOrdered)
    assert order.unit == "E02"


@pytest.mark.parametrize("stages", [(), GO[:1], GO[:2], GO], ids=lambda s: s[-1] if s else "")
@pytest.mark.parametrize("automatic", [(1,), ()])
def test_who_drops_out_leaves_its_place_open_and_the_log_says_why(
    tiny_city: CityPack,
    tiny_roads: RoadGraph,
    stages: tuple[UnitState, ...],
    automatic: tuple[int, ...],
) -> None:
    world = DeskWorld(tiny_city, tiny_roads, automatic=automatic)
    world.report(at=(1, 0))
    for proposal in of(world.settle(), ev.ProposalMade):
        if not automatic:
            confirm = ev.ConfirmProposal(incident="i000001", proposal=proposal.proposal, by="wang")
            world.say(confirm)
    world.status("E01", *stages)
    made = world.status("E01", UnitState.OUT_OF_SERVICE)
    (ended,) = of(made, ev.AssignmentMoved)
    assert (ended.state, ended.by, ended.reason) == (
        AssignmentState.CANCELLED,
        "E01",
        "out_of_service",
    )
    assert world.situation.assignments["i000001-a1"].end_reason == "out_of_service"
    assert world.situation.units["E01"].state is UnitState.OUT_OF_SERVICE
    assert world.situation.incidents["i000001"].state is IncidentState.OPEN
    made = world.settle()
    (proposal,) = of(made, ev.ProposalMade)
    assert [c.chosen.unit for c in proposal.choices if c.chosen] == ["E02"]
    assert [o.unit for o in of(made, ev.AssignmentOrdered)] == (["E02"] if automatic else [])


def test_an_ambulance_that_drops_out_is_replaced_until_its_patient_is_handed_over(
    world: DeskWorld,
) -> None:
    way = (*GO, UnitState.TRANSPORTING)
    for number, (stages, ended) in enumerate(
        [
            (way, AssignmentState.CANCELLED),
            ((*way, UnitState.AT_HOSPITAL), AssignmentState.CLEARED),
        ],
        start=1,
    ):
        world.report("health.medical", at=(2, number))
        world.settle()
        world.status("M01", *stages, UnitState.OUT_OF_SERVICE)
        assert world.situation.assignments[f"i{number:06d}-a1"].state is ended
        incident = world.situation.incidents[f"i{number:06d}"]
        assert incident.ended == (ended is AssignmentState.CLEARED)
        world.say(ev.CloseIncident(incident=incident.id, by="wang"))
        world.status("M01", UnitState.AVAILABLE)


def test_who_was_turned_while_it_said_that_it_drops_out_has_dropped_out(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    world.settle()
    world.report("health.medical", at=(2, 0), priority=3)
    world.say(ev.DivertUnit(incident="i000002", unit="E01", by="wang"))
    late = ev.UnitStatusReported(
        unit="E01", state=UnitState.OUT_OF_SERVICE, assignment="i000001-a1"
    )
    made = world.say(late)
    assert not of(made, ev.EventRefused)
    assert [m.assignment for m in of(made, ev.AssignmentMoved)] == ["i000002-a1"]
    assert world.situation.units["E01"].state is UnitState.OUT_OF_SERVICE


def test_who_dropped_out_goes_on_with_its_queue_when_it_can_again(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    world.settle()
    world.report("health.medical", at=(2, 0), priority=3)
    world.say(ev.SendUnits(incident="i000002", units=("E01",), by="wang"))
    made = world.status("E01", UnitState.OUT_OF_SERVICE)
    assert not of(made, ev.AssignmentOrdered, ev.UnitQueued)
    (order,) = of(world.status("E01", UnitState.AVAILABLE), ev.AssignmentOrdered)
    assert (order.unit, order.incident) == ("E01", "i000002")
    assert world.situation.units["E01"].queue == []


WRONG_CLOCKS = (
    timedelta(minutes=-8),
    timedelta(hours=-9),
    timedelta(hours=9),
    datetime.min.replace(tzinfo=UTC) - START,
    datetime.max.replace(tzinfo=UTC) - START,
)


@pytest.mark.parametrize("off", WRONG_CLOCKS, ids=str)
def test_when_a_crew_says_that_it_said_so_is_kept_and_decides_nothing(
    tiny_city: CityPack, tiny_roads: RoadGraph, off: timedelta
) -> None:
    journals = []
    for said in (None, START + off):
        world = DeskWorld(tiny_city, tiny_roads)
        world.report(at=(1, 0))
        world.settle()
        for state in (*GO, UnitState.OUT_OF_SERVICE):
            world.wait(30)
            world.say(ev.UnitStatusReported(unit="E01", state=state, observed_at=said))
        world.wait(600)
        assert world.situation.assignments["i000001-a1"].said == (
            dict.fromkeys(("accepted", "en_route", "on_scene", "cancelled"), said) if said else {}
        )
        assert dump(load(dump(world.situation))) == dump(world.situation)
        journals.append(world.journal)
    plain = [_without_observed(event) for event in journals[1]]
    assert plain == journals[0]
    assert [ev.decode(ev.encode(event)) for event in journals[1]] == journals[1]


def _without_observed(event: ev.Event) -> ev.Event:
    data = event.data
    if isinstance(data, ev.UnitStatusReported | ev.AssignmentMoved):
        data = msgspec.structs.replace(data, observed_at=None)
    return msgspec.structs.replace(event, data=data)


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_a_crew_that_leaves_states_out_is_believed_and_not_sent_again(
    world: DeskWorld, left_out: int
) -> None:
    world.report("health.medical", at=(2, 1))
    world.settle()
    served = [UnitState.ON_SCENE, UnitState.TRANSPORTING, UnitState.AT_HOSPITAL][left_out:]
    made = world.status("M01", UnitState.EN_ROUTE, *served, UnitState.AVAILABLE)
    assert not of(made, ev.EventRefused)
    (sent,) = world.situation.assignments.values()
    assert sent.state is AssignmentState.CLEARED
    assert list(sent.times) == [
        "ordered", "en_route", "on_scene", "transporting", "at_hospital", "cleared",
    ]  # fmt: skip
    assert not of(world.settle(), ev.AssignmentOrdered)


def test_a_crew_that_only_says_available_has_not_been_there(world: DeskWorld) -> None:
    world.report("health.medical", at=(2, 1))
    world.settle()
    world.status("M01", UnitState.AVAILABLE)
    assert world.situation.assignments["i000001-a1"].state is AssignmentState.CANCELLED
