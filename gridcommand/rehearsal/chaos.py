"""Processes ended and halted at random while reports flow, and the checker's verdict on it.

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
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from gridcommand.rehearsal.checker import Verdict, check
from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.system import CHILDREN, OwnSystem, RehearsalError, running_system
from models.city import CityPack

FIRST_FAULT_S = 3.0
BETWEEN_S = (2.0, 15.0)
HALT_S = (1.0, 10.0)
HEALED_S = 120.0
PLACES = 400

Tell = Callable[[str], None]


class Fault(NamedTuple):
    """One thing that is done: after how long, what, to whom, and for how long if it is a halt."""

    after_s: float
    kind: str
    target: str
    lasts_s: float = 0.0


def plan(seed: int, seconds: float, children: tuple[str, ...] = CHILDREN) -> list[Fault]:
    """Return the faults of a run; the same seed gives the same."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    at = FIRST_FAULT_S
    while at < seconds:
        after = FIRST_FAULT_S if not faults else chance.uniform(*BETWEEN_S)
        kind = chance.choices(("kill", "halt", "kill-all"), (6, 3, 1))[0]
        lasts = chance.uniform(*HALT_S) if kind == "halt" else 0.0
        target = "supervisor" if kind == "kill-all" else chance.choice(children)
        faults.append(Fault(round(after, 2), kind, target, round(lasts, 2)))
        at += after + lasts
    return faults


async def run(folder: Path, *, seconds: float, seed: int, rate: float, tell: Tell) -> Verdict:
    """Run a system in ``folder`` under faults for a while, let it heal, and check it.

    Parameters
    ----------
    rate
        Reports a second.
    tell
        Called with a sentence for each thing that is done.

    Raises
    ------
    RehearsalError
        The system couldn't be started.
    """
    with running_system(folder) as system:
        pack = CityPack.load(system.settings.city_path)
        phones, screen = Phones(system), Screen(system, pack.jurisdiction)
        following = asyncio.create_task(screen.follow())
        sending = asyncio.create_task(phones.send_all(_reports(pack, seed), rate, seconds))
        try:
            for fault in plan(seed, seconds):
                await asyncio.sleep(fault.after_s)
                if sending.done():
                    break
                await _do(system, fault, phones, tell)
            await asyncio.wait([sending], timeout=seconds + HEALED_S)
            if sending.done():
                sending.result()
                tell(f"all {len(phones.acknowledged)} reports are acknowledged; waiting")
            else:
                tell(f"{len(phones.waiting)} reports have no answer; logs in {folder / 'log'}")
            await screen.until_seen(set(phones.acknowledged), HEALED_S)
            ended = time.monotonic()
        finally:
            sending.cancel()
            following.cancel()
            await asyncio.gather(sending, following, return_exceptions=True)
        store = system.store()
        try:
            return check(
                store,
                pack.jurisdiction,
                phones.acknowledged,
                screen.seen,
                ended=ended,
                unanswered=len(phones.waiting),
            )
        finally:
            store.close()


async def _do(system: OwnSystem, fault: Fault, phones: Phones, tell: Tell) -> None:
    done = f"{len(phones.acknowledged)} acknowledged; "
    began = time.monotonic()
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
