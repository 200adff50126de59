"""溧阳, live and in Chinese: a report from a phone without a fix, until somebody is sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from models.words import Role
from tests.web_console_pages.acting import PHONE
from tests.web_console_pages.conftest import OpenPage, Town

pytestmark = pytest.mark.browser

PLACE = "31.524979, 119.343000"


@pytest.fixture(scope="module")
def city() -> str:
    return "liyang"


def report(phone: Page, text: str, *, place: str = "") -> None:
    """File a report in words alone, and wait until the server has it."""
    phone.get_by_label("说明（可只选类别）").fill(text)
    phone.get_by_label("地址或位置描述（可选）").fill(place)
    phone.get_by_role("button", name="立即上报").click()
    card = phone.locator("article", has_text=text)
    expect(card.get_by_text(re.compile("已收到"))).to_be_visible()
    phone.get_by_role("button", name="上报", exact=True).click()


def no_fix(page: Page) -> None:
    """Take the phone's fix away."""
    page.context.clear_permissions()


@pytest.mark.parametrize("size", [(1440, 900), PHONE])
def test_the_map_says_whose_data_it_is_made_of_in_the_pages_language(
    open_page: OpenPage, town: Town, size: tuple[int, int]
) -> None:
    for lang, said, other in (("zh", "开放数据", "open data"), ("en", "open data", "开放数据")):
        desk = open_page(
            f"map-{lang}", Role.COMMANDER, lang=lang, jurisdiction=town.home, size=size
        )
        if size == PHONE:
            desk.get_by_role("button", name={"zh": "地图", "en": "Map"}[lang], exact=True).click()
        credit = desk.locator(".map-credit")
        expect(credit).to_be_visible()
        expect(credit).to_contain_text(said)
        expect(credit).not_to_contain_text(other)


def test_who_reports_without_a_fix_is_not_forgotten(
    open_page: OpenPage, town: Town, shots: Path
) -> None:
    desk = open_page("指挥员", Role.COMMANDER, lang="zh", jurisdiction=town.home)
    expect(desk.get_by_text("已连接")).to_be_visible()
    phone = open_page(
        "网格员",
        Role.GRID_WORKER,
        lang="zh",
        size=PHONE,
        at=town.pack.center,
        jurisdiction=town.home,
        before=no_fix,
    )
    expect(phone.get_by_text("无法定位")).to_be_visible()
    report(phone, "家里着火了，有人出不来", place="竹箦镇")
    report(phone, "井盖没了")
    fire = town.incident("家里着火了")

    desk.get_by_role("button", name=re.compile("^待决定")).click()
    desk.locator("body").press("n")
    detail = desk.locator(".detail")
    expect(detail).to_contain_text(fire.number)
    expect(detail.locator("blockquote", has_text="家里着火了")).to_be_visible()
    expect(desk.get_by_text("网格外")).to_have_count(0)
    desk.screenshot(path=shots / "liyang-without-place-zh.png")
    detail.get_by_role("button", name="标注位置").click()
    desk.get_by_label(re.compile("^街道、路口")).fill("竹箦5横路")
    desk.get_by_role("group", name="查到的地点").get_by_role("button").first.click()
    expect(desk.get_by_label("坐标：纬度, 经度")).to_have_value(PLACE)
    desk.screenshot(path=shots / "liyang-place-zh.png")
    desk.locator("dialog").get_by_role("button", name="确定位置").click()
    expect(desk.locator(".note.good", has_text="标注位置")).to_be_visible()
    expect(detail.locator(".unitchip").first).to_be_visible()
    desk.screenshot(path=shots / "liyang-placed-zh.png")
    assert town.incident("家里着火了").lat == pytest.approx(31.525, abs=0.001)
    expect(phone.locator(".field-head")).to_be_visible()
    phone.get_by_role("button", name="我的上报").click()
    card = phone.locator("article", has_text="家里着火了")
    expect(card.locator(".became")).to_contain_text(fire.number)
    phone.screenshot(path=shots / "liyang-mine-zh.png")

    # The other one its sender places, once the phone has a fix.
    card = phone.locator("article", has_text="井盖没了")
    expect(card.get_by_role("heading", name="还没有位置：请补充")).to_be_visible()
    phone.context.grant_permissions(["geolocation"])
    card.get_by_role("button", name="用我的位置").click()
    expect(card.get_by_text("已定位")).to_be_visible()
    card.get_by_role("button", name="发送位置").click()
    expect(card.get_by_text("位置已确定")).to_be_visible()
    assert town.incident("井盖没了").is_placed
    phone.screenshot(path=shots / "liyang-placed-by-reporter-zh.png")
