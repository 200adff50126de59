"""Screens never use up the descriptors that the database needs."""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from models.words import Role
from tests.waiting import HANG_S, until_async
from tests.web_console.conftest import SignInAs
from web_console import descriptors
from web_console.accounts import COOKIE
from web_console.console import Console

RAISED = """
import json, resource
from web_console.descriptors import screens_borne
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))
borne = screens_borne(2000)
print(json.dumps([borne, *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def in_a_process(hard: int) -> list[int]:
    said = subprocess.run(
        [sys.executable, "-c", RAISED.format(hard=hard)], capture_output=True, text=True, check=True
    )
    found: list[int] = json.loads(said.stdout)
    return found


def test_the_limit_is_raised_to_what_is_allowed() -> None:
    enough = descriptors.needed(2000)
    assert in_a_process(enough) == [2000, enough, enough]


def test_fewer_screens_are_taken_where_the_hard_limit_is_low() -> None:
    assert in_a_process(1024) == [384, 1024, 1024]


def test_a_limit_that_cant_be_raised_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refused)
    with caplog.at_level(logging.WARNING):
        assert descriptors.screens_borne(2000) == 384
    assert "can't be had (not allowed)" in caplog.text
    assert "bear 384 screens, not 2000" in caplog.text


@pytest.fixture
async def url(console: Console) -> AsyncIterator[str]:
    console.live.screens_max = 2
    server = await console.live.start(host="127.0.0.1", port=0)
    yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/live"
    server.close()
    await server.wait_closed()


async def test_one_screen_too_many_is_told_to_come_back(url: str, token_of: SignInAs) -> None:
    token = token_of("carla", Role.COMMANDER)

    def a_screen() -> connect:
        cookie = {"Cookie": f"{COOKIE}={token}"}
        return connect(url, additional_headers=cookie, open_timeout=HANG_S)

    async with a_screen() as first, a_screen() as second:
        for one in (first, second):
            await one.send('{"type":"hello","jurisdiction":"tiny"}')
            assert json.loads(await one.recv())["type"] == "snapshot"
        with pytest.raises(InvalidStatus) as refused:
            await a_screen()
        assert refused.value.response.status_code == 503
        assert int(refused.value.response.headers["Retry-After"]) > 0

    async def there_is_room() -> bool:
        with suppress(InvalidStatus):
            async with a_screen():
                return True
        return False

    await until_async(there_is_room)
