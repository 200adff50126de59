"""sense: from high-rate telemetry to few alarms.

Per device: thresholds with hysteresis, rate of rise, silence; across devices a quorum of
neighbours. An alarm is raised once per episode, and its id is made of device, rule and the
episode's beginning, so that a replay of the same readings raises the same alarms. No clock of its
own: time comes with the readings and with :meth:`SenseState.pass_time`.

Pure. What of it must survive a restart goes out with :attr:`Sensed.episodes` and
:meth:`SenseState.dump`, and comes back with :meth:`SenseState.restore`; keeping it is
:mod:`streams.sense_keeper`'s.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import product

import msgspec

from dispatch.correlation import distance_m
from models.episodes import Episode
from models.events import Event, FactValue, Point, ReportReceived
from models.words import Channel
from streams.senml import Reading
from streams.sense_devices import DeviceMemory, RisingWindow, dump, load
from streams.sense_rules import Quorum, RateRule, Rule, SenseRules, SilenceRule, ThresholdRule

MAX_DEVICES = 100_000
"""Devices that are remembered; beyond, the one heard from longest ago is forgotten."""

METRES_A_DEGREE = 111_195.0
SOURCE = "/sense"


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


class Sensed(msgspec.Struct):
    """What came out of some readings.

    Attributes
    ----------
    alarms
        To be reported.
    episodes
        By device and rule, those that are on now and weren't, or are over now.
    """

    alarms: list[Alarm] = msgspec.field(default_factory=list)
    episodes: dict[tuple[str, str], Episode] = msgspec.field(default_factory=dict)


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
        self._devices: OrderedDict[str, DeviceMemory] = OrderedDict()
        self._groups: dict[str, _Group] = {
            rule.id: _Group(rule.quorum)
            for rule in rules.rules
            if isinstance(rule, ThresholdRule) and rule.quorum is not None
        }
        self.ignored = 0
        """Readings that were late, repeated or in a unit that the rule doesn't read."""

    def sense(self, readings: Iterable[Reading]) -> Sensed:
        """Take readings in.

        A reading not younger than the device's last of the same quantity changes nothing.
        """
        out = Sensed()
        name, device = "", None
        for reading in readings:
            if device is None or reading.device != name:
                name = reading.device
                device = self._device(name)
            quantity, at = reading.quantity, reading.at
            heard = device.heard
            last = heard.get(quantity)
            if last is not None and at <= last:
                self.ignored += 1
                continue
            heard[quantity] = at
            for rule in device.rules.get(quantity, ()):
                if reading.unit and rule.unit and reading.unit != rule.unit:
                    self.ignored += 1
                elif isinstance(rule, ThresholdRule):
                    self._threshold(rule, device, reading, out)
                elif isinstance(rule, RateRule):
                    self._rate(rule, device, reading, out)
                elif rule.id in device.active:
                    self._end(rule, device, name, out)
            if quantity == "lon" and abs(reading.value) <= 180:
                device.lon = reading.value
            elif quantity == "lat" and abs(reading.value) <= 90:
                device.lat = reading.value
        return out

    def pass_time(self, now: datetime) -> Sensed:
        """Let silences begin that are due by ``now``. Cost: once over all devices."""
        out = Sensed()
        if not self._silence:
            return out
        now_s = now.timestamp()
        for name, device in self._devices.items():
            for rule in self._silence:
                heard = device.heard.get(rule.quantity)
                if heard is None or now_s - heard < rule.after_s or rule.id in device.active:
                    continue
                if rule in device.rules.get(rule.quantity, ()):
                    silent, limit = f"{now_s - heard:.0f} s", f"{rule.after_s:g} s"
                    self._begin(rule, device, name, heard, now, silent, limit, out)
        return out

    def dump(self) -> bytes:
        """Return windows and times of all devices; not which episodes are on."""
        return dump(self._devices)

    def restore(self, kept: bytes, episodes: Iterable[Episode]) -> None:
        """Go on from a dump (empty: none) and from the last episode of each device and rule.

        Raises
        ------
        EventError
            When the dump was made by something else; the episodes are taken in nevertheless.
        """
        last = list(episodes)
        active = [episode for episode in last if not episode.is_over]
        for episode in active:
            self._device(episode.device).active.add(episode.rule)
        if kept:
            load(kept, self._device)
        # The dump is older than what was written when an episode began or ended: readings from
        # in between that come again are known.
        quantities = {rule.id: rule.quantity for rule in self._rules.rules}
        for episode in last:
            if episode.heard is not None and episode.rule in quantities:
                heard, quantity = self._device(episode.device).heard, quantities[episode.rule]
                heard[quantity] = max(heard.get(quantity, -math.inf), episode.heard.timestamp())
        for episode in active:
            group = self._groups.get(episode.rule)
            if group is not None:
                device = self._device(episode.device)
                group.activate(episode.device, self._place(episode.device, device))
        for rule in self._rules.rules:
            if isinstance(rule, ThresholdRule) and rule.quorum is not None:
                self._gather_again(rule)

    def _gather_again(self, rule: ThresholdRule) -> None:
        for name, device in self._devices.items():
            since, place = device.since.get(rule.id), self._place(name, device)
            heard = device.heard.get(rule.quantity)
            if since is None or heard is None or place is None:
                continue
            if heard - since >= rule.hold_s:
                self._groups[rule.id].gather(name, place, heard)

    def _device(self, name: str) -> DeviceMemory:
        device = self._devices.get(name)
        if device is None:
            device = self._devices[name] = DeviceMemory(self._rules.for_device(name))
            if len(self._devices) > MAX_DEVICES:
                self._devices.popitem(last=False)
        else:
            self._devices.move_to_end(name)
        return device

    def _threshold(
        self, rule: ThresholdRule, device: DeviceMemory, reading: Reading, out: Sensed
    ) -> None:
        name, at = reading.device, reading.at
        if rule.id in device.active:
            if rule.is_clear(reading.value):
                self._end(rule, device, name, out)
            return
        if not rule.is_beyond(reading.value):
            # Who waits with its neighbours has been beyond for a while.
            if device.since.pop(rule.id, None) is not None and rule.quorum is not None:
                self._groups[rule.id].leave(name)
            return
        since = device.since.setdefault(rule.id, at)
        if at - since < rule.hold_s:
            return
        value, limit = _shown(reading.value, rule.unit), _shown(rule.raise_at, rule.unit)
        if rule.quorum is None:
            self._begin(rule, device, name, since, _time(at), value, limit, out)
            return
        place = self._place(name, device)
        if place is None:
            return
        group = self._groups[rule.id]
        if group.has_active_near(place):
            # Its neighbours have told already.
            self._activate(rule, device, name, since, out)
        elif len(members := group.gather(name, place, at)) >= rule.quorum.count:
            members.remove(name)
            self._begin(rule, device, name, since, _time(at), value, limit, out, neighbours=members)
            for other in members:
                member = self._device(other)
                self._activate(rule, member, other, member.since.get(rule.id, since), out)

    def _rate(self, rule: RateRule, device: DeviceMemory, reading: Reading, out: Sensed) -> None:
        window = device.windows.get(rule.id)
        if window is None:
            window = device.windows[rule.id] = RisingWindow()
        lowest_at, lowest = window.add(reading.at, reading.value, rule.window_s)
        rise = reading.value - lowest
        if rule.id in device.active:
            if rise <= rule.clear_rise:
                self._end(rule, device, reading.device, out)
        elif rise >= rule.rise:
            value = _shown(rise, rule.unit)
            limit = f"{_shown(rule.rise, rule.unit)} / {rule.window_s:g} s"
            now = _time(reading.at)
            self._begin(rule, device, reading.device, lowest_at, now, value, limit, out)

    def _begin(
        self,
        rule: Rule,
        device: DeviceMemory,
        name: str,
        since: float,
        now: datetime,
        value: str,
        limit: str,
        out: Sensed,
        *,
        neighbours: list[str] | None = None,
    ) -> None:
        self._activate(rule, device, name, since, out)
        place = self._place(name, device)
        attributes: dict[str, FactValue] = {
            "priority": rule.priority,
            "rule": rule.id,
            "device": name,
            "value": value,
            "limit": limit,
        }
        if neighbours:
            attributes["neighbours"] = ", ".join(neighbours)
        out.alarms.append(
            Alarm(
                id=episode_id(name, rule.id, _time(since), scope=self._scope),
                time=now,
                device=name,
                rule=rule.id,
                report=ReportReceived(
                    channel=Channel.SENSOR,
                    received_at=now,
                    observed_at=now,
                    text=f"{rule.zh} {value}(限值 {limit})/ {rule.en} {value} (limit {limit})",
                    code=rule.category,
                    lon=place[0] if place else None,
                    lat=place[1] if place else None,
                    reporter=name,
                    attributes=attributes,
                ),
            )
        )

    def _activate(
        self, rule: Rule, device: DeviceMemory, name: str, since: float, out: Sensed
    ) -> None:
        device.since.pop(rule.id, None)
        device.active.add(rule.id)
        out.episodes[name, rule.id] = Episode(
            device=name, rule=rule.id, began=_time(since), heard=_heard(device, rule)
        )
        group = self._groups.get(rule.id)
        if group is not None:
            group.activate(name, self._place(name, device))

    def _end(self, rule: Rule, device: DeviceMemory, name: str, out: Sensed) -> None:
        device.active.discard(rule.id)
        heard = _heard(device, rule)
        out.episodes[name, rule.id] = Episode(
            device=name, rule=rule.id, began=heard, heard=heard, is_over=True
        )
        group = self._groups.get(rule.id)
        if group is not None:
            group.leave(name)

    def _place(self, name: str, device: DeviceMemory) -> Point | None:
        if device.lon is not None and device.lat is not None:
            return device.lon, device.lat
        return self._places.get(name)


