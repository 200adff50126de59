"""What a commander decides, from the report to who is sent, in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from models.words import Role
from tests.web_console_pages.acting import PHONE, choose, commander_who_decides, report, tell
from tests.web_console_pages.conftest import OpenPage, Town

pytestmark = pytest.mark.browser


def test_report_reaches_the_commander_who_confirms(open_page: OpenPage, town: Town) -> None:
    desk = open_page("commander-1", Role.COMMANDER)
    expect(desk.get_by_text("Connected")).to_be_visible()
    tell(desk, "set_automation", priorities=[1], reason="a test decides")
    # Life-threatening calls go out by themselves; this commander decides about them too.
    desk.get_by_role("button", name="Account and settings").click()
    automatic = desk.get_by_label("1 · life-threatening")
    expect(automatic).to_be_checked()
    automatic.click()
    desk.get_by_label("Reason").fill("a new night")
    desk.locator("dialog").get_by_role("button", name="Set", exact=True).click()
    expect(desk.locator(".note.good", has_text="Automation: done")).to_be_visible()
    desk.get_by_role("button", name="Account and settings").click()
    expect(automatic).not_to_be_checked()
    expect(automatic).to_be_enabled()
    desk.keyboard.press("Escape")
    phone = open_page("worker-1", Role.GRID_WORKER, size=PHONE, has_touch=True)
    report(phone, "Two cars, one person hurt, confirm me")
    choose(desk, town, "confirm me")
    confirm = desk.get_by_role("button", name=re.compile("^Confirm and send"))
    expect(confirm).to_be_enabled()
    expect(desk.get_by_text(re.compile(r"turnout \d+:\d\d · drive \d+:\d\d")).first).to_be_visible()
    confirm.click()
    expect(desk.locator(".note.good", has_text="sent to")).to_be_visible()
    expect(desk.locator(".sent-row").first).to_be_visible()
    phone_card = phone.locator("article", has_text="confirm me")
    expect(phone_card.get_by_text(re.compile(r"^Incident .*(Assigned|Active)"))).to_be_visible()


def test_a_road_that_slows_shows_what_it_costs_and_the_swap_that_wins(
    open_page: OpenPage, town: Town, shots: Path
) -> None:
    desk = commander_who_decides(open_page, "commander-11", draws_map=True)
    # Elsewhere than the other tests' collisions, which it would join.
    place = (-122.44, 37.757)
    phone = open_page("worker-11", Role.GRID_WORKER, size=PHONE, has_touch=True, at=place)
    report(phone, "Two cars, the station's street is flooded")
    choose(desk, town, "street is flooded")
    desk.get_by_role("button", name="Why").first.click()
    ruled = desk.locator(".ruled li", has_text="lack")
    ruled.get_by_role("button", name=re.compile(r"^and \d+ more")).click()
    expect(ruled.locator(".faint")).to_contain_text(re.compile(r"(.+, ){12}"))
    desk.get_by_role("button", name=re.compile("^Confirm and send")).click()
    row = desk.locator(".sent-row").first
    sent = row.locator(".unitchip").inner_text()
    home = town.unit(sent)
    eta = row.locator(".faint").inner_text()
    around = {"lon": home.lon, "lat": home.lat, "radius_m": 350, "speed": 0.05}
    tell(desk, "close_road", closure="swap", **around)
    expect(row.locator(".notice")).to_have_text(re.compile(r"Roads changed: \d+:\d\d longer"))
    expect(row.locator(".faint")).not_to_have_text(eta)
    told = desk.locator(".timeline li", has_text=f"Roads changed for {sent}")
    expect(told).to_contain_text(re.compile(r"\d+:\d\d longer \(a road is slow\)"))
    swap = desk.locator(".turned .notice", has_text=f"takes the place of {sent}")
    expect(swap).to_contain_text(re.compile(r"\d+:\d\d sooner"))
    desk.screenshot(path=shots / "console-swap.png")
    desk.get_by_role("button", name=re.compile("^Confirm and send")).click()
    expect(desk.locator(".timeline li", has_text=f"{sent} was relieved")).to_be_visible()
    tell(desk, "reopen_road", closure="swap")


def test_hold_and_lift(open_page: OpenPage) -> None:
    desk = open_page("commander-2", Role.COMMANDER)
    desk.get_by_role("tab", name="Units").click()
    row = desk.locator(".unit-row").first
    row.get_by_role("button", name="Hold").click()
    desk.get_by_label("Reason").fill("tyre change")
    desk.locator("dialog").get_by_role("button", name="Hold").click()
    expect(row.get_by_text("held by commander-2")).to_be_visible()
    row.get_by_role("button", name="Lift").click()
    expect(row.get_by_text("held by commander-2")).to_have_count(0)


def test_grid_cells_are_shown_and_remembered(open_page: OpenPage) -> None:
    page = open_page("commander-8", Role.COMMANDER, draws_map=True)
    expect(page.get_by_text("Connected")).to_be_visible()
    with page.expect_response("**/api/cells.geojson") as answer:
        page.get_by_role("button", name="Grid cells").click()
    assert answer.value.ok
    page.reload()
    expect(page.get_by_role("button", name="Grid cells")).to_have_attribute("aria-pressed", "true")
    page.route("**/api/cells.geojson", lambda route: route.abort())
    page.reload()
    expect(page.get_by_text("The grid cells did not load.")).to_be_visible()
    page.unroute("**/api/cells.geojson")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("The grid cells did not load.")).to_be_hidden()
    expect(page.get_by_role("button", name="Grid cells")).to_have_attribute("aria-pressed", "true")
