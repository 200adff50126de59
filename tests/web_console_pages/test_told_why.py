"""What the console says of a crew that doesn't come, and of a unit that another incident has."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web_console_pages.canned import AT, open_canned
from tests.web_console_pages.conftest import NewPage

pytestmark = pytest.mark.browser

ORDERED = "2026-01-01T07:35:00Z"
ENGINES = {"key": "engines", "names": {"zh": "消防车", "en": "Engines"}, "skills": [], "count": 1,
           "within_s": 300}  # fmt: skip
TEXTS = {
    "en": ["No answer: 25 min", "Not acknowledged: ordered 25:00 ago", "Late by 22:00"],
    "zh": ["未应答：25 分", "未应答：下达已 25:00", "迟到 22:00"],
}
KEPT = {
    "en": ["E3 kept for 0101-0001 (more urgent)", "No unit can go", "Nearest", "0:00 longer"],
    "zh": ["E3 留给 0101-0001（更紧急）", "没有可派的力量", "最近", "多等 0:00"],
}


def incident(number: int, priority: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"i{number}",
        "number": f"0101-{number:04}",
        "priority": priority,
        "state": "open",
        "category": "accident.fire",
        "grade": "II",
        "confidence": 0.9,
        "opened_at": ORDERED,
        "updated_at": ORDERED,
        "text": "A wall has come down",
        "lon": 119.5,
        "lat": 31.4,
        "requirements": [ENGINES],
        **more,
    }


def unit(name: str, **more: Any) -> dict[str, Any]:
    place = {"lon": 119.5, "lat": 31.4, "home_lon": 119.5, "home_lat": 31.4}
    times = {"since": ORDERED, "position_at": ORDERED, "updated_seq": 1}
    kind = {"kind": "engine", "skills": [], "owner": "government", "state": "available"}
    return {"id": name, **kind, **place, **times, **more}


def proposal(number: int, choice: dict[str, Any], **more: Any) -> dict[str, Any]:
    choices = [{"requirement": "engines", "slot": 0, **choice}]
    return {"id": f"p{number}", "incident": f"i{number}", "made_at": AT, "updated_seq": 1,
            "choices": choices, **more}  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_order_that_nobody_accepts_is_to_be_decided_and_late(
    new_page: NewPage, lang: str
) -> None:
    told = {"at": AT, "kind": "unanswered", "unit": "E1", "deadline": "i2-a1-unanswered",
            "to_role": "dispatcher", "notice": {}}  # fmt: skip
    sent = {"id": "i2-a1", "incident": "i2", "unit": "E1", "requirement": "engines", "by": "wang",
            "state": "ordered", "turnout_s": 60.0, "drive_s": 120.0, "times": {"ordered": ORDERED},
            "updated_seq": 1}  # fmt: skip
    situation = {
        "incidents": [
            incident(1, 4),
            incident(2, 1, state="assigned", assignments=["i2-a1"], escalations=[told]),
        ],
        "assignments": [sent],
        "units": [unit("E1", state="assigned", assignment="i2-a1", incident="i2")],
    }
    page = new_page(lang=lang)
    open_canned(page, "console", "commander", situation)
    first = page.locator("[role=option]").first
    in_row, in_detail, late = TEXTS[lang]
    expect(first.locator(".number")).to_have_text("0101-0002")
    expect(first.locator(".chip.decide")).to_have_text(in_row)
    first.click()
    row = page.locator(".sent-row")
    expect(row).to_contain_text(in_detail)
    expect(row).to_contain_text(late)
    expect(row).not_to_contain_text("0:00 ")
    expect(row).not_to_contain_text("15:38")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_unit_that_another_incident_has_is_told_with_that_incident(
    new_page: NewPage, lang: str
) -> None:
    kept, nobody, nearest, no_time = KEPT[lang]
    third = {"unit": "E3", "turnout_s": 60.0, "drive_s": 147.0}
    fourth = {"unit": "E4", "turnout_s": 60.0, "drive_s": 240.0}
    situation = {
        "incidents": [
            incident(1, 1, proposal="p1"),
            incident(2, 2, proposal="p2"),
            incident(3, 2, proposal="p3", triage=True),
        ],
        "proposals": [
            proposal(1, {"chosen": third}),
            proposal(2, {"runners_up": [third]}, shortage={"engines": 1}),
            proposal(3, {"chosen": fourth, "runners_up": [{**third, "added_s": 0.4}]}),
        ],
        "units": [unit("E3"), unit("E4")],
    }
    page = new_page(lang=lang)
    open_canned(page, "console", "commander", situation)
    page.locator("#row-i2").click()
    card = page.locator(".proposal")
    expect(card.locator(".choice .chip.bad")).to_have_text(kept)
    expect(card.locator(".notice.bad")).to_contain_text(kept)
    expect(card.locator(".second")).to_contain_text(nearest)
    expect(card).not_to_contain_text(nobody)
    page.locator("#row-i3").click()
    expect(card.locator(".second")).to_contain_text(kept.removeprefix("E3 "))
    expect(card).not_to_contain_text(no_time)


CORDON = {
    "en": ["E3 stops where the closed area begins (gas leak)", "last 240 m", "of it 40 m on foot"],
    "zh": ["E3 只能停在封闭区域边缘（gas leak）", "最后 240 米", "其中步行 40 米"],
}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_unit_that_stops_before_a_closed_area_is_told_with_the_closure(
    new_page: NewPage, lang: str
) -> None:
    chosen = {"unit": "E3", "turnout_s": 60.0, "drive_s": 147.0, "length_m": 900.0,
              "walked_m": 280.0, "cordon": ["c1"], "cordon_m": 240.0}  # fmt: skip
    closed = {"id": "c1", "lon": 119.5, "lat": 31.4, "radius_m": 300.0, "since": ORDERED,
              "updated_seq": 1, "reason": "gas leak", "by": "li"}  # fmt: skip
    situation = {
        "incidents": [incident(1, 2, proposal="p1")],
        "proposals": [proposal(1, {"chosen": chosen})],
        "units": [unit("E3")],
        "closures": [closed],
    }
    page = new_page(lang=lang)
    open_canned(page, "console", "commander", situation)
    page.locator("#row-i1").click()
    for text in CORDON[lang]:
        expect(page.locator(".choice")).to_contain_text(text)
