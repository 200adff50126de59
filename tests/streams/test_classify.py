"""classify: category, priority, grade, place and time of a report, and triage where it doubts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.city import CityPack
from models.events import ReportClassified, ReportReceived
from models.words import Channel, Datum, Grade
from streams.classify import classify
from streams.geodesy import wgs84_to_gcj02

AT = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


def report(text: str = "", **fields: Any) -> ReportReceived:
    return ReportReceived(**{"channel": Channel.WORKER, "received_at": AT, "text": text, **fields})


@pytest.mark.parametrize(
    ("text", "category", "priority"),
    [
        ("天目湖山上着火,火势很大", "natural.forest_fire", 1),
        ("居民楼起火,三人被困", "accident.fire.structure", 1),
        ("车间槽罐车液氨泄漏,气味刺鼻", "accident.hazmat", 1),
        ("燃气管道被挖断,能闻到煤气味", "accident.gas_leak", 1),
        ("平陵路两车相撞,2人受伤", "accident.traffic", 1),
        ("下穿涵洞积水很深", "city.waterlogging", 3),
        ("村民在田里焚烧秸秆", "city.straw_burning", 3),
        ("路口井盖不见了", "city.manhole", 3),
        ("独居老人按了一键呼叫,无人应答", "city.elderly_alarm", 2),
        ("电梯困人", "accident.rescue.elevator", 1),
        ("小区门口垃圾成堆", "city.garbage", 4),
        ("house fire on Clay St, two people trapped", "accident.fire.structure", 1),
        ("smell of gas in the hallway", "accident.gas_leak", 1),
        ("car crash, no injuries", "accident.traffic", 2),
        ("man fell into the water near pier 39", "accident.rescue.water", 1),
    ],
)
def test_texts(liyang: CityPack, text: str, category: str, priority: int) -> None:
    found = classify(report(text), liyang)
    assert (found.category, found.priority, found.triage) == (category, priority, False)
    assert found.terms


@pytest.mark.parametrize("text", ["", "hello", "你好", "🔥", "\x00"])
def test_what_nobody_can_tell_asks_for_triage(liyang: CityPack, text: str) -> None:
    found = classify(report(text), liyang)
    assert (found.category, found.triage) == ("city.other", True)
    assert found.confidence < 0.6


def test_an_ambiguous_text_asks_for_triage(liyang: CityPack) -> None:
    found = classify(report("起火了"), liyang)
    assert found.category == "accident.fire.structure"
    assert found.triage


def test_a_code_of_the_city_decides_over_the_text(san_francisco: CityPack) -> None:
    code = next(iter(san_francisco.codes))
    entry = san_francisco.codes[code]
    found = classify(report("garbage pile", code=code), san_francisco)
    assert found.category == entry.category
    assert not found.triage


def test_a_category_id_is_a_code_everywhere(liyang: CityPack) -> None:
    assert classify(report("?", code="city.manhole"), liyang).category == "city.manhole"


def test_an_unknown_code_is_kept_and_the_text_decides(liyang: CityPack) -> None:
    found = classify(report("井盖缺失", code="X-99"), liyang)
    assert (found.category, found.code) == ("city.manhole", "X-99")


def test_only_a_sensor_or_system_says_its_own_priority(liyang: CityPack) -> None:
    fields: dict[str, Any] = {"code": "city.waterlogging", "attributes": {"priority": 1}}
    assert classify(report(channel=Channel.SENSOR, **fields), liyang).priority == 1
    assert classify(report(channel=Channel.CITIZEN, **fields), liyang).priority == 3


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("2人死亡", Grade.IV),
        ("3人死亡", Grade.III),
        ("10人受伤", Grade.III),
        ("12人被困", Grade.II),
        ("五十人受伤", Grade.II),
        ("三十人遇难", Grade.I),
        ("无人受伤", Grade.IV),
    ],
)
def test_grade_by_casualties(liyang: CityPack, text: str, grade: Grade) -> None:
    assert classify(report(text), liyang).grade is grade


def test_coordinates_come_to_wgs84_and_to_a_cell(liyang: CityPack) -> None:
    lon, lat = liyang.center
    sent = wgs84_to_gcj02(lon, lat)
    found = classify(report("积水", lon=sent[0], lat=sent[1], datum=Datum.GCJ02), liyang)
    assert found.lon == pytest.approx(lon, abs=1e-6)
    assert found.lat == pytest.approx(lat, abs=1e-6)
    cell = liyang.cells.locate(lon, lat)
    assert cell is not None
    assert (found.cell, found.outside) == (cell.code, False)


def test_a_place_outside_every_cell_is_flagged(liyang: CityPack) -> None:
    found = classify(report("井盖缺失", lon=0.0, lat=0.0), liyang)
    assert (found.cell, found.outside, found.triage) == ("", True, False)


@pytest.mark.parametrize(("lon", "lat"), [(500.0, 31.0), (119.0, float("nan")), (119.0, None)])
def test_a_place_that_is_none_asks_for_triage(liyang: CityPack, lon: float, lat: float) -> None:
    found = classify(report("井盖缺失", lon=lon, lat=lat), liyang)
    assert (found.lon, found.lat, found.outside, found.triage) == (None, None, True, True)


def test_both_times_are_kept_in_utc(liyang: CityPack) -> None:
    wrong = datetime(2026, 7, 1, 14, 0, tzinfo=timezone(timedelta(hours=8)))
    found = classify(report("井盖缺失", observed_at=wrong), liyang)
    assert found.received_at == AT
    assert found.observed_at == datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
    assert found.clock_skew_s == 3 * 3600


def test_a_time_without_zone_is_the_citys(liyang: CityPack) -> None:
    naive = datetime(2026, 7, 1, 11, 0)  # noqa: DTZ001
    assert classify(report("井盖缺失", observed_at=naive), liyang).clock_skew_s == 0


@settings(deadline=None)
@given(
    text=st.text(max_size=100),
    code=st.text(max_size=10),
    lon=st.none() | st.floats(),
    lat=st.none() | st.floats(),
    datum=st.sampled_from(Datum),
)
def test_every_report_gets_an_answer_and_the_same_again(
    liyang: CityPack,
    text: str,
    code: str,
    lon: float | None,
    lat: float | None,
    datum: Datum,
) -> None:
    sent = report(text, code=code, lon=lon, lat=lat, datum=datum)
    found = classify(sent, liyang)
    assert isinstance(found, ReportClassified)
    assert found == classify(sent, liyang)
    assert found.priority in (1, 2, 3, 4)
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "triage", "danger"),
    [
        # A fact alone is no ground for a machine to send anybody.
        ("有人被困", True, False),
        ("出事了，有人受伤", True, False),
        # What it is is in doubt; that somebody is in danger isn't.
        ("车祸，车里冒烟，有人昏迷", True, True),
        ("有人昏迷，燃气泄漏", True, True),
        ("车祸，车里冒烟，没有人昏迷", True, False),
        ("路面积水", False, False),
        ("起火了，楼房着火", False, True),
    ],
)
def test_a_danger_to_life_is_read_whichever_it_is(
    liyang: CityPack, text: str, triage: bool, danger: bool
) -> None:
    got = classify(report(text), liyang)
    assert (got.triage, got.life_threat) == (triage, danger), got
