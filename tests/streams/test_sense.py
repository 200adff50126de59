"""sense: one alarm an episode, whose id a replay repeats."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.episodes import Episode
from models.errors import EventError
from models.words import Channel
from streams.errors import RulesError
from streams.senml import Reading
from streams.sense import Alarm, SenseState, episode_id
from streams.sense_rules import (
    Quorum,
    RateRule,
    Rule,
    SenseRules,
    SilenceRule,
    ThresholdRule,
    load_sense_rules,
)

START = datetime(2026, 7, 1, tzinfo=UTC)
WORDS = {"category": "city.waterlogging", "priority": 2, "zh": "积水", "en": "Water", "unit": "m"}
DEPTH = ThresholdRule(id="deep", quantity="depth", raise_at=0.3, clear_at=0.2, **WORDS)
HELD = ThresholdRule(id="held", quantity="depth", raise_at=0.3, clear_at=0.2, hold_s=60, **WORDS)
LOW = ThresholdRule(
    id="low", quantity="depth", raise_at=0.1, clear_at=0.2, direction="below", **WORDS
)
RISE = RateRule(id="rise", quantity="depth", rise=0.5, clear_rise=0.1, window_s=600, **WORDS)
SILENT = SilenceRule(id="silent", quantity="depth", after_s=900, **WORDS)


def at(seconds: float, value: float, device: str = "d1", unit: str = "m") -> Reading:
    return Reading(device, "depth", value, unit, START.timestamp() + seconds)


def state(*rules: Rule) -> SenseState:
    return SenseState(SenseRules(list(rules)))


def test_a_threshold_is_raised_once_and_again_only_after_it_cleared() -> None:
    values = [0.1, 0.31, 0.29, 0.4, 0.25, 0.31, 0.2, 0.3]
    alarms = state(DEPTH).sense(at(i, value) for i, value in enumerate(values)).alarms
    assert [(alarm.time - START).total_seconds() for alarm in alarms] == [1, 7]
    assert alarms[0].id != alarms[1].id


def test_a_threshold_must_hold() -> None:
    sense = state(HELD)
    assert not sense.sense([at(0, 0.4), at(59, 0.4), at(59.5, 0.1), at(60, 0.4)]).alarms
    (alarm,) = sense.sense([at(120, 0.4)]).alarms
    assert alarm.id == episode_id("d1", "held", START + timedelta(seconds=60))


def test_below_is_the_mirror_of_above() -> None:
    readings = [at(0, 0.3), at(1, 0.1), at(2, 0.15), at(3, 0.05)]
    assert len(state(LOW).sense(readings).alarms) == 1


def test_a_rise_within_its_window_is_raised() -> None:
    sense = state(RISE)
    assert not sense.sense(at(i * 600, 0.3 * i) for i in range(4)).alarms
    (alarm,) = sense.sense([at(2000, 1.45)]).alarms
    assert alarm.report.attributes["value"] == "0.55 m"


def test_silence_is_raised_once_and_again_after_a_sign_of_life() -> None:
    sense = state(SILENT)
    sense.sense([at(0, 1)])
    assert not sense.pass_time(START + timedelta(seconds=899)).alarms
    (first,) = sense.pass_time(START + timedelta(seconds=900)).alarms
    assert not sense.pass_time(START + timedelta(seconds=5000)).alarms
    sense.sense([at(6000, 1)])
    (second,) = sense.pass_time(START + timedelta(seconds=7000)).alarms
    assert first.id != second.id


def test_late_and_repeated_readings_change_nothing() -> None:
    sense = state(DEPTH)
    sense.sense([at(10, 0.1)])
    assert not sense.sense([at(10, 0.9), at(5, 0.9)]).alarms
    assert sense.ignored == 2


def test_another_unit_is_not_for_the_rule_and_none_is() -> None:
    assert not state(DEPTH).sense([at(0, 500, unit="Pa")]).alarms
    assert len(state(DEPTH).sense([at(0, 0.5, unit="")]).alarms) == 1


def test_an_alarm_is_a_sensor_report_with_place_and_category() -> None:
    sense = SenseState(SenseRules([DEPTH]), {"d1": (119.4, 31.4)})
    (alarm,) = sense.sense([at(0, 0.5)]).alarms
    event = alarm.as_event("320481", exercise=False)
    assert (alarm.report.channel, alarm.report.code) == (Channel.SENSOR, "city.waterlogging")
    assert (alarm.report.lon, alarm.report.lat) == (119.4, 31.4)
    assert (event.id, event.subject) == (alarm.id, "d1")


def test_a_device_may_send_its_own_place() -> None:
    now = START.timestamp()
    place = [Reading("d1", name, v, "", now) for name, v in (("lon", 119.5), ("lat", 31.5))]
    (alarm,) = state(DEPTH).sense([*place, at(0, 0.5)]).alarms
    assert (alarm.report.lon, alarm.report.lat) == (119.5, 31.5)


readings = st.lists(
    st.builds(at, st.integers(0, 5000), st.floats(0, 2), st.sampled_from(["d1", "d2"])),
    max_size=60,
)


def test_a_slow_rise_is_found_whatever_the_rate_of_its_samples() -> None:
    """Two a second for half an hour: more than a window holds."""
    slow = RateRule(id="slow", quantity="depth", rise=0.5, clear_rise=0.1, window_s=1800, **WORDS)
    (alarm,) = state(slow).sense(at(i / 2, i * 0.5 / 3600) for i in range(3601)).alarms
    assert alarm.report.attributes["value"] == "0.5 m"


NEAR = ThresholdRule(
    id="near", quantity="depth", raise_at=0.3, clear_at=0.2,
    quorum=Quorum(count=3, radius_m=500, within_s=60), **WORDS,
)  # fmt: skip
STREET = {f"d{n}": (119.4 + n * 0.002, 31.4) for n in range(9)}
"""Some 190 m from one to the next."""


def neighbours() -> SenseState:
    return SenseState(SenseRules([NEAR]), STREET)


def test_a_quorum_of_neighbours_is_one_alarm() -> None:
    sense = neighbours()
    assert not sense.sense([at(0, 0.4, "d0"), at(1, 0.4, "d8"), at(2, 0.4, "d1")]).alarms
    told = sense.sense([at(3, 0.4, "d2")])
    (alarm,) = told.alarms
    assert alarm.device == "d2"
    assert alarm.report.attributes["neighbours"] == "d0, d1"
    assert {device for device, _ in told.episodes} == {"d0", "d1", "d2"}
    assert not sense.sense([at(4, 0.4, "d3"), at(5, 0.4, "d8")]).alarms, "d3's neighbours told"


def test_neighbours_that_cleared_or_are_not_heard_do_not_count() -> None:
    sense = neighbours()
    assert not sense.sense([at(0, 0.4, "d0"), at(1, 0.4, "d1"), at(2, 0.1, "d1")]).alarms
    assert not sense.sense([at(3, 0.4, "d2"), at(100, 0.4, "d1")]).alarms
    assert sense.sense([at(101, 0.4, "d2"), at(102, 0.4, "d0")]).alarms


def test_a_device_without_a_place_is_nobodys_neighbour() -> None:
    sense = SenseState(SenseRules([NEAR]))
    assert not sense.sense(at(0, 0.4, f"d{n}") for n in range(5)).alarms


many = st.lists(
    st.builds(at, st.integers(0, 300), st.floats(0, 2), st.sampled_from(sorted(STREET))),
    max_size=60,
)


@given(many, st.integers(0, 60))
def test_a_restart_raises_nothing_twice_and_forgets_nothing(
    given_readings: list[Reading], cut: int
) -> None:
    """Stopped anywhere, restored from what was kept: the same alarms as without the stop."""
    rules = SenseRules([DEPTH, HELD, LOW, RISE, SILENT, NEAR])
    straight, stopped = SenseState(rules, STREET), SenseState(rules, STREET)
    on: dict[tuple[str, str], Episode] = {}

    def feed(sense: SenseState, some: list[Reading]) -> list[Alarm]:
        told = sense.sense(some)
        on.update(told.episodes)
        return told.alarms

    alarms = feed(stopped, given_readings[:cut])
    woken = SenseState(rules, STREET)
    woken.restore(stopped.dump(), list(on.values()))
    # A record that was handled and not yet committed comes again.
    assert not feed(woken, given_readings[:cut])
    alarms += feed(woken, given_readings[cut:])
    alarms += woken.pass_time(START + timedelta(hours=9)).alarms
    expected = straight.sense(given_readings).alarms
    expected += straight.pass_time(START + timedelta(hours=9)).alarms
    assert sorted(a.id for a in alarms) == sorted(a.id for a in expected)


def _time(reading: Reading) -> float:
    return reading.at


@given(many, st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_windows_that_are_older_than_the_episodes_raise_nothing_twice(
    given_readings: list[Reading], one: int, two: int, three: int
) -> None:
    """Windows are kept now and then, episodes at once; records come again from before both."""
    # In order, as a device sends them; what is late beside lost windows can't be told apart.
    given_readings = sorted({(r.device, r.at): r for r in given_readings}.values(), key=_time)
    back, kept, cut = sorted((one, two, three))
    rules = SenseRules([DEPTH])
    straight, stopped, woken = (SenseState(rules, STREET) for _ in range(3))
    last: dict[tuple[str, str], Episode] = {}
    alarms, windows = [], b""
    for number, reading in enumerate(given_readings[:cut]):
        if number == kept:
            windows = stopped.dump()
        told = stopped.sense([reading])
        last.update(told.episodes)
        alarms += told.alarms
    woken.restore(windows, last.values())
    alarms += woken.sense(given_readings[back:]).alarms
    expected = straight.sense(given_readings).alarms
    assert sorted(a.id for a in alarms) == sorted(a.id for a in expected)


def test_what_another_version_kept_is_refused_and_the_episodes_hold() -> None:
    sense = state(DEPTH)
    with pytest.raises(EventError, match="not a dump"):
        sense.restore(b"rubbish", [Episode(device="d1", rule="deep", began=START)])
    assert not sense.sense([at(0, 0.5)]).alarms


@given(readings)
def test_a_replay_repeats_every_alarm(given_readings: list[Reading]) -> None:
    rules = (DEPTH, HELD, LOW, RISE, SILENT)
    first = state(*rules).sense(given_readings).alarms
    again = state(*rules)
    one_by_one = [alarm for reading in given_readings for alarm in again.sense([reading]).alarms]
    assert first == one_by_one
    assert len({alarm.id for alarm in first}) == len(first)


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 2**41))
def test_episode_ids_are_uuid7_and_their_own(device: str, rule: str, millis: int) -> None:
    began = datetime.fromtimestamp(millis // 1000, UTC)
    found = uuid.UUID(episode_id(device, rule, began))
    assert found.version == 7
    assert found.variant == uuid.RFC_4122
    assert str(found) != episode_id(device, rule, began, scope=".exercise")
    assert found.int >> 80 == millis // 1000 * 1000


def test_shipped_rules_are_sound() -> None:
    assert load_sense_rules().for_device("any")["water_level"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("quorum: {count: 1, radius_m: 500, within_s: 60}", "quorum needs"),
        ("clear_at: 0.5", "quiet side"),
        ("category: nowhere", "nowhere"),
        ("priority: 0", "priority 0"),
        ("direction: up", "above or below"),
        ("colour: red", "colour"),
        ("id: ''", "id is empty"),
    ],
)
def test_wrong_rules_are_refused(tmp_path: Path, change: str, message: str) -> None:
    fields = {
        "id": "r", "kind": "threshold", "quantity": "q", "unit": "m", "raise_at": "0.3",
        "clear_at": "0.2", "category": "city.other", "priority": "3", "zh": "z", "en": "e",
    }  # fmt: skip
    key, _, value = change.partition(": ")
    fields[key] = value
    line = ", ".join(f"{name}: {text}" for name, text in fields.items())
    path = tmp_path / "rules.yaml"
    path.write_text(f"rules:\n  - {{{line}}}\n", encoding="utf-8")
    with pytest.raises(RulesError, match=message):
        load_sense_rules(path)
