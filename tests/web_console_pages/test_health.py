"""A page says that decisions are late, since when and why, and that it is older than the desk."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from models.words import Role
from tests.web_console_pages.acting import PHONE
from tests.web_console_pages.conftest import OpenPage

pytestmark = pytest.mark.browser

LATE = {"state": "delayed", "since": "2026-01-01T20:02:33Z", "oldest_unfinished_s": 187.0}
AT = "2026-01-01T20:05:40Z"
FITS = """() => {
  const page = document.documentElement;
  return innerWidth >= page.scrollWidth && innerHeight >= page.scrollHeight
    && [...document.querySelectorAll('.health div > *')].every(
      (line) => line.scrollWidth <= line.clientWidth);
}"""


def hearing(**changed: Any) -> Callable[[Page], None]:
    """Have a page's heartbeats say something else."""

    def through(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def change(raw: str | bytes) -> None:
            frame = json.loads(raw)
            if frame["type"] == "heartbeat":
                frame |= changed
            socket.send(json.dumps(frame))

        server.on_message(change)

    return lambda page: page.route_web_socket(re.compile("/live$"), through)


@pytest.mark.parametrize("size", [(1440, 900), PHONE])
@pytest.mark.parametrize(
    ("lang", "cause", "headline", "since"),
    [
        ("en", "", "Decisions delayed", "since 12:02:33 · 3 min"),
        ("en", "worker", "No worker is running", "since 12:02:33 · 3 min"),
        ("zh", "database", "数据库无法访问", "自 12:02:33 起 · 3 分"),
    ],
)
def test_a_delay_says_since_when_by_the_citys_clock(
    open_page: OpenPage, size: tuple[int, int], lang: str, cause: str, headline: str, since: str
) -> None:
    late = hearing(wall=AT, pipeline={**LATE, "cause": cause})
    page = open_page("commander", Role.COMMANDER, size=size, lang=lang, before=late)
    health = page.locator(".health")
    expect(health).to_contain_text(headline)
    expect(health).to_contain_text(since)
    assert page.evaluate(FITS)


@pytest.mark.parametrize("role", [Role.COMMANDER, Role.GRID_WORKER])
@pytest.mark.parametrize(
    ("lang", "words"), [("en", "can’t read 2 of"), ("zh", "无法读取指挥台的 2 条")]
)
def test_a_console_older_than_the_desk_says_so(
    open_page: OpenPage, role: Role, lang: str, words: str
) -> None:
    older = hearing(unshown=2)
    page = open_page(f"old-{role.value}", role, size=PHONE, lang=lang, before=older)
    expect(page.get_by_role("alert")).to_contain_text(words)
    assert page.evaluate(FITS)
