"""What a desk could not handle is replayed once its cause is mended, and decided once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from gridcommand.rehearsal.clients import Phones
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.store import Store
from tests.integration.conftest import HOME, recorded_places, watching
from tests.integration.failing_policy import EVIL, MARK

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]
SOON_S = 30.0
ALL = ("--since", "2000-01-01")


def said(system: OwnSystem, *arguments: str) -> str:
    answer = subprocess.run(
        [sys.executable, "-m", "gridcommand", "dead-letters", *arguments],
        env=system.environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return answer.stdout


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while True:
            if await asyncio.to_thread(holds):
                return
            await asyncio.sleep(0.1)


def is_open(store: Store) -> bool:
    letters = store.dead_letters()
    return bool(letters) and letters[0].replayed_at is None and not store.unfinished()


async def test_a_poisoned_report_becomes_an_incident_when_it_is_mended_and_replayed(
    tmp_path: Path,
) -> None:
    mark = tmp_path / "not-mended"
    mark.touch()
    evil, good = ({**place, "id": str(uuid.uuid4())} for place in recorded_places(2))
    evil["text"] = EVIL
    environment = {
        "GRIDCOMMAND_POLICY": "tests.integration.failing_policy:FailsWhileMarked",
        MARK: str(mark),
    }
    with running_system(tmp_path / "var", environment=environment) as system:
        store = system.store()
        phones = Phones(system)
        async with watching(system) as screen:
            await phones.send_all([evil], 10.0, 0.1)
            await phones.send_all([good], 10.0, 0.1)
            # The partition goes on behind it.
            assert not await screen.until_seen({good["id"]}, SOON_S)
            await until(lambda: is_open(store))
            (letter,) = store.dead_letters()
            assert (letter.event_id, letter.code) == (evil["id"], "desk_failed")
            assert "no desk can read this" in said(system, "list")

            # Replayed before it is mended, it is the same letter, open again.
            assert "1 replayed" in said(system, "replay", str(letter.id))
            await until(lambda: is_open(store))
            assert "no desk can read this" in said(system, "list")
            assert screen.incident_of(evil["id"]) is None

            mark.unlink()
            assert "1 would be replayed" in said(system, "replay", *ALL, "--dry-run")
            assert "1 replayed" in said(system, "replay", *ALL)
            assert not await screen.until_seen({evil["id"]}, SOON_S)
            assert "was replayed already" in said(system, "replay", *ALL)
            assert "1 replayed" in said(system, "replay", str(letter.id), "--again")
            await until(lambda: not store.unfinished())
            incidents = screen.kinds["incidents"].values()
            assert sum(evil["id"] in one["reports"] for one in incidents) == 1
        store.verify(HOME)
        assert store.count_dead_letters() == 1
        store.close()
