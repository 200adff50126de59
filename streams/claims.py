"""Which desks this process may claim now.

A claim ends every earlier one, so who claims without a right to takes the desk from who has it.
Kafka says who has it: whoever holds the partition that its events come on. A process that was
halted learns late that it holds none any more, but one fence tells it that somebody else claimed;
from then on it claims nothing there until it is told its partitions anew, or events still come for
it after it would have been told. A desk that could not be opened is tried again after a while,
longer each time.

Not for the fence itself, which is the journal's and holds whatever is believed here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from streams.errors import NotOursError

DOUBT_S = 3.0
"""How long somebody who was fenced doesn't claim, in seconds: six heartbeats to its group, by which
it learns what it holds."""

FAILED_S = (1.0, 60.0)
"""First and longest pause between two tries of something that fails, in seconds."""

Place = tuple[str, int]
"""Topic and partition."""


class Claims:
    """The right to claim, by jurisdiction.

    Parameters
    ----------
    holds
        Whether this process holds a partition; asked on the desk's thread too.
    """

    def __init__(
        self, holds: Callable[[Place], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._holds = holds
        self._clock = clock
        self._places: dict[str, Place] = {}
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def came_on(self, jurisdiction: str, place: Place) -> None:
        """Note where a jurisdiction's events come on."""
        self._places[jurisdiction] = place

    def holds(self, jurisdiction: str) -> bool:
        """Whether its partition is ours; so is whatever came on none."""
        place = self._places.get(jurisdiction)
        return place is None or self._holds(place)

    def wait_s(self, jurisdiction: str) -> float:
        """For how long it isn't to be claimed yet, in seconds."""
        return max(0.0, self._not_before.get(jurisdiction, 0.0) - self._clock())

    def check(self, jurisdiction: str) -> None:
        """Raise :class:`~streams.errors.NotOursError` unless a jurisdiction may be claimed now."""
        if not self.holds(jurisdiction):
            raise NotOursError(
                f"the desk of {jurisdiction} is whoever's that holds {self._places[jurisdiction]}"
            )
        if wait_s := self.wait_s(jurisdiction):
            raise NotOursError(f"the desk of {jurisdiction} is not claimed for {wait_s:.1f} s")

    def fenced(self, jurisdiction: str) -> None:
        """Somebody else claimed it."""
        self._not_before[jurisdiction] = self._clock() + DOUBT_S

    def failed(self, jurisdiction: str) -> int:
        """It could not be opened; return how often in a row."""
        times = self._failures[jurisdiction] = self._failures.get(jurisdiction, 0) + 1
        self._not_before[jurisdiction] = self._clock() + pause_s(times)
        return times

    def opened(self, jurisdiction: str) -> None:
        """It is open."""
        self._failures.pop(jurisdiction, None)
        self._not_before.pop(jurisdiction, None)

    def assigned(self) -> None:
        """Partitions are told anew: what is held now is ours, without a doubt."""
        self._not_before.clear()


def pause_s(failures: int) -> float:
    """Return the pause after so many failures in a row, in seconds."""
    first, longest = FAILED_S
    return min(first * 2.0 ** min(failures - 1, 10), longest) if failures else 0.0
