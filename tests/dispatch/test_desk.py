"""The desk from outside: what one input leads to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from dispatch.wanted import sendable
from models import events as ev
from models.city import CityPack
from models.errors import EventError
from models.lifecycles import IncidentState, TaskState, UnitState
from models.situation import dump, load
from models.words import Channel, Grade
from playbooks.engine import PlaybookSet
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld, of

FRAGILE = """
id: fragile
names: {zh: 易碎, en: Fragile}
categories: [accident.fire.structure]
when: "true"
requirements:
  - key: engines
    names: {zh: 消防车, en: Engines}
    skills: [fire_suppression]
    count: "6 / (incident.facts.trapped + 1)"
    within_s: 300
"""

GO = (UnitState.ASSIGNED, UnitState.EN_ROUTE, UnitState.ON_SCENE)


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads)


def test_a_life_threatening_report_sends_the_nearest_engine_by_itself(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    made = world.settle()
    (proposal,) = of(made, ev.ProposalMade)
    (order,) = of(made, ev.AssignmentOrdered)
    assert proposal.automatic
    assert order.unit == "E01"
    assert order.proposal == proposal.proposal
    assert order.by == "gridcommand"
    assert world.situation.units["E01"].state is UnitState.ASSIGNED
    assert world.situation.incidents["i000001"].state is IncidentState.ASSIGNED


def test_the_report_is_an_incident_before_anybody_has_planned(world: DeskWorld) -> None:
    world.settle()
    made = world.report()
    assert of(made, ev.IncidentOpened)
    assert not of(made, ev.ProposalMade)
    assert world.desk.next_due() == world.now


def test_a_unit_that_serves_an_assignment_is_not_sendable_whatever_its_state(
    world: DeskWorld,
) -> None:
    world.report(at=(1, 0))
    world.settle()
    unit = world.situation.units["E01"]
    assert unit.assignment
    assert not [s for s in UnitState if sendable(msgspec.structs.replace(unit, state=s))]
    back = msgspec.structs.replace(unit, state=UnitState.RETURNING, assignment="")
    assert sendable(back)


def test_a_proposal_explains_itself(world: DeskWorld) -> None:
    world.say(ev.HoldUnit(unit="T01", by="li", reason="training"))
    world.report(priority=2, at=(1, 0))
    (proposal,) = of(world.settle(), ev.ProposalMade)
    (choice,) = proposal.choices
    assert choice.chosen.unit == "E01"
    assert choice.chosen.turnout_s == 60
    assert choice.chosen.drive_s == pytest.approx(47.5, abs=1)
    assert choice.chosen.length_m == pytest.approx(475, rel=0.01)
    assert [name for name, _ in choice.streets] == ["Row 0"]
    assert choice.route[0] == pytest.approx((119.40, 31.40), abs=1e-5)
    assert [c.unit for c in choice.runners_up] == ["E02"]
    (second,) = choice.runners_up
    late_s = second.turnout_s + second.drive_s - 300  # each of them costs four
    slower_s = second.drive_s - choice.chosen.drive_s
    assert late_s > 0
    barer_s = 4 * (second.bare_s - choice.chosen.bare_s)  # priority 1 weighs four times 2
    assert second.added_s == pytest.approx(slower_s + 3 * late_s + barer_s, abs=0.5)
    assert [(e.rule, e.count) for e in choice.excluded] == [("lacks_skill", 2)]


def test_by_hand_nothing_goes_until_a_person_confirms(world: DeskWorld) -> None:
    world.report(priority=2)
    (proposal,) = of(world.settle(), ev.ProposalMade)
    assert not of(world.wait(120), ev.AssignmentOrdered)
    made = world.say(ev.ConfirmProposal(incident="i000001", proposal=proposal.proposal, by="wang"))
    (order,) = of(made, ev.AssignmentOrdered)
    assert (order.by, order.unit) == ("wang", proposal.choices[0].chosen.unit)


def test_a_unit_taken_meanwhile_is_refused_with_the_new_proposal_in_hand(
    world: DeskWorld,
) -> None:
    world.report(priority=2, at=(1, 0))
    (first,) = of(world.settle(), ev.ProposalMade)
    world.say(ev.UnitStatusReported(unit="E01", state=UnitState.OUT_OF_SERVICE))
    made = world.say(ev.ConfirmProposal(incident="i000001", proposal=first.proposal, by="wang"))
    (refused,) = of(made, ev.OrderRefused)
    assert refused.code == "proposal_changed"
    new = world.situation.proposals[refused.proposal]
    assert [c.chosen.unit for c in new.choices if c.chosen] == ["E02"]


def test_a_proposal_that_a_second_commander_overtook_is_refused_and_nobody_goes_twice(
    world: DeskWorld,
) -> None:
    world.report(priority=2)
    (first,) = of(world.settle(), ev.ProposalMade)
    world.say(ev.SendUnits(incident="i000001", units=("E02",), by="li"))
    made = world.say(ev.ConfirmProposal(incident="i000001", proposal=first.proposal, by="wang"))
    (refused,) = of(made, ev.OrderRefused)
    assert (refused.code, of(made, ev.AssignmentOrdered)) == ("proposal_changed", [])
    assert "engines" in refused.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"exercise": True},
        {"jurisdiction": "elsewhere"},
        {"data": ev.UnitMoved(unit="E01", state=UnitState.OUT_OF_SERVICE)},
    ],
)
def test_what_is_no_input_of_this_desk_changes_nothing(
    world: DeskWorld, changes: dict[str, Any]
) -> None:
    before = dump(world.situation)
    stray = msgspec.structs.replace(world.event(ev.ClockTicked()), **changes)
    with pytest.raises(EventError, match=stray.id):
        world.desk.step(stray)
    assert dump(world.situation) == before


def test_a_road_closed_meanwhile_refuses_the_confirmation(world: DeskWorld) -> None:
    """The order must not carry the old road; the new proposal goes round."""
    world.report(priority=2, at=(2, 0))
    (first,) = of(world.settle(), ev.ProposalMade)
    assert [name for name, _ in first.choices[0].streets] == ["Row 0"]
    middle: dict[str, Any] = {"lon": WEST + 1.5 * STEP, "lat": SOUTH, "radius_m": 50.0}
    world.now += timedelta(seconds=5)
    world.say(ev.CloseRoad(closure="c1", by="wang", **middle))
    made = world.say(ev.ConfirmProposal(incident="i000001", proposal=first.proposal, by="wang"))
    assert not of(made, ev.AssignmentOrdered)
    (refused,) = of(made, ev.OrderRefused)
    assert refused.code == "proposal_changed"
    choice = world.situation.proposals[refused.proposal].choices[0]
    assert choice.chosen is not None
    assert "Row 1" in [name for name, _ in choice.streets] or choice.chosen.unit == "E02"


def test_closures_turn_units_away_and_end_by_themselves(world: DeskWorld) -> None:
    until = world.now + timedelta(hours=1)
    station: dict[str, Any] = {"lon": 119.40, "lat": 31.40, "radius_m": 700.0}
    world.say(ev.CloseRoad(closure="c1", by="wang", until=until, **station))
    made = world.wait(3601)
    assert [r.reason for r in of(made, ev.RoadReopened)] == ["expired"]
    assert not world.situation.closures


@pytest.mark.parametrize(
    "where",
    [
        {"edges": ("h01",)},
        {"ring": ((119.406, 31.399), (119.409, 31.399), (119.409, 31.401), (119.406, 31.401))},
    ],
)
def test_streets_and_areas_are_closed_like_places(world: DeskWorld, where: dict[str, Any]) -> None:
    world.report(priority=2, at=(2, 0))
    (first,) = of(world.settle(), ev.ProposalMade)
    assert [name for name, _ in first.choices[0].streets] == ["Row 0"]
    world.now += timedelta(seconds=5)
    (closed,) = of(world.say(ev.CloseRoad(closure="c1", by="wang", **where)), ev.RoadClosed)
    assert closed.lon == pytest.approx(119.4075, abs=1e-6)
    assert 150 < closed.radius_m < 300
    (anew,) = of(world.settle(), ev.ProposalMade)
    assert [name for name, _ in anew.choices[0].streets] != ["Row 0"]
    world.desk = world.new_desk(load(dump(world.situation)))
    world.say(ev.ReopenRoad(closure="c1", by="wang"))
    world.settle()
    (proposal,) = world.situation.proposals.values()
    assert [name for name, _ in proposal.choices[0].streets] == ["Row 0"]


def test_a_slow_zone_delays_who_goes_through_and_ends_by_itself(world: DeskWorld) -> None:
    world.report(priority=2, at=(1, 0))
    (first,) = of(world.settle(), ev.ProposalMade)
    world.now += timedelta(seconds=5)
    until = world.now + timedelta(minutes=10)
    slow = ev.CloseRoad(closure="c1", by="wang", speed=0.5, edges=("h00",), until=until)
    world.say(slow)
    world.settle()
    (proposal,) = world.situation.proposals.values()
    chosen, before = proposal.choices[0].chosen, first.choices[0].chosen
    assert chosen is not None
    assert chosen.unit == before.unit == "E01"
    assert chosen.drive_s == pytest.approx(2 * before.drive_s, abs=0.2)
    assert [r.reason for r in of(world.wait(601), ev.RoadReopened)] == ["expired"]


def test_the_life_of_an_incident(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    world.settle()
    incident = world.situation.incidents["i000001"]
    states = [incident.state]
    world.wait(60)
    world.status("E01", *GO)
    states.append(incident.state)
    assert incident.first_on_scene_at == world.now
    world.status("E01", UnitState.RETURNING)
    states.append(incident.state)  # the grid worker's photo is still missing
    world.say(
        ev.TaskReported(task="i000001-t-photo", state=TaskState.DONE, by="worker", photos=("p",))
    )
    states.append(incident.state)
    assert states == [
        IncidentState.ASSIGNED, IncidentState.ACTIVE, IncidentState.RESOLVED, IncidentState.CLOSED,
    ]  # fmt: skip
    world.status("E01", UnitState.AVAILABLE)
    assert world.situation.units["E01"].state is UnitState.AVAILABLE
    assert not world.situation.deadlines


def test_reports_of_one_thing_are_one_incident(world: DeskWorld) -> None:
    world.report(text="smoke", facts={"trapped": 0})
    made = world.report(text="two trapped", facts={"trapped": 2}, lat=31.4055)
    (link,) = of(made, ev.ReportLinked)
    assert link.distance_m == pytest.approx(55.6, abs=1)
    (plan,) = of(made, ev.PlanAdopted)
    assert plan.requirements[0].count == 2
    assert world.incident_ids() == ["i000001"]


def test_two_patients_on_one_block_are_two_incidents(world: DeskWorld) -> None:
    world.report("health.medical")
    world.report("health.medical", lat=31.4055)
    assert len(world.incident_ids()) == 2


def test_a_source_that_numbers_its_incidents_decides(world: DeskWorld) -> None:
    world.report(attributes={"source_incident": "1"})
    world.report(attributes={"source_incident": "2"})
    world.report(attributes={"source_incident": "1"}, at=(3, 3))
    assert [len(i.reports) for i in world.situation.incidents.values()] == [2, 1]


def test_a_place_outside_or_none_is_still_an_incident(world: DeskWorld) -> None:
    world.report(lon=None, lat=None, cell="", outside=True)
    world.settle()
    incident = world.situation.incidents["i000001"]
    assert incident.outside
    assert not incident.proposal


def test_a_deadline_escalates_only_while_nobody_is_there(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    world.settle()
    made = world.wait(481)
    (raised,) = [one for one in of(made, ev.EscalationRaised) if not one.kind]
    assert raised.to_role == "commander"
    kept = [one for one in world.situation.incidents["i000001"].escalations if not one.kind]
    assert [one.states for one in kept] == [(IncidentState.OPEN, IncidentState.ASSIGNED)]
    world.report(at=(3, 3), attributes={"source_incident": "far"})
    world.settle()
    unit = world.situation.assignments[world.situation.incidents["i000002"].assignments[0]].unit
    world.status(unit, *GO)
    assert not of(world.wait(481), ev.EscalationRaised)


def test_an_override_holds_until_lifted(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    world.settle()
    world.say(ev.RecallUnit(unit="E01", by="wang", reason="needed elsewhere"))
    made = world.wait(600)
    assert not of(made, ev.AssignmentOrdered), "by hand until lifted"
    named = {c.chosen.unit for p in of(made, ev.ProposalMade) for c in p.choices if c.chosen}
    assert named == {"E02"}, "the unit that a person recalled is not proposed again"
    world.say(ev.LiftOverride(incident="i000001", by="wang"))
    (order,) = of(world.settle(), ev.AssignmentOrdered)
    assert order.by == "gridcommand"


def test_a_busy_unit_queues_what_a_person_orders_next(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    world.settle()
    world.report("health.medical", at=(2, 0), priority=3)
    world.say(ev.SendUnits(incident="i000002", units=("E01",), by="wang"))
    unit = world.situation.units["E01"]
    assert (unit.incident, unit.queue) == ("i000001", ["i000002"])
    world.status("E01", *GO)
    made = world.status("E01", UnitState.RETURNING)
    (order,) = of(made, ev.AssignmentOrdered)
    assert (order.unit, order.incident) == ("E01", "i000002")
    assert unit.queue == []


def test_what_holds_for_a_unit_outlives_that_it_is_described_anew(world: DeskWorld) -> None:
    """As a desk does it that starts again with another city pack."""
    world.report(at=(1, 0))
    world.settle()
    world.report("health.medical", at=(2, 0), priority=3)
    world.say(ev.SendUnits(incident="i000002", units=("E01",), by="wang"))
    world.say(ev.HoldUnit(unit="E01", by="wang", reason="pump"))
    unit = world.situation.units["E01"]
    world.say(
        ev.UnitRegistered(
            unit=unit.id,
            kind=unit.kind,
            skills=unit.skills,
            owner=unit.owner,
            lon=unit.home_lon,
            lat=unit.home_lat,
            call_sign="another",
        )
    )
    now = world.situation.units["E01"]
    assert now.call_sign == "another"
    assert (now.held_by, now.held_reason) == ("wang", "pump")
    assert (now.queue, now.assignment) == (["i000002"], unit.assignment)


def test_pins_and_bans(world: DeskWorld) -> None:
    world.report(priority=2, at=(1, 0))
    world.settle()
    world.say(ev.PinUnit(incident="i000001", unit="E02", by="wang"))
    (proposal,) = of(world.settle(), ev.ProposalMade)
    assert [c.chosen.unit for c in proposal.choices if c.chosen] == ["E02"]
    world.say(ev.BanUnit(incident="i000001", unit="E02", by="wang"))
    (proposal,) = of(world.settle(), ev.ProposalMade)
    assert [c.chosen.unit for c in proposal.choices if c.chosen] == ["E01"]
    assert ("banned", 1) in [(e.rule, e.count) for e in proposal.choices[0].excluded]


def test_triage_by_a_person_is_not_changed_by_later_reports(world: DeskWorld) -> None:
    world.report("city.other", triage=True, priority=4, confidence=0.1)
    world.say(
        ev.TriageIncident(
            incident="i000001",
            category="accident.fire.structure",
            priority=2,
            grade=Grade.III,
            by="wang",
        )
    )
    incident = world.situation.incidents["i000001"]
    assert incident.playbooks == ["tiny.fire"]
    world.report(priority=1)
    assert len(incident.reports) == 2
    assert (incident.priority, incident.grade, incident.triage) == (2, Grade.III, False)


def test_a_playbook_that_fails_on_an_incident_is_told_and_the_rest_of_it_holds(
    world: DeskWorld, tmp_path: Path
) -> None:
    (tmp_path / "fragile.yaml").write_text(FRAGILE, encoding="utf-8")
    world.desk = Desk(
        world.situation,
        world.city,
        PlaybookSet.load(tmp_path),
        TravelTimes(world.roads),
        Policy(),
    )
    first = of(world.report(facts={"trapped": 2}), ev.PlanAdopted)
    assert [plan.problems for plan in first] == [()]
    (second,) = of(world.report(facts={"trapped": -1}, at=(2, 2)), ev.PlanAdopted)
    (problem,) = second.problems
    assert "fragile" in problem
    assert "engines" in problem


def test_merging_takes_the_units_along(world: DeskWorld) -> None:
    world.report(at=(1, 0), attributes={"source_incident": "1"})
    world.report(at=(2, 3), attributes={"source_incident": "2"})
    world.settle()
    made = world.say(ev.MergeIncidents(incident="i000001", duplicate="i000002", by="wang"))
    assert of(made, ev.AssignmentOrdered)[0].incident == "i000001"
    duplicate = world.situation.incidents["i000002"]
    assert (duplicate.state, duplicate.merged_into) == (IncidentState.CANCELLED, "i000001")
    assert len(world.situation.incidents["i000001"].reports) == 2


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (ev.ConfirmProposal(incident="i9", proposal="p", by="x"), "unknown_incident"),
        (ev.SendUnits(incident="i000001", units=("nobody",), by="x"), "unknown_unit"),
        (ev.SendUnits(incident="i000001", units=(), by="x"), "no_units"),
        (ev.RecallUnit(unit="M01", by="x"), "not_assigned"),
        (ev.LiftHold(unit="M01", by="x"), "not_held"),
        (ev.PinUnit(incident="i000001", unit="M01", by="x"), "lacks_skill"),
        (ev.LiftOverride(incident="i000001", by="x"), "no_override"),
        (ev.ReopenRoad(closure="c", by="x"), "no_closure"),
        (ev.CloseRoad(closure="c", lon=0, lat=0, radius_m=0, by="x"), "bad_radius"),
        (ev.CloseRoad(closure="c", by="x"), "bad_area"),
        (ev.CloseRoad(closure="c", ring=((0, 0), (1, 1)), by="x"), "bad_area"),
        (ev.CloseRoad(closure="c", ring=((0, 0), (1, 1), (0, 1)), by="x"), "bad_radius"),
        (ev.CloseRoad(closure="c", lon=0, lat=0, radius_m=200, by="x"), "closes_nothing"),
        (
            ev.CloseRoad(closure="c", lon=0, lat=0, radius_m=200, speed=0.5, by="x"),
            "closes_nothing",
        ),
        (ev.CloseRoad(closure="c", lon=float("nan"), lat=0, radius_m=200, by="x"), "bad_area"),
        (ev.CloseRoad(closure="c", ring=((0, 0), (0.01, 0), (0, 0.01)), by="x"), "closes_nothing"),
        (
            ev.CloseRoad(
                closure="c",
                ring=(
                    (WEST, SOUTH),
                    (WEST + STEP, SOUTH + STEP),
                    (WEST + STEP, SOUTH),
                    (WEST, SOUTH + STEP),
                ),
                by="x",
            ),
            "bad_ring",
        ),
        (ev.CloseRoad(closure="c", edges=("h99",), by="x"), "unknown_edge"),
        (ev.CloseRoad(closure="c", edges=("h00",), speed=1.0, by="x"), "bad_speed"),
        (ev.SetAutomation(priorities=(7,), by="x"), "unknown_priority"),
        (ev.MergeIncidents(incident="i000001", duplicate="i000001", by="x"), "same_incident"),
    ],
)
def test_orders_that_cannot_be_carried_out_say_why(
    world: DeskWorld, payload: ev.Order, code: str
) -> None:
    world.report(priority=2)
    world.settle()
    (refused,) = of(world.say(payload), ev.OrderRefused)
    assert refused.code == code
    assert refused.detail


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (
            ev.UnitStatusReported(unit="nobody", state=UnitState.AVAILABLE, reporter="x"),
            "unknown_unit",
        ),
        (
            ev.UnitStatusReported(unit="E02", state=UnitState.ON_SCENE, reporter="x"),
            "no_assignment",
        ),
        (
            ev.UnitStatusReported(
                unit="E01", state=UnitState.ON_SCENE, assignment="old", reporter="x"
            ),
            "stale_assignment",
        ),
        (ev.TaskReported(task="none", state=TaskState.DONE, by="x"), "unknown_task"),
    ],
)
def test_inputs_that_cannot_be_used_are_journaled_with_the_reason(
    world: DeskWorld, payload: ev.Payload, code: str
) -> None:
    world.report(at=(1, 0))
    world.settle()
    (refused,) = of(world.say(payload), ev.EventRefused)
    assert (refused.code, refused.by) == (code, "x")


def test_a_desk_that_wakes_from_a_snapshot_goes_on_the_same(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    world.settle()
    woken = world.new_desk(load(dump(world.situation)))
    assert dump(woken.situation) == dump(world.situation)
    assert woken.next_due() == world.desk.next_due()
    world.now += timedelta(seconds=700)
    tick = ev.Event(
        id="t", source="/test", time=world.now, jurisdiction="tiny", data=ev.ClockTicked()
    )
    assert [ev.encode(e) for e in woken.step(tick)] == [ev.encode(e) for e in world.desk.step(tick)]


def test_what_a_person_set_outlives_a_snapshot(world: DeskWorld) -> None:
    world.report(priority=2, at=(1, 0))
    world.settle()
    world.say(ev.PinUnit(incident="i000001", unit="E02", by="wang"))
    world.say(ev.BanUnit(incident="i000001", unit="E01", by="wang"))
    world.say(ev.HoldUnit(unit="E01", by="wang", reason="pump"))
    woken = world.new_desk(load(dump(world.situation))).situation
    incident = woken.incidents["i000001"]
    assert (incident.pins, incident.bans, incident.by_hand) == (["E02"], ["E01"], True)
    assert (woken.units["E01"].held_by, woken.units["E01"].held_reason) == ("wang", "pump")
    assert woken == world.situation


def test_who_was_out_for_long_comes_second_until_it_has_rested(world: DeskWorld) -> None:
    beside = (WEST + 2 * STEP, SOUTH + 2 * STEP)

    def goes_next(at: tuple[int, int], hours: float) -> str:
        for unit in ("E01", "E02"):
            world.say(ev.UnitPositionsReported(positions={unit: beside}))
        made = world.report(at=at)
        made += world.settle()
        (sent,) = of(made, ev.AssignmentOrdered)
        unit = str(sent.unit)
        world.status(unit, *GO)
        world.wait(hours * 3600)
        world.status(unit, UnitState.RETURNING, UnitState.AVAILABLE)
        return unit

    assert goes_next((1, 1), 6.0) == "E01"
    assert goes_next((2, 1), 0.1) == "E02"
    world.wait(5 * 24 * 3600)
    assert goes_next((1, 2), 0.1) == "E01"


def test_the_end_of_an_alarm_stands_in_its_incidents_log_and_ends_nothing(
    world: DeskWorld,
) -> None:
    world.report(at=(1, 0))
    world.report(at=(1, 0))
    incident = world.situation.incidents["i000001"]
    second = incident.reports[1]
    ended = ev.AlarmEnded(report=second, device="gas-7", rule="gas", at=world.now)
    made = world.say(ended)
    (said,) = of(made, ev.ReportEnded)
    assert (said.incident, said.report, said.device) == ("i000001", second, "gas-7")
    assert made[1].subject == "i000001"
    assert incident.updated_seq == made[1].seq, "screens ask for the log again"
    assert not incident.ended
    assert not of(world.say(msgspec.structs.replace(ended, report="unknown")), ev.ReportEnded)
    world.say(ev.CloseIncident(by="x", incident="i000001", reason="done"))
    assert not of(world.say(ended), ev.ReportEnded)


def test_an_alarm_says_which_device_in_both_languages_and_so_do_its_tasks(
    world: DeskWorld,
) -> None:
    words = {"zh": "一键呼叫，设备 sos-7", "en": "Call button, device sos-7"}
    world.report(
        channel=Channel.SENSOR,
        text="一键呼叫，设备 sos-7 / Call button, device sos-7",
        facts={"device": "sos-7", "device_owner": "张三"},
        attributes=words,
        lon=None,
        lat=None,
    )
    incident = world.situation.incidents["i000001"]
    assert incident.words == {incident.text: words}
    (task,) = world.situation.tasks.values()
    assert task.title == {
        "zh": "现场拍照（sos-7，张三）",
        "en": "Photograph the scene (sos-7, 张三)",
    }


def test_who_is_no_sensor_writes_no_words_for_one(world: DeskWorld) -> None:
    world.report(text="smoke", attributes={"zh": "x", "en": "y"})
    assert world.situation.incidents["i000001"].words == {}
