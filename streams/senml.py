"""SenML packs (RFC 8428) to readings: base fields, relative times and units resolved.

Reads the JSON form. A record's full name (base name and name) is the device, then ``/`` or
``:``, then the quantity: ``urn:dev:mac:0024befffe804ff1/water_level``. Numbers and booleans
become readings; strings, data and bare sums are skipped, for no rule can use them.

Pure. What can't be read raises :class:`models.errors.EventError` with the record's place in it.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from models.errors import EventError

MAX_RECORDS = 10_000
AHEAD_S = 5.0
"""How far ahead of its receipt a reading's time may lie: clocks differ a little."""

BEHIND_S = 30 * 86_400.0
"""How far behind its receipt a reading's time may lie. A device may keep what it measured for days
without a network; one whose clock lost its battery is years back."""

_RELATIVE_BELOW_S = 2**28  # RFC 8428, section 4.5.3
_VERSION = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_QUANTITY = re.compile(r"[A-Za-z0-9\-._]+")
_FIRST_S = datetime.min.replace(tzinfo=UTC).timestamp()
_LAST_S = datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp()
# Units of one quantity, brought to the one that rules are written in: factor, offset.
_UNITS = {
    "mm": ("m", 0.001, 0.0),
    "cm": ("m", 0.01, 0.0),
    "km": ("m", 1000.0, 0.0),
    "K": ("Cel", 1.0, -273.15),
    "degC": ("Cel", 1.0, 0.0),
    "ppb": ("ppm", 0.001, 0.0),
    "%": ("/", 0.01, 0.0),
    "%RH": ("/", 0.01, 0.0),
    "mA": ("A", 0.001, 0.0),
    "kPa": ("Pa", 1000.0, 0.0),
    "hPa": ("Pa", 100.0, 0.0),
}


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of one quantity of one device.

    Attributes
    ----------
    unit
        SenML unit, in the base unit of its kind (m, Cel, ppm, A, Pa, ``/`` for ratios); empty
        when the device names none.
    at
        Seconds since 1970, UTC, to the microsecond: what a datetime can keep.
    """

    device: str
    quantity: str
    value: float
    unit: str
    at: float


# No record holds another: nothing for the garbage collector to look through.
class _Record(msgspec.Struct, forbid_unknown_fields=False, gc=False):
    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bs: float | None = None
    bver: int | None = None
    n: str = ""
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: str | None = None
    s: float | None = None
    t: float = 0.0
    ut: float | None = None


_decode = msgspec.json.Decoder(list[_Record]).decode
_decode_keys = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def parse_senml(raw: bytes, received_at: datetime, *, own_time: bool = False) -> list[Reading]:
    """Return the readings of a pack, in its order.

    Nothing was measured after it was received. Where a device's times for a quantity say so, its
    clock is ahead, and all of them in this pack are set back by as much as the last is too late.
    Where all of a device's times are more than :data:`BEHIND_S` before the receipt, its clock is
    behind, and they are set forward until the last is of the receipt.

    Parameters
    ----------
    raw
        The pack as JSON, at most :data:`MAX_RECORDS` records.
    received_at
        What relative times refer to; aware. The same whenever the pack comes again.
    own_time
        Whether times are a drill's own; then none is set.

    Raises
    ------
    EventError
        When it isn't a SenML pack, or needs a field or version that we don't know.
    """
    try:
        records = _decode(raw)
        if b'_"' in raw:
            _check_must_understand(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"not a SenML pack: {error}") from error
    if len(records) > MAX_RECORDS:
        raise EventError(f"SenML pack has {len(records)} records; send {MAX_RECORDS} at most")
    readings: list[Reading] = []
    base_name, base_time, base_unit, base_value = "", 0.0, "", 0.0
    device, now_s = "", received_at.timestamp()
    told_s = at = math.nan
    first_s, last_s, is_off = now_s - BEHIND_S, now_s + AHEAD_S, False
    for place, record in enumerate(records):
        if record.bn is not None:
            base_name = record.bn
            device = _device(base_name)
        base_time = record.bt if record.bt is not None else base_time
        base_unit = record.bu if record.bu is not None else base_unit
        base_value = record.bv if record.bv is not None else base_value
        if record.bver is not None and not 1 <= record.bver <= _VERSION:
            raise EventError(f"SenML record {place}: version {record.bver} is not known")
        if record.v is not None:
            value = record.v + base_value
        elif record.vb is not None:
            value = float(record.vb)
        else:
            continue
        quantity = record.n
        if device and _is_quantity(quantity):
            of = device
        else:
            of, quantity = _name(base_name + quantity, place)
        unit = record.u if record.u is not None else base_unit
        if unit in _UNITS:
            unit, factor, offset = _UNITS[unit]
            value = value * factor + offset
        if not math.isfinite(value):
            raise EventError(f"SenML record {place}: value must be finite")
        if (seconds := base_time + record.t) != told_s:
            told_s, at = seconds, _at(seconds, now_s, place)
            is_off = is_off or not first_s <= at <= last_s
        readings.append(Reading(of, quantity, value, unit, at))
    return _set_right(readings, now_s) if is_off and not own_time else readings


def _device(base_name: str) -> str:
    """Return the device that a base name names whole; empty where a record's name goes on."""
    is_whole = base_name[1:].endswith(("/", ":")) and _NAME.fullmatch(base_name) is not None
    return base_name[:-1] if is_whole else ""


@lru_cache(maxsize=4096)
def _is_quantity(name: str) -> bool:
    """Say whether a record's own name is a quantity and nothing of the device."""
    return _QUANTITY.fullmatch(name) is not None


def _name(name: str, place: int) -> tuple[str, str]:
    cut = max(name.rfind("/"), name.rfind(":"))
    if not _NAME.fullmatch(name) or cut < 1 or cut == len(name) - 1:
        raise EventError(
            f"SenML record {place}: name {name[:80]!r} must be device/quantity in A-Z a-z 0-9 -:./_"
        )
    return name[:cut], name[cut + 1 :]


def _at(seconds: float, now_s: float, place: int) -> float:
    at = seconds + now_s if seconds < _RELATIVE_BELOW_S else seconds
    if not _FIRST_S <= at <= _LAST_S:
        raise EventError(f"SenML record {place}: time {seconds} is no time")
    return round(at, 6)


def _set_right(readings: list[Reading], now_s: float) -> list[Reading]:
    ahead: dict[tuple[str, str], float] = {}
    newest: dict[str, float] = {}
    for reading in readings:
        newest[reading.device] = max(newest.get(reading.device, reading.at), reading.at)
        if (off_s := reading.at - now_s - AHEAD_S) > 0:
            key = reading.device, reading.quantity
            ahead[key] = max(ahead.get(key, 0.0), off_s)
    behind = {device: at - now_s for device, at in newest.items() if at < now_s - BEHIND_S}
    found: list[Reading] = []
    for reading in readings:
        off_s = ahead.get((reading.device, reading.quantity), behind.get(reading.device, 0.0))
        if off_s:
            at = max(round(reading.at - off_s, 6), _FIRST_S)
            reading = msgspec.structs.replace(reading, at=at)
        found.append(reading)
    return found


def _check_must_understand(raw: bytes) -> None:
    for place, record in enumerate(_decode_keys(raw)):
        for key in record:
            if key.endswith("_"):
                raise EventError(
                    f"SenML record {place}: field {key!r} must be understood, and isn't"
                )
