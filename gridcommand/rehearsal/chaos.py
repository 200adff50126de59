"""Processes, servers and what they rest on broken at random under load, and the checker's verdict.

For ``gridcommand chaos``: a rehearsal on a machine of one's own, bounded in time. What is done when
is planned by :mod:`gridcommand.rehearsal.faults`. Starts a system of its own and touches no other.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from gridcommand.rehearsal.checker import Verdict, check
from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.faults import BESIDE, Fault
from gridcommand.rehearsal.intruders import Poisoner, deaf_screens, locked_database, second_worker
from gridcommand.rehearsal.ledger import taken_in
from gridcommand.rehearsal.sensors import Sensors
from gridcommand.rehearsal.servers import EMBEDDED, ServerProgram, Servers
from gridcommand.rehearsal.silence import Outage
from gridcommand.rehearsal.system import OwnSystem, RehearsalError, running_system
from gridcommand.rehearsal.yardstick import slowness
from models.city import CityPack
from models.store import Store
from models.words import Role

HEALED_S = 120.0
BACK_WITHIN_S = 10.0
"""How soon decisions flow again after something is back; the longest silence otherwise."""
PLACES = 400
SENSORS = 20
DEAF_SCREENS = 50

Tell = Callable[[str], None]


class Load(NamedTuple):
    """What flows while things are done: reports and sensors' readings a second."""

    reports: float
    readings: float = 0.0


async def run(
    folder: Path,
    faults: list[Fault],
    *,
    seconds: float,
    seed: int,
    load: Load,
    tell: Tell,
    servers: Servers = EMBEDDED,
    city: str = "san_francisco",
) -> Verdict:
    """Run a system in ``folder`` under faults for a while, let it heal, and check it.

    Parameters
    ----------
    seconds
        How long reports flow.
    seed
        Decides what they say and where.
    tell
        Called with a sentence for each thing that is done.
    servers
        What the system runs on.
    city
        Its pack.

    Raises
    ------
    RehearsalError
        The system couldn't be started.
    """
    slow = slowness()
    tell(f"this machine takes {slow:.1f} times as long as the yardstick's reference")
    environment = {**servers.environment, "GRIDCOMMAND_CITY": city}
    with (
        running_system(folder, environment=environment) as system,
        closing(system.store()) as store,
    ):
        pack = CityPack.load(system.settings.city_path)
        phones, screen = Phones(system), Screen(system, pack.jurisdiction)
        homes = [(unit.lon, unit.lat) for unit in pack.units[:SENSORS]]
        sensors = (
            Sensors(system, pack.jurisdiction, homes, load.readings) if load.readings else None
        )
        trouble = Trouble(system, servers, phones, Poisoner(store, pack), tell)
        tasks = [asyncio.create_task(screen.follow())]
        if sensors is not None:
            tasks.append(asyncio.create_task(sensors.send()))
        sending = asyncio.create_task(phones.send_all(_reports(pack, seed), load.reports, seconds))
        try:
            async with asyncio.TaskGroup() as beside:
                for fault in faults:
                    await asyncio.sleep(fault.after_s)
                    if sending.done():
                        break
                    if fault.kind in BESIDE:
                        beside.create_task(trouble.make(fault))
                    else:
                        await trouble.make(fault)
            await asyncio.wait([sending], timeout=seconds + HEALED_S)
            if sending.done():
                sending.result()
                tell(f"all {len(phones.acknowledged)} reports are acknowledged; waiting")
            else:
                tell(f"{len(phones.waiting)} reports have no answer; logs in {folder / 'log'}")
            await _until_up_to_date(screen, store, pack.jurisdiction)
            screen.add_shown(await asyncio.to_thread(_taken_in, store, pack.jurisdiction))
            await screen.until_seen(set(phones.acknowledged), HEALED_S)
            ended = time.monotonic()
            await trouble.poisoner.until_buried(HEALED_S)
            if sensors is not None:
                await sensors.until_told(store, HEALED_S)
            await _until_up_to_date(screen, store, pack.jurisdiction)
            return check(
                store,
                pack.jurisdiction,
                phones.acknowledged,
                screen.seen,
                ended=ended,
                unanswered=len(phones.waiting),
                sensors=sensors,
                screens=[screen],
                evil=trouble.poisoner.filed,
                outages=trouble.outages,
                silence_at_most_s=BACK_WITHIN_S * slow,
            )
        finally:
            for task in (sending, *tasks):
                task.cancel()
            await asyncio.gather(sending, *tasks, return_exceptions=True)


async def _until_up_to_date(screen: Screen, store: Store, jurisdiction: str) -> None:
    head = await asyncio.to_thread(store.head, jurisdiction)
    if head is not None:
        with suppress(TimeoutError):
            await screen.until(lambda: (screen.seq or 0) >= head.seq, BACK_WITHIN_S)


