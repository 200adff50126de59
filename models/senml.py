"""SenML packs (RFC 8428) as readings: base fields, names and times resolved, record by record.

The only reader of packs. Intake and sense both ask it, so that what intake took is what sense
reads. Reads the JSON form. A record's full name (base name and name) is the device, then ``/`` or
``:``, then the quantity: ``urn:dev:mac:0024befffe804ff1/water_level``. Numbers and booleans
become readings; strings, data and bare sums are none, for no rule can use them.

A record that is wrong costs itself and no other (:class:`Refused`). The whole pack can't be read
when it is no list of JSON, asks for a version or a field that must be understood and isn't, or
has too many records (:class:`PackError`).

Times that can only be milliseconds since 1970 are read as such: devices send them often, and as
seconds they would be of the year 58,000.

Pure. Not for: what a time is worth against its receipt (:mod:`streams.senml`), nor units, which
stay as they were told (:mod:`models.units`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import msgspec

from models.errors import EventError

MAX_RECORDS: Final = 10_000
NAME_MAX: Final = 200
"""Characters of a device's name."""

_RELATIVE_BELOW_S = 2**28  # RFC 8428, section 4.5.3
_VERSION = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_QUANTITY = re.compile(r"[A-Za-z0-9\-._]+")
_BYTE = re.compile(r"\(byte (\d+)\)")
"""Where JSON is broken, as msgspec says it."""
FIRST_S: Final = datetime.min.replace(tzinfo=UTC).timestamp()
_LAST_S = datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp()
_BASE_FIELDS = ("bn", "bt", "bu", "bv", "bs", "bver")


class PackError(EventError):
    """A pack that can't be read.

    Parameters
    ----------
    wrong
        What is wrong with it; the code is for who says it in another language.
    """

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong.error)
        self.wrong = wrong


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of one quantity of one device.

    Attributes
    ----------
    unit
        As the device named it; empty when it names none.
    at
        Seconds since 1970, UTC, to the microsecond: what a datetime can keep.
    """

    device: str
    quantity: str
    value: float
    unit: str
    at: float


class Wrong(NamedTuple):
    """What is wrong with a record: a machine word, the value, and a sentence."""

    code: str
    value: str
    error: str


class Refused(NamedTuple):
    """A record that can't be read, by its number from 0, and why."""

    record: int
    wrong: Wrong

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"SenML record {self.record}: {self.wrong.error}"


class Pack(list[Reading]):
    """The readings of a pack, in its order.

    Attributes
    ----------
    refused
        Records that could not be read, in their order.
    first_s, last_s
        The earliest and the latest time in it, POSIX seconds; infinite where it has none.
    """

    __slots__ = ("first_s", "last_s", "refused")

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[Refused] = []
        self.first_s, self.last_s = math.inf, -math.inf


class Judge(Protocol):
    """Says whether a record that can be read may be; ``unit`` is None where its value is text."""

    def __call__(self, device: str, quantity: str, unit: str | None) -> Wrong | None:
        """Return what is wrong with it; None: nothing."""


# No record holds another: nothing for the garbage collector to look through.
class _Base(msgspec.Struct, forbid_unknown_fields=False, gc=False):
    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bs: float | None = None
    bver: int | None = None


class _Record(_Base, forbid_unknown_fields=False, gc=False):
    n: str = ""
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: str | None = None
    s: float | None = None
    t: float = 0.0
    ut: float | None = None


_Fields = dict[str, msgspec.Raw]
_decode = msgspec.json.Decoder(list[_Record]).decode
_decode_one = msgspec.json.Decoder(_Record).decode
_decode_base = msgspec.json.Decoder(_Base).decode
_decode_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_fields = msgspec.json.Decoder(_Fields).decode
_DECODERS: Final = {
    field.encode_name: msgspec.json.Decoder(field.type).decode
    for field in msgspec.structs.fields(_Record)
}

