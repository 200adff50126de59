"""Every page and dialog as axe-core sees it, in both languages and both themes (WCAG 2.2 AA)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from models.city import HOSPITAL
from models.settings import CHECKOUT
from models.words import Role
from tests.web_console_pages.acting import PHONE, tell
from tests.web_console_pages.conftest import NewPage, OpenPage, Town

pytestmark = pytest.mark.browser

AXE = (CHECKOUT / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
RUN = """async () => (await axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  })).violations.flatMap((fault) => fault.nodes.map((node) =>
    `${fault.id}: ${node.target.join(' ')} ${node.failureSummary}`))"""
ASK = "async (dialog) => (await import('/static/console/state.js')).ask(dialog)"
LOOKS = [("zh", "light"), ("en", "dark")]


@pytest.fixture(scope="module")
def city() -> str:
    return "liyang"


def faults(page: Page) -> list[str]:
    page.evaluate(AXE)
    found: list[str] = page.evaluate(RUN)
    return found


def dialogs(town: Town, incident: str) -> Iterator[dict[str, object]]:
    """Every question that the console asks."""
    hospital = next(one.id for one in town.pack.facilities if one.kind == HOSPITAL)
    yield {"kind": "reason", "title": "T", "text": "x", "action": "A"}
    for kind in ("choose", "triage", "merge", "place", "close"):
        yield {"kind": kind, "incident": incident}
    yield {"kind": "closure", "lon": 119.48, "lat": 31.42}
    yield {"kind": "reopen", "closure": "c1"}
    yield {"kind": "hospital", "hospital": hospital}
    yield {"kind": "again", "order": "close_incident", "incident": incident}
    yield {"kind": "help"}
    yield {"kind": "password"}


@pytest.mark.parametrize(("lang", "theme"), LOOKS)
def test_the_console_and_its_dialogs(
    open_page: OpenPage, town: Town, lang: str, theme: str
) -> None:
    desk = open_page("commander", Role.COMMANDER, lang=lang, theme=theme)
    expect(desk.locator(".health.good")).to_be_visible()
    for text in (f"着火了 {lang}", f"有人溺水 {lang}"):
        town.file(text)
    fire = town.incident(f"着火了 {lang}")
    tell(desk, "close_road", closure="c1", lon=119.48, lat=31.42, radius_m=100)
    desk.locator(f"#row-{fire.id}").click()
    expect(desk.locator(".detail-actions")).to_be_visible()
    assert faults(desk) == []
    desk.get_by_role("tab").nth(1).click()
    expect(desk.locator(".unit-row").first).to_be_visible()
    assert faults(desk) == []
    for dialog in dialogs(town, fire.id):
        desk.evaluate(ASK, dialog)
        expect(desk.locator("dialog")).to_be_visible()
        assert faults(desk) == [], dialog
        desk.keyboard.press("Escape")
        expect(desk.locator("dialog")).to_have_count(0)
    desk.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    for pane in desk.locator(".panebar button").all():
        pane.click()
        assert faults(desk) == []


@pytest.mark.parametrize(("lang", "theme"), LOOKS)
def test_the_phones_pages(open_page: OpenPage, town: Town, lang: str, theme: str) -> None:
    phone = open_page("worker", Role.GRID_WORKER, size=PHONE, lang=lang, theme=theme)
    expect(phone.locator(".kinds")).to_be_visible()
    assert faults(phone) == []
    phone.locator("textarea").first.fill("井盖没了")
    phone.locator(".act .primary").click()
    expect(phone.locator(".where-received")).to_be_visible()
    for tab in phone.locator(".field-tabs button").all():
        tab.click()
        assert faults(phone) == []
    unit = town.pack.units[0].id
    crew = open_page(unit, Role.GRID_WORKER, size=PHONE, lang=lang, theme=theme)
    expect(crew.locator(".field-tabs")).to_be_visible()
    assert faults(crew) == []


@pytest.mark.parametrize(("lang", "theme"), LOOKS)
def test_the_administrators_pages(open_page: OpenPage, lang: str, theme: str) -> None:
    page = open_page("admin", Role.ADMIN, path="/admin", lang=lang, theme=theme)
    expect(page.locator(".admin-tabs")).to_be_visible()
    for tab in page.locator(".admin-tabs button").all():
        tab.click()
        page.wait_for_load_state("networkidle")
        assert faults(page) == []


@pytest.mark.parametrize(("lang", "theme"), LOOKS)
def test_the_sign_in(new_page: NewPage, town: Town, lang: str, theme: str) -> None:
    page = new_page(lang=lang, theme=theme)
    page.goto(town.url)
    expect(page.get_by_role("button").first).to_be_visible()
    assert faults(page) == []
    page.get_by_role("textbox").first.fill("nobody")
    page.locator("input[type=password]").fill("wrong")
    page.locator("button[type=submit]").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert faults(page) == []
