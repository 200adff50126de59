"""The pages in a browser, against the real console and the real desk."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from models.city import CityPack
from models.situation import Incident
from models.words import Role
from tests.web_console_pages.conftest import DRILL, OpenPage, Town

pytestmark = pytest.mark.browser

PHONE = (390, 844)
FOUND_S = 15.0


def report(page: Page, text: str, *, category: str = "Traffic collision") -> None:
    """File a report on the field page and wait until the server has it."""
    page.get_by_role("button", name="Report", exact=True).click()
    page.get_by_role("button", name=category, exact=True).click()
    page.get_by_label("In your words").fill(text)
    expect(page.get_by_text("Located, within about 12 m")).to_be_visible()
    page.get_by_role("button", name="Send report").click()
    card = page.locator("article", has_text=text)
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible()


def choose(page: Page, text: str) -> None:
    """Select the incident whose report says this."""
    page.get_by_role("button", name=re.compile("^All")).click()
    deadline = time.monotonic() + FOUND_S
    while time.monotonic() < deadline:
        for row in page.locator("[role=option]").all():
            row.click()
            if page.locator("blockquote", has_text=text).count():
                return
    pytest.fail(f"no incident says {text!r}")


def test_link_signs_in_once(open_page: OpenPage, town: Town) -> None:
    link = town.link("once", Role.DISPATCHER, DRILL)
    page = open_page("other", Role.DISPATCHER)
    page.goto(link)
    page.wait_for_url(f"{town.url}/")
    page.goto(link)
    expect(page.get_by_role("alert")).to_contain_text("used or has expired")


def test_wrong_password_is_said(open_page: OpenPage, town: Town) -> None:
    page = open_page("pw", Role.DISPATCHER)
    page.goto(f"{town.url}/signin")
    page.get_by_label("Name").fill("pw")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong")


def test_report_reaches_the_commander_who_confirms(open_page: OpenPage) -> None:
    desk = open_page("commander-1", Role.COMMANDER)
    expect(desk.get_by_text("Connected")).to_be_visible()
    # Life-threatening calls go out by themselves; this commander decides about them too.
    desk.get_by_role("button", name="Account and settings").click()
    automatic = desk.get_by_label("1 · life-threatening")
    automatic.click()
    expect(desk.locator(".note.good", has_text="Automation: done")).to_be_visible()
    expect(automatic).not_to_be_checked()
    expect(automatic).to_be_enabled()
    phone = open_page("worker-1", Role.GRID_WORKER, size=PHONE, has_touch=True)
    report(phone, "Two cars, one person hurt, confirm me")
    expect(desk.locator("[role=option]").first).to_be_visible()
    choose(desk, "confirm me")
    confirm = desk.get_by_role("button", name=re.compile("^Confirm and send"))
    expect(confirm).to_be_enabled()
    expect(desk.get_by_text(re.compile(r"turnout \d+:\d\d · drive \d+:\d\d")).first).to_be_visible()
    confirm.click()
    expect(desk.locator(".note.good", has_text="sent to")).to_be_visible()
    expect(desk.locator(".sent-row").first).to_be_visible()
    phone_card = phone.locator("article", has_text="confirm me")
    expect(phone_card.get_by_text(re.compile(r"^Incident .*(Assigned|Active)"))).to_be_visible()


def tell(page: Page, order: str, **payload: object) -> None:
    """Send an order as the page's own buttons do, and wait until the server has it."""
    status = page.evaluate(
        """async ([type, payload]) => (await fetch('/api/orders', {
            method: 'POST', headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ id: crypto.randomUUID(), type, ...payload }) })).status""",
        [order, {"jurisdiction": DRILL, **payload}],
    )
    assert status == 202


def commander_who_decides(open_page: OpenPage, name: str) -> Page:
    """Open a commander's page, and have nothing ordered by itself."""
    desk = open_page(name, Role.COMMANDER)
    expect(desk.get_by_text("Connected")).to_be_visible()
    tell(desk, "set_automation", priorities=[])
    return desk


