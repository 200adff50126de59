"""A report that was sent without a place: its sender is asked, and says where it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from models.words import Role
from tests.waiting import until_now
from tests.web_console_pages.acting import PHONE, choose, tell
from tests.web_console_pages.conftest import OpenPage, Town

pytestmark = pytest.mark.browser

# A phone under a roof, until a test says what its fix is.
NO_FIX = """navigator.geolocation.getCurrentPosition = (found, failed) => {
  const fix = localStorage.getItem('fix');
  return fix ? found({ coords: JSON.parse(fix) }) : failed();
};"""
FIX = """([longitude, latitude]) => localStorage.setItem(
  'fix', JSON.stringify({ longitude, latitude, accuracy: 12 }))"""


def report_without_a_place(
    open_page: OpenPage, name: str, text: str, **options: Any
) -> tuple[Page, Locator]:
    """File a report on a phone without a fix; return the phone, and the card that asks."""
    phone = open_page(
        name,
        Role.GRID_WORKER,
        size=PHONE,
        has_touch=True,
        before=lambda page: page.add_init_script(NO_FIX),
        **options,
    )
    expect(phone.get_by_text("No position: tap the map or write the address.")).to_be_visible()
    phone.get_by_label("In your words").fill(text)
    phone.get_by_role("button", name="Send report").click()
    card = phone.locator("article", has_text=text)
    expect(card.get_by_role("heading", name="No place yet")).to_be_visible()
    return phone, card


def test_a_reporter_says_where_it_is_later_also_without_a_network(
    open_page: OpenPage, town: Town, shots: Path
) -> None:
    text = "fire, one trapped, sent from under a roof"
    phone, card = report_without_a_place(open_page, "worker-31", text)
    send = card.get_by_role("button", name="Send the place")
    expect(send).to_be_disabled()  # words alone send nobody
    card.get_by_label("Address or description").fill("behind the town hall")
    phone.reload()
    phone.get_by_role("button", name="My reports").click()
    expect(card.get_by_label("Address or description")).to_have_value("behind the town hall")
    phone.screenshot(path=shots / "no-place-en-390x844.png")
    phone.get_by_role("button", name="切换为中文").click()
    expect(card.get_by_role("heading", name="还没有位置：请补充")).to_be_visible()
    phone.screenshot(path=shots / "no-place-zh-390x844.png")
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    phone.get_by_role("button", name="Switch to English").click()

    phone.evaluate(FIX, [-122.4194, 37.7749])
    card.get_by_role("button", name="Use my position").click()
    expect(card.get_by_text("Located, within about 12 m")).to_be_visible()
    phone.route("**/place", lambda route: route.abort())
    send.click()
    expect(card.get_by_text("The place is on its way")).to_be_visible()
    expect(card.get_by_text(re.compile("^Saved on this phone"))).to_be_visible()
    phone.reload()
    phone.unroute("**/place")
    phone.get_by_role("button", name="My reports").click()
    expect(card.get_by_text("The place is known")).to_be_visible()
    expect(card.get_by_role("button", name="Use my position")).to_have_count(0)
    until_now(lambda: town.incident(text).is_placed)
    incident = town.incident(text)
    assert (incident.lon, incident.lat, incident.place) == (
        -122.4194, 37.7749, "behind the town hall",
    )  # fmt: skip


def test_a_place_that_can_not_be_is_told_on_the_card_and_mended_there(open_page: OpenPage) -> None:
    phone, card = report_without_a_place(open_page, "worker-32", "gas leak, the phone is wrong")
    phone.evaluate(FIX, [0, 0])
    card.get_by_role("button", name="Use my position").click()
    expect(card.get_by_text("This is far from the city")).to_be_visible()
    card.get_by_role("button", name="Send the place").click()
    expect(card.get_by_role("alert")).to_contain_text("far from every street of the city")
    phone.evaluate(FIX, [-122.4194, 37.7749])
    card.get_by_role("button", name="Use my position").click()
    expect(card.get_by_text("37.77490, -122.41940")).to_be_visible()
    card.get_by_role("button", name="Send the place").click()
    expect(card.get_by_text("The place is known")).to_be_visible()
    expect(card.get_by_role("alert")).to_have_count(0)


def test_a_place_that_a_dispatcher_gave_is_not_asked_for_any_more(
    open_page: OpenPage, town: Town
) -> None:
    text = "cover gone, nobody knows where"
    _, card = report_without_a_place(open_page, "worker-33", text)
    desk = open_page("dispatcher-33", Role.DISPATCHER)
    choose(desk, town, text)
    incident = town.incident(text).id
    tell(desk, "place_incident", incident=incident, lon=-122.42, lat=37.77)
    expect(card.get_by_role("heading", name="No place yet")).to_have_count(0)
    expect(card.get_by_role("button", name="Send the place")).to_have_count(0)


def test_a_place_is_picked_on_the_map_of_a_card(open_page: OpenPage, town: Town) -> None:
    text = "smoke, seen from a window"
    phone, card = report_without_a_place(open_page, "worker-34", text, draws_map=True)
    card.get_by_role("button", name="Pick on the map").click()
    phone.get_by_role("dialog").get_by_role("button", name="This is the place").click()
    expect(card.get_by_text("Picked on the map")).to_be_visible()
    card.get_by_role("button", name="Send the place").click()
    expect(card.get_by_text("The place is known")).to_be_visible()
    until_now(lambda: town.incident(text).is_placed)
