"""A text is read in layers: whether it happens now, whether a life is at stake, what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.categories import categories
from models.likeness import likeness
from streams.classify import reader
from streams.classify.reader import Understood, thresholds, understand
from streams.errors import RulesError


def read(text: str) -> Understood:
    (found,) = understand([text])
    return found


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("My husband has stopped breathing", "health.medical"),
        ("car hit a pedestrian, she is not moving", "accident.traffic"),
        ("人掉河里了，看不见头了", "accident.rescue.water"),
        ("三楼着火，窗口有人喊救命", "accident.fire"),
        ("老头子叫不醒了，脸发紫", "health.medical"),
        ("he has a knife and she is bleeding", "security.crime"),
        ("一家四口都头晕想吐，热水器在卫生间里", "health.medical"),
    ],
)
def test_a_life_at_stake_is_raised_whatever_words_say_it(text: str, family: str) -> None:
    found = read(text)
    assert found.is_raised
    assert found.category.startswith(family)
    assert found.reading.alarming


@pytest.mark.parametrize(
    "text",
    [
        "三头牛死亡",
        "200只鸡死了",
        "燃气公司乱收费",
        "建议加强火灾宣传",
        "去年这里曾经着火",
        "【演练】化工厂氯气泄漏",
        "电梯许可证在哪里办理",
        "手续被街道的人卡住",
        "Please repaint the fire lane at the school",
        "this is a drill: active shooter in building B, notional casualties",
    ],
)
def test_what_is_not_happening_raises_nothing(text: str) -> None:
    found = read(text)
    assert not found.is_raised


def test_reasons_are_words_of_the_text_in_its_order() -> None:
    text = "前面撞了！俩车，一个人飞出去十几米，躺那不动"
    reading = read(text).reading
    for reasons in (reading.because, reading.alarming):
        assert 1 <= len(reasons) <= 3
        places = [text.index(reason) for reason in reasons]
        assert places == sorted(places)


def test_unreal_words_are_named() -> None:
    reading = read("【演练】化工厂氯气泄漏，请各单位按预案行动").reading
    assert reading.modality == "drill"
    assert any("演练" in reason for reason in reading.unreal)


def test_in_an_exercise_a_drill_is_meant_and_a_memory_is_not() -> None:
    texts = ["【演练】化工厂氯气泄漏，三人被困", "去年这里曾经着火"]
    drill, memory = understand(texts, is_exercise=True)
    assert drill.is_raised
    assert (drill.reading.modality, drill.is_unreal) == ("live", False)
    assert memory.is_unreal


def test_categories_stand_in_order_of_probability() -> None:
    found = read("路口井盖不见了")
    chances = [one.probability for one in found.reading.categories]
    assert chances == sorted(chances, reverse=True)
    assert found.reading.categories[0].category == found.category == "city.manhole"
    assert found.confidence == chances[0]


def test_together_or_alone_a_text_is_read_alike() -> None:
    texts = ["着火了", "a tree fell on the road", "路灯坏了半个月", "help", "今天的菜价是多少"] * 5
    for together, alone in zip(understand(texts), map(read, texts), strict=True):
        assert together.category == alone.category
        assert together.is_raised == alone.is_raised
        assert together.confidence == pytest.approx(alone.confidence, abs=0.03)


def test_alike_texts_have_alike_sketches() -> None:
    smoke, fire, hole = (
        read(text).reading.sketch
        for text in ("六楼窗户冒黑烟", "六楼着火了，黑烟往外涌", "路口井盖丢了")
    )
    assert likeness(smoke, smoke) == pytest.approx(1.0)
    assert likeness(smoke, fire) > likeness(smoke, hole)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    found = read(text)
    assert found.category in categories()
    assert 0 <= found.confidence <= 1
    assert 0 <= found.reading.danger <= 1
    assert 0 <= found.reading.real <= 1
    assert not found.is_sure or found.is_raised


def test_a_threshold_that_is_no_probability_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.yaml"
    path.write_text(reader.THRESHOLDS.read_text().replace("real: 0.7", "real: 7"))
    with pytest.raises(RulesError, match=r"thresholds.yaml:7: Expected `float` <= 1.0"):
        thresholds(path)
