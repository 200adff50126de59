"""A PostgreSQL that hangs, halted or locked: intake says 503 in time, and nothing piles up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from gridcommand.rehearsal.servers import ServerProgram, postgresql
from models.city import CityPack
from models.settings import Settings
from models.store import Store, open_store
from models.words import Role
from web_console.accounts import COOKIE
from web_console.app import create_app
from web_console.asking import ANSWER_WITHIN_S
from web_console.console import Console

pytestmark = pytest.mark.servers

SAID_WITHIN_S = 3.5
"""The promise is three seconds; the rest is for a machine that does other things too."""
AGAIN_S = 15.0


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProgram]:
    with postgresql() as running:
        yield running


@pytest.fixture
def store(server: ServerProgram, settings: Settings) -> Iterator[Store]:
    with_server = settings.model_copy(update={"database_url": server.address})
    store = open_store(with_server, answer_within_s=ANSWER_WITHIN_S)
    store.migrate()
    yield store
    store.close()


@pytest.fixture
async def console(settings: Settings, store: Store) -> AsyncIterator[Console]:
    """A console whose feed runs."""
    console = Console(settings, store, CityPack.load(settings.city_path))
    feeding = asyncio.create_task(console.feed.run())
    yield console
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    await console.close()


class Phone:
    """Files reports and looks things up, each within a time."""

    def __init__(self, console: Console, store: Store, name: str) -> None:
        now = datetime.now(UTC)
        account = store.account(name) or store.add_account(
            name, Role.ADMIN, at=now, jurisdictions=(), cells=()
        )
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(console)),
            base_url="http://test",
            cookies={COOKIE: store.open_session(account, at=now, hours=1)},
        )

    async def report(self) -> httpx.Response:
        return await self._in_time(self._client.post("/api/reports", json={"text": "smoke"}))

    async def get(self, path: str) -> httpx.Response:
        return await self._in_time(self._client.get(path))

    async def until_taken(self) -> None:
        end = time.monotonic() + AGAIN_S
        while (answer := await self.report()).status_code != 202:
            assert time.monotonic() < end, answer.text
            await asyncio.sleep(0.1)

    async def _in_time(self, asking: object) -> httpx.Response:
        began = time.monotonic()
        answer: httpx.Response = await asking  # type: ignore[misc]
        assert time.monotonic() - began < SAID_WITHIN_S, answer.request.url
        return answer


def is_try_again(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


async def test_a_halted_server(server: ServerProgram, console: Console, store: Store) -> None:
    known, unknown = Phone(console, store, "known"), Phone(console, store, "unknown")
    await known.until_taken()
    server.suspend()
    try:
        # One whose session is believed still, and one who must be looked up.
        answers = await asyncio.gather(known.report(), unknown.report(), unknown.report())
        assert all(map(is_try_again, answers)), answers
        # Many heartbeats of 0.2 s, and readers: none of them may keep the next from its answer.
        answers = await asyncio.gather(*(known.get("/api/incidents") for _ in range(30)))
        assert all(map(is_try_again, answers))
        assert is_try_again(await known.report())
        ready = await known.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["parts"]["database"] is False
        assert 'gridcommand_ready{part="database"} 0.0' in (await known.get("/metrics")).text
        assert console.hub.pipeline.cause == "database"
        end = time.monotonic() + AGAIN_S
        while console.feed.journal_ready:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
    finally:
        server.resume()
    await known.until_taken()
    assert (await known.get("/readyz")).json()["parts"]["database"] is True


async def test_a_locked_inbox(server: ServerProgram, console: Console, store: Store) -> None:
    phone = Phone(console, store, "known")
    await phone.until_taken()
    with psycopg.connect(server.address.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        assert is_try_again(await phone.report())
        # Who doesn't need the inbox doesn't notice.
        assert (await phone.get("/api/incidents")).status_code == 200
        ready = await phone.get("/readyz")
        assert ready.json()["parts"]["database"] is False
        assert is_try_again(await phone.report())
        other.rollback()
    await phone.until_taken()


async def test_a_console_stops_while_its_database_hangs(
    server: ServerProgram, settings: Settings, store: Store
) -> None:
    console = Console(settings, store, CityPack.load(settings.city_path))
    phone = Phone(console, store, "known")
    await phone.until_taken()
    server.suspend()
    try:
        assert is_try_again(await phone.report())
        began = time.monotonic()
        await console.close()
        assert time.monotonic() - began < SAID_WITHIN_S
    finally:
        server.resume()
