"""Signing in, passwords and accounts, in a browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from models.dead_letters import DeadLetterRow
from models.registers import Device
from models.words import Role
from tests.web_console_pages.acting import PHONE
from tests.web_console_pages.conftest import NewPage, OpenPage, Town

pytestmark = pytest.mark.browser


def test_link_signs_in_once(new_page: NewPage, town: Town) -> None:
    link = town.link("once", Role.DISPATCHER, town.drill)
    page = new_page()
    page.goto(link)
    page.wait_for_url(f"{town.url}/")
    page.goto(link)
    expect(page.get_by_role("alert")).to_contain_text("used or has expired")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_empty_live_side_leads_to_the_drill_that_runs(
    new_page: NewPage, town: Town, lang: str
) -> None:
    # A driver's sign of life that holds for longer than this test takes.
    town.store.set_drill(town.drill, updated_at=datetime.now(UTC) + timedelta(hours=1))
    page = new_page(lang=lang)
    page.goto(town.link("trainer", Role.COMMANDER, town.home))
    page.wait_for_url(f"{town.url}/")
    band = page.locator(".exercise-band")
    go = page.get_by_role("button", name={"en": "Go to the exercise", "zh": "进入演练"}[lang])
    expect(go).to_be_visible()
    expect(band).to_have_count(0)
    go.click()
    expect(band).to_be_visible()
    page.reload()
    expect(band).to_be_visible()
    # A link says where it leads, whatever this tab looked at before.
    page.goto(town.link("live", Role.COMMANDER, town.home))
    page.wait_for_url(f"{town.url}/")
    expect(go).to_be_visible()
    expect(band).to_have_count(0)


def test_wrong_password_is_said(new_page: NewPage, town: Town) -> None:
    town.link("pw", Role.DISPATCHER, town.drill)
    page = new_page()
    page.goto(f"{town.url}/signin")
    page.get_by_label("Name").fill("pw")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong")


def test_a_person_sets_and_changes_the_password(open_page: OpenPage, town: Town) -> None:
    page = open_page("pia", Role.DISPATCHER)
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Set a password").click()
    page.get_by_label("New password").fill("correct horse battery")
    page.get_by_role("button", name="Save password").click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    page.get_by_label("Present password").fill("not this one")
    page.get_by_label("New password").fill("another horse battery")
    page.get_by_role("button", name="Save password").click()
    expect(page.get_by_role("status").filter(has_text="present password is wrong")).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{town.url}/signin")
    page.get_by_label("Name").fill("pia")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{town.url}/")


def test_admin_makes_an_account(open_page: OpenPage, town: Town) -> None:
    page = open_page("root", Role.ADMIN, path="/admin")
    page.get_by_role("button", name="Accounts").click()
    page.get_by_label("Name").fill("newcomer")
    where = page.get_by_label("Where they may look and act")
    expect(where).to_have_value(town.drill)
    expect(where.get_by_role("option", name="everywhere")).to_have_count(0)
    page.get_by_role("button", name="Add account").click()
    expect(page.get_by_label("One-time link")).to_have_value(re.compile("/s/"))
    expect(page.get_by_role("row", name=re.compile("^newcomer"))).to_contain_text(town.drill)
    page.get_by_role("button", name="Dead letters").click()
    expect(page.get_by_text("No dead letters")).to_be_visible()


def test_admin_sees_the_register_of_devices_page_by_page(open_page: OpenPage, town: Town) -> None:
    town.store.add_devices([Device(id=f"d{n:03}", jurisdiction=town.drill) for n in range(150)])
    page = open_page("root", Role.ADMIN, path="/admin")
    page.get_by_role("button", name="Devices").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(100)
    page.get_by_role("button", name="More").click()
    expect(rows).to_have_count(150)
    expect(page.get_by_role("button", name="More")).to_have_count(0)
    # What is changed stays where it is.
    rows.nth(149).get_by_role("button", name="Disable").click()
    rows.nth(149).get_by_role("button", name="Disable").click()
    expect(rows.nth(149)).to_contain_text("disabled")
    expect(rows).to_have_count(150)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("size", [(1440, 900), PHONE])
def test_a_device_outside_of_every_cell_is_taken_with_a_warning(
    open_page: OpenPage, lang: str, size: tuple[int, int]
) -> None:
    tab, add, nowhere, outside = {
        "en": ("Devices", "Register device", "0, 0 is no place", "lies outside of every cell"),
        "zh": ("设备", "登记设备", "0, 0 不是有效位置", "不在任何单元网格内"),
    }[lang]
    page = open_page("root", Role.ADMIN, path="/admin", lang=lang, size=size)
    page.get_by_role("button", name=tab).click()
    name, place = f"a-far-{lang}-{size[0]}", page.locator("form.devices input").last
    page.locator("form.devices input").first.fill(name)
    place.fill("0, 0")
    page.get_by_role("button", name=add).click()
    expect(page.get_by_role("alert")).to_contain_text(nowhere)
    # A minus is lost.
    place.fill("122.42, 37.77")
    page.get_by_role("button", name=add).click()
    expect(page.get_by_role("status")).to_contain_text(outside)
    row = page.locator("tr", has_text=name)
    expect(row.locator(".wrong")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_times_on_the_administrators_page_are_the_citys(open_page: OpenPage, town: Town) -> None:
    town.store.add_dead_letters(
        [
            DeadLetterRow(
                at=datetime(2026, 1, 1, 8, 5, 6, tzinfo=UTC),
                topic="reports",
                key=town.home,
                body=b"{",
                code="unreadable",
                reason="not JSON",
                stage="classify",
                jurisdiction=town.home,
            )
        ]
    )
    page = open_page(
        "root-of-all", Role.ADMIN, path="/admin", jurisdiction="*", timezone_id="Asia/Tokyo"
    )
    letter = page.locator("article", has_text="not JSON")
    expect(letter).to_contain_text(re.compile(r"Jan 2026,? 00:05:06"))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_phone_leaves_an_exercise_that_is_over(new_page: NewPage, town: Town, lang: str) -> None:
    words = {
        "en": ("Send report", "The exercise is over.", "Back to live"),
        "zh": ("立即上报", "演练已结束。", "返回实战"),
    }
    send, over, to_live = words[lang]
    phone = new_page(size=PHONE, lang=lang)
    phone.goto(town.link(f"worker-over-{lang}", Role.GRID_WORKER, town.drill, town.home))
    expect(phone.locator(".exercise-band")).to_be_visible()
    phone.locator("textarea").fill("fire in the kitchen")
    expect(phone.get_by_role("button", name=send)).to_be_enabled()
    running = town.store.drill(town.drill)
    assert running is not None
    town.store.set_drill(town.drill, state="ended")
    try:
        expect(phone.get_by_text(over)).to_be_visible()
        expect(phone.get_by_role("button", name=send)).to_be_disabled()
        phone.get_by_role("button", name=to_live).click()
        expect(phone.locator(".exercise-band")).to_have_count(0)
        expect(phone.get_by_role("button", name=send)).to_be_enabled()
        # And so it is when it is opened anew.
        phone.goto(f"{town.url}/field")
        expect(phone.get_by_role("button", name=send)).to_be_enabled()
        expect(phone.locator(".exercise-band")).to_have_count(0)
    finally:
        town.store.put_drill(running)