def _taken_in(store: Store, jurisdiction: str) -> list[tuple[int, str]]:
    return list(taken_in(store, jurisdiction))


class Trouble:
    """Does to a system what was planned, and notes from when to when it was.

    Parameters
    ----------
    tell
        Called with a sentence for each thing that is done.
    """

    def __init__(
        self,
        system: OwnSystem,
        servers: Servers,
        phones: Phones,
        poisoner: Poisoner,
        tell: Tell,
    ) -> None:
        self._system = system
        self._servers = servers
        self._phones = phones
        self._tell = tell
        self._deaf = system.session(Role.COMMANDER)
        self.poisoner = poisoner
        self.outages: list[Outage] = []

    async def make(self, fault: Fault) -> None:
        """Do one thing and return when it is over; what just can't be done is left out."""
        doing = {
            "kill": self._kill,
            "halt": self._halt,
            "kill-all": self._kill_all,
            "lock": self._lock,
            "poison": self._poison,
            "screens": self._screens,
            "worker-ends": self._second_worker,
            "worker-dies": self._second_worker,
        }[fault.kind]
        try:
            await doing(fault)
        except (psutil.NoSuchProcess, RehearsalError) as error:
            self._say(f"left out: {error}")

    async def _kill(self, fault: Fault) -> None:
        server = self._servers.programs.get(fault.target)
        if server is None:
            process = self._system.child(fault.target)
            self._say(f"kill -9 of the {fault.target}")
            process.send_signal(signal.SIGKILL)
            self._out_since(time.monotonic())
            return
        self._say(f"kill -9 of the {fault.target}, and started again")
        began = time.monotonic()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        self._out_since(began)

    async def _halt(self, fault: Fault) -> None:
        server = self._servers.programs.get(fault.target)
        began = time.monotonic()
        self._say(f"the {fault.target} halts for {fault.lasts_s:.1f} s")
        if server is None:
            with self._system.halted(fault.target):
                await asyncio.sleep(fault.lasts_s)
        else:
            await _halted(server, fault.lasts_s)
        self._out_since(began)

    async def _kill_all(self, _: Fault) -> None:
        self._say("kill -9 of the supervisor, and up again")
        began = time.monotonic()
        await asyncio.to_thread(self._system.kill)
        await asyncio.to_thread(self._system.start)
        self._out_since(began)
        self._say(f"up again after {time.monotonic() - began:.1f} s")

    async def _lock(self, fault: Fault) -> None:
        held = ExitStack()
        lock = locked_database(self._system.settings.database)
        await asyncio.to_thread(held.enter_context, lock)
        began = time.monotonic()
        try:
            self._say(f"the database is locked for {fault.lasts_s:.1f} s")
            await asyncio.sleep(fault.lasts_s)
        finally:
            await asyncio.to_thread(held.close)
            self._out_since(began)

    async def _poison(self, _: Fault) -> None:
        name = await self.poisoner.file()
        self._say(f"an evil report: {name}")
        # Its desk begins again from the journal.
        self._out_since(time.monotonic())

    async def _screens(self, fault: Fault) -> None:
        home = self.poisoner.pack.jurisdiction
        async with deaf_screens(self._system, self._deaf, home, DEAF_SCREENS) as count:
            self._say(f"{count} screens that never read, for {fault.lasts_s:.1f} s")
            await asyncio.sleep(fault.lasts_s)
        self._say("these screens are gone")

    async def _second_worker(self, fault: Fault) -> None:
        ends_by = signal.SIGKILL if fault.kind == "worker-dies" else signal.SIGTERM
        self._say(f"a second worker for {fault.lasts_s:.1f} s")
        self._out_since(time.monotonic())
        async with second_worker(self._system, ends_by):
            await asyncio.sleep(fault.lasts_s)
            self._say(f"the second worker goes by {ends_by.name}")
            self._out_since(time.monotonic())

    def _out_since(self, began: float) -> None:
        self.outages.append(Outage(began, time.monotonic()))

    def _say(self, sentence: str) -> None:
        self._tell(f"{len(self._phones.acknowledged)} acknowledged; {sentence}")


async def _halted(server: ServerProgram, lasts_s: float) -> None:
    server.suspend()
    try:
        await asyncio.sleep(lasts_s)
    finally:
        server.resume()


def _reports(pack: CityPack, seed: int) -> list[dict[str, Any]]:
    """Reports around the places where units stand; enough of them to lie streets apart."""
    chance = random.Random(seed)
    homes = [(unit.lon, unit.lat) for unit in pack.units]
    found = []
    for _ in range(PLACES):
        lon, lat = chance.choice(homes)
        found.append(
            {
                "text": chance.choice(
                    ("smoke, people trapped", "有人晕倒", "燃气泄漏", "car crash")
                ),
                "lon": round(lon + chance.uniform(-0.01, 0.01), 6),
                "lat": round(lat + chance.uniform(-0.01, 0.01), 6),
            }
        )
    return found
