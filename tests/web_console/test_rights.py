"""Whose orders and photos the routes let pass: as the table of rights says, and no others."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from itertools import product
from typing import Any

import httpx
import msgspec
import pytest
from PIL import Image

from models import events as ev
from models.errors import StoreError
from models.events import decode
from models.rights import RIGHTS, Place
from models.store import Store
from models.words import Role
from tests.every_order import FIELDS, KINDS, name_of
from tests.web_console.conftest import inbox
from web_console.accounts import make_sign_in_link
from web_console.console import Console

HOME, DRILL = "tiny", "tiny.exercise"
BELONGS = {Place.OWN: (HOME,), Place.EXERCISE: (HOME,), Place.FOREIGN: ("elsewhere",)}
WHERE = {Place.OWN: HOME, Place.EXERCISE: DRILL, Place.FOREIGN: HOME}


@pytest.fixture(autouse=True)
def _in_an_exercise_is_a_drill(begin_drill: Any) -> None:
    begin_drill(datetime.now(UTC))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
async def test_an_order_passes_as_the_table_says(
    kind: type[ev.Order], client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    for role, place in product(Role, Place):
        name = f"{role}-{place}"
        sign_in(name, role, *BELONGS[place])
        body = {"type": name_of(kind), "reason": "r", "jurisdiction": WHERE[place]}
        answer = await client.post(
            "/api/orders", json=body | msgspec.to_builtins(FIELDS[kind]) | body
        )
        passes = role in RIGHTS[kind].roles(place)
        assert answer.status_code == (202 if passes else 403), (role, place, answer.text)
        given = [decode(row.body).data for row in inbox(store)]
        mine = [one for one in given if isinstance(one, ev.Order) and one.by == name]
        assert len(mine) == passes
        for one in mine:
            assert (type(one), one.role, one.jurisdictions) == (kind, role, BELONGS[place])


@pytest.mark.parametrize("reason", [None, "", "   "])
@pytest.mark.parametrize(
    "order",
    [{"type": "set_posture", "posture": "emergency"}, {"type": "set_automation", "priorities": []}],
    ids=lambda order: str(order["type"]),
)
async def test_a_rule_of_the_jurisdiction_needs_a_reason(
    order: dict[str, Any], reason: str | None, client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("c", Role.COMMANDER)
    given = order if reason is None else order | {"reason": reason}
    answer = await client.post("/api/orders", json=given)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "reason"
    assert inbox(store) == []


# ── where one belongs ─────────────────────────────────────────────────────────────────────────


def test_a_new_account_must_say_where_it_belongs(store: Store) -> None:
    with pytest.raises(StoreError, match=r"'\*' for all"):
        store.add_account("x", Role.ADMIN, at=datetime.now(UTC), jurisdictions=())
    assert store.account("x") is None


async def test_an_account_without_jurisdictions_is_an_error_of_the_form(
    client: httpx.AsyncClient, sign_in: Any
) -> None:
    sign_in("root", Role.ADMIN)
    for body in (
        {"name": "x", "role": "admin"},
        {"name": "x", "role": "admin", "jurisdictions": []},
    ):
        answer = await client.post("/api/accounts", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "jurisdictions"
    made = {"name": "x", "role": "dispatcher", "jurisdictions": ["*"]}
    assert (await client.post("/api/accounts", json=made)).status_code == 201
    items = (await client.get("/api/accounts")).json()["items"]
    assert [one["jurisdictions"] for one in items if one["name"] == "x"] == [["*"]]


async def test_nobody_lets_another_in_where_they_may_not_go(
    client: httpx.AsyncClient, sign_in: Any, token_of: Any
) -> None:
    token_of("boss", Role.COMMANDER, "*")
    token_of("mate", Role.DISPATCHER, HOME)
    sign_in("root", Role.ADMIN, HOME)
    for there in ("*", "elsewhere", "us-ca-oak"):
        body = {"name": "x", "role": "admin", "jurisdictions": [HOME, there]}
        assert (await client.post("/api/accounts", json=body)).status_code == 403
    assert (await client.post("/api/accounts/boss/link")).status_code == 403
    assert (await client.post("/api/accounts/mate/link")).status_code == 201
    body = {"name": "x", "role": "admin", "jurisdictions": [HOME, DRILL]}
    assert (await client.post("/api/accounts", json=body)).status_code == 201


async def test_a_link_leads_nowhere_its_account_does_not_belong(
    client: httpx.AsyncClient, store: Store, console: Console
) -> None:
    make_sign_in_link(store, console.settings, "ella", Role.DISPATCHER, (DRILL,))
    account = store.account("ella")
    assert account is not None
    token = store.make_link(account, at=datetime.now(UTC), hours=1, jurisdiction=HOME)
    answer = await client.post("/api/session/link", json={"token": token})
    assert answer.json()["jurisdiction"] == DRILL
    assert (await client.get("/api/incidents")).status_code == 200
    assert (await client.get("/api/incidents", params={"jurisdiction": HOME})).status_code == 403
    report = await client.post("/api/reports", json={"text": "起火"})
    assert report.json()["jurisdiction"] == DRILL


@pytest.mark.parametrize("foreign", ["elsewhere", "", f"{HOME}x", f"{DRILL}.x", f"{DRILL}s"])
async def test_an_account_of_no_city_here_is_refused(
    foreign: str, client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("root", Role.ADMIN)
    body = {"name": "x", "role": "dispatcher", "jurisdictions": [HOME, foreign]}
    answer = await client.post("/api/accounts", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("jurisdictions")
    if foreign:
        assert HOME in answer.json()["errors"][0]["message"]
    assert store.account("x") is None
    for there in (HOME, DRILL, f"{DRILL}.2", "*"):
        body = {"name": f"of {there}", "role": "dispatcher", "jurisdictions": [there]}
        assert (await client.post("/api/accounts", json=body)).status_code == 201


async def test_a_report_of_an_account_of_another_city_is_refused_at_once(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    """Its desk made a dead letter of it, behind a 202."""
    store.claim("elsewhere", exercise=False, at=datetime.now(UTC))
    sign_in("far", Role.COMMANDER, "elsewhere")
    order = {"type": "set_posture", "posture": "emergency", "reason": "r"}
    for path, body in (("/api/reports", {"text": "起火"}), ("/api/orders", order)):
        answer = await client.post(path, json=body)
        assert answer.status_code == 404
        assert HOME in answer.json()["detail"], "which city this is the console of"
    assert inbox(store) == []


# ── photos ────────────────────────────────────────────────────────────────────────────────────


def picture() -> dict[str, Any]:
    raw = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(raw, "JPEG")
    return {"photo": ("a.jpg", raw.getvalue(), "image/jpeg")}


async def test_a_photo_is_shown_where_its_report_belongs_and_to_who_took_it(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("worker", Role.GRID_WORKER, HOME)
    photo = (await client.post("/api/photos", files=picture())).json()["id"]
    seen = f"/api/photos/{photo}"

    async def answers() -> dict[str, int]:
        found = {}
        for name, there in (("worker", HOME), ("near", HOME), ("far", DRILL), ("all", "*")):
            sign_in(name, Role.GRID_WORKER if name == "worker" else Role.ADMIN, there)
            found[name] = (await client.get(seen)).status_code
        return found

    assert await answers() == {"worker": 200, "near": 404, "far": 404, "all": 404}
    # Who may not look at it can't make it theirs by naming it in a report of their own.
    sign_in("far", Role.ADMIN, DRILL)
    stolen = await client.post("/api/reports", json={"text": "x", "photos": [photo]})
    assert stolen.status_code == 202, "words never wait for a picture"
    assert (await answers())["far"] == 404
    sign_in("worker", Role.GRID_WORKER, HOME)
    report = await client.post("/api/reports", json={"text": "起火", "photos": [photo]})
    assert report.status_code == 202
    assert await answers() == {"worker": 200, "near": 200, "far": 404, "all": 200}
    # Again is the same, and its preview is no way around.
    sign_in("worker", Role.GRID_WORKER, HOME)
    assert (
        await client.post("/api/reports", json={"text": "起火", "photos": [photo]})
    ).status_code == 202
    sign_in("far", Role.ADMIN, "elsewhere")
    assert (await client.get(seen, params={"size": "small"})).status_code == 404


async def test_a_photo_of_a_tasks_report_is_shown_where_the_task_is(
    client: httpx.AsyncClient, sign_in: Any, store: Store, console: Console, journal_writer: Any
) -> None:
    writer = journal_writer()
    writer.open_incident(1)
    writer.append(
        ev.TaskAssigned(
            task="t1",
            incident="i1",
            title={"zh": "查", "en": "Check"},
            role=Role.GRID_WORKER.value,
            due=datetime.now(UTC),
            assignee="worker",
        ),
        "i1",
    )
    room = await console.hub.room(HOME)
    for event in writer.events:
        room.take(event)
    sign_in("worker", Role.GRID_WORKER, HOME)
    photo = (await client.post("/api/photos", files=picture())).json()["id"]
    done = {"state": "done", "photos": [photo]}
    assert (await client.post("/api/tasks/t1", json=done)).status_code == 202
    sign_in("near", Role.DISPATCHER, HOME)
    assert (await client.get(f"/api/photos/{photo}")).status_code == 200
    sign_in("far", Role.DISPATCHER, "elsewhere")
    assert (await client.get(f"/api/photos/{photo}")).status_code == 404
