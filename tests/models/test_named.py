"""A misspelt name is told with the nearest that exists; an id can be part of an address."""

from __future__ import annotations

import pytest

from models.named import LONGEST_ID, nearest, unknown, wrong_with_id

KNOWN = {"engine": ("消防泵车", "Engine"), "fire_engine": ("消防车", "Fire engine")}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("engin", "engine"),
        ("ENGINE", "engine"),
        ("Fire-Engine", "fire_engine"),
        ("消防车", "fire_engine"),
        ("ｅｎｇｉｎｅ", "engine"),
        ("dragon", ""),
        ("", ""),
    ],
)
def test_the_nearest_is_found_by_id_and_by_what_people_call_it(said: str, meant: str) -> None:
    assert nearest(said, KNOWN) == meant


def test_what_is_near_to_nothing_is_told_where_to_look() -> None:
    assert unknown("kind", "engin", KNOWN) == "kind 'engin' is unknown; did you mean 'engine'?"
    assert unknown("kind", "x", KNOWN, "skills.py") == "kind 'x' is unknown; see skills.py"
    assert unknown("kind", "x", KNOWN).endswith("there is: engine, fire_engine")
    assert unknown("kind", "x", {}).endswith("there is none")


@pytest.mark.parametrize("good", ["1/46-1", "E 1", "消防车一号", "a#b?c%2F&", "x" * LONGEST_ID])
def test_any_visible_characters_are_an_id(good: str) -> None:
    assert wrong_with_id(good) == ""


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("a ", "space"),
        ("x" * (LONGEST_ID + 1), "101 characters"),
        ("a\nb", "U+000A"),
        ("a\xa0b", "U+00A0"),
        ("a\u200bb", "U+200B"),
        ("a\ufffdb", "U+FFFD"),
        ("/1", "'/'"),
        ("1//2", "'/'"),
        ("1/", "'/'"),
        ("..", "'..'"),
        ("1/./2", "'.'"),
    ],
)
def test_what_an_address_can_not_carry_is_no_id(bad: str, why: str) -> None:
    assert why in wrong_with_id(bad)
