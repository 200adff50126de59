"""The real console with the real desk behind it, in one process without a broker, and a browser.

What a broker carries between the stages is handed over here by hand: inbox, classify, desk,
journal. The console follows the journal, as it does whenever a broker is away.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import os
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

# Its pytest plugin imports it at the very end otherwise, and Python 3.11 can't compile a module
# after Playwright's greenlets ("AST constructor recursion depth mismatch").
import hypothesis  # noqa: F401
import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from models.city import CityPack, UnitSpec
from models.events import Event, ReportReceived, decode, encode
from models.inbox import InboxRow
from models.registers import Drill
from models.settings import CHECKOUT, Settings
from models.situation import Incident
from models.store import open_store
from models.topics import REPORTS, topic_for
from models.words import EXERCISE_MARK, Channel, Role
from playbooks.engine import PlaybookSet
from streams.agents import classified_event
from streams.broker import free_port
from streams.desk_shell import DeskShell
from tests.templates import sqlite_database
from tests.waiting import HANG_S, until_now
from tests.web_console.patience import only_patient_consoles
from web_console.accounts import make_sign_in_link
from web_console.roads import roads_file
from web_console.server import run_console

PASSWORD = "correct horse battery staple"
BROWSER_ARGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    # WebGL alone is drawn by SwiftShader: the rest takes a tenth of the time without it.
    "--disable-gpu-compositing",
    "--disable-gpu-rasterization",
]
POLL_S = 0.05
# A map is drawn in software here, for longer than all the rest of a page takes.
WITHOUT_WEBGL = """const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...options) {
  return kind.startsWith('webgl') ? null : get.call(this, kind, ...options);
};"""
MAIN_STREETS = {"freeway", "motorway", "highway", "trunk", "ramp", "arterial", "primary"}


class Prepared(NamedTuple):
    """A city, read once a process.

    Attributes
    ----------
    cache
        A data folder's cache: what travel times need, and main streets alone for the map.
    """

    city: str
    pack: CityPack
    plans: PlaybookSet
    roads: RoadGraph
    cache: Path


@pytest.fixture(scope="session")
def prepare(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """Make cities ready, as all towns use them."""

    @functools.cache
    def ready(city: str) -> Prepared:
        folder = tmp_path_factory.mktemp(f"prepared-{city}")
        settings = Settings(data_dir=folder, city=city)
        pack = CityPack.load(settings.city_path)
        roads = RoadGraph.load(pack)
        TravelTimes.of_pack(roads, pack, cache_dir=folder / "cache")
        keep_main_streets(roads_file(pack, folder))
        plans = PlaybookSet.load(settings.plans_dir)
        return Prepared(city, pack, plans, roads, folder / "cache")

    return ready


def keep_main_streets(path: Path) -> None:
    """Leave the other streets out of the map's file: a page draws them for seconds."""
    drawn = json.loads(gzip.decompress(path.read_bytes()))
    drawn["features"] = [
        street for street in drawn["features"] if street["properties"]["class"] in MAIN_STREETS
    ]
    assert drawn["features"]
    path.write_bytes(gzip.compress(json.dumps(drawn).encode(), 1))