def test_a_road_that_slows_shows_what_it_costs_and_the_swap_that_wins(
    open_page: OpenPage, town: Town, shots: Path
) -> None:
    desk = commander_who_decides(open_page, "commander-11")
    phone = open_page("worker-11", Role.GRID_WORKER, size=PHONE, has_touch=True)
    # Elsewhere than the other tests' collisions, which it would join.
    phone.context.set_geolocation({"latitude": 37.757, "longitude": -122.44, "accuracy": 12})
    phone.reload()
    report(phone, "Two cars, the station's street is flooded")
    choose(desk, "street is flooded")
    desk.get_by_role("button", name="Why").first.click()
    ruled = desk.locator(".ruled li", has_text="lack")
    ruled.get_by_role("button", name=re.compile(r"^and \d+ more")).click()
    expect(ruled.locator(".faint")).to_contain_text(re.compile(r"(.+, ){12}"))
    desk.get_by_role("button", name=re.compile("^Confirm and send")).click()
    row = desk.locator(".sent-row").first
    sent = row.locator(".unitchip").inner_text()
    home = next(u for u in CityPack.load(town.settings.city_path).units
                if sent in (u.call_sign, u.id))  # fmt: skip
    eta = row.locator(".faint").inner_text()
    around = {"lon": home.lon, "lat": home.lat, "radius_m": 350, "speed": 0.05}
    tell(desk, "close_road", closure="swap", **around)
    expect(row.locator(".notice")).to_have_text(re.compile(r"Roads changed: \d+:\d\d longer"))
    expect(row.locator(".faint")).not_to_have_text(eta)
    told = desk.locator(".timeline li", has_text=f"Roads changed for {sent}")
    expect(told).to_contain_text(re.compile(r"\d+:\d\d longer \(a road is slow\)"))
    swap = desk.locator(".turned .notice", has_text=f"takes the place of {sent}")
    expect(swap).to_contain_text(re.compile(r"\d+:\d\d sooner"))
    desk.screenshot(path=shots / "console-swap.png")
    desk.get_by_role("button", name=re.compile("^Confirm and send")).click()
    expect(desk.locator(".timeline li", has_text=f"{sent} was relieved")).to_be_visible()
    tell(desk, "reopen_road", closure="swap")


