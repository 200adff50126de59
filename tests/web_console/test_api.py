"""Photos, readings, dead letters and pages by the API, and how the console says that it is well."""

from __future__ import annotations

import io
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image, ImageFile

from models import events as ev
from models.dead_letters import DeadLetterRow
from models.events import decode, encode
from models.inbox import InboxRow
from models.lifecycles import IncidentState
from models.registers import Device
from models.situation import Incident
from models.store import Store
from models.words import Grade, Role
from tests.web_console.conftest import inbox
from web_console import readings
from web_console.console import Console
from web_console.problems import MEDIA_TYPE, Problem

HOME = "tiny"
REPORT = {"text": "起火", "lon": 119.4, "lat": 31.4}


def picture(kind: str = "JPEG", size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", size, (200, 10, 10))
    exif = Image.Exif()
    exif[0x0110] = "SecretPhone 9"
    exif.get_ifd(0x8825)[1] = "N"
    image.save(out, kind, exif=exif)
    return out.getvalue()


async def upload(
    client: httpx.AsyncClient, content: bytes, photo_id: str | None = None
) -> httpx.Response:
    files = {"photo": ("p.jpg", content, "image/jpeg")}
    data = {} if photo_id is None else {"id": photo_id}
    return await client.post("/api/photos", files=files, data=data)


def wide(kind: str, width: int, height: int, **options: Any) -> bytes:
    """A picture whose header says this size; only small ones could be drawn."""
    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, kind, **options)
    raw = out.getvalue()
    if kind == "PNG":
        head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + raw[24:29]
        return raw[:12] + head + zlib.crc32(head).to_bytes(4, "big") + raw[33:]
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    frame = raw.index(b"\xff\xc2" if options else b"\xff\xc0") + 5
    return raw[:frame] + size + raw[frame + 4 :]


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


