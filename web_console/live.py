"""The live channel: a WebSocket server that carries the hub's frames.

For: who may connect, hello and resume, and the policy for slow screens. Not for: what frames say
(:mod:`web_console.frames`). The protocol is written down in ``docs/live-channel.md``.

A console takes ``settings.screens_max`` screens, or as many as its file descriptors bear.

Policy ``drop-and-resume``: a screen whose unsent bytes exceed ``settings.screen_queue`` (on top of
its last snapshot) is closed with code 1013 and comes back with the ``seq`` it has. Nothing is
sent that nobody reads, and one slow phone costs the others nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec
from prometheus_client import Counter
from starlette.requests import cookie_parser
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from models.errors import NewerVersionError, StoreError
from models.settings import Settings
from web_console import frames
from web_console.accounts import COOKIE, Person, SignIn
from web_console.hub import Hub, Room
from web_console.problems import RETRY_AFTER_S
from web_console.views import Viewer

log = logging.getLogger(__name__)

HELLO_WITHIN_S: Final = 5.0
MESSAGE_MAX: Final = 16_384
HELLO_EVERY_S: Final = 0.2
CHECK_SESSION_S: Final = 15.0
CLOSE_WITHIN_S: Final = 2.0

BAD_MESSAGE: Final = 4400
NOT_SIGNED_IN: Final = 4401
NOT_ALLOWED: Final = 4403
NO_HELLO: Final = 4408
TRY_AGAIN: Final = 1013
DROP_AND_RESUME: Final = "drop-and-resume"

Allows = Callable[[Person, str], Awaitable[bool]]
"""Whether a person may watch a jurisdiction, and whether there is such a one."""


class _Hello(msgspec.Struct, tag_field="type", tag="hello"):
    jurisdiction: str
    seq: int | None = None


class _Ping(msgspec.Struct, tag_field="type", tag="ping"):
    at: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Hello | _Ping).decode


SCREENS_DROPPED = Counter(
    "gridcommand_screens_dropped", "Screens that lagged too far and were dropped.", registry=None
)
SCREENS_REFUSED = Counter(
    "gridcommand_screens_refused", "Screens beyond what this console takes.", registry=None
)


class LiveScreen:
    """One connection as a :class:`web_console.hub.Screen`."""

    def __init__(self, connection: ServerConnection, viewer: Viewer, queue_bytes: int) -> None:
        self.viewer = viewer
        self._connection = connection
        self._queue_bytes = queue_bytes
        self._room_for = queue_bytes
        self._closing: asyncio.Task[None] | None = None

    @property
    def gone(self) -> bool:
        """Whether nothing more need be sent."""
        return self._closing is not None or self._connection.transport.is_closing()

    def send(self, frame: bytes) -> None:
        """Hand a frame to the socket; a screen that lags too far is dropped instead."""
        if self.gone:
            return
        unsent = self._connection.transport.get_write_buffer_size()
        if unsent > self._room_for:
            log.info("%s lags %d bytes behind: %s", self.viewer.name, unsent, DROP_AND_RESUME)
            SCREENS_DROPPED.inc()
            self._closing = asyncio.create_task(self._drop())
            return
        if unsent == 0:
            self._room_for = self._queue_bytes
        broadcast((self._connection,), frame, text=True)

    def send_whole(self, frame: bytes) -> None:
        """Hand over a frame of any size; the limit counts from behind it."""
        self._room_for = self._queue_bytes + len(frame)
        broadcast((self._connection,), frame, text=True)

    async def _drop(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._connection.close(TRY_AGAIN, DROP_AND_RESUME)


class LiveChannel:
    """The server of the live channel.

    Parameters
    ----------
    settings
        ``web_host``, ``live``, ``web_port``, ``screen_queue``, ``live_public_url`` are read.
    allows
        Asked at each hello.

    Attributes
    ----------
    listening
        Whether the server is up.
    queue_bytes
        How far a screen may lag, in bytes.
    screens_max
        Connections taken at a time; beyond, the handshake is answered with 503.
    """

    def __init__(self, settings: Settings, hub: Hub, sign_in: SignIn, allows: Allows) -> None:
        self._settings = settings
        self._hub = hub
        self._sign_in = sign_in
        self._allows = allows
        self.listening = False
        self.queue_bytes = settings.screen_queue
        self.screens_max = settings.screens_max
        self._screens = 0

    async def start(self, **listening: object) -> Server:
        """Start listening; ``sock`` or ``host`` and ``port`` go to asyncio."""
        server = await serve(
            self._handle,
            compression=None,
            process_request=self._check,
            max_size=MESSAGE_MAX,
            close_timeout=CLOSE_WITHIN_S,
            server_header=None,
            **listening,  # type: ignore[arg-type]
        )
        self.listening = True
        return server

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_ours(origin, request.headers.get("Host", "")):
            log.warning("live channel refused to a page from %s", origin)
            return connection.respond(HTTPStatus.FORBIDDEN, "the page is from another site\n")
        if self._screens >= self.screens_max:
            SCREENS_REFUSED.inc()
            answer = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many screens\n")
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
            return answer
        return None

    def _is_ours(self, origin: str, host: str) -> bool:
        try:
            theirs, ours = urlsplit(origin), urlsplit(f"//{host}")
            public = urlsplit(self._settings.live_public_url)
            if theirs.hostname is None:
                return False
            if self._settings.live_public_url:
                return theirs.hostname == public.hostname
            same_host = theirs.hostname == ours.hostname
            return same_host and theirs.port in (self._settings.web_port, ours.port)
        except ValueError:
            return False

    async def _handle(self, connection: ServerConnection) -> None:
        self._screens += 1
        try:
            await self._serve(connection)
        except ConnectionClosed:
            return
        except NewerVersionError as error:
            log.warning("live channel: %s", error)
            await _refuse(connection, TRY_AGAIN, "this console is older than the desk; try another")
        except StoreError as error:
            log.warning("live channel: %s", error)
            await _refuse(connection, TRY_AGAIN, "the database is away; try again")
        finally:
            self._screens -= 1

    async def _serve(self, connection: ServerConnection) -> None:
        token = _token(connection)
        person = await self._sign_in.person(token)
        if person is None:
            await _refuse(connection, NOT_SIGNED_IN, "not signed in")
            return
        screen = LiveScreen(connection, person.viewer, self.queue_bytes)
        checking = asyncio.create_task(self._check_session(connection, token))
        room: Room | None = None
        try:
            while True:
                message = await _next(connection, HELLO_WITHIN_S if room is None else None)
                if message is None:
                    return
                if isinstance(message, _Hello):
                    if not await self._allows(person, message.jurisdiction):
                        await _refuse(connection, NOT_ALLOWED, "not your jurisdiction")
                        return
                    joined = await self._hub.room(message.jurisdiction)
                    if room is not None:
                        room.leave(screen)
                    joined.join(screen, message.seq)
                    room = joined
                    # A confused page must not make us send snapshots without end.
                    await asyncio.sleep(HELLO_EVERY_S)
                elif room is not None:
                    screen.send(room.heartbeat(self._hub.pipeline_of(room)))
        finally:
            checking.cancel()
            if room is not None:
                room.leave(screen)

    async def _check_session(self, connection: ServerConnection, token: str) -> None:
        while True:
            await asyncio.sleep(CHECK_SESSION_S)
            try:
                if await self._sign_in.person(token) is None:
                    await _refuse(connection, NOT_SIGNED_IN, "the sign-in has ended")
                    return
            except StoreError:
                continue


async def _next(connection: ServerConnection, within_s: float | None) -> _Hello | _Ping | None:
    try:
        async with asyncio.timeout(within_s):
            raw = await connection.recv()
    except TimeoutError:
        await _refuse(connection, NO_HELLO, f"no hello within {HELLO_WITHIN_S:g} s")
        return None
    try:
        message: _Hello | _Ping = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        await _refuse(connection, BAD_MESSAGE, f"this can't be read: {error}"[:100])
        return None
    return message


async def _refuse(connection: ServerConnection, code: int, message: str) -> None:
    with contextlib.suppress(ConnectionClosed):
        await connection.send(frames.error(code, message), text=True)
        await connection.close(code, message)


def _token(connection: ServerConnection) -> str:
    request = connection.request
    header = request.headers.get("Cookie", "") if request is not None else ""
    # Not http.cookies: one malformed cookie of another program on this host would sign us out.
    return cookie_parser(header).get(COOKIE, "")