def test_a_crew_sees_where_it_goes_that_it_was_turned_and_says_what_it_does(
    open_page: OpenPage, town: Town, shots: Path
) -> None:
    desk = commander_who_decides(open_page, "commander-12")
    phone = open_page("worker-12", Role.GRID_WORKER, size=PHONE, has_touch=True)
    for text, lat in (("Two cars in the west", 37.735), ("A lorry and a bus", 37.717)):
        phone.context.set_geolocation({"latitude": lat, "longitude": -122.475, "accuracy": 12})
        phone.reload()
        report(phone, text)
    # What is proposed for the second may change what is proposed for the first.
    confirm = desk.get_by_role("button", name=re.compile("^Confirm and send"))
    choose(desk, "A lorry and a bus")
    expect(confirm).to_be_visible()
    choose(desk, "Two cars in the west")
    confirm.click()
    sent = desk.locator(".sent-row .unitchip").first.inner_text()
    unit = next(u for u in CityPack.load(town.settings.city_path).units
                if sent in (u.call_sign, u.id))  # fmt: skip
    first, second = (
        next(one for one in incidents(town) if one.text == text)
        for text in ("Two cars in the west", "A lorry and a bus")
    )

    crew = open_page(unit.id, Role.GRID_WORKER, size=PHONE, has_touch=True)
    # As if each word took eight minutes: nobody here can wait so long.
    crew.add_init_script("const now = Date.now.bind(Date); Date.now = () => now() - 480_000;")
    crew.reload()
    expect(crew.get_by_text("Two cars in the west")).to_be_visible()
    state = crew.locator("article .chip")
    words: list[Any] = []
    crew.on("request", lambda r: words.append(r.post_data_json) if "/status" in r.url else None)
    # Said without a network, and known as soon as there is one again.
    town.close_console()
    crew.get_by_role("button", name="We are on our way").click()
    # Tried at least once, in vain.
    expect(crew.get_by_text(re.compile("^Saved on this phone · Waiting"))).to_be_visible()
    town.open_console()
    expect(state).to_have_text("En route", timeout=40_000)
    assert len(words) > 1
    assert len({word["observed_at"] for word in words}) == 1, "when it was said, not when sent"
    expect(crew.get_by_text(re.compile("^En route: you said so at .+, it arrived"))).to_be_visible()
    crew.screenshot(path=shots / "crew-late-en-390x844.png")
    crew.get_by_role("button", name="切换为中文").click()
    crew.screenshot(path=shots / "crew-late-zh-390x844.png")
    crew.get_by_role("button", name="Switch to English").click()

    expect(desk.get_by_text("Connected")).to_be_visible(timeout=40_000)
    told = desk.locator(".timeline li", has_text=f"{sent}: En route")
    expect(told).to_contain_text(re.compile(r"said \d\d:\d\d, arrived \d\d:\d\d"))
    tell(desk, "divert_unit", incident=second.id, unit=unit.id)
    turned = crew.get_by_role("alert")
    expect(turned).to_contain_text(f"not to {first.number}, go to {second.number}")
    expect(crew.get_by_text("A lorry and a bus")).to_be_visible()
    crew.screenshot(path=shots / "crew-en-390x844.png")
    crew.get_by_role("button", name="切换为中文").click()
    expect(turned).to_contain_text("已改派")
    crew.screenshot(path=shots / "crew-zh-390x844.png")
    crew.get_by_role("button", name="Switch to English").click()
    crew.get_by_role("button", name="We are on our way").click()
    crew.get_by_role("button", name="We are there").click()
    expect(state).to_have_text("On scene")
    crew.get_by_role("button", name="We are done and free").click()
    expect(crew.get_by_text(re.compile("^Nothing for you now"))).to_be_visible()
    expect(state).to_have_text("Returning, free")
    assert crew.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_a_crew_that_breaks_down_drops_out_and_another_is_proposed(
    open_page: OpenPage, town: Town, shots: Path
) -> None:
    desk = commander_who_decides(open_page, "commander-13")
    phone = open_page("worker-13", Role.GRID_WORKER, size=PHONE, has_touch=True)
    phone.context.set_geolocation({"latitude": 37.765, "longitude": -122.49, "accuracy": 12})
    phone.reload()
    report(phone, "A tram and a van")
    choose(desk, "A tram and a van")
    desk.get_by_role("button", name=re.compile("^Confirm and send")).click()
    sent = desk.locator(".sent-row .unitchip").first.inner_text()
    unit = next(u for u in CityPack.load(town.settings.city_path).units
                if sent in (u.call_sign, u.id))  # fmt: skip
    number = next(one for one in incidents(town) if one.text == "A tram and a van").number

    crew = open_page(unit.id, Role.GRID_WORKER, size=PHONE, has_touch=True)
    crew.get_by_role("button", name="We are on our way").click()
    state = crew.locator("article .chip")
    expect(state).to_have_text("En route")
    drop_out = crew.get_by_role("button", name="We can’t go on")
    drop_out.dblclick()  # a thumb that slips says nothing
    question = crew.get_by_role("group", name="We can’t go on")
    expect(question).to_contain_text(f"Drop out of {number}?")
    expect(question).to_be_focused()
    crew.screenshot(path=shots / "crew-drops-out-en-390x844.png")
    crew.get_by_role("button", name="切换为中文").click()
    expect(crew.get_by_role("button", name="确认停勤")).to_be_visible()
    crew.screenshot(path=shots / "crew-drops-out-zh-390x844.png")
    crew.get_by_role("button", name="Switch to English").click()
    question.get_by_role("button", name="No, we go on").click()
    expect(state).to_have_text("En route")
    drop_out.click()
    question.get_by_role("button", name="Yes, out of service").click()
    expect(crew.get_by_role("alert")).to_contain_text(f"somebody else for {number}")
    expect(state).to_have_text("Out of service")
    expect(crew.get_by_role("button", name="We can go again")).to_be_enabled()
    crew.screenshot(path=shots / "crew-dropped-out-en-390x844.png")
    crew.get_by_role("button", name="切换为中文").click()
    crew.screenshot(path=shots / "crew-dropped-out-zh-390x844.png")
    assert crew.evaluate("document.documentElement.scrollWidth") <= PHONE[0]

    row = desk.locator(".sent-row.ended", has_text=sent)
    expect(row.locator(".chip")).to_have_text("Dropped out")
    told = desk.locator(".timeline li", has_text=f"{sent}: Dropped out")
    expect(told).to_contain_text("out of service")
    expect(desk.get_by_role("button", name=re.compile("^Confirm and send"))).to_be_visible()
    expect(desk.locator(".unitchip.proposed").first).not_to_have_text(sent)
    desk.screenshot(path=shots / "console-dropped-out.png")