class Town:
    """A city on this machine: console, desk and what lies between, on one thread's loop.

    Attributes
    ----------
    home, drill
        Its jurisdiction, and the one of its exercise.
    """

    def __init__(self, path: Path, prepared: Prepared) -> None:
        self.settings = Settings(
            data_dir=path,
            city=prepared.city,
            web_port=free_port(),
            live_port=free_port(),
            heartbeat_s=1.0,
        )
        self.home = prepared.pack.jurisdiction
        self.drill = f"{self.home}{EXERCISE_MARK}"
        self.url = f"http://127.0.0.1:{self.settings.web_port}"
        sqlite_database(path / "gridcommand.db")
        shutil.copytree(prepared.cache, path / "cache")
        self.store = open_store(self.settings)
        self._prepared = prepared
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
                jurisdiction=self.drill,
                name="pages",
                recording="",
                recording_sha256="",
                speed=1.0,
                anchor_sim=now,
                anchor_wall=now,
                # A driver's sign of life that holds for as long as the tests.
                updated_at=now + timedelta(days=1),
            )
        )
        self._thread.start()
        opened = threading.Event()
        self._pump = asyncio.run_coroutine_threadsafe(self._carry(opened), self._loop)
        _wait(opened, self._pump)
        self.open_console()

    def stop(self) -> None:
        """Close everything."""
        self.close_console()
        assert self._pump is not None
        self._closing.set()
        self._pump.result(HANG_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(HANG_S)
        assert not self._thread.is_alive()
        self.store.close()

    def open_console(self) -> None:
        """Start the console and wait until it is ready."""
        self._stop = asyncio.Event()
        ready = threading.Event()
        self._console = asyncio.run_coroutine_threadsafe(
            run_console(self.settings, self._stop, ready.set), self._loop
        )
        _wait(ready, self._console)

    def close_console(self) -> None:
        """Stop the console; the desk goes on."""
        assert self._stop is not None
        assert self._console is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._console.result(HANG_S)

    def link(self, name: str, role: Role, *jurisdictions: str) -> str:
        """Return a one-time sign-in link."""
        # So that each task is somebody's.
        cells = [cell.code for cell in self._prepared.pack.cells]
        return make_sign_in_link(
            self.store, self.settings, name, role, jurisdictions or ("*",), cells
        )

    def file(self, text: str) -> None:
        """Write a worker's report from the middle of the city into the inbox, as intake does."""
        now = datetime.now(UTC)
        lon, lat = self.pack.center
        event = Event(
            id=str(uuid.uuid4()),
            source="/intake/pages",
            time=now,
            jurisdiction=self.drill,
            exercise=True,
            data=ReportReceived(
                channel=Channel.WORKER, received_at=now, text=text, lon=lon, lat=lat
            ),
        )
        row = InboxRow(
            event_id=event.id,
            jurisdiction=self.drill,
            topic=topic_for(REPORTS, exercise=True),
            key=self.drill,
            body=encode(event),
            received_at=now,
            exercise=True,
        )
        self.store.put([row])

    def incident(self, text: str) -> Incident:
        """Return what a desk made of a report, of the drill or live, once it has decided."""
        until_now(lambda: self._incidents(text))
        (found,) = self._incidents(text)
        return found

    @property
    def pack(self) -> CityPack:
        """The city."""
        return self._prepared.pack

    def unit(self, shown: str) -> UnitSpec:
        """Return the unit that screens call so."""
        return next(one for one in self.pack.units if shown in (one.call_sign, one.id))

    def _incidents(self, text: str) -> list[Incident]:
        incidents = [
            msgspec.json.decode(document, type=Incident)
            for jurisdiction in (self.drill, self.home)
            for document in self.store.find_incidents(jurisdiction, limit=500)
        ]
        return [one for one in incidents if text in "\n".join((one.text, *one.texts))]

    async def _carry(self, opened: threading.Event) -> None:
        async def nobody_listens(jurisdiction: str, events: list[bytes]) -> None:
            """Screens follow the journal."""

        _, pack, plans, roads, _ = self._prepared
        desk = DeskShell(self.settings, self.store, pack, plans, roads, nobody_listens)
        try:
            await desk.open(self.home)
            await desk.open(self.drill)
            opened.set()
            seen = 0
            while not self._closing.is_set():
                for row in await asyncio.to_thread(self.store.unfinished_after, seen, 100):
                    event = decode(row.body)
                    if isinstance(event.data, ReportReceived):
                        event = classified_event(event, pack)
                    await desk.handle(row.jurisdiction, [event])
                    seen = row.id
                await asyncio.sleep(POLL_S)
        finally:
            await desk.close()


def _wait(ready: threading.Event, running: Future[None]) -> None:
    """Wait until what runs is ready; raise what it ended with."""
    running.add_done_callback(lambda _: ready.set())
    assert ready.wait(HANG_S)
    if running.done():
        running.result()


@pytest.fixture(scope="module")
def has_all_streets() -> bool:
    """Whether maps have small streets too; a module whose pictures show them says so."""
    return False


@pytest.fixture(scope="module")
def city() -> str:
    """Which city it is; a module on another one says so."""
    return "san_francisco"


@pytest.fixture(scope="module")
def town(
    tmp_path_factory: pytest.TempPathFactory,
    prepare: Callable[[str], Prepared],
    city: str,
    has_all_streets: bool,
) -> Iterator[Town]:
    """One town for a module's tests; each test makes incidents of its own in it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("GRIDCOMMAND_"):
                patch.delenv(name)
        only_patient_consoles(patch)
        made = Town(tmp_path_factory.mktemp("town"), prepare(city))
        if has_all_streets:
            for thinned in (made.settings.data_dir / "cache").glob("roads-*"):
                thinned.unlink()
        made.start()
        yield made
        made.stop()


@pytest.fixture(scope="module")
def browser(chromium_path: Path) -> Iterator[Browser]:
    """A headless Chromium that draws WebGL in software.

    As long as it is there an event loop runs, and no other module's tests can have theirs.
    """
    expect.set_options(timeout=HANG_S * 1000)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(chromium_path), args=BROWSER_ARGS)
        yield made
        made.close()


NewPage = Callable[..., Page]
OpenPage = Callable[..., Page]


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Make a page of a browser of its own; an error in its console fails the test.

    A test that looks at the map says ``draws_map``: elsewhere it is a machine without WebGL.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def make(
        *,
        size: tuple[int, int] = (1440, 900),
        lang: str = "en",
        theme: str = "dark",
        at: tuple[float, float] = (-122.4194, 37.7749),
        draws_map: bool = False,
        **options: Any,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale="zh-CN" if lang == "zh" else "en-US",
            permissions=["geolocation"],
            geolocation={"longitude": at[0], "latitude": at[1], "accuracy": 12},
            reduced_motion="reduce",
            **options,
        )
        context.add_init_script(
            f"localStorage.setItem('gridcommand.lang', '{lang}');"
            f"localStorage.setItem('gridcommand.theme', '{theme}');"
        )
        if not draws_map:
            context.add_init_script(WITHOUT_WEBGL)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(HANG_S * 1000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text)
                if message.type == "error" and "Content Security" in message.text
                else None
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def open_page(new_page: NewPage, town: Town) -> OpenPage:
    """Open a page as somebody, in the drill if not said otherwise.

    ``before`` is called with it before it loads anything.
    """

    def make(
        name: str,
        role: Role,
        *,
        path: str = "",
        jurisdiction: str = "",
        before: Callable[[Page], None] | None = None,
        **options: Any,
    ) -> Page:
        page = new_page(**options)
        if before is not None:
            before(page)
        page.goto(town.link(name, role, jurisdiction or town.drill))
        page.wait_for_url(re.compile(rf"^{re.escape(town.url)}/(field)?$"))
        if path:
            page.goto(f"{town.url}{path}")
        return page

    return make


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots are left as build artefacts."""
    path = CHECKOUT / "build" / "screenshots"
    path.mkdir(parents=True, exist_ok=True)
    return path
