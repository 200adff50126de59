"""Recordings are read line by line, and say file and line of what is wrong."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.events import ClockTicked, DrillDescribed, Event, Payload, ReportReceived, encode
from models.words import Channel
from streams.errors import RecordingError
from streams.recording import Recording, write_recording

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(
    name: str, data: Payload | None = None, seconds: float = 0.0, *, exercise: bool = True
) -> Event:
    return Event(
        id=name,
        source="/drill/t",
        time=START + timedelta(seconds=seconds),
        jurisdiction="tiny.exercise",
        exercise=exercise,
        data=data or ReportReceived(channel=Channel.HOTLINE, received_at=START),
    )


HEAD = event("d", DrillDescribed(name="t", city="tiny", calls=2, units=0, first=START, last=START))


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    told = [event("a"), event("b", seconds=1)]
    path = tmp_path / name
    size = write_recording(path, [HEAD, *told])
    assert size == path.stat().st_size
    assert list(tmp_path.iterdir()) == [path], "nothing half-written is left"
    recording = Recording.load(path)
    assert recording.described == HEAD.data
    assert list(recording.happenings()) == told
    assert list(recording.happenings()) == told, "it can be read again"


def test_a_name_does_not_decide_what_a_file_is(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(gzip.compress(encode(HEAD) + b"\n\n" + encode(event("a"))))
    assert [e.id for e in Recording.load(path).happenings()] == ["a"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl.gz"
    write_recording(path, [HEAD])
    before = path.read_bytes()

    def breaks() -> object:
        yield HEAD
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError):
        write_recording(path, breaks())  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        ([encode(event("a"))], r":1: a recording begins with"),
        ([encode(HEAD), b"{not json"], r":2: not a CloudEvent"),
        ([encode(HEAD), encode(event("a", seconds=5)), encode(event("b"))], r":3: .* lies before"),
        ([encode(HEAD), encode(event("a", exercise=False))], r":2: .* isn't marked as exercise"),
        ([encode(HEAD), encode(event("a", ClockTicked()))], r":2: .*clock.ticked has no place"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, lines: list[bytes], message: str
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(RecordingError, match=message):
        list(Recording.load(path).happenings())


def test_a_missing_or_cut_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="can't be read"):
        Recording.load(tmp_path / "none.jsonl.gz")
    path = tmp_path / "cut.jsonl.gz"
    write_recording(path, [HEAD, *(event(f"e{n}") for n in range(50))])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordingError, match=r"cut\.jsonl\.gz: can't be read behind line"):
        list(Recording.load(path).happenings())
