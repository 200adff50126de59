"""Sensors that send steadily, some of which see something, and whether each time was told once.

For ``gridcommand chaos`` and the tests that pull plugs. A sensor doesn't keep what couldn't be
sent: the next readings follow, as in life. So what must hold is not that each reading arrives but
that each condition that lasts becomes one report.
"""

from __future__ import annotations

import asyncio
import bisect
import json
import math
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from itertools import cycle
from typing import Any, NamedTuple

import aiohttp
import msgspec

from gridcommand.rehearsal.system import OwnSystem
from models.errors import EventError
from models.events import Point, ReportClassified, decode
from models.registers import Device
from models.store import Store
from models.words import Channel

FIRST_S = 1.0
SPREAD_S = 0.5
LASTS_S = 60.0
"""How long smoke lasts, and how long the air is clean then: longer than any plug is out."""
ANSWER_S = 2.0
LOOK_AGAIN_S = 0.5
CLOCK_STEP_S = 1e-3
"""A time is rounded on its way."""
SENML = "application/senml+json"
HEARD_BEFORE_S = 15.0
"""A rise is told by what was before it, and sense keeps its windows every ten seconds: heard for
this long without a pack refused, it is remembered whatever dies then."""
READ_AT_ONCE = 2000
DEPTH_HOLD_S = 61.0
NEIGHBOUR_DEG = 0.001


class Kind(Enum):
    """What a place's sensors see: the rule of ``sense_rules.yaml`` that tells of it.

    Not silence, which counts minutes of listening: the tests of sense have it.
    """

    SMOKE_ALARM = "smoke-alarm"
    """A threshold, at once."""
    SMOKE = "smoke"
    """A threshold that must be held."""
    RISE = "temperature-rise"
    """A rate."""
    QUORUM = "water-depth-area"
    """Three neighbours under water, for good."""

    @property
    def devices(self) -> int:
        """How many it takes to see it."""
        return 3 if self is Kind.QUORUM else 1

    @property
    def first_s(self) -> float:
        """How long after its first reading a place sees something, at the earliest."""
        return HEARD_BEFORE_S if self is Kind.RISE else FIRST_S

    def sees(self, since_s: float, lasts_s: float = LASTS_S) -> bool:
        """Whether it sees something, so long after it first began to."""
        if self is Kind.QUORUM:
            return since_s >= 0
        return since_s >= 0 and since_s % (2 * lasts_s) < lasts_s

    def began_last(self, now: float, began: float, lasts_s: float = LASTS_S) -> float:
        """Return when what it sees now began, where the first time was at ``began``."""
        if self is Kind.QUORUM:
            return began
        return now - (now - began) % (2 * lasts_s)

    def records(self, now: float, began: float, lasts_s: float = LASTS_S) -> list[dict[str, Any]]:
        """Return the SenML records that tell of it now, last in a pack."""
        sees = self.sees(now - began, lasts_s)
        if self is Kind.SMOKE_ALARM:
            return [{"n": "smoke_alarm", "v": int(sees)}]
        if self is Kind.SMOKE:
            return [{"n": "smoke", "u": "ppm", "v": 500 if sees else 20}]
        if self is Kind.RISE:
            return [{"n": "temperature", "u": "Cel", "v": 35 if sees else 20}]
        times = (began - DEPTH_HOLD_S, now) if sees else ()
        return [{"bt": at, "n": "water_depth", "u": "m", "v": 0.2} for at in times]


EVERY_KIND = (Kind.SMOKE_ALARM, Kind.SMOKE, Kind.RISE, Kind.QUORUM)


class Watched(msgspec.Struct, frozen=True):
    """What became of the conditions that sensors saw.

    Attributes
    ----------
    conditions
        How many there were.
    missed
        Of these, without a report.
    doubled
        Reports beyond the first of a condition, or without any.
    """

    conditions: int = 0
    missed: int = 0
    doubled: int = 0


class Pack(NamedTuple):
    """A pack that was sent: when and until when, by ``time.monotonic()``; whether it was taken."""

    at: float
    until: float
    readings: int
    is_taken: bool


class _Sensor(NamedTuple):
    name: str
    watch: str
    kind: Kind
    place: Point
    first_s: float


