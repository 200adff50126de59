"""Plain text: what nobody sees is nothing, what looks alike is alike, the rest stays."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plain_text import UNSEEN, is_blank, plain

WHITE = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85"


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("起\u200b火", "起火"),
        ("e\u200d\u0301", "é"),
        ("１２　人", "12 人"),
        ("燒傷", "烧伤"),
        ("❤\ufe0f", "❤"),
        ("", ""),
        ("As it is, 3 dead\n", "As it is, 3 dead\n"),
        ("现在", "现在"),
    ],
)
def test_forms(written: str, form: str) -> None:
    assert plain(written) == form


def test_every_character_of_format_and_control_is_unseen_and_no_other_that_is_seen() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        category = unicodedata.category(char)
        if category in ("Cf", "Cc"):
            assert bool(UNSEEN.match(char)) is (char not in WHITE), f"U+{code:04X}"
        elif category[0] in "LNPSZ" and char not in "\u115f\u1160\u3164\uffa0\u2800":
            assert not UNSEEN.match(char), f"U+{code:04X}"


@given(st.text())
def test_the_form_of_a_form_is_itself(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(
    st.text(), st.text(st.sampled_from("\u200b\u200d\ufeff\u2060\u00ad\ufe0f\u200e\0"), min_size=1)
)
def test_what_nobody_sees_changes_nothing(text: str, unseen: str) -> None:
    middle = len(text) // 2
    assert plain(text[:middle] + unseen + text[middle:]) == plain(text)
    assert is_blank(unseen)
    assert is_blank(text[:middle] + unseen + text[middle:]) is is_blank(text)


def test_a_long_text_keeps_no_traditional_character_of_the_table() -> None:
    assert plain("災車傷氣體電樓門後裡發眾嬰產婦壓") == "灾车伤气体电楼门后里发众婴产妇压"
