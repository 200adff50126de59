"""classify: category, priority, grade, place and time of a report, and triage where it doubts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.city import CityPack
from models.events import ReportClassified, ReportReceived
from models.geodesy import wgs84_to_gcj02
from models.words import Channel, Datum, Grade
from streams.classify.reports import classify

AT = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


def report(text: str = "", **fields: Any) -> ReportReceived:
    return ReportReceived(**{"channel": Channel.WORKER, "received_at": AT, "text": text, **fields})


@pytest.mark.parametrize(
    ("text", "category", "priority"),
    [
        ("天目湖山上着火,火势很大", "natural.forest_fire", 1),
        ("居民楼起火,三人被困", "accident.fire.structure", 1),
        ("车间槽罐车液氨泄漏,气味刺鼻", "accident.hazmat.leak", 1),
        ("燃气管道被挖断,能闻到煤气味", "accident.gas_leak", 1),
        ("平陵路两车相撞,2人受伤", "accident.traffic", 1),
        ("村民在田里焚烧秸秆", "city.straw_burning", 3),
        ("独居老人按了一键呼叫,无人应答", "city.elderly_alarm", 1),
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
    assert (found.category, found.priority) == (category, priority)
    assert found.reading is not None
    assert found.reading.because


@pytest.mark.parametrize(
    ("text", "priority"),
    [("去年这里曾经着火", 3), ("【演练】化工厂氯气泄漏", 3), ("电梯许可证在哪里办理", 3)],
)
def test_what_is_not_live_waits_for_a_person(liyang: CityPack, text: str, priority: int) -> None:
    found = classify(report(text), liyang)
    assert (found.priority, found.triage, found.life_threat) == (priority, True, False)


def test_a_danger_beside_a_chosen_category_counts(liyang: CityPack) -> None:
    found = classify(report("有个小孩掉进去了，叫不应", code="city.manhole"), liyang)
    assert (found.category, found.priority) == ("city.manhole", 1)
    assert classify(report(code="city.manhole"), liyang).priority == 3


def test_words_beside_a_chosen_category_say_that_it_is_not_live(liyang: CityPack) -> None:
    for text in ("去年这里曾经着火", "【演练】办公楼着火，请各单位按预案行动"):
        found = classify(report(text, code="accident.fire.structure"), liyang)
        assert (found.priority, found.triage, found.life_threat) == (1, True, False), text
    live = classify(report("三楼着火了，火很大", code="accident.fire.structure"), liyang)
    assert (live.priority, live.triage, live.life_threat) == (1, False, True)


@pytest.mark.parametrize("category", ["security.terror", "accident.aircraft", "accident.rail"])
def test_a_grave_category_without_words_is_urgent(liyang: CityPack, category: str) -> None:
    assert classify(report(code=category), liyang).priority == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("三楼起\u200b火，有人被\u200b困", "三楼起火，有人被困"),
        ("三楼起\u200d火", "三楼起火"),
        ("\ufeff三楼起\ufeff火", "三楼起火"),
        ("三楼起\u2060火", "三楼起火"),
        ("三楼起\ufe0f火", "三楼起火"),
        ("三楼起\U000e0100火", "三楼起火"),
        ("老人晕\u200f倒，没有呼\u200e吸", "老人晕倒，没有呼吸"),
        ("smo\u00adke and fi\u00adre on 2nd floor", "smoke and fire on 2nd floor"),
        ("ｓｍｏｋｅ　ａｎｄ　ｆｉｒｅ", "smoke and fire"),
        ("三樓起火，有人被困，兩人受傷", "三楼起火，有人被困，两人受伤"),
        ("兩車相撞，２人受傷", "两车相撞，2人受伤"),
        ("燃氣洩漏", "燃气泄漏"),
        ("\u200b" * 5000 + "三楼起火", "三楼起火"),
    ],
)
def test_what_looks_alike_is_read_alike_and_stays_as_written(
    liyang: CityPack, written: str, meant: str
) -> None:
    found, plain = classify(report(written), liyang), classify(report(meant), liyang)
    assert plain.category != "city.other"
    assert found.text == written
    for field in ("category", "priority", "grade", "confidence", "triage", "facts", "terms"):
        assert getattr(found, field) == getattr(plain, field), field


def test_a_code_is_known_whatever_nobody_sees_in_it(san_francisco: CityPack) -> None:
    codes = san_francisco.codes
    code = next(code for code in codes if codes[code].category != "city.other")
    known = classify(report(code=code), san_francisco)
    found = classify(report(code=f"{code[:1]}\u200b{code[1:]}\ufe0f"), san_francisco)
    assert known.category != "city.other"
    assert (found.category, found.priority) == (known.category, known.priority)


@pytest.mark.parametrize(
    ("text", "category", "facts"),
    [
        ("no injuries\nhouse fire", "accident.fire.structure", {"injured": 0}),
        ("无人受伤\n三楼起火两人被困", "accident.fire.structure", {"injured": 0, "trapped": 2}),
        (
            "no injuries\r\n2 people trapped in a house fire",
            "accident.fire.structure",
            {"trapped": 2},
        ),
        ("car\naccident, 5 people\ninjured", "accident.traffic", {"injured": 5}),
    ],
)
def test_a_line_ends_what_is_denied_and_no_term(
    liyang: CityPack, text: str, category: str, facts: dict[str, int]
) -> None:
    found = classify(report(text), liyang)
    assert found.category == category
    assert facts.items() <= found.facts.items()


def test_a_place_counts_nobody(liyang: CityPack) -> None:
    found = classify(report("car accident with injuries", place="Highway 101"), liyang)
    assert (found.facts["injured"], found.grade) == (1, Grade.IV)
    here = classify(report("有人受伤", place="12人受伤路3号，被困5人"), liyang)
    assert {"injured": 1, "casualties": 1}.items() <= here.facts.items()
    assert "trapped" not in here.facts
    counted = classify(report("12 people injured", place="Highway 101"), liyang)
    assert (counted.facts["injured"], counted.grade) == (12, Grade.III)


def test_a_place_still_tells_the_category(liyang: CityPack) -> None:
    assert classify(report("", place="居民楼起火"), liyang).category == "accident.fire.structure"


@pytest.mark.parametrize("text", ["", "hello", "你好", "🔥", "\x00"])
def test_what_nobody_can_tell_asks_for_triage(liyang: CityPack, text: str) -> None:
    found = classify(report(text), liyang)
    assert (found.category, found.triage) == ("city.other", True)


def test_a_code_of_the_city_decides_over_the_text(san_francisco: CityPack) -> None:
    codes = san_francisco.codes
    code = next(code for code in codes if codes[code].category != "city.other")
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
        ("车祸，2人死亡", Grade.IV),
        ("车祸，3人死亡", Grade.III),
        ("车祸，10人受伤", Grade.III),
        ("洪水围了村子，12人被困", Grade.II),
        ("看台塌了，五十人受伤", Grade.II),
        ("大巴翻下山崖，三十人遇难", Grade.I),
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
    found = classify(report("井盖缺失", lon=118.0, lat=31.0), liyang)
    assert (found.cell, found.outside) == ("", True)


def test_what_a_phone_without_a_fix_says_is_no_place(liyang: CityPack) -> None:
    found = classify(report("井盖缺失", lon=0.0, lat=0.0), liyang)
    assert (found.lon, found.lat, found.outside) == (None, None, True)


def test_a_report_without_a_place_has_the_one_that_its_words_name(liyang: CityPack) -> None:
    found = classify(report("上黄镇西埝村井盖缺失"), liyang)
    assert found.near is not None
    assert found.near.names["zh"] == "西埝村村委会"


@pytest.mark.parametrize(("lon", "lat"), [(500.0, 31.0), (119.0, float("nan")), (119.0, None)])
def test_a_place_that_is_none_is_left_out(liyang: CityPack, lon: float, lat: float) -> None:
    found = classify(report("井盖缺失", lon=lon, lat=lat), liyang)
    assert (found.lon, found.lat, found.outside) == (None, None, True)


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
