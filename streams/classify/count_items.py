"""What the readers of numbers of people share: an item, its bounds, and the words they know.

For: :mod:`streams.classify.counts` and its two languages, :mod:`streams.classify.counts_zh` and
:mod:`streams.classify.counts_en`. Not for: whoever wants to know how many people a text says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from ruamel.yaml import YAML

MOST: Final = 100_000
"""A larger number counts no people of one report."""

WORDS: Final[dict[str, dict[str, str]]] = YAML(typ="safe").load(
    Path(__file__).with_name("counts.yaml")
)
"""By language and kind: words, or regular expressions, with a space between."""


class Item(NamedTuple):
    """People at ``start`` up to ``end`` of a text, alone or among others named side by side.

    Attributes
    ----------
    is_counted
        Stands for a count by itself; others only where they stand beside another.
    is_total
        Counts people as such (三个人, "three people"), so it may sum up what stands beside it.
    is_joinable
        Names people, so what stands beside it may add to it; 伤三 doesn't.
    is_kin
        A relative, of whom several may be named without an "and" (我妈我妹).
    """

    people: int
    start: int
    end: int
    is_counted: bool = True
    is_total: bool = False
    is_joinable: bool = True
    is_kin: bool = False


def any_of(language: str, kind: str) -> str:
    """Return an alternative of the words of a kind, the longest first."""
    return "|".join(sorted(WORDS[language][kind].split(), key=len, reverse=True))
