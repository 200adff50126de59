"""The lexicon: categories, counts in both languages, what is denied, and that nothing breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.classify.lexicon import DATA, load_lexicon
from streams.errors import RulesError

LEXICON = load_lexicon()


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("三人被困", {"trapped": 3}),
        ("两名工人受伤一人死亡", {"injured": 2, "dead": 1, "casualties": 3}),
        ("受伤两人死亡一人", {"injured": 2, "dead": 1, "casualties": 3}),
        ("造成2死3伤", {"injured": 3, "dead": 2, "casualties": 5}),
        ("被困12人", {"trapped": 12}),
        ("二十三名乘客被困", {"trapped": 23}),
        ("十几名工人被困井下", {"trapped": 10}),
        ("3楼有人被困", {"trapped": 1}),
        ("无人受伤", {"injured": 0, "casualties": 0}),
        ("未造成人员伤亡", {"injured": 0, "casualties": 0}),
        ("无人受伤,但有一人被困", {"injured": 0, "casualties": 0, "trapped": 1}),
        ("没有明火", {}),
        ("水位不断上涨,有明火", {"fire_visible": True}),
        ("独居老人没有呼吸", {"elderly": True, "threat_to_life": True}),
        ("槽罐车液氨泄漏", {"hazardous_goods": True}),
        ("three people injured", {"injured": 3, "casualties": 3}),
        ("two men trapped", {"trapped": 2}),
        ("no injuries", {"injured": 0, "casualties": 0}),
        ("nobody is hurt but one person is trapped", {"injured": 0, "casualties": 0, "trapped": 1}),
        ("No flames visible", {}),
        ("12 passengers trapped on the 3rd floor", {"trapped": 12}),
        ("a man is trapped", {"trapped": 1}),
    ],
)
def test_facts(text: str, facts: dict[str, int]) -> None:
    assert LEXICON.read(text).facts == facts


def test_full_width_and_case_read_the_same() -> None:
    assert LEXICON.read("３人被困").facts == {"trapped": 3}
    assert LEXICON.read("HOUSE FIRE").scores == LEXICON.read("house fire").scores


def test_the_longest_term_wins() -> None:
    assert LEXICON.read("没有井盖").scores.keys() == {"city.manhole"}
    assert "没有井盖" in LEXICON.read("路口没有井盖").terms


def test_a_denied_term_names_nothing() -> None:
    assert "accident.fire.structure" not in LEXICON.read("没有起火").scores
    assert LEXICON.read("no fire, no smoke").scores == {}


def test_context_counts_only_beside_a_naming_term() -> None:
    assert LEXICON.read("居民楼").scores == {}
    assert (
        LEXICON.read("仓库有火灾").scores["accident.fire.structure"]
        > LEXICON.read("火灾").scores["accident.fire.structure"]
    )


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_read_and_reads_the_same_again(text: str) -> None:
    assert LEXICON.read(text) == LEXICON.read(text)


@settings(deadline=None)
@given(st.text(alphabet="三人被困无未死伤两十百0123456789,。 notrapedijuy", max_size=80))
def test_counts_are_never_negative(text: str) -> None:
    for value in LEXICON.read(text).facts.values():
        assert isinstance(value, int)
        assert value >= 0


def test_a_very_long_text_is_read_in_part() -> None:
    assert LEXICON.read("啊" * 100_000 + "起火").scores == {}


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("\ncategories:\n", "\ncategories: [\n", "lexicon.yaml"),
        ("\ncategories:", "\n  city.nowhere: 1\ncategories:", "city.nowhere"),
        ("city.other: 3", "city.other: 9", "city.other has priority 9"),
        ("  city.other: 3\n", "", "city.other: no priority"),
        ("terms: {洪水: 4", "terms: {洪水: 7", "'洪水': 7"),
    ],
)
def test_a_wrong_lexicon_is_refused(
    tmp_path: Path, written: str, instead: str, message: str
) -> None:
    path = tmp_path / "lexicon.yaml"
    ours = DATA.read_text(encoding="utf-8")
    assert written in ours
    path.write_text(ours.replace(written, instead, 1), encoding="utf-8")
    with pytest.raises(RulesError, match=f"(?s){message}"):
        load_lexicon(path)
