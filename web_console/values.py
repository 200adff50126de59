"""Single values that come from outside, bounded to what can be kept and computed with.

For: numbers that the database counts with, moments, and texts in which a sender left half a
character. JSON may write one half of a surrogate pair (``"\\ud83d"``: an emoji that a length limit
cut in two); no encoding can carry it on. A machine is told so; in what a person said it is replaced
by U+FFFD, because the rest of the sentence may be what matters.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError, PydanticKnownError

YEARS: Final = (1900, 2999)
_LEAP_SECOND: Final = re.compile(
    r"^(\d{4}-\d\d-\d\d[T t]\d\d:\d\d):60(?:\.\d+)?(?=[Zz+-])", re.ASCII
)
_HALF: Final = re.compile("[\ud800-\udfff]")

# 64 bits, signed: what both databases count in.
RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]


def _whole(value: Any) -> Any:
    return _HALF.sub("\ufffd", value) if isinstance(value, str) else value


Said = BeforeValidator(_whole)
"""Marks what a person said: half a character costs that character, not the sentence."""


def no_half(value: str) -> str:
    """Return a text that can be encoded; pydantic looks at it only where a length is asked for.

    Raises
    ------
    PydanticKnownError
        ``string_unicode``: it has half a character.
    """
    if _HALF.search(value):
        raise PydanticKnownError("string_unicode")
    return value


def _moment(value: datetime) -> datetime:
    # Near the ends of the calendar no offset can be taken off, and nothing be added.
    if not YEARS[0] <= value.year <= YEARS[1]:
        first, last = YEARS
        raise PydanticCustomError(
            "year_range", "the year must lie in {first} to {last}", {"first": first, "last": last}
        )
    return value.astimezone(UTC)


def _without_leap(value: Any) -> Any:
    """A leap second is a time (RFC 3339), which no clock of Python's knows."""
    return _LEAP_SECOND.sub(r"\1:59.999", value) if isinstance(value, str) else value


SenderTime = Annotated[AwareDatetime, BeforeValidator(_without_leap)]
"""What a sender's clock says. It decides nothing, so no year is refused."""

Moment = Annotated[AwareDatetime, BeforeValidator(_without_leap), AfterValidator(_moment)]
"""A time that is computed with, in UTC."""
