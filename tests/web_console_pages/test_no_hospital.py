"""The last hospital that takes patients is closed with a second question, and then it is said."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, Request, expect

from tests.web_console_pages.canned import AT, open_canned
from tests.web_console_pages.conftest import NewPage
from tests.web_console_pages.test_told_why import incident, proposal, unit

pytestmark = pytest.mark.browser

MEDIC = {"key": "engines", "names": {"zh": "救护车", "en": "Medic"}, "count": 1, "within_s": 300,
         "skills": ["medical_transport"]}  # fmt: skip
SAID = {
    "en": ["No hospital takes patients", "no hospital takes them"],
    "zh": ["目前没有医院接收伤病员", "没有医院接收伤病员"],
}


def hospital(name: str, *, closed: bool) -> dict[str, object]:
    return {"id": name, "names": {"zh": f"医院{name}", "en": f"Hospital {name}"}, "lon": 119.5,
            "lat": 31.4, "updated_seq": 1, "listed_per_hour": 4, "closed": closed}  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_while_no_hospital_takes_patients_page_and_plan_say_so(
    new_page: NewPage, lang: str
) -> None:
    chosen = {"unit": "A1", "turnout_s": 60.0, "drive_s": 100.0}
    situation = {
        "incidents": [incident(1, 2, proposal="p1", requirements=[MEDIC])],
        "proposals": [proposal(1, {"chosen": chosen}, made_at=AT)],
        "units": [unit("A1")],
        "hospitals": [hospital("a", closed=True), hospital("b", closed=True)],
    }
    page = new_page(lang=lang)
    open_canned(page, "console", "commander", situation)
    on_page, in_plan = SAID[lang]
    expect(page.locator(".no-hospital")).to_contain_text(on_page)
    page.locator("#row-i1").click()
    expect(page.locator(".proposal .notice.bad")).to_contain_text(in_plan)


def test_the_last_hospital_is_closed_with_a_second_question(new_page: NewPage) -> None:
    page = new_page(lang="en")
    sent: list[str] = []
    situation = {"hospitals": [hospital("a", closed=False), hospital("b", closed=True)]}
    open_canned(page, "console", "commander", situation)

    def note(request: Request) -> None:
        if request.url.endswith("/api/orders"):
            sent.append(request.post_data or "")

    page.on("request", note)
    expect(page.locator(".no-hospital")).to_have_count(0)
    page.get_by_role("tab").nth(1).click()
    _close(page)
    asked = page.locator("dialog.last-hospital")
    expect(asked).to_contain_text("all hospitals are closed")
    asked.get_by_role("button", name="Cancel").click()
    expect(asked).to_have_count(0)
    assert not sent
    _close(page)
    with page.expect_request("**/api/orders"):
        asked.get_by_role("button", name="Take none all the same").click()
    expect(asked).to_have_count(0)
    (order,) = map(json.loads, sent)
    assert (order["type"], order["hospital"], order["closed"]) == ("set_hospital", "a", True)


def _close(page: Page) -> None:
    page.get_by_role("button", name="Set", exact=True).click()
    page.get_by_role("checkbox").check()
    page.locator("dialog textarea").fill("power cut")
    page.get_by_role("button", name="Save").click()
