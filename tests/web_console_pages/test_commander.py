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


def test_a_merge_is_undone_and_a_closed_incident_opened_again(
    open_page: OpenPage, town: Town
) -> None:
    desk = commander_who_decides(open_page, "commander-14")
    for number, (lon, text) in enumerate(
        [(-122.40, "keep me here"), (-122.43, "joined by mistake")]
    ):
        phone = open_page(
            f"worker-14{number}", Role.GRID_WORKER, size=PHONE, has_touch=True, at=(lon, 37.745)
        )
        report(phone, text)
    kept, joined = town.incident("keep me here"), town.incident("joined by mistake")
    choose(desk, town, "keep me here")
    desk.get_by_role("button", name="Merge", exact=True).click()
    dialog = desk.locator("dialog")
    dialog.locator("label", has_text=joined.number).click()
    dialog.get_by_role("button", name="Merge", exact=True).click()
    detail = desk.locator(".detail")
    expect(detail.locator("blockquote", has_text="joined by mistake")).to_be_visible()
    # The closed ones have it; what it was merged into leads there too.
    desk.get_by_role("button", name=re.compile("^Closed")).click()
    desk.locator(f"#row-{joined.id}").click()
    detail.get_by_role("button", name="Undo the merge").click()
    expect(dialog).to_contain_text(f"Units that went over stay with {kept.number}")
    sends = dialog.get_by_role("button", name="Undo the merge")
    expect(sends).to_be_disabled()
    desk.get_by_label("Reason").fill("two streets")
    sends.click()
    expect(detail.get_by_role("button", name="Triage", exact=True)).to_be_visible()
    expect(desk.locator(f"#row-{joined.id}")).to_have_count(0)
    expect(desk.locator(".timeline li", has_text="Waiting (two streets)")).to_be_visible()
    choose(desk, town, "keep me here")
    expect(detail.locator("blockquote", has_text="joined by mistake")).to_have_count(0)
    detail.get_by_role("button", name="Close", exact=True).last.click()
    desk.get_by_label("Reason").fill("mistaken")
    dialog.get_by_role("button", name="Close incident").click()
    detail.get_by_role("button", name="Reopen", exact=True).click()
    desk.get_by_label("Reason").fill("it goes on")
    dialog.get_by_role("button", name="Reopen", exact=True).click()
    expect(desk.locator(".note.good", has_text="Reopen: done")).to_be_visible()
    expect(detail.get_by_role("button", name=re.compile("^Confirm and send"))).to_be_enabled()
    told = desk.locator(".timeline li", has_text="Waiting (it goes on)")
    expect(told).to_be_visible()


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


def test_a_commander_ends_the_exercise_when_asked_once_more(
    open_page: OpenPage, town: Town
) -> None:
    running = town.store.drill(town.drill)
    assert running is not None
    desk = open_page("commander-ends", Role.COMMANDER)
    others = open_page("dispatcher-looks", Role.DISPATCHER)
    band = desk.locator(".exercise-band")
    try:
        band.get_by_role("button", name="Stop the exercise").click()
        band.get_by_role("button", name="Let it run").click()
        band.get_by_role("button", name="Stop the exercise").click()
        expect(others.locator(".exercise-band")).to_contain_text("nothing here reaches")
        assert others.locator(".exercise-band").get_by_role("button").count() == 0
        band.get_by_role("button", name="Stop it").click()
        for page in (desk, others):
            expect(page.locator(".exercise-band")).to_contain_text("The exercise is over.")
        expect(band.get_by_role("button")).to_have_count(0)
        ended = town.store.drill(town.drill)
        assert ended is not None
        assert ended.state == "ended"
    finally:
        town.store.put_drill(running)
