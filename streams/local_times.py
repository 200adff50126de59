"""Local clock times of other systems as UTC, with what is odd about them said.

For: tables whose times carry no zone. Knows ISO 8601, the ways in which spreadsheets write times in
Chinese and English, and that of American open data portals. Relies on the IANA zone of the city.

Whether 1/2/2017 is in January or February no single time says: `Order.of` decides it once for a
table, by the first day above 12.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from zoneinfo import ZoneInfo

SKIPPED = "was skipped by the clocks that day: taken as if they had not been put forward"
TWICE = "was shown twice by the clocks that day: taken as the first"
NO_TIME = "has no time of day: taken as midnight"

_TIME = re.compile(
    r"""
    (?: (?P<year>\d{4}) (?P<sep>[-/.]) (?P<month>\d{1,2}) (?P=sep) (?P<day>\d{1,2})
      | (?P<year_zh>\d{4})\s*年\s*(?P<month_zh>\d{1,2})\s*月\s*(?P<day_zh>\d{1,2})\s*[日号]?
      | (?P<plain>\d{8})
      | (?P<first>\d{1,2}) (?P<sep_2>[-/]) (?P<second>\d{1,2}) (?P=sep_2) (?P<year_last>\d{4})
      | (?P<day_de>\d{1,2}) \. (?P<month_de>\d{1,2}) \. (?P<year_de>\d{4})
    )
    (?: (?:\s*[Tt,]\s*|\s+|(?<=[日号])|(?=[上下]))
        (?P<before>上午|下午|[AaPp]\.?[Mm]\.?)?\s*
        (?: (?P<hour>\d{1,2}) [:时] (?P<minute>\d{2})
            (?: [:分] (?P<second_of>\d{2}) (?:[.,](?P<fraction>\d+))? )? [分秒]?
          | (?P<hour_plain>\d{2}) (?P<minute_plain>\d{2}) (?P<second_plain>\d{2})? )
        \s*(?P<after>[AaPp]\.?[Mm]\.?)?
        \s*(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?
    )?
    """,
    re.VERBOSE | re.ASCII,
)
_USUAL = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:[0-5]\d", re.ASCII)
"""What most tables have, read without looking for more."""
_YEAR_LAST = re.compile(r"\s*(\d{1,2})[-/](\d{1,2})[-/]\d{4}(?!\d)", re.ASCII)


class MixedOrderError(ValueError):
    """A date that is one in the other order only: the table's dates are in both."""


class Order(StrEnum):
    """Which number of 1/2/2017 is the month."""

    MONTH_FIRST = "month/day/year"
    DAY_FIRST = "day/month/year"

    @staticmethod
    def matters(text: str) -> bool:
        """Whether this time is read by the order at all."""
        return _YEAR_LAST.match(unicodedata.normalize("NFKC", text)) is not None

    @classmethod
    def of(cls, texts: Iterable[str]) -> Order | None:
        """The order of a table's times: of the first that can be read one way only, else None."""
        for text in texts:
            if found := _YEAR_LAST.match(unicodedata.normalize("NFKC", text)):
                if int(found[1]) > 12 >= int(found[2]):
                    return cls.DAY_FIRST
                if int(found[2]) > 12 >= int(found[1]):
                    return cls.MONTH_FIRST
        return None


class LocalTimes:
    """Reads the times of one zone.

    Parameters
    ----------
    order
        Of dates that begin with day or month and end with the year.
    """

    def __init__(self, zone: ZoneInfo, order: Order = Order.MONTH_FIRST) -> None:
        self._zone = zone
        self._order = order

    def read(self, text: str, not_before: datetime | None = None) -> tuple[datetime, str]:
        """Return a time in UTC and a remark, empty where nothing is odd.

        Parameters
        ----------
        text
            A local time, or one with its own offset. 24:00 is the next day's midnight, a leap
            second (``:60``) the last thousandth of the second before it.
        not_before
            Of a time shown twice the first that doesn't lie before this one is meant.

        Raises
        ------
        ValueError
            Not a time; the message continues the sentence "<text> …".
        MixedOrderError
            A day in the other order than this one's.
        """
        naive, remark = self._parse(text)
        if naive.tzinfo is not None:
            return naive.astimezone(UTC), remark
        first = naive.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        second = naive.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        if first == second:
            return first, remark
        # Where the clocks go forward, fold 0 lies after fold 1: that hour does not exist.
        if first > second:
            return first, SKIPPED
        if not_before is None:
            return first, TWICE
        return (first if first >= not_before else second), remark

    def _parse(self, text: str) -> tuple[datetime, str]:
        if _USUAL.fullmatch(text) and "1970" <= text[:4] <= "2200" and text[11:13] < "24":
            try:
                return datetime.fromisoformat(text), ""
            except ValueError as error:
                raise ValueError("is no day or time that there is") from error
        found = _TIME.fullmatch(unicodedata.normalize("NFKC", text).strip())
        if found is None:
            raise ValueError("is no time that can be read; write YYYY-MM-DD HH:MM:SS")
        year, month, day = self._date(found)
        if not 1970 <= year <= 2200:
            raise ValueError(f"lies in the year {year}: not believed")
        hour, minute, second, micros = _clock(found)
        try:
            midnight = datetime(year, month, day, tzinfo=_zone(found["zone"]))
        except ValueError as error:
            raise ValueError(
                f"is no day that there is ({self._order}); write YYYY-MM-DD HH:MM:SS"
            ) from error
        if hour > 24 or minute > 59 or second > 60 or (hour == 24 and minute + second + micros):
            raise ValueError("is no time of day; write YYYY-MM-DD HH:MM:SS")
        if second == 60:
            second, micros = 59, 999_000
        if hour == 24:
            time = midnight + timedelta(days=1)
        else:
            time = midnight.replace(hour=hour, minute=minute, second=second, microsecond=micros)
        has_time = found["hour"] or found["hour_plain"]
        return time, "" if has_time else NO_TIME

    def _date(self, found: re.Match[str]) -> tuple[int, int, int]:
        if plain := found["plain"]:
            return int(plain[:4]), int(plain[4:6]), int(plain[6:])
        if found["year_last"]:
            one, two = int(found["first"]), int(found["second"])
            month, day = (one, two) if self._order is Order.MONTH_FIRST else (two, one)
            if month > 12 >= day:
                raise MixedOrderError(f"is no {self._order}")
            return int(found["year_last"]), month, day
        for suffix in ("", "_zh", "_de"):
            if found[f"year{suffix}"]:
                parts = (found[f"{part}{suffix}"] for part in ("year", "month", "day"))
                year, month, day = map(int, parts)
                return year, month, day
        raise AssertionError("one of the forms has matched")


def _clock(found: re.Match[str]) -> tuple[int, int, int, int]:
    """Hour to 24, minute, second to 60, microseconds; midnight where there is no time of day."""
    hour = int(found["hour"] or found["hour_plain"] or 0)
    minute = int(found["minute"] or found["minute_plain"] or 0)
    second = int(found["second_of"] or found["second_plain"] or 0)
    micros = int((found["fraction"] or "0")[:6].ljust(6, "0"))
    half = (found["before"] or found["after"] or "").lower()
    if found["before"] and found["after"]:
        raise ValueError("says twice which half of the day; write YYYY-MM-DD HH:MM:SS")
    if half in ("下午",) or half.startswith("p"):
        return (hour + 12 if hour < 12 else hour), minute, second, micros
    if half:
        if hour > 12:
            raise ValueError(f"says {hour} o'clock before noon; write YYYY-MM-DD HH:MM:SS")
        return hour % 12, minute, second, micros
    return hour, minute, second, micros


def _zone(text: str | None) -> timezone | None:
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if offset >= timedelta(hours=24):
        raise ValueError(f"has the offset {text}, which is more than a day")
    return timezone(-offset if text[0] == "-" else offset)
