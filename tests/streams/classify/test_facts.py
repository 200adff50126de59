"""Which number belongs to which fact, where a model says what happened and by which words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streams.classify.facts import COUNTED, facts_of

LABELS = (*COUNTED, "explosion")


def encoded(text: str, words: dict[str, str]) -> Any:
    """As the encoder returns it: each fact is said by the one token that is its words."""
    tokens = [
        SimpleNamespace(start=text.index(word), end=text.index(word) + len(word))
        for word in words.values()
    ]
    probabilities = np.array([float(label in words) for label in LABELS], np.float32)
    shares = np.zeros((len(tokens), len(LABELS)), np.float32)
    for row, label in enumerate(words):
        shares[row, LABELS.index(label)] = 1
    return SimpleNamespace(
        tokens=tokens, facts=SimpleNamespace(probabilities=probabilities, shares=shares)
    )


@pytest.mark.parametrize(
    ("text", "words", "facts"),
    [
        # Nearest, and one number each.
        (
            "三人受伤，五人被困",
            {"injured": "受伤", "trapped": "被困"},
            {"injured": 3, "trapped": 5},
        ),
        ("two dead, four hurt", {"dead": "dead", "injured": "hurt"}, {"dead": 2, "injured": 4}),
        ("死三伤五", {"dead": "死", "injured": "伤"}, {"dead": 3, "injured": 5}),
        # Not across a sentence end, if one stands in the same sentence.
        ("来了八个人。两个老人走到楼上被困", {"trapped": "被困"}, {"trapped": 2}),
        ("Trapped. Six people here", {"trapped": "Trapped"}, {"trapped": 6}),
        # Shared where there is no other, or in one clause.
        (
            "三个人，被困，有受伤",
            {"injured": "受伤", "trapped": "被困"},
            {"injured": 3, "trapped": 3},
        ),
        (
            "三人被困受伤，一人死亡",
            {"injured": "受伤", "trapped": "被困", "dead": "死亡"},
            {"injured": 3, "trapped": 3, "dead": 1},
        ),
        (
            "three trapped and hurt, one man is dead",
            {"trapped": "trapped", "injured": "hurt", "dead": "dead"},
            {"trapped": 3, "injured": 3, "dead": 1},
        ),
        (
            "三人被困受伤。五人赶到",
            {"injured": "受伤", "trapped": "被困"},
            {"injured": 3, "trapped": 3},
        ),
        # Without a number it is one; flags have none.
        ("有人受伤", {"injured": "受伤"}, {"injured": 1}),
        (
            "爆炸了，两人受伤",
            {"injured": "受伤", "explosion": "爆炸"},
            {"injured": 2, "explosion": True},
        ),
        ("三个人" + "在" * 60 + "受伤", {"injured": "受伤"}, {"injured": 1}),
        ("三个人", {}, {}),
    ],
)
def test_a_fact_takes_the_number_that_belongs_to_it(
    text: str, words: dict[str, str], facts: dict[str, int]
) -> None:
    assert facts_of(text, encoded(text, words), LABELS) == facts


def test_a_text_without_tokens_has_one_of_what_is_held() -> None:
    nothing = encoded("", {})
    nothing.facts.probabilities[0] = 1
    assert facts_of("", nothing, LABELS) == {COUNTED[0]: 1}
