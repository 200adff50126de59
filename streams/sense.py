"""sense: from high-rate telemetry to few alarms.

Per device: thresholds with hysteresis, rate of rise, silence. An alarm is raised once per
episode, and its id is made of device, rule and the episode's beginning, so that a replay of the
same readings raises the same alarms. No clock of its own: time comes with the readings and with
:meth:`SenseState.pass_time`.

Not durable: a worker that starts anew has forgotten its windows. A condition that lasts is then
raised again as a new episode, which the desk links to the incident it already has.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from models.events import Event, Point, ReportReceived
from models.words import Channel
from streams.senml import Reading
from streams.sense_rules import RateRule, Rule, SenseRules, SilenceRule, ThresholdRule

MAX_DEVICES = 100_000
"""Devices that are remembered; beyond, the one heard from longest ago is forgotten."""

MAX_SAMPLES = 512
"""Samples that a rate's window holds; beyond, the oldest go first."""

SOURCE = "/sense"


class _Device:
    __slots__ = ("active", "heard", "held_since", "lat", "lon", "windows")

    def __init__(self) -> None:
        self.lon: float | None = None
        self.lat: float | None = None
        self.heard: dict[str, datetime] = {}
        self.active: set[str] = set()
        self.held_since: dict[str, datetime] = {}
        self.windows: dict[str, deque[tuple[datetime, float]]] = {}


class Alarm(msgspec.Struct, frozen=True):
    """An episode that began: what to report, and the id that a replay repeats."""

    id: str
    time: datetime
    device: str
    rule: str
    report: ReportReceived

    def as_event(self, jurisdiction: str, *, exercise: bool) -> Event:
        """Return the report as it enters the inbox."""
        return Event(
            id=self.id,
            source=SOURCE,
            time=self.time,
            jurisdiction=jurisdiction,
            exercise=exercise,
            subject=self.device,
            data=self.report,
        )


