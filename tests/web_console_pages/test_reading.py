"""What the console says of what was read in a report, and of what may be a life in danger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web_console_pages.acting import PHONE
from tests.web_console_pages.canned import AT, open_canned
from tests.web_console_pages.conftest import NewPage
from tests.web_console_pages.test_layout import CUT

pytestmark = pytest.mark.browser

DESK = (1440, 900)
BEFORE_42_S = "2026-01-01T07:59:18Z"
BEFORE_75_S = "2026-01-01T07:58:45Z"
CARDIAC = {
    "reader": "1",
    "language": "zh",
    "real": 0.98,
    "danger": 0.97,
    "categories": [
        {"category": "health.medical.cardiac", "probability": 0.93},
        {"category": "health.medical", "probability": 0.06},
        {"category": "accident.fire", "probability": 0.004},
    ],
    "because": ["没有呼吸", "叫不醒"],
    "alarming": ["没有呼吸"],
}
DRILL = CARDIAC | {"modality": "drill", "real": 0.19, "danger": 0.5, "unreal": ["演习"]}
READ = {
    "en": [
        "Read as Cardiac arrest 0.93 because: 没有呼吸 · 叫不醒",
        "Or else Medical emergency 0.06",
        "Danger to life 0.97 because: 没有呼吸",
        "Happens now 0.98",
    ],
    "zh": [
        "判读为 心脏骤停 0.93 依据：没有呼吸 · 叫不醒",
        "也可能是 医疗急救 0.06",
        "生命危险 0.97 依据：没有呼吸",
        "正在发生 0.98",
    ],
}
UNREAL = {
    "en": "Perhaps not happening now 0.81: a drill because: 演习",
    "zh": "可能并非正在发生的警情 0.81：演练 依据：演习",
}
LOOK = {
    "en": ["life?", "Look first · 42 s", "Look first · 75 s", "Maybe life-threatening"],
    "zh": ["疑似危急", "先核实 · 42 秒", "先核实 · 75 秒", "可能有生命危险，请先核实"],
}
ESCALATED = {"at": AT, "to_role": "dispatcher", "deadline": "answer"}
COUNTS_TONES = """window.tones = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) {
  window.tones += 1;
  return start.apply(this, when);
};"""
NO_SOUND = "delete window.AudioContext;"


def incident(number: int, priority: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"i{number}",
        "number": f"0101-{number:04}",
        "priority": priority,
        "state": "open",
        "category": "health.medical.cardiac",
        "grade": "IV",
        "confidence": 0.93,
        "opened_at": BEFORE_42_S,
        "updated_at": AT,
        "text": "我爸倒地上了，叫不醒，好像没有呼吸",
        "place": "溧城街道人民路 12 号",
        "lon": 119.5,
        "lat": 31.4,
        "reports": [f"r{number}"],
        "reading": CARDIAC,
        **more,
    }


def comes(one: dict[str, Any], seq: int = 1) -> dict[str, Any]:
    """Return a frame with which an incident comes, or is another."""
    return {"type": "delta", "from": seq, "seq": seq + 1, "now": AT, "upsert": {"incidents": [one]}}


def terms(page: Page) -> list[str]:
    rows = page.locator(".block dl").first.evaluate(
        "(dl) => [...dl.querySelectorAll('dt')].map((term) => `${term.textContent} ${"
        "term.nextElementSibling.textContent}`.replace(/\\s+/g, ' ').trim())"
    )
    assert isinstance(rows, list)
    return rows


def select(page: Page, number: int) -> None:
    if page.locator(".panebar").is_visible():
        page.locator(".panebar button").first.click()
    page.locator(f"#row-i{number}").click()
    expect(page.locator(".detail-actions")).to_be_visible()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_the_detail_says_what_was_read_and_why(
    new_page: NewPage, shots: Path, lang: str, size: tuple[int, int]
) -> None:
    page = new_page(lang=lang, size=size, theme="light" if lang == "zh" else "dark")
    texts = [incident(1, triage=True), incident(2, 3, triage=True, reading=DRILL)]
    open_canned(page, "console", "dispatcher", {"incidents": texts})
    select(page, 1)
    page.screenshot(path=shots / f"reading-{lang}-{size[0]}.png")
    assert [row for row in terms(page) if row in READ[lang]] == READ[lang]
    expect(page.locator(".doubt")).to_have_count(0)
    select(page, 2)
    page.screenshot(path=shots / f"reading-unreal-{lang}-{size[0]}.png")
    expect(page.locator(".doubt")).to_have_text(UNREAL[lang])
    assert READ[lang][3] not in terms(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_what_no_model_read_says_so_and_keeps_its_confidence(new_page: NewPage) -> None:
    page = new_page()
    words = {"reader": "words", "language": "en", "because": ["fire"]}
    texts = [
        incident(1, 3, reading=words, confidence=0.83, triaged_by="wang"),
        incident(2, 3, reading={"reader": "1", "real": 0.5}, text="пожар"),
        incident(3, 3, reading=None, confidence=0.95),
    ]
    open_canned(page, "console", "dispatcher", {"incidents": texts})
    select(page, 1)
    told = terms(page)
    assert "Read by words alone because: fire" in told
    assert "Confidence 83 % · triaged by wang" in told
    select(page, 2)
    assert "Read language not read: a person must read it" in terms(page)
    expect(page.locator(".doubt")).to_have_count(0)
    select(page, 3)
    assert "Confidence 95 %" in terms(page)
    assert not [row for row in terms(page) if row.startswith("Read ")]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_may_threaten_a_life_stands_first_and_says_how_long(
    new_page: NewPage, shots: Path, lang: str
) -> None:
    flag, young, late, heard = LOOK[lang]
    page = new_page(lang=lang)
    situation = {
        "incidents": [
            incident(1, opened_at="2026-01-01T07:00:00Z", category="accident.fire"),
            incident(2, triage=True),
            incident(3, triage=True, opened_at=BEFORE_75_S, outside=True, escalations=[ESCALATED]),
        ]
    }
    send = open_canned(page, "console", "dispatcher", situation)
    numbers = page.locator("[role=option] .number")
    expect(numbers).to_have_text(["0101-0003", "0101-0002", "0101-0001"])
    expect(page.locator("#row-i2 .chip.decide")).to_have_text(young)
    expect(page.locator("#row-i2 .chip.late")).to_have_count(0)
    expect(page.locator("#row-i3 .chip.late")).to_have_text(late)
    expect(page.locator("#row-i2 .flag")).to_have_text([flag])
    expect(page.locator(".heard.alone")).to_contain_text(heard)
    for width, height in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=shots / f"maybe-{lang}-{width}.png")
        assert page.evaluate(CUT) == []
    send(comes(incident(3, triage=False, triaged_by="wang")))
    expect(numbers).to_have_text(["0101-0002", "0101-0001", "0101-0003"])


def test_each_is_heard_once_and_muted_not_at_all(new_page: NewPage) -> None:
    page = new_page()
    page.add_init_script(COUNTS_TONES)
    send = open_canned(page, "console", "dispatcher", {"incidents": [incident(1, triage=True)]})
    told = page.locator(".heard.alone")
    tones = "window.tones"
    expect(told).to_contain_text("0101-0001")
    assert page.evaluate(tones) == 0, "nobody has touched the page"
    select(page, 1)
    send(comes(incident(2, triage=True)))
    expect(told).to_contain_text("0101-0002")
    assert page.evaluate(tones) == 2
    send(comes(incident(2, triage=True, place="another"), 2))
    expect(page.locator("#row-i2")).to_contain_text("another")
    assert page.evaluate(tones) == 2
    mute = page.get_by_role("button", name="Mute the alert sound")
    expect(mute).to_have_attribute("aria-pressed", "false")
    mute.focus()
    page.keyboard.press("Enter")
    expect(mute).to_have_attribute("aria-pressed", "true")
    send(comes(incident(3, triage=True), 3))
    expect(told).to_contain_text("0101-0003")
    assert page.evaluate(tones) == 2
    page.reload()
    expect(mute).to_have_attribute("aria-pressed", "true")
    expect(mute).to_have_attribute("title", "The alert sound is off")


def test_a_browser_without_sound_tells_all_the_same(new_page: NewPage) -> None:
    page = new_page()
    page.add_init_script(NO_SOUND)
    send = open_canned(page, "console", "dispatcher", {"incidents": [incident(1, 3)]})
    select(page, 1)
    send(comes(incident(2, triage=True)))
    expect(page.locator(".heard.alone")).to_contain_text("0101-0002")


@pytest.mark.parametrize(("lang", "size"), [("zh", DESK), ("en", PHONE)])
def test_triage_offers_what_was_read(
    new_page: NewPage, shots: Path, lang: str, size: tuple[int, int]
) -> None:
    page = new_page(lang=lang, size=size)
    open_canned(page, "console", "dispatcher", {"incidents": [incident(1, triage=True)]})
    select(page, 1)
    page.locator(".detail-actions .button", has_text="研判" if lang == "zh" else "Triage").click()
    offers = page.locator(".offers button")
    expect(offers).to_have_count(3)
    expect(offers.first).to_have_attribute("aria-pressed", "true")
    expect(offers.first).to_contain_text("0.93")
    offers.nth(1).focus()
    page.keyboard.press("Enter")
    expect(offers.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("dialog select")).to_have_value("health.medical")
    page.screenshot(path=shots / f"triage-{lang}-{size[0]}.png")
