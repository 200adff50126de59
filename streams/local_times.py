"""Local clock times of other systems as UTC, with what is odd about them said.

For: tables whose times carry no zone. Knows ISO 8601 and the way that American open data portals
write times. Relies on the IANA zone of the city.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_OTHER_FORMS = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%Y/%m/%d %H:%M:%S")

SKIPPED = "was skipped by the clocks that day: taken as if they had not been put forward"
TWICE = "was shown twice by the clocks that day: taken as the first"


class LocalTimes:
    """Reads the times of one zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def read(self, text: str, not_before: datetime | None = None) -> tuple[datetime, str]:
        """Return a time in UTC and a remark, empty where nothing is odd.

        Parameters
        ----------
        text
            A local time, or one with its own offset.
        not_before
            Of a time shown twice the first that doesn't lie before this one is meant.

        Raises
        ------
        ValueError
            Not a time; the message continues the sentence "<text> …".
        """
        naive = _parse(text)
        if naive.tzinfo is not None:
            return naive.astimezone(UTC), ""
        first = naive.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        second = naive.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        if first == second:
            return first, ""
        # Where the clocks go forward, fold 0 lies after fold 1: that hour does not exist.
        if first > second:
            return first, SKIPPED
        if not_before is None:
            return first, TWICE
        return (first if first >= not_before else second), ""


def _parse(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = _parse_other(text)
    if not 1970 <= time.year <= 2200:
        raise ValueError(f"lies in the year {time.year}: not believed")
    return time


def _parse_other(text: str) -> datetime:
    for form in _OTHER_FORMS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 the caller puts the zone on
        except ValueError:
            continue
    raise ValueError("is no time that can be read; write YYYY-MM-DD HH:MM:SS")