class SenseState:
    """What sense remembers of the devices it heard.

    Parameters
    ----------
    rules
        When readings become an alarm.
    places
        Longitude and latitude (WGS-84) of devices that don't send their own.
    scope
        Part of every id, so that an exercise and real life never share one.
    """

    def __init__(
        self,
        rules: SenseRules,
        places: Mapping[str, Point] | None = None,
        *,
        scope: str = "",
    ) -> None:
        self._rules = rules
        self._silence = [rule for rule in rules.rules if isinstance(rule, SilenceRule)]
        self._places = places or {}
        self._scope = scope
        self._devices: OrderedDict[str, _Device] = OrderedDict()
        self.ignored = 0
        """Readings that were late, repeated or in a unit that the rule doesn't read."""

    def sense(self, readings: Iterable[Reading]) -> list[Alarm]:
        """Take readings in and return the episodes that they begin.

        A reading not younger than the device's last of the same quantity changes nothing.
        """
        alarms: list[Alarm] = []
        for reading in readings:
            device = self._device(reading.device)
            if reading.quantity == "lon" and abs(reading.value) <= 180:
                device.lon = reading.value
            elif reading.quantity == "lat" and abs(reading.value) <= 90:
                device.lat = reading.value
            last = device.heard.get(reading.quantity)
            if last is not None and reading.time <= last:
                self.ignored += 1
                continue
            device.heard[reading.quantity] = reading.time
            for rule in self._rules.by_quantity.get(reading.quantity, ()):
                if not rule.applies_to(reading.device):
                    continue
                if reading.unit and rule.unit and reading.unit != rule.unit:
                    self.ignored += 1
                    continue
                alarm = self._apply(rule, device, reading)
                if alarm is not None:
                    alarms.append(alarm)
        return alarms

    def pass_time(self, now: datetime) -> list[Alarm]:
        """Return the silences that begin by ``now``. Cost: once over all devices."""
        alarms: list[Alarm] = []
        if not self._silence:
            return alarms
        for name, device in self._devices.items():
            for rule in self._silence:
                heard = device.heard.get(rule.quantity)
                if heard is None or rule.id in device.active or not rule.applies_to(name):
                    continue
                silent_s = (now - heard).total_seconds()
                if silent_s >= rule.after_s:
                    device.active.add(rule.id)
                    alarms.append(
                        self._alarm(
                            rule,
                            device,
                            name,
                            heard,
                            now,
                            f"{silent_s:.0f} s",
                            f"{rule.after_s:g} s",
                        )
                    )
        return alarms

    def _device(self, name: str) -> _Device:
        device = self._devices.get(name)
        if device is None:
            device = self._devices[name] = _Device()
            if len(self._devices) > MAX_DEVICES:
                self._devices.popitem(last=False)
        else:
            self._devices.move_to_end(name)
        return device

    def _apply(self, rule: Rule, device: _Device, reading: Reading) -> Alarm | None:
        if isinstance(rule, ThresholdRule):
            return self._threshold(rule, device, reading)
        if isinstance(rule, RateRule):
            return self._rate(rule, device, reading)
        device.active.discard(rule.id)
        return None

    def _threshold(self, rule: ThresholdRule, device: _Device, reading: Reading) -> Alarm | None:
        if rule.id in device.active:
            if rule.is_clear(reading.value):
                device.active.discard(rule.id)
            return None
        if not rule.is_beyond(reading.value):
            device.held_since.pop(rule.id, None)
            return None
        since = device.held_since.setdefault(rule.id, reading.time)
        if (reading.time - since).total_seconds() < rule.hold_s:
            return None
        del device.held_since[rule.id]
        device.active.add(rule.id)
        value, limit = _shown(reading.value, rule.unit), _shown(rule.raise_at, rule.unit)
        return self._alarm(rule, device, reading.device, since, reading.time, value, limit)

    def _rate(self, rule: RateRule, device: _Device, reading: Reading) -> Alarm | None:
        window = device.windows.setdefault(rule.id, deque(maxlen=MAX_SAMPLES))
        window.append((reading.time, reading.value))
        while (reading.time - window[0][0]).total_seconds() > rule.window_s:
            window.popleft()
        lowest_at, lowest = min(window, key=lambda sample: (sample[1], sample[0]))
        rise = reading.value - lowest
        if rule.id in device.active:
            if rise <= rule.clear_rise:
                device.active.discard(rule.id)
            return None
        if rise < rule.rise:
            return None
        device.active.add(rule.id)
        value = _shown(rise, rule.unit)
        limit = f"{_shown(rule.rise, rule.unit)} / {rule.window_s:g} s"
        return self._alarm(rule, device, reading.device, lowest_at, reading.time, value, limit)

    def _alarm(
        self,
        rule: Rule,
        device: _Device,
        name: str,
        began: datetime,
        now: datetime,
        value: str,
        limit: str,
    ) -> Alarm:
        lon, lat = (device.lon, device.lat)
        if lon is None or lat is None:
            lon, lat = self._places.get(name, (None, None))
        return Alarm(
            id=episode_id(name, rule.id, began, scope=self._scope),
            time=now,
            device=name,
            rule=rule.id,
            report=ReportReceived(
                channel=Channel.SENSOR,
                received_at=now,
                observed_at=now,
                text=f"{rule.zh} {value}(限值 {limit})/ {rule.en} {value} (limit {limit})",
                code=rule.category,
                lon=lon,
                lat=lat,
                reporter=name,
                attributes={
                    "priority": rule.priority,
                    "rule": rule.id,
                    "device": name,
                    "value": value,
                    "limit": limit,
                },
            ),
        )


def episode_id(device: str, rule: str, began: datetime, *, scope: str = "") -> str:
    """Return a UUIDv7 made of nothing but its arguments: time first, a digest for the rest."""
    millis = int(began.timestamp() * 1000) & (2**48 - 1)
    seed = f"{scope}\0{device}\0{rule}\0{began.isoformat()}"
    digest = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:10], "big")
    value = millis << 80 | 0x7 << 76 | (digest >> 62 & 0xFFF) << 64 | 0b10 << 62
    return str(uuid.UUID(int=value | digest & (2**62 - 1)))


def _shown(value: float, unit: str) -> str:
    number = f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{number} {unit}".rstrip(" /")
