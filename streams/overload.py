"""A recording with several times its calls: the same days, only busier.

For: ``gridcommand drill run --fast --load N``, and showing how a policy holds when a city has more
to do than it is made for. The first copy of each call is the call itself. Every further one comes
up to `SHIFT_S` earlier or later, so that the day keeps its shape, and up to about `JITTER_M` away
(normal in both directions), so that it lies in the same neighbourhood and is another place; it
keeps its type, what was said and how long crews worked. A fractional load copies that share of the
calls. All of it follows from the seed and the call's own id, not from the order of the lines.

Not for: writing such a recording to a file; the copies exist while they are replayed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from models.events import Event, ReportReceived, ServiceRecorded
from streams.recording import Recording

SHIFT_S = 3600.0
JITTER_M = 150.0
SOURCE_INCIDENT = "source_incident"
_M_A_DEGREE = 111_195.0


@dataclass(frozen=True)
class Overload(Recording):
    """A recording whose calls are replayed `factor` times.

    Attributes
    ----------
    factor
        1 or more; 4 is four times the calls.
    seed
        What shifts and jitter are drawn from.
    """

    factor: float = 1.0
    seed: int = 1

    @classmethod
    def of(cls, recording: Recording, load: float, seed: int) -> Overload:
        """Return the recording under that load; held in memory while it is replayed."""
        calls = round(recording.described.calls * load)
        return cls(
            path=recording.path,
            described=msgspec.structs.replace(recording.described, calls=calls),
            jurisdiction=recording.jurisdiction,
            units=recording.units,
            factor=load,
            seed=seed,
        )

    def happenings(self) -> Iterator[Event]:
        """Yield reports and service times of all copies in the order of their times."""
        keyed: list[tuple[datetime, str, int, Event]] = []
        for line, event in enumerate(super().happenings()):
            data = event.data
            if not isinstance(data, ReportReceived | ServiceRecorded):
                continue
            call = data.report if isinstance(data, ServiceRecorded) else event.id
            for copy in range(self._copies(call)):
                made = self._copy(event, data, call, copy)
                keyed.append((made.time, f"{call}~{copy}", line, made))
        keyed.sort(key=lambda entry: entry[:3])
        for *_, event in keyed:
            yield event

    def _copies(self, call: str) -> int:
        whole = int(self.factor)
        return whole + (self._drawn(call, 0)[3] < self.factor - whole)

    def _drawn(self, call: str, copy: int) -> tuple[float, float, float, float]:
        """Four numbers in (0, 1) for a copy of a call."""
        digest = hashlib.blake2b(f"{self.seed}|{call}|{copy}".encode(), digest_size=16).digest()
        parts = [int.from_bytes(digest[at : at + 4], "big") for at in range(0, 16, 4)]
        first, second, third, fourth = ((part + 0.5) / 2**32 for part in parts)
        return first, second, third, fourth

    def _copy(
        self, event: Event, data: ReportReceived | ServiceRecorded, call: str, copy: int
    ) -> Event:
        if copy == 0:
            return event
        when, far, turn, _ = self._drawn(call, copy)
        described = self.described
        at = event.time + timedelta(seconds=round((2 * when - 1) * SHIFT_S))
        at = min(max(at, described.first), described.last)
        name = f"{event.id}~{copy}"
        if isinstance(data, ServiceRecorded):
            data = msgspec.structs.replace(data, report=f"{call}~{copy}")
            cause = f"{event.cause}~{copy}"
        else:
            data, cause = _elsewhere(data, at, far, turn, copy), event.cause
        return msgspec.structs.replace(event, id=name, time=at, cause=cause, data=data)


def _elsewhere(
    data: ReportReceived, at: datetime, far: float, turn: float, copy: int
) -> ReportReceived:
    attributes = dict(data.attributes)
    if SOURCE_INCIDENT in attributes:
        attributes[SOURCE_INCIDENT] = f"{attributes[SOURCE_INCIDENT]}~{copy}"
    lon, lat = data.lon, data.lat
    if lon is not None and lat is not None:
        # Box and Muller: two even numbers make one step that is normal east and north.
        step_m = JITTER_M * math.sqrt(-2 * math.log(far))
        east, north = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
        lon = round(lon + step_m * east / (_M_A_DEGREE * math.cos(math.radians(lat))), 6)
        lat = round(lat + step_m * north / _M_A_DEGREE, 6)
    return msgspec.structs.replace(
        data, received_at=at, observed_at=None, lon=lon, lat=lat, attributes=attributes
    )
