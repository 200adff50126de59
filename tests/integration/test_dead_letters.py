"""What a desk can't handle is a dead letter, the partition goes on, and a replay decides it once.

Poison of several kinds, and handlers that hang, while reports and readings flow.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from gridcommand.rehearsal.clients import Phones
from gridcommand.rehearsal.servers import Servers
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.events import Event, IncidentOpened, ReportLinked, ReportReceived, decode, encode
from models.topics import REPORTS
from models.words import Channel
from tests.flow import (
    BACK_WITHIN_S,
    HOME,
    LOOKS_S,
    broker_servers,
    recorded_places,
    sending,
    until,
)
from tests.integration.evil_policy import ENDLESS, EVIL, FAILS, FOLDER, HANGS
from tests.waiting import HANG_S

pytestmark = pytest.mark.broker
STALLED_S = 3.0
NAMED_WITHIN_S = STALLED_S + LOOKS_S + BACK_WITHIN_S
LARGE = 800_000
AHEAD = datetime(2999, 1, 1, tzinfo=UTC)


class Marked(NamedTuple):
    """A system with defects, and the folder of the marks that say which are in force."""

    system: OwnSystem
    marks: Path


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Iterator[Marked]:
    folder = tmp_path_factory.mktemp("evil")
    marks = folder / "marks"
    marks.mkdir()
    environment = {
        **servers.with_empty_database().environment,
        "GRIDCOMMAND_POLICY": "tests.integration.evil_policy:Stumbles",
        "GRIDCOMMAND_STALLED_AFTER_S": f"{STALLED_S:g}",
        FOLDER: str(marks),
    }
    with running_system(folder / "var", environment=environment) as system:
        yield Marked(system, marks)


async def said(system: OwnSystem, *arguments: str) -> str:
    """Run ``gridcommand dead-letters`` beside the flow, and return what it says."""
    answer = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gridcommand", "dead-letters", *arguments],
        env=system.environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return answer.stdout


def decisions(system: OwnSystem, *events: str) -> list[int]:
    """How often each of these opened or joined an incident."""
    with closing(system.store()) as store:
        data = [decode(entry.body).data for entry in store.entries(HOME)]
        reports = [one.report for one in data if isinstance(one, IncidentOpened | ReportLinked)]
        return [reports.count(event) for event in events]


def letters(system: OwnSystem, *events: str) -> dict[str, str]:
    """Event to the code of its letter that waits to be replayed, of those that have one."""
    with closing(system.store()) as store:
        return {
            letter.event_id: letter.code
            for letter in store.dead_letters(limit=500)
            if letter.event_id in events and letter.reason and letter.replayed_at is None
        }


async def filed(system: OwnSystem, text: str) -> str:
    """Report a text; return the report's id once it is acknowledged."""
    name = str(uuid.uuid4())
    phones = Phones(system)
    await phones.send_all([{**recorded_places(1)[0], "id": name, "text": text}], 10.0, 0.1)
    assert name in phones.acknowledged
    return name


async def test_poison_is_replayed_once_it_is_mended_and_decided_once(marked: Marked) -> None:
    system, marks = marked
    (marks / FAILS).touch()
    async with sending(system, 4.0) as flow:
        await flow.more(200)
        # As long as the phone may write, and the same from another system by the topic.
        short, long = await filed(system, EVIL), await filed(system, EVIL + "夜" * 3990)
        large = _report(text=EVIL + "x" * LARGE)
        await _put_on_topic(system, large)
        evil = (short, long, large.id)
        at = time.monotonic()
        await until(lambda: letters(system, *evil) == dict.fromkeys(evil, "desk_failed"))
        # The partition goes on behind it.
        await flow.until_decided(at)
        assert "no desk can read this" in await said(system, "list")

        # Replayed before it is mended, it is the same letter, open again.
        assert "3 replayed" in await said(system, "replay", "--code", "desk_failed")
        await until(lambda: letters(system, *evil) == dict.fromkeys(evil, "desk_failed"))
        assert decisions(system, *evil) == [0, 0, 0]

        (marks / FAILS).unlink()
        replay = ("replay", "--code", "desk_failed")
        assert "3 would be replayed" in await said(system, *replay, "--dry-run")
        assert "3 replayed" in await said(system, *replay)
        assert not await flow.screen.until_seen(set(evil), HANG_S)
        assert "was replayed already" in await said(system, "replay", "--code", "desk_failed")
        assert "3 replayed" in await said(system, "replay", "--code", "desk_failed", "--again")
    await until(lambda: _unfinished(system) == 0)
    assert decisions(system, *evil) == [1, 1, 1]


