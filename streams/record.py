"""Recording what a jurisdiction lives through, as a recording that replays.

For: ``gridcommand drill record``, on the live side or in a drill. Reads the journal and nothing
else: it is durable, in order and without a gap, where a topic may have been recycled. A classified
report there has all that the report said, places already in WGS-84, so it is written as the
report that came, and a replay classifies it again. How long crews worked is taken from the times
of their assignments.

What is not in a recording: orders and tasks of people (a replay's incidents have other ids, and
its people or policies decide anew), reports that ended as dead letters, and services of crews
that were still at work when the recording ended.

A recording of the live side holds what citizens said, and is as confidential as that.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from models.city import CityPack
from models.errors import StoreError
from models.events import (
    AssignmentMoved,
    DrillDescribed,
    Event,
    IncidentOpened,
    Payload,
    ReportClassified,
    ReportReceived,
    ServiceRecorded,
    UnitRegistered,
    decode,
    encode,
)
from models.lifecycles import AssignmentState
from models.settings import Settings
from models.situation import Situation
from models.store import open_store
from models.words import EXERCISE_MARK, home_jurisdiction
from streams.errors import RecordingError
from streams.recording import write_recording
from streams.seats import read_situation

log = logging.getLogger(__name__)

POLL_S = 0.25
READ_AT_ONCE = 2000

_KEPT = tuple(
    name for name in ReportReceived.__struct_fields__ if name in ReportClassified.__struct_fields__
)


@dataclass(frozen=True)
class RecordSummary:
    """What was recorded."""

    path: Path
    calls: int
    services: int
    size_bytes: int

    def text(self) -> str:
        """A line for a terminal."""
        return (
            f"{self.path}: {self.calls} reports, {self.services} responses, "
            f"{self.size_bytes / 1000:.0f} kB"
        )


async def record(
    settings: Settings, jurisdiction: str, out: Path, stop: asyncio.Event
) -> RecordSummary:
    """Record a jurisdiction from now on until `stop`; the file appears then.

    Raises
    ------
    RecordingError
        Nothing was reported meanwhile: there is nothing to write.
    """
    pack = await asyncio.to_thread(CityPack.load, settings.city_path)
    store = open_store(settings)
    try:
        situation = await asyncio.to_thread(read_situation, store, jurisdiction)
        with tempfile.TemporaryFile() as spool:
            recorder = Recorder(pack, situation, out.name.split(".")[0], spool)
            while True:
                ending = stop.is_set()
                try:
                    tail = await asyncio.to_thread(
                        store.read, jurisdiction, recorder.seq, READ_AT_ONCE
                    )
                except StoreError as error:
                    log.error("recording waits for the database: %s", error)
                    tail = []
                for raw in tail:
                    recorder.observe(decode(raw))
                if len(tail) == READ_AT_ONCE:
                    continue
                if ending:
                    return await asyncio.to_thread(recorder.write, out)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), POLL_S)
    finally:
        store.close()


@dataclass
class _Work:
    """What one crew did on one assignment so far."""

    report: str
    kind: str
    reported_at: datetime
    times: dict[AssignmentState, datetime] = field(default_factory=dict)


class Recorder:
    """Turns a journal, read along, into a recording.

    Parameters
    ----------
    situation
        Before the first event that is observed: who the units are.
    name
        Of the drill.
    spool
        Where lines wait until the end, for a service is known long after its report.
    """

    def __init__(self, pack: CityPack, situation: Situation, name: str, spool: IO[bytes]) -> None:
        self.seq = situation.seq
        self._pack = pack
        self._name = name
        self._jurisdiction = home_jurisdiction(situation.jurisdiction) + EXERCISE_MARK
        self._spool = spool
        self._index: list[tuple[datetime, int, int, int]] = []
        self._calls = 0
        self._services = 0
        self._units = {
            unit.id: UnitRegistered(
                unit=unit.id,
                kind=unit.kind,
                skills=unit.skills,
                owner=unit.owner,
                lon=unit.home_lon,
                lat=unit.home_lat,
                station=unit.station,
                call_sign=unit.call_sign,
                neighbour=unit.neighbour,
            )
            for unit in situation.units.values()
        }
        self._reported: dict[str, tuple[int, datetime]] = {}
        self._first_report: dict[str, str] = {}
        self._work: dict[str, _Work] = {}

    def observe(self, event: Event) -> None:
        """Take in one event of the journal."""
        self.seq = event.seq
        data = event.data
        if isinstance(data, ReportClassified):
            self._report(event, data)
        elif isinstance(data, UnitRegistered):
            self._units[data.unit] = data
        elif isinstance(data, IncidentOpened):
            self._first_report[data.incident] = data.report
        elif isinstance(data, AssignmentMoved):
            self._moved(event.time, data)

    def write(self, out: Path) -> RecordSummary:
        """Write the recording.

        Raises
        ------
        RecordingError
            There was no report.
        """
        if not self._calls:
            raise RecordingError(f"{out}: nothing was reported while recording; not written")
        size = write_recording(out, self._events())
        return RecordSummary(out, self._calls, self._services, size)

    def _report(self, event: Event, data: ReportClassified) -> None:
        said = ReportReceived(**{name: getattr(data, name) for name in _KEPT})
        self._calls += 1
        rank = self._calls
        self._reported[event.id] = rank, event.time
        self._keep(rank, self._event(event.id, event.time, said))

    def _moved(self, at: datetime, data: AssignmentMoved) -> None:
        state = data.state
        work = self._work.get(data.assignment)
        if work is None and state is AssignmentState.ON_SCENE:
            report = self._first_report.get(data.incident, "")
            unit = self._units.get(data.unit)
            if unit is None or report not in self._reported:
                return  # of an incident that began before the recording
            work = _Work(report, unit.kind, self._reported[report][1])
            self._work[data.assignment] = work
        if work is None:
            return
        work.times[state] = at
        if state is AssignmentState.CLEARED:
            del self._work[data.assignment]
            self._service(work)

    def _service(self, work: _Work) -> None:
        times = work.times
        arrived = times[AssignmentState.ON_SCENE]
        free = times[AssignmentState.CLEARED]
        left = times.get(AssignmentState.TRANSPORTING)
        hospital = times.get(AssignmentState.AT_HOSPITAL)
        self._services += 1
        service = ServiceRecorded(
            report=work.report,
            kind=work.kind,
            on_scene_s=((left or free) - arrived).total_seconds(),
            transport_s=None if left is None else ((hospital or free) - left).total_seconds(),
            hospital_s=None if left is None else (free - (hospital or free)).total_seconds(),
        )
        rank, reported_at = self._reported[work.report]
        name = f"{work.report}/s{self._services}"
        self._keep(rank, self._event(name, reported_at, service, cause=work.report))

    def _keep(self, rank: int, event: Event) -> None:
        line = encode(event)
        self._index.append((event.time, rank, self._spool.tell(), len(line)))
        self._spool.write(line)

    def _events(self) -> Iterator[Event]:
        first, last = min(self._index)[0], max(self._index)[0]
        described = DrillDescribed(
            name=self._name,
            city=self._pack.id,
            calls=self._calls,
            units=len(self._units),
            first=first,
            last=last,
            attribution=self._pack.attribution.en,
        )
        yield self._event(self._head("described"), first, described)
        known = {unit.id for unit in self._pack.units}
        known.update(unit.id for lender in self._pack.neighbours for unit in lender.units)
        for unit in sorted(self._units.keys() - known):
            yield self._event(self._head(f"unit {unit}"), first, self._units[unit])
        for _, _, offset, length in sorted(self._index):
            self._spool.seek(offset)
            yield decode(self._spool.read(length))
        self._spool.seek(0, 2)

    def _head(self, what: str) -> str:
        name = f"{self._name} {self._index[0]} {what}"
        return f"recording/{hashlib.sha256(name.encode()).hexdigest()[:24]}"

    def _event(self, event_id: str, at: datetime, data: Payload, cause: str = "") -> Event:
        return Event(
            id=event_id,
            source=f"/drill/{self._name}",
            time=at,
            jurisdiction=self._jurisdiction,
            exercise=True,
            cause=cause,
            data=data,
        )
