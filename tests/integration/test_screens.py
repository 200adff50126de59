"""A thousand screens, fifty that never read and fifty that come and go, on one console under load.

The clients share one process and, on a machine of two cores, one core: so each looks only at
``from`` and ``seq`` of what comes, and one whole screen at what it says. A report changes a
thousand screens: such a machine carries 50 a second with these clients beside 2,000 readings/s (a
decision is owed for 0.1 s at most), and not the 200/s of the other plugs.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import aiohttp
import pytest

from gridcommand.rehearsal.system import OwnSystem, running_system
from models.words import Role
from tests.flow import HOME, Load, sending, until
from tests.waiting import HANG_S
from web_console.accounts import COOKIE

pytestmark = pytest.mark.broker
SCREENS, SILENT, FICKLE = 1000, 50, 50
LOAD = Load(50.0, 2000.0)
SECONDS = 15.0
STAYS_S = 1.0
AT_ONCE = 50
QUEUE = 200_000
"""How far a screen may lag here, in bytes, so that the silent ones do within the test."""
WAKE_UP = 10
"""Of the silent: they begin to read when the first were dropped, and hear why."""
NEARLY_ALL_S = 1.0
"""After the first: within it the others lag as far, and are not yet cut off (2 s)."""
GROWS_BY_MB = 60.0
"""For a thousand connections and what fifty may lag: a fifth of it is the lag."""
CAUGHT_UP_S = 15.0
TRY_AGAIN = 1013
SEGMENT = 536
FEW_BYTES = 4096
"""A silent screen's own buffers are small, so that what it doesn't read waits at the console."""

_FROM_SEQ = re.compile(rb'"from":(\d+),"seq":(\d+)')
_SEQ = re.compile(rb'"seq":(\d+)')
_TEXT, _CLOSE, _PING = 1, 8, 9


class Client(asyncio.Protocol):
    """A screen that follows ``seq`` and looks at nothing else; as cheap as can be.

    Attributes
    ----------
    seq
        The last that it has.
    gaps
        Deltas that didn't follow on what it had.
    closed_with
        Close code that the console sent.
    """

    def __init__(self, request: bytes, hello: bytes) -> None:
        self._request = request
        self._hello = hello
        self._buffer = bytearray()
        self._is_open = False
        self.transport: asyncio.Transport | None = None
        self.seq = 0
        self.snapshots = 0
        self.gaps = 0
        self.closed_with = 0
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the live channel."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take whole frames off what has come."""
        buffer = self._buffer
        buffer += data
        if not self._is_open:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert buffer.startswith(b"HTTP/1.1 101"), bytes(buffer[:100])
            del buffer[: end + 4]
            self._is_open = True
            self._write(_TEXT, self._hello)
        start = 0
        while (found := _frame(buffer, start)) is not None:
            kind, begin, start = found
            self._take(kind, buffer, begin, start)
        del buffer[:start]

    def connection_lost(self, error: Exception | None) -> None:
        """Note that it is over."""
        self.ended = True

    def ignore(self) -> None:
        """Read nothing any more."""
        assert self.transport is not None
        self.transport.pause_reading()

    def listen(self) -> None:
        """Read what waits, and on."""
        assert self.transport is not None
        self.transport.resume_reading()

    def leave(self) -> None:
        """End the connection without a word."""
        assert self.transport is not None
        self.transport.abort()

    def _take(self, kind: int, buffer: bytearray, begin: int, end: int) -> None:
        if kind == _PING:
            self._write(10, bytes(buffer[begin:end]))
        elif kind == _CLOSE:
            self.closed_with = int.from_bytes(buffer[begin : begin + 2], "big")
        elif kind == _TEXT and buffer.startswith(b'{"type":"delta"', begin):
            found = _FROM_SEQ.search(buffer, begin, begin + 80)
            assert found is not None
            self.gaps += int(found[1]) != self.seq
            self.seq = int(found[2])
        elif kind == _TEXT and buffer.startswith(b'{"type":"snapshot"', begin):
            found = _SEQ.search(buffer, begin, begin + 200)
            assert found is not None
            self.seq = int(found[1])
            self.snapshots += 1

    def _write(self, kind: int, content: bytes) -> None:
        # Masked with zeros: what a client sends must be masked.
        assert self.transport is not None
        assert len(content) < 126
        self.transport.write(bytes((0x80 | kind, 0x80 | len(content), 0, 0, 0, 0)) + content)