class Sensors:
    """Detectors at places, sending packs of readings once a second.

    Parameters
    ----------
    rate
        Readings a second, of all together.
    kinds
        What they see, in turn.
    lasts_s
        How long that lasts, and then is over. What begins and ends while nothing runs is nobody's
        to tell of: longer than any start takes.
    """

    def __init__(
        self,
        system: OwnSystem,
        jurisdiction: str,
        places: Iterable[Point],
        rate: float,
        kinds: Sequence[Kind] = (Kind.SMOKE_ALARM,),
        lasts_s: float = LASTS_S,
    ) -> None:
        self._lasts_s = lasts_s
        self._base = system.base_url
        self._jurisdiction = jurisdiction
        self._sensors = list(_placed(places, kinds))
        self._keys: dict[str, str] = {}
        store = system.store()
        try:
            for one in self._sensors:
                lon, lat = one.place
                # Neighbours are of one cell, so that one worker hears them all.
                device = Device(
                    id=one.name, jurisdiction=jurisdiction, lon=lon, lat=lat, cell=one.watch
                )
                self._keys[one.name] = store.add_device(device)
        finally:
            store.close()
        self._in_pack = max(1, round(rate / len(self._keys)))
        self.began: dict[str, list[float]] = {one.watch: [] for one in self._sensors}
        """Place to when it saw something begin, in seconds since the epoch."""
        self.packs: list[Pack] = []
        self._reports = SensorReports(jurisdiction)

    @property
    def accepted(self) -> int:
        """Readings that were taken."""
        return sum(pack.readings for pack in self.packs if pack.is_taken)

    async def send(self) -> None:
        """Send until cancelled."""
        headers = {"Content-Type": SENML}
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with (
            aiohttp.ClientSession(self._base, headers=headers, timeout=timeout) as client,
            asyncio.TaskGroup() as group,
        ):
            started = time.time()
            for one in self._sensors:
                # Whole seconds, which come out of a sum as they went in.
                began = float(math.ceil(started + one.first_s))
                group.create_task(self._send_one(client, one, began))

    async def until_told(self, store: Store, within_s: float) -> None:
        """Wait until each condition so far became a report, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                # Nothing tells of a row in a database but looking.
                while (await asyncio.to_thread(self.told, store)).missed:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_AGAIN_S)

    def told(self, store: Store) -> Watched:
        """Compare what was seen with what the journal has.

        Notes
        -----
        Reads what the journal got since it was asked last.
        """
        return compare(self.began, self._reported(store))

    def differing(self, store: Store) -> dict[str, tuple[list[float], list[float]]]:
        """Return, for people, where there are more or fewer reports than conditions.

        When these began, and when those were made.
        """
        told = self._reported(store)
        return {
            watch: (began, told[watch])
            for watch, began in self.began.items()
            if len(began) != len(told[watch])
        }

    def _reported(self, store: Store) -> dict[str, list[float]]:
        by_device = self._reports.read(store)
        told: dict[str, list[float]] = {}
        for one in self._sensors:
            told.setdefault(one.watch, []).extend(by_device.get(one.name, ()))
        return told

    async def _send_one(self, client: aiohttp.ClientSession, sensor: _Sensor, began: float) -> None:
        name, kind = sensor.name, sensor.kind
        lon, lat = sensor.place
        headers = {"X-Device-Key": f"{name}:{self._keys[name]}"}
        sees = False
        while True:
            now, at = time.time(), time.monotonic()
            saw, sees = sees, kind.sees(now - began, self._lasts_s)
            # Neighbours see one thing together: it counts once.
            if sees and not saw and name.endswith("-0"):
                self.began[sensor.watch].append(kind.began_last(now, began, self._lasts_s))
            told = kind.records(now, began, self._lasts_s)
            fill = "humidity" if kind is Kind.RISE else "temperature"
            pack: list[dict[str, Any]] = [
                {"bn": f"{name}/", "bt": now, "n": "lon", "v": lon},
                {"n": "lat", "v": lat},
                *(
                    {"n": fill, "v": 20 + number % 5, "t": number / 1000}
                    for number in range(self._in_pack - 2 - len(told))
                ),
                *told,
            ]
            taken = False
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with client.post(
                    "/api/readings", data=json.dumps(pack), headers=headers
                ) as answer:
                    taken = answer.status == 202
            self.packs.append(Pack(at, time.monotonic(), len(pack), taken))
            if kind is Kind.RISE and not taken and now < began:
                # What it rises from may be lost with the broker: it is to be heard anew.
                began = float(math.ceil(time.time() + sensor.first_s))
            await asyncio.sleep(max(0.0, 1.0 - (time.time() - now)))


def _placed(places: Iterable[Point], kinds: Sequence[Kind]) -> Iterator[_Sensor]:
    run = uuid.uuid4().hex[:6]
    for number, ((lon, lat), kind) in enumerate(zip(places, cycle(kinds), strict=False)):
        watch = f"{kind.value}-{run}-{number}"
        for member in range(kind.devices):
            place = (round(lon + member * NEIGHBOUR_DEG, 6), lat)
            first_s = kind.first_s + number * SPREAD_S
            yield _Sensor(f"{watch}-{member}", watch, kind, place, first_s)


def share_taken(packs: Iterable[Pack], outages: Collection[tuple[float, float]] = ()) -> float:
    """Return the share of the readings that were taken, of those sent outside of outages.

    A pack that an outage cut off on its way was sent within it.
    """
    counted = [
        pack for pack in packs if not any(a <= pack.until and pack.at <= b for a, b in outages)
    ]
    sent = sum(pack.readings for pack in counted)
    return sum(pack.readings for pack in counted if pack.is_taken) / sent if sent else 1.0


class SensorReports:
    """Which devices' readings became reports, as a journal says; read on from where it was."""

    def __init__(self, jurisdiction: str) -> None:
        self._jurisdiction = jurisdiction
        self._seq = 0
        self._found: dict[str, list[float]] = {}

    def read(self, store: Store) -> Mapping[str, list[float]]:
        """Return device to when its readings became reports, in seconds since the epoch."""
        while bodies := store.read(self._jurisdiction, self._seq, READ_AT_ONCE):
            self._seq += len(bodies)
            for body in bodies:
                if b'"sensor"' in body:
                    self._take(body)
        return self._found

    def _take(self, body: bytes) -> None:
        with suppress(EventError):
            data = decode(body).data
            if isinstance(data, ReportClassified) and data.channel is Channel.SENSOR:
                self._found.setdefault(data.reporter, []).append(data.received_at.timestamp())


def compare(began: Mapping[str, Iterable[float]], told: Mapping[str, Iterable[float]]) -> Watched:
    """Give each report to the last condition of its place that began before it."""
    conditions = missed = doubled = 0
    for name, starts in began.items():
        ordered = sorted(starts)
        hits = [0] * len(ordered)
        for at in told.get(name, ()):
            number = bisect.bisect_right(ordered, at + CLOCK_STEP_S) - 1
            if number < 0:
                doubled += 1
            else:
                hits[number] += 1
        conditions += len(ordered)
        missed += hits.count(0)
        doubled += sum(hit - 1 for hit in hits if hit > 1)
    return Watched(conditions=conditions, missed=missed, doubled=doubled)
