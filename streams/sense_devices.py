"""What sense remembers of a device, and how that survives a restart.

A :class:`DeviceMemory` is a few numbers: when each quantity was last heard, since when a threshold
is passed, the window of each rate. :func:`dump` and :func:`load` turn all of a partition's into
bytes and back. Which episodes are on is not part of it; that is written with each alarm
(:mod:`models.episodes`), for it must never be older than what was reported.

Times are POSIX seconds here: readings come by the thousand a second.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from models.errors import EventError
from streams.sense_rules import Rule

WINDOW_MAX = 512
"""Samples in a rate's window; when there are more, every second one goes, never the lowest."""


class RisingWindow:
    """The samples of the last ``window_s`` seconds that may still be the lowest of them.

    A sample above which a later one fell can never be the lowest again and is dropped at once, so
    the front is the lowest, and adding costs the same however long the window is.
    """

    __slots__ = ("samples",)

    def __init__(self, samples: list[tuple[float, float]] | None = None) -> None:
        self.samples = deque(samples or ())

    def add(self, at: float, value: float, window_s: float) -> tuple[float, float]:
        """Take a sample in and return time and value of the lowest in the window."""
        samples = self.samples
        while samples and samples[-1][1] > value:
            samples.pop()
        samples.append((at, value))
        while at - samples[0][0] > window_s:
            samples.popleft()
        if len(samples) > WINDOW_MAX:
            kept = list(samples)
            self.samples = deque((kept[0], *kept[1:-1:2], kept[-1]))
        return self.samples[0]


class DeviceMemory:
    """What is known of one device.

    Attributes
    ----------
    rules
        The rules for this device by quantity; found once, for names don't change.
    lon, lat
        Its own word about its place, degrees WGS-84.
    heard
        Time of the last reading of each quantity.
    since
        When each threshold that is passed and not yet held long enough was passed, when each
        rate's last episode was over, and when an event that is on was last told.
    spoke
        For each rule of silence, how long there had been listening when the device last spoke, or
        was excused.
    excused
        Rules of silence for which it was, since it last spoke: it may have been we who couldn't
        hear it.
    windows
        Of each rate.
    active
        Rules whose episode is on.
    began
        When each of those began, or the last that did.
    again
        Of quantities whose readings may come again after a crash: up to when they have, or were
        in what was kept.
    known
        Of rules whose episode is younger than what was kept: up to when it is known what they made
        of readings that come again.
    """

    __slots__ = (
        "active", "again", "began", "excused", "heard", "known", "lat", "lon", "rules", "since",
        "spoke", "windows",
    )  # fmt: skip

    def __init__(self, rules: Mapping[str, tuple[Rule, ...]]) -> None:
        self.rules = rules
        self.lon: float | None = None
        self.lat: float | None = None
        self.heard: dict[str, float] = {}
        self.since: dict[str, float] = {}
        self.spoke: dict[str, float] = {}
        self.excused: set[str] = set()
        self.windows: dict[str, RisingWindow] = {}
        self.active: set[str] = set()
        self.began: dict[str, float] = {}
        self.again: dict[str, float] = {}
        self.known: dict[str, float] = {}

    def recall(self, rule: Rule, heard: float) -> None:
        """Take notice of what a rule made of the readings until ``heard``, POSIX seconds."""
        kept = self.heard.get(rule.quantity, -math.inf)
        if heard > self.again.get(rule.quantity, kept):
            self.again.setdefault(rule.quantity, kept)
            self.heard[rule.quantity] = max(kept, heard)
            self.known[rule.id] = heard
            self.since.pop(rule.id, None)

    def hear_on(self, quantity: str) -> None:
        """Expect no more readings of a quantity that come again."""
        if self.again.pop(quantity, None) is not None:
            for rule in self.rules.get(quantity, ()):
                self.known.pop(rule.id, None)

    def turn_back(self, quantity: str, by_s: float) -> None:
        """Set what the rules of a quantity remember back: what lasts goes on lasting."""
        for rule in self.rules.get(quantity, ()):
            if rule.id in self.since:
                self.since[rule.id] -= by_s
            if rule.id in self.windows:
                samples = self.windows[rule.id].samples
                self.windows[rule.id] = RisingWindow([(at - by_s, value) for at, value in samples])


class _Kept(msgspec.Struct, array_like=True):
    name: str
    lon: float | None
    lat: float | None
    heard: dict[str, float]
    since: dict[str, float]
    windows: dict[str, list[tuple[float, float]]]
    silent: dict[str, float] = {}
    excused: list[str] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Kept]).decode


def dump(devices: Mapping[str, DeviceMemory], listened_s: float) -> bytes:
    """Return the devices as bytes, in their order; how long each is silent, not since when."""
    return _encode(
        [
            _Kept(
                name,
                device.lon,
                device.lat,
                # What is to come again is not in the windows yet.
                device.heard if not device.again else _taken_in(device),
                device.since,
                {rule: list(window.samples) for rule, window in device.windows.items()},
                {rule: listened_s - spoke for rule, spoke in device.spoke.items()},
                sorted(device.excused),
            )
            for name, device in devices.items()
        ]
    )


def _taken_in(device: DeviceMemory) -> dict[str, float]:
    heard = {**device.heard, **device.again}
    return {quantity: at for quantity, at in heard.items() if at > -math.inf}


def load(kept: bytes, device_of: Callable[[str], DeviceMemory]) -> None:
    """Fill devices from what :func:`dump` made; ``device_of`` finds or makes one by its name.

    Listening begins at 0 again, so a device that has been silent spoke before that.

    Raises
    ------
    EventError
        When the bytes were made by something else.
    """
    try:
        found = _decode(kept)
    except msgspec.DecodeError as error:
        raise EventError(f"not a dump of devices: {error}") from error
    for one in found:
        device = device_of(one.name)
        device.lon, device.lat = one.lon, one.lat
        device.heard, device.since = one.heard, one.since
        device.windows = {rule: RisingWindow(samples) for rule, samples in one.windows.items()}
        device.spoke = {rule: -silent_s for rule, silent_s in one.silent.items()}
        device.excused = set(one.excused)
