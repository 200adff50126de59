"""Numbers of people as English says them: "four dancers", "eleven of us", "three trapped".

For: :mod:`streams.classify.counts`. A number counts people where a person is named behind it, or
what befell somebody; and where it ends a clause that speaks of people ("hikers stuck, 5").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from streams.classify.count_items import MOST, WORDS, Item, any_of

_any = partial(any_of, "en")

_SMALL: Final = WORDS["en"]["small"].split()
_TENS: Final = WORDS["en"]["tens"].split()
_VALUES: Final = (
    {word: value for value, word in enumerate(_SMALL, start=1)}
    | {word: 10 * value for value, word in enumerate(_TENS, start=2)}
    | {"both": 2, "couple": 2, "pair": 2, "few": 3, "several": 3, "dozen": 12, "dozens": 24}
    | {"hundred": 100, "hundreds": 200, "thousand": 1000}
)
_ONE_NUMBER: Final = (
    r"(?:\d{1,3}(?:,\d{3})+|\d{1,6}(?![\d:/.]\d)|half a dozen|couple|pair|few|both|several|dozens"
    rf"|(?:(?:{'|'.join(_TENS)})(?:[- ]?(?:{'|'.join(_SMALL[:9])}))?"
    rf"|{'|'.join(reversed(_SMALL))}|hundreds?|dozen)"
    rf"(?: (?:hundred|thousand|dozen)(?: and)?(?:[ -](?:{'|'.join(_TENS + _SMALL)}))*)?)"
)
"""A number that is no part of a word, a price, an address or a radio code (10-50)."""

_NUMBER: Final = (
    rf"(?<![\w.#$£€:/'’-])(?!10-\d)(?P<number>{_ONE_NUMBER})"
    rf"(?: ?(?:or|to|-) ?{_ONE_NUMBER}| or so| plus| odd|\+)?"
    r"(?![\w'’-]| (?:hundred|thousand|dozen)\b)"
)
_PERSON: Final = _any("people").replace("_", " ")
_NO_ADJECTIVE: Final = (
    rf"(?!(?:{_any('things')}|and|or|of|in|on|at|to|is|was|are|were|with|from|for|the|a|an|by"
    r"|my|our|his|her|your|their|when|while|if|but|so|then|who|per)\b)"
)
"""Goes before a word between number and noun: no thing, and no start of a new phrase."""

_WHO: Final = rf"(?:{_PERSON}|(?!(?:{_any('not_agents')})\b){WORDS['en']['agents']})"
_PLACE: Final = (
    r"(?:in|on|at) (?!(?:the )?(?:morning|afternoon|evening|night|scene|total|a scale|scale)\b)"
    r"(?:the|an?|it|there|my|our|her|his|that|this|board|beds?)"
)
_JOIN: Final = (
    "(?:in|on|by|at|up|out|with|and|from|to|under|below|down|behind|so|for|off|over|past|their|it)"
)
_PEOPLE: Final = re.compile(
    rf"\b(?:{_any('groups')}) of (?:about |some |at least )?"
    rf"{_NUMBER.replace('P<number>', 'P<group>')}(?! (?:{_any('things')})\b)"
    rf"|{_NUMBER}(?:"
    r"(?P<total> of (?:us|you|them|'?em)\b| (?:people|ppl|persons|souls|pax)\b)"
    rf"|(?P<noun>(?: of(?: (?:my|our|the|his|her|their))?)?"
    rf"(?: {_NO_ADJECTIVE}[a-z'-]+){{0,2}}? (?:{_WHO})\b)"
    rf"|(?= (?:[a-z]{{3,}}(?:ing|ed))(?:$|\s*[,.;!]| {_JOIN}\b))"
    r"|(?= (?:(?:are|is|were|was|have|has|had|got|get|being|been|more|people|maybe|badly|too)"
    rf" )*(?:{_any('states')}|{_any('opened')}"
    rf"|{_PLACE})\b))"
)
"""A number with people, or what befell or holds somebody, behind it; "family of five"."""

_AFTER: Final = (
    r"(?=\s*$|\s*[,.;!?)]| (?:maybe|left|so far|from|off|out|on|in|still|today|of (?:'?em|them))\b)"
)
"""Where a number without a noun may end."""

_BARE: Final = re.compile(
    r"(?:\b(?:(?=[a-z]+(?:s|men|people|ppl|pax|pob|children|crew)\b)"
    rf"(?:{_WHO})|{_any('states')}|{_any('counting')})"
    r"(?:,? count|:| is| are|,)? ?(?:x ?|times )?"
    r"|\bwe(?:'re|’re| are|re| r| is)? (?:all |only )?|\b(?:us|all) )"
    rf"(?:{_NUMBER.replace('P<number>', 'P<bare>')}){_AFTER}"
    rf"|{_NUMBER.replace('P<number>', 'P<maybe>')}(?= maybe\s*(?:$|[,.;!?]))"
    r"|(?<!\d )\bx ?(?P<times>\d{1,3})(?![\w.]| ?\d)"
)
"""A number that ends its clause, after people or what befell them; "we are 14", "x4"."""

_LOOK_BACK: Final = 30
_NAMED: Final = re.compile(
    rf"\b(?:{_any('named')})s?[. ]*#?(?:\d+ (?:& )?)*$|\b(?:at|by|since|until|past) $"
    r"|\bbetween \w+ and $"
    rf"|\b(?:{_any('kin').replace(':2', '')}),? $"
)
"""What makes a number without a noun a name, a time or an age."""
_PAIR: Final = re.compile(
    r"\b(?:(?:us|them|you) both|(?:us|them|you) two|(?:my|his|her) (?:parents|grandparents)"
    r"|(?:a|an|the)(?: [a-z]+)? couple"
    r"(?= (?:on|in|at|and|is|are|was|were|has|from|went|who|inside|stuck|trapped)\b|\s*[,.;!?]|$)"
    r"|(?:(?:my|the|our) )?twins|twin (?:girls|boys|babies))\b"
)
"""Two without a number."""

_ALONG: Final = re.compile(
    r"\b(?:i|she|he)(?:'|’| a| i)?[ms]\b(?: (?!with\b)[a-z']+){1,6}? (?:with|w) "
    r"(?:my|the|a|an|our) (?P<who>[a-z]+)"
)
"""One who is somewhere with somebody: "I'm in the tub with the baby"."""

_KIN: Final = {
    word: int(value or 1)
    for word, _, value in (one.partition(":") for one in WORDS["en"]["kin"].split())
}
_ONE: Final = re.compile(
    r"(?<![\w'’])(?:i|me(?! and i\b)|(?:she|he)(?= (?:and|with|plus|&) )"
    r"|(?:mr|mrs|ms|miss|dr)\.? [a-z]+"
    r"|(?P<whose>(?:my|the|his|her|our|their|an?|one|your)(?: [a-z]+)? )?"
    rf"(?P<kin>{'|'.join(sorted(_KIN, key=len, reverse=True))})(?:[- ]in[- ]law)?)(?![\w'’-])"
)
"""Somebody without a number, who counts beside others only."""

AND: Final = (
    r",? (?:and|an|n|&|\+|plus|with|w|holding|carrying) "
    r"(?:(?:my|our|the|her|his|their|some|about) )?"
)
LIST: Final = r",? (?=(?:my|our|an?|the|her|his) )"
_WRONG: Final = _NUMBER.replace("P<number>", "P<wrong>")
_RIGHT: Final = _NUMBER.replace("P<number>", "P<right>") + rf"(?! (?:{_any('things')})\b)"
CORRECTIONS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_WRONG}(?: [a-z]+){{0,4}}?[ ,.…-]*[ ,.…-](?:(?:oh )?(?:no|nope|sorry|wait|hang on"
        r"|correction|scratch that|i mean|make (?:that|it)|actually|rather)[ ,:.…-]+)+"
        rf"(?:(?:it's|that's|there's|i see|is|we have)[ ,]*)?{_RIGHT}",
        rf"\bnot {_WRONG}(?: [a-z]+){{0,2}}?[ ,.;-]+(?:(?:it's|that's|but|there's|there are"
        rf"|(?:the )?[a-z]+ says?|now|make it|is)[ ,]*)?{_RIGHT}",
    )
)
"""What is wrong, and what is right in its place."""


def items(text: str) -> Iterator[Item]:
    """Find who is counted in a text in lower case; items may overlap."""
    for match in _PEOPLE.finditer(text):
        people = number(match["number"] or match["group"])
        is_total = bool(match["total"] or match["group"])
        has_noun = is_total or bool(match["noun"])
        if not 0 < people <= MOST or (
            not has_noun and is_name(text, match.start("number"), match["number"])
        ):
            continue
        yield Item(people, *match.span(), is_total=is_total, is_joinable=has_noun)
    for match in _BARE.finditer(text):
        group = match.lastgroup or ""
        people = number(match[group])
        if 0 < people <= MOST and not is_name(text, match.start(group), match[group]):
            yield Item(people, *match.span(group), is_joinable=False)
    for match in _PAIR.finditer(text):
        yield Item(2, *match.span())
    for match in _ALONG.finditer(text):
        if match["who"] in _KIN:
            yield Item(1 + _KIN[match["who"]], *match.span())
    for match in _ONE.finditer(text):
        yield Item(
            _KIN.get(match["kin"] or "", 1),
            *match.span(),
            is_counted=False,
            is_kin=bool(match["whose"]) or match[0] == "me",
        )


def is_name(text: str, start: int, number: str) -> bool:
    """Say whether a number without a noun names a room, a year, an age, a time."""
    is_long = number.isdecimal() and len(number) > 3
    return is_long or _NAMED.search(text, max(0, start - _LOOK_BACK), start) is not None


def number(words: str) -> int:
    """Return what English words or digits say, of a vague number the least."""
    digits = words.replace(",", "")
    if digits.isdecimal():
        return int(digits)
    if words == "half a dozen":
        return 6
    total = 0
    for word in re.findall("[a-z]+", words):
        value = _VALUES.get(word, 0)
        if word in {"hundred", "thousand", "dozen"} and total:
            total *= value
        else:
            total += value
    return total
