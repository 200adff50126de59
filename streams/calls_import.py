"""From a table of calls for service to a recording that can be drilled.

For: ``gridcommand drill import`` and the recordings that city packs ship. Reads tables in the form
of San Francisco's open data: one row for each responding unit, local times without a zone. Any
year does, gzip'd or plain, with the portal's column names or ours (:mod:`streams.calls_columns`),
with columns missing but two: ``call_number`` and ``received``.

What it decides
- Rows of one call number are one report, received at the earliest time that its rows say. Each
  call is an incident of its own (``source_incident``), as it was for the department.
- Times are the pack's local times. A time that the clocks skipped is taken as if they had not;
  of a time that they showed twice, the first that doesn't lie before the stamp before it. Whether
  1/2/2017 is in January or February is decided once for the table; one with both is refused.
- A unit that arrived becomes one ``ServiceRecorded``: at the scene from ``on_scene`` to
  ``transport``, or to ``available``. With both stamps, ``transport`` to ``hospital`` is the way
  and ``hospital`` to ``available`` the stay there. Where a stamp is missing or the span is
  negative or beyond a day, the file's median for that kind of unit and span stands in (for all
  kinds, where that kind has none). A unit that neither arrived nor transported has no service:
  it was called off on its way.
- Calls that lie more than `FAR_DAYS` from all others are left out where nearly all are together:
  a mistyped year would make a drill of years. Whoever means them says so.
- Nothing is dropped in silence: what can't be used is named with its line, and a call is left out
  besides only where no row says when it was received.
"""

from __future__ import annotations

import statistics
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.city import CityPack
from models.csv_files import TableError
from models.events import (
    DrillDescribed,
    Event,
    FactValue,
    Payload,
    ReportReceived,
    ServiceRecorded,
    UnitRegistered,
)
from models.skills import UNIT_KINDS
from models.words import EXERCISE_MARK, Channel
from streams.calls_table import Call, CallsTable, Response
from streams.errors import CallsFileError
from streams.recording import write_recording

