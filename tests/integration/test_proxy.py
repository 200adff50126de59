"""Two consoles behind the proxy of ``ops/Caddyfile``: pages and live channel of one origin, TLS.

The file as it is, but for names that Docker would resolve, which are addresses here.
"""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import psutil
import pytest

from gridcommand.rehearsal.clients import Screen
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.settings import CHECKOUT
from streams.broker import free_port
from tests.flow import (
    HOME,
    Flow,
    Origin,
    running,
    sending,
    until,
    watching,
)
from tests.integration.conftest import needed
from tests.waiting import HANG_S

pytestmark = pytest.mark.broker
SCREENS = 8
WEB, LIVE = 8740, 8741
NEXT_CONSOLE_S = 5.0
"""As long as the proxy tries: nobody notices longer."""


class Proxied(NamedTuple):
    """A system with two consoles, and the way in."""

    system: OwnSystem
    second: psutil.Process
    second_port: int
    origin: Origin


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[Proxied]:
    needed("caddy", "caddy")
    port, second, second_live = free_port(), free_port(), free_port()
    environment = {
        "GRIDCOMMAND_LIVE_PUBLIC_URL": f"wss://localhost:{port}/live",
        "GRIDCOMMAND_SECURE_COOKIES": "true",
        "FORWARDED_ALLOW_IPS": "*",
    }
    live = {"GRIDCOMMAND_LIVE_PORT": str(second_live)}
    with running_system(tmp_path / "var", environment=environment) as system:
        ports = {
            WEB: (system.settings.web_port, second),
            LIVE: (system.settings.live, second_live),
        }
        with (
            running(system, "second", "console", "--port", str(second), **live) as console,
            caddy(tmp_path / "caddy", port, ports) as certificate,
        ):
            await until(lambda: "pages on" in system.said("second"))
            tls = ssl.create_default_context(cafile=certificate)
            yield Proxied(system, console, second, Origin(f"https://localhost:{port}", tls))


@contextmanager
def caddy(folder: Path, port: int, ports: dict[int, tuple[int, int]]) -> Iterator[Path]:
    """Run the proxy; give the certificate of its own authority."""
    folder.mkdir()
    file = folder / "Caddyfile"
    file.write_text(f"{_own_folder(folder)}\n{_with_addresses(ports)}")
    environment = {**os.environ, "SITE_ADDRESS": f"https://localhost:{port}", "HOME": str(folder)}
    certificate = folder / "pki" / "authorities" / "local" / "root.crt"
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + HANG_S
            while b"serving initial configuration" not in (folder / "caddy.log").read_bytes():
                assert process.poll() is None, (folder / "caddy.log").read_text()
                assert time.monotonic() < deadline, (folder / "caddy.log").read_text()
                time.sleep(0.05)
            yield certificate
        finally:
            process.terminate()
            process.wait(HANG_S)


def _own_folder(folder: Path) -> str:
    # Neither the machine's port 80 nor its trust store is ours.
    return (
        "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n"
        f"\tstorage file_system {folder}\n}}"
    )


def _with_addresses(ports: dict[int, tuple[int, int]]) -> str:
    def addresses(found: re.Match[str]) -> str:
        return "to " + " ".join(f"127.0.0.1:{port}" for port in ports[int(found[1])])

    text = (CHECKOUT / "ops" / "Caddyfile").read_text()
    given, count = re.subn(r"dynamic a \{[^}]*port (\d+)[^}]*\}", addresses, text)
    assert count == len(ports)
    return given


async def test_one_of_two_consoles_behind_the_proxy_dies_and_screens_go_on(
    proxied: Proxied,
) -> None:
    system, second, port, origin = proxied
    async with AsyncExitStack() as stack, sending(system, 4.0, at=origin) as flow:
        await flow.more(100)
        assert await _page(origin, "/") == 200
        assert await _page(origin, "/metrics") == 404
        screens: list[Screen] = []
        while len(screens) < SCREENS or not await _watching_at(port):
            screens.append(await stack.enter_async_context(watching(system, at=origin)))
        second.kill()
        await _nobody_misses_a_thing(flow, [flow.screen, *screens])
        assert sum(screen.connections > 1 for screen in (flow.screen, *screens))


async def _nobody_misses_a_thing(flow: Flow, screens: list[Screen]) -> None:
    await flow.back_within(time.monotonic(), NEXT_CONSOLE_S)
    await flow.more(200)
    for screen in screens:
        assert not await screen.until_seen(set(flow.phones.acknowledged), HANG_S)
        assert not screen.gaps


async def _page(origin: Origin, path: str) -> int:
    connector = aiohttp.TCPConnector(ssl=origin.tls or True)
    async with (
        aiohttp.ClientSession(origin.base_url, connector=connector) as client,
        client.get(path) as answer,
    ):
        return answer.status


async def _watching_at(port: int) -> int:
    """How many screens watch at a console."""
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
        client.get("/metrics") as answer,
    ):
        found = re.search(
            rf'gridcommand_screens{{jurisdiction="{HOME}"}} (\S+)', await answer.text()
        )
        return int(float(found[1])) if found else 0
