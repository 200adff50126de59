"""Without a network: what was said waits on the phone, and a screen says how old it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from models.words import Role
from tests.web_console_pages.acting import PHONE, choose, report
from tests.web_console_pages.conftest import OpenPage, Town

pytestmark = pytest.mark.browser

# Not wait_for_function: to look again it would need an eval, which the pages' policy forbids.
IS_CONTROLLED = """() => new Promise((done) => {
  const look = () => navigator.serviceWorker.controller && done(true);
  navigator.serviceWorker.addEventListener('controllerchange', look);
  look();
})"""


def test_a_cut_line_shows_and_heals_with_nothing_missing(open_page: OpenPage, town: Town) -> None:
    desk = open_page("commander-3", Role.COMMANDER)
    phone = open_page("worker-3", Role.GRID_WORKER, size=PHONE, has_touch=True)
    expect(desk.get_by_text("Connected")).to_be_visible()
    expect(phone.get_by_role("button", name="Send report")).to_be_visible()
    town.close_console()
    expect(desk.get_by_text("Connection lost")).to_be_visible()
    expect(desk.get_by_text(re.compile("data is .* old"))).to_be_visible()
    phone.get_by_role("button", name="Gas leak", exact=True).click()
    phone.get_by_label("In your words").fill("smell of gas, sent while the line was cut")
    phone.get_by_role("button", name="Send report").click()
    card = phone.locator("article", has_text="while the line was cut")
    expect(card.get_by_text(re.compile("Saved on this phone"))).to_be_visible()
    town.open_console()
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible()
    expect(desk.get_by_text("Connected")).to_be_visible()
    choose(desk, town, "while the line was cut")


def test_saved_report_survives_a_reload(open_page: OpenPage) -> None:
    phone = open_page("worker-4", Role.GRID_WORKER, size=PHONE, has_touch=True)
    expect(phone.get_by_role("button", name="Send report")).to_be_visible()
    phone.route("**/api/reports", lambda route: route.abort())
    phone.get_by_label("In your words").fill("kept over a reload")
    phone.get_by_role("button", name="Send report").click()
    expect(phone.get_by_text(re.compile("Saved on this phone"))).to_be_visible()
    phone.unroute("**/api/reports")
    phone.reload()
    phone.get_by_role("button", name="My reports").click()
    card = phone.locator("article", has_text="kept over a reload")
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible()


def test_the_field_page_opens_without_a_network_and_sends_later(
    open_page: OpenPage, town: Town
) -> None:
    phone = open_page("worker-7", Role.GRID_WORKER, size=PHONE, has_touch=True)
    expect(phone.get_by_role("button", name="Send report")).to_be_visible()
    phone.evaluate(IS_CONTROLLED)
    town.close_console()
    phone.reload()
    phone.get_by_label("In your words").fill("filed with no network, page opened anew")
    phone.get_by_role("button", name="Send report").click()
    card = phone.locator("article", has_text="filed with no network")
    expect(card.get_by_text(re.compile("Saved on this phone"))).to_be_visible()
    phone.reload()
    town.open_console()
    phone.get_by_role("button", name="My reports").click()
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible()


def test_a_task_is_accepted_and_done_with_proof_also_without_a_network(
    open_page: OpenPage, town: Town, tmp_path: Path
) -> None:
    proof = tmp_path / "proof.png"
    phone = open_page("worker-9", Role.GRID_WORKER, size=PHONE, has_touch=True)
    report(phone, "cover gone at the corner", category="Missing or broken manhole cover")
    phone.get_by_role("button", name="Tasks").click()
    task = phone.locator("article", has_text="Go and look and send a photo")
    task.get_by_role("button", name="Accept").click()
    done = task.get_by_role("button", name="Done")
    expect(done).to_be_disabled()  # the playbook asks for a photo
    phone.screenshot(path=proof)
    task.get_by_label("A photo is needed").set_input_files(proof)
    town.close_console()
    done.click()
    expect(task.get_by_text(re.compile("Saved on this phone"))).to_be_visible()
    town.open_console()
    expect(task.locator(".chip", has_text="Done")).to_be_visible()


def test_what_the_server_refuses_comes_back_field_by_field(open_page: OpenPage) -> None:
    phone = open_page("worker-5", Role.GRID_WORKER, size=PHONE, has_touch=True)
    phone.get_by_role("button", name="Send report").click()
    expect(phone.get_by_role("alert")).to_contain_text("Choose a kind")
    phone.route(
        "**/api/reports",
        lambda route: route.continue_(post_data={"text": "x", "accuracy_m": -1}),
        times=1,
    )
    phone.get_by_label("In your words").fill("refused, then mended")
    phone.get_by_role("button", name="Send report").click()
    expect(phone.get_by_text("Not accepted")).to_be_visible()
    phone.get_by_role("button", name="Mend and send again").click()
    expect(phone.get_by_label("In your words")).to_have_value("refused, then mended")
    phone.get_by_role("button", name="Send report").click()
    expect(phone.get_by_text(re.compile("^Received"))).to_be_visible()
