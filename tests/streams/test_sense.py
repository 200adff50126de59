"""sense: one alarm an episode, whose id a replay repeats."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.episodes import Episode
from models.errors import EventError
from models.senml import Reading
from models.words import Channel
from streams import sense as sense_module
from streams.errors import RulesError
from streams.senml import AHEAD_S, BEHIND_S, parse_senml
from streams.sense import SenseState
from streams.sense_alarms import Alarm, episode_id
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


class Words(TypedDict):
    """What each rule says of its alarm."""

    category: str
    priority: int
    zh: str
    en: str
    unit: str


WORDS: Words = {
    "category": "city.waterlogging",
    "priority": 2,
    "zh": "积水",
    "en": "Water",
    "unit": "m",
}
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
    alarms = state(DEPTH).sense([at(i, value) for i, value in enumerate(values)]).alarms
    assert [(alarm.time - START).total_seconds() for alarm in alarms] == [1, 7]
    assert alarms[0].id != alarms[1].id


def test_an_alarm_says_which_device_and_no_number_that_says_nothing() -> None:
    (limit,) = state(DEPTH).sense([at(0, 0.5, "d-7")]).alarms
    assert str(limit.report.attributes["en"]).endswith(", device d-7")
    assert "0.5 m" in limit.report.text
    button = load_sense_rules().for_device("sos-7")["sos"]
    pressed = Reading("sos-7", "sos", 1, "", START.timestamp())
    (alarm,) = state(*button).sense([pressed]).alarms
    said = alarm.report.attributes
    assert (said["zh"], said["en"]) == ("一键呼叫，设备 sos-7", "Call button, device sos-7")
    assert alarm.report.text == f"{said['zh']} / {said['en']}"


PRESSED = ThresholdRule(
    id="pressed", quantity="depth", raise_at=1, clear_at=0.5, off_after_s=300, **WORDS
)


def test_an_event_ends_by_itself_by_its_own_time_and_the_next_is_another() -> None:
    sense = state(PRESSED)
    presses = [0, 5, 299, 598, 898, 899, 90_000]
    alarms = [alarm for s in presses for alarm in sense.sense([at(s, 1)]).alarms]
    assert [(alarm.time - START).total_seconds() for alarm in alarms] == [0, 898, 90_000]
    late = state(PRESSED).sense([at(s, 1) for s in presses])
    assert [alarm.id for alarm in late.alarms] == [alarm.id for alarm in alarms], "in one pack"
    assert sense.sense([at(90_001, 0), at(90_002, 1)]).alarms, "let go, and pressed again"


def test_an_event_that_was_told_before_a_restart_ends_by_itself_after_it() -> None:
    sense = state(PRESSED)
    told = dict(sense.sense([at(0, 1)]).episodes)
    sense.sense([at(200, 1)])
    for kept, new in ((sense.dump(), [False, False, True]), (b"", [True, False, True])):
        woken = state(PRESSED)
        woken.restore(kept, told.values())
        assert [bool(woken.sense([at(s, 1)]).alarms) for s in (400, 650, 950)] == new


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
    assert not sense.sense([at(i * 600, 0.3 * i) for i in range(4)]).alarms
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


def beat(seconds: float, device: str) -> Reading:
    return Reading(device, "beat", 1, "", START.timestamp() + seconds)


BARE: Words = {**WORDS, "unit": ""}
MISSED = SilenceRule(id="missed", quantity="beat", after_s=900, **BARE)


def listening(sense: SenseState, for_s: int, *speakers: str, every_s: int = 300) -> list[str]:
    """Who falls silent while these devices speak at their interval."""
    fallen = []
    for second in range(5, for_s + 1, 5):
        if second % every_s == 0:
            now_s = sense_seconds[0] = sense_seconds[0] + 1
            sense.sense([beat(now_s, name) for name in speakers])
        fallen += [alarm.device for alarm in sense.listen(5, START).alarms]
    return fallen


sense_seconds = [0]
"""Readings' times only have to be new."""


def test_who_falls_silent_among_others_is_told_once_and_again_after_a_sign_of_life() -> None:
    sense = state(MISSED)
    sense.sense([beat(0, name) for name in ("d1", "d2", "d3")])
    assert listening(sense, 890, "d2", "d3") == []
    assert listening(sense, 3600, "d2", "d3") == ["d1"]
    listening(sense, 300, "d1", "d2", "d3")
    assert listening(sense, 3600, "d2", "d3") == ["d1"]


