"""The API: acknowledged means durable, wrong input is told field by field, roles hold."""

from __future__ import annotations

import asyncio
import io
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from models import events as ev
from models.dead_letters import DeadLetterRow
from models.errors import StoreError
from models.events import decode, encode
from models.inbox import UnfinishedRow
from models.lifecycles import IncidentState, UnitState
from models.registers import Device
from models.situation import Incident
from models.store import Store
from models.words import Channel, Grade, Role
from web_console.accounts import COOKIE, PASSWORD_MIN, TRIES, make_sign_in_link
from web_console.app import create_app
from web_console.console import Console
from web_console.messages import DETAILS, FIELD_SENTENCES, GENERAL, ROLES, TITLES
from web_console.problems import MEDIA_TYPE, Problem

HOME, DRILL = "tiny", "tiny.exercise"
REPORT = {"text": "起火", "lon": 119.4, "lat": 31.4}


def inbox(store: Store) -> list[UnfinishedRow]:
    return store.unfinished_after(0, 1000)


def picture(kind: str = "JPEG", size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", size, (200, 10, 10))
    exif = Image.Exif()
    exif[0x0110] = "SecretPhone 9"
    exif.get_ifd(0x8825)[1] = "N"
    image.save(out, kind, exif=exif)
    return out.getvalue()


async def upload(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    return await client.post("/api/photos", files={"photo": ("p.jpg", content, "image/jpeg")})


# ── reports ───────────────────────────────────────────────────────────────────────────────────


async def test_a_report_is_durable_when_it_is_acknowledged(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    body = REPORT | {"category": "accident.fire", "observed_at": "2020-01-01T08:00:00+08:00"}
    answer = await client.post("/api/reports", json=body)
    assert answer.status_code == 202
    (row,) = inbox(store)
    event = decode(row.body)
    assert isinstance(event.data, ev.ReportReceived)
    assert (row.topic, row.key, row.event_id) == ("reports", HOME, answer.json()["id"])
    assert event.source == "/intake/worker1"
    assert event.data.attributes == {"category": "accident.fire"}
    # Both clocks are kept, ours decides.
    assert event.data.observed_at == datetime(2020, 1, 1, tzinfo=UTC)
    assert event.time.isoformat() == answer.json()["received_at"].replace("Z", "+00:00")


async def test_the_same_report_again_gets_the_same_answer(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    body = REPORT | {"id": str(uuid.uuid4())}
    first = await client.post("/api/reports", json=body)
    again = await client.post("/api/reports", json=body)
    assert first.json() == again.json()
    assert len(inbox(store)) == 1


async def test_another_console_answers_a_repeated_report_alike(
    client: httpx.AsyncClient, console: Console, sign_in: Any, store: Store
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    report_id = uuid.uuid4()
    first = await client.post("/api/reports", json=REPORT | {"id": str(report_id)})
    store.finish(HOME, [str(report_id)], datetime.now(UTC))
    report = ev.ReportReceived(channel=Channel.WORKER, received_at=datetime.now(UTC))
    other = Console(console.settings, store, console.pack)
    name, received_at = await other.receive_report(report_id, HOME, report)
    await other.inbox.close()
    assert (name, received_at) == (
        str(report_id),
        datetime.fromisoformat(first.json()["received_at"]),
    )
    assert inbox(store) == []


async def test_an_exercise_keeps_to_its_own_side_and_clock(
    client: httpx.AsyncClient, sign_in: Any, store: Store, begin_drill: Any
) -> None:
    now = datetime.now(UTC)
    night = begin_drill(now, paused=True)
    sign_in("c", Role.COMMANDER, DRILL)
    answer = await client.post("/api/reports", json=REPORT)
    assert (answer.json()["jurisdiction"], answer.json()["exercise"]) == (DRILL, True)
    assert datetime.fromisoformat(answer.json()["received_at"]) == night
    (row,) = inbox(store)
    assert (row.topic, row.exercise) == ("exercise.reports", True)
    # The row's own age is by the wall clock: it says whether the pipeline is late.
    assert store.oldest_unfinished() >= now
    refused = await client.post("/api/reports", json=REPORT | {"jurisdiction": HOME})
    assert refused.status_code == 403
    changed = await client.post("/api/drill", json={"paused": False, "speed": 5})
    assert changed.json()["drill"] | {"anchor_wall": 0} == {
        "name": "night",
        "jurisdiction": DRILL,
        "speed": 5.0,
        "paused": False,
        "anchor_sim": "2017-01-01T00:00:00Z",
        "anchor_wall": 0,
        "state": "running",
    }


async def test_a_database_that_is_away_is_503_and_says_when_to_come_back(
    client: httpx.AsyncClient, sign_in: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in("worker1", Role.GRID_WORKER)

    def fail(rows: Any) -> None:
        raise StoreError("gone")

    await client.get("/api/session")  # the session is known for a second
    monkeypatch.setattr(store, "put", fail)
    answer = await client.post("/api/reports", json=REPORT)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["code"] == "database_away"


# ── wrong input ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "", "empty_report"),
        ({"text": "  "}, "", "empty_report"),
        ({"text": "x", "lon": 1}, "", "half_a_place"),
        ({"text": "x", "lon": 181, "lat": 0}, "lon", "less_than_equal"),
        ({"text": "x", "lon": "east", "lat": 0}, "lon", "float_parsing"),
        ({"text": "x" * 4001}, "text", "string_too_long"),
        ({"text": "x", "observed_at": "2026-01-01T08:00:00"}, "observed_at", "timezone_aware"),
        ({"text": "x", "observed_at": "yesterday"}, "observed_at", "datetime_from_date_parsing"),
        ({"text": "x", "plce": "y"}, "plce", "extra_forbidden"),
        ({"category": "accident.pie"}, "category", "unknown_category"),
        ({"text": "x", "attributes": {"a": 1.5}}, "attributes.a", "fact"),
        ({"text": "a\x00b"}, "text", "string_pattern_mismatch"),
        ({"text": "x", "id": "7"}, "id", "uuid_parsing"),
        ({"text": "x", "photos": [str(uuid.uuid4())]}, "photos.0", "unknown_photo"),
        ([], "", "model_attributes_type"),
    ],
)
async def test_what_is_wrong_is_told_field_by_field_in_both_languages(
    body: Any, field: str, code: str, client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    told = {}
    for language in ("zh-CN,zh;q=0.9,en;q=0.8", "en-US,en"):
        answer = await client.post("/api/reports", json=body, headers={"Accept-Language": language})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == MEDIA_TYPE
        (error,) = answer.json()["errors"]
        assert (error["field"], error["code"]) == (field, code)
        told[answer.headers["content-language"]] = error["message"]
    assert set(told) == {"zh", "en"}
    assert told["zh"] != told["en"]
    assert inbox(store) == []


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 422),
        (b'{"text": "\xff"}', "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"text": "\\ud800"}', "application/json", 422),
        (b'{"\\ud800": 1}', "application/json", 422),
        (b'{"text":"x","lon":NaN,"lat":1}', "application/json", 422),
        (b'{"text":"x","lon":1' + b"0" * 5000 + b',"lat":1}', "application/json", 400),
        (b"text=x", "application/x-www-form-urlencoded", 415),
        (b'{"text":"' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
async def test_bytes_that_are_no_report_are_a_problem_never_a_crash(
    content: bytes, content_type: str, status: int, client: httpx.AsyncClient, sign_in: Any
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    headers = {"Content-Type": content_type}
    answer = await client.post("/api/reports", content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert answer.json()["title"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    """id text category code lon lat datum accuracy_m place observed_at photos language attributes
    type incident proposal units unit priority grade duplicate cancelled closure radius_m until
    priorities posture state note name password token role jurisdictions cells paused
    speed ring edges""".split()  # noqa: SIM905
)
TYPES = st.sampled_from([cls.type_name.removeprefix("order.") for cls in ev.ORDERS])
PATHS = st.sampled_from(
    [
        "/api/reports",
        "/api/orders",
        "/api/tasks/t",
        "/api/units/u/status",
        "/api/drill",
        "/api/session",
        "/api/session/password",
        "/api/session/link",
        "/api/accounts",
    ]
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=PATHS, kind=TYPES, body=st.dictionaries(FIELDS, JSON, max_size=6))
def test_no_body_breaks_a_route_or_leaves_a_field_without_a_sentence(
    path: str,
    kind: str,
    body: dict[str, Any],
    token_of: Any,
    console: Console,
    store: Store,
) -> None:
    settings_in_force, pack = console.settings, console.pack
    token = token_of("root", Role.ADMIN)
    if path == "/api/orders":
        body = {"type": kind, **body}

    async def run() -> httpx.Response:
        # Queues belong to the loop of one example, so each has a console of its own.
        console = Console(settings_in_force, store, pack)
        transport = httpx.ASGITransport(create_app(console), raise_app_exceptions=True)
        cookies = {COOKIE: token}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", cookies=cookies
        ) as client:
            answer = await client.post(path, json=body)
        await console.inbox.close()
        return answer

    answer = asyncio.run(run())
    assert answer.status_code < 500
    if answer.status_code == 422:
        for error in answer.json()["errors"]:
            assert error["code"] in FIELD_SENTENCES, error
            assert error["code"] != GENERAL
            assert "…" not in error["message"]


def test_every_sentence_is_there_in_both_languages() -> None:
    for catalogue in (FIELD_SENTENCES, TITLES, DETAILS, ROLES):
        for key, (chinese, english) in catalogue.items():
            assert chinese, key
            assert english, key
            assert chinese != english, key
            holes = {part.partition("}")[0].partition("!")[0] for part in english.split("{")[1:]}
            assert holes == {part.partition("}")[0] for part in chinese.split("{")[1:]}, key


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
    sign_in("dora", Role.DISPATCHER)
    order = {"type": "send_units", "incident": "i1", "units": ["E1"], "reason": "nearer"}
    answer = await client.post("/api/orders", json=order)
    assert answer.status_code == 202
    (row,) = inbox(store)
    data = decode(row.body).data
    assert data == ev.SendUnits(by="dora", incident="i1", units=("E1",), reason="nearer")
    assert row.topic == "desk"
    forged = await client.post("/api/orders", json=order | {"by": "boss"})
    assert forged.json()["errors"][0]["field"] == "by"


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


@pytest.mark.parametrize("sent", ["2026-01-01T08:00:00", "yesterday", 10**30])
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
        state="done",  # type: ignore[arg-type]
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


# ── photos, readings, the rest ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_photo_keeps_its_picture_and_nothing_else(
    kind: str, client: httpx.AsyncClient, sign_in: Any
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    answer = await upload(client, picture(kind))
    assert answer.status_code == 201, answer.text
    assert (answer.json()["width"], answer.json()["height"]) == (60, 40)
    kept = await client.get(answer.json()["url"])
    assert b"SecretPhone" not in kept.content
    assert not Image.open(io.BytesIO(kept.content)).getexif()
    preview = await client.get(answer.json()["url"] + "?size=small")
    assert preview.headers["content-type"] == "image/jpeg"
    body = REPORT | {"photos": [answer.json()["id"]]}
    assert (await client.post("/api/reports", json=body)).status_code == 202


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        (b"", 415),
        (picture()[:200], 422),
        (b"x" * 9_000_000, 413),
    ],
)
async def test_what_is_no_photo_is_refused(
    content: bytes, status: int, client: httpx.AsyncClient, sign_in: Any
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    assert (await upload(client, content)).status_code == status


async def test_a_full_disk_is_said_in_one_sentence(
    client: httpx.AsyncClient, sign_in: Any, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in("worker1", Role.GRID_WORKER)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("web_console.photos.os.fsync", full)
    answer = await upload(client, picture())
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    left = [path for path in (console.settings.data_dir / "photos").rglob("*") if path.is_file()]
    assert left == []


async def test_readings_need_the_devices_own_key_and_name(
    client: httpx.AsyncClient, store: Store, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.add_device(Device(id="level-7", jurisdiction=HOME))
    sent: list[tuple[str, str]] = []

    async def publish(device: Device, pack: bytes, traceparent: str) -> int:
        sent.append((device.id, traceparent))
        return 1

    from web_console import readings

    pack = [{"bn": "level-7/", "n": "water", "v": 0.4}]
    headers = {"X-Device-Key": f"level-7:{key}"}
    away = await client.post("/api/readings", json=pack, headers=headers)
    assert (away.status_code, away.json()["code"]) == (503, "broker_away")
    monkeypatch.setattr(console.readings, "publish", publish)
    traced = headers | {"traceparent": "00-01-02-01"}
    assert (await client.post("/api/readings", json=pack, headers=traced)).status_code == 202
    assert sent == [("level-7", "00-01-02-01")]
    forged = {"X-Device-Key": "level-7:nonsense"}
    assert (await client.post("/api/readings", json=pack, headers=forged)).status_code == 401
    for raw in (b"{}", b"[]", b'[{"n":"level-8/water","v":1}]', b'[{"n":"level-7/x"}]'):
        with pytest.raises(Problem):
            readings.check("level-7", raw)


async def test_dead_letters_are_seen_and_acknowledged(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    store.add_dead_letters(
        [
            DeadLetterRow(
                at=datetime.now(UTC),
                topic="reports",
                key=HOME,
                body=b"\xff{",
                code="unreadable",
                reason="not a CloudEvent",
                stage="classify",
            )
        ]
    )
    sign_in("root", Role.ADMIN)
    letters = (await client.get("/api/dead-letters")).json()
    assert letters["unseen"] == 1
    letter = letters["items"][0]
    assert letter["reason"] == "not a CloudEvent"
    assert (
        await client.post(f"/api/dead-letters/{letter['id']}/acknowledge", json={})
    ).status_code == 204
    seen = (await client.get("/api/dead-letters")).json()
    assert (seen["unseen"], seen["items"][0]["acknowledged_by"]) == (0, "root")


async def test_incidents_of_one_instant_are_paged_without_leaving_one_out(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    at = datetime(2026, 7, 1, 3, tzinfo=UTC)
    opened = [
        Incident(
            id=f"i{n}", number=f"2026-{n}", state=IncidentState.OPEN, category="accident.fire",
            priority=2, grade=Grade.IV, confidence=1.0, opened_at=at, updated_at=at, updated_seq=1,
        )
        for n in range(7)
    ]  # fmt: skip
    lease = store.claim(HOME, exercise=False, at=at)
    tick = ev.Event(id="e1", source="/t", time=at, jurisdiction=HOME, seq=1, data=ev.ClockTicked())
    store.commit_step(lease, [tick], [encode(tick)], wall=at, entities=tuple(opened))
    sign_in("boss", Role.COMMANDER)
    seen: list[str] = []
    following: dict[str, str] | None = {}
    while following is not None:
        query = {"jurisdiction": HOME, "limit": "3", **following}
        page = (await client.get("/api/incidents", params=query)).raise_for_status().json()
        seen += [item["id"] for item in page["items"]]
        following = page["next"]
    assert seen == [f"i{n}" for n in range(6, -1, -1)]


async def test_streets_are_drawn_from_the_pack_and_cached_by_its_hash(
    client: httpx.AsyncClient, sign_in: Any
) -> None:
    sign_in("c", Role.COMMANDER)
    answer = await client.get("/api/roads.geojson")
    features = answer.json()["features"]
    assert [one["properties"]["name"] for one in features] == ["人民路", ""]
    assert len(features[0]["geometry"]["coordinates"]) == 2
    tag = {"If-None-Match": answer.headers["etag"]}
    assert (await client.get("/api/roads.geojson", headers=tag)).status_code == 304


async def test_ready_says_which_part_is_not(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] is True
    assert answer.json()["parts"]["broker"] is False
    assert answer.json()["parts"]["desk"] is False
    assert (await client.get("/healthz")).status_code == 200


async def test_ready_says_which_stage_has_no_worker(
    client: httpx.AsyncClient, store: Store
) -> None:
    store.note_worker("a:1", ["classify"], datetime.now(UTC))
    parts = (await client.get("/readyz")).json()["parts"]
    assert (parts["classify"], parts["desk"]) == (True, False)
    store.note_worker("b:2", ["desk"], datetime.now(UTC))
    parts = (await client.get("/readyz")).json()["parts"]
    assert (parts["classify"], parts["desk"]) == (True, True)
    metrics = (await client.get("/metrics")).text
    assert 'gridcommand_workers{stage="desk"} 1.0' in metrics
    assert 'gridcommand_workers{stage="sense"} 0.0' in metrics


async def test_metrics_are_for_this_machine_or_for_who_has_the_token(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await client.get("/metrics")
    assert here.status_code == 200
    assert "gridcommand_inbox_unfinished 0.0" in here.text
    assert 'gridcommand_ready{part="database"} 1.0' in here.text
    assert 'gridcommand_inbox_oldest_unfinished_seconds{exercise="false"} 0.0' in here.text
    assert "gridcommand_intake_queue 0.0" in here.text
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    assert (await client.get("/metrics", headers=forwarded)).status_code == 403
    settings = app.state.console.settings
    monkeypatch.setattr(
        app.state.console, "settings", settings.model_copy(update={"metrics_token": "s3cret"})
    )
    for token, status in (("s3cret", 200), ("guess", 403)):
        headers = forwarded | {"Authorization": f"Bearer {token}"}
        assert (await client.get("/metrics", headers=headers)).status_code == status


async def test_pages_have_a_strict_policy_and_lead_to_sign_in(
    client: httpx.AsyncClient, sign_in: Any
) -> None:
    away = await client.get("/")
    assert (away.status_code, away.headers["location"]) == (303, "/signin?next=%2F")
    page = await client.get("/signin")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "sha256-" in policy
    assert "{{lang}}" not in page.text
    assert "importmap" in page.text
    sign_in("w", Role.GRID_WORKER)
    assert (await client.get("/admin")).headers["location"] == "/"
    for path in (
        "../pyproject.toml",
        "typescript/package.json",
        "preact/../typescript/package.json",
    ):
        assert (await client.get(f"/static/node_modules/{path}")).status_code == 404


async def test_the_openapi_document_names_every_problem(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/openapi.json")).json()
    assert "ProblemBody" in document["components"]["schemas"]
    assert "HTTPValidationError" not in str(document["paths"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if path.startswith("/api/") and int(status) >= 400:
                    assert list(response["content"]) == [MEDIA_TYPE], (path, method, status)
