"""Reports by the API: acknowledged means durable, wrong input is told field by field."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import events as ev
from models.errors import StoreError
from models.events import decode
from models.geodesy import to_wgs84
from models.store import Store
from models.words import Channel, Datum, Role
from tests.web_console.conftest import inbox
from tests.web_console.patience import patient
from web_console.accounts import COOKIE
from web_console.console import Console
from web_console.messages import DETAILS, FIELD_SENTENCES, GENERAL, ROLES, TITLES, field_sentence
from web_console.problems import MEDIA_TYPE

HOME, DRILL = "tiny", "tiny.exercise"
REPORT = {"text": "起火", "lon": 119.4, "lat": 31.4}


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
    other = patient(Console(console.settings, store, console.pack))
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
    oldest = store.oldest_unfinished()
    assert oldest is not None
    assert oldest >= now
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
    ended = await client.post("/api/drill", json={"ended": True})
    assert ended.json()["drill"]["state"] == "ended"
    known = store.drill(DRILL)
    assert known is not None
    assert known.state == "ended"
    # There is nothing to go on with, and nothing to end.
    for change in ({"paused": False}, {"ended": True}):
        assert (await client.post("/api/drill", json=change)).status_code == 409


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


# ── where a report is ─────────────────────────────────────────────────────────────────────────


async def test_where_a_report_is_goes_to_the_desk_in_the_words_of_who_says_so(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    report, word = str(uuid.uuid4()), str(uuid.uuid4())
    body = {"id": word, "lon": 119.4, "lat": 31.4, "accuracy_m": 12, "place": "一号楼"}
    answers = [await client.post(f"/api/reports/{report}/place", json=body) for _ in range(2)]
    assert [(one.status_code, one.json()) for one in answers] == [(202, {"id": word})] * 2
    (row,) = inbox(store)
    assert (row.topic, row.key, row.event_id, row.exercise) == ("desk", HOME, word, False)
    event = decode(row.body)
    assert event.source == "/intake/worker1"
    assert event.data == ev.ReportPlaced(
        report=report, lon=119.4, lat=31.4, accuracy_m=12.0, place="一号楼", by="worker1"
    )


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
async def test_where_a_report_is_comes_to_wgs84_as_the_report_itself_would(
    datum: Datum, client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    body = {"lon": 119.4, "lat": 31.4, "datum": datum.value}
    answer = await client.post(f"/api/reports/{uuid.uuid4()}/place", json=body)
    assert answer.status_code == 202
    (row,) = inbox(store)
    placed = decode(row.body).data
    assert isinstance(placed, ev.ReportPlaced)
    assert (placed.lon, placed.lat) == to_wgs84(119.4, 31.4, datum) != (119.4, 31.4)


async def test_where_a_report_is_keeps_to_its_side(
    client: httpx.AsyncClient, sign_in: Any, store: Store, begin_drill: Any
) -> None:
    night = begin_drill(datetime.now(UTC), paused=True)
    sign_in("worker1", Role.GRID_WORKER, DRILL)
    path, body = f"/api/reports/{uuid.uuid4()}/place", {"lon": 119.4, "lat": 31.4}
    assert (await client.post(path, json=body)).status_code == 202
    (row,) = inbox(store)
    assert (row.topic, row.key, row.exercise) == ("exercise.desk", DRILL, True)
    assert decode(row.body).time == night
    refused = await client.post(path, json=body | {"jurisdiction": HOME})
    assert refused.status_code == 403
    assert len(inbox(store)) == 1


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"place": "一号楼"}, "lon", "missing"),
        ({"lon": 181, "lat": 0}, "lon", "less_than_equal"),
        ({"lon": 119.4, "lat": 31.4, "accuracy_m": -1}, "accuracy_m", "greater_than_equal"),
        ({"lon": 119.4, "lat": 31.4, "photos": []}, "photos", "extra_forbidden"),
    ],
)
async def test_a_place_of_a_report_that_is_wrong_is_told_field_by_field(
    body: Any, field: str, code: str, client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    path = f"/api/reports/{uuid.uuid4()}/place"
    assert (await client.post(path, json=body)).status_code == 401
    sign_in("worker1", Role.GRID_WORKER)
    answer = await client.post(path, json=body)
    assert answer.status_code == 422
    assert (field, code) in {(e["field"], e["code"]) for e in answer.json()["errors"]}
    assert (await client.post("/api/reports/r7/place", json=body)).status_code == 422
    assert inbox(store) == []


# ── wrong input ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "", "empty_report"),
        ({"text": "  "}, "", "empty_report"),
        ({"text": "\u200b\ufeff \u2060", "code": "\u00ad\ufe0f"}, "", "empty_report"),
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
        ({"text": "x", "photos": ["p.jpg"]}, "photos.0", "uuid_parsing"),
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
        (b'{"text": "x", "code": "\\ud800"}', "application/json", 422),
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
        "/api/reports/01980000-0000-7000-8000-000000000001/place",
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
    app: FastAPI,
    console: Console,
    store: Store,
) -> None:
    token = token_of("root", Role.ADMIN)
    if path == "/api/orders":
        body = {"type": kind, **body}

    async def run() -> httpx.Response:
        # Queues belong to the loop of one example, so each has a console of its own.
        fresh = patient(Console(console.settings, store, console.pack))
        app.state.console = fresh
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        cookies = {COOKIE: token}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", cookies=cookies
        ) as client:
            answer = await client.post(path, json=body)
        await fresh.close()
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


async def test_an_exercise_without_a_drill_takes_nothing_in_and_says_how_to_begin_one(
    client: httpx.AsyncClient, sign_in: Any, store: Store, begin_drill: Any
) -> None:
    sign_in("c", Role.COMMANDER, DRILL)
    order = {"type": "set_posture", "posture": "emergency", "reason": "x"}
    for path, body in (("/api/reports", {"text": "smoke"}), ("/api/orders", order)):
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_drill")
        assert "gridcommand drill run" in answer.json()["detail"]
    assert not inbox(store)
    begin_drill(datetime.now(UTC))
    assert (await client.post("/api/reports", json={"text": "smoke"})).status_code == 202
    await client.post("/api/drill", json={"ended": True})
    assert (await client.post("/api/reports", json={"text": "smoke"})).status_code == 409


def test_a_list_of_values_is_in_the_askers_language() -> None:
    expected = {"expected": "'I', 'II', 'III' or 'IV'"}
    assert field_sentence("enum", "zh", expected) == "必须是以下之一：I、II、III、IV。"
    assert "'III' or 'IV'" in field_sentence("enum", "en", expected)
