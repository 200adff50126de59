"""A table of calls for service, read row by row and gathered by call.

For: :mod:`streams.calls_import`, whose docstring says what is decided. Names every value that it
can't use, with its line. Not for: making events of it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

from models.city import CityPack
from models.csv_files import clean, rows_of
from models.named import REPLACEMENT, nearest
from models.skills import UNIT_KINDS
from streams.calls_columns import known_names, place_of
from streams.errors import CallsFileError
from streams.local_times import LocalTimes, MixedOrderError, Order

REQUIRED = ("call_number", "received")
USED = (
    *REQUIRED,
    *("call_type", "address", "lat", "lon", "priority", "call_type_group", "number_of_alarms"),
    *("unit_id", "unit_type", "station_area", "on_scene", "transport", "hospital", "available"),
)
"""Columns that are read; of those that a file has besides, none is."""

NUMBERS = ("call_number", "lat", "lon", "priority", "number_of_alarms", "unit_id", "station_area")
"""Columns that a spreadsheet may have made numbers of: 53 becomes 53.0."""

PLACE, LOCATION = ("lon", "lat"), "location"
"""Where there is no place of two columns, one of both is looked at."""

LONGEST_S = 86_400.0
"""A crew that stayed longer at one place is a mistake in the table, in seconds."""

PROBLEMS_NAMED = 1_000
"""Problems that are named; all are counted."""

_ROWS_A_WORD = 50_000
_MISSPELT = 0.8
_WHOLE = re.compile(r"(\d+)\.0+", re.ASCII)
_DECIMAL_COMMA = re.compile(r"([-+]?\d{1,3}),(\d+)", re.ASCII)
"""Degrees with a comma; no thousands can be meant."""

KIND_OF_TYPE = {"private": "private_ambulance"} | {
    kind.names.zh: kind.id for kind in UNIT_KINDS.values()
}
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
    rows: list[int] = field(default_factory=list)


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
        Rows that name no call, or are the header once more.
    repeated
        Rows that are in the table twice.
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
        self.repeated = 0
        self.missing_columns: tuple[str, ...] = ()
        self.problems = Problems()
        self.spans: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.sha256 = ""
        self._known = {unit.id: unit.kind for unit in pack.units}
        self._zone = ZoneInfo(pack.timezone)
        self._clock = LocalTimes(self._zone)
        self._say = say

    def read(self) -> None:
        """Read the file.

        Raises
        ------
        CallsFileError
            A required column is missing, or dates are in both orders.
        TableError
            The file is no table, or can't be read to its end.
        OSError
            The file can't be read at all.
        """
        with self.path.open("rb") as raw:
            self.sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
        self._clock = LocalTimes(self._zone, self._order())
        header: list[str] = []
        columns: list[str] = []
        for line, values in rows_of(self.path):
            if not header:
                header, columns = values, self._columns(line, values)
                continue
            self.rows += 1
            if self.rows % _ROWS_A_WORD == 0:
                self._say(f"{self.rows} rows")
            if len(values) > len(columns):
                self.problems.add(line, "more values than columns: rest ignored")
            elif len(values) < len(columns):
                self.problems.add(line, "fewer values than columns: the last ones are missing")
            if values == header:
                self.problems.add(line, "the header once more: row left out")
                self.left_out += 1
                continue
            said = dict(zip(columns, values, strict=False))
            known = {key: clean(said.get(key)) for key in USED}
            if not (known["lon"] or known["lat"]):
                known["lon"], known["lat"] = place_of(clean(said.get(LOCATION)))
            for key in NUMBERS:
                if known[key] and known[key] not in self._known:
                    known[key] = plain_number(known[key])
            for key in PLACE:
                known[key] = _DECIMAL_COMMA.sub(r"\1.\2", known[key])
            self._row(line, known)

    def _columns(self, line: int, header: list[str]) -> list[str]:
        columns = known_names(map(clean, header))
        if lacking := [name for name in REQUIRED if name not in columns]:
            raise CallsFileError(self._lacks(lacking, columns))
        placed = PLACE if LOCATION in columns else ()
        self.missing_columns = tuple(n for n in USED if n not in (*columns, *placed))
        unread = {name: () for name in columns if name not in (*USED, LOCATION)}
        for name in self.missing_columns:
            if meant := nearest(name, unread, _MISSPELT):
                self.problems.add(line, f"column {meant!r} isn't read; is it to be {name!r}?")
        return columns

    def _lacks(self, lacking: Sequence[str], columns: Sequence[str]) -> str:
        return (
            f"{self.path}: the first line names no column {' and no '.join(lacking)}; "
            f"it has: {', '.join(columns) or 'nothing'}"
        )

    def _order(self) -> Order:
        """The order of the table's dates, from as many rows as it takes to tell."""
        times = self._received()
        first = next(times, None)
        if first is None or not Order.matters(first[1]):
            return Order.MONTH_FIRST
        found = Order.of(text for _, text in chain((first,), times))
        if found is None:
            self.problems.add(
                first[0],
                f"dates such as {first[1]!r} are taken as {Order.MONTH_FIRST}: no day above 12 "
                "in the table tells; write YYYY-MM-DD HH:MM:SS to be sure",
            )
        return found or Order.MONTH_FIRST

    def _received(self) -> Iterator[tuple[int, str]]:
        at = -1
        for line, values in rows_of(self.path):
            if at < 0:
                columns = known_names(map(clean, values))
                if "received" not in columns:
                    raise CallsFileError(
                        self._lacks([n for n in REQUIRED if n not in columns], columns)
                    )
                at = columns.index("received")
            elif at < len(values) and (text := clean(values[at])):
                yield line, text
        if at < 0:
            raise CallsFileError(self._lacks(REQUIRED, ()))

    def _row(self, line: int, row: dict[str, str]) -> None:
        number = row["call_number"]
        if not number:
            self.problems.add(line, "no call_number: row left out")
            self.left_out += 1
            return
        for key, value in row.items():
            if REPLACEMENT in value:
                self.problems.add(
                    line, f"{key} {value[:60]!r} holds U+FFFD: characters were lost in the source"
                )
        call = self.calls.setdefault(number, Call(number, line))
        if (same := hash(tuple(row.values()))) in call.rows:
            self.problems.add(line, f"the same row of call {number} once more: row left out")
            self.repeated += 1
            return
        call.rows.append(same)
        received = self._time(line, row, "received")
        if received is not None and call.received is not None:
            apart_s = abs((received - call.received).total_seconds())
            if apart_s > LONGEST_S:
                self.problems.add(
                    line,
                    f"call {number} was received {apart_s / LONGEST_S:.1f} days apart from its row "
                    f"in line {call.line}: taken as one call; number other calls otherwise",
                )
        if received is not None and (call.received is None or received < call.received):
            call.received = received
        for key in ("call_type", "address"):
            if row[key] and call.said.get(key, row[key]) != row[key]:
                self.problems.add(
                    line,
                    f"call {number} has {key} {call.said[key]!r} in a row before, and "
                    f"{row[key]!r} here: the first is taken",
                )
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
        begun = arrived
        if arrived is not None and received is not None and arrived < received:
            begun = None
            self.problems.add(
                line,
                f"on_scene {row['on_scene']!r} lies {(received - arrived).total_seconds():.0f} s "
                f"before received {row['received']!r}: the median stands in",
            )
        response = Response(
            line=line,
            kind=kind,
            arrived=arrived,
            transported=transported,
            on_scene_s=self._span(line, "at the scene", begun, left or stamps["hospital"] or free),
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
        except MixedOrderError as error:
            raise CallsFileError(
                f"{self.path}:{line}: {key} {text!r} {error}, as dates of other rows are: "
                "write them all in one order, best as YYYY-MM-DD HH:MM:SS"
            ) from error
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


def plain_number(text: str) -> str:
    """Full-width digits as usual ones, and a whole number without the ``.0`` of a spreadsheet."""
    usual = unicodedata.normalize("NFKC", text)
    found = _WHOLE.fullmatch(usual)
    return found[1] if found else usual
