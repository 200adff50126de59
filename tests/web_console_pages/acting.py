"""What people do on the pages, for tests of several subjects."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from models.words import Role
from tests.web_console_pages.conftest import OpenPage, Town

PHONE = (390, 844)


def report(page: Page, text: str, *, category: str = "Traffic collision") -> None:
    """File a report on the field page and wait until the server has it."""
    page.get_by_role("button", name="Report", exact=True).click()
    page.get_by_role("button", name=category, exact=True).click()
    page.get_by_label("In your words").fill(text)
    expect(page.get_by_text("Located, within about 12 m")).to_be_visible()
    page.get_by_role("button", name="Send report").click()
    card = page.locator("article", has_text=text)
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible()


def choose(page: Page, town: Town, text: str) -> None:
    """Select the incident that a report with these words led to, once the desk has decided it."""
    incident = town.incident(text)
    page.get_by_role("button", name=re.compile("^(All|全部)")).click()
    page.locator(f"#row-{incident.id}").click()
    expect(page.locator("blockquote", has_text=text)).to_be_visible()


def tell(page: Page, order: str, **payload: object) -> None:
    """Send an order as the page's own buttons do, and wait until the server has it."""
    status = page.evaluate(
        """async ([type, payload]) => (await fetch('/api/orders', {
            method: 'POST', headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ id: crypto.randomUUID(), type, ...payload }) })).status""",
        [order, payload],
    )
    assert status == 202


def commander_who_decides(open_page: OpenPage, name: str, **options: Any) -> Page:
    """Open a commander's page, and have nothing ordered by itself."""
    desk = open_page(name, Role.COMMANDER, **options)
    expect(desk.get_by_text("Connected")).to_be_visible()
    tell(desk, "set_automation", priorities=[], reason="a test decides")
    return desk
