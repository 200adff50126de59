"""Tags are read as mappers mean them: who may drive where and which way, limits, names."""

from __future__ import annotations

import pytest

from gridcommand.osm_tags import (
    has_unread_limit,
    names,
    not_driven,
    oneway,
    speed_kmh,
    stands_in_the_way,
    unheeded,
)


@pytest.mark.parametrize(
    ("said", "kmh"),
    [
        ("20 mph", 32.19), ("50MPH", 80.47), (" 50", 50), ("30 km/h", 30), ("walk", 7),
        ("RU:urban", 60), ("DE:urban", 50), ("DE:rural", 100), ("XX:rural", 80), ("FR:zone30", 30),
        ("DE:30", 30), ("DE:zone:30", 30), ("GB:20", 32.19), ("BE-VLG:rural", 80),
        ("DE:bicycle_road", 30), ("XX:motorway", 120), ("50;30", 30), ("none", None), ("0", None),
        ("999", None), ("-5", None), ("50;fast", None), ("", None),
    ],
)  # fmt: skip
def test_maxspeed_is_read_as_mappers_mean_it(said: str, kmh: float | None) -> None:
    assert speed_kmh({"maxspeed": said}) == pytest.approx(kmh, abs=0.01)


@pytest.mark.parametrize(
    ("tags", "way", "kmh"),
    [
        ({"maxspeed:forward": "50", "maxspeed:backward": "30"}, "B", 30),
        ({"maxspeed:forward": "50", "maxspeed:backward": "30"}, "F", 50),
        ({"maxspeed:forward": "50", "maxspeed:backward": "30"}, "T", 30),
        ({"maxspeed": "70", "maxspeed:backward": "50"}, "B", 50),
        ({"maxspeed": "70", "maxspeed:backward": "50"}, "F", 70),
        ({"maxspeed:forward": "50"}, "T", None),
        ({"zone:maxspeed": "DE:30"}, "B", 30),
        ({"zone:maxspeed": "30", "source:maxspeed": "DE:urban"}, "B", 30),
        ({"source:maxspeed": "DE:urban"}, "B", 50),
        ({"maxspeed:type": "RU:urban"}, "B", 60),
        ({"source:maxspeed": "sign"}, "B", None),
        ({"maxspeed": "none", "source:maxspeed": "DE:urban"}, "B", None),
        ({"maxspeed": "fast", "source:maxspeed": "DE:urban"}, "B", 50),
    ],
)
def test_the_limits_of_the_directions_that_are_driven_count(
    tags: dict[str, str], way: str, kmh: float | None
) -> None:
    assert speed_kmh(tags, way) == kmh


def test_a_limit_that_nobody_reads_is_told_from_none() -> None:
    assert has_unread_limit({"maxspeed:forward": "50", "maxspeed:backward": "fast"})
    assert has_unread_limit({"zone:maxspeed": "schnell"})
    assert not has_unread_limit({"maxspeed": "none", "source:maxspeed": "sign"})
    assert not has_unread_limit({"maxspeed:forward": "50", "maxspeed:backward": "fast"}, "F")


STREET = {"highway": "residential"}