def incidents(town: Town) -> list[Incident]:
    """Everything that the desk of the drill believes is or was happening."""
    found = town.store.find_incidents(DRILL, limit=500)
    return [msgspec.json.decode(doc, type=Incident) for doc in found]


def test_hold_and_lift(open_page: OpenPage) -> None:
    desk = open_page("commander-2", Role.COMMANDER)
    desk.get_by_role("tab", name="Units").click()
    row = desk.locator(".unit-row").first
    row.get_by_role("button", name="Hold").click()
    desk.get_by_label("Reason").fill("tyre change")
    desk.locator("dialog").get_by_role("button", name="Hold").click()
    expect(row.get_by_text("held by commander-2")).to_be_visible()
    row.get_by_role("button", name="Lift").click()
    expect(row.get_by_text("held by commander-2")).to_have_count(0)


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
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible(timeout=40_000)
    expect(desk.get_by_text("Connected")).to_be_visible(timeout=40_000)
    choose(desk, "while the line was cut")


LATE = {"state": "delayed", "since": "2026-01-01T20:02:33Z", "oldest_unfinished_s": 187.0}
AT = "2026-01-01T20:05:40Z"
FITS = """() => {
  const page = document.documentElement;
  return innerWidth >= page.scrollWidth && innerHeight >= page.scrollHeight
    && [...document.querySelectorAll('.health div > *')].every(
      (line) => line.scrollWidth <= line.clientWidth);
}"""


