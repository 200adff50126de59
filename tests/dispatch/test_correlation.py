"""Which reports are of one incident: what was read, and what nobody could read."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.words import Channel, Grade
from tests.dispatch.desk_world import DeskWorld

GAS, PILLS = "没气了", "吃了一整瓶安眠药，叫不醒"


@pytest.fixture
def world(tiny_city: CityPack, tiny_roads: RoadGraph) -> DeskWorld:
    return DeskWorld(tiny_city, tiny_roads)


def unread(world: DeskWorld, text: str, priority: int = 3) -> None:
    world.report("city.other", triage=True, confidence=0.1, priority=priority, text=text)


def texts(world: DeskWorld) -> list[list[str]]:
    return [[one.text, *one.texts] for one in world.situation.incidents.values()]


def test_two_calls_that_nobody_could_read_stay_two(world: DeskWorld) -> None:
    unread(world, GAS)
    unread(world, PILLS, priority=1)
    assert texts(world) == [[GAS], [PILLS]]
    assert [one.priority for one in world.situation.incidents.values()] == [3, 1]


def test_unread_calls_without_words_stay_apart(world: DeskWorld) -> None:
    unread(world, "")
    unread(world, "")
    assert len(world.situation.incidents) == 2


def test_the_same_words_nearby_and_soon_are_one_incident(world: DeskWorld) -> None:
    unread(world, GAS)
    unread(world, " 沒氣了\u200b ")
    assert len(texts(world)) == 1, "as people see them, they are the same"
    world.now = world.now.replace(hour=world.now.hour + 2)
    unread(world, GAS)
    assert len(texts(world)) == 2


def test_what_waits_for_triage_joins_nothing_that_was_read(world: DeskWorld) -> None:
    world.report(text="smoke")
    world.report(triage=True, confidence=0.4, text="something burns")
    world.report(text="flames")
    assert texts(world) == [["smoke", "flames"], ["something burns"]]


def test_what_a_person_said_it_is_is_read(world: DeskWorld) -> None:
    unread(world, "smells odd")
    world.say(
        ev.TriageIncident(
            incident="i000001",
            category="accident.fire.structure",
            priority=2,
            grade=Grade.IV,
            by="wang",
        )
    )
    world.report(text="smoke")
    assert texts(world) == [["smells odd", "smoke"]]


def test_alarms_of_no_category_are_one_by_place_apart_from_calls(world: DeskWorld) -> None:
    for text in ("hydrant 1", "hydrant 2"):
        world.report("city.other", channel=Channel.SENSOR, code="city.other", text=text)
    world.report("city.other", code="12345/其他", text=GAS)
    assert texts(world) == [["hydrant 1", "hydrant 2"], [GAS]]


def test_a_number_of_the_source_still_decides(world: DeskWorld) -> None:
    for text in (GAS, PILLS):
        world.report("city.other", triage=True, text=text, attributes={"source_incident": "A"})
    assert texts(world) == [[GAS, PILLS]]


def test_a_more_urgent_report_leads(world: DeskWorld) -> None:
    for priority, text in ((3, "a bin burns"), (3, "smoke"), (1, "the house burns"), (2, "fire")):
        world.report(priority=priority, text=text)
    incident = world.situation.incidents["i000001"]
    assert (incident.text, incident.leading) == ("a bin burns", "the house burns")


def test_what_leads_goes_with_a_merge_and_back(world: DeskWorld) -> None:
    world.report(priority=3, text="a bin burns")
    world.report(priority=1, at=(3, 3), text="the house burns")
    one = world.situation.incidents["i000001"]
    world.say(ev.MergeIncidents(incident="i000001", duplicate="i000002", by="wang"))
    assert one.leading == "the house burns"
    world.say(ev.UnmergeIncident(incident="i000002", by="wang", reason="two"))
    assert one.leading == ""


def press(world: DeskWorld, device: str, **changes: Any) -> None:
    """A call button is pressed, at the crossing of all reports."""
    said = {"channel": Channel.SENSOR, "code": "city.elderly_alarm", "priority": 2, **changes}
    world.report("city.elderly_alarm", facts={"device": device}, text=device, **said)


def test_two_call_buttons_are_two_people(world: DeskWorld) -> None:
    for device in ("sos-1", "sos-2", "sos-1", "sos-2"):
        press(world, device)
    assert texts(world) == [["sos-1", "sos-1"], ["sos-2", "sos-2"]]


def test_a_call_button_pressed_again_is_one_incident_wherever_it_is(world: DeskWorld) -> None:
    press(world, "sos-1")
    press(world, "sos-1", at=(3, 3))
    press(world, "sos-1", lon=None, lat=None)
    assert len(texts(world)) == 1
    world.now = world.now.replace(hour=world.now.hour + 2)
    press(world, "sos-1")
    assert len(texts(world)) == 2, "so much later it is another call"


def test_a_device_registered_as_a_call_button_is_one_person_s(world: DeskWorld) -> None:
    for device in ("w-1", "w-2"):
        facts = {"device": device, "device_kind": "sos"}
        world.report("security.crime", channel=Channel.SENSOR, code="security.crime", facts=facts)
    assert len(world.situation.incidents) == 2


def test_a_call_button_joins_what_a_person_called_of(world: DeskWorld) -> None:
    world.report("city.elderly_alarm", text="she fell", priority=2)
    press(world, "sos-1")
    press(world, "sos-2")
    assert texts(world) == [["she fell", "sos-1"], ["sos-2"]]


def test_a_call_button_of_a_merged_incident_leads_to_the_other(world: DeskWorld) -> None:
    press(world, "sos-1")
    press(world, "sos-2")
    world.say(ev.MergeIncidents(incident="i000001", duplicate="i000002", by="wang"))
    for device in ("sos-2", "sos-1"):
        press(world, device)
    assert len(world.situation.incidents) == 2
    assert texts(world)[0][-2:] == ["sos-2", "sos-1"]


def test_two_smoke_detectors_of_one_place_stay_one_incident(world: DeskWorld) -> None:
    for device in ("smoke-1", "smoke-2"):
        world.report(
            "accident.fire.alarm", channel=Channel.SENSOR, code="accident.fire.alarm",
            facts={"device": device},
        )  # fmt: skip
    assert len(world.situation.incidents) == 1
