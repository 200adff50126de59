"""Two commanders at once: what one sets the other sees, and what one orders the other is asked."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from models.words import Role
from tests.web_console_pages.acting import PHONE, choose, commander_who_decides, report
from tests.web_console_pages.conftest import OpenPage, Town

pytestmark = pytest.mark.browser


def test_a_posture_says_who_and_why_and_is_set_back_by_one_press(open_page: OpenPage) -> None:
    one = open_page("wang-posture", Role.COMMANDER)
    two = open_page("li-posture", Role.COMMANDER)
    three = open_page("zhao-posture", Role.DISPATCHER, lang="zh")
    for page in (one, two):
        expect(page.get_by_text("Connected")).to_be_visible()
    one.get_by_role("button", name="Account and settings").click()
    one.get_by_label("Emergency posture").click()
    dialog = one.locator("dialog")
    expect(dialog.get_by_role("button", name="Set", exact=True)).to_be_disabled()
    dialog.get_by_label("Reason").fill("the river rises")
    dialog.get_by_role("button", name="Set", exact=True).click()
    told = two.locator(".rulechange", has_text="wang-posture set the posture")
    expect(told).to_contain_text(re.compile(r"at \d\d:\d\d:\d\d: emergency. Why: the river rises"))
    shown = three.locator(".rulechange", has_text="wang-posture")
    expect(shown).to_contain_text("战时")
    expect(shown.get_by_role("button", name="恢复")).to_have_count(0)
    told.get_by_role("button", name="Set back: routine").click()
    back = one.locator(".rulechange", has_text="li-posture set the posture")
    expect(back).to_contain_text("routine. Why: Set back what wang-posture had set")
    back.get_by_role("button", name="Dismiss").click()
    expect(back).to_have_count(0)
    expect(two.locator(".rulechange", has_text="li-posture")).to_be_visible()


def test_the_second_who_chooses_units_sees_what_the_first_did(
    open_page: OpenPage, town: Town
) -> None:
    first = commander_who_decides(open_page, "wang-first")
    second = open_page("li-second", Role.COMMANDER)
    expect(second.get_by_text("Connected")).to_be_visible()
    place = (-122.47, 37.745)
    phone = open_page("worker-two", Role.GRID_WORKER, size=PHONE, has_touch=True, at=place)
    report(phone, "Two cars, both of us decide")
    for page, unit in ((second, 1), (first, 0)):
        choose(page, town, "both of us decide")
        page.get_by_role("button", name=re.compile("^(Override|Choose units)")).click()
        page.locator("dialog .picklist input").nth(unit).check()
        page.locator("dialog").get_by_label("Reason").fill("nearer")
    first.locator("dialog button[type=submit]").click()
    expect(first.locator(".sent-row")).to_have_count(1)
    second.locator("dialog button[type=submit]").click()
    again = second.locator("dialog", has_text="somebody was there before you")
    expect(again).to_contain_text("wang-first gave an order here")
    expect(again).to_contain_text("Send units")
    expect(second.locator(".sent-row")).to_have_count(1)
    again.get_by_role("button", name="Order it all the same").click()
    expect(second.locator(".sent-row")).to_have_count(2)
