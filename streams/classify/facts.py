"""What happened to how many people, and who among them needs more: facts of a text.

For: :mod:`streams.classify.reader`. That people are hurt, dead, trapped or missing is what the
model read; how many, what :mod:`streams.classify.counts` finds nearest to the words that say so.
Flags such as an explosion or hazardous goods come from the lexicon.
"""

from __future__ import annotations

from typing import Final

from models.events import FactValue
from streams.classify.counts import Count, people_in
from streams.classify.encoder import Encoded

COUNTED: Final = ("injured", "dead", "trapped", "missing")
LEAST: Final = 0.5
"""Probability from which on a fact is taken for said."""

_REACH: Final = 40
"""Characters between a number and the words that it belongs to, at most."""


def facts_of(text: str, encoded: Encoded, labels: tuple[str, ...]) -> dict[str, FactValue]:
    """Return counts by what happened, and flags of the vulnerable, as read in a plain text."""
    found: dict[str, FactValue] = {}
    spoken = people_in(text)
    left = list(spoken)
    held = [
        (float(probability), label, place)
        for place, (label, probability) in enumerate(
            zip(labels, encoded.facts.probabilities, strict=True)
        )
        if probability >= LEAST
    ]
    for _, label, place in sorted(held, reverse=True):
        if label not in COUNTED:
            found[label] = True
            continue
        at = _where(encoded, place)
        # Of one thing said, one number may tell of two facts ("three trapped and hurt").
        number = _nearest(left, at) or _nearest(spoken, at)
        if number in left:
            left.remove(number)
        found[label] = number.people if number else 1
    return found


def _where(encoded: Encoded, place: int) -> tuple[int, int]:
    shares = encoded.facts.shares[:, place]
    if not len(shares):
        return 0, 0
    token = encoded.tokens[int(shares.argmax())]
    return token.start, token.end


def _nearest(counts: list[Count], at: tuple[int, int]) -> Count | None:
    near = [(_gap(one, at), one) for one in counts]
    near = [each for each in near if each[0] <= _REACH]
    return min(near)[1] if near else None


def _gap(count: Count, at: tuple[int, int]) -> int:
    return max(0, count.start - at[1], at[0] - count.end)