async def test_a_report_names_a_photo_that_follows_it(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("worker1", Role.GRID_WORKER)
    named = str(uuid.uuid4())
    said = await client.post("/api/reports", json={"text": "有人被困", "photos": [named]})
    assert said.status_code == 202, said.text
    (row,) = inbox(store)
    event = decode(row.body)
    assert isinstance(event.data, ev.ReportReceived)
    assert event.data.photos == (named,)
    assert (await client.get(f"/api/photos/{named}")).status_code == 404
    refused = await upload(client, b"heic", named)
    assert refused.status_code == 415, "and another may be sent in its place"
    kept = await upload(client, picture(), named)
    assert (kept.status_code, kept.json()["id"]) == (201, named)
    assert (await client.get(f"/api/photos/{named}")).status_code == 200
    again = await upload(client, picture(), named)
    assert (again.status_code, again.json()) == (201, kept.json())
    sign_in("worker2", Role.GRID_WORKER)
    assert (await upload(client, picture(), named)).status_code == 409


@pytest.mark.parametrize("size", [(8160, 6120), (65_000, 3_000)])
async def test_a_photo_of_a_large_sensor_is_read_scaled(
    size: tuple[int, int],
    client: httpx.AsyncClient,
    sign_in: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    load = ImageFile.ImageFile.load

    def counted(self: ImageFile.ImageFile) -> Any:
        read.append(self.width * self.height)
        return load(self)

    out = io.BytesIO()
    Image.new("L", size, 90).save(out, "JPEG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    sign_in("worker1", Role.GRID_WORKER)
    answer = await upload(client, out.getvalue())
    assert answer.status_code == 201, answer.text
    assert max(answer.json()["width"], answer.json()["height"]) == 2560
    assert max(read) < 40_000_000


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        (b"", 415),
        (picture()[:200], 422),
        (b"x" * 9_000_000, 413),
        (wide("JPEG", 20_001, 10_000), 413),
        (wide("JPEG", 6_401, 6_400, progressive=True), 413),
        (wide("PNG", 6_401, 6_400), 413),
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

    async def publish(device: Device, pack: bytes, traceparent: str) -> readings.Checked:
        sent.append((device.id, traceparent))
        return readings.check(device.id, pack)

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
    mixed = [*pack, {"n": "烟感", "v": 1}]
    answer = await client.post("/api/readings?lang=en", json=mixed, headers=headers)
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["refused_count"]) == (202, 1, 1)
    assert (told["refused"][0]["record"], told["refused"][0]["code"]) == (1, "senml_name")
    assert "烟感" in told["refused"][0]["message"]


async def test_who_leaves_in_the_middle_of_a_pack_is_no_fault_of_ours(
    app: FastAPI, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    key = store.add_device(Device(id="level-7", jurisdiction=HOME))
    words = {"x-device-key": f"level-7:{key}", "content-type": "application/senml+json"}
    come = iter([{"type": "http.request", "body": b"[{", "more_body": True}])
    answers: list[Any] = []

    async def receive() -> Any:
        return next(come, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/readings",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in words.items()],
    }
    await app(scope, receive, send)
    assert answers[0]["status"] == 400
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


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


@pytest.mark.parametrize("jurisdiction", ["tiny", "tiny.exercise"])
async def test_ready_says_where_a_simpler_policy_plans(
    client: httpx.AsyncClient, app: FastAPI, jurisdiction: str
) -> None:
    for name in ("tiny", "tiny.exercise"):
        await app.state.console.hub.room(name)
    room = await app.state.console.hub.room(jurisdiction)
    fell_back = ev.PlanningFellBack(policy="own", used="joint", error="ZeroDivisionError: 0")
    events = (fell_back, ev.PlanningRestored(policy="own"))
    found = []
    for seq, data in enumerate(events, 1):
        room.take(
            ev.Event(
                id=f"e{seq}", source="/desk", time=datetime.now(UTC), jurisdiction=jurisdiction,
                exercise=jurisdiction != "tiny", seq=seq, data=data,
            )
        )  # fmt: skip
        ready = (await client.get("/readyz")).json()
        metrics = (await client.get("/metrics")).text
        alive = f'gridcommand_planning_simpler{{jurisdiction="{jurisdiction}"}} 1.0' in metrics
        found.append((ready["parts"]["planning"], ready["simpler_planning"], alive))
        assert ready["running"] is False, "no broker, no worker"
        assert metrics.count("gridcommand_planning_simpler{") == 2
    assert found == [(False, {jurisdiction: "joint"}, True), (True, {}, False)]


@pytest.mark.parametrize("from_journal", [True, False])
async def test_ready_says_that_updates_come_from_the_journal_alone(
    client: httpx.AsyncClient, app: FastAPI, from_journal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await client.get("/readyz")).json()["parts"]
    only = property(lambda _: from_journal)
    monkeypatch.setattr(type(app.state.console.feed), "from_journal_only", only)
    ready = (await client.get("/readyz")).json()
    assert (ready["updates_from_journal"], ready["parts"]) == (from_journal, before)
    metrics = (await client.get("/metrics")).text
    assert f"gridcommand_updates_from_journal {float(from_journal)}" in metrics


@pytest.mark.parametrize("exercise", [False, True])
async def test_ready_says_on_which_side_decisions_are_late(
    client: httpx.AsyncClient, store: Store, exercise: bool
) -> None:
    jurisdiction = "tiny.exercise" if exercise else "tiny"
    received_at = datetime.now(UTC) - timedelta(seconds=60)
    row = InboxRow(
        event_id="late", jurisdiction=jurisdiction, topic="reports", key=jurisdiction,
        body=b"{}", received_at=received_at, exercise=exercise,
    )  # fmt: skip
    store.put([row])
    parts = (await client.get("/readyz")).json()["parts"]
    assert (parts["decisions_live"], parts["decisions_exercise"]) == (exercise, not exercise)
    store.finish(jurisdiction, ["late"], datetime.now(UTC))
    parts = (await client.get("/readyz")).json()["parts"]
    assert parts["decisions_live"]
    assert parts["decisions_exercise"]


async def test_what_runs_is_running_though_a_simpler_policy_decides(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def parts(_: object) -> dict[str, bool]:
        return found

    monkeypatch.setattr("web_console.app.ready_parts", parts)
    found = {"database": True, "planning": False, "decisions_live": False}
    answer = (await client.get("/readyz")).json()
    assert (answer["ready"], answer["running"]) == (False, True)
    found = {"database": False, "planning": True}
    assert (await client.get("/readyz")).json()["running"] is False


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