_CANT_BE_READ = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_pack(raw: bytes, now_s: float, judge: Judge | None = None) -> Pack:
    """Return the readings of a pack, and the records that are none because they are wrong.

    Parameters
    ----------
    raw
        The pack as JSON, at most :data:`MAX_RECORDS` records.
    now_s
        What relative times refer to, POSIX seconds.
    judge
        Says of each record with a value whether it may be read.

    Raises
    ------
    PackError
        When it isn't a SenML pack, or needs a field or version that we don't know.
    """
    broken: dict[int, Wrong] = {}
    try:
        records = _decode(raw)
    except msgspec.ValidationError:
        records, broken = _one_by_one(raw)
    except _CANT_BE_READ as error:
        raise _no_pack(raw, error) from error
    if b'_"' in raw:
        _check_must_understand(raw)
    if len(records) > MAX_RECORDS:
        said = f"SenML pack has {len(records)} records; send {MAX_RECORDS} at most"
        raise PackError(Wrong("senml_too_many", str(len(records)), said))
    found = Pack()
    refused = found.refused
    base_name, base_time, base_unit, base_value = "", 0.0, "", 0.0
    device, told_s = "", math.nan
    at: float | None = None
    for place, record in enumerate(records):
        if record.bn is not None:
            base_name = record.bn
            device = _device(base_name)
        base_time = record.bt if record.bt is not None else base_time
        base_unit = record.bu if record.bu is not None else base_unit
        base_value = record.bv if record.bv is not None else base_value
        if record.bver is not None and not 1 <= record.bver <= _VERSION:
            said = f"SenML record {place}: version {record.bver} is not known"
            raise PackError(Wrong("senml_version", str(record.bver), said))
        value = record.v
        # Nearly all are numbers and nothing else.
        if value is None or record.vb is not None or record.vs is not None or record.vd is not None:
            value, wrong = _other_value(record)
            if wrong is not None:
                refused.append(Refused(place, wrong))
                continue
            if value is None and record.vs is None and record.vd is None:
                continue
        else:
            value += base_value
        quantity = record.n
        if device and _is_quantity(quantity):
            of = device
        elif (parts := _parts(base_name + quantity)) is not None:
            of, quantity = parts
        else:
            refused.append(Refused(place, _no_name(base_name + quantity)))
            continue
        unit = record.u if record.u is not None else base_unit
        if judge is not None:
            wrong = judge(of, quantity, None if value is None else unit)
            if wrong is not None:
                refused.append(Refused(place, wrong))
                continue
        if value is None:
            continue
        if not math.isfinite(value):
            wrong = Wrong("senml_value", str(value), "value must be finite")
            refused.append(Refused(place, wrong))
            continue
        if (seconds := base_time + record.t) != told_s:
            told_s, at = seconds, _at(seconds, now_s)
            if at is not None:
                found.first_s, found.last_s = min(found.first_s, at), max(found.last_s, at)
        if at is None:
            refused.append(Refused(place, _no_time(seconds)))
            continue
        found.append(Reading(of, quantity, value, unit, at))
    if broken:
        refused.extend(Refused(place, wrong) for place, wrong in broken.items())
        refused.sort(key=lambda one: one.record)
    return found


def without(raw: bytes, refused: Collection[Refused]) -> bytes:
    """Return a pack with nothing of its refused records but what others of it build on."""
    dropped = {one.record: one.wrong.code for one in refused}
    kept: list[msgspec.Raw | _Fields] = []
    for place, record in enumerate(_decode_raw(raw)):
        if place not in dropped:
            kept.append(record)
            continue
        try:
            fields = _decode_fields(record)
        except msgspec.ValidationError:
            continue
        # Behind a base that can't be read all are refused.
        if dropped[place] != "senml_base":
            kept.append({name: fields[name] for name in _BASE_FIELDS if name in fields})
    return msgspec.json.encode(kept)


def is_device(name: str) -> bool:
    """Whether records can name a device so."""
    if name.endswith(("/", ":")):
        return False
    return len(name) <= NAME_MAX and _parts(f"{name}/q") == (name, "q")


