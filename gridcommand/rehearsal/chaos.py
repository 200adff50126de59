"""Processes and servers ended and halted at random under load, and the checker's verdict on it.

For ``gridcommand chaos``: a rehearsal on a machine of one's own, bounded in time. The seed decides
what is done when; what it hits depends on the machine, as in life. Starts a system of its own and
touches no other.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from gridcommand.rehearsal.checker import Verdict, check
from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.sensors import Sensors
from gridcommand.rehearsal.servers import EMBEDDED, ServerProgram, Servers
from gridcommand.rehearsal.system import CHILDREN, OwnSystem, RehearsalError, running_system
from models.city import CityPack

FIRST_FAULT_S = 3.0
BETWEEN_S = (2.0, 15.0)
HALT_S = (1.0, 10.0)
HEALED_S = 120.0
PLACES = 400
SENSORS = 20

Tell = Callable[[str], None]


class Fault(NamedTuple):
    """One thing that is done: after how long, what, to whom, and for how long if it is a halt."""

    after_s: float
    kind: str
    target: str
    lasts_s: float = 0.0


class Load(NamedTuple):
    """What flows while things are done: reports and sensors' readings a second."""

    reports: float
    readings: float = 0.0


def targets(servers: Servers) -> tuple[str, ...]:
    """Return what can be ended and halted: the system's children, and servers of its own."""
    return tuple(dict.fromkeys((*servers.programs, *servers.children)))


def away(seconds: float, lasts_s: float) -> list[Fault]:
    """Return the one fault of a run in which the broker is away for long."""
    return [Fault(min(FIRST_FAULT_S, seconds), "halt", "broker", lasts_s)]


def plan(seed: int, seconds: float, among: tuple[str, ...] = CHILDREN) -> list[Fault]:
    """Return the faults of a run; the same seed gives the same."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    at = FIRST_FAULT_S
    while at < seconds:
        after = FIRST_FAULT_S if not faults else chance.uniform(*BETWEEN_S)
        kind = chance.choices(("kill", "halt", "kill-all"), (6, 3, 1))[0]
        lasts = chance.uniform(*HALT_S) if kind == "halt" else 0.0
        target = "supervisor" if kind == "kill-all" else chance.choice(among)
        faults.append(Fault(round(after, 2), kind, target, round(lasts, 2)))
        at += after + lasts
    return faults


async def run(
    folder: Path,
    faults: list[Fault],
    *,
    seconds: float,
    seed: int,
    load: Load,
    tell: Tell,
    servers: Servers = EMBEDDED,
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

    Raises
    ------
    RehearsalError
        The system couldn't be started.
    """
    with running_system(folder, environment=servers.environment) as system:
        pack = CityPack.load(system.settings.city_path)
        phones, screen = Phones(system), Screen(system, pack.jurisdiction)
        homes = [(unit.lon, unit.lat) for unit in pack.units[:SENSORS]]
        sensors = (
            Sensors(system, pack.jurisdiction, homes, load.readings) if load.readings else None
        )
        tasks = [asyncio.create_task(screen.follow())]
        if sensors is not None:
            tasks.append(asyncio.create_task(sensors.send()))
        sending = asyncio.create_task(phones.send_all(_reports(pack, seed), load.reports, seconds))
        try:
            for fault in faults:
                await asyncio.sleep(fault.after_s)
                if sending.done():
                    break
                await _do(system, servers, fault, phones, tell)
            await asyncio.wait([sending], timeout=seconds + HEALED_S)
            if sending.done():
                sending.result()
                tell(f"all {len(phones.acknowledged)} reports are acknowledged; waiting")
            else:
                tell(f"{len(phones.waiting)} reports have no answer; logs in {folder / 'log'}")
            await screen.until_seen(set(phones.acknowledged), HEALED_S)
            ended = time.monotonic()
            with closing(system.store()) as store:
                if sensors is not None:
                    await sensors.until_told(store, HEALED_S)
                return check(
                    store,
                    pack.jurisdiction,
                    phones.acknowledged,
                    screen.seen,
                    ended=ended,
                    unanswered=len(phones.waiting),
                    sensors=sensors,
                )
        finally:
            for task in (sending, *tasks):
                task.cancel()
            await asyncio.gather(sending, *tasks, return_exceptions=True)


async def _do(
    system: OwnSystem, servers: Servers, fault: Fault, phones: Phones, tell: Tell
) -> None:
    done = f"{len(phones.acknowledged)} acknowledged; "
    began = time.monotonic()
    server = servers.programs.get(fault.target)
    if server is not None:
        await _do_to_server(server, fault, done, tell)
        return
    if fault.kind == "kill-all":
        tell(done + "kill -9 of the supervisor, and up again")
        await asyncio.to_thread(system.kill)
        await asyncio.to_thread(system.start)
        tell(f"up again after {time.monotonic() - began:.1f} s")
        return
    with suppress(psutil.NoSuchProcess, RehearsalError):
        if fault.kind == "kill":
            process = system.child(fault.target)
            tell(f"{done}kill -9 of the {fault.target}")
            process.send_signal(signal.SIGKILL)
            return
        with system.halted(fault.target):
            tell(f"{done}the {fault.target} halts for {fault.lasts_s:.1f} s")
            await asyncio.sleep(fault.lasts_s)
        return
    tell(f"{done}no {fault.target} just now")


async def _do_to_server(server: ServerProgram, fault: Fault, done: str, tell: Tell) -> None:
    if fault.kind == "kill":
        tell(f"{done}kill -9 of the {fault.target}, and started again")
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        return
    tell(f"{done}the {fault.target} halts for {fault.lasts_s:.1f} s")
    server.suspend()
    try:
        await asyncio.sleep(fault.lasts_s)
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
