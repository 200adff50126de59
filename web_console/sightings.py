"""When devices were last heard and what was refused of them, written to the register in batches.

A device that sends every second is written down once a minute, so that telemetry costs no commit
a pack. What waits is lost with the process: it comes again with the next reading.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Final

from models.devices import Sighting
from models.errors import StoreError
from models.store import Store
from web_console.asking import Asking

log = logging.getLogger(__name__)

NOTED_EVERY_S: Final = 60.0
"""How often a device that goes on as before is written down."""
WRITTEN_EVERY_S: Final = 5.0
DEVICES_MAX: Final = 100_000
"""Devices remembered; beyond, all are written down anew."""
FAULT_MAX: Final = 500


class Sightings:
    """Gathers sightings and writes them.

    Parameters
    ----------
    store, ask
        The database, and who asks it.
    """

    def __init__(self, store: Store, ask: Asking) -> None:
        self._store = store
        self._ask = ask
        self._noted: dict[str, tuple[float, str]] = {}
        self._waiting: dict[str, Sighting] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, device: str, fault: str = "") -> None:
        """Note that a device was heard, and what of it was refused; empty: nothing."""
        fault, now_s = fault[:FAULT_MAX], time.monotonic()
        noted = self._noted.get(device)
        if noted is not None and now_s - noted[0] < NOTED_EVERY_S and fault in ("", noted[1]):
            return
        if len(self._noted) >= DEVICES_MAX:
            self._noted.clear()
        self._noted[device] = now_s, fault
        before = self._waiting.get(device)
        fault = fault or (before.fault if before else "")
        self._waiting[device] = Sighting(datetime.now(UTC), fault)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_soon())

    async def write(self) -> None:
        """Write what waits; what the database doesn't take waits for the next time."""
        waiting, self._waiting = self._waiting, {}
        try:
            if waiting:
                await self._ask(self._store.note_sightings, waiting)
        except StoreError as error:
            log.warning("when devices were heard waits for the database: %s", error)
            self._waiting = {**waiting, **self._waiting}

    async def close(self) -> None:
        """Write what waits and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.write()

    async def _write_soon(self) -> None:
        await asyncio.sleep(WRITTEN_EVERY_S)
        await self.write()
