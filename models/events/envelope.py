"""The envelope: a CloudEvent with its payload parsed, one by one and in batches.

For: every border that events cross. What :func:`encode` writes is the same bytes for the same
event, which journal and drills rest on, and it writes nothing that can't be read back;
:func:`decode` parses all there is to parse, so that nobody checks again inside, and refuses the
rest in words. Relies on :mod:`models.events.kinds`
for the payload that belongs to a type. Not for: what an event means.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.errors import EventError
from models.events.kinds import PAYLOADS
from models.events.payload import TYPE_PREFIX, Payload


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvent whose payload is parsed.

    Attributes
    ----------
    id
        Unique with ``source``; UUIDv7 from the sender where it can. A decision's id is its
        cause's with a running number behind a slash.
    source
        URI reference of who says it, e.g. ``/intake`` or ``/desk/us-ca-sf``.
    time
        Our clock's time, or the drill's in an exercise; aware, UTC.
    seq
        Place in the jurisdiction's journal; 0 outside a journal.
    """

    id: str
    source: str
    time: datetime
    jurisdiction: str
    data: Payload
    exercise: bool = False
    cause: str = ""
    subject: str = ""
    seq: int = 0
    traceparent: str = ""

    @property
    def type(self) -> str:
        """CloudEvents type."""
        return TYPE_PREFIX + self.data.type_name


class _Wire(msgspec.Struct, kw_only=True, omit_defaults=True):
    # Field order is the byte order of what we write.
    specversion: str
    id: str
    source: str
    type: str
    time: datetime
    jurisdiction: str
    exercise: bool = False
    cause: str = ""
    subject: str = ""
    seq: int = 0
    traceparent: str = ""
    datacontenttype: str = "application/json"
    data: msgspec.Raw


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_wire = msgspec.json.Decoder(_Wire).decode
_decode_wires = msgspec.json.Decoder(list[msgspec.Raw]).decode
_payload_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(cls) for name, cls in PAYLOADS.items()
}


def encode(event: Event) -> bytes:
    """Return the event as structured-mode JSON, the same bytes for the same event.

    Reading it back, which costs two or three times the writing (some microseconds, half a
    millisecond for a large proposal), is what keeps a journal whole: a count of 2.0 or a NaN would
    be written, and the desk that wrote it could never start again.

    Raises
    ------
    EventError
        When what is written would not be read as the same event.
    """
    try:
        raw = _written(event)
        again = decode(raw)
    except (EventError, UnicodeEncodeError, OverflowError) as error:
        message = f"{event.type} {event.id!r} can't be written so that it is read back: {error}"
        raise EventError(message) from error
    # Not equal may be a list where a tuple is read, which is the same on the wire.
    if again != event and _written(again) != raw:
        raise EventError(
            f"{event.type} {event.id!r} would be read back as another event; a number may be "
            "none (NaN or infinite)"
        )
    return raw


def _written(event: Event) -> bytes:
    return _encode(
        _Wire(
            specversion="1.0",
            id=event.id,
            source=event.source,
            type=event.type,
            time=event.time,
            jurisdiction=event.jurisdiction,
            exercise=event.exercise,
            cause=event.cause,
            subject=event.subject,
            seq=event.seq,
            traceparent=event.traceparent,
            data=msgspec.Raw(_encode(event.data)),
        )
    )


def encode_batch(events: Iterable[bytes]) -> bytes:
    """Return already encoded events as one ``application/cloudevents-batch+json`` value."""
    return b"[" + b",".join(events) + b"]"


def decode(raw: bytes | msgspec.Raw) -> Event:
    """Parse one event.

    Raises
    ------
    EventError
        When it isn't JSON, isn't CloudEvents 1.0, has an unknown type, a naive time or a payload
        that doesn't fit its type; the message says which field.
    """
    try:
        wire = _decode_wire(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"not a CloudEvent: {error}") from error
    if wire.specversion != "1.0":
        raise EventError(f"specversion is {wire.specversion!r}; only CloudEvents 1.0 is read")
    names = (wire.id, wire.source, wire.jurisdiction)
    if not all(names) or any("\0" in name for name in (*names, wire.cause, wire.subject)):
        raise EventError("id, source and jurisdiction must not be empty, and no name holds a NUL")
    if wire.time.tzinfo is None:
        raise EventError(f"time {wire.time.isoformat()} has no zone; write it in UTC, as …Z")
    try:
        time = wire.time.astimezone(UTC)
    except OverflowError as error:
        raise EventError(f"time {wire.time.isoformat()} is out of range") from error
    decoder = _payload_decoders.get(wire.type)
    if decoder is None:
        raise EventError(f"type {wire.type!r} is not known; see the topics reference")
    try:
        data = decoder.decode(wire.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"data of {wire.type}: {error}") from error
    return Event(
        id=wire.id,
        source=wire.source,
        time=time,
        jurisdiction=wire.jurisdiction,
        exercise=wire.exercise,
        cause=wire.cause,
        subject=wire.subject,
        seq=wire.seq,
        traceparent=wire.traceparent,
        data=data,
    )


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says of itself to who can't read the rest: another version's, perhaps."""

    id: str = ""
    type: str = ""
    jurisdiction: str = ""
    time: str = ""
    seq: int = 0


_decode_label = msgspec.json.Decoder(Label).decode


def label(raw: bytes | msgspec.Raw) -> Label:
    """Return the label of an event whose payload need not be known.

    Raises
    ------
    EventError
        When it isn't JSON of an event's shape.
    """
    try:
        return _decode_label(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"not a CloudEvent: {error}") from error


def split_batch(raw: bytes) -> list[bytes]:
    """Split a record's value into its events; a single event is a batch of one.

    Raises
    ------
    EventError
        When the value is neither.
    """
    if not raw.lstrip().startswith(b"["):
        return [raw]
    try:
        return [bytes(part) for part in _decode_wires(raw)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"not a CloudEvents batch: {error}") from error