class _Group:
    """The devices of a quorum's rule that are beyond its threshold, by place."""

    def __init__(self, quorum: Quorum) -> None:
        self._quorum = quorum
        self._waiting = _Neighbourhood(quorum.radius_m)
        self._active = _Neighbourhood(quorum.radius_m)

    def has_active_near(self, place: Point) -> bool:
        """Whether an episode is on within the radius."""
        return any(True for _ in self._active.near(place))

    def gather(self, name: str, place: Point, at: float) -> list[str]:
        """Let a device wait; return the names within its radius, itself included, sorted."""
        self._waiting.put(name, place, at)
        oldest = at - self._quorum.within_s
        return sorted(other for other, heard in self._waiting.near(place) if heard >= oldest)

    def activate(self, name: str, place: Point | None) -> None:
        """Note that a device's episode is on."""
        self._waiting.drop(name)
        if place is not None:
            self._active.put(name, place, 0.0)

    def leave(self, name: str) -> None:
        """Note that a device is no longer beyond, or its episode over."""
        self._waiting.drop(name)
        self._active.drop(name)


class _Neighbourhood:
    """Names with a place and a time, in squares a little wider than the radius."""

    def __init__(self, radius_m: float) -> None:
        self._radius_m = radius_m
        self._squares: dict[tuple[int, int], dict[str, tuple[Point, float]]] = {}
        self._where: dict[str, tuple[int, int]] = {}
        # Squares are as wide as they are high where the first device stands; a city is small.
        self._east: float | None = None
        self._step = METRES_A_DEGREE / (radius_m * 1.1)

    def put(self, name: str, place: Point, at: float) -> None:
        self.drop(name)
        square = self._where[name] = self._square(place)
        self._squares.setdefault(square, {})[name] = (place, at)

    def drop(self, name: str) -> None:
        square = self._where.pop(name, None)
        if square is not None:
            del self._squares[square][name]
            if not self._squares[square]:
                del self._squares[square]

    def near(self, place: Point) -> Iterator[tuple[str, float]]:
        column, row = self._square(place)
        for square in product((column - 1, column, column + 1), (row - 1, row, row + 1)):
            for name, (where, at) in self._squares.get(square, {}).items():
                if distance_m(*place, *where) <= self._radius_m:
                    yield name, at

    def _square(self, place: Point) -> tuple[int, int]:
        if self._east is None:
            self._east = self._step * max(0.01, math.cos(math.radians(place[1])))
        return math.floor(place[0] * self._east), math.floor(place[1] * self._step)


def episode_id(device: str, rule: str, began: datetime, *, scope: str = "") -> str:
    """Return a UUIDv7 made of nothing but its arguments: time first, a digest for the rest."""
    millis = int(began.timestamp() * 1000) & (2**48 - 1)
    seed = f"{scope}\0{device}\0{rule}\0{began.isoformat()}"
    digest = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:10], "big")
    value = millis << 80 | 0x7 << 76 | (digest >> 62 & 0xFFF) << 64 | 0b10 << 62
    return str(uuid.UUID(int=value | digest & (2**62 - 1)))


def _heard(device: DeviceMemory, rule: Rule) -> datetime:
    return _time(device.heard.get(rule.quantity, 0.0))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _shown(value: float, unit: str) -> str:
    number = f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{number} {unit}".rstrip(" /")
