"""Any id that a pack may have can be said in every address that takes one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute

from models import events as ev
from models.events import decode, encode
from models.lifecycles import IncidentState, TaskState, UnitState
from models.named import wrong_with_id
from models.situation import Incident
from models.store import Store
from models.words import Grade, Role
from tests.web_console.conftest import inbox
from web_console import pages, routes_desk, routes_intake, routes_read, routes_session
from web_console.console import Console

HOME = "tiny"
IDS = ["1/46-1", "a/b/c/log", "Engine 1", "消防车一号", "50%2F#?&+"]
PLAIN = {
    "/api/photos/{photo_id}",
    "/api/reports/{report_id}/place",
    "/api/dead-letters/{letter_id}/acknowledge",
    "/s/{token}",
}
"""What these are called by is ours: UUIDs, numbers and tokens."""

pytestmark = pytest.mark.parametrize("name", IDS)


def at(name: str) -> str:
    """An id as pages write it into an address (encodeURIComponent)."""
    return quote(name, safe="")


async def take(console: Console, writer: Any) -> None:
    room = await console.hub.room(HOME)
    for event in writer.events:
        room.take(event)


def test_each_route_that_takes_an_id_takes_it_whole(name: str) -> None:
    assert wrong_with_id(name) == "", "a pack may have it"
    modules = (routes_desk, routes_intake, routes_read, routes_session, pages)
    routes = [route for module in modules for route in module.router.routes]
    paths = {route.path for route in routes if isinstance(route, APIRoute)}
    ours = {path for path in paths if "{" in path} - PLAIN
    assert len(ours) == 5
    assert all(path.count("{") == path.count(":path}") == 1 for path in ours)


async def test_a_crew_says_what_it_does(
    client: httpx.AsyncClient,
    sign_in: Any,
    store: Store,
    console: Console,
    journal_writer: Any,
    name: str,
) -> None:
    writer = journal_writer()
    writer.append(
        ev.UnitRegistered(
            unit=name, kind="engine", skills=(), owner="government", lon=119.4, lat=31.4
        )
    )
    await take(console, writer)
    sign_in(name, Role.GRID_WORKER)
    assert (await client.get("/api/session")).json()["unit"] == name
    word = {"state": "available"}
    assert (await client.post(f"/api/units/{at(name)}/status", json=word)).status_code == 202
    (row,) = inbox(store)
    assert decode(row.body).data == ev.UnitStatusReported(
        unit=name, state=UnitState.AVAILABLE, reporter=name
    )
    assert (await client.post(f"/api/units/{at(name)}x/status", json=word)).status_code == 403


async def test_a_task_is_done(
    client: httpx.AsyncClient,
    sign_in: Any,
    store: Store,
    console: Console,
    journal_writer: Any,
    name: str,
) -> None:
    writer = journal_writer()
    writer.open_incident(1)
    writer.append(
        ev.TaskAssigned(
            task=name,
            incident="i1",
            title={"zh": "查", "en": "Check"},
            role=Role.GRID_WORKER.value,
            due=datetime.now(UTC),
            assignee="worker1",
        ),
        "i1",
    )
    await take(console, writer)
    sign_in("worker1", Role.GRID_WORKER)
    assert (await client.post(f"/api/tasks/{at(name)}", json={"state": "done"})).status_code == 202
    (row,) = inbox(store)
    assert decode(row.body).data == ev.TaskReported(task=name, state=TaskState.DONE, by="worker1")


async def test_an_incident_and_its_log_are_read(
    client: httpx.AsyncClient, sign_in: Any, store: Store, name: str
) -> None:
    now = datetime(2026, 7, 1, 3, tzinfo=UTC)
    incident = Incident(
        id=name, number="2026-1", state=IncidentState.OPEN, category="accident.fire", priority=2,
        grade=Grade.IV, confidence=1.0, opened_at=now, updated_at=now, updated_seq=1,
    )  # fmt: skip
    lease = store.claim(HOME, exercise=False, at=now)
    tick = ev.Event(
        id="e1", source="/t", time=now, jurisdiction=HOME, seq=1, subject=name,
        data=ev.ClockTicked(),
    )  # fmt: skip
    store.commit_step(lease, [tick], [encode(tick)], wall=now, entities=(incident,))
    sign_in("boss", Role.COMMANDER)
    log = (await client.get(f"/api/incidents/{at(name)}/log")).raise_for_status().json()
    assert set(log) == {"items", "archived"}
    if not name.endswith("/log"):
        read = (await client.get(f"/api/incidents/{at(name)}")).raise_for_status().json()
        assert read["incident"]["id"] == name


async def test_an_account_is_made_and_gets_a_link(
    client: httpx.AsyncClient, sign_in: Any, store: Store, name: str
) -> None:
    sign_in("root", Role.ADMIN)
    account = {"role": "grid_worker", "jurisdictions": ["tiny"]}
    made = await client.post("/api/accounts", json={"name": name, **account})
    assert made.status_code == 201, made.text
    assert store.account(name) is not None
    again = await client.post(f"/api/accounts/{at(name)}/link")
    assert again.status_code == 201
    assert again.json()["name"] == name
    bad = await client.post("/api/accounts", json={"name": f"{name}/", **account})
    assert bad.status_code == 422
    assert "nor twice" in bad.text or "连写" in bad.text
