"""Events go out and come back the same, and rubbish is refused in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import events as ev
from models.errors import EventError
from models.events import Event, decode, encode, encode_batch, split_batch
from models.lifecycles import AssignmentState, UnitState
from models.words import Channel

NOW = datetime(2026, 7, 1, 3, 0, 0, 123456, tzinfo=UTC)
times = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([2.0, -0.0, 1e300])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    float: numbers,
    int: st.integers(-(2**62), 2**62) | st.sampled_from([2**63, 2**64 + 1, -(2**70), 10**30]),
    bool: st.booleans(),
    datetime: times,
    ev.Time: times,
    type(None): st.none(),
}


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a payload's field; raises for a type that nobody taught it."""
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return st.one_of(*map(of_type, args))
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(of_type(args[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(of_type, args))
    if origin is dict:
        return st.dictionaries(of_type(args[0]), of_type(args[1]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return st.builds(kind, **{field.name: of_type(field.type) for field in fields})
    raise TypeError(f"no strategy for {kind}")


payloads = st.sampled_from(sorted(ev.PAYLOADS)).flatmap(lambda name: of_type(ev.PAYLOADS[name]))


def _event(data: ev.Payload, **changes: object) -> Event:
    fields = {"id": "e1", "source": "/test", "time": NOW, "jurisdiction": "tiny", **changes}
    return Event(data=data, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(ev.PAYLOADS))
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_every_type_goes_out_and_comes_back(name: str, data: st.DataObject) -> None:
    event = _event(data.draw(of_type(ev.PAYLOADS[name])))
    raw = encode(event)
    assert decode(raw) == event
    assert encode(decode(raw)) == raw
    assert msgspec.json.decode(raw)["type"] == name == event.type


@settings(deadline=None)
@given(payloads, times, st.booleans(), st.integers(0, 10**12))
def test_what_goes_out_comes_back(
    data: ev.Payload, time: datetime, exercise: bool, seq: int
) -> None:
    event = _event(data, time=time, exercise=exercise, seq=seq)
    raw = encode(event)
    assert decode(raw) == event
    assert encode(decode(raw)) == raw


odd_values = st.sampled_from(
    [
        *(float("nan"), float("inf"), 2.0, 2.5, 10**400, None, True),
        *("\ud800", "a\0", {"a": "\udc00"}, ("\ud800",)),
        *((), (2.0,), {}, {"a": float("nan")}, timedelta(days=1)),
        datetime(2026, 7, 1),  # noqa: DTZ001
    ]
)


@pytest.mark.parametrize("name", sorted(ev.PAYLOADS))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_nothing_is_written_that_is_not_read_back(name: str, data: st.DataObject) -> None:
    """One field holds what its type doesn't allow: the event is refused, or is the same again."""
    payload = data.draw(of_type(ev.PAYLOADS[name]))
    names = [field.name for field in msgspec.structs.fields(payload)]
    if names:
        change = {data.draw(st.sampled_from(names)): data.draw(odd_values)}
        payload = msgspec.structs.replace(payload, **change)
    event = _event(payload)
    try:
        raw = encode(event)
    except EventError:
        return
    again = decode(raw)
    assert again == event or encode(again) == raw


@pytest.mark.parametrize(
    "event",
    [
        _event(ev.ProposalMade(proposal="p", incident="i", choices=(), coverage=float("nan"))),
        _event(ev.ProposalMade(proposal="p", incident="i", choices=(), counted_priority=2.0)),  # type: ignore[arg-type]
        _event(ev.OrderRefused(order="o", by="b", code="c", detail="half \ud83d")),
        _event(ev.ClockTicked(), id=""),
        _event(ev.ClockTicked(), jurisdiction="a\0"),
        _event(ev.ClockTicked(), time=datetime(2026, 7, 1)),  # noqa: DTZ001
    ],
    ids=["nan where none may be", "a float for a number", "half", "no id", "nul", "no zone"],
)
def test_what_would_be_read_as_another_event_is_not_written(event: Event) -> None:
    with pytest.raises(EventError, match=event.type):
        encode(event)


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
        ({"time": "0001-01-01T00:00:00+08:00"}, "out of range"),
        ({"time": "9999-12-31T23:59:59-08:00"}, "out of range"),
        ({"id": "a\0"}, "NUL"),
        ({"data": {"channel": "worker", "received_at": "2026-07-01T03:00:00"}}, "received_at"),
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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(payloads, st.data())
def test_a_damaged_event_is_read_or_refused_and_nothing_else(
    payload: ev.Payload, data: st.DataObject
) -> None:
    """One field, of the envelope or of the payload, becomes anything that JSON can say."""
    wire = msgspec.json.decode(encode(_event(payload)))
    part = wire["data"] if wire["data"] and data.draw(st.booleans()) else wire
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(json_values)
    try:
        event = decode(msgspec.json.encode(wire))
    except EventError:
        return
    assert decode(encode(event)) == event


@settings(deadline=None)
@given(payloads, st.data())
def test_a_torn_event_is_refused(payload: ev.Payload, data: st.DataObject) -> None:
    raw = encode(_event(payload))
    with pytest.raises(EventError):
        decode(raw[: data.draw(st.integers(0, len(raw) - 1))])


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_is_split_or_refused_and_nothing_else(raw: bytes) -> None:
    try:
        parts = split_batch(raw)
    except EventError:
        return
    assert all(isinstance(part, bytes) for part in parts)


@pytest.mark.parametrize("depth", [b"[" * 100_000, b'{"data":' + b"[" * 100_000])
def test_what_nests_without_end_is_refused(depth: bytes) -> None:
    with pytest.raises(EventError):
        decode(depth)


def test_times_of_other_zones_become_utc() -> None:
    raw = encode(_event(ev.ClockTicked())).replace(
        b"2026-07-01T03:00:00.123456Z", b"2026-07-01T11:00:00.123456+08:00"
    )
    assert decode(raw).time == NOW
    assert decode(raw).time.tzinfo is UTC
    assert NOW.astimezone(timezone(timedelta(hours=8))) == NOW


@pytest.mark.parametrize(
    "data",
    [
        ev.UnitStatusReported(unit="E01", state=UnitState.EN_ROUTE),
        ev.AssignmentMoved(
            assignment="a", incident="i", unit="E01", state=AssignmentState.EN_ROUTE
        ),
    ],
)
def test_a_word_of_an_old_journal_has_no_time_of_its_own_and_keeps_its_bytes(
    data: ev.UnitStatusReported | ev.AssignmentMoved,
) -> None:
    raw = encode(_event(data))
    assert b"observed_at" not in raw
    assert decode(raw).data == data
    said = msgspec.structs.replace(data, observed_at=NOW)
    again = encode(_event(said))
    assert decode(again).data == said
    word = b'"observed_at":"2026-07-01T03:00:00.123456'
    assert again.count(word + b"Z") == 1
    with pytest.raises(EventError, match="observed_at"):
        decode(again.replace(word + b"Z", word))


def test_batches() -> None:
    one, two = encode(_event(ev.ClockTicked())), encode(_event(ev.ClockTicked(), id="e2"))
    assert split_batch(encode_batch([one, two])) == [one, two]
    assert split_batch(one) == [one]
    assert split_batch(b"[]") == []
    with pytest.raises(EventError):
        split_batch(b"[1,")
