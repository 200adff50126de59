"""What a crew sees and says on its phone, and what the commander sees of it, in browsers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from models.words import Role
from tests.web_console_pages.acting import PHONE, choose, commander_who_decides, report, tell
from tests.web_console_pages.conftest import OpenPage, Town

pytestmark = pytest.mark.browser


def test_a_crew_sees_where_it_goes_that_it_was_turned_and_says_what_it_does(
    open_page: OpenPage, town: Town, shots: Path
) -> None:
    desk = commander_who_decides(open_page, "commander-12")
    phone = open_page("worker-12", Role.GRID_WORKER, size=PHONE, has_touch=True)
    for text, lat in (("Two cars in the west", 37.735), ("A lorry and a bus", 37.717)):
        phone.context.set_geolocation({"latitude": lat, "longitude": -122.475, "accuracy": 12})
        phone.reload()
        report(phone, text)
    # What is proposed for the second may change what is proposed for the first.
    confirm = desk.get_by_role("button", name=re.compile("^Confirm and send"))
    choose(desk, town, "A lorry and a bus")
    expect(confirm).to_be_visible()
    choose(desk, town, "Two cars in the west")
    confirm.click()
    sent = desk.locator(".sent-row .unitchip").first.inner_text()
    unit = town.unit(sent)
    first, second = map(town.incident, ("Two cars in the west", "A lorry and a bus"))

    # As if each word took eight minutes: nobody here can wait so long.
    late = "const now = Date.now.bind(Date); Date.now = () => now() - 480_000;"
    crew = open_page(
        unit.id,
        Role.GRID_WORKER,
        size=PHONE,
        has_touch=True,
        before=lambda page: page.add_init_script(late),
    )
    expect(crew.get_by_text("Two cars in the west")).to_be_visible()
    state = crew.locator("article .chip")
    words: list[Any] = []
    crew.on("request", lambda r: words.append(r.post_data_json) if "/status" in r.url else None)
    # Said without a network, and known as soon as there is one again.
    town.close_console()
    crew.get_by_role("button", name="We are on our way").click()
    # Tried at least once, in vain.
    expect(crew.get_by_text(re.compile("^Saved on this phone · Waiting"))).to_be_visible()
    town.open_console()
    expect(state).to_have_text("En route")
    assert len(words) > 1
    assert len({word["observed_at"] for word in words}) == 1, "when it was said, not when sent"
    expect(crew.get_by_text(re.compile("^En route: you said so at .+, it arrived"))).to_be_visible()
    crew.screenshot(path=shots / "crew-late-en-390x844.png")
    crew.get_by_role("button", name="切换为中文").click()
    crew.screenshot(path=shots / "crew-late-zh-390x844.png")
    crew.get_by_role("button", name="Switch to English").click()

    expect(desk.get_by_text("Connected")).to_be_visible()
    told = desk.locator(".timeline li", has_text=f"{sent}: En route")
    expect(told).to_contain_text(re.compile(r"said \d\d:\d\d, arrived \d\d:\d\d"))
    tell(desk, "divert_unit", incident=second.id, unit=unit.id)
    turned = crew.get_by_role("alert")
    expect(turned).to_contain_text(f"not to {first.number}, go to {second.number}")
    expect(crew.get_by_text("A lorry and a bus")).to_be_visible()
    crew.screenshot(path=shots / "crew-en-390x844.png")
    crew.get_by_role("button", name="切换为中文").click()
    expect(turned).to_contain_text("已改派")
    crew.screenshot(path=shots / "crew-zh-390x844.png")
    crew.get_by_role("button", name="Switch to English").click()
    crew.get_by_role("button", name="We are on our way").click()
    crew.get_by_role("button", name="We are there").click()
    expect(state).to_have_text("On scene")
    crew.get_by_role("button", name="We are done and free").click()
    expect(crew.get_by_text(re.compile("^Nothing for you now"))).to_be_visible()
    expect(state).to_have_text("Returning, free")
    assert crew.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_a_crew_that_breaks_down_drops_out_and_another_is_proposed(
    open_page: OpenPage, town: Town, shots: Path
) -> None:
    desk = commander_who_decides(open_page, "commander-13")
    place = (-122.49, 37.765)
    phone = open_page("worker-13", Role.GRID_WORKER, size=PHONE, has_touch=True, at=place)
    report(phone, "A tram and a van")
    choose(desk, town, "A tram and a van")
    desk.get_by_role("button", name=re.compile("^Confirm and send")).click()
    sent = desk.locator(".sent-row .unitchip").first.inner_text()
    unit = town.unit(sent)
    number = town.incident("A tram and a van").number

    crew = open_page(unit.id, Role.GRID_WORKER, size=PHONE, has_touch=True)
    crew.get_by_role("button", name="We are on our way").click()
    state = crew.locator("article .chip")
    expect(state).to_have_text("En route")
    drop_out = crew.get_by_role("button", name="We can’t go on")
    drop_out.dblclick()  # a thumb that slips says nothing
    question = crew.get_by_role("group", name="We can’t go on")
    expect(question).to_contain_text(f"Drop out of {number}?")
    expect(question).to_be_focused()
    crew.screenshot(path=shots / "crew-drops-out-en-390x844.png")
    crew.get_by_role("button", name="切换为中文").click()
    expect(crew.get_by_role("button", name="确认停勤")).to_be_visible()
    crew.screenshot(path=shots / "crew-drops-out-zh-390x844.png")
    crew.get_by_role("button", name="Switch to English").click()
    question.get_by_role("button", name="No, we go on").click()
    expect(state).to_have_text("En route")
    drop_out.click()
    question.get_by_role("button", name="Yes, out of service").click()
    expect(crew.get_by_role("alert")).to_contain_text(f"somebody else for {number}")
    expect(state).to_have_text("Out of service")
    expect(crew.get_by_role("button", name="We can go again")).to_be_enabled()
    crew.screenshot(path=shots / "crew-dropped-out-en-390x844.png")
    crew.get_by_role("button", name="切换为中文").click()
    crew.screenshot(path=shots / "crew-dropped-out-zh-390x844.png")
    assert crew.evaluate("document.documentElement.scrollWidth") <= PHONE[0]

    row = desk.locator(".sent-row.ended", has_text=sent)
    expect(row.locator(".chip")).to_have_text("Dropped out")
    told = desk.locator(".timeline li", has_text=f"{sent}: Dropped out")
    expect(told).to_contain_text("out of service")
    expect(desk.get_by_role("button", name=re.compile("^Confirm and send"))).to_be_visible()
    expect(desk.locator(".unitchip.proposed").first).not_to_have_text(sent)
    desk.screenshot(path=shots / "console-dropped-out.png")