def _no_pack(raw: bytes, error: Exception) -> PackError:
    """Return what is wrong with what is no list of JSON."""
    code, value = "senml", ""
    if isinstance(error, RecursionError):
        code = "json_too_deep"
    elif isinstance(error, UnicodeDecodeError):
        code = "not_utf8"
    elif not isinstance(error, msgspec.ValidationError):
        # What ends too early is wrong at its end.
        at = _BYTE.search(str(error))
        code, value = "senml_json", at[1] if at else str(len(raw))
    return PackError(Wrong(code, value, f"not a SenML pack: {error}"))


def _wrong_field(part: msgspec.Raw) -> str:
    """Return the first field of a record that has another type than SenML gives it."""
    try:
        fields = _decode_fields(part)
    except _CANT_BE_READ:
        return ""
    for name, value in fields.items():
        if name in _DECODERS:
            try:
                _DECODERS[name](value)
            except _CANT_BE_READ:
                return name
    return ""


def _one_by_one(raw: bytes) -> tuple[list[_Record], dict[int, Wrong]]:
    """Records of a pack of which not all can be read, and what is wrong with which.

    Of one that can't be read there are the base fields, for others build on them.
    """
    try:
        parts = _decode_raw(raw)
    except _CANT_BE_READ as error:
        raise _no_pack(raw, error) from error
    records: list[_Record] = []
    broken: dict[int, Wrong] = {}
    for place, part in enumerate(parts):
        try:
            records.append(_decode_one(part))
            continue
        except _CANT_BE_READ as error:
            broken[place] = Wrong("senml_record", _wrong_field(part), f"can't be read: {error}")
        try:
            base = _decode_base(part)
        except _CANT_BE_READ:
            # Whose the records behind it are, and of when, nobody can tell.
            broken[place] = broken[place]._replace(code="senml_base", value=str(place))
            said = f"builds on record {place}, which can't be read"
            for behind in range(place + 1, len(parts)):
                broken[behind] = Wrong("senml_base", str(place), said)
            break
        records.append(_Record(**msgspec.structs.asdict(base)))
    return records, broken


def _other_value(record: _Record) -> tuple[float | None, Wrong | None]:
    """Value of a record that has not just a number; None where it has none, or text."""
    values = (record.v, record.vb, record.vs, record.vd)
    if sum(value is not None for value in values) > 1:
        return None, Wrong("senml_values", "", "has more than one value")
    return None if record.vb is None else float(record.vb), None


def _device(base_name: str) -> str:
    """Return the device that a base name names whole; empty where a record's name goes on."""
    is_whole = base_name[1:].endswith(("/", ":")) and _NAME.fullmatch(base_name) is not None
    return base_name[:-1] if is_whole else ""


@lru_cache(maxsize=4096)
def _is_quantity(name: str) -> bool:
    """Say whether a record's own name is a quantity and nothing of the device."""
    return _QUANTITY.fullmatch(name) is not None


def _parts(name: str) -> tuple[str, str] | None:
    cut = max(name.rfind("/"), name.rfind(":"))
    if not _NAME.fullmatch(name) or cut < 1 or cut == len(name) - 1:
        return None
    return name[:cut], name[cut + 1 :]


def _no_name(name: str) -> Wrong:
    shown = name[:80]
    return Wrong(
        "senml_name", shown, f"name {shown!r} must be device/quantity in A-Z a-z 0-9 -:./_"
    )


def _at(seconds: float, now_s: float) -> float | None:
    """Return a record's time in POSIX seconds; None when it is none."""
    if seconds < _RELATIVE_BELOW_S:
        at = seconds + now_s
    else:
        at = seconds if seconds <= _LAST_S else seconds / 1000
    return round(at, 6) if FIRST_S <= at <= _LAST_S else None


def _no_time(seconds: float) -> Wrong:
    said = f"time {seconds} is no time; send seconds since 1970, or before now"
    return Wrong("senml_time", str(seconds), said)


def _check_must_understand(raw: bytes) -> None:
    for place, part in enumerate(_decode_raw(raw)):
        try:
            fields = _decode_fields(part)
        except msgspec.ValidationError:
            continue  # It is no record, and told as that.
        for key in fields:
            if key.endswith("_"):
                said = f"SenML record {place}: field {key!r} must be understood, and isn't"
                raise PackError(Wrong("senml_must", key[:80], said))
