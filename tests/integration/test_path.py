"""From a phone to a commander's screen and back, through every process as a city runs it."""

from __future__ import annotations

import asyncio
import re
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.system import OwnSystem
from models.events import Event, ReportReceived, encode
from models.topics import REPORTS
from models.words import Channel, Role
from streams.broker import free_port
from tests.integration.conftest import HOME, Asking, broker_servers, recorded_places

pytestmark = pytest.mark.broker
FIRE = {"text": "Structure Fire", "code": "Structure Fire", "lon": -122.4194, "lat": 37.7749}
SOON_S = 20.0


async def posted(client: aiohttp.ClientSession, **body: Any) -> tuple[int, dict[str, Any]]:
    async with client.post("/api/reports", json=body) as answer:
        return answer.status, await answer.json()


async def test_a_report_is_on_the_screen_with_a_proposal_and_an_order_goes_out(
    signed_in: Asking, screen: Screen
) -> None:
    name = str(uuid.uuid4())
    async with signed_in(Role.GRID_WORKER) as phone:
        status, first = await posted(phone, id=name, **FIRE | {"code": "Alarms", "text": "Alarms"})
        assert (status, first["id"]) == (202, name)
        assert await posted(phone, id=name, **FIRE | {"text": "other"}) == (202, first)
    assert not await screen.until_seen({name}, SOON_S)

    def proposal() -> dict[str, Any] | None:
        incident = screen.incident_of(name) or {}
        return screen.kinds.get("proposals", {}).get(incident.get("proposal", ""))

    await screen.until(proposal)
    standing = proposal() or {}
    chosen = [c["chosen"] for c in standing["choices"] if "chosen" in c]
    assert chosen
    assert all(c["drive_s"] >= 0 for c in chosen)
    async with signed_in(Role.COMMANDER) as desk:
        order = {
            "type": "confirm_proposal", "incident": standing["incident"],
            "proposal": standing["id"],
        }  # fmt: skip
        async with desk.post("/api/orders", json=order) as answer:
            assert answer.status == 202
        await screen.until(lambda: (screen.incident_of(name) or {}).get("assignments"))
        sent = (screen.incident_of(name) or {})["assignments"]
        units = {screen.kinds["assignments"][one]["unit"] for one in sent}
        assert units == {c["unit"] for c in chosen}
        # The same proposal a second time names a situation that is over.
        async with desk.post("/api/orders", json=order) as answer:
            assert answer.status in (202, 409)
        await screen.until(
            lambda: len((screen.incident_of(name) or {})["assignments"]) == len(sent)
        )
    assert sum(name in one["reports"] for one in screen.kinds["incidents"].values()) == 1


async def test_console_and_worker_tell_prometheus_how_they_are(
    system: OwnSystem, phones: Phones, screen: Screen
) -> None:
    await phones.send_all(recorded_places(5), 20.0, 0.5)
    assert not await screen.until_seen(set(phones.acknowledged), SOON_S)
    said = ""
    for port in (system.settings.web_port, int(system.environment["GRIDCOMMAND_METRICS_PORT"])):
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            assert answer.status == 200
            said += await answer.text()
    figures = dict(re.findall(r"^(gridcommand_\S+) (\S+)$", said, re.MULTILINE))
    assert float(figures["gridcommand_desk_step_seconds_count"]) > 0
    assert float(figures[f'gridcommand_journal_seq{{jurisdiction="{HOME}"}}']) > 0
    assert figures['gridcommand_ready{part="broker"}'] == "1.0"
    assert float(figures["gridcommand_partitions_held"]) > 0


@pytest.mark.parametrize(("language", "word"), [("zh-CN", "不能大于"), ("en", "or less")])
async def test_an_unreadable_report_is_refused_field_by_field(
    signed_in: Asking, language: str, word: str
) -> None:
    async with signed_in(Role.GRID_WORKER, **{"Accept-Language": language}) as phone:
        status, problem = await posted(phone, text="x", lon=999, lat=37.7)
    assert status == 422
    assert [error["field"] for error in problem["errors"]] == ["lon"]
    assert word in problem["errors"][0]["message"]


async def test_outside_every_cell_and_with_a_wrong_clock_it_is_an_incident_all_the_same(
    signed_in: Asking, screen: Screen
) -> None:
    name, behind = str(uuid.uuid4()), datetime.now(UTC) - timedelta(hours=5)
    async with signed_in(Role.GRID_WORKER) as phone:
        status, _ = await posted(
            phone, id=name, text="smoke", lon=-124.5, lat=37.7, observed_at=behind.isoformat()
        )
    assert status == 202
    assert not await screen.until_seen({name}, SOON_S)
    incident = screen.incident_of(name) or {}
    assert incident["outside"] is True
    assert incident["clock_skew_s"] == pytest.approx(-5 * 3600, abs=60)
    opened = datetime.fromisoformat(incident["opened_at"])
    assert abs((datetime.now(UTC) - opened).total_seconds()) < 60


def _event(**fields: Any) -> bytes:
    report = ReportReceived(channel=Channel.HOTLINE, received_at=datetime.now(UTC), **fields)
    return encode(
        Event(
            id=str(uuid.uuid4()), source="/other", time=datetime.now(UTC), jurisdiction=HOME,
            data=report,
        )
    )  # fmt: skip


async def test_rubbish_on_the_topic_is_a_dead_letter_each_and_the_partition_goes_on(
    system: OwnSystem, signed_in: Asking, screen: Screen
) -> None:
    good = msgspec.json.decode(_event(text="fire", lon=-122.41, lat=37.77))
    far = msgspec.json.encode(good | {"id": "evil-1", "time": "99999-01-01T00:00:00Z"})
    rubbish = [
        b"not json at all",
        b'{"hello": "world"}',
        b"\xff\xfe\x00",
        b"[" * 5000,
        far,
        msgspec.json.encode(good | {"id": "evil-2", "jurisdiction": "a\0b"}),
        msgspec.json.encode(good | {"id": "evil-3", "data": good["data"] | {"lon": "NaN"}}),
        msgspec.json.encode(good | {"id": "evil-4", "type": "gridcommand.incident.opened"}),
    ]
    producer = AIOKafkaProducer(bootstrap_servers=broker_servers(system), enable_idempotence=False)
    await producer.start()
    try:
        for body in rubbish:
            await producer.send_and_wait(REPORTS, body, key=HOME.encode())
        await producer.send_and_wait(REPORTS, msgspec.json.encode(good), key=HOME.encode())
    finally:
        await producer.stop()
    assert not await screen.until_seen({good["id"]}, SOON_S)
    async with signed_in(Role.ADMIN) as admin:
        async with asyncio.timeout(SOON_S):
            while True:
                async with admin.get("/api/dead-letters?limit=50") as answer:
                    letters = (await answer.json())["items"]
                if len(letters) >= len(rubbish):
                    break
                await asyncio.sleep(0.1)
    assert len(letters) == len(rubbish)
    assert all(letter["reason"] and letter["code"] for letter in letters)


async def test_a_port_in_use_is_said_in_one_sentence(system: OwnSystem) -> None:
    environment = system.environment | {
        "GRIDCOMMAND_DATA_DIR": str(system.folder.parent / "other"),
        "GRIDCOMMAND_LIVE_PORT": str(free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gridcommand", "up", env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert str(system.settings.web_port) in said.decode()
    assert "Traceback" not in said.decode()
