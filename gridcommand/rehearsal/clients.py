"""Phones that keep what isn't acknowledged, and screens that come back with the seq they have.

They remember what they were told, which is all that the checker believes.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import aiohttp
import uuid_utils
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from gridcommand.rehearsal.ledger import TAKES_IN
from gridcommand.rehearsal.system import OwnSystem
from models.words import Role
from web_console.accounts import COOKIE

TRY_AGAIN_S, TRY_AGAIN_MOST_S = 0.2, 3.0
"""A phone waits twice as long each time, and no two the same: thousands that wait for a console
must not hold it down when it is back."""

ANSWER_S = 5.0
AT_ONCE = 100
"""Reports that are under way at a time. A phone's patience begins when it is its turn: thousands
that give up in the queue of the one process that plays them all would keep it busy for ever."""

ACKNOWLEDGED = 202


class Phones:
    """Send reports, keep each until it is acknowledged, and try again for as long as it takes.

    Parameters
    ----------
    base_url
        Another origin than the system's own: of another console, or of a proxy.
    tls
        Whom to believe there.
    """

    def __init__(
        self, system: OwnSystem, base_url: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self._base = base_url or system.base_url
        self._tls = tls
        self._token = system.session(Role.GRID_WORKER)
        self.begun: dict[str, float] = {}
        """Report to when it was sent for the first time, by ``time.monotonic()``."""
        self.acknowledged: dict[str, float] = {}
        """Report to when it was acknowledged, by ``time.monotonic()``."""
        self.refused: dict[str, str] = {}
        """Report to what was said of it: those will never be accepted."""
        self.waiting: set[str] = set()
        self.tries = 0
        self.answers: Counter[int] = Counter()
        """Status to how often it was the answer."""
        self.left_alone = 0
        """Answers that meant "try again" without saying when."""
        self._answered = asyncio.Event()
        self._under_way = asyncio.Semaphore(AT_ONCE)
        self._chance = random.Random(1)

    async def send_all(
        self,
        reports: list[dict[str, Any]],
        rate: float,
        seconds: float,
        enough: asyncio.Event | None = None,
    ) -> int:
        """Send reports in turn at a steady rate, each under an id of its own.

        Parameters
        ----------
        seconds
            How long; with ``enough`` at least that long, and on until it is set.

        Returns
        -------
        int
            How many were sent, each until it was answered.
        """
        headers = {"Cookie": f"{COOKIE}={self._token}", "Origin": self._base}
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with (
            aiohttp.ClientSession(
                self._base, headers=headers, timeout=timeout, connector=_connector(self._tls)
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            start = time.monotonic()
            number = 0
            while number < int(rate * seconds) or not (enough is None or enough.is_set()):
                await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
                body = {"id": str(uuid_utils.uuid7()), **reports[number % len(reports)]}
                group.create_task(self._keep_sending(client, body))
                number += 1
        return number

    async def until_acknowledged(self, count: int, within_s: float) -> None:
        """Wait until so many reports are acknowledged.

        Raises
        ------
        TimeoutError
            They were not in time.
        """
        async with asyncio.timeout(within_s):
            while len(self.acknowledged) < count:
                self._answered.clear()
                await self._answered.wait()

    async def _keep_sending(self, client: aiohttp.ClientSession, body: Mapping[str, Any]) -> None:
        name = body["id"]
        self.waiting.add(name)
        pause_s = TRY_AGAIN_S
        while name in self.waiting:
            async with self._under_way:
                with suppress(aiohttp.ClientError, TimeoutError, OSError):
                    await self._send(client, body)
            self._answered.set()
            if name in self.waiting:
                await asyncio.sleep(pause_s * self._chance.uniform(0.5, 1.5))
                pause_s = min(2 * pause_s, TRY_AGAIN_MOST_S)

    async def _send(self, client: aiohttp.ClientSession, body: Mapping[str, Any]) -> None:
        """Send a report once, and note what was said of it."""
        name = body["id"]
        self.begun.setdefault(name, time.monotonic())
        self.tries += 1
        async with client.post("/api/reports", json=body) as answer:
            said = await answer.text()
            self.answers[answer.status] += 1
            if answer.status in (429, 503) and "Retry-After" not in answer.headers:
                self.left_alone += 1
            if answer.status == ACKNOWLEDGED:
                self.acknowledged[name] = time.monotonic()
                self.waiting.discard(name)
            elif answer.status < 500 and answer.status != 429:
                self.refused[name] = said
                self.waiting.discard(name)


class Screen:
    """A commander's screen: follows the live channel, heals, and keeps what it has seen.

    Attributes
    ----------
    seen
        Report to when an incident with it was first on the screen, by ``time.monotonic()``.
    last_seen, last_report
        When the last report came that wasn't there before, and which it was.
    kinds
        The situation as the frames add up to it: kind to id to entity.
    snapshots
        Up to which seq, and when, by ``time.monotonic()``.
    pipeline
        Whether processing is delayed and since when, as the last heartbeat has it.
    pipelines
        What heartbeats said of that one after another, and when.
    wall
        The console's clock, as the last heartbeat has it.
    gaps
        Frames that didn't follow on the one before.
    """

    def __init__(
        self,
        system: OwnSystem,
        jurisdiction: str,
        base_url: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._base = base_url or system.base_url
        self._tls = tls
        self._token = system.session(Role.COMMANDER)
        self._jurisdiction = jurisdiction
        self.seq: int | None = None
        self.seen: dict[str, float] = {}
        self.last_seen = 0.0
        self.last_report = ""
        self.kinds: dict[str, dict[str, Any]] = {}
        self.gaps: list[tuple[int, int | None]] = []
        self.pipeline: dict[str, Any] = {}
        self.pipelines: list[tuple[float, dict[str, Any]]] = []
        self.wall: datetime | None = None
        self.snapshots: list[tuple[int, float]] = []
        self.connections = 0
        self._heard = asyncio.Event()

    async def follow(self) -> None:
        """Watch until cancelled; a channel that breaks is opened again."""
        while True:
            with suppress(OSError, WebSocketException, aiohttp.ClientError, TimeoutError):
                await self._watch(await self._live_url())
            await asyncio.sleep(TRY_AGAIN_S)

    async def until_seen(self, reports: set[str], within_s: float) -> set[str]:
        """Wait until all these reports were seen; return those that were not in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while reports - self.seen.keys():
                    self._heard.clear()
                    await self._heard.wait()
        return reports - self.seen.keys()

    def add_shown(self, taken_in: Iterable[tuple[int, str]]) -> None:
        """Count what a snapshot showed without naming it: of very many reports only the newest.

        Parameters
        ----------
        taken_in
            Reports with the seq of the journal by which an incident has them.
        """
        for seq, report in taken_in:
            if report not in self.seen:
                shown = (at for upto, at in self.snapshots if upto >= seq)
                if (at := next(shown, None)) is not None:
                    self.seen[report] = at

    async def until(self, holds: Any, within_s: float = 20.0) -> None:
        """Wait until ``holds()`` is true of what the screen shows.

        Raises
        ------
        TimeoutError
            It didn't come to that in time.
        """
        async with asyncio.timeout(within_s):
            while not holds():
                self._heard.clear()
                await self._heard.wait()

    def incident_of(self, report: str) -> dict[str, Any] | None:
        """Return the incident that a report belongs to, if the screen shows one."""
        incidents = self.kinds.get("incidents", {}).values()
        return next((one for one in incidents if report in one.get("reports", ())), None)

    async def _live_url(self) -> str:
        headers = {"Cookie": f"{COOKIE}={self._token}"}
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with (
            aiohttp.ClientSession(
                self._base, timeout=timeout, connector=_connector(self._tls)
            ) as client,
            client.get("/api/session", headers=headers) as answer,
        ):
            answer.raise_for_status()
            return str((await answer.json())["live_url"])

    async def _watch(self, url: str) -> None:
        cookie = {"Cookie": f"{COOKIE}={self._token}"}
        async with connect(
            url,
            additional_headers=cookie,
            origin=Origin(self._base),
            max_size=None,
            compression=None,
            ssl=self._tls,
        ) as channel:
            self.connections += 1
            hello = {"type": "hello", "jurisdiction": self._jurisdiction, "seq": self.seq}
            await channel.send(json.dumps(hello))
            async for frame in channel:
                self._take(json.loads(frame))

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "snapshot":
            self.seq = frame["seq"]
            self.snapshots.append((frame["seq"], time.monotonic()))
            kinds = {k: v for k, v in frame["situation"].items() if isinstance(v, list)}
            self.kinds = {kind: {one["id"]: one for one in many} for kind, many in kinds.items()}
            self._note(self.kinds.get("incidents", {}).values())
        elif frame["type"] == "delta":
            if frame["from"] != self.seq:
                self.gaps.append((frame["from"], self.seq))
            self.seq = frame["seq"]
            for kind, many in frame["upsert"].items():
                if isinstance(many, list):
                    self.kinds.setdefault(kind, {}).update({one["id"]: one for one in many})
            self._note(frame["upsert"].get("incidents", ()))
            # Of an incident with very many reports only the newest come with it.
            causes = [line.get("cause", "") for line in frame["log"] if line["type"] in TAKES_IN]
            self._note([{"reports": causes}])
            for kind, ids in frame["remove"].items():
                for name in ids:
                    self.kinds.get(kind, {}).pop(name, None)
        elif frame["type"] == "heartbeat":
            self.pipeline = frame["pipeline"]
            self.wall = datetime.fromisoformat(frame["wall"])
            self.pipelines.append((time.monotonic(), self.pipeline))
        self._heard.set()

    def _note(self, incidents: Iterable[Mapping[str, Any]]) -> None:
        now = time.monotonic()
        for incident in incidents:
            for report in incident.get("reports", ()):
                if report not in self.seen:
                    self.seen[report] = self.last_seen = now
                    self.last_report = report


def _connector(tls: ssl.SSLContext | None) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=AT_ONCE, ssl=tls or True)
