"""The console process: pages, API and live channel on one event loop.

For: ``gridcommand console``. Opens both ports before anything else, so that a port in use is said
in one sentence; stops within two seconds when told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

import uvicorn

from models import tracing
from models.city import CityPack
from models.errors import GridcommandError
from models.settings import Settings
from models.store import open_store
from web_console.app import create_app
from web_console.asking import ANSWER_WITHIN_S
from web_console.console import Console
from web_console.descriptors import screens_borne
from web_console.readings import RuleUnits, no_rules
from web_console.roads import roads_file

log = logging.getLogger(__name__)

STOP_WITHIN_S = 2


class ConsoleError(GridcommandError):
    """The console can't run; the message says what to do."""


async def run_console(
    settings: Settings,
    stop: asyncio.Event,
    on_ready: Callable[[], None] | None = None,
    rule_units: RuleUnits = no_rules,
) -> None:
    """Run until ``stop`` is set.

    Parameters
    ----------
    rule_units
        In which units sense looks for alarms.
    on_ready
        Called once, when pages and channel are there and the journals were read.

    Raises
    ------
    ConsoleError
        A port is in use.
    CityPackError
        The city pack can't be used.
    """
    # Its warnings repeat with every try; the feed says once that the broker is away.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        pages = stack.enter_context(_listen(settings.web_host, settings.web_port, "WEB_PORT"))
        live = stack.enter_context(_listen(settings.web_host, settings.live, "LIVE_PORT"))
        store = stack.enter_context(
            contextlib.closing(open_store(settings, answer_within_s=ANSWER_WITHIN_S))
        )
        tracing.start(settings.otlp_endpoint, "gridcommand-console", settings.trace_share)
        stack.callback(tracing.stop)
        pack = await asyncio.to_thread(CityPack.load, settings.city_path)
        await _run(Console(settings, store, pack, rule_units), pages, live, stop, on_ready)


async def _run(
    console: Console,
    pages: socket.socket,
    live: socket.socket,
    stop: asyncio.Event,
    on_ready: Callable[[], None] | None,
) -> None:
    settings = console.settings
    console.live.screens_max = screens_borne(settings.screens_max)
    server = _Server(
        uvicorn.Config(
            create_app(console),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    )
    feed = asyncio.create_task(console.feed.run())
    drawing = asyncio.create_task(asyncio.to_thread(roads_file, console.pack, settings.data_dir))
    channel = await console.live.start(sock=live)
    serving = asyncio.create_task(server.serve(sockets=[pages]))
    stopping = asyncio.create_task(stop.wait())
    ready = asyncio.create_task(_say_ready(console, on_ready))
    log.info(
        "pages on http://%s:%d, live on %d", settings.web_host, settings.web_port, settings.live
    )
    try:
        done, _ = await asyncio.wait({feed, serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*done)
    finally:
        console.live.listening = False
        server.should_exit = True
        channel.close()
        beside = (feed, stopping, drawing, ready)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await asyncio.gather(serving, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(channel.wait_closed(), STOP_WITHIN_S)
        await console.close()
        log.info("console stopped")


async def _say_ready(console: Console, on_ready: Callable[[], None] | None) -> None:
    await console.feed.has_begun.wait()
    if on_ready is not None:
        on_ready()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def] # uvicorn's own is a generator too
        """Leave signals to the process that runs us."""
        yield


def _listen(host: str, port: int, key: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay (40 ms an answer) off only then.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
        listening.setblocking(False)
        return listening
    except OSError as error:
        listening.close()
        raise ConsoleError(
            f"can't listen on {host}:{port} ({error.strerror}); stop what uses the port, or set "
            f"GRIDCOMMAND_{key} to another"
        ) from error
