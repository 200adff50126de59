"""On a phone, a desk, a wall and a page at 200 %: nothing overlaps, nothing leaves the screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web_console_pages.acting import PHONE
from tests.web_console_pages.canned import AT, open_canned
from tests.web_console_pages.conftest import NewPage

pytestmark = pytest.mark.browser

DESK = (1440, 900)
WALL = (3840, 2160)
AT_200_PERCENT = (720, 450)  # of a 1440 x 900 screen
SIZES = [DESK, PHONE, WALL, AT_200_PERCENT]
ROWS_SEEN = 2.5
# Parts that lie beside or below one another, never over.
APART = [
    ".console > :not(.notes, .heard, dialog)",
    ".topbar > *",
    ".topbar .tallies > *",
    ".leftswitch > *",
    ".left > *",
    ".left .queue > *",
    ".queue-head > *",
    ".tabs > *",
    ".panebar > *",
    ".detail > *",
    ".detail-actions > *",
    ".field-page > *",
    ".field-head > *",
    ".field-tabs > *",
    ".kinds > *",
]
FAULTS = """(groups) => {
  const shown = (element) => {
    const box = element.getBoundingClientRect();
    return element.checkVisibility({ visibilityProperty: true }) && box.width > 0 && box.height > 0;
  };
  const name = (element) => `${element.localName}.${[...element.classList].join('.')}`;
  const faults = [];
  for (const group of groups) {
    const parts = [...document.querySelectorAll(group)].filter(shown);
    parts.forEach((one, n) => {
      const a = one.getBoundingClientRect();
      if (a.left < -0.5 || a.right > innerWidth + 0.5) {
        faults.push(`${name(one)} leaves the screen`);
      }
      const host = one.parentElement.getBoundingClientRect();
      if (a.left < host.left - 0.5 || a.right > host.right + 0.5) {
        faults.push(`${name(one)} slides out of ${name(one.parentElement)}`);
      }
      for (const other of parts.slice(n + 1)) {
        const b = other.getBoundingClientRect();
        if (other.parentElement === one.parentElement && a.left < b.right - 0.5
          && b.left < a.right - 0.5 && a.top < b.bottom - 0.5 && b.top < a.bottom - 0.5) {
          faults.push(`${name(one)} overlaps ${name(other)}`);
        }
      }
    });
  }
  const page = document.documentElement;
  if (page.scrollWidth > innerWidth) faults.push(`the page is ${page.scrollWidth} px wide`);
  if (page.scrollHeight > innerHeight) faults.push(`the page is ${page.scrollHeight} px high`);
  return faults;
}"""


def faults(page: Page) -> object:
    return page.evaluate(FAULTS, APART)


def incidents(count: int) -> dict[str, Any]:
    """Return a situation of a bad night: all wait for a decision, one is escalated."""
    found = [
        {
            "id": f"i{n}",
            "number": f"0101-{n:04}",
            "priority": 1 + n % 4,
            "state": "open",
            "category": "accident.fire",
            "grade": "II",
            "confidence": 0.9,
            "opened_at": AT,
            "updated_at": AT,
            "text": "A wall has come down on two people at the corner of the market",
            "place": "Market Street and the corner of the long Embarcadero arcade 溧城街道人民路",
            "lon": 119.5,
            "lat": 31.4,
        }
        for n in range(count)
    ]
    found[0]["escalations"] = [{"at": AT, "to_role": "dispatcher", "deadline": "answer"}]
    moves = [{"id": "E1", "unit": "E1", "post": "", "drive_s": 60.0}]
    return {"incidents": found, "move_ups": moves}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_console_fits_every_screen_also_with_four_digit_counts(
    new_page: NewPage, shots: Path, lang: str
) -> None:
    page = new_page(lang=lang)
    open_canned(page, "console", "commander", incidents(1234))
    page.locator("[role=option]").first.click()
    expect(page.locator(".detail-actions")).to_be_visible()
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        is_narrow = page.locator(".panebar").is_visible()
        assert is_narrow == (width < 900)
        for n in range(3 if is_narrow else 1):
            if is_narrow:
                page.locator(".panebar button").nth(n).click()
            page.screenshot(path=shots / f"layout-{lang}-{width}-{n}.png")
            assert faults(page) == [], (width, height, n)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_no_stripe_stands_between_the_words_of_the_exercises_band(
    new_page: NewPage, lang: str, size: tuple[int, int]
) -> None:
    page = new_page(lang=lang, size=size)
    open_canned(page, "console", "commander", incidents(1))
    words, end = page.locator(".exercise-band > [role=status]"), page.locator(".end-drill")
    expect(end).to_be_visible()
    left, right = words.bounding_box(), end.bounding_box()
    assert left is not None
    assert right is not None
    assert right["x"] <= left["x"] + left["width"] + 1
    assert (right["y"], right["height"]) == (left["y"], left["height"])
    assert end.evaluate("(one) => one.scrollWidth <= one.clientWidth"), "all of it can be read"
    end.get_by_role("button").click()
    expect(end.get_by_role("button")).to_have_count(2)
    assert faults(page) == []
    # Both answers can be reached.
    end.get_by_role("button").last.click(trial=True)
    end.get_by_role("button").first.click()
    expect(end.get_by_role("button")).to_have_count(1)


# Of each row's badges: those that are cut, or out of sight though they matter.
CUT = """() => [...document.querySelectorAll('.row-foot')].flatMap((foot) => {
  const host = foot.getBoundingClientRect();
  return [...foot.querySelectorAll('.flag, .more, .unitchip')].filter((badge) => {
    const box = badge.getBoundingClientRect();
    if (badge.matches('.unitchip') && box.top >= host.bottom - 0.5) return false;
    return box.left < host.left - 0.5 || box.right > host.right + 0.5;
  }).map((badge) => badge.textContent);
})"""
LINES = """(button) => {
  const range = document.createRange();
  range.selectNodeContents(button);
  const boxes = [...range.getClientRects()].filter((box) => box.width > 1.5 && box.height > 1.5);
  const middles = boxes.map((box) => (box.top + box.bottom) / 2);
  return Math.max(...middles) - Math.min(...middles);
}"""


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_badges_of_a_row_are_whole_however_many_units_are_there(
    new_page: NewPage, shots: Path, lang: str
) -> None:
    situation = incidents(200)
    for one in situation["incidents"]:
        one["triage"] = True
        one["escalations"] = [{"at": AT, "to_role": "dispatcher", "deadline": "answer"}]
    first = situation["incidents"][0]
    first |= {"state": "assigned", "assignments": [f"a{n}" for n in range(10)]}
    situation["assignments"] = [
        {
            "id": f"a{n}",
            "incident": "i0",
            "unit": f"ENGINE-{n}",
            "requirement": "r",
            "state": "en_route",
            "by": "x",
        }
        for n in range(10)
    ]
    page = new_page(lang=lang)
    open_canned(page, "console", "commander", situation)
    page.locator("#search").fill("0101-0000")
    expect(page.locator(".row-foot .more")).to_have_text("×10")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=shots / f"badges-{lang}-{width}.png")
        assert page.evaluate(CUT) == [], (width, height)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    lists = page.locator(".panebar button").first
    expect(lists.locator(".dot")).to_have_count(3)
    assert lists.evaluate(LINES) < 4, "the tab's label and its counts stand in one line"


def test_a_zoomed_page_leaves_room_for_the_queue(new_page: NewPage) -> None:
    page = new_page(size=AT_200_PERCENT)
    open_canned(page, "console", "commander", incidents(9))
    row = page.locator("[role=option]").first
    expect(row).to_be_visible()
    seen = page.locator("#queue-rows").evaluate("(rows) => rows.clientHeight")
    assert seen >= ROWS_SEEN * row.evaluate("(element) => element.offsetHeight")


def test_type_and_rows_grow_with_a_walls_screen(new_page: NewPage) -> None:
    page = new_page()
    open_canned(page, "console", "commander", incidents(9))
    row = page.locator("#row-i4")
    measure = """(row) => [parseFloat(getComputedStyle(row).fontSize), row.offsetHeight,
        row.closest('.left').offsetWidth]"""
    expect(row).to_be_visible()
    desk = row.evaluate(measure)
    page.set_viewport_size({"width": WALL[0], "height": WALL[1]})
    wall = row.evaluate(measure)
    assert desk[0] == 14
    assert all(large >= 1.7 * small for small, large in zip(desk, wall, strict=True))


def test_a_row_counts_its_reports_and_says_the_most_urgent_first(new_page: NewPage) -> None:
    page = new_page()
    situation = incidents(1)
    (one,) = situation["incidents"]
    one |= {"reports": ["a", "b"], "text": "no gas", "leading": "won't wake up", "place": "A road"}
    open_canned(page, "console", "commander", situation)
    row = page.locator("#row-i0")
    expect(row).to_contain_text("won't wake up · A road")
    expect(row).to_contain_text("×2")


def test_the_title_and_the_tabs_say_what_waits(new_page: NewPage) -> None:
    page = new_page()
    open_canned(page, "console", "commander", incidents(9))
    expect(page).to_have_title(re.compile(r"^\(10\) San Francisco"))
    queue, units = page.get_by_role("tab").all()
    expect(queue.locator(".dot")).to_contain_text(["9 to decide", "1 escalated"])
    expect(units.locator(".dot")).to_contain_text("1 proposed moves")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_field_page_fits_every_screen(new_page: NewPage, lang: str) -> None:
    page = new_page(lang=lang)
    open_canned(page, "field", "grid_worker", {})
    expect(page.locator(".kind").first).to_be_visible()
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert faults(page) == [], (width, height)
