"""What came on the readings' topic, with every time set right against its receipt.

Relies on :mod:`models.senml` to read packs. Nothing was measured after it was received; a device
may keep what it measured for days, and one whose clock lost its battery is years back.

Pure. A pack of which nothing can be read raises :class:`models.errors.EventError`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from models.errors import EventError
from models.senml import FIRST_S, Pack, read_pack

AHEAD_S = 5.0
"""How far ahead of its receipt a reading's time may lie: clocks differ a little."""

BEHIND_S = 30 * 86_400.0
"""How far behind its receipt a reading's time may lie. A device may keep what it measured for days
without a network; one whose clock lost its battery is years back."""


def parse_senml(raw: bytes, received_at: datetime, *, own_time: bool = False) -> Pack:
    """Return the readings of a pack, in its order, and which records are none.

    Nothing was measured after it was received. Where a device's times for a quantity say so, its
    clock is ahead, and all of them in this pack are set back by as much as the last is too late.
    Where all of a device's times are more than :data:`BEHIND_S` before the receipt, its clock is
    behind, and they are set forward until the last is of the receipt.

    Parameters
    ----------
    raw
        The pack as JSON.
    received_at
        What relative times refer to; aware. The same whenever the pack comes again.
    own_time
        Whether times are a drill's own; then none is set.

    Raises
    ------
    EventError
        When it isn't a SenML pack, or all that could be a reading is wrong.
    """
    now_s = received_at.timestamp()
    pack = read_pack(raw, now_s)
    if pack.refused and not pack:
        raise EventError(in_words(pack))
    if not own_time and (pack.first_s < now_s - BEHIND_S or pack.last_s > now_s + AHEAD_S):
        _set_right(pack, now_s)
    return pack


def in_words(pack: Pack, most: int = 5) -> str:
    """Return what is wrong with a pack's records, the first few by name."""
    more = len(pack.refused) - most
    told = "; ".join(str(one) for one in pack.refused[:most])
    return f"{told}; and {more} more" if more > 0 else told


def _set_right(pack: Pack, now_s: float) -> None:
    ahead: dict[tuple[str, str], float] = {}
    newest: dict[str, float] = {}
    for reading in pack:
        newest[reading.device] = max(newest.get(reading.device, reading.at), reading.at)
        if (off_s := reading.at - now_s - AHEAD_S) > 0:
            key = reading.device, reading.quantity
            ahead[key] = max(ahead.get(key, 0.0), off_s)
    behind = {device: at - now_s for device, at in newest.items() if at < now_s - BEHIND_S}
    for place, reading in enumerate(pack):
        off_s = ahead.get((reading.device, reading.quantity), behind.get(reading.device, 0.0))
        if off_s:
            at = max(round(reading.at - off_s, 6), FIRST_S)
            pack[place] = msgspec.structs.replace(reading, at=at)