@pytest.mark.parametrize(
    ("tags", "letter"),
    [
        ({}, "B"),
        ({"motor_vehicle": "no", "motorcar": "yes"}, "B"),
        ({"motor_vehicle": "yes", "motorcar": "no"}, ""),
        ({"access": "no", "vehicle": "yes"}, "B"),
        ({"access": "yes", "vehicle": "no"}, ""),
        ({"vehicle": "no", "motor_vehicle": "destination"}, "B"),
        ({"access": "private"}, ""),
        ({"access": "private", "emergency": "yes"}, "B"),
        ({"access": "private", "emergency": "private"}, "B"),
        ({"access": "emergency"}, "B"),
        ({"motorcar": "yes", "emergency": "no"}, ""),
        ({"motor_vehicle": "no", "emergency": "fire_hydrant"}, ""),
        ({"motor_vehicle": "agricultural;forestry"}, ""),
        ({"motor_vehicle": "agricultural;destination"}, "B"),
        ({"access:conditional": "no @ (22:00-06:00)"}, "B"),
        ({"motor_vehicle": "no", "motor_vehicle:conditional": "yes @ (20:00-10:00"}, ""),
        ({"motor_vehicle:backward": "no"}, "F"),
        ({"vehicle:forward": "no", "emergency": "yes"}, "B"),
        ({"oneway": "yes", "motor_vehicle:forward": "no"}, ""),
        ({"oneway": "yes", "oneway:emergency": "no"}, "B"),
        ({"oneway": "yes", "oneway:motor_vehicle": "no"}, "B"),
        ({"oneway": "no", "oneway:motorcar": "-1"}, "T"),
        ({"oneway": "yes", "oneway:bicycle": "no"}, "F"),
        ({"highway": "motorway"}, "F"),
        ({"highway": "motorway", "oneway:emergency": "no"}, "B"),
        ({"junction": "roundabout"}, "F"),
        ({"oneway": "-1"}, "T"),
        ({"highway": "service", "service": "emergency_access", "access": "no"}, "B"),
        ({"highway": "pedestrian"}, ""),
        ({"highway": "pedestrian", "access": "yes"}, ""),
        ({"highway": "pedestrian", "motor_vehicle": "delivery"}, "B"),
        ({"highway": "footway", "emergency": "yes"}, "B"),
        ({"highway": "footway", "motor_vehicle": "yes"}, ""),
        ({"highway": "track", "motor_vehicle": "yes"}, "B"),
        ({"highway": "track", "motor_vehicle": "forestry"}, ""),
    ],
)
def test_the_most_specific_key_says_who_may_drive_where(tags: dict[str, str], letter: str) -> None:
    street = STREET | tags
    assert oneway(street) == letter
    assert bool(not_driven(street)) is not bool(letter)


def test_what_is_there_no_more_or_turns_with_the_hour_is_not_driven() -> None:
    assert "no more" in not_driven(STREET | {"abandoned": "yes"})
    assert not not_driven(STREET | {"abandoned:railway": "rail"})
    assert "with the hour" in not_driven(STREET | {"oneway": "reversible"})
    assert not not_driven(STREET | {"oneway": "reversible", "oneway:emergency": "no"})
    assert not_driven({"highway": "pedestrian", "emergency": "yes", "area": "yes"})


def test_conditions_and_limits_that_are_not_followed_are_told() -> None:
    assert not unheeded(STREET | {"motor_vehicle": "no", "surface": "asphalt"})
    (one,) = unheeded(STREET | {"motor_vehicle:conditional": "no @ (Mo-Fr)"})
    assert "some hours" in one
    (one,) = unheeded(STREET | {"maxweight": "3.5"})
    assert "weight" in one


@pytest.mark.parametrize(
    ("tags", "stands"),
    [
        ({"barrier": "bollard"}, True),
        ({"barrier": "bollard", "access": "yes"}, True),
        ({"barrier": "bollard", "motor_vehicle": "yes"}, False),
        ({"barrier": "bollard", "access": "no", "emergency": "yes"}, False),
        ({"barrier": "bollard", "bollard": "rising"}, False),
        ({"barrier": "bollard", "bollard": "rising", "motor_vehicle": "no"}, True),
        ({"barrier": "block", "motor_vehicle": "no"}, True),
        ({"barrier": "chain"}, True),
        ({"barrier": "gate"}, False),
        ({"barrier": "gate", "access": "no"}, True),
        ({"barrier": "gate", "access": "private"}, True),
        ({"barrier": "gate", "access": "private", "emergency": "yes"}, False),
        ({"barrier": "lift_gate", "access": "no", "motorcar": "yes"}, False),
        ({"barrier": "toll_booth"}, False),
        ({"motor_vehicle": "no"}, True),
        ({"highway": "crossing", "motor_vehicle": "no"}, False),
        ({"amenity": "parking_entrance", "access": "private"}, False),
        ({"emergency": "fire_hydrant"}, False),
    ],
)
def test_access_on_a_node_is_read_as_on_a_street(tags: dict[str, str], stands: bool) -> None:
    assert stands_in_the_way(tags) is stands


def test_a_street_has_its_local_and_its_english_name() -> None:
    assert names({"name": "燕山路", "name:en": "Yanshan Road"}) == "燕山路 (Yanshan Road)"
