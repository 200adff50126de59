"""A merge loses nothing and can be undone; what was closed can be opened again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from dispatch.roads import RoadGraph
from dispatch.wanted import missing
from models import events as ev
from models.city import CityPack
from models.events import Event
from models.fold.incidents import ENDED_KEPT
from models.lifecycles import IncidentState, TaskState, UnitState
from models.situation import Incident, dump, load
from models.words import Channel, Grade
from tests.dispatch.desk_world import SOUTH, STEP, WEST, DeskWorld, of

ONE, TWO = "i000001", "i000002"
GO = (UnitState.ASSIGNED, UnitState.EN_ROUTE, UnitState.ON_SCENE)


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    """Nothing is sent by itself."""
    return DeskWorld(tiny_city, tiny_roads, automatic=())


def two(world: DeskWorld) -> tuple[Incident, Incident]:
    """A small fire, and a worse one elsewhere of which three people told."""
    world.report(
        at=(1, 0), priority=3, text="smoke", photos=("p1",),
        facts={"trapped": 0, "floor": "2", "injured": 2}, attributes={"source_incident": "A"},
    )  # fmt: skip
    told: list[dict[str, Any]] = [
        {"text": "people shout", "photos": ("p2",), "facts": {"trapped": 3, "floor": "3"}},
        {"text": "", "photos": ("p3",), "grade": Grade.II},
        {"text": "gas smells", "facts": {"gas": True, "injured": 1}, "life_threat": True},
    ]
    for one in told:
        world.report(at=(2, 3), priority=2, attributes={"source_incident": "B"}, **one)
    world.settle()
    return world.situation.incidents[ONE], world.situation.incidents[TWO]


def merge(world: DeskWorld) -> list[Event]:
    return world.say(ev.MergeIncidents(incident=ONE, duplicate=TWO, by="wang"))


def unmerge(world: DeskWorld, incident: str = TWO) -> list[Event]:
    return world.say(ev.UnmergeIncident(incident=incident, by="li", reason="two fires"))


def reopen(world: DeskWorld, incident: str = ONE) -> list[Event]:
    return world.say(ev.ReopenIncident(incident=incident, by="li", reason="it burns again"))


def code_of(made: list[Event]) -> str:
    (refused,) = of(made, ev.OrderRefused)
    return str(refused.code)


def known(incident: Incident) -> dict[str, Any]:
    """What people told of it, and what it is taken for."""
    names = ("category", "priority", "grade", "life_threat", "facts", "reports", "text", "texts",
             "photos", "lon", "lat", "place", "cell", "requirements", "playbooks")  # fmt: skip
    return {name: msgspec.json.encode(getattr(incident, name)) for name in names}


def test_a_merge_keeps_all_that_the_duplicate_told(world: DeskWorld) -> None:
    one, two_ = two(world)
    merge(world)
    assert (two_.state, two_.merged_into) == (IncidentState.CANCELLED, ONE)
    assert one.facts == {
        "trapped": 3, "floor": "2", "injured": 2, "gas": True, "source_incident": "A",
    }  # fmt: skip
    assert [one.text, *one.texts] == ["smoke", "people shout", "gas smells"]
    assert one.photos == ["p1", "p2", "p3"]
    assert len(one.reports) == 4
    assert (one.priority, one.grade, one.life_threat) == (2, Grade.II, True)
    assert one.triaged_by == "", "a person said that they are the same, not how urgent"
    # What is asked for now follows from all of them.
    assert [(r.key, r.count) for r in one.requirements] == [("engines", 2)]


def test_a_merge_makes_nothing_less_urgent(world: DeskWorld) -> None:
    two(world)
    world.say(ev.MergeIncidents(incident=TWO, duplicate=ONE, by="wang"))
    kept = world.situation.incidents[TWO]
    assert (kept.priority, kept.grade, kept.life_threat) == (2, Grade.II, True)
    assert kept.facts["trapped"] == 3


def test_undoing_a_merge_gives_both_back_as_they_were(world: DeskWorld) -> None:
    one, two_ = two(world)
    before = known(one), known(two_)
    merge(world)
    made = unmerge(world)
    assert not of(made, ev.OrderRefused)
    assert (known(one), known(two_)) == before
    assert (two_.state, two_.merged_into, two_.closed_at) == (IncidentState.OPEN, "", None)
    assert (one.own, one.joined) == (None, [])
    world.settle()
    for incident in (one, two_):
        assert incident.proposal, "both are planned for"
        assert incident.last_order is not None
        assert (incident.last_order.order, incident.last_order.by) == ("unmerge_incident", "li")


def test_what_came_after_the_merge_stays_where_it_came(world: DeskWorld) -> None:
    one, two_ = two(world)
    merge(world)
    world.report(
        at=(1, 0), priority=3, text="it spreads", facts={"injured": 5, "floor": "4"}, photos=("p4",)
    )
    assert one.facts["floor"] == "4", "what is told last stands"
    unmerge(world)
    assert one.facts == {"trapped": 0, "floor": "4", "injured": 5, "source_incident": "A"}
    assert (one.texts, one.photos, one.priority) == (["it spreads"], ["p1", "p4"], 3)
    assert two_.facts["trapped"] == 3


def test_a_danger_to_life_that_was_told_after_the_merge_stays(world: DeskWorld) -> None:
    one, _ = two(world)
    merge(world)
    world.report(at=(1, 0), priority=1, grade=Grade.I, life_threat=True)
    unmerge(world)
    assert (one.priority, one.grade, one.life_threat) == (1, Grade.I, True)


def test_what_a_person_said_after_the_merge_stays(world: DeskWorld) -> None:
    one, _ = two(world)
    merge(world)
    said = ev.TriageIncident(
        incident=ONE, category=one.category, priority=1, grade=Grade.III, by="wang"
    )
    world.say(said)
    unmerge(world)
    assert (one.priority, one.grade) == (1, Grade.III)


@pytest.mark.parametrize("first", [TWO, "i000003"])
def test_of_two_merges_one_is_undone_and_then_the_other(world: DeskWorld, first: str) -> None:
    one, _ = two(world)
    world.report(at=(0, 3), priority=1, text="third", facts={"injured": 9, "trapped": 1})
    before = {name: known(i) for name, i in world.situation.incidents.items()}
    merge(world)
    world.say(ev.MergeIncidents(incident=ONE, duplicate="i000003", by="wang"))
    assert (one.facts["injured"], one.facts["trapped"], one.priority) == (9, 3, 1)
    unmerge(world, first)
    left = {TWO: (9, 1, 1), "i000003": (2, 3, 2)}[first]
    assert (one.facts["injured"], one.facts["trapped"], one.priority) == left
    (other,) = {TWO, "i000003"} - {first}
    unmerge(world, other)
    assert {name: known(i) for name, i in world.situation.incidents.items()} == before


def test_of_merges_in_a_row_the_last_is_undone_first(world: DeskWorld) -> None:
    two(world)
    world.report(at=(0, 3), priority=1, text="third")
    before = {name: known(i) for name, i in world.situation.incidents.items()}
    merge(world)
    world.say(ev.MergeIncidents(incident="i000003", duplicate=ONE, by="wang"))
    assert code_of(unmerge(world)) == "merged_on"
    unmerge(world, ONE)
    unmerge(world)
    assert {name: known(i) for name, i in world.situation.incidents.items()} == before


def test_units_that_went_over_stay_where_they_are(world: DeskWorld) -> None:
    one, two_ = two(world)
    for unit in ("E01", "E02"):
        world.say(ev.SendUnits(incident=TWO, units=(unit,), by="wang"))
    world.status("E02", *GO)
    merge(world)
    there = {u.id: (u.incident, u.state) for u in world.situation.units.values()}
    assert {there["E01"][0], there["E02"][0]} == {ONE}
    unmerge(world)
    assert {u.id: (u.incident, u.state) for u in world.situation.units.values()} == there
    assert one.state is IncidentState.ASSIGNED
    # Nobody is at what was given back, whoever was there before.
    assert [(r.key, gap) for r, gap in missing(world.situation, two_)] == [("engines", 2)]


def test_a_merge_into_what_has_ended_since_can_be_undone(world: DeskWorld) -> None:
    one, two_ = two(world)
    before = known(one)
    merge(world)
    world.say(ev.CloseIncident(incident=ONE, by="wang", reason="out"))
    unmerge(world)
    assert (one.ended, two_.ended) == (True, False)
    assert {**known(one), "requirements": b"", "playbooks": b""} == {
        **before, "requirements": b"", "playbooks": b"",
    }  # fmt: skip


def test_a_place_goes_along_where_there_is_none_and_back(world: DeskWorld) -> None:
    world.report(at=(1, 0), lon=None, lat=None, cell="", place="the old mill", text="smoke")
    world.report(at=(2, 3), place="Mill Lane 3")
    one = world.situation.incidents[ONE]
    before = one.where
    merge(world)
    assert (one.lon, one.lat, one.place) == (WEST + 2 * STEP, SOUTH + 3 * STEP, "Mill Lane 3")
    unmerge(world)
    assert one.where == before
    merge(world)
    world.say(ev.PlaceIncident(incident=ONE, lon=WEST, lat=SOUTH, by="wang"))
    unmerge(world)
    assert (one.lon, one.lat) == (WEST, SOUTH), "where a person said it is, it stays"


def test_reports_go_to_where_they_belong_now(world: DeskWorld) -> None:
    one, two_ = two(world)

    def tell(number: str, at: tuple[int, int]) -> None:
        world.report(at=at, priority=3, attributes={"source_incident": number})

    merge(world)
    tell("B", (2, 3))
    assert (len(one.reports), len(two_.reports)) == (5, 3), "its number leads to the other"
    unmerge(world)
    tell("A", (1, 0))
    tell("B", (2, 3))
    world.report(at=(2, 3), priority=3)
    assert (len(one.reports), len(two_.reports)) == (3, 5)
    world.say(ev.CloseIncident(incident=TWO, by="wang", reason="out"))
    tell("B", (2, 3))
    assert len(world.situation.incidents["i000003"].reports) == 1
    reopen(world, TWO)
    tell("B", (2, 3))
    assert len(two_.reports) == 6, "of two with its number the first"


def test_the_desk_that_wakes_sorts_reports_the_same(world: DeskWorld) -> None:
    two(world)
    merge(world)
    other = world.new_desk(load(dump(world.situation)))
    for number in ("A", "B"):
        data = ev.ReportClassified(
            channel=Channel.HOTLINE, received_at=world.now, category="accident.fire.structure",
            priority=3, grade=Grade.IV, confidence=1.0, attributes={"source_incident": number},
        )  # fmt: skip
        event = world.event(data, event_id=f"again-{number}")
        made = [ev.encode(one) for one in other.step(event)]
        assert made == [ev.encode(one) for one in world.hand(event)]
    assert len(world.situation.incidents) == 2


def test_a_merge_that_is_forgotten_is_not_undone(world: DeskWorld) -> None:
    two(world)
    merge(world)
    for n in range(ENDED_KEPT):
        world.report("city.other", attributes={"source_incident": f"n{n}"}, priority=4)
        world.say(ev.CloseIncident(incident=f"i{n + 3:06d}", by="wang"))
    assert TWO not in world.situation.incidents
    assert code_of(unmerge(world)) == "unknown_incident"
    assert code_of(reopen(world, TWO)) == "unknown_incident"


def test_orders_that_undo_nothing_say_why(world: DeskWorld) -> None:
    two(world)
    assert code_of(unmerge(world)) == "not_merged"
    assert code_of(reopen(world)) == "not_ended"
    assert code_of(unmerge(world, "i9")) == "unknown_incident"
    merge(world)
    assert code_of(reopen(world, TWO)) == "incident_merged"
    for order in (ev.UnmergeIncident, ev.ReopenIncident):
        assert code_of(world.say(order(incident=TWO, by="li", reason=" "))) == "no_reason"


def test_who_undoes_a_merge_has_seen_what_was_ordered_on_the_other(world: DeskWorld) -> None:
    two(world)
    merge(world)
    saw = world.situation.seq
    world.say(ev.SendUnits(incident=ONE, units=("E01",), by="wang"))
    order = ev.UnmergeIncident(incident=TWO, by="li", reason="two fires", saw=saw)
    assert code_of(world.say(order)) == "changed_meanwhile"
    seen = msgspec.structs.replace(order, saw=world.situation.seq)
    assert not of(world.say(seen), ev.OrderRefused)


# ── reopened ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_was_closed_by_mistake_is_open_and_planned_again(
    world: DeskWorld, cancelled: bool
) -> None:
    world.report(at=(1, 0), facts={"trapped": 1})
    world.settle()
    incident = world.situation.incidents[ONE]
    before = known(incident)
    world.say(ev.CloseIncident(incident=ONE, cancelled=cancelled, by="wang", reason="mistake"))
    world.wait(600)
    made = reopen(world)
    (moved,) = of(made, ev.IncidentMoved)
    assert (moved.state, moved.by, moved.reason) == (IncidentState.OPEN, "li", "it burns again")
    assert (incident.closed_at, incident.closed_s) == (None, 600.0)
    assert ONE not in world.situation.ended
    assert known(incident) == before
    world.settle()
    proposal = world.situation.proposals[incident.proposal]
    assert [c.chosen.unit for c in proposal.choices if c.chosen] == ["E01", "E02"]
    states = [world.situation.tasks[task].state for task in incident.tasks]
    assert states == [TaskState.CANCELLED, TaskState.ASSIGNED]


def test_who_was_there_before_counts_no_more_and_closes_nothing(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    world.settle()
    incident = world.situation.incidents[ONE]
    world.say(ev.SendUnits(incident=ONE, units=("E01",), by="wang"))
    world.status("E01", *GO)
    (task,) = incident.tasks
    world.say(ev.TaskReported(task=task, state=TaskState.DONE, by="gw"))
    world.status("E01", UnitState.AVAILABLE)
    assert incident.ended
    reopen(world)
    assert world.situation.tasks[task].state is TaskState.DONE, "what is done is done"
    assert [gap for _, gap in missing(world.situation, incident)] == [1]
    world.say(ev.LiftOverride(incident=ONE, by="wang"))
    made = world.settle()
    assert of(made, ev.ProposalMade)[-1].choices[0].chosen.unit == "E01"
    world.say(ev.SendUnits(incident=ONE, units=("E02",), by="wang"))
    world.say(ev.RecallUnit(unit="E02", by="wang"))
    assert not incident.ended
    world.say(ev.SendUnits(incident=ONE, units=("E01",), by="wang"))
    world.status("E01", *GO, UnitState.AVAILABLE)
    assert incident.state is IncidentState.CLOSED, "served once more"
    assert incident.assignments == [f"{ONE}-a{n}" for n in (1, 2, 3)]


def test_the_time_in_which_it_was_closed_is_no_delay(world: DeskWorld) -> None:
    """The plan escalates after 480 s: 100 s were gone when it was closed."""
    world.report(at=(1, 0))
    world.wait(100)
    world.say(ev.CloseIncident(incident=ONE, by="wang", reason="mistake"))
    assert not of(world.wait(4000), ev.EscalationRaised)
    reopen(world)
    assert not of(world.wait(370), ev.EscalationRaised)
    (told,) = of(world.wait(20), ev.EscalationRaised)
    assert told.deadline.endswith("nobody_there")
    again = world.report(at=(1, 0), facts={"trapped": 2})
    assert not of([*again, *world.wait(1000)], ev.EscalationRaised)


def test_what_was_told_or_no_matter_before_is_not_told_again(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    world.say(ev.SendUnits(incident=ONE, units=("E01",), by="wang"))
    world.status("E01", *GO)
    world.wait(500)  # somebody was there when the plan looked
    world.say(ev.CloseIncident(incident=ONE, by="wang", reason="mistake"))
    world.wait(60)
    reopen(world)
    world.report(at=(1, 0), facts={"trapped": 2})
    assert of(world.journal, ev.PlanAdopted)[-1].requirements[0].count == 2
    raised = of(world.wait(300), ev.EscalationRaised)
    assert not [one for one in raised if one.deadline.endswith("nobody_there")]


def test_it_may_be_closed_and_reopened_again_and_again(world: DeskWorld) -> None:
    world.report(at=(1, 0))
    incident = world.situation.incidents[ONE]
    for _ in range(3):
        world.say(ev.CloseIncident(incident=ONE, by="wang", reason="out"))
        world.wait(10)
        reopen(world)
        world.wait(5)
    assert (incident.closed_s, incident.state) == (30.0, IncidentState.OPEN)
    assert incident.tasks == [f"{ONE}-t-photo{again}" for again in ("", ".2", ".3", ".4")]
    due = world.situation.deadlines[f"{ONE}-d-nobody_there"].due
    assert due == incident.opened_at + timedelta(seconds=480 + 30)
    again = world.new_desk()
    said = [ev.encode(e) for given in world.inputs for e in again.step(given)]
    assert said == [ev.encode(e) for e in world.journal]
