"""Sense on the partitions that this worker holds, and its memory in the database.

Each partition of the readings' topics has states of its own (:mod:`streams.sense_places`). What
begins or ends is written, with the reports, before anything else is sensed, so a record that
comes twice after a crash raises nothing twice and a condition that lasts is known. Windows and
times follow every :data:`KEEP_EVERY_S`, and no record counts as handled before: those that came
since then come again after a crash. A partition is claimed in the database, so that a worker
that was halted and woke speaks from no stale memory.

Live devices are silent by the time for which this place listened, which is no clock's: it stands
still while no worker senses the partition, the one that does stands still, or the broker is away.
After each of these silence begins anew, for what a device said meanwhile may be lost.

Not for decoding records; that is :mod:`streams.agents`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import msgspec

from models import tracing
from models.city import CityPack
from models.errors import EventError, FencedError, StoreError
from models.events import Point, encode
from models.inbox import InboxRow
from models.senml import Reading
from models.topics import DESK, READINGS, REPORTS, topic_for
from models.words import EXERCISE_MARK, is_exercise
from streams import metrics
from streams.sense import SenseState
from streams.sense_alarms import Alarm, Sensed
from streams.sense_places import Memory, Place, Record
from streams.sense_rules import SenseRules, load_sense_rules

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_LATE = metrics.READINGS_IGNORED.labels("late")
_OTHER_UNIT = metrics.READINGS_IGNORED.labels("unit")

KEEP_EVERY_S = 10.0
SILENCE_EVERY_S = 5.0
LISTENED_MOST_S = 2 * SILENCE_EVERY_S
"""What counts as listened of the time between two looks: a worker that stood still heard nobody."""
TURNED_BACK_S = 30.0
"""A reading this far ahead of both its receipt and our clock was given its time by a clock that
has been set back since. More than clocks differ; a smaller step back deafens for as long as it
was."""
PRIORITY_OF_ENDS = 4
"""Of the word that an alarm is over: behind every alarm."""
DATABASE_PAUSE_S = 1.0


class _Pack(NamedTuple):
    """Readings that came together; ``began`` says when sense got them, by the performance clock."""

    received_at: datetime
    traceparent: str
    began: float


class SenseKeeper:
    """Sense for all partitions of one worker.

    Parameters
    ----------
    pack
        Names the jurisdiction; its facilities are places of devices that don't send their own and
        that the register has no place of.
    memory
        The store.
    now
        The wall's clock.
    monotonic
        Seconds that never jump, for live silences.
    hears
        Whether what devices say can be heard now: the broker answers, and partitions are ours.
    alone
        No other worker shares the topics, and all their partitions are one place to remember by.
        So it must be on the embedded broker: after it was recycled, whoever comes first makes the
        topics, with the broker's number of partitions or with ours, and devices move to and fro.
    """

    def __init__(
        self,
        pack: CityPack,
        memory: Memory,
        rules: SenseRules | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        hears: Callable[[], bool] = lambda: True,
        *,
        alone: bool = False,
    ) -> None:
        self._home = pack.jurisdiction
        self._facilities: dict[str, Point] = {
            place.id: (place.lon, place.lat) for place in pack.facilities
        }
        # One and the same for all states, and changed where the register does.
        self._where = dict(self._facilities)
        self._register_mark: object = None
        self._memory = memory
        self._rules = rules or load_sense_rules()
        self._now = now
        self._monotonic = monotonic
        self._hears = hears
        self._alone = alone
        self._places: dict[tuple[str, int], Place] = {}

    def doubt(self) -> None:
        """Partitions moved: before anything else, look whether somebody else claimed ours.

        A worker that was halted may get back what another one sensed meanwhile.
        """
        for place in self._places.values():
            place.is_sure = False
            # They come again, from wherever the group is.
            place.held.clear()

    async def assign(self, held: Iterable[tuple[str, int]]) -> None:
        """Load the partitions that are ours now and forget the others.

        What stays is kept at once: a broker that begins anew, empty, has no reading for whoever
        comes after us.
        """
        topics = {topic_for(READINGS, exercise=side) for side in (False, True)}
        ours = {self._key(*partition) for partition in held if partition[0] in topics}
        for key in self._places.keys() - ours:
            del self._places[key]
        for key in sorted(ours):
            place = self._place(key)
            async with place.lock:
                await self._load(key, place)
        try:
            await self.keep()
        except StoreError as error:
            log.error("windows wait for the database: %s", error)

    def handled(self, topic: str, partition: int) -> int:
        """Return how many records are handled and wait for the windows to be kept to count so."""
        place = self._places.get(self._key(topic, partition))
        held = place.held.get(partition) if place is not None else None
        return held.records if held is not None else 0

    async def take(
        self,
        topic: str,
        partition: int,
        readings: Sequence[Reading],
        received_at: datetime,
        *,
        exercise: bool,
        jurisdiction: str = "",
        record: Record | None = None,
        traceparent: str = "",
    ) -> Mapping[tuple[str, str], str]:
        """Take readings of a partition in; return when what they began is durable.

        Parameters
        ----------
        topic, partition
            Where they were.
        readings
            Of one record, in their order.
        received_at
            The record's time, which is the same when it comes again.
        exercise
            A drill's readings bring their own time.
        jurisdiction
            Whose devices they are of; empty, or of the other side: the topic's own.
        record
            What they came in; held until the windows with them in are kept. Without it they are
            of those that don't come again.
        traceparent
            The trace of who sent them, if it has one.

        Returns
        -------
            Units that no rule of their quantity can use, by device and quantity.
        """
        origin = _Pack(received_at, traceparent, time.perf_counter())
        key = self._key(topic, partition)
        place = self._place(key)
        whose = self._own(exercise=exercise)
        if jurisdiction and is_exercise(jurisdiction) == exercise:
            whose = jurisdiction
        # A record that comes again is older than what was heard since, and that is no clock's
        # fault; so our own has a say.
        latest_s = max(received_at, self._now()).timestamp() + TURNED_BACK_S
        async with place.lock:
            if record is not None:
                place.hold(partition, record)
            while True:
                await self._load(key, place)
                try:
                    state = place.state(whose)
                    sensed = state.sense(readings, math.inf if exercise else latest_s)
                    await self._note(key, place, sensed, origin, whose)
                    for (_, rule), (report, reading) in sensed.repeated.items():
                        # Its incident was closed, so this is a call of its own.
                        if await self._patiently(self._memory.has_ended, whose, report):
                            again = state.begin_again(rule, reading)
                            await self._note(key, place, again, origin, whose)
                    if exercise and readings:
                        # A drill's time is that of its readings.
                        latest = datetime.fromtimestamp(max(r.at for r in readings), UTC)
                        await self._note(key, place, state.pass_time(latest), None, whose)
                except FencedError as error:
                    log.info("%s; going on from what it wrote", error)
                    place.renew()
                    continue
                place.is_changed = True
                metrics.READINGS_TAKEN.inc(sensed.taken)
                _LATE.inc(sensed.late)
                _OTHER_UNIT.inc(sensed.other_unit)
                return sensed.unusable

    async def run(self) -> None:
        """Raise the silences of live devices and keep windows; runs until cancelled."""
        kept_at = 0.0
        while True:
            await asyncio.sleep(SILENCE_EVERY_S)
            try:
                await self.watch_silence()
                await asyncio.to_thread(self._read_register)
                if (now := asyncio.get_running_loop().time()) - kept_at >= KEEP_EVERY_S:
                    await self.keep()
                    kept_at = now
            except StoreError as error:
                log.error("silences and windows wait for the database: %s", error)
            except Exception:
                log.exception("watching for silent devices failed; trying again")

    async def watch_silence(self) -> None:
        """Let live devices that are silent for too long be told."""
        live = topic_for(READINGS, exercise=False)
        for key, place in list(self._places.items()):
            if key[0] != live:
                continue
            async with place.lock:
                # Who was fenced waits for the next readings, if they still come here.
                if place.is_sure:
                    at = self._monotonic()
                    for_s, place.listened_at = at - place.listened_at, at
                    if not self._hears():
                        place.is_deaf = True
                        continue
                    if place.is_deaf or for_s > LISTENED_MOST_S:
                        self._hear_again(place)
                    with self._fenced(place):
                        for whose, state in list(place.states.items()):
                            passed = state.listen(min(for_s, LISTENED_MOST_S), self._now())
                            await self._note(key, place, passed, None, whose)

    async def keep(self) -> None:
        """Write the windows of the partitions that heard something since they were kept."""
        for key, place in list(self._places.items()):
            async with place.lock:
                epoch, is_ours = place.epoch, self._places.get(key) is place
                if epoch is None or not is_ours or not place.is_changed:
                    continue
                doc = place.dump()
                with self._fenced(place):
                    await asyncio.to_thread(
                        self._memory.keep_windows, _name(key), epoch, doc, self._now()
                    )
                    place.is_changed = False
                    for held in place.held.values():
                        held.record.let_go()
                    place.held.clear()

    def _key(self, topic: str, partition: int) -> tuple[str, int]:
        return topic, 0 if self._alone else partition

    def _place(self, key: tuple[str, int]) -> Place:
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Place(
                self._own(exercise=key[0] == topic_for(READINGS, exercise=True)), self._empty
            )
        return place

    def _own(self, *, exercise: bool) -> str:
        """The jurisdiction of readings that name none."""
        return self._home + EXERCISE_MARK if exercise else self._home

    def _empty(self, jurisdiction: str) -> SenseState:
        scope = jurisdiction.removeprefix(self._home)
        return SenseState(self._rules, self._where, scope=scope)

    @contextmanager
    def _fenced(self, place: Place) -> Iterator[None]:
        try:
            yield
        except FencedError as error:
            log.info("%s; what is remembered here is dropped", error)
            place.renew()

    async def _load(self, key: tuple[str, int], place: Place) -> None:
        if place.is_sure:
            return
        if place.epoch is not None:
            if await self._patiently(self._memory.sense_epoch, _name(key)) == place.epoch:
                self._begin_to_listen(place)
                return
            place.renew()
        memory = await self._patiently(self._memory.claim_sense, _name(key), self._now())
        await self._patiently(self._read_register)
        try:
            place.restore(memory)
        except EventError as error:
            log.warning("windows of %s are made anew: %s", _name(key), error)
        place.epoch = memory.epoch
        self._begin_to_listen(place)

    def _begin_to_listen(self, place: Place) -> None:
        place.is_sure = True
        place.listened_at = self._monotonic()
        self._hear_again(place)

    def _hear_again(self, place: Place) -> None:
        place.is_deaf = False
        heard = [state.hear_again() for state in place.states.values()]
        if any(heard):
            place.is_changed = True  # A worker that ends again and again excuses nobody twice.

    async def _note(
        self,
        key: tuple[str, int],
        place: Place,
        sensed: Sensed,
        origin: _Pack | None,
        whose: str,
    ) -> None:
        """Make durable what began or ended; ``origin`` is what was heard, unless it was nothing."""
        if not sensed.alarms:
            if sensed.episodes:
                await self._write(key, place, sensed, "", whose)
        elif origin is None:
            with tracing.begun("sense") as trace:
                await self._write(key, place, sensed, trace, whose)
        else:
            with tracing.begun("reading", origin.traceparent, origin.received_at) as trace:
                await self._write(key, place, sensed, trace, whose)
                tracing.note("sense", trace, time.perf_counter() - origin.began)

    async def _write(
        self, key: tuple[str, int], place: Place, sensed: Sensed, trace: str, whose: str
    ) -> None:
        exercise = is_exercise(whose)
        now = self._now()
        alarms = [alarm for one in sensed.alarms if (alarm := await self._known(one)) is not None]
        rows = [
            InboxRow(
                event_id=event.id,
                jurisdiction=whose,
                topic=topic_for(REPORTS, exercise=exercise),
                key=whose,
                body=encode(event),
                received_at=now,
                exercise=exercise,
                priority=alarm.priority,
            )
            for alarm, event in (
                (alarm, alarm.as_event(whose, exercise=exercise, traceparent=trace))
                for alarm in alarms
            )
        ]
        rows += [
            InboxRow(
                event_id=one.id,
                jurisdiction=whose,
                topic=topic_for(DESK, exercise=exercise),
                key=whose,
                body=encode(
                    # An exercise has its own time.
                    one.as_event(whose, one.data.at if exercise else now, exercise=exercise)
                ),
                received_at=now,
                exercise=exercise,
                priority=PRIORITY_OF_ENDS,
            )
            for one in sensed.ended
        ]
        await self._patiently(
            self._memory.note_episodes,
            _name(key),
            place.epoch,
            place.as_kept(whose, sensed.episodes),
            rows,
        )
        for alarm in alarms:
            metrics.SENSOR_ALARMS.labels(alarm.rule, str(exercise).lower()).inc()

    async def _known(self, alarm: Alarm) -> Alarm | None:
        """The alarm with what the register knows: kind, owner, and a place where it has none.

        None: it is the silence of a device that was disabled.
        """
        device = await self._patiently(self._memory.device, alarm.device)
        if device is None:
            return alarm
        tells_for_all = "others" in alarm.report.attributes
        if device.disabled and self._rules.is_silence(alarm.rule) and not tells_for_all:
            return None
        report = alarm.report
        if report.lon is None and device.lon is not None and device.lat is not None:
            report = msgspec.structs.replace(report, lon=device.lon, lat=device.lat)
        known = {"device_kind": device.kind, "device_owner": device.owner}
        attributes = report.attributes | {name: said for name, said in known.items() if said}
        report = msgspec.structs.replace(report, attributes=attributes)
        return msgspec.structs.replace(alarm, report=report)

    def _read_register(self) -> None:
        """Take the register's places in, if it changed since."""
        mark = self._memory.register_mark()
        if mark == self._register_mark:
            return
        known = {
            one.id: (one.lon, one.lat)
            for one in self._memory.devices()
            if one.lon is not None and one.lat is not None
        }
        self._where.update(known)
        for name in self._where.keys() - known.keys() - self._facilities.keys():
            del self._where[name]
        self._register_mark = mark

    async def _patiently(self, call: Callable[..., _T], *given: object) -> _T:
        """Call the database on a thread, again and again while it is away: alarms must not go."""
        while True:
            try:
                return await asyncio.to_thread(call, *given)
            except FencedError:
                raise
            except StoreError as error:
                log.error("sense waits for the database: %s", error)
                await asyncio.sleep(DATABASE_PAUSE_S)


def _name(key: tuple[str, int]) -> str:
    return f"{key[0]}/{key[1]}"