def _unfinished(system: OwnSystem) -> int:
    with closing(system.store()) as store:
        return store.unfinished(HOME)


def _report(**fields: Any) -> Event:
    now = datetime.now(UTC)
    given = {"channel": Channel.HOTLINE, "received_at": now, "lon": -122.41, "lat": 37.77}
    return Event(
        id=str(uuid.uuid4()), source="/other", time=now, jurisdiction=HOME,
        data=ReportReceived(**{**given, **fields}),
    )  # fmt: skip


async def _put_on_topic(system: OwnSystem, *events: Event | bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=broker_servers(system), enable_idempotence=False,
        max_request_size=2 * LARGE,
    )  # fmt: skip
    await producer.start()
    try:
        for event in events:
            raw = event if isinstance(event, bytes) else encode(event)
            await producer.send_and_wait(REPORTS, raw, key=HOME.encode())
    finally:
        await producer.stop()


def _evil() -> dict[str, Event]:
    """Valid envelopes and what no clerk would write."""
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    return {
        "large": _report(text="fire " + "x" * LARGE),
        "many attributes": _report(
            text="fire", attributes={f"a{n}": "y" * 200 for n in range(2000)}
        ),
        "huge numbers": _report(
            text="fire",
            accuracy_m=1e308,
            attributes={"priority": 2**63 - 1, "casualties": -(2**63)},
        ),
        "poles": _report(text="fire", lon=180.0, lat=-90.0),
        "half a place": _report(text="fire", lon=None),
        "nothing at all": _report(lon=None, lat=None),
        "dated ahead": msgspec.structs.replace(_report(text="fire", received_at=AHEAD), time=AHEAD),
        "before all time": _report(text="fire", observed_at=first),
        "after all time": _report(text="fire", observed_at=last),
        "no such words": _report(text="\u202e\u0000\uffff" * 1000, language="\n", code="' OR 1=1"),
        "long names": _report(text="fire", place="p" * 100_000, reporter="r" * 100_000),
        "photos": _report(text="fire", photos=("../../etc/passwd", "", "p" * 10_000)),
    }


async def test_evil_content_in_a_valid_envelope_is_decided_or_a_dead_letter_with_a_reason(
    marked: Marked,
) -> None:
    system = marked.system
    evil = _evil()
    names = {event.id: name for name, event in evil.items()}
    rubbish = b'{"specversion": "1.0", "id": "large-rubbish", "rubbish": "' + b"x" * LARGE + b'"}'
    async with sending(system, 4.0) as flow:
        await flow.more(200)
        await _put_on_topic(system, rubbish, *evil.values())
        at = time.monotonic()
        await flow.until_decided(at)
        await until(lambda: letters(system, "large-rubbish") == {"large-rubbish": "unreadable"})

        def ended() -> dict[str, int]:
            dead = letters(system, *names)
            times = decisions(system, *names)
            return {
                names[event]: count + (event in dead)
                for event, count in zip(names, times, strict=True)
            }

        try:
            await until(lambda: set(ended().values()) == {1})
        except TimeoutError:
            assert ended() == dict.fromkeys(evil, 1)
    with closing(system.store()) as store:
        latest = max(decode(entry.body).time for entry in store.entries(HOME))
    assert latest < datetime.now(UTC) + timedelta(minutes=5), "the desk's time is ours"


async def test_a_report_that_a_desk_hangs_on_is_named_left_out_and_replayed_when_mended(
    marked: Marked,
) -> None:
    system, marks = marked
    (marks / HANGS).touch()
    async with sending(system, 4.0) as flow:
        await flow.more(200)
        at = time.monotonic()
        name = await filed(system, ENDLESS)
        await until(lambda: letters(system, name) == {name: "hangs"})
        await flow.back_within(at, NAMED_WITHIN_S)
        assert f"hangs on event {name}" in system.said("worker")
        assert decisions(system, name) == [0]

        (marks / HANGS).unlink()
        assert "1 replayed" in await said(system, "replay", "--code", "hangs")
        assert not await flow.screen.until_seen({name}, HANG_S)
    assert decisions(system, name) == [1]
