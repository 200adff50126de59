"""Photos and words on the phone: words never wait for a picture, and nothing written is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from models.words import Role
from tests.web_console_pages.acting import PHONE, choose, commander_who_decides, report
from tests.web_console_pages.conftest import OpenPage, Town

pytestmark = pytest.mark.browser

# What an Android phone hands over: no browser but Safari draws it, and the server neither.
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 500
KEPT = """async () => {
  const { all } = await import('/static/field/kept.js');
  const drafts = await all('drafts');
  return (await all('photos')).length > 0
    && drafts.some((one) => one.value.photos?.length && one.value.text);
}"""
"""Whether a draft and its photo have reached the phone's memory: shown is sooner than kept."""


def write(phone: Page, text: str, *photos: Path) -> None:
    phone.get_by_label("In your words").fill(text)
    phone.get_by_label("Photo", exact=True).set_input_files(photos)


def picture(page: Page, path: Path) -> Path:
    page.screenshot(path=path)
    return path


def test_words_go_first_and_a_photo_that_nobody_can_draw_is_told_and_taken_again(
    open_page: OpenPage, town: Town, tmp_path: Path, shots: Path
) -> None:
    desk = commander_who_decides(open_page, "commander-21")
    phone = open_page("worker-21", Role.GRID_WORKER, size=PHONE, has_touch=True)
    posted: list[str] = []
    phone.on("request", lambda r: posted.append(r.url) if r.method == "POST" else None)
    heic = tmp_path / "heic.jpg"
    heic.write_bytes(HEIC)
    write(phone, "smoke on the second floor, one person trapped", heic)
    expect(phone.get_by_text("No preview")).to_be_visible()
    phone.get_by_role("button", name="Send report").click()
    card = phone.locator("article", has_text="one person trapped")
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible()
    expect(card.get_by_role("alert")).to_contain_text("A photo was left out")
    phone.screenshot(path=shots / "photo-left-out-en-390x844.png")
    phone.get_by_role("button", name="切换为中文").click()
    expect(card.get_by_role("alert")).to_contain_text("其余内容已收到")
    phone.screenshot(path=shots / "photo-left-out-zh-390x844.png")
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    phone.get_by_role("button", name="Switch to English").click()
    sent = [url.rpartition("/api/")[2] for url in posted]
    assert sent == ["reports", "photos"]

    choose(desk, town, "one person trapped")
    # A photo is fetched once it is looked at.
    desk.get_by_role("link", name="Photo 1").scroll_into_view_if_needed()
    expect(desk.get_by_text("Photo 1: not here yet")).to_be_visible()
    desk.screenshot(path=shots / "console-photo-awaited.png")
    card.get_by_label("Take it again").set_input_files(picture(phone, tmp_path / "again.png"))
    expect(card.get_by_role("alert")).to_have_count(0)
    expect(desk.get_by_role("img", name="Photo 1")).to_be_visible()


def test_a_photo_follows_its_words_when_the_network_allows(
    open_page: OpenPage, town: Town, tmp_path: Path
) -> None:
    phone = open_page("worker-22", Role.GRID_WORKER, size=PHONE, has_touch=True)
    expect(phone.get_by_role("button", name="Send report")).to_be_visible()
    phone.route("**/api/photos", lambda route: route.abort())
    write(phone, "the picture is too much for this network", picture(phone, tmp_path / "p.png"))
    phone.get_by_role("button", name="Send report").click()
    card = phone.locator("article", has_text="too much for this network")
    expect(card.get_by_text(re.compile(r"^Received .+ · 1 photo\(s\) to follow"))).to_be_visible()
    (named,) = town.incident("too much for this network").photos
    assert town.store.photo(named) is None
    phone.unroute("**/api/photos")
    phone.reload()
    phone.get_by_role("button", name="My reports").click()
    expect(card.get_by_text("to follow")).to_have_count(0)
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible()
    assert town.store.photo(named) is not None


def test_a_tasks_proof_that_nobody_can_draw_holds_no_word_back(
    open_page: OpenPage, tmp_path: Path
) -> None:
    phone = open_page("worker-23", Role.GRID_WORKER, size=PHONE, has_touch=True)
    report(phone, "cover gone in the middle", category="Missing or broken manhole cover")
    phone.get_by_role("button", name="Tasks").click()
    task = phone.locator("article", has_text="Go and look and send a photo").first
    task.get_by_role("button", name="Accept").click()
    heic = tmp_path / "heic.jpg"
    heic.write_bytes(HEIC)
    task.get_by_label("A photo is needed").set_input_files(heic)
    task.get_by_label("What was done").fill("fenced off")
    # Kept like a report's draft.
    phone.reload()
    phone.get_by_role("button", name="Tasks").click()
    expect(task.get_by_label("What was done")).to_have_value("fenced off")
    expect(task.get_by_text("No preview")).to_be_visible()
    task.get_by_role("button", name="Done").click()
    ended = phone.locator("article.ended", has_text="Go and look and send a photo").first
    expect(ended.locator(".chip", has_text="Done")).to_be_visible()
    expect(ended.get_by_role("alert")).to_contain_text("A photo was left out")


