"""The process: both ports from one call, a port in use said in a sentence, a quick end."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect

from gridcommand.rehearsal.yardstick import slowness
from models.settings import Settings
from models.store import Store
from models.words import Role
from streams.broker import free_port
from tests.waiting import HANG_S
from tests.web_console.patience import only_patient_consoles
from web_console.accounts import COOKIE, make_sign_in_link
from web_console.server import ConsoleError, run_console

STOPS_WITHIN_S = 4.0
"""The supervisor kills what takes longer."""


@pytest.fixture
def on_free_ports(settings: Settings) -> Settings:
    return settings.model_copy(update={"web_port": free_port(), "live_port": free_port()})


class Running(NamedTuple):
    """A console that runs, and what stops it."""

    settings: Settings
    stop: asyncio.Event
    task: asyncio.Task[None]


@pytest.fixture
async def running(
    on_free_ports: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    """A console that says that it is ready."""
    only_patient_consoles(monkeypatch)
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run_console(on_free_ports, stop, ready.set))
    is_ready = asyncio.create_task(ready.wait())
    await asyncio.wait({task, is_ready}, timeout=HANG_S, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    assert ready.is_set()
    yield Running(on_free_ports, stop, task)
    stop.set()
    await asyncio.wait_for(task, HANG_S)


@asynccontextmanager
async def signed_in(running: Running, store: Store) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """Go by a link as a commander's browser does; give the client and the live channel's URL."""
    link = make_sign_in_link(store, running.settings, "carla", Role.COMMANDER, ("*",))
    base, _, token = link.partition("/s/")
    assert base == f"http://127.0.0.1:{running.settings.web_port}"
    async with httpx.AsyncClient(base_url=base, timeout=HANG_S) as client:
        assert (await client.get(link)).status_code == 200
        session = (await client.post("/api/session/link", json={"token": token})).json()
        yield client, session["live_url"]


@asynccontextmanager
async def watching(client: httpx.AsyncClient, url: str) -> AsyncIterator[ClientConnection]:
    """Watch the city by the live channel."""
    cookie = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
    async with connect(url, additional_headers=cookie, open_timeout=HANG_S) as live:
        await live.send(json.dumps({"type": "hello", "jurisdiction": "tiny", "seq": None}))
        assert json.loads(await live.recv())["type"] == "snapshot"
        yield live


def delays_small_answers(port: int) -> list[bool]:
    """Say of each connection that a server of this process took on a port whether Nagle is on."""
    found = []
    for one in psutil.Process().net_connections("tcp"):
        if one.laddr and one.laddr.port == port and one.raddr:
            with socket.socket(fileno=os.dup(one.fd)) as taken:
                found.append(not taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    return found


async def test_a_link_leads_to_the_live_channel(running: Running, store: Store) -> None:
    async with signed_in(running, store) as (client, live_url):
        for number in range(20):
            answer = await client.post("/api/reports", json={"text": f"{number}"})
            assert answer.status_code == 202
        async with watching(client, live_url):
            # It alone would be 40 ms for each answer.
            assert delays_small_answers(running.settings.web_port) == [False]
            assert delays_small_answers(running.settings.live) == [False]
            running.stop.set()
            await asyncio.wait_for(running.task, HANG_S)


@pytest.mark.timely
async def test_a_console_stops_before_it_is_killed_whatever_a_screen_does(
    running: Running, store: Store
) -> None:
    async with signed_in(running, store) as (client, live_url), watching(client, live_url) as live:
        # A screen that hears nothing never says goodbye.
        live.transport.pause_reading()
        began = time.monotonic()
        running.stop.set()
        await asyncio.wait_for(running.task, HANG_S)
        took_s = time.monotonic() - began
        live.transport.abort()
    assert took_s < STOPS_WITHIN_S * slowness()


async def test_a_port_in_use_is_said_in_one_sentence(on_free_ports: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", on_free_ports.live)),
        pytest.raises(ConsoleError, match="GRIDCOMMAND_LIVE_PORT"),
    ):
        await run_console(on_free_ports, asyncio.Event())
