"""What gets in a system's way without being part of it, each bounded in time.

For ``gridcommand chaos``: somebody who holds the database, evil reports, a second worker, screens
that never read. Touches only the system it is given.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import aiohttp
import psycopg
from sqlalchemy import make_url
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from gridcommand.rehearsal.system import OwnSystem, RehearsalError
from models.city import CityPack
from models.errors import StoreError
from models.events import Event, Payload, ReportReceived, UnitMoved, encode
from models.inbox import InboxRow
from models.lifecycles import UnitState
from models.store import Store
from models.topics import DESK, REPORTS
from models.words import Channel
from web_console.accounts import COOKIE

LOCKED_WITHIN_S = 5.0
TRY_AGAIN_S = 0.5
LEFT_WITHIN_S = 20.0
ANSWER_S = 5.0


@contextmanager
def locked_database(url: str) -> Iterator[None]:
    """Hold a database so that nobody else can write until the block ends.

    SQLite: by a transaction that writes; PostgreSQL: by a lock on the tables that matter.

    Raises
    ------
    RehearsalError
        Somebody else held it for too long.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        # Entered on one thread and left on another.
        lite = sqlite3.connect(
            str(parsed.database), LOCKED_WITHIN_S, isolation_level=None, check_same_thread=False
        )
        try:
            lite.execute("BEGIN IMMEDIATE")
            yield
        except sqlite3.OperationalError as error:
            raise RehearsalError(f"the database can't be locked: {error}") from error
        finally:
            lite.close()
        return
    options = f"-c lock_timeout={LOCKED_WITHIN_S * 1000:.0f}"
    try:
        server = psycopg.connect(url.replace("+psycopg", ""), options=options)
    except psycopg.OperationalError as error:
        raise RehearsalError(f"the database can't be locked: {error}") from error
    try:
        server.execute("LOCK TABLE inbox, journal, jurisdiction IN ACCESS EXCLUSIVE MODE")
        yield
    except psycopg.Error as error:
        raise RehearsalError(f"the database can't be locked: {error}") from error
    finally:
        server.close()


class Poisoner:
    """Files reports that have a valid envelope and evil content; each must be a dead letter.

    They enter through the inbox, as what another system sends does, and are safe from then on.
    """

    def __init__(self, store: Store, pack: CityPack) -> None:
        self._store = store
        self.pack = pack
        self._count = 0
        self.filed: set[str] = set()

    async def file(self) -> str:
        """File one, each time of another kind; return its id once it is durable."""
        kinds: list[tuple[str, Payload]] = [
            (REPORTS, UnitMoved(unit="x", state=UnitState.OUT_OF_SERVICE)),
            (DESK, UnitMoved(unit="x", state=UnitState.OUT_OF_SERVICE)),
        ]
        if not self._shows_first_moment():
            first = datetime.min.replace(tzinfo=UTC)
            kinds.append((REPORTS, ReportReceived(channel=Channel.SYSTEM, received_at=first)))
        topic, content = kinds[self._count % len(kinds)]
        self._count += 1
        row = self._row(topic, content)
        while True:
            try:
                await asyncio.to_thread(self._store.put, [row])
            except StoreError:
                await asyncio.sleep(TRY_AGAIN_S)
            else:
                self.filed.add(row.event_id)
                return row.event_id

    async def until_buried(self, within_s: float) -> None:
        """Wait until all that was filed is out of the inbox, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                # Nothing tells of a row in a database but looking.
                while self.filed & await asyncio.to_thread(self._open):  # noqa: ASYNC110
                    await asyncio.sleep(TRY_AGAIN_S)

    def _open(self) -> set[str]:
        return {row.event_id for row in self._store.unfinished_after(0, 10_000)}

    def _shows_first_moment(self) -> bool:
        """Whether the city's clock can show the first moment there is; none west of London can."""
        try:
            datetime.min.replace(tzinfo=UTC).astimezone(ZoneInfo(self.pack.timezone))
        except OverflowError:
            return False
        return True

    def _row(self, topic: str, content: Payload) -> InboxRow:
        now = datetime.now(UTC)
        event = Event(
            id=f"evil-{uuid.uuid4()}",
            source="/chaos",
            time=now,
            jurisdiction=self.pack.jurisdiction,
            data=content,
        )
        return InboxRow(
            event_id=event.id,
            jurisdiction=event.jurisdiction,
            topic=topic,
            key=event.jurisdiction,
            body=encode(event),
            received_at=now,
        )


@asynccontextmanager
async def second_worker(system: OwnSystem, ends_by: signal.Signals) -> AsyncIterator[None]:
    """Run one more worker of the system until the block ends."""
    with (system.folder / "log" / "second-worker.log").open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gridcommand", "worker",
            env=system.environment, stdout=sink, stderr=sink,
        )  # fmt: skip
    try:
        yield
    finally:
        if process.returncode is None:
            process.send_signal(ends_by)
        try:
            await asyncio.wait_for(process.wait(), LEFT_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def deaf_screens(
    system: OwnSystem, token: str, jurisdiction: str, count: int
) -> AsyncIterator[int]:
    """Open screens that ask for everything and read nothing until the block ends; yield how many.

    They go without a word.
    """
    opened: list[ClientConnection] = []
    async with AsyncExitStack() as stack:
        with suppress(OSError, WebSocketException, aiohttp.ClientError, TimeoutError):
            url = await _live_url(system, token)
            for _ in range(count):
                channel = await connect(
                    url,
                    additional_headers={"Cookie": f"{COOKIE}={token}"},
                    origin=Origin(system.base_url),
                    max_size=None,
                    max_queue=1,
                    ping_interval=None,
                )
                opened.append(channel)
                stack.callback(channel.transport.abort)
                await channel.send(f'{{"type": "hello", "jurisdiction": "{jurisdiction}"}}')
        yield len(opened)


async def _live_url(system: OwnSystem, token: str) -> str:
    headers = {"Cookie": f"{COOKIE}={token}"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with (
        aiohttp.ClientSession(system.base_url, timeout=timeout) as client,
        client.get("/api/session", headers=headers) as answer,
    ):
        answer.raise_for_status()
        return str((await answer.json())["live_url"])
