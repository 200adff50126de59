"""A table of calls for service, read row by row and gathered by call.

For: :mod:`streams.calls_import`, whose docstring says what is decided. Names every value that it
can't use, with its line. Not for: making events of it.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from models.city import CityPack
from streams.calls_columns import known_names, place_of
from streams.errors import CallsFileError
from streams.local_times import LocalTimes
from streams.recording import open_maybe_gzip

REQUIRED = ("call_number", "received")
USED = (
    *REQUIRED,
    *("call_type", "address", "lat", "lon", "priority", "call_type_group", "number_of_alarms"),
    *("unit_id", "unit_type", "station_area", "on_scene", "transport", "hospital", "available"),
)
"""Columns that are read; of those that a file has besides, none is."""

PLACE, LOCATION = ("lon", "lat"), "location"
"""Where there is no place of two columns, one of both is looked at."""

LONGEST_S = 86_400.0
"""A crew that stayed longer at one place is a mistake in the table, in seconds."""

PROBLEMS_NAMED = 1_000
"""Problems that are named; all are counted."""

_ROWS_A_WORD = 50_000

KIND_OF_TYPE = {"private": "private_ambulance"}
"""Unit types whose kind isn't simply their name in small letters with underscores."""


@dataclass
class Response:
    """A row's unit at its call: arrival, and seconds of each span where they can be told."""

    line: int
    kind: str
    arrived: datetime | None
    transported: bool
    on_scene_s: float | None
    transport_s: float | None
    hospital_s: float | None


@dataclass
class Call:
    """One call: when it came, what its rows say (first value that isn't empty), who came."""

    number: str
    line: int
    received: datetime | None = None
    said: dict[str, str] = field(default_factory=dict)
    responses: list[Response] = field(default_factory=list)


@dataclass
class Problems:
    """What could not be used as it stood."""

    named: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, what: str) -> None:
        """Note a problem of a line."""
        self.count += 1
        if len(self.named) < PROBLEMS_NAMED:
            self.named.append(f"line {line}: {what}")


class CallsTable:
    """The rows of a file, gathered by call.

    Attributes
    ----------
    calls
        By number; one without a time has ``received`` None.
    unit_types, unit_areas
        For each unit, how often a row says which kind and station area.
    left_out
        Rows that name no call.
    spans
        Usable seconds by kind (empty: any) and name of the span.
    """

    def __init__(self, path: Path, pack: CityPack, say: Callable[[str], None]) -> None:
        self.path = path
        self.calls: dict[str, Call] = {}
        self.unit_types: dict[str, Counter[str]] = defaultdict(Counter)
        self.unit_areas: dict[str, Counter[str]] = defaultdict(Counter)
        self.rows = 0
        self.left_out = 0
        self.missing_columns: tuple[str, ...] = ()
        self.problems = Problems()
        self.spans: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.sha256 = ""
        self._known = {unit.id: unit.kind for unit in pack.units}
        self._clock = LocalTimes(ZoneInfo(pack.timezone))
        self._say = say

    def read(self) -> None:
        """Read the file.

        Raises
        ------
        CallsFileError
            A required column is missing.
        OSError, EOFError, zlib.error, csv.Error
            The file can't be read to its end.
        """
        with self.path.open("rb") as raw:
            self.sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
        with open_maybe_gzip(self.path) as raw:
            reader = csv.DictReader(
                io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")
            )
            columns = known_names(reader.fieldnames or ())
            reader.fieldnames = columns
            if lacking := [name for name in REQUIRED if name not in columns]:
                raise CallsFileError(
                    f"{self.path}: the first line names no column {' and no '.join(lacking)}; "
                    f"it has: {', '.join(columns) or 'nothing'}"
                )
            placed = PLACE if LOCATION in columns else ()
            self.missing_columns = tuple(n for n in USED if n not in (*columns, *placed))
            for row in reader:
                self.rows += 1
                if self.rows % _ROWS_A_WORD == 0:
                    self._say(f"{self.rows} rows")
                if row.get(None):
                    self.problems.add(reader.line_num, "more values than columns: rest ignored")
                known = {key: _clean(row.get(key)) for key in USED}
                if not (known["lon"] or known["lat"]):
                    known["lon"], known["lat"] = place_of(_clean(row.get(LOCATION)))
                self._row(reader.line_num, known)

    def _row(self, line: int, row: dict[str, str]) -> None:
        number = row["call_number"]
        if not number:
            self.problems.add(line, "no call_number: row left out")
            self.left_out += 1
            return
        call = self.calls.setdefault(number, Call(number, line))
        received = self._time(line, row, "received")
        if received is not None and (call.received is None or received < call.received):
            call.received = received
        for key in ("call_type", "address", "lat", "lon", "priority", "call_type_group",
                    "number_of_alarms"):  # fmt: skip
            if row[key] and not call.said.get(key):
                call.said[key] = row[key]
        unit = row["unit_id"]
        if not unit:
            return
        kind = self._known.get(unit) or kind_of(row["unit_type"])
        self.unit_types[unit][kind] += 1
        if row["station_area"]:
            self.unit_areas[unit][row["station_area"]] += 1
        if (response := self._response(line, row, kind, received)) is not None:
            call.responses.append(response)

    def _response(
        self, line: int, row: dict[str, str], kind: str, received: datetime | None
    ) -> Response | None:
        stamps: dict[str, datetime | None] = {}
        before = received
        for key in ("on_scene", "transport", "hospital", "available"):
            stamps[key] = self._time(line, row, key, before)
            before = stamps[key] or before
        arrived, left = stamps["on_scene"], stamps["transport"]
        transported = left is not None or stamps["hospital"] is not None
        if arrived is None and not transported:
            return None
        free = stamps["available"]
        response = Response(
            line=line,
            kind=kind,
            arrived=arrived,
            transported=transported,
            on_scene_s=self._span(
                line, "at the scene", arrived, left or stamps["hospital"] or free
            ),
            transport_s=self._span(line, "under way to hospital", left, stamps["hospital"]),
            hospital_s=self._span(line, "in hospital", stamps["hospital"], free),
        )
        for name in ("on_scene_s", "transport_s", "hospital_s"):
            seconds = getattr(response, name)
            if seconds is not None:
                self.spans[kind, name].append(seconds)
                self.spans["", name].append(seconds)
        return response

    def _span(
        self, line: int, what: str, begin: datetime | None, end: datetime | None
    ) -> float | None:
        if begin is None or end is None:
            return None
        seconds = (end - begin).total_seconds()
        if 0 <= seconds <= LONGEST_S:
            return seconds
        self.problems.add(line, f"{seconds:.0f} s {what} can't be: the median stands in")
        return None

    def _time(
        self, line: int, row: dict[str, str], key: str, not_before: datetime | None = None
    ) -> datetime | None:
        text = row[key]
        if not text:
            if key == "received":
                self.problems.add(line, "no received time in this row")
            return None
        try:
            time, remark = self._clock.read(text, not_before)
        except ValueError as error:
            self.problems.add(line, f"{key} {text!r} {error}")
            return None
        if remark:
            self.problems.add(line, f"{key} {text!r} {remark}")
        return time


def kind_of(unit_type: str) -> str:
    """Our kind for a source's unit type: ``RESCUE CAPTAIN`` is ``rescue_captain``."""
    name = "_".join(unit_type.lower().replace("-", " ").split()) or "unit"
    return KIND_OF_TYPE.get(name, name)


def _clean(value: str | None) -> str:
    return (value or "").replace("\x00", "").strip()
