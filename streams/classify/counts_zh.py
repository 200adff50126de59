"""Numbers of people as Chinese says them: 三个工人, 老两口, 一家四口, 十来个, 死三伤五.

For: :mod:`streams.classify.counts`. A number counts people where a person, or nobody at all, is
named behind it and no thing before it (箱子倒了两个).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from streams.classify.count_items import MOST, Item, any_of

_any = partial(any_of, "zh")

_DIGITS: Final = {char: value for value, char in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "幺": 1,
    "两": 2,
    "俩": 2,
    "仨": 3,
    "几": 3,
    "数": 3,
}
_UNITS: Final = {"十": 10, "百": 100, "千": 1000, "万": 10000}
_NUMBER: Final = (
    r"(?:\d{1,3}(?:,\d{3})+|\d{1,6}"
    r"|(?:(?:好|上(?=[百千万]))?(?:[几零〇一二两三四五六七八九十百千万廿]|数(?=[十百千名人])){1,9}|若干|好些)"
    r")(?:[几多余来]万?)?"
)
_PERSON: Final = _any("people")
_KIN_WORDS: Final = _any("kin")
_BEFORE: Final = r"(?<![\d第a-z.\-—:/#初周期拜零一二三四五六七八九十百千万几数])"
"""What no number of people stands behind: 第三, 3-2, 周三, 初三."""

_AFTER: Final = r"(?=$|[\s,，。.、;；!！?？)）:：]|了|的|不是|而不是|都|被|全)"
"""Where a number without a noun may end."""

_NOUN: Final = (
    r"[^\s,，。.、;；!！?？:：\d一二两俩三四五六七八九十"
    "都了被在还已全就有也没是把往从说讲喊叫]{0,6}"
)
"""What may say who is counted; ends where a verb begins."""

_ADJECTIVE: Final = "(?:[小老女男大]|外地|年轻|中年|成年|未成年|重伤|轻伤|受伤|被困)?"

_FAMILY: Final = re.compile(
    rf"(?:一家子?|全家人?|家里?)(?:老小|老少|总共|一共|有)?(?P<mouths>{_NUMBER})(?:口人?|个)"
    rf"|{_BEFORE}(?P<house>{_NUMBER})口(?:人|之家)"
    rf"|{_BEFORE}(?P<big>[\d一两二三四五六七八九])(?:个)?[大老](?:的)?"
    r"(?P<small>[\d一两二三四五六七八九])(?:个)?小(?!时|[区学])"
    rf"|(?:{_any('pairs')})(?P<pair>[俩仨]|{_NUMBER}(?=[人个口]))[人个口]?"
    rf"|(?P<two>{_any('two')})|三胞胎"
)
"""Families and pairs: 一家四口, 三口之家, 三大一小, 母女三人, 夫妻俩, 老两口."""

_PEOPLE: Final = re.compile(
    rf"{_BEFORE}(?P<number>{_NUMBER})(?:"
    rf"(?P<sure>号人|名|位(?!数)|例|条人?命)(?P<who>{_ADJECTIVE}(?:{_PERSON}))?"
    rf"|个(?=(?P<noun>{_NOUN}))"
    rf"|(?P<direct>{_ADJECTIVE}(?:{_PERSON})|[男女](?=$|\W|[都全被\d一两二三四五六七八九]))"
    rf"|(?=(?:{_any('states')})))"
    rf"|(?P<short>[俩仨])(?=(?P<short_noun>{_NOUN}))"
    rf"|第(?P<nth>[二三四五六七八九十\d]{{1,3}})(?:个|名|位)人?(?:了|下去|也|又)"
)
"""A number with a classifier, a person or what befell somebody behind it; 第三个了."""

_BARE: Final = re.compile(
    rf"(?:(?!老|孩|小孩|娃|宝|男|女)(?:{_PERSON})|{_any('holders')})"
    r"(?:一?共计?|总共|合计|大概|应?为|更正为|约|有|是)*"
    rf"(?P<number>{_NUMBER}){_AFTER}"
    rf"|[死伤亡困埋](?:亡|者|员)?了?(?P<state>{_NUMBER})(?=$|[\s,，。、;；!！死伤亡])"
)
"""A number that ends its clause: 乘客约九百, 机上一百六十二, 死三伤五."""

_THING: Final = re.compile(_any("things"))
_PRONOUN_ENDS: Final = frozenset("们我他她咱")
"""What stands before 俩 or 四个 that are people: 我们俩."""

_PLACE: Final = re.compile(_any("places"))
_BEFALLS: Final = re.compile(_any("befalls"))
_WHO: Final = re.compile(
    rf"{_PERSON}|{_KIN_WORDS}|^[\u4e00-\u9fff]{{1,3}}(?:[员者]|[工师手友客生]$)"
)
"""Who may stand behind 个: a person, a relative, or one by trade (叉车手, 分拣员)."""

_ONE: Final = re.compile(
    r"(?:[我俺咱他她](?:们|家|的)?)?(?:[一那这]?个)?"
    rf"(?:{_PERSON}|(?P<kin>{_KIN_WORDS}))(?!们)|我(?![们说讲吵赌发要借])"
)
"""Somebody without a number, who counts beside others only."""

AND: Final = r"\s*(?:和|跟|与|同|及|以及|加上?|还有|[带抱背搂牵扶领]着?)\s*(?:一?个)?"
LIST: Final = r"、?(?=[\u4e00-\u9fff])"
_WRONG: Final = rf"(?P<wrong>{_NUMBER})"
_RIGHT: Final = rf"(?P<right>{_NUMBER})(?:(?=[个名位人口])|{_AFTER})"
CORRECTIONS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"不是{_WRONG}[^。;；是]{{0,12}}?"
        rf"(?:而是|应该是|应为|是|有){_RIGHT}",
        rf"{_WRONG}[个名位人]?[^\s,，。;；]{{0,3}}?[\s,，、…]*"
        r"(?:不对|不是|哦不|不不|不[,，]|说错了?|更正|搞错了?|错了|纠正)"
        rf"[\s,，、:：…]*(?:一共|应该|应|更正)?[是为有]?{_RIGHT}",
        rf"(?:更正|纠正)[^。;；]{{0,12}}?{_WRONG}[个名位人][^。;；\d]{{0,12}}?(?:应该?[为是]|改为|是|为)"
        rf"{_RIGHT}",
        rf"(?P<right>{_NUMBER})[个名位人]?[,，\s]*(?:而不是|不是|并非){_WRONG}"
        r"[个名位人]?(?!.{0,6}是)",
    )
)
"""What is wrong, and what is right in its place."""


def items(text: str) -> Iterator[Item]:
    """Find who is counted in a text in lower case; items may overlap."""
    for match in _FAMILY.finditer(text):
        if match["big"]:
            if not _speaks_of_thing(text, match.start()):
                people = number(match["big"]) + number(match["small"])
                yield Item(people, *match.span())
            continue
        said = match["mouths"] or match["house"] or match["pair"]
        people = number(said) if said else 2 if match["two"] else 3
        if 0 < people <= MOST:
            yield Item(people, *match.span())
    for match in _PEOPLE.finditer(text):
        yield from _counted(text, match)
    for match in _BARE.finditer(text):
        group = "number" if match["number"] else "state"
        people = number(match[group])
        if 0 < people <= MOST:
            yield Item(people, *match.span(group), is_joinable=False)
    for match in _ONE.finditer(text):
        yield Item(1, *match.span(), is_counted=False, is_kin=bool(match["kin"]))


def _counted(text: str, match: re.Match[str]) -> Iterator[Item]:
    """Yield what a match of ``_PEOPLE`` counts, unless it counts things."""
    if match["nth"]:
        yield Item(number(match["nth"]), *match.span(), is_joinable=False)
        return
    people, (start, end) = number(match["number"] or match["short"]), match.span()
    if not 0 < people <= MOST:
        return
    noun = match["short_noun"] if match["short"] else match["noun"]
    if noun is None:
        who = match["direct"] or match["who"]
        is_total = who == "人" or match["sure"] == "号人"
        yield Item(people, start, end, is_total=is_total, is_joinable=bool(who))
        return
    who_at, head = _WHO.search(noun), noun.rpartition("的")[2]
    thing = _THING.search(head) or _PLACE.search(head)
    if thing and thing.start() and text[start - 1 : start] in _PRONOUN_ENDS:
        thing = None  # 我们俩开始头疼
    if who_at and (not thing or head != noun or who_at.start() <= thing.start()):
        yield Item(people, start, end + who_at.end(), is_total=noun.startswith("人"))
    elif not thing and (noun or not _speaks_of_thing(text, start)):
        yield Item(people, start, end, is_joinable=False)


def _speaks_of_thing(text: str, end: int) -> bool:
    """Say whether the clause before a number speaks of a thing, and of nobody after it."""
    before = re.split(r"[\s,，。.;；!！?？:：]", text[max(0, end - 8) : end])[-1]
    things = list(_THING.finditer(before))
    if not things or before[-1] in _PRONOUN_ENDS | {"的"}:  # 钓鱼的五个, 我们俩
        return False
    rest = before[things[-1].end() :]
    if rest.startswith(("的", "里", "上", "下", "内", "边", "旁", "后", "前")):
        return False
    return not _WHO.search(rest) and not _BEFALLS.search(rest)


def number(words: str) -> int:
    """Return what Chinese or other digits say, of a vague number the least."""
    digits = words.replace(",", "")
    if digits in {"若干", "好些"}:
        return 3
    if len(digits) > 1:
        digits = digits.lstrip("上好").rstrip("多余来")
    if len(digits) > 1:
        digits = digits.rstrip("几")
    if digits.isdecimal():
        return int(digits)
    digits = re.sub("[几数](?=[十百千万])", "两", digits).replace("廿", "二十")
    total, section = 0, 0
    digit: int | None = None
    for char in digits:
        if unit := _UNITS.get(char):
            if unit == 10_000:
                total, section = (total + section + (digit or 0) or 1) * unit, 0
            else:
                section += (1 if digit is None else digit) * unit
            digit = None
            continue
        value = _DIGITS.get(char) or (int(char) if char.isdecimal() else 0)
        if not digit:
            digit = value
        elif value != digit + 1:  # 七八 is seven or eight; 四七 is read out digit by digit.
            digit = digit * 10 + value
    return total + section + (digit or 0)
