"""Recordings: a drill's events as a file of CloudEvents lines, plain or gzip'd.

First line a ``DrillDescribed``, then ``UnitRegistered`` for units that no city pack lists, then
by time what happened: ``ReportReceived`` and ``ServiceRecorded``, the latter right behind its
report. For: reading and writing that file. Not for: making one (:mod:`streams.calls_import`,
:mod:`streams.record`) or replaying one (:mod:`streams.fast`, :mod:`streams.drill`).
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TypeAlias

from models.errors import EventError
from models.events import (
    DrillDescribed,
    Event,
    ReportReceived,
    ServiceRecorded,
    UnitRegistered,
    decode,
    encode,
)
from streams.errors import RecordingError

GZIP_MAGIC = b"\x1f\x8b"
LINE_LIMIT = 1_000_000
"""Bytes; a longer line is no event of ours."""

_HAPPENINGS = (ReportReceived, ServiceRecorded)


LineSink: TypeAlias = IO[bytes] | gzip.GzipFile


@dataclass(frozen=True)
class Recording:
    """The head of a recording; what happened is read line by line, so a year's file is no load.

    Attributes
    ----------
    jurisdiction
        As on its lines; a replay may put another in its place.
    units
        Those that the recording brings along.
    """

    path: Path
    described: DrillDescribed
    jurisdiction: str
    units: tuple[UnitRegistered, ...]

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read the head of a recording.

        Raises
        ------
        RecordingError
            It isn't there or is none; the message names file and line.
        """
        lines = _decoded(path)
        number, first = next(lines, (1, None))
        if first is None:
            raise RecordingError(f"{path}: the recording is empty")
        if not isinstance(first.data, DrillDescribed):
            raise RecordingError(
                f"{path}:{number}: a recording begins with a drill.described, not {first.type}; "
                "`gridcommand drill import` makes one out of a calls file"
            )
        units = []
        for _, event in lines:
            if not isinstance(event.data, UnitRegistered):
                break
            units.append(event.data)
        return cls(path, first.data, first.jurisdiction, tuple(units))

    def happenings(self) -> Iterator[Event]:
        """Yield reports and service times in the order of their times.

        Raises
        ------
        RecordingError
            A line can't be read, is of a type that no recording holds, goes back in time, or
            isn't marked as exercise.
        """
        before: datetime | None = None
        for number, event in _decoded(self.path):
            if isinstance(event.data, DrillDescribed | UnitRegistered) and before is None:
                continue
            where = f"{self.path}:{number}"
            if not isinstance(event.data, _HAPPENINGS):
                raise RecordingError(f"{where}: {event.type} has no place in a recording here")
            if not event.exercise:
                raise RecordingError(f"{where}: event {event.id} isn't marked as exercise")
            if before is not None and event.time < before:
                raise RecordingError(
                    f"{where}: {event.time.isoformat()} lies before the line above it; "
                    "sort the lines by time"
                )
            before = event.time
            yield event


def write_recording(path: Path, events: Iterable[Event]) -> int:
    """Write a recording, gzip'd where the name ends in ``.gz``; return its size in bytes.

    The same events give the same bytes. The file appears whole or not at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with open_for_lines(fresh) as sink:
            for event in events:
                sink.write(encode(event))
                sink.write(b"\n")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path.stat().st_size


@contextmanager
def open_for_lines(path: Path) -> Iterator[LineSink]:
    """Open a file for writing, gzip'd where its name ends in ``.gz``."""
    with path.open("wb") as raw:
        if path.suffix == ".gz":
            # No name and no time in the header: the same content is the same file.
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as sink:
                yield sink
        else:
            yield raw


@contextmanager
def open_maybe_gzip(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, gzip'd or not: its first bytes decide, not its name."""
    with path.open("rb") as raw:
        magic = raw.read(len(GZIP_MAGIC))
        raw.seek(0)
        if magic == GZIP_MAGIC:
            with gzip.GzipFile(fileobj=raw) as plain, io.BufferedReader(plain) as lines:
                yield lines
        else:
            yield raw


def _decoded(path: Path) -> Iterator[tuple[int, Event]]:
    number = 0
    try:
        with open_maybe_gzip(path) as lines:
            while line := lines.readline(LINE_LIMIT):
                number += 1
                if line.strip():
                    yield number, decode(line)
    except EventError as error:
        raise RecordingError(f"{path}:{number}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: can't be read behind line {number}: {error}") from error
