"""What happened to how many people, and who among them needs more: facts of a text.

For: :mod:`streams.classify.reader`. That people are hurt, dead, trapped or missing is what the
model read; how many, what :mod:`streams.classify.counts` finds nearest to the words that say so.
Flags such as an explosion or hazardous goods come from the lexicon.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from models.events import FactValue
from streams.classify.counts import Count, people_in
from streams.classify.encoder import Encoded

COUNTED: Final = ("injured", "dead", "trapped", "missing")
LEAST: Final = 0.4
LEAST_HINTED: Final = 0.2
"""Probability from which on a fact is taken for said; where the lexicon finds words for it, too."""

_REACH: Final = 40
"""Characters between a number and the words that it belongs to, at most."""

_SENTENCE_END: Final = re.compile(r"[。!?！？\n]|\.(?!\d)")
_CLAUSE_END: Final = re.compile(r"[,，、;；:：。.!?！？]|(?<=[\u4e00-\u9fff])\s")


class _Near(NamedTuple):
    """How near a number stands to a fact's words: of two, the lesser is the nearer.

    Of equally near ones the first words take the first number (死三伤五).

    Attributes
    ----------
    apart
        0 in one clause, 1 in one sentence, 2 in two.
    """

    apart: int
    gap: int
    at: tuple[int, int]
    said_at: int
    said: Count
    place: int


def facts_of(
    text: str, encoded: Encoded, labels: tuple[str, ...], hinted: Collection[str] = ()
) -> dict[str, FactValue]:
    """Return counts by what happened, and flags of the vulnerable, as read in a plain text.

    ``hinted`` are the facts that the lexicon finds words for.

    A number belongs to the fact whose words are nearest to it, in the same clause or sentence if
    it can be. Two facts share it where the text says no other nearby, or both stand in its clause
    ("three trapped and hurt"). People without a number are one.
    """
    held = [
        place
        for place, probability in enumerate(encoded.facts.probabilities)
        if probability >= (LEAST_HINTED if labels[place] in hinted else LEAST)
    ]
    found: dict[str, FactValue] = {
        labels[place]: True for place in held if labels[place] not in COUNTED
    }
    counted = {place: _where(encoded, place) for place in held if labels[place] in COUNTED}
    if not counted:
        return found
    near = sorted(
        _Near(_apart(text, count, at), _gap(count, at), at, count.start, count, place)
        for count in people_in(text)
        for place, at in counted.items()
        if _gap(count, at) <= _REACH
    )
    is_only = len({one.said for one in near}) == 1
    chosen: dict[int, Count] = {}
    # What stands in a fact's own clause is its number, even if another fact has it too.
    for in_clause in (True, False):
        part = [one for one in near if (one.apart == 0) is in_clause]
        for one in part:
            if one.place not in chosen and one.said not in chosen.values():
                chosen[one.place] = one.said
        if in_clause or is_only:
            for one in part:
                chosen.setdefault(one.place, one.said)
    for place in counted:
        found[labels[place]] = chosen[place].people if place in chosen else 1
    return found


def _where(encoded: Encoded, place: int) -> tuple[int, int]:
    """Return start and end of the token that says a fact the most."""
    shares = encoded.facts.shares[:, place]
    if not len(shares):
        return 0, 0
    token = encoded.tokens[int(shares.argmax())]
    return token.start, token.end


def _gap(count: Count, at: tuple[int, int]) -> int:
    return max(0, count.start - at[1], at[0] - count.end)


def _apart(text: str, count: Count, at: tuple[int, int]) -> int:
    start, end = min(count.end, at[1]), max(count.start, at[0])
    if _SENTENCE_END.search(text, start, end):
        return 2
    return 1 if _CLAUSE_END.search(text, start, end) else 0
