"""The real console with the real desk behind it, in one process without a broker, and a browser.

What a broker carries between the stages is handed over here by hand: inbox, classify, desk,
journal. The console follows the journal, as it does whenever a broker is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# Its pytest plugin imports it at the very end otherwise, and Python 3.11 can't compile a module
# after Playwright's greenlets ("AST constructor recursion depth mismatch").
import hypothesis  # noqa: F401
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from dispatch.roads import RoadGraph
from models.city import CityPack
from models.events import ReportReceived, decode
from models.registers import Drill
from models.settings import CHECKOUT, Settings
from models.store import open_store
from models.words import Role
from playbooks.engine import PlaybookSet
from streams.agents import classified_event
from streams.desk_shell import DeskShell
from web_console.accounts import make_sign_in_link
from web_console.server import run_console

HOME = "us-ca-sf"
DRILL = "us-ca-sf.exercise"
PASSWORD = "correct horse battery staple"
BROWSER_ARGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
POLL_S = 0.02


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Town:
    """San Francisco on this machine: console, desk and what lies between, on one thread's loop."""

    def __init__(self, path: Path) -> None:
        self.settings = Settings(
            data_dir=path, web_port=free_port(), live_port=free_port(), heartbeat_s=0.3
        )
        self.url = f"http://127.0.0.1:{self.settings.web_port}"
        self.store = open_store(self.settings)
        self.store.migrate()
        self._pack = CityPack.load(self.settings.city_path)
        plans = CHECKOUT / "playbooks" / "plans" / "san_francisco"
        self._plans = PlaybookSet.load(plans)
        self._roads = RoadGraph.load(self._pack)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stop: asyncio.Event | None = None
        self._console: Future[None] | None = None
        self._pump: Future[None] | None = None
        self._closing = threading.Event()

    def start(self) -> None:
        """Open the desks and the doors."""
        # Some time ago, so that what is said before it arrives has a time of the drill's.
        now = datetime.now(UTC) - timedelta(hours=1)
        self.store.put_drill(
            Drill(
                jurisdiction=DRILL,
                name="pages",
                recording="",
                recording_sha256="",
                speed=1.0,
                anchor_sim=now,
                anchor_wall=now,
                updated_at=now,
            )
        )
        self._thread.start()
        opened = threading.Event()
        self._pump = asyncio.run_coroutine_threadsafe(self._carry(opened), self._loop)
        assert opened.wait(60)
        self.open_console()

    def stop(self) -> None:
        """Close everything."""
        self.close_console()
        assert self._pump is not None
        self._closing.set()
        self._pump.result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self.store.close()

    def open_console(self) -> None:
        """Start the console and wait until it answers."""
        self._stop = asyncio.Event()
        self._console = asyncio.run_coroutine_threadsafe(
            run_console(self.settings, self._stop), self._loop
        )
        for port in (self.settings.web_port, self.settings.live):
            while True:
                if self._console.done():
                    self._console.result()
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break

    def close_console(self) -> None:
        """Stop the console; the desk goes on."""
        assert self._stop is not None
        assert self._console is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._console.result(20)

    def link(self, name: str, role: Role, *jurisdictions: str) -> str:
        """Return a one-time sign-in link."""
        cells = [cell.code for cell in self._pack.cells]  # so that each task is somebody's
        return make_sign_in_link(self.store, self.settings, name, role, jurisdictions, cells)

    async def _carry(self, opened: threading.Event) -> None:
        async def nobody_listens(jurisdiction: str, events: list[bytes]) -> None:
            """Screens follow the journal."""

        desk = DeskShell(
            self.settings, self.store, self._pack, self._plans, self._roads, nobody_listens
        )
        try:
            await desk.open(HOME)
            await desk.open(DRILL)
            opened.set()
            seen = 0
            while not self._closing.is_set():
                for row in await asyncio.to_thread(self.store.unfinished_after, seen, 100):
                    event = decode(row.body)
                    if isinstance(event.data, ReportReceived):
                        event = classified_event(event, self._pack)
                    await desk.handle(row.jurisdiction, [event])
                    seen = row.id
                await asyncio.sleep(POLL_S)
        finally:
            await desk.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, chromium_path: Path) -> Iterator[Town]:
    """One town for a module's tests; each test makes incidents of its own in it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("GRIDCOMMAND_"):
                patch.delenv(name)
        made = Town(tmp_path_factory.mktemp("town"))
        made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser(chromium_path: Path) -> Iterator[Browser]:
    """A headless Chromium that draws WebGL in software.

    As long as it is there an event loop runs, and no other module's tests can have theirs.
    """
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(chromium_path), args=BROWSER_ARGS)
        yield made
        made.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, town: Town) -> Iterator[OpenPage]:
    """Open a page as somebody; an error in its console fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def make(
        name: str,
        role: Role,
        *,
        size: tuple[int, int] = (1440, 900),
        lang: str = "en",
        theme: str = "dark",
        path: str = "",
        **options: Any,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale="zh-CN" if lang == "zh" else "en-US",
            permissions=["geolocation"],
            geolocation={"latitude": 37.7749, "longitude": -122.4194, "accuracy": 12},
            reduced_motion="reduce",
            **options,
        )
        context.add_init_script(
            f"localStorage.setItem('gridcommand.lang', '{lang}');"
            f"localStorage.setItem('gridcommand.theme', '{theme}');"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text)
                if message.type == "error" and "Content Security" in message.text
                else None
            ),
        )
        page.goto(town.link(name, role, DRILL))
        page.wait_for_url(re.compile(rf"^{re.escape(town.url)}/(field)?$"))
        if path:
            page.goto(f"{town.url}{path}")
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots are left as build artefacts."""
    path = CHECKOUT / "build" / "screenshots"
    path.mkdir(parents=True, exist_ok=True)
    return path