FAR_DAYS = 30
TOGETHER = 0.75
"""Of a table's calls; fewer without such a gap among them are no one stretch of time."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "gridcommand:drill")


@dataclass(frozen=True)
class ImportSummary:
    """What an import made, and all that it could not use as it stood.

    Attributes
    ----------
    rows, calls, left_out
        Rows read; calls in the recording; calls or rows with no call that are not in it.
    repeated
        Rows that were in the table twice, and count once.
    unknown_kinds
        Kinds of new units that we have no skills for, with how many units: nobody sends these.
    without_station
        New units whose station the pack doesn't list: they stand in the middle of the city.
    units, new_units
        Units that responded; those among them that the city pack doesn't list.
    without_place
        Calls whose coordinates are missing or wrong: kept with their address alone.
    far_in_time, kept_far
        Lines of the calls more than `FAR_DAYS` from all others; whether they were kept.
    outside
        Lines of the calls that lie far outside the city: kept, but the machine sends nobody there.
    unknown_types
        Call types that the pack's code map doesn't know, with how many calls: their text decides.
    problems
        One sentence each, with the line; the first of `problem_count`.
    """

    path: Path
    name: str
    rows: int
    calls: int
    left_out: int
    repeated: int
    services: int
    units: int
    new_units: tuple[str, ...]
    unknown_kinds: dict[str, int]
    without_station: tuple[str, ...]
    without_place: int
    far_in_time: tuple[int, ...]
    kept_far: bool
    outside: tuple[int, ...]
    unknown_types: dict[str, int]
    missing_columns: tuple[str, ...]
    problems: tuple[str, ...]
    problem_count: int
    first: datetime
    last: datetime
    size_bytes: int

    def text(self) -> str:
        """Lines for a terminal."""
        lines = [
            f"{self.path}: {self.calls} calls with {self.services} responses out of {self.rows} "
            f"rows, {self.size_bytes / 1000:.0f} kB",
            f"from {self.first:%Y-%m-%d %H:%M} to {self.last:%Y-%m-%d %H:%M} UTC, "
            f"{self.units} units",
        ]
        if self.new_units:
            lines.append(
                f"{len(self.new_units)} units are not in the city pack and come with the "
                f"recording: {_listed(self.new_units)}"
            )
        if self.unknown_kinds:
            named = [f"{kind!r} ({count})" for kind, count in self.unknown_kinds.items()]
            lines.append(
                "kinds of units that have no skills here, so that none of them is ever sent (list "
                f"these units in the pack, or correct their unit_type): {_listed(named)}"
            )
        if self.without_station:
            lines.append(
                f"{len(self.without_station)} units whose station_area is no facility of the pack "
                f"stand in the middle of the city: {_listed(self.without_station)}"
            )
        if self.without_place:
            lines.append(f"{self.without_place} calls have no usable coordinates: address only")
        if self.far_in_time:
            listed = _listed([str(line) for line in self.far_in_time])
            told = f"{len(self.far_in_time)} calls lie more than {FAR_DAYS} days from all others"
            lines.append(
                f"{told}, and a drill goes through all that time (lines {listed})"
                if self.kept_far
                else f"{told} and are left out (lines {listed}): correct their times, or keep "
                "them with --all-times"
            )
        if self.outside:
            listed = _listed([str(line) for line in self.outside])
            lines.append(
                f"{len(self.outside)} of the {self.calls} calls lie far outside the city, where "
                f"the machine sends nobody (lines {listed}): correct lon and lat, or name the "
                "calls' own city with --city"
            )
        if self.unknown_types:
            named = [f"{code!r} ({count})" for code, count in self.unknown_types.items()]
            lines.append(f"call types that the pack doesn't know, left to triage: {_listed(named)}")
        if self.missing_columns:
            lines.append(f"columns that the file doesn't have: {_listed(self.missing_columns)}")
        if self.repeated:
            lines.append(f"{self.repeated} rows are in the table twice and count once")
        if self.left_out:
            lines.append(f"{self.left_out} left out, because nothing says which call or when")
        lines.extend(self.problems)
        if self.problem_count > len(self.problems):
            lines.append(f"… and {self.problem_count - len(self.problems)} more like these")
        return "\n".join(lines)


def import_calls(
    path: Path,
    name: str,
    pack: CityPack,
    out_dir: Path,
    progress: Callable[[str], None] | None = None,
    *,
    all_times: bool = False,
) -> ImportSummary:
    """Make ``<name>.jsonl.gz`` in `out_dir` out of a calls file.

    Parameters
    ----------
    path
        Table with a header line, in any form that :mod:`models.csv_files` reads.
    name
        Of the drill: letters, digits, ``_`` and ``-``.
    progress
        Told now and then how far it is.
    all_times
        Keep calls that lie far from all others in time.

    Raises
    ------
    CallsFileError
        The file can't be read, lacks a required column or holds no call that can be drilled.

    Notes
    -----
    The same file, name and pack give the same bytes. A week takes about a second.
    """
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise CallsFileError(f"drill name {name!r} must be made of letters, digits, '-' and '_'")
    say = progress or (lambda _: None)
    table = CallsTable(path, pack, say)
    try:
        table.read()
    except TableError as error:
        raise CallsFileError(str(error)) from error
    except OSError as error:
        raise CallsFileError(f"{path}: can't be read: {error}") from error
    calls = sorted(
        (call for call in table.calls.values() if call.received is not None),
        key=lambda call: (call.received, call.number),
    )
    if not calls:
        raise CallsFileError(f"{path}: no row names a call with a time that can be read")
    far = _far_in_time(calls)
    for call in far:
        table.problems.add(
            call.line,
            f"call {call.number} was received on {_received(call):%Y-%m-%d} UTC, more than "
            f"{FAR_DAYS} days from all others: {'kept' if all_times else 'left out'}",
        )
    if not all_times:
        apart = {call.number for call in far}
        calls = [call for call in calls if call.number not in apart]
    say(f"{len(calls)} calls; writing")
    writer = _Writer(name, pack, table)
    target = out_dir / f"{name}.jsonl.gz"
    size = write_recording(target, writer.events(calls))
    for call in table.calls.values():
        if call.received is None:
            table.problems.add(call.line, f"call {call.number} has no usable time: left out")
            table.left_out += 1
    return ImportSummary(
        path=target,
        name=name,
        rows=table.rows,
        calls=len(calls),
        left_out=table.left_out,
        repeated=table.repeated,
        services=writer.services,
        units=len(table.unit_types),
        new_units=tuple(unit.unit for unit in writer.new_units),
        unknown_kinds=dict(
            sorted(Counter(unit.kind for unit in writer.new_units if not unit.skills).items())
        ),
        without_station=tuple(unit.unit for unit in writer.new_units if not unit.station),
        without_place=writer.without_place,
        far_in_time=tuple(sorted(call.line for call in far)),
        kept_far=all_times,
        outside=tuple(sorted(writer.outside)),
        unknown_types=dict(sorted(writer.unknown_types.items())),
        missing_columns=table.missing_columns,
        problems=tuple(table.problems.named),
        problem_count=table.problems.count,
        first=_received(calls[0]),
        last=_received(calls[-1]),
        size_bytes=size,
    )


def _far_in_time(calls: list[Call]) -> list[Call]:
    """Return the calls beyond a gap of `FAR_DAYS`, where nearly all are together on one side."""
    runs: list[list[Call]] = []
    for call in calls:
        near = runs and _received(call) - _received(runs[-1][-1]) <= timedelta(days=FAR_DAYS)
        if near:
            runs[-1].append(call)
        else:
            runs.append([call])
    most = max(runs, key=len)
    if len(most) < TOGETHER * len(calls):
        return []
    return [call for run in runs if run is not most for call in run]


class _Writer:
    """The events of a recording, out of calls in order."""

    def __init__(self, name: str, pack: CityPack, table: CallsTable) -> None:
        self.services = 0
        self.without_place = 0
        self.outside: list[int] = []
        self.unknown_types: Counter[str] = Counter()
        self._name = name
        self._pack = pack
        self._table = table
        self._box = pack.box
        self._medians = {key: statistics.median(spans) for key, spans in table.spans.items()}
        known = {unit.id for unit in pack.units}
        self.new_units = [
            self._unit(unit) for unit in sorted(table.unit_types) if unit not in known
        ]

    def events(self, calls: list[Call]) -> Iterator[Event]:
        first, last = _received(calls[0]), _received(calls[-1])
        described = DrillDescribed(
            name=self._name,
            city=self._pack.id,
            calls=len(calls),
            units=len(self._table.unit_types),
            first=first,
            last=last,
            attribution=self._pack.attribution.en,
            source_sha256=self._table.sha256,
        )
        yield self._event(self._id("described"), first, described)
        for unit in self.new_units:
            yield self._event(self._id(f"unit {unit.unit}"), first, unit)
        for call in calls:
            at, report = _received(call), self._id(f"call {call.number}")
            yield self._event(report, at, self._report(call))
            responses = sorted(
                call.responses, key=lambda r: (r.arrived is None, r.arrived or at, r.line)
            )
            for count, response in enumerate(responses, start=1):
                self.services += 1
                service = self._service(report, response)
                yield self._event(f"{report}/s{count}", at, service, cause=report)

    def _report(self, call: Call) -> ReportReceived:
        said = call.said
        code, place = said.get("call_type", ""), said.get("address", "")
        if code and self._pack.meaning(code) is None:
            self.unknown_types[code] += 1
        lon, lat = self._place(call)
        attributes: dict[str, FactValue] = {"source_incident": call.number}
        for key, column in (("priority", "priority"), ("group", "call_type_group")):
            if said.get(column):
                attributes[key] = said[column]
        if (alarms := said.get("number_of_alarms", "")).isdecimal():
            attributes["alarms"] = int(alarms)
        return ReportReceived(
            channel=Channel.HOTLINE,
            received_at=_received(call),
            text=", ".join(part for part in (code, place) if part) or f"Call {call.number}",
            code=code,
            lon=lon,
            lat=lat,
            place=place,
            attributes=attributes,
        )

    def _place(self, call: Call) -> tuple[float | None, float | None]:
        lon, lat = call.said.get("lon", ""), call.said.get("lat", "")
        if lon or lat:
            try:
                place = float(lon), float(lat)
            except ValueError:
                place = 0.0, 0.0
            if place != (0.0, 0.0) and abs(place[0]) <= 180 and abs(place[1]) <= 90:
                if self._box is not None and (wrong := self._box.wrong(*place)):
                    self.outside.append(call.line)
                    self._table.problems.add(call.line, wrong)
                return round(place[0], 6), round(place[1], 6)
            self._table.problems.add(
                call.line, f"lon {lon!r}, lat {lat!r} is no place: the address alone is kept"
            )
        self.without_place += 1
        return None, None

    def _service(self, report: str, response: Response) -> ServiceRecorded:
        on_scene_s = self._seconds(response, "on_scene_s")
        if not response.transported:
            return ServiceRecorded(report=report, kind=response.kind, on_scene_s=on_scene_s)
        return ServiceRecorded(
            report=report,
            kind=response.kind,
            on_scene_s=on_scene_s,
            transport_s=self._seconds(response, "transport_s"),
            hospital_s=self._seconds(response, "hospital_s"),
        )

    def _seconds(self, response: Response, name: str) -> float:
        seconds: float | None = getattr(response, name)
        if seconds is None:
            seconds = self._medians.get((response.kind, name), self._medians.get(("", name), 0.0))
        return seconds

    def _unit(self, unit_id: str) -> UnitRegistered:
        table, pack = self._table, self._pack
        kind = _most_frequent(table.unit_types[unit_id])
        lon, lat = pack.center
        station = ""
        if areas := table.unit_areas[unit_id]:
            wanted = f"station-{_most_frequent(areas).zfill(2)}"
            for facility in pack.facilities:
                if facility.id == wanted:
                    station, lon, lat = facility.id, facility.lon, facility.lat
        skills = tuple(sorted(UNIT_KINDS[kind].skills)) if kind in UNIT_KINDS else ()
        return UnitRegistered(
            unit=unit_id,
            kind=kind,
            skills=skills,
            owner="enterprise" if kind == "private_ambulance" else "government",
            lon=lon,
            lat=lat,
            station=station,
            call_sign=unit_id,
        )

    def _id(self, what: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"/drill/{self._name}#{what}"))

    def _event(self, event_id: str, at: datetime, data: Payload, cause: str = "") -> Event:
        return Event(
            id=event_id,
            source=f"/drill/{self._name}",
            time=at,
            jurisdiction=self._pack.jurisdiction + EXERCISE_MARK,
            exercise=True,
            cause=cause,
            data=data,
        )


def _received(call: Call) -> datetime:
    if call.received is None:  # such calls were left out before
        raise CallsFileError(f"call {call.number} has no time")
    return call.received.astimezone(UTC)


def _most_frequent(counted: Counter[str]) -> str:
    return min(counted, key=lambda key: (-counted[key], key))


def _listed(names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown
