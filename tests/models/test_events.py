"""Events go out and come back the same, and rubbish is refused in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import events as ev
from models.errors import EventError
from models.events import Event, decode, encode, encode_batch, split_batch
from models.words import Channel

NOW = datetime(2026, 7, 1, 3, 0, 0, 123456, tzinfo=UTC)
times = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
texts = st.text(max_size=50).filter(lambda t: "\ud800" not in t)
facts = st.dictionaries(
    st.text(min_size=1, max_size=8), st.one_of(st.booleans(), st.integers(0, 99), texts), max_size=4
)
payloads = st.one_of(
    st.builds(
        ev.ReportReceived,
        channel=st.sampled_from(Channel),
        received_at=times,
        text=texts,
        lon=st.none() | st.floats(-180, 180),
        lat=st.none() | st.floats(-90, 90),
        observed_at=st.none() | times,
        attributes=facts,
    ),
    st.builds(ev.ConfirmProposal, incident=texts, proposal=texts, by=texts),
    st.builds(
        ev.UnitPositionsReported,
        positions=st.dictionaries(
            texts, st.tuples(st.floats(-180, 180), st.floats(-90, 90)), max_size=3
        ),
    ),
    st.just(ev.ClockTicked()),
)


def _event(data: ev.Payload, **changes: object) -> Event:
    fields = {"id": "e1", "source": "/test", "time": NOW, "jurisdiction": "tiny", **changes}
    return Event(data=data, **fields)  # type: ignore[arg-type]


@given(payloads, times, st.booleans(), st.integers(0, 10**12))
def test_what_goes_out_comes_back(
    data: ev.Payload, time: datetime, exercise: bool, seq: int
) -> None:
    event = _event(data, time=time, exercise=exercise, seq=seq)
    raw = encode(event)
    assert decode(raw) == event
    assert encode(decode(raw)) == raw


@given(st.binary(max_size=200))
def test_rubbish_is_refused_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(EventError):
        decode(raw)


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_json_that_is_no_event_is_refused(value: object) -> None:
    with pytest.raises(EventError):
        decode(msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"type": "gridcommand.nothing"}, "gridcommand.nothing"),
        ({"time": "2026-07-01T03:00:00"}, "zone"),
        ({"id": ""}, "empty"),
        ({"data": {"channel": "pigeon", "received_at": "2026-07-01T03:00:00Z"}}, "channel"),
        ({"data": {"channel": "worker", "received_at": "2026-07-01T03:00:00Z", "x": 1}}, "x"),
    ],
)
def test_a_refusal_says_which_field(change: dict[str, object], says: str) -> None:
    good = msgspec.json.decode(
        encode(_event(ev.ReportReceived(channel=Channel.WORKER, received_at=NOW)))
    )
    with pytest.raises(EventError, match=says):
        decode(msgspec.json.encode({**good, **change}))


def test_times_of_other_zones_become_utc() -> None:
    raw = encode(_event(ev.ClockTicked())).replace(
        b"2026-07-01T03:00:00.123456Z", b"2026-07-01T11:00:00.123456+08:00"
    )
    assert decode(raw).time == NOW
    assert decode(raw).time.tzinfo is UTC
    assert NOW.astimezone(timezone(timedelta(hours=8))) == NOW


def test_batches() -> None:
    one, two = encode(_event(ev.ClockTicked())), encode(_event(ev.ClockTicked(), id="e2"))
    assert split_batch(encode_batch([one, two])) == [one, two]
    assert split_batch(one) == [one]
    assert split_batch(b"[]") == []
    with pytest.raises(EventError):
        split_batch(b"[1,")
