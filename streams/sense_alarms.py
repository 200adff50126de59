"""What comes out of sense: alarms, the episodes that they begin, and how much was taken in.

An alarm's id is made of device, rule and the episode's beginning and of nothing else.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

import msgspec

from models.episodes import Episode
from models.events import AlarmEnded, Event, ReportReceived
from models.senml import Reading

SOURCE = "/sense"


class Alarm(msgspec.Struct, frozen=True):
    """An episode that began: what to report, and the id that a replay repeats."""

    id: str
    time: datetime
    device: str
    rule: str
    priority: int
    report: ReportReceived

    def as_event(self, jurisdiction: str, *, exercise: bool, traceparent: str = "") -> Event:
        """Return the report as it enters the inbox."""
        return Event(
            id=self.id,
            source=SOURCE,
            time=self.time,
            jurisdiction=jurisdiction,
            exercise=exercise,
            subject=self.device,
            traceparent=traceparent,
            data=self.report,
        )


class Ended(msgspec.Struct, frozen=True):
    """An alarm's episode that is over, with an id that a replay repeats."""

    id: str
    device: str
    data: AlarmEnded

    def as_event(self, jurisdiction: str, time: datetime, *, exercise: bool) -> Event:
        """Return it as it enters the inbox."""
        return Event(
            id=self.id,
            source=SOURCE,
            time=time,
            jurisdiction=jurisdiction,
            exercise=exercise,
            subject=self.device,
            data=self.data,
        )


class Sensed(msgspec.Struct):
    """What came out of some readings.

    Attributes
    ----------
    alarms
        To be reported.
    episodes
        By device and rule, those that are on now and weren't, or are over now.
    ended
        Of those that are over now, what is to be told.
    taken
        Readings that were news.
    late
        Those that weren't: not younger than the last of their device and quantity.
    other_unit
        Of those taken, times that a rule didn't read one for its unit.
    repeated
        By device and rule, of events that were said again: the report of their episode, and the
        last reading that did.
    unusable
        Units that no rule of the quantity can use, by device and quantity.
    """

    alarms: list[Alarm] = msgspec.field(default_factory=list)
    episodes: dict[tuple[str, str], Episode] = msgspec.field(default_factory=dict)
    ended: list[Ended] = msgspec.field(default_factory=list)
    taken: int = 0
    late: int = 0
    other_unit: int = 0
    repeated: dict[tuple[str, str], tuple[str, Reading]] = msgspec.field(default_factory=dict)
    unusable: dict[tuple[str, str], str] = msgspec.field(default_factory=dict)


def episode_id(device: str, rule: str, began: datetime, *, scope: str = "") -> str:
    """Return a UUIDv7 made of nothing but its arguments: time first, a digest for the rest."""
    millis = int(began.timestamp() * 1000) & (2**48 - 1)
    seed = f"{scope}\0{device}\0{rule}\0{began.isoformat()}"
    digest = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:10], "big")
    value = millis << 80 | 0x7 << 76 | (digest >> 62 & 0xFFF) << 64 | 0b10 << 62
    return str(uuid.UUID(int=value | digest & (2**62 - 1)))
