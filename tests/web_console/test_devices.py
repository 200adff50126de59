"""The register of devices by the API: for administrators, a key once, and when one was heard."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from models.registers import Device
from models.store import Store
from models.words import EXERCISE_MARK, Role
from tests.web_console.conftest import DRILL, HOME
from web_console.console import Console
from web_console.readings import check

NEW = {"id": "urn:dev:7/gas", "kind": "methane", "owner": "燃气", "lon": 119.4, "lat": 31.4}
ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/devices", None),
    ("POST", "/api/devices", NEW),
    ("POST", "/api/devices/d/key", {}),
    ("PATCH", "/api/devices/d", {"disabled": True}),
)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_devices_are_for_administrators(
    method: str, path: str, body: Any, client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    key = store.add_device(Device(id="d", jurisdiction=HOME))
    assert (await client.request(method, path, json=body)).status_code == 401
    for role in (Role.GRID_WORKER, Role.DISPATCHER, Role.COMMANDER):
        sign_in(f"as-{role}", role)
        assert (await client.request(method, path, json=body)).status_code == 403
    assert store.device("d", key) is not None
    sign_in("ada", Role.ADMIN)
    assert (await client.request(method, path, json=body)).is_success


async def test_a_key_is_shown_once_rotated_and_ended_and_who_did_it_is_logged(
    client: httpx.AsyncClient, sign_in: Any, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gridcommand.audit")
    sign_in("ada", Role.ADMIN)
    made = (await client.post("/api/devices", json=NEW)).json()
    known = store.device(made["id"], made["key"])
    assert known is not None
    assert (known.cell, known.jurisdiction, known.owner) == ("cell-a", HOME, "燃气")
    again = await client.post("/api/devices", json=NEW)
    assert again.status_code == 409
    (item,) = (await client.get("/api/devices")).json()["items"]
    assert (item["id"], item["lon"], item["last_seen_at"]) == (NEW["id"], 119.4, None)
    assert made["key"] not in str(item)
    path = "/api/devices/urn%3Adev%3A7%2Fgas"
    new = (await client.post(f"{path}/key")).json()["key"]
    assert store.device(known.id, made["key"]) is None
    assert (await client.patch(path, json={"disabled": True})).json()["disabled"]
    assert store.device(known.id, new) is None
    await client.patch(path, json={"disabled": False})
    assert store.device(known.id, new) is not None
    assert [record.getMessage() for record in caplog.records if record.name == "gridcommand.audit"
            ] == [
        "ada registered device urn:dev:7/gas",
        "ada gave device urn:dev:7/gas a new key",
        "ada disabled device urn:dev:7/gas",
        "ada enabled device urn:dev:7/gas",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": "烟感"}, "device_name"),
        ({"lat": None}, "half_a_place"),
        ({"lon": 181}, "less_than_equal"),
        ({"lon": 0, "lat": -0.0}, "no_place"),
        ({"cell": "nowhere"}, "unknown_cell"),
    ],
)
async def test_what_cannot_be_registered_says_why(
    client: httpx.AsyncClient, sign_in: Any, change: dict[str, Any], code: str
) -> None:
    sign_in("ada", Role.ADMIN)
    answer = await client.post("/api/devices", json=NEW | change)
    assert answer.status_code == 422
    assert [error["code"] for error in answer.json()["errors"]] == [code]


async def test_a_place_outside_of_every_cell_is_taken_with_a_warning(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    sign_in("ada", Role.ADMIN)
    far = NEW | {"lon": 31.4, "lat": 81.4}
    for device, place, warned in (("in", NEW, False), ("en", far, True), ("zh", far, True)):
        answer = await client.post(
            "/api/devices", json=place | {"id": device}, headers={"Accept-Language": device}
        )
        assert answer.status_code == 201
        told = answer.json()["warnings"]
        assert [one["code"] for one in told] == ["outside_cells"] * warned
        if warned:
            said = "lies outside of every cell" if device == "en" else "不在任何单元网格内"
            assert said in told[0]["message"]
            assert "119.30" in told[0]["message"]
        assert store.device(device) is not None
    shown = (await client.get("/api/devices")).json()["items"]
    assert {one["id"]: one["outside"] for one in shown} == {"en": True, "in": False, "zh": True}


async def test_an_administrator_of_another_jurisdiction_sees_and_changes_none(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    key = store.add_device(Device(id="d", jurisdiction="elsewhere"))
    sign_in("ada", Role.ADMIN, HOME)
    assert (await client.get("/api/devices")).json()["items"] == []
    assert (await client.post("/api/devices/d/key")).status_code == 404
    assert (await client.patch("/api/devices/d", json={"disabled": True})).status_code == 404
    assert store.device("d", key) is not None


async def test_two_thousand_devices_come_in_pages_by_id_and_only_ones_own(
    client: httpx.AsyncClient, sign_in: Any, store: Store
) -> None:
    wanted = [f"d/{n:04}" for n in range(2000)]
    store.add_devices([
        *(Device(id=one, jurisdiction=HOME) for one in reversed(wanted)),
        Device(id="d/0000.5", jurisdiction="elsewhere"),
        Device(id="d/9999", jurisdiction=f"{HOME}{EXERCISE_MARK}"),
    ])  # fmt: skip
    sign_in("ada", Role.ADMIN, HOME)
    found: list[str] = []
    asked: dict[str, Any] = {}
    while True:
        page = (await client.get("/api/devices", params=asked)).json()
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        assert len(page["items"]) == 100
        asked = {"after": page["next"]}
    # Who belongs to a jurisdiction belongs to its exercises.
    assert found == [*wanted, "d/9999"]
    assert len(found) % 100 == 1
    full = (await client.get("/api/devices", params={"after": "d/1498", "limit": 500})).json()
    assert (len(full["items"]), full["next"]) == (500, "d/1998")
    last = (await client.get("/api/devices", params={"after": "d/1999", "limit": 1})).json()
    assert ([one["id"] for one in last["items"]], last["next"]) == (["d/9999"], None)
    assert (await client.get("/api/devices", params={"limit": 501})).status_code == 422


async def test_the_register_says_when_a_device_was_heard_and_what_was_refused(
    client: httpx.AsyncClient, store: Store, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def publish(device: Device, pack: bytes, _traceparent: str) -> Any:
        return check(device.id, pack)

    monkeypatch.setattr(console.readings, "publish", publish)
    keys = {n: store.add_device(Device(id=n, jurisdiction=HOME)) for n in ("good", "part", "bad")}
    began = datetime.now(UTC)
    for name, records in (
        ("good", [{"n": "good/x", "v": 1}]),
        ("part", [{"n": "part/x", "v": 1}, {"n": "part/烟感", "v": 1}]),
        ("bad", [{"n": "other/x", "v": 1}]),
    ):
        await client.post(
            "/api/readings", json=records, headers={"X-Device-Key": f"{name}:{keys[name]}"}
        )
    await console.sightings.close()
    found = {device.id: device for device in store.devices()}
    assert all(
        (one.last_seen_at or began) >= began.replace(microsecond=0) for one in found.values()
    )
    assert all(one.last_seen_at for one in found.values())
    assert found["good"].fault == ""
    assert "烟感" in found["part"].fault
    assert "isn't of device" in found["bad"].fault


async def test_a_device_of_an_exercise_without_a_drill_is_told_so_as_who_reports_is(
    client: httpx.AsyncClient,
    store: Store,
    sign_in: Any,
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
    begin_drill: Callable[..., datetime],
) -> None:
    async def publish(device: Device, pack: bytes, _traceparent: str) -> Any:
        return check(device.id, pack)

    monkeypatch.setattr(console.readings, "publish", publish)
    key = store.add_device(Device(id="d", jurisdiction=DRILL))
    pack, headers = [{"n": "d/x", "v": 1}], {"X-Device-Key": f"d:{key}"}
    sign_in("ada", Role.DISPATCHER, DRILL)
    report = await client.post("/api/reports", json={"text": "smoke", "jurisdiction": DRILL})
    readings = await client.post("/api/readings", json=pack, headers=headers)
    assert (readings.status_code, readings.json()) == (409, report.json())
    assert readings.json()["code"] == "no_drill"
    await console.sightings.close()
    known = store.device("d")
    assert known is not None
    assert known.fault == "No drill is there"
    begin_drill(datetime.now(UTC))
    taken = await client.post("/api/readings", json=pack, headers=headers)
    assert taken.status_code == 202