def test_a_report_that_the_server_fails_at_holds_no_other_up(open_page: OpenPage) -> None:
    phone = open_page("worker-24", Role.GRID_WORKER, size=PHONE, has_touch=True)

    def fail_at_the_first(route: Route) -> None:
        if "the first of two" in (route.request.post_data or ""):
            route.fulfill(status=500, json={"title": "Something broke inside"})
        else:
            route.continue_()

    phone.route("**/api/reports", fail_at_the_first)
    for text in ("the first of two", "the second of two"):
        phone.get_by_role("button", name="Report", exact=True).click()
        phone.get_by_label("In your words").fill(text)
        phone.get_by_role("button", name="Send report").click()
        expect(phone.locator("article", has_text=text)).to_be_visible()
    second = phone.locator("article", has_text="the second of two")
    expect(second.get_by_text(re.compile("^Received"))).to_be_visible()
    first = phone.locator("article", has_text="the first of two")
    expect(first.get_by_text(re.compile("^Saved on this phone"))).to_be_visible()


def test_what_is_half_written_survives_a_reload_until_it_is_sent_or_cleared(
    open_page: OpenPage, town: Town, tmp_path: Path, shots: Path
) -> None:
    phone = open_page("worker-25", Role.GRID_WORKER, size=PHONE, has_touch=True)
    words, place = phone.get_by_label("In your words"), phone.get_by_label("Address or description")
    kind = phone.get_by_role("button", name="Gas leak", exact=True)
    photo = phone.get_by_role("button", name="Remove photo 1")
    expect(phone.get_by_text("Located, within about 12 m")).to_be_visible()
    kind.click()
    place.fill("behind the school")
    write(phone, "smell of gas, half", picture(phone, tmp_path / "p.png"))
    expect(photo).to_be_visible()
    phone.wait_for_function(KEPT)
    # Elsewhere now: the place is where it was written.
    phone.context.set_geolocation({"latitude": 37.7, "longitude": -122.4, "accuracy": 12})
    phone.reload()
    expect(words).to_have_value("smell of gas, half")
    expect(place).to_have_value("behind the school")
    expect(kind).to_have_attribute("aria-pressed", "true")
    expect(photo.locator("img")).to_be_visible()
    expect(phone.get_by_text("37.77490, -122.41940")).to_be_visible()
    expect(phone.get_by_text("Not sent yet")).to_be_visible()
    phone.screenshot(path=shots / "draft-kept-en-390x844.png", full_page=True)
    phone.get_by_role("button", name="切换为中文").click()
    phone.screenshot(path=shots / "draft-kept-zh-390x844.png", full_page=True)
    phone.get_by_role("button", name="Switch to English").click()

    words.fill("smell of gas, whole")
    phone.get_by_role("button", name="Send report").click()
    card = phone.locator("article", has_text="smell of gas, whole")
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible()
    (named,) = town.incident("smell of gas, whole").photos
    expect(card.get_by_text("to follow")).to_have_count(0)
    assert town.store.photo(named) is not None
    phone.reload()
    expect(words).to_have_value("")
    expect(phone.get_by_text("Not sent yet")).to_have_count(0)

    words.fill("never mind")
    phone.reload()
    expect(words).to_have_value("never mind")
    phone.get_by_role("button", name="Clear", exact=True).click()
    phone.get_by_role("button", name="Yes, clear").click()
    expect(words).to_have_value("")
    phone.reload()
    expect(phone.get_by_text("Located, within about 12 m")).to_be_visible()
    expect(words).to_have_value("")


def test_what_an_older_page_kept_is_sent_with_its_photos(open_page: OpenPage, town: Town) -> None:
    phone = open_page("worker-26", Role.GRID_WORKER, size=PHONE, has_touch=True)
    expect(phone.get_by_role("button", name="Send report")).to_be_visible()
    phone.evaluate(
        """async ([id, jurisdiction]) => {
          const canvas = document.createElement('canvas');
          canvas.width = canvas.height = 8;
          const photo = await new Promise((made) => canvas.toBlob(made, 'image/jpeg'));
          await new Promise((done) => {
            const asked = indexedDB.open('gridcommand.field', 1);
            asked.onupgradeneeded = () =>
              asked.result.createObjectStore('outbox', { keyPath: 'id' });
            asked.onsuccess = () => {
              const all = asked.result.transaction('outbox', 'readwrite');
              all.objectStore('outbox').put({
                id, body: { jurisdiction, text: 'kept by an older page' },
                photos: [photo], photoIds: [], state: 'saved', at: Date.now() });
              all.oncomplete = () => { asked.result.close(); done(); };
            };
          });
        }""",
        ["01890a5d-ac96-774b-bcce-b302099a8057", town.drill],
    )
    phone.reload()
    phone.get_by_role("button", name="My reports").click()
    card = phone.locator("article", has_text="kept by an older page")
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible()
    expect(card.get_by_text("to follow")).to_have_count(0)
    (named,) = town.incident("kept by an older page").photos
    assert town.store.photo(named) is not None
