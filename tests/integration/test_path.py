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
from tests.flow import LIYANG, SAN_FRANCISCO, City, broker_servers, go_the_whole_way, posted
from tests.system_fixtures import Asking
from tests.waiting import HANG_S, until_async

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module", params=[LIYANG, SAN_FRANCISCO], ids=lambda city: city.name)
def city(request: pytest.FixtureRequest) -> City:
    """Both, one after the other."""
    found: City = request.param
    return found


async def test_a_report_is_on_the_screen_with_a_proposal_and_an_order_goes_out(
    system: OwnSystem, city: City
) -> None:
    await go_the_whole_way(system, city)


async def test_console_and_worker_tell_prometheus_how_they_are(
    system: OwnSystem, city: City, phones: Phones, screen: Screen
) -> None:
    await phones.send_all(city.places(5), 20.0, 0.25)
    assert not await screen.until_seen(set(phones.acknowledged), HANG_S)
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
    assert float(figures[f'gridcommand_journal_seq{{jurisdiction="{city.jurisdiction}"}}']) > 0
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
    signed_in: Asking, screen: Screen, city: City
) -> None:
    name, began = str(uuid.uuid4()), datetime.now(UTC)
    behind = began - timedelta(hours=5)
    async with signed_in(Role.GRID_WORKER) as phone:
        status, _ = await posted(
            phone,
            id=name,
            text="smoke",
            lon=city.corner[0] - 2.0,
            lat=city.corner[1],
            observed_at=behind.isoformat(),
        )
    assert status == 202
    assert not await screen.until_seen({name}, HANG_S)
    incident = screen.incident_of(name) or {}
    assert incident["outside"] is True
    assert incident["clock_skew_s"] == pytest.approx(-5 * 3600, abs=HANG_S)
    opened = datetime.fromisoformat(incident["opened_at"])
    assert began <= opened <= datetime.now(UTC), "when it was received, whatever the phone's clock"


def _event(city: City, **fields: Any) -> bytes:
    report = ReportReceived(channel=Channel.HOTLINE, received_at=datetime.now(UTC), **fields)
    return encode(
        Event(
            id=str(uuid.uuid4()), source="/other", time=datetime.now(UTC),
            jurisdiction=city.jurisdiction,
            data=report,
        )
    )  # fmt: skip


async def test_rubbish_on_the_topic_is_a_dead_letter_each_and_the_partition_goes_on(
    system: OwnSystem, city: City, signed_in: Asking, screen: Screen
) -> None:
    lon, lat = city.corner
    good = msgspec.json.decode(_event(city, text="fire", lon=lon, lat=lat))
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
    before = await _letters(signed_in)
    producer = AIOKafkaProducer(bootstrap_servers=broker_servers(system), enable_idempotence=False)
    await producer.start()
    try:
        for body in rubbish:
            await producer.send_and_wait(REPORTS, body, key=city.jurisdiction.encode())
        await producer.send_and_wait(
            REPORTS, msgspec.json.encode(good), key=city.jurisdiction.encode()
        )
    finally:
        await producer.stop()
    assert not await screen.until_seen({good["id"]}, HANG_S)

    async def are_there() -> bool:
        return len(await _letters(signed_in)) >= len(before) + len(rubbish)

    await until_async(are_there)
    new = [letter for name, letter in (await _letters(signed_in)).items() if name not in before]
    assert len(new) == len(rubbish)
    assert all(letter["reason"] and letter["code"] for letter in new)


async def _letters(signed_in: Asking) -> dict[int, dict[str, Any]]:
    """Return the dead letters that an administrator is shown, by id."""
    async with signed_in(Role.ADMIN) as admin, admin.get("/api/dead-letters?limit=50") as answer:
        return {letter["id"]: letter for letter in (await answer.json())["items"]}


async def test_a_port_in_use_is_said_in_one_sentence(system: OwnSystem) -> None:
    environment = system.environment | {
        "GRIDCOMMAND_DATA_DIR": str(system.folder.parent / "other"),
        "GRIDCOMMAND_LIVE_PORT": str(free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gridcommand", "up", env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), HANG_S)
    assert process.returncode == 1
    assert str(system.settings.web_port) in said.decode()
    assert "Traceback" not in said.decode()
