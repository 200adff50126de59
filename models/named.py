"""Names and ids that people write into a city's files: looked up, and told what was meant.

For: whatever reads such a file and must not take a misspelt name for one that nobody asks for.
Not for: names that programs exchange, which are types.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection, Mapping

from models.plain_text import UNSEEN

LONGEST_ID = 100
"""Characters; the account of a unit's crew has the unit's id as its name."""

_LISTED_AT_MOST = 12
_NEAR = 0.6
_NO_TEXT = frozenset({"Cc", "Cs"})
REPLACEMENT = "\ufffd"
"""Stands where a program could not read a character: what was there is lost."""


def unknown(what: str, value: str, known: Mapping[str, Collection[str]], where: str = "") -> str:
    """A sentence about a name that isn't among those that exist, with the nearest that is.

    Parameters
    ----------
    what
        What it should name: ``skill``, ``station``.
    known
        Names that exist, each with what people call it besides.
    where
        The file that lists them; empty: some of them are told.
    """
    said = f"{what} {value!r} is unknown"
    if meant := nearest(value, known):
        return f"{said}; did you mean {meant!r}?"
    if where:
        return f"{said}; see {where}"
    if not known:
        return f"{said}; there is none"
    shown = ", ".join(sorted(known)[:_LISTED_AT_MOST])
    return f"{said}; there is: {shown}{', …' if len(known) > _LISTED_AT_MOST else ''}"


def nearest(value: str, known: Mapping[str, Collection[str]], cutoff: float = _NEAR) -> str:
    """The known name that this one most likely was to be, or nothing.

    `cutoff` is difflib's ratio, 0 to 1, that a name must reach.
    """
    spoken: dict[str, str] = {}
    for name, others in known.items():
        for one in (name, *others):
            spoken.setdefault(_alike(one), name)
    found = difflib.get_close_matches(_alike(value), spoken, n=1, cutoff=cutoff)
    return spoken[found[0]] if found else ""


def wrong_with_id(text: str) -> str:
    """Why this can't be the id of a thing that has an address of its own; empty where it can.

    Any visible characters will do, ``1/46-1`` too: it is quoted where it becomes part of an
    address. What no proxy and no browser hands on as it is, or what two people would read alike
    and a program not, will not.
    """
    if not text.strip():
        return "is empty"
    if len(text) > LONGEST_ID:
        return f"has {len(text)} characters; {LONGEST_ID} are the most"
    if text != text.strip():
        return "begins or ends with a space"
    for character in text:
        if character == REPLACEMENT:
            return "holds U+FFFD: a character was lost when the file was saved; export it anew"
        odd = UNSEEN.match(character) or unicodedata.category(character) in _NO_TEXT
        if odd or (character.isspace() and character != " "):
            return f"holds U+{ord(character):04X}, which nobody sees; take it out"
    if any(part in ("", ".", "..") for part in text.split("/")):
        return "must have something other than '.' or '..' before and behind each '/'"
    return ""


def _alike(text: str) -> str:
    kept = unicodedata.normalize("NFKC", text).casefold()
    return "".join("_" if one in " -_" else one for one in kept.strip())