def _frame(buffer: bytearray, start: int) -> tuple[int, int, int] | None:
    """Kind, begin and end of the frame at ``start``; None while it isn't whole."""
    if len(buffer) < start + 2:
        return None
    size, begin = buffer[start + 1], start + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        begin += width
        if len(buffer) < begin:
            return None
        size = int.from_bytes(buffer[begin - width : begin], "big")
    return None if len(buffer) < begin + size else (buffer[start] & 15, begin, begin + size)


class Crowd:
    """Connects clients to a system's console."""

    def __init__(self, system: OwnSystem) -> None:
        self._token = system.session(Role.COMMANDER)
        self._origin = system.base_url
        self._address = ("127.0.0.1", system.settings.live)
        self._room = asyncio.Semaphore(AT_ONCE)
        key = base64.b64encode(os.urandom(16)).decode()
        host = urlsplit(system.base_url).hostname
        self._request = (
            f"GET / HTTP/1.1\r\nHost: {host}:{system.settings.live}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Origin: {self._origin}\r\nCookie: {COOKIE}={self._token}\r\n\r\n"
        ).encode()
        self._hello = f'{{"type":"hello","jurisdiction":"{HOME}","seq":null}}'.encode()

    async def join(self, *, small: bool = False) -> Client:
        """Connect one and return it once it has its snapshot."""
        async with self._room:
            loop = asyncio.get_running_loop()
            connection = socket.socket()
            if small:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FEW_BYTES)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
            connection.setblocking(False)
            await loop.sock_connect(connection, self._address)
            _, client = await loop.create_connection(
                lambda: Client(self._request, self._hello), sock=connection
            )
            async with asyncio.timeout(HANG_S):
                while not client.snapshots:
                    assert not client.ended
                    await asyncio.sleep(0.01)
            return client

    async def come_and_go(self) -> None:
        """Watch for a while and leave without a word, until cancelled."""
        while True:
            client = await self.join()
            await asyncio.sleep(STAYS_S)
            client.leave()


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnSystem]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * (SCREENS + SILENT + FICKLE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, wanted), hard), hard))
    try:
        with running_system(
            tmp_path_factory.mktemp("screens") / "var",
            environment={"GRIDCOMMAND_SCREEN_QUEUE": str(QUEUE)},
        ) as system:
            yield system
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.asynccontextmanager
async def coming_and_going(crowd: Crowd) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(crowd.come_and_go()) for _ in range(FICKLE)]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_thousand_screens_get_everything_beside_some_that_never_read(
    crowded: OwnSystem,
) -> None:
    console = crowded.child("console")
    before_mb = console.memory_info().rss / 1e6
    crowd = Crowd(crowded)
    screens = await asyncio.gather(*(crowd.join() for _ in range(SCREENS)))
    silent = await asyncio.gather(*(crowd.join(small=True) for _ in range(SILENT)))
    for one in silent:
        one.ignore()
    most_mb = 0.0
    async with coming_and_going(crowd) as fickle, sending(crowded, SECONDS, load=LOAD) as flow:
        while await _dropped(crowded) == 0:
            most_mb = max(most_mb, console.memory_info().rss / 1e6)
            await asyncio.sleep(0.1)
        await asyncio.sleep(NEARLY_ALL_S)
        woken, asleep = silent[:WAKE_UP], silent[WAKE_UP:]
        for one in woken:
            one.listen()
        async with asyncio.timeout(HANG_S):
            while await _dropped(crowded) < len(asleep):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        most_mb = max(most_mb, console.memory_info().rss / 1e6)
        assert not any(task.done() for task in fickle), "who comes and goes is let in each time"
    for one in asleep:
        one.listen()
    await until(lambda: all(one.ended for one in asleep))
    told = [one.closed_with for one in woken if one.ended]
    assert told
    assert set(told) == {TRY_AGAIN}
    head = flow.screen.seq or 0
    last = time.monotonic()
    await until(lambda: min(one.seq for one in screens) >= head)
    assert time.monotonic() - last < CAUGHT_UP_S * flow.slow
    assert not any(one.ended or one.gaps for one in screens)
    assert {one.snapshots for one in screens} == {1}
    most_mb = max(most_mb, console.memory_info().rss / 1e6)
    assert most_mb - before_mb < GROWS_BY_MB
    for one in screens:
        one.leave()


async def _dropped(system: OwnSystem) -> int:
    async with (
        aiohttp.ClientSession(system.base_url) as client,
        client.get("/metrics") as answer,
    ):
        text = await answer.text()
    found = re.search(r"^gridcommand_screens_dropped_total (\S+)$", text, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))
