"""Who may what by the API, whose word it is, and how one signs in."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from models import events as ev
from models.events import decode
from models.lifecycles import TaskState, UnitState
from models.store import Store
from models.words import Role
from tests.web_console.conftest import inbox
from web_console.accounts import COOKIE, PASSWORD_MIN, TRIES, make_sign_in_link
from web_console.console import Console

HOME, DRILL = "tiny", "tiny.exercise"
REPORT = {"text": "起火", "lon": 119.4, "lat": 31.4}


# ── who may ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/api/orders", Role.DISPATCHER),
        ("GET", "/api/incidents", Role.DISPATCHER),
        ("POST", "/api/drill", Role.COMMANDER),
        ("GET", "/api/dead-letters", Role.ADMIN),
        ("GET", "/api/accounts", Role.ADMIN),
        ("POST", "/api/accounts", Role.ADMIN),
    ],
)
async def test_each_role_may_what_it_may_and_no_more(
    method: str, path: str, role: Role, client: httpx.AsyncClient, sign_in: Any
) -> None:
    body: dict[str, Any] = {"json": {}} if method == "POST" else {}
    assert (await client.request(method, path, **body)).status_code == 401
    roles = list(Role)
    for one in roles:
        sign_in(f"as-{one}", one)
        answer = await client.request(method, path, **body)
        allowed = roles.index(one) >= roles.index(role)
        assert (answer.status_code != 403) is allowed, (one, answer.text)


async def test_an_order_says_who_gave_it(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("dora", Role.DISPATCHER, HOME)
    order = {"type": "send_units", "incident": "i1", "units": ["E1"], "reason": "nearer"}
    answer = await client.post("/api/orders", json=order)
    assert answer.status_code == 202
    (row,) = inbox(store)
    data = decode(row.body).data
    assert data == ev.SendUnits(
        by="dora",
        role=Role.DISPATCHER,
        jurisdictions=(HOME,),
        incident="i1",
        units=("E1",),
        reason="nearer",
    )
    assert row.topic == "desk"
    for forged in ({"by": "boss"}, {"role": "admin"}, {"jurisdictions": ["*"]}):
        answer = await client.post("/api/orders", json=order | forged)
        assert answer.json()["errors"][0]["field"] == next(iter(forged))


@pytest.fixture
async def crew(console: Console, journal_writer: Any) -> str:
    """A unit of the city, whose account has its name."""
    writer = journal_writer()
    writer.append(
        ev.UnitRegistered(
            unit="E01", kind="engine", skills=(), owner="government", lon=119.4, lat=31.4
        )
    )
    room = await console.hub.room(HOME)
    for event in writer.events:
        room.take(event)
    return "E01"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (None, None),
        ("2020-01-01T08:00:00+08:00", datetime(2020, 1, 1, tzinfo=UTC)),
        ("2100-01-01T00:00:00Z", datetime(2100, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        ("2017-01-01T07:59:60.5+08:00", datetime(2016, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        ("0001-01-01T00:00:00+08:00", None),
        ("9999-12-31T23:59:59-08:00", None),
    ],
)
async def test_a_crews_word_keeps_when_it_was_said_and_comes_when_it_comes(
    sent: str | None,
    kept: datetime | None,
    client: httpx.AsyncClient,
    sign_in: Any,
    store: Store,
    crew: str,
) -> None:
    sign_in(crew, Role.GRID_WORKER)
    before = datetime.now(UTC)
    word = {"state": "available"} | ({"observed_at": sent} if sent else {})
    answer = await client.post(f"/api/units/{crew}/status", json=word)
    assert answer.status_code == 202
    (row,) = inbox(store)
    event = decode(row.body)
    assert event.data == ev.UnitStatusReported(
        unit=crew, state=UnitState.AVAILABLE, reporter=crew, observed_at=kept
    )
    assert before <= event.time <= datetime.now(UTC)


@pytest.mark.parametrize(
    "sent",
    ["2026-01-01T08:00:00", "2026-01-01T08:00:60", "yesterday", "2026-01-01T08:00:61Z", 10**30],
)
async def test_a_crews_word_of_no_time_is_refused(
    sent: Any, client: httpx.AsyncClient, sign_in: Any, store: Store, crew: str
) -> None:
    sign_in(crew, Role.GRID_WORKER)
    word = {"state": "available", "observed_at": sent}
    answer = await client.post(f"/api/units/{crew}/status", json=word)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "observed_at"
    assert inbox(store) == []


@pytest.mark.parametrize(
    ("ago_s", "kept_s"),
    [(300.0, 60 * 300.0), (3600.0, None), (-60.0, 60 * 660.0), (-1e10, None)],
    ids=["minutes ago", "before the clock was set", "ahead", "ahead beyond all time"],
)
async def test_in_an_exercise_it_was_said_by_the_drills_clock(
    ago_s: float,
    kept_s: float | None,
    client: httpx.AsyncClient,
    sign_in: Any,
    store: Store,
    begin_drill: Any,
) -> None:
    now = datetime.now(UTC)
    night = begin_drill(now - timedelta(seconds=600))
    sign_in("c", Role.COMMANDER, DRILL)
    said = (now - timedelta(seconds=ago_s)).isoformat()
    answer = await client.post("/api/reports", json=REPORT | {"observed_at": said})
    assert answer.status_code == 202
    (row,) = inbox(store)
    data = decode(row.body).data
    assert isinstance(data, ev.ReportReceived)
    expected = None if kept_s is None else night + timedelta(seconds=kept_s)
    assert data.observed_at == expected


async def test_a_task_is_its_workers(
    client: httpx.AsyncClient, sign_in: Any, store: Store, console: Console, journal_writer: Any
) -> None:
    writer = journal_writer()
    writer.open_incident(1)
    room = await console.hub.room(HOME)
    writer.append(
        ev.TaskAssigned(
            task="t1",
            incident="i1",
            title={"zh": "查", "en": "Check"},
            role=Role.GRID_WORKER.value,
            due=datetime.now(UTC),
            assignee="worker1",
        ),
        "i1",
    )
    for event in writer.events:
        room.take(event)
    sign_in("worker2", Role.GRID_WORKER)
    assert (await client.post("/api/tasks/t1", json={"state": "done"})).status_code == 403
    assert (await client.post("/api/tasks/t9", json={"state": "done"})).status_code == 404
    sign_in("worker1", Role.GRID_WORKER)
    done = {"state": "done", "note": "ok"}
    assert (await client.post("/api/tasks/t1", json=done)).status_code == 202
    (row,) = inbox(store)
    assert decode(row.body).data == ev.TaskReported(
        task="t1",
        state=TaskState.DONE,
        by="worker1",
        note="ok",
    )


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://test"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://test"}, False),
    ],
)
async def test_changes_come_from_our_own_pages(
    headers: dict[str, str], allowed: bool, client: httpx.AsyncClient, sign_in: Any
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    answer = await client.post("/api/reports", json=REPORT, headers=headers)
    assert answer.status_code == (202 if allowed else 403)


# ── signing in ────────────────────────────────────────────────────────────────────────────────


async def test_a_link_signs_in_once_and_a_password_from_then_on(
    client: httpx.AsyncClient, store: Store, console: Console
) -> None:
    url = make_sign_in_link(store, console.settings, "carla", Role.COMMANDER, (DRILL,))
    token = {"token": url.rpartition("/")[2]}
    assert (await client.get(f"/s/{token['token']}")).status_code == 200  # burns nothing
    answer = await client.post("/api/session/link", json=token)
    assert answer.json()["jurisdiction"] == DRILL
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (await client.post("/api/session/link", json=token)).json()["code"] == "link_used"
    password = {"password": "correct horse"}
    assert (await client.post("/api/session/password", json=password)).status_code == 204
    short = await client.post("/api/session/password", json={"password": "x" * (PASSWORD_MIN - 1)})
    assert short.status_code == 422
    # Who has a password must know it to change it.
    wrong = await client.post("/api/session/password", json=password | {"current": "not this"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_present_password")
    # Whoever else is signed in with the account is out as soon as its password changes.
    account = store.account("carla")
    assert account is not None
    other = store.open_session(account, at=datetime.now(UTC), hours=1)
    changed = {"current": "correct horse", "password": "battery staple"}
    assert (await client.post("/api/session/password", json=changed)).status_code == 204
    assert store.session(other, at=datetime.now(UTC)) is None
    assert (await client.get("/api/session")).status_code == 200
    password = {"password": "battery staple"}
    assert (await client.delete("/api/session")).status_code == 204
    assert (await client.get("/api/session")).status_code == 401
    wrong = await client.post("/api/session", json={"name": "carla", "password": "wrong"})
    assert wrong.status_code == 401
    right = await client.post("/api/session", json={"name": "carla"} | password)
    assert right.json()["has_password"] is True
    assert "battery staple" not in str(store.account("carla"))


async def test_who_is_signed_in_on_the_live_side_is_told_of_a_drill_that_runs(
    client: httpx.AsyncClient,
    sign_in: Any,
    store: Store,
    begin_drill: Any,
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def drills() -> list[str]:
        monkeypatch.setattr(console, "_drills_read_at", -math.inf)
        known: list[str] = (await client.get("/api/session")).json()["drills"]
        return known

    sign_in("dora", Role.DISPATCHER, HOME)
    assert await drills() == []
    now = datetime.now(UTC)
    begin_drill(now + timedelta(hours=1))
    assert await drills() == [DRILL]
    sign_in("guest", Role.DISPATCHER, "elsewhere")
    assert await drills() == []
    # Nobody drives it any more, though its row says that it runs.
    sign_in("dora", Role.DISPATCHER, HOME)
    begin_drill(now - timedelta(minutes=1))
    assert await drills() == []


async def test_a_session_of_an_exercise_is_taken_to_where_its_person_belongs(
    client: httpx.AsyncClient, store: Store
) -> None:
    now = datetime.now(UTC)
    account = store.add_account("wen", Role.GRID_WORKER, at=now, jurisdictions=(HOME,))
    token = store.open_session(account, at=now, hours=1, jurisdiction=DRILL)
    client.cookies.set(COOKIE, token)
    assert (await client.get("/api/session")).json()["jurisdiction"] == DRILL
    for where, status in (("elsewhere", 403), (f"{DRILL}.9", 404)):
        answer = await client.patch("/api/session", json={"jurisdiction": where})
        assert answer.status_code == status
    moved = await client.patch("/api/session", json={"jurisdiction": HOME})
    assert moved.json()["jurisdiction"] == HOME
    assert (await client.get("/api/session")).json()["jurisdiction"] == HOME
    # The language alone leaves it where it is.
    assert (await client.patch("/api/session", json={"language": "zh"})).json()["language"] == "zh"
    assert (await client.get("/api/session")).json()["jurisdiction"] == HOME


async def test_an_account_without_a_password_has_none_to_guess(
    client: httpx.AsyncClient, token_of: Any
) -> None:
    token_of("empty", Role.ADMIN)
    answer = await client.post("/api/session", json={"name": "empty", "password": "x"})
    assert answer.status_code == 401


async def test_guessing_is_slowed_down(client: httpx.AsyncClient) -> None:
    guess = {"name": "nobody", "password": "guess"}
    for _ in range(TRIES):
        assert (await client.post("/api/session", json=guess)).status_code == 401
    slowed = await client.post("/api/session", json=guess)
    assert slowed.status_code == 429
    assert int(slowed.headers["retry-after"]) > 0
    other = await client.post("/api/session", json=guess | {"name": "somebody"})
    assert other.status_code == 401