@pytest.mark.parametrize("outage_s", [500, 900, 7200])
def test_while_nobody_could_be_heard_nobody_falls_silent_but_one_for_all(outage_s: int) -> None:
    sense = state(MISSED)
    names = [f"d{number}" for number in range(50)]
    assert listening(sense, 3600, *names) == []
    fallen = [alarm for _ in range(outage_s // 5) for alarm in sense.listen(5, START).alarms]
    assert len(fallen) == (outage_s >= 900)
    assert all(alarm.report.attributes["others"] == 49 for alarm in fallen)
    assert all("另有 49 台" in alarm.report.text for alarm in fallen)
    assert listening(sense, 3600, *names) == [], "all are back"


def test_a_lone_device_is_missed() -> None:
    sense = state(MISSED)
    sense.sense([beat(0, "d1")])
    assert listening(sense, 895) == []
    assert listening(sense, 3600) == ["d1"]


def test_a_silence_that_began_before_a_restart_goes_on_after_it() -> None:
    sense = state(MISSED)
    sense.sense([beat(0, "d1"), beat(0, "d2")])
    assert listening(sense, 600, "d2", every_s=50) == []
    woken = state(MISSED)
    woken.restore(sense.dump(), [])
    assert listening(woken, 250, "d2", every_s=50) == []
    assert listening(woken, 100, "d2", every_s=50) == ["d1"]


def test_what_one_told_for_all_is_not_told_again_after_a_restart() -> None:
    sense = state(MISSED)
    sense.sense([beat(0, name) for name in ("d1", "d2", "d3")])
    fallen = [told for _ in range(180) for told in sense.listen(5, START).episodes.values()]
    woken = state(MISSED)
    woken.restore(sense.dump(), fallen)
    assert (len(fallen), listening(woken, 3600)) == (1, [])


def test_who_is_known_from_its_episodes_alone_is_missed_too() -> None:
    sense = state(MISSED)
    over = Episode(device="d1", rule="missed", began=START, heard=START, is_over=True)
    sense.restore(b"", [over])
    assert listening(sense, 1800, "d2", every_s=60) == ["d1"]


def test_late_and_repeated_readings_change_nothing() -> None:
    sense = state(DEPTH)
    assert sense.sense([at(10, 0.1)]).taken == 1
    again = sense.sense([at(10, 0.9), at(5, 0.9)])
    assert (again.alarms, again.taken, again.late) == ([], 0, 2)


def test_another_unit_is_not_for_the_rule_and_none_is() -> None:
    other = state(DEPTH).sense([at(0, 500, unit="Pa")])
    assert (other.alarms, other.taken, other.other_unit) == ([], 1, 1)
    assert other.unusable == {("d1", "depth"): "Pa"}
    assert len(state(DEPTH).sense([at(0, 0.5, unit="")]).alarms) == 1


@pytest.mark.parametrize(
    ("quantity", "unit", "value"),
    [
        *(("ch4", *said) for said in (("ppm", 5000), ("ppb", 5e6), ("%", 0.5), ("/", 0.005),
                                      ("/100", 0.5), ("/1000", 5))),
        *(("hydrant_pressure", *said) for said in (("Pa", 140_000), ("hPa", 1400), ("kPa", 140),
                                                   ("MPa", 0.14), ("bar", 1.4))),
        *(("temperature", *said) for said in (("Cel", 60), ("K", 333.15), ("degF", 140))),
        *(("water_level", *said) for said in (("m", 4.5), ("cm", 450), ("mm", 4500))),
    ],
)  # fmt: skip
def test_a_limit_is_met_exactly_in_every_unit_of_its_kind(
    quantity: str, unit: str, value: float
) -> None:
    def alarms(told: float) -> int:
        sense = SenseState(load_sense_rules())
        found = [
            sense.sense([Reading("d1", quantity, told, unit, START.timestamp() + s)])
            for s in (0, 200, 400)
        ]
        assert not any(one.other_unit for one in found)
        return sum(len(one.alarms) for one in found)

    quieter = value * (1.001 if quantity == "hydrant_pressure" else 0.999)
    assert (alarms(value), alarms(quieter)) == (1, 0)


def test_a_rise_is_measured_in_the_rules_unit() -> None:
    (alarm,) = state(RISE).sense([at(0, 10, unit="cm"), at(60, 0.6), at(90, 70, unit="cm")]).alarms
    assert alarm.report.attributes["value"] == "0.5 m"


def test_a_time_that_none_can_be_deafens_nobody() -> None:
    """The clock jumped an hour forth, and back: what waited and lasted goes on doing so."""
    sense = state(DEPTH, HELD)
    ahead = [at(3600, 0.4), at(3630, 0.4)]
    (first,) = sense.sense(ahead, START.timestamp() + 3660).alarms
    assert first.rule == "deep"
    back = sense.sense([at(40, 0.4), at(69, 0.4)], START.timestamp() + 100)
    assert (back.taken, back.alarms) == (2, [])
    (second,) = sense.sense([at(70, 0.4)], START.timestamp() + 100).alarms
    assert second.rule == "held"


def test_what_was_ahead_of_the_clock_is_no_set_back_while_it_may_be_so() -> None:
    sense = state(DEPTH)
    sense.sense([at(20, 0.1)], START.timestamp() + 30)
    assert sense.sense([at(10, 0.4)], START.timestamp() + 20).late == 1


def test_a_second_rise_from_the_same_lowest_is_a_second_episode() -> None:
    values = [0.0, 0.6, 0.05, 0.6, 0.05, 0.6]
    alarms = state(RISE).sense([at(10 * i, value) for i, value in enumerate(values)]).alarms
    assert [alarm.time - START for alarm in alarms] == [timedelta(seconds=s) for s in (10, 30, 50)]
    assert len({alarm.id for alarm in alarms}) == 3


def test_a_second_rise_is_its_own_after_a_restart_with_older_windows() -> None:
    sense = state(RISE)
    (first,) = sense.sense([at(0, 0.0), at(10, 0.6)]).alarms
    kept = sense.dump()
    ended = sense.sense([at(20, 0.05)]).episodes
    woken = state(RISE)
    woken.restore(kept, ended.values())
    (second,) = woken.sense([at(30, 0.6)]).alarms
    assert second.id != first.id


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
    (alarm,) = state(slow).sense([at(i / 2, i * 0.5 / 3600) for i in range(3601)]).alarms
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


def test_a_neighbour_that_died_in_its_episode_hides_no_other() -> None:
    sense = neighbours()
    (first,) = sense.sense([at(n, 0.4, f"d{n}") for n in range(3)]).alarms
    again = [at(100 + n, 0.4, f"d{n}") for n in range(3, 6)]
    (second,) = sense.sense(again).alarms
    assert (first.device, second.device) == ("d2", "d5")


def test_a_device_that_is_forgotten_is_nobodys_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sense_module, "MAX_DEVICES", 3)
    sense = neighbours()
    assert sense.sense([at(n, 0.4, f"d{n}") for n in range(3)]).alarms
    sense.sense([at(5, 0.1, f"x{n}") for n in range(3)])
    told = sense.sense([at(10 + n, 0.4, f"d{n}") for n in range(3, 6)])
    assert [alarm.device for alarm in told.alarms] == ["d5"]
    waiting = neighbours()
    waiting.sense([at(0, 0.4, "d0"), at(1, 0.4, "d1")])
    waiting.sense([at(2, 0.1, f"x{n}") for n in range(3)])
    assert not waiting.sense([at(3, 0.4, "d2")]).alarms


def test_a_device_without_a_place_is_nobodys_neighbour() -> None:
    sense = SenseState(SenseRules([NEAR]))
    assert not sense.sense([at(0, 0.4, f"d{n}") for n in range(5)]).alarms


many = st.lists(
    st.builds(at, st.integers(0, 300), st.floats(0, 2), st.sampled_from(sorted(STREET))),
    max_size=60,
)


@settings(deadline=None)
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


@settings(deadline=None)
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


packs = st.lists(
    st.tuples(
        st.integers(0, 4000),
        st.lists(
            st.tuples(
                st.sampled_from(sorted(STREET)),
                st.integers(-600, 10) | st.sampled_from([3600, 8 * 3600, 10**10]),
                st.floats(0, 2),
            ),
            min_size=1,
            max_size=5,
        ),
    ),
    max_size=20,
)
"""When each was received, and device, time (of its receipt) and value of what is in it."""


def read(pack: tuple[int, list[tuple[str, int, float]]], value: float | None = None) -> Record:
    received_s, records = pack
    received = START + timedelta(seconds=received_s)
    raw = [
        {"n": f"{name}/depth", "u": "m", "t": received.timestamp() + s, "v": value or told}
        for name, s, told in records
    ]
    return received.timestamp(), parse_senml(json.dumps(raw).encode(), received)


Record = tuple[float, list[Reading]]
MARGIN_S = 30.0
EVERY_RULE = SenseRules([DEPTH, HELD, LOW, RISE, SILENT, NEAR])


@settings(deadline=None)
@given(packs, st.integers(0, 20), st.booleans())
def test_records_that_come_again_raise_nothing_whatever_times_they_tell(
    given_packs: list[tuple[int, list[tuple[str, int, float]]]], back: int, is_restarted: bool
) -> None:
    records = [read(pack) for pack in given_packs]
    now_s = START.timestamp() + 4000
    sense = SenseState(EVERY_RULE, STREET)
    last: dict[tuple[str, str], Episode] = {}
    for received_s, some in records:
        last.update(sense.sense(some, max(received_s, now_s) + MARGIN_S).episodes)
    if is_restarted:
        kept, sense = sense.dump(), SenseState(EVERY_RULE, STREET)
        sense.restore(kept, last.values())
    for received_s, some in records[back:]:
        again = sense.sense(some, max(received_s, now_s) + MARGIN_S)
        assert (again.alarms, again.taken) == ([], 0)


@settings(deadline=None)
@given(packs)
def test_a_condition_that_lasts_is_told_once_whatever_times_and_clocks_say(
    given_packs: list[tuple[int, list[tuple[str, int, float]]]],
) -> None:
    """The clock jumps with each pack, and it is the same that we have."""
    sense = state(DEPTH, HELD)
    told = [
        (alarm.device, alarm.rule)
        for received_s, some in (read(pack, 0.4) for pack in given_packs)
        for alarm in sense.sense(some, received_s + MARGIN_S).alarms
    ]
    assert len(told) == len(set(told))
    devices = {name for _, records in given_packs for name, *_ in records}
    assert {device for device, rule in told if rule == "deep"} == devices


@settings(deadline=None)
@given(packs, st.integers(0, 4000), st.sampled_from(sorted(STREET)))
def test_no_times_and_no_clocks_deafen(
    given_packs: list[tuple[int, list[tuple[str, int, float]]]], second: int, name: str
) -> None:
    """Whatever was told before, a device is heard again within what clocks may differ by."""
    sense = state(DEPTH)
    for pack in given_packs:
        received_s, some = read(pack)
        sense.sense(some, received_s + MARGIN_S)
    now = [sense.sense(some, s + MARGIN_S) for s, some in (
        read((at_s, [(name, 0, 0.1)])) for at_s in (second, second + int(MARGIN_S + AHEAD_S) + 1)
    )]  # fmt: skip
    assert sum(one.taken for one in now)


@pytest.mark.parametrize("back_s", [BEHIND_S + 1, 26 * 365 * 86_400.0])
def test_a_device_that_lost_its_clock_is_heard_and_not_silent(back_s: float) -> None:
    sense = state(DEPTH, SILENT)

    def told_at(received_s: float, value: float, off_s: float) -> list[str]:
        received = START + timedelta(seconds=received_s)
        raw = [{"n": "d1/depth", "u": "m", "t": received.timestamp() - off_s, "v": value}]
        found = sense.sense(
            parse_senml(json.dumps(raw).encode(), received), received.timestamp() + MARGIN_S
        )
        silent = sense.pass_time(received)
        return [alarm.rule for alarm in (*found.alarms, *silent.alarms)]

    assert told_at(0, 0.1, 0) == []
    assert [told_at(60.0 * minute, 0.1, back_s) for minute in range(1, 40)] == [[]] * 39
    assert told_at(2400, 0.5, back_s) == ["deep"]
    assert told_at(2460, 0.1, 0) == [], "its clock is right again"
    assert told_at(2520, 0.5, 0) == ["deep"]


def test_what_another_version_kept_is_refused_and_the_episodes_hold() -> None:
    sense = state(DEPTH)
    with pytest.raises(EventError, match="not a dump"):
        sense.restore(b"rubbish", [Episode(device="d1", rule="deep", began=START)])
    assert not sense.sense([at(0, 0.5)]).alarms


@settings(deadline=None)
@given(readings)
def test_a_replay_repeats_every_alarm(given_readings: list[Reading]) -> None:
    rules = (DEPTH, HELD, LOW, RISE, SILENT)
    first = state(*rules).sense(given_readings).alarms
    again = state(*rules)
    one_by_one = [alarm for reading in given_readings for alarm in again.sense([reading]).alarms]
    assert first == one_by_one
    assert len({alarm.id for alarm in first}) == len(first)


@settings(deadline=None)
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
