"""Sensors that send steadily, some of which see smoke, and whether each time was told once.

For ``gridcommand chaos`` and the tests that pull plugs. A sensor doesn't keep what couldn't be
sent: the next readings follow, as in life. So what must hold is not that each reading arrives but
that each condition that lasts becomes one report.
"""

from __future__ import annotations

import asyncio
import bisect
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress

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


class Sensors:
    """Smoke detectors at places, sending packs of readings once a second.

    Parameters
    ----------
    rate
        Readings a second, of all together.
    """

    def __init__(
        self, system: OwnSystem, jurisdiction: str, places: Iterable[Point], rate: float
    ) -> None:
        self._base = system.base_url
        self._jurisdiction = jurisdiction
        run = uuid.uuid4().hex[:6]
        self._places = {f"smoke-{run}-{number}": place for number, place in enumerate(places)}
        self._keys: dict[str, str] = {}
        store = system.store()
        try:
            for name, (lon, lat) in self._places.items():
                device = Device(id=name, jurisdiction=jurisdiction, lon=lon, lat=lat)
                self._keys[name] = store.add_device(device)
        finally:
            store.close()
        self._in_pack = max(1, round(rate / len(self._keys)))
        self.began: dict[str, list[float]] = {name: [] for name in self._keys}
        """Device to when it saw smoke begin, in seconds since the epoch."""
        self.accepted = 0
        """Readings that were taken."""

    async def send(self) -> None:
        """Send until cancelled."""
        headers = {"Content-Type": SENML}
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with (
            aiohttp.ClientSession(self._base, headers=headers, timeout=timeout) as client,
            asyncio.TaskGroup() as group,
        ):
            for number, name in enumerate(self._keys):
                group.create_task(self._send_one(client, name, FIRST_S + number * SPREAD_S))

    async def until_told(self, store: Store, within_s: float) -> None:
        """Wait until each condition so far became a report, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                # Nothing tells of a row in a database but looking.
                while (await asyncio.to_thread(self.told, store)).missed:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_AGAIN_S)

    def told(self, store: Store) -> Watched:
        """Compare what was seen with what the journal has."""
        return compare(self.began, reported(store, self._jurisdiction))

    async def _send_one(self, client: aiohttp.ClientSession, name: str, first_s: float) -> None:
        lon, lat = self._places[name]
        headers = {"X-Device-Key": f"{name}:{self._keys[name]}"}
        started = time.time()
        smokes = False
        while True:
            now = time.time()
            since = now - started - first_s
            smoked, smokes = smokes, since >= 0 and since % (2 * LASTS_S) < LASTS_S
            if smokes and not smoked:
                self.began[name].append(now)
            pack = [
                {"bn": f"{name}/", "bt": now, "n": "smoke_alarm", "v": int(smokes)},
                {"n": "lon", "v": lon},
                {"n": "lat", "v": lat},
                *(
                    {"n": "temperature", "u": "Cel", "v": 20 + number % 5, "t": number / 1000}
                    for number in range(self._in_pack - 3)
                ),
            ]
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with client.post(
                    "/api/readings", data=json.dumps(pack), headers=headers
                ) as answer:
                    if answer.status == 202:
                        self.accepted += len(pack)
            await asyncio.sleep(max(0.0, 1.0 - (time.time() - now)))


def reported(store: Store, jurisdiction: str) -> dict[str, list[float]]:
    """Return device to when its readings became reports, from the journal."""
    found: dict[str, list[float]] = {}
    for entry in store.entries(jurisdiction):
        if b"smoke-alarm" not in entry.body:
            continue
        with suppress(EventError):
            data = decode(entry.body).data
            if isinstance(data, ReportClassified) and data.channel is Channel.SENSOR:
                found.setdefault(data.reporter, []).append(data.received_at.timestamp())
    return found


def compare(began: Mapping[str, Iterable[float]], told: Mapping[str, Iterable[float]]) -> Watched:
    """Give each report to the last condition of its device that began before it."""
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
