"""A PostgreSQL that hangs, halted or locked: intake says 503 in time, and nothing piles up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from gridcommand.rehearsal.servers import ServerProgram, postgresql
from gridcommand.rehearsal.yardstick import slowness
from models.city import CityPack
from models.settings import Settings
from models.store import Store, open_store
from models.words import Role
from tests.waiting import HANG_S, until, until_async
from web_console.accounts import COOKIE
from web_console.app import create_app
from web_console.asking import ANSWER_WITHIN_S
from web_console.console import Console

pytestmark = pytest.mark.servers

SAID_WITHIN_S = 3.0


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
    """A console whose feed runs, with the time limits of life."""
    console = Console(settings, store, CityPack.load(settings.city_path))
    feeding = asyncio.create_task(console.feed.run())
    yield console
    assert not feeding.done(), feeding.exception()
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    await console.close()


class Phone:
    """Files reports and looks things up.

    Attributes
    ----------
    longest_s
        How long the slowest answer took.
    """

    def __init__(self, console: Console, store: Store, name: str) -> None:
        now = datetime.now(UTC)
        account = store.account(name) or store.add_account(
            name, Role.ADMIN, at=now, jurisdictions=("*",), cells=()
        )
        self.longest_s = 0.0
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(console)),
            base_url="http://test",
            cookies={COOKIE: store.open_session(account, at=now, hours=1)},
        )

    async def report(self) -> httpx.Response:
        return await self._answer(self._client.post("/api/reports", json={"text": "smoke"}))

    async def get(self, path: str) -> httpx.Response:
        return await self._answer(self._client.get(path))

    async def until_taken(self) -> None:
        """Report again and again, as a phone does that is told to."""

        async def is_taken() -> bool:
            return (await self.report()).status_code == 202

        await until_async(is_taken)

    async def until_seen(self, path: str) -> None:
        """Look something up again and again, as a page does that is told to."""

        async def is_seen() -> bool:
            return (await self.get(path)).status_code == 200

        await until_async(is_seen)

    async def _answer(self, asking: Awaitable[httpx.Response]) -> httpx.Response:
        began = time.monotonic()
        async with asyncio.timeout(HANG_S):
            answer = await asking
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        return answer


def is_try_again(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


async def meet_a_halted_server(server: ServerProgram, console: Console, store: Store) -> float:
    """Have phones ask while the server is halted; return how long the slowest answer took."""
    known, unknown = Phone(console, store, "known"), Phone(console, store, "unknown")
    await known.until_taken()
    known.longest_s = 0.0
    server.suspend()
    try:
        # One whose session is believed still, and one who must be looked up.
        answers = await asyncio.gather(known.report(), unknown.report(), unknown.report())
        assert [is_try_again(one) for one in answers] == [True] * 3
        # Many heartbeats of 0.2 s, and readers: none of them may keep the next from its answer.
        looked_up = await asyncio.gather(*(known.get("/api/incidents") for _ in range(30)))
        assert [is_try_again(one) for one in looked_up] == [True] * 30
        assert is_try_again(await known.report())
        ready = await known.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["parts"]["database"] is False
        assert 'gridcommand_ready{part="database"} 0.0' in (await known.get("/metrics")).text
        assert console.hub.pipelines[False].cause == "database"
        await until(lambda: not console.feed.journal_ready)
        longest_s = max(known.longest_s, unknown.longest_s)
    finally:
        server.resume()
    await known.until_taken()
    await known.until_seen("/api/incidents")

    async def is_ready() -> bool:
        parts: dict[str, bool] = (await known.get("/readyz")).json()["parts"]
        return parts["database"]

    await until_async(is_ready)
    return longest_s


async def meet_a_locked_inbox(server: ServerProgram, console: Console, store: Store) -> float:
    """Have a phone ask while the inbox is locked; return how long the slowest answer took."""
    phone = Phone(console, store, "known")
    await phone.until_taken()
    phone.longest_s = 0.0
    with psycopg.connect(server.address.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        assert is_try_again(await phone.report())
        # Who doesn't need the inbox doesn't notice.
        await phone.until_seen("/api/incidents")
        ready = await phone.get("/readyz")
        assert ready.json()["parts"]["database"] is False
        assert is_try_again(await phone.report())
        longest_s = phone.longest_s
        other.rollback()
    await phone.until_taken()
    return longest_s


async def test_a_halted_server(server: ServerProgram, console: Console, store: Store) -> None:
    await meet_a_halted_server(server, console, store)


async def test_a_locked_inbox(server: ServerProgram, console: Console, store: Store) -> None:
    await meet_a_locked_inbox(server, console, store)


@pytest.mark.timely
async def test_answers_come_in_time_whatever_the_database_does(
    server: ServerProgram, console: Console, store: Store
) -> None:
    halted_s = await meet_a_halted_server(server, console, store)
    locked_s = await meet_a_locked_inbox(server, console, store)
    assert max(halted_s, locked_s) < SAID_WITHIN_S * slowness()


async def stop_while_the_server_hangs(
    server: ServerProgram, settings: Settings, store: Store
) -> float:
    """Stop a console whose server is halted; return how long that took."""
    console = Console(settings, store, CityPack.load(settings.city_path))
    phone = Phone(console, store, "known")
    await phone.until_taken()
    server.suspend()
    try:
        assert is_try_again(await phone.report())
        began = time.monotonic()
        async with asyncio.timeout(HANG_S):
            await console.close()
        return time.monotonic() - began
    finally:
        server.resume()


async def test_a_console_stops_while_its_database_hangs(
    server: ServerProgram, settings: Settings, store: Store
) -> None:
    await stop_while_the_server_hangs(server, settings, store)


@pytest.mark.timely
async def test_a_console_stops_in_time_while_its_database_hangs(
    server: ServerProgram, settings: Settings, store: Store
) -> None:
    took_s = await stop_while_the_server_hangs(server, settings, store)
    assert took_s < SAID_WITHIN_S * slowness()
