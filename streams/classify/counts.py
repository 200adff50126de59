"""How many people a text speaks of, in people's ways of saying it, and where it says so.

For: :mod:`streams.classify.facts`, which knows what happened to them. Chinese and English: digits
and words, pairs and families (一家四口, "family of five"), vague numbers by their least (十来个 is
10, "several" is 3), people named side by side (两个孩子和一个老人, "me and my two kids"),
corrections (不是三个是四个, "two, no, three"). Not counted: ages, floors, times, money, house
numbers, animals, things, and people without a number who are named alone.

Pure. Works on the plain form (:mod:`models.plain_text`). What each language says is in
:mod:`streams.classify.counts_zh` and :mod:`streams.classify.counts_en`, the words in
``counts.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from streams.classify import counts_en, counts_zh
from streams.classify.count_items import MOST, Item

_HAN: Final = re.compile("[\u4e00-\u9fff]")
_LATIN: Final = re.compile("[a-z]")
_AND: Final = re.compile(f"{counts_zh.AND}|{counts_en.AND}")
_BESIDE: Final = re.compile(r"[\s、，,]{0,2}")
_LIST: Final = re.compile(f"{counts_en.LIST}|{counts_zh.LIST}")
_TOTAL_GAP: Final = re.compile(r"[^,，。.;；!！?？\d]{0,8}?[\s,，]?(?:一?共|总共|共计|都|就|我们)?")


class Count(NamedTuple):
    """A number of people and the characters ``start`` up to ``end`` that say it."""

    people: int
    start: int
    end: int


def people_in(text: str) -> list[Count]:
    """Return the numbers of people that a plain text says, in its order, none within another."""
    low = text.lower()
    if len(low) != len(text):  # A few capitals become two characters.
        low = text
    items: list[Item] = []
    if _HAN.search(low):
        items += counts_zh.items(low)
    if _LATIN.search(low):
        items += counts_en.items(low)
    return _corrected(low, _joined(low, _apart(low, items)))


def _apart(text: str, items: list[Item]) -> list[Item]:
    """Return items that don't overlap: what is counted before what isn't, the longer first."""
    kept: list[Item] = []
    taken = bytearray(len(text))
    for item in sorted(items, key=lambda one: (not one.is_counted, one.start - one.end)):
        if not any(taken[item.start : item.end]):
            kept.append(item)
            taken[item.start : item.end] = b"1" * (item.end - item.start)
    return sorted(kept, key=lambda one: one.start)


def _joined(text: str, items: list[Item]) -> list[Count]:
    """Add up who is named side by side, and let a stated total stand for its parts."""
    counts: list[Count] = []
    chain: list[Item] = []
    for item in items:
        if chain and not _is_beside(text, chain[-1], item):
            counts += _sum(text, chain)
            chain = []
        chain.append(item)
    counts += _sum(text, chain)
    return _without_parts(text, counts, items)


def _is_beside(text: str, first: Item, second: Item) -> bool:
    """Say whether two items, one behind the other, are named together."""
    if not (first.is_joinable and second.is_joinable):
        return False
    if _AND.fullmatch(text, first.end, second.start):
        return True
    if first.is_counted and second.is_counted:
        beside = _BESIDE.fullmatch(text, first.end, second.start)
        return bool(beside) and not first.is_total and not second.is_total
    if not (first.is_kin and second.is_kin):
        return False
    listed = _LIST.match(text, first.end)
    # Who is called twice is one: "我爸我爸".
    is_again = text[first.start : first.end] == text[second.start : second.end]
    return not is_again and listed is not None and listed.end() == second.start


def _sum(text: str, chain: list[Item]) -> Iterator[Count]:
    """Yield one count of items named side by side, or none where nobody is counted."""
    gaps = [text[one.end : two.start] for one, two in pairwise(chain)]
    # Relatives between whom there are commas only may be called, not counted.
    is_sum = any(one.is_counted for one in chain) or not all(gap == ", " for gap in gaps)
    if len(chain) > 1 and is_sum:
        yield Count(sum(one.people for one in chain), chain[0].start, chain[-1].end)
    else:
        yield from (Count(*one[:3]) for one in chain if one.is_counted)


def _without_parts(text: str, counts: list[Count], items: list[Item]) -> list[Count]:
    """Drop a sum where the total of its parts stands beside it in the same clause."""
    single = {(one.start, one.end): one for one in items}
    kept: list[Count] = []
    for one in counts:
        if kept and _TOTAL_GAP.fullmatch(text, kept[-1].end, one.start):
            last = kept[-1]
            before, here = single.get(last[1:]), single.get(one[1:])
            if here and here.is_total and not before and one.people >= last.people:
                kept.pop()
            elif before and before.is_total and not here and one.people == last.people:
                continue
        kept.append(one)
    return kept


def _corrected(text: str, counts: list[Count]) -> list[Count]:
    """Drop numbers that the text itself takes back, and count those that stand for them."""
    for language in (counts_zh, counts_en):
        for match in (one for each in language.CORRECTIONS for one in each.finditer(text)):
            people = language.number(match["right"])
            if not 0 < people <= MOST or counts_en.is_name(text, match.start(), ""):
                continue
            wrong, right = match.span("wrong"), match.span("right")
            counts = [one for one in counts if one.end <= wrong[0] or wrong[1] <= one.start]
            if all(one.end <= right[0] or right[1] <= one.start for one in counts):
                counts.append(Count(people, *right))
    return sorted(counts, key=lambda one: one.start)
