"""The pages as they are seen, with all streets: nothing is wider than its screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from models.words import Role
from tests.web_console_pages.acting import PHONE, choose
from tests.web_console_pages.conftest import OpenPage, Town

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def has_all_streets() -> bool:
    return True


@pytest.fixture(scope="module")
def reported(town: Town) -> str:
    """What the incident on the pictures was reported as."""
    text = "A wall has come down on two people"
    town.file(text)
    return text


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("page_name", "size"),
    [
        ("console", (1440, 900)),
        ("console", PHONE),
        ("field", (1440, 900)),
        ("field", PHONE),
    ],
)
def test_screenshots(
    open_page: OpenPage,
    town: Town,
    reported: str,
    shots: Path,
    lang: str,
    page_name: str,
    size: tuple[int, int],
) -> None:
    """Nothing is wider than its screen; the pictures are build artefacts."""
    role = Role.COMMANDER if page_name == "console" else Role.GRID_WORKER
    page = open_page(f"shot-{page_name}", role, size=size, lang=lang, draws_map=True)
    if page_name == "console":
        expect(page.locator(".map-cover")).to_have_count(0)
        choose(page, town, reported)
        expect(page.locator(".timeline li").first).to_be_visible()
    else:
        expect(page.locator(".kind").first).to_be_visible()
    page.screenshot(path=shots / f"{page_name}-{lang}-{size[0]}x{size[1]}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate("document.documentElement.lang") == ("zh-CN" if lang == "zh" else "en")
