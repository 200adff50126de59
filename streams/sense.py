"""sense: from high-rate telemetry to few alarms.

Per device: thresholds with hysteresis, rate of rise, silence; across devices a quorum of
neighbours. An alarm is raised once per episode, and its id is made of device, rule and the
episode's beginning, so that a replay of the same readings raises the same alarms. No clock of its
own: time comes with the readings, with :meth:`SenseState.pass_time` and with
:meth:`SenseState.listen`.

Silence is measured by how long there was listening (:mod:`streams.sense_silence`), not by a clock:
one that jumps, or an hour in which nobody could be heard, makes nobody silent.

Pure. What of it must survive a restart goes out with :attr:`Sensed.episodes` and
:meth:`SenseState.dump`, and comes back with :meth:`SenseState.restore`; keeping it is
:mod:`streams.sense_keeper`'s.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from models.episodes import Episode
from models.events import AlarmEnded, FactValue, Point, ReportReceived
from models.senml import Reading
from models.units import conversion
from models.words import Channel
from streams.sense_alarms import Alarm, Ended, Sensed, episode_id
from streams.sense_devices import DeviceMemory, RisingWindow, dump, load
from streams.sense_quorum import Neighbours
from streams.sense_rules import RateRule, Rule, SenseRules, SilenceRule, ThresholdRule
from streams.sense_silence import Listening

MAX_DEVICES = 100_000
"""Devices that are remembered; beyond, the one heard from longest ago is forgotten."""


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
        self._groups: dict[str, Neighbours] = {
            rule.id: Neighbours(rule.quorum)
            for rule in rules.rules
            if isinstance(rule, ThresholdRule) and rule.quorum is not None
        }
        self._listening = Listening(self._silence)
        self._listened_s = 0.0
        # Events that are on, and how long there had been listening when each was last said.
        self._events: dict[tuple[str, str], float] = {}

    def sense(self, readings: Collection[Reading], latest_s: float = math.inf) -> Sensed:
        """Take readings in.

        A reading not younger than the device's last of the same quantity changes nothing.

        Parameters
        ----------
        readings
            In their order.
        latest_s
            POSIX seconds; no reading can be younger. Where one was, the clock that said so was
            set back, and its device is heard again.
        """
        out = Sensed()
        name, device = "", None
        listened_s, late = self._listening.counted_s, 0
        for reading in readings:
            if device is None or reading.device != name:
                name = reading.device
                device = self._device(name)
            quantity, unit, at = reading.quantity, reading.unit, reading.at
            heard = device.heard
            last = heard.get(quantity)
            if last is not None and at <= last:
                if last <= latest_s:
                    if not self._again(device, reading, out):
                        late += 1
                    continue
                device.turn_back(quantity, last - at)
            if device.again:
                device.hear_on(quantity)
            heard[quantity] = at
            for rule in device.rules.get(quantity, ()):
                read: Reading | None = reading
                # Nearly all are in the rule's own unit, and a call costs more than to see that.
                if unit != rule.unit:
                    read = _in_unit_of(rule, reading)
                if read is None:
                    out.other_unit += 1
                    if not any(_in_unit_of(one, reading) for one in device.rules[quantity]):
                        out.unusable[name, quantity] = unit
                elif type(rule) is ThresholdRule:  # isinstance() is slow on these
                    # Nearly all are quiet readings of devices of which nothing is waited for.
                    if device.active or device.since or rule.is_beyond(read.value):
                        self._threshold(rule, device, read, out)
                elif type(rule) is RateRule:
                    lowest = _window(device, rule).add(at, read.value, rule.window_s)
                    self._rate(rule, device, read, lowest, out)
                else:
                    device.spoke[rule.id] = listened_s
                    device.excused.discard(rule.id)
                    if rule.id in device.active:
                        self._end(rule, device, name, out)
            if quantity == "lon" and abs(reading.value) <= 180:
                device.lon = reading.value
            elif quantity == "lat" and abs(reading.value) <= 90:
                device.lat = reading.value
        out.late, out.taken = late, len(readings) - late
        if out.taken:
            self._listening.hear(self._devices.values())
        return out

    def _again(self, device: DeviceMemory, reading: Reading, out: Sensed) -> bool:
        """Take in a reading that comes again after a crash; return whether it is one.

        A rule whose episode is known had it already, and only its window is filled again.
        """
        quantity, at = reading.quantity, reading.at
        if at <= device.again.get(quantity, math.inf):
            return False
        device.again[quantity] = at
        # What begins or ends by it was known by then, and no later.
        last, device.heard[quantity] = device.heard[quantity], at
        for rule in device.rules.get(quantity, ()):
            is_known = at <= device.known.get(rule.id, -math.inf)
            read = _in_unit_of(rule, reading)
            if isinstance(rule, SilenceRule) or read is None:
                continue
            if isinstance(rule, RateRule):
                lowest = _window(device, rule).add(at, read.value, rule.window_s)
                if not is_known:
                    self._rate(rule, device, read, lowest, out)
            elif not is_known:
                self._threshold(rule, device, read, out)
        device.heard[quantity] = last
        return True

    def begin_again(self, rule_id: str, reading: Reading) -> Sensed:
        """Take an event that was said again for a new one: nobody minds the one before any more."""
        out, device = Sensed(), self._device(reading.device)
        for rule in device.rules.get(reading.quantity, ()):
            if rule.id == rule_id and isinstance(rule, ThresholdRule):
                if rule.id in device.active:
                    self._end(rule, device, reading.device, out, by_itself=True)
                device.since.pop(rule.id, None)
                self._threshold(rule, device, reading, out)
        return out

    def pass_time(self, now: datetime) -> Sensed:
        """Let silences begin that are due by ``now``, where readings are all the time there is.

        For drills. Cost: once over all devices.
        """
        out, now_s = Sensed(), now.timestamp()
        for rule in self._silence:
            for name, device in self._speakers(rule):
                silent_s = now_s - device.heard.get(rule.quantity, now_s)
                if silent_s >= rule.after_s and rule.id not in device.active:
                    self._fall_silent(rule, device, name, now, silent_s, out)
        for name, rule_id in list(self._events):
            last_s = self._device(name).since.get(rule_id, now_s)
            self._end_event(name, rule_id, now_s - last_s, out)
        return out

    def listen(self, for_s: float, now: datetime) -> Sensed:
        """Let silences begin that are due when devices could be heard for ``for_s`` s more.

        When nobody at all was heard for as long as a silence lasts, one alarm tells it for all:
        a town with a single device must know. Cost: once over all devices.
        """
        out = Sensed()
        self._listening.pass_time(for_s)
        self._listened_s += for_s
        for (name, rule_id), said_s in list(self._events.items()):
            self._end_event(name, rule_id, self._listened_s - said_s, out)
        counted_s, unheard_s = self._listening.counted_s, self._listening.unheard_s
        for rule in self._silence:
            for name, device in self._speakers(rule, counted_s - rule.after_s):
                if rule.id not in device.active:
                    silent_s = counted_s - device.spoke[rule.id]
                    self._fall_silent(rule, device, name, now, silent_s, out)
            if unheard_s - for_s < rule.after_s <= unheard_s:
                self._fall_silent_together(rule, now, out)
        return out

    def hear_again(self) -> bool:
        """Begin to listen after a time in which nobody could be heard.

        Whoever was silent before is silent from now on, once; returns whether that is anyone. Cost:
        once over all devices.
        """
        return self._listening.hear_again(self._devices.values())

    def dump(self) -> bytes:
        """Return windows and times of all devices; not which episodes are on."""
        return dump(self._devices, self._listening.counted_s)

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
            device = self._device(episode.device)
            device.active.add(episode.rule)
            device.began[episode.rule] = episode.began.timestamp()
            if self._rules.is_event(episode.rule):
                self._events[episode.device, episode.rule] = 0.0
        if kept:
            load(kept, self._device)
        # The dump is older than what was written when an episode began or ended: what its rule
        # made of readings from in between that come again is known.
        rules = {rule.id: rule for rule in self._rules.rules}
        for episode in last:
            rule = rules.get(episode.rule)
            if episode.heard is not None and rule is not None:
                device, at = self._device(episode.device), episode.heard.timestamp()
                device.recall(rule, at)
                if not episode.is_over:
                    # Its neighbours may have begun it, by no reading of its own.
                    last_s = device.since.pop(rule.id, at)
                    if isinstance(rule, ThresholdRule) and rule.off_after_s:
                        device.since[rule.id] = max(last_s, at)
                elif isinstance(rule, RateRule):
                    device.since[rule.id] = max(device.since.get(rule.id, at), at)
        for silence in self._silence:
            for device in self._devices.values():
                if silence.quantity in device.heard:
                    device.spoke.setdefault(silence.id, 0.0)
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
            # What comes again gathers it by itself.
            heard = device.again.get(rule.quantity, device.heard.get(rule.quantity))
            if since is None or heard is None or place is None:
                continue
            if heard - since >= rule.hold_s:
                self._groups[rule.id].gather(name, place, heard)

    def _device(self, name: str) -> DeviceMemory:
        device = self._devices.get(name)
        if device is None:
            device = self._devices[name] = DeviceMemory(self._rules.for_device(name))
            if len(self._devices) > MAX_DEVICES:
                forgotten, _ = self._devices.popitem(last=False)
                for group in self._groups.values():
                    group.leave(forgotten)
        else:
            self._devices.move_to_end(name)
        return device

    def _speakers(
        self, rule: SilenceRule, until_s: float = math.inf
    ) -> Iterator[tuple[str, DeviceMemory]]:
        """Devices that the rule is for and that spoke last by then, the earliest heard first."""
        for name, device in self._devices.items():
            spoke_s = device.spoke.get(rule.id)
            if spoke_s is None or spoke_s > until_s:
                continue
            if rule in device.rules.get(rule.quantity, ()):
                yield name, device

    def _threshold(
        self, rule: ThresholdRule, device: DeviceMemory, reading: Reading, out: Sensed
    ) -> None:
        name, at = reading.device, reading.at
        if rule.id in device.active:
            if rule.is_clear(reading.value):
                device.since.pop(rule.id, None)
                self._end(rule, device, name, out)
                device.began.pop(rule.id, None)
                return
            if not rule.off_after_s or not rule.is_beyond(reading.value):
                return
            last, device.since[rule.id] = device.since.get(rule.id, at), at
            self._events[name, rule.id] = self._listened_s
            if at - last < rule.off_after_s:
                out.repeated[name, rule.id] = self._report_of(name, device, rule), reading
                return
            # It was over by itself, so this is another one.
            device.since.pop(rule.id)
            self._end(rule, device, name, out, by_itself=True)
            device.began.pop(rule.id, None)
        if not rule.is_beyond(reading.value):
            # Who waits with its neighbours has been beyond for a while.
            if device.since.pop(rule.id, None) is not None and rule.quorum is not None:
                self._groups[rule.id].leave(name)
            return
        if rule.off_after_s and rule.id in device.began:
            # It ended by itself, by the clock; its own time says whether this is of it still.
            before = device.since.pop(rule.id, -math.inf)
            if at - before < rule.off_after_s:
                device.since[rule.id] = at
                out.repeated[name, rule.id] = self._report_of(name, device, rule), reading
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
        if group.has_active_near(place, at, lambda other: self._heard_of(other, rule)):
            # Its neighbours have told already.
            self._activate(rule, device, name, since, out)
        elif len(members := group.gather(name, place, at)) >= rule.quorum.count:
            members.remove(name)
            self._begin(rule, device, name, since, _time(at), value, limit, out, neighbours=members)
            for other in members:
                member = self._device(other)
                self._activate(rule, member, other, member.since.get(rule.id, since), out)

    def _rate(
        self,
        rule: RateRule,
        device: DeviceMemory,
        reading: Reading,
        at_lowest: tuple[float, float],
        out: Sensed,
    ) -> None:
        lowest_at, lowest = at_lowest
        rise = reading.value - lowest
        if rule.id in device.active:
            if rise <= rule.clear_rise:
                self._end(rule, device, reading.device, out)
        elif rise >= rule.rise:
            value = _shown(rise, rule.unit)
            limit = f"{_shown(rule.rise, rule.unit)} / {rule.window_s:g} s"
            now = _time(reading.at)
            # The lowest may be from before the last episode's end, and began that one.
            since = max(lowest_at, device.since.get(rule.id, lowest_at))
            self._begin(rule, device, reading.device, since, now, value, limit, out)

    def _fall_silent(
        self,
        rule: SilenceRule,
        device: DeviceMemory,
        name: str,
        now: datetime,
        silent_s: float,
        out: Sensed,
        others: int = 0,
    ) -> None:
        since = device.heard[rule.quantity]
        silent, limit = f"{silent_s:.0f} s", f"{rule.after_s:g} s"
        self._begin(rule, device, name, since, now, silent, limit, out, others=others)

    def _fall_silent_together(self, rule: SilenceRule, now: datetime, out: Sensed) -> None:
        speakers = list(self._speakers(rule))
        last_s = max((device.spoke[rule.id] for _, device in speakers), default=0.0)
        last = [one for one in speakers if one[1].spoke[rule.id] == last_s]
        if not last or any(rule.id in device.active for _, device in last):
            return  # It is told, and nobody spoke since.
        others = sum(rule.id not in device.active for _, device in speakers) - 1
        name, device = last[-1]
        self._fall_silent(rule, device, name, now, self._listening.unheard_s, out, others)

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
        others: int = 0,
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
        zh, en = rule.zh, rule.en
        if not rule.is_yes_or_no:
            zh, en = f"{zh} {value}（限值 {limit}）", f"{en} {value} (limit {limit})"
        zh, en = f"{zh}，设备 {name}", f"{en}, device {name}"
        if others:
            attributes["others"] = others
            zh, en = f"{zh}；另有 {others} 台也收不到", f"{en}; and nothing of {others} more"
        attributes |= {"zh": zh, "en": en}
        out.alarms.append(
            Alarm(
                id=episode_id(name, rule.id, _time(since), scope=self._scope),
                time=now,
                device=name,
                rule=rule.id,
                priority=rule.priority,
                report=ReportReceived(
                    channel=Channel.SENSOR,
                    received_at=now,
                    observed_at=now,
                    text=f"{zh} / {en}",
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
        device.began[rule.id] = since
        out.repeated.pop((name, rule.id), None)
        if isinstance(rule, ThresholdRule) and rule.off_after_s:
            device.since[rule.id] = device.heard[rule.quantity]
            self._events[name, rule.id] = self._listened_s
        out.episodes[name, rule.id] = Episode(
            device=name, rule=rule.id, began=_time(since), heard=_heard(device, rule)
        )
        group = self._groups.get(rule.id)
        if group is not None:
            group.activate(name, self._place(name, device))

    def _report_of(self, name: str, device: DeviceMemory, rule: Rule) -> str:
        return episode_id(name, rule.id, _time(device.began[rule.id]), scope=self._scope)

    def _end_event(self, name: str, rule_id: str, quiet_s: float, out: Sensed) -> None:
        """Let an event be over that was not said again for so long."""
        device = self._device(name)
        for rule in self._rules.rules:
            if rule.id == rule_id and isinstance(rule, ThresholdRule) and quiet_s >= (
                rule.off_after_s
            ):  # fmt: skip
                self._end(rule, device, name, out, by_itself=True)

    def _end(
        self,
        rule: Rule,
        device: DeviceMemory,
        name: str,
        out: Sensed,
        *,
        by_itself: bool = False,
    ) -> None:
        device.active.discard(rule.id)
        self._events.pop((name, rule.id), None)
        if isinstance(rule, RateRule):
            device.since[rule.id] = device.heard[rule.quantity]
        heard = _heard(device, rule)
        if rule.id in device.began:
            out.ended.append(
                Ended(
                    id=episode_id(name, f"{rule.id}/ended", heard, scope=self._scope),
                    device=name,
                    data=AlarmEnded(
                        report=self._report_of(name, device, rule),
                        device=name,
                        rule=rule.id,
                        at=heard,
                        by_itself=by_itself,
                    ),
                )
            )
        out.episodes[name, rule.id] = Episode(
            device=name, rule=rule.id, began=heard, heard=heard, is_over=True
        )
        group = self._groups.get(rule.id)
        if group is not None:
            group.leave(name)

    def _heard_of(self, name: str, rule: Rule) -> float:
        device = self._devices.get(name)
        return -math.inf if device is None else device.heard.get(rule.quantity, -math.inf)

    def _place(self, name: str, device: DeviceMemory) -> Point | None:
        if device.lon is not None and device.lat is not None:
            return device.lon, device.lat
        return self._places.get(name)


def _window(device: DeviceMemory, rule: RateRule) -> RisingWindow:
    window = device.windows.get(rule.id)
    if window is None:
        window = device.windows[rule.id] = RisingWindow()
    return window


def _in_unit_of(rule: Rule, reading: Reading) -> Reading | None:
    """The reading as the rule reads it; None where its unit is of another kind."""
    if reading.unit == rule.unit or not reading.unit or not rule.unit:
        return reading
    scale = conversion(reading.unit, rule.unit)
    if scale is None:
        return None
    # Twelve digits: what stands exactly at a limit does so in every unit.
    value = float(f"{reading.value * scale.factor + scale.offset:.12g}")
    return msgspec.structs.replace(reading, value=value)


def _heard(device: DeviceMemory, rule: Rule) -> datetime:
    return _time(device.heard.get(rule.quantity, 0.0))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _shown(value: float, unit: str) -> str:
    number = f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{number} {unit}".rstrip(" /")
