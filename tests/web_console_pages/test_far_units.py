"""A position that a unit can't have, on the screens of commander and crew."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from models.words import Role
from tests.web_console_pages.acting import PHONE
from tests.web_console_pages.conftest import OpenPage

pytestmark = pytest.mark.browser

UNIT = "E35"


def say_where(page: Page, lon: float, lat: float) -> None:
    """Say as a crew's phone does where the unit is, and wait until the server has it."""
    status = page.evaluate(
        """async ([unit, lon, lat]) => (await fetch(`/api/units/${unit}/status`, {
            method: 'POST', headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ state: 'available', lon, lat }) })).status""",
        [UNIT, lon, lat],
    )
    assert status == 202


@pytest.mark.parametrize(
    ("lang", "on_row", "for_crew", "tab"),
    [
        ("en", r"position told is far from the city: [\d.]+ km", "Your position as sent", "Units"),
        ("zh", r"上报位置远离本市：[\d.]+", "您上报的位置远离本市", "力量"),
    ],
)
def test_a_lost_sign_stands_on_the_unit_s_row_and_the_crew_s_page_until_it_is_right(
    open_page: OpenPage, lang: str, on_row: str, for_crew: str, tab: str
) -> None:
    desk = open_page(f"commander-far-{lang}", Role.COMMANDER, lang=lang)
    crew = open_page(UNIT, Role.GRID_WORKER, size=PHONE, lang=lang)
    desk.get_by_role("tab", name=tab).click()
    row = desk.locator(".unit-row", has_text=UNIT)
    expect(row).to_be_visible()
    say_where(crew, 122.39, 37.78)
    flag = row.get_by_text(re.compile(on_row))
    expect(flag).to_be_visible()
    expect(flag).to_have_attribute("title", re.compile(r"37\.78000, 122\.39000"))
    expect(crew.get_by_text(for_crew)).to_be_visible()
    say_where(crew, -122.39, 37.78)
    expect(flag).to_have_count(0)
    expect(crew.get_by_text(for_crew)).to_have_count(0)
