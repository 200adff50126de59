"""Texts that a regular expression matches: a few samples, made from the expression itself.

For lint, which tries a condition on made incidents. Whoever uses a sample asks the condition
itself, so that a sample that doesn't match does no harm; and where none can be made, there is none.
Not a generator of all texts that match.

Relies on the parser of Python's ``re``, whose syntax is RE2's but for what neither knows here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice, product
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Final

MOST_SAMPLES: Final = 8
MOST_REPEATS: Final = 3
MOST_CHARS: Final = 500

_OF_CATEGORY: Final = {
    "CATEGORY_DIGIT": "0",
    "CATEGORY_NOT_DIGIT": "a",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_SPACE": "a",
    "CATEGORY_WORD": "a",
    "CATEGORY_NOT_WORD": "-",
}
_ANY: Final = "x"


def matching(pattern: str) -> list[str]:
    """Return up to :data:`MOST_SAMPLES` texts that ``pattern`` should match, if any can be made."""
    try:
        texts = islice(_sequence(_parser.parse(pattern)), MOST_SAMPLES)
        return list(dict.fromkeys(texts))
    except (re.error, OverflowError, RecursionError):
        return []


def _sequence(parts: Iterable[Any]) -> Iterator[str]:
    for texts in product(*(list(islice(_part(*part), MOST_SAMPLES)) for part in parts)):
        yield "".join(texts)


def _part(kind: Any, value: Any) -> Iterator[str]:
    if kind is _constants.LITERAL:
        yield chr(value)
    elif kind is _constants.ANY:
        yield _ANY
    elif kind is _constants.NOT_LITERAL:
        yield _ANY if value != ord(_ANY) else "y"
    elif kind is _constants.IN:
        yield from _one_of(value)
    elif kind is _constants.BRANCH:
        for branch in value[1]:
            yield from islice(_sequence(branch), MOST_SAMPLES)
    elif kind is _constants.SUBPATTERN:
        yield from _sequence(value[-1])
    elif kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
        least, most, inner = value
        for times in sorted({least, min(most, max(least, MOST_REPEATS))}):
            for text in islice(_sequence(inner), MOST_SAMPLES):
                if len(text) * times <= MOST_CHARS:
                    yield text * times
    else:  # the beginning, the end and other places have no text
        yield ""


def _one_of(members: list[tuple[Any, Any]]) -> Iterator[str]:
    if members[0][0] is _constants.NEGATE:
        yield from ("x", "0", "-", "Z")
        return
    for kind, value in members:
        if kind is _constants.LITERAL:
            yield chr(value)
        elif kind is _constants.RANGE:
            yield from dict.fromkeys((chr(value[0]), chr(value[1])))
        elif kind is _constants.CATEGORY:
            yield _OF_CATEGORY.get(str(value), _ANY)
