"""The one form in which texts are compared: what looks alike is alike, what nobody sees is nothing.

Full-width letters are narrow, compatibility characters are what they stand for (NFKC), traditional
characters are simplified, and characters that nobody sees are gone: zero width spaces and joiners,
marks of direction, soft hyphens, byte order marks, variation selectors, fillers and controls.
For whatever understands a text or asks whether two are the same. Not for showing or keeping: what a
person wrote stays as it was written.

Relies on ``data/simplified.txt``: in its first line each traditional character, in its second the
simplified one at the same place. It is ICU 72's transliterator Traditional-Simplified over the CJK
ideographs U+3400 to U+9FFF, made from Unicode's Unihan database, less the one pair that it maps in
a circle; its licence stands in ``data/simplified.license.txt``. It knows single characters only: of
what one simplified character stands for several, nothing is told apart.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

_DATA: Final = Path(__file__).parent / "data" / "simplified.txt"

UNSEEN: Final = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters that are no white space
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # Cf, and what is kept for it
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0"  # fillers and joiners
    "\ufe00-\ufe0f"  # variation selectors
    "]"
)
"""One character that nobody sees."""


def plain(text: str) -> str:
    """Return the form to compare: NFKC, simplified, without what nobody sees.

    Case and white space stay. ``plain(plain(text)) == plain(text)``.
    """
    if text.isascii() and text.isprintable():
        return text
    seen = unicodedata.normalize("NFKC", UNSEEN.sub("", text))
    return seen if seen.isascii() else seen.translate(_simplified())


def is_blank(text: str) -> bool:
    """Say whether a text holds nothing that anybody sees."""
    return not UNSEEN.sub("", text).strip()


@cache
def _simplified() -> dict[int, str]:
    traditional, simplified = _DATA.read_text(encoding="utf-8").splitlines()
    return {ord(char): to for char, to in zip(traditional, simplified, strict=True)}