def hear(page: Page, **changed: Any) -> None:
    """Have a page's heartbeats say something else."""

    def through(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def change(raw: str | bytes) -> None:
            frame = json.loads(raw)
            if frame["type"] == "heartbeat":
                frame |= changed
            socket.send(json.dumps(frame))

        server.on_message(change)

    page.route_web_socket(re.compile("/live$"), through)
    page.reload()


@pytest.mark.parametrize("size", [(1440, 900), PHONE])
@pytest.mark.parametrize(
    ("lang", "cause", "headline", "since"),
    [
        ("en", "", "Decisions delayed", "since 12:02:33 · 3 min"),
        ("en", "worker", "No worker is running", "since 12:02:33 · 3 min"),
        ("zh", "database", "数据库无法访问", "自 12:02:33 起 · 3 分"),
    ],
)
def test_a_delay_says_since_when_by_the_citys_clock(
    open_page: OpenPage, size: tuple[int, int], lang: str, cause: str, headline: str, since: str
) -> None:
    page = open_page("commander", Role.COMMANDER, size=size, lang=lang)
    hear(page, wall=AT, pipeline={**LATE, "cause": cause})
    health = page.locator(".health")
    expect(health).to_contain_text(headline)
    expect(health).to_contain_text(since)
    assert page.evaluate(FITS)


@pytest.mark.parametrize("role", [Role.COMMANDER, Role.GRID_WORKER])
@pytest.mark.parametrize(
    ("lang", "words"), [("en", "can’t read 2 of"), ("zh", "无法读取指挥台的 2 条")]
)
def test_a_console_older_than_the_desk_says_so(
    open_page: OpenPage, role: Role, lang: str, words: str
) -> None:
    page = open_page(f"old-{role.value}", role, size=PHONE, lang=lang)
    hear(page, unshown=2)
    expect(page.get_by_role("alert")).to_contain_text(words)
    assert page.evaluate(FITS)


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
    phone.evaluate("navigator.serviceWorker.ready")
    phone.wait_for_function("navigator.serviceWorker.controller !== null")
    town.close_console()
    phone.reload()
    phone.get_by_label("In your words").fill("filed with no network, page opened anew")
    phone.get_by_role("button", name="Send report").click()
    card = phone.locator("article", has_text="filed with no network")
    expect(card.get_by_text(re.compile("Saved on this phone"))).to_be_visible()
    phone.reload()
    town.open_console()
    phone.get_by_role("button", name="My reports").click()
    expect(card.get_by_text(re.compile("^Received"))).to_be_visible(timeout=40_000)


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
    expect(task.locator(".chip", has_text="Done")).to_be_visible(timeout=40_000)


def test_grid_cells_are_shown_and_remembered(open_page: OpenPage) -> None:
    page = open_page("commander-8", Role.COMMANDER)
    expect(page.get_by_text("Connected")).to_be_visible()
    with page.expect_response("**/api/cells.geojson") as answer:
        page.get_by_role("button", name="Grid cells").click()
    assert answer.value.ok
    page.reload()
    expect(page.get_by_role("button", name="Grid cells")).to_have_attribute("aria-pressed", "true")
    page.route("**/api/cells.geojson", lambda route: route.abort())
    page.reload()
    expect(page.get_by_text("The grid cells did not load.")).to_be_visible()
    page.unroute("**/api/cells.geojson")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("The grid cells did not load.")).to_be_hidden()
    expect(page.get_by_role("button", name="Grid cells")).to_have_attribute("aria-pressed", "true")


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


def test_admin_makes_an_account(open_page: OpenPage) -> None:
    page = open_page("root", Role.ADMIN, path="/admin")
    page.get_by_role("button", name="Accounts").click()
    page.get_by_label("Name").fill("newcomer")
    page.get_by_role("button", name="Add account").click()
    expect(page.get_by_label("One-time link")).to_have_value(re.compile("/s/"))
    page.get_by_role("button", name="Dead letters").click()
    expect(page.get_by_text("No dead letters")).to_be_visible()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("page_name", "size"),
    [
        ("console", (1440, 900)),
        ("console", PHONE),
        ("field", (1440, 900)),
        ("field", PHONE),
    ],
)
def test_screenshots(
    open_page: OpenPage, shots: Path, lang: str, page_name: str, size: tuple[int, int]
) -> None:
    """Nothing is wider than its screen; the pictures are build artefacts."""
    role = Role.COMMANDER if page_name == "console" else Role.GRID_WORKER
    page = open_page(f"shot-{page_name}", role, size=size, lang=lang)
    if page_name == "console":
        expect(page.locator("[role=option], .queue .empty").first).to_be_visible()
        expect(page.locator(".map-cover")).to_have_count(0)
        if page.locator("[role=option]").count():
            page.locator("[role=option]").first.click()
            expect(page.locator(".timeline li").first).to_be_visible()
    else:
        expect(page.locator(".kind").first).to_be_visible()
    page.screenshot(path=shots / f"{page_name}-{lang}-{size[0]}x{size[1]}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate("document.documentElement.lang") == ("zh-CN" if lang == "zh" else "en")
