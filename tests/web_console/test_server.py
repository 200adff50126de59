"""The process: both ports from one call, a port in use said in a sentence, a quick end."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import httpx
import pytest
from websockets.asyncio.client import connect

from models.settings import Settings
from models.store import Store
from models.words import Role
from web_console.accounts import COOKIE, make_sign_in_link
from web_console.server import ConsoleError, run_console


def free_ports() -> tuple[int, int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return one.getsockname()[1], two.getsockname()[1]


@pytest.fixture
def on_free_ports(settings: Settings) -> Settings:
    web, live = free_ports()
    return settings.model_copy(update={"web_port": web, "live_port": live})


async def test_a_link_leads_to_the_live_channel(on_free_ports: Settings, store: Store) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(run_console(on_free_ports, stop))
    link = make_sign_in_link(store, on_free_ports, "carla", Role.COMMANDER)
    assert link.startswith(f"http://127.0.0.1:{on_free_ports.web_port}/s/")
    async with httpx.AsyncClient() as client:
        while True:
            try:
                page = await client.get(link)
                break
            except httpx.ConnectError:
                assert not running.done(), running.result()
                await asyncio.sleep(0.01)
        assert page.status_code == 200
        base = link.rpartition("/s/")[0]
        token = {"token": link.rpartition("/")[2]}
        session = (await client.post(f"{base}/api/session/link", json=token)).json()
        started = time.monotonic()
        for number in range(20):
            answer = await client.post(f"{base}/api/reports", json={"text": f"{number}"})
            assert answer.status_code == 202
        # Nagle's delay alone would be 40 ms for each.
        assert time.monotonic() - started < 20 * 0.04
        cookie = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
    async with connect(session["live_url"], additional_headers=cookie) as live:
        await live.send(json.dumps({"type": "hello", "jurisdiction": "tiny", "seq": None}))
        assert json.loads(await live.recv())["type"] == "snapshot"
        stop.set()
        started = time.monotonic()
        await asyncio.wait_for(running, 10)
        assert time.monotonic() - started < 5


async def test_a_port_in_use_is_said_in_one_sentence(on_free_ports: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", on_free_ports.live)),
        pytest.raises(ConsoleError, match="GRIDCOMMAND_LIVE_PORT"),
    ):
        await run_console(on_free_ports, asyncio.Event())
