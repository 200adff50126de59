"""A backup that is made while reports flow, restored elsewhere, goes on from its moment."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridcommand.backup import Made, make_backup
from gridcommand.rehearsal.checker import check
from gridcommand.rehearsal.clients import Phones
from gridcommand.rehearsal.ledger import taken_in
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.backup_file import BackupWriter, Frame, writing
from models.store import Store
from tests.flow import HOME, RATE, recorded_places, until
from tests.waiting import HANG_S

pytestmark = pytest.mark.broker
REPORTS_BEFORE = 300
REPORTS_WAITING = 50
EVENTS_MEANWHILE = 500


def restore(system: OwnSystem, file: Path) -> str:
    """Run ``gridcommand restore`` on a system's place; return what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "gridcommand", "restore", str(file)],
        env=system.environment, capture_output=True, text=True, timeout=HANG_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def hash_at(store: Store, seq: int) -> bytes:
    """Return the journal's hash at a seq."""
    return next(entry.hash for entry in store.entries(HOME) if entry.seq == seq)


class Held(BackupWriter):
    """A writer that waits behind the first frame, by when the backup's moment has passed."""

    def __init__(self, writer: BackupWriter) -> None:
        self._writer = writer
        self.is_begun, self.may_go_on = threading.Event(), threading.Event()

    def add(self, frame: Frame) -> None:
        self._writer.add(frame)
        self.is_begun.set()
        assert self.may_go_on.wait(HANG_S)


async def back_up(system: OwnSystem, phones: Phones, file: Path) -> Made:
    """Make a backup at whose moment reports wait, while they and others are decided."""
    with closing(system.store()) as store, writing(file) as writer:
        held = Held(writer)
        # Not the worker: halted while it writes, it would keep the database from intake.
        with system.halted("broker"):
            await phones.until_acknowledged(len(phones.acknowledged) + REPORTS_WAITING, HANG_S)
            photos = system.folder / "photos"
            making = asyncio.create_task(
                asyncio.to_thread(make_backup, store, photos, held, datetime.now(UTC))
            )
            await asyncio.to_thread(held.is_begun.wait, HANG_S)
            (at_first,) = store.heads()
        await until(lambda: store.heads()[0].seq >= at_first.seq + EVENTS_MEANWHILE)
        held.may_go_on.set()
        return await making


async def test_a_backup_under_load_has_all_that_was_acknowledged_and_its_place_decides_it_once(
    tmp_path: Path,
) -> None:
    file = tmp_path / "backup.gcb"
    with running_system(tmp_path / "var") as system:
        phones = Phones(system)
        enough = asyncio.Event()
        sending = asyncio.create_task(phones.send_all(recorded_places(144), RATE, 1.0, enough))
        await phones.until_acknowledged(REPORTS_BEFORE, HANG_S)
        before = dict(phones.acknowledged)
        made = await back_up(system, phones, file)
        enough.set()
        await sending
    assert not phones.refused

    new = OwnSystem(tmp_path / "new")
    proven = await asyncio.to_thread(restore, new, file)
    with closing(new.store()) as store, closing(system.store()) as source:
        head = store.verify(HOME)
        assert made.heads == {HOME: (head.seq, head.head_hash)}
        assert f"holds   {HOME}: {head.seq} events, head {head.head_hash.hex()}" in proven
        assert head.head_hash == hash_at(source, head.seq)
        kept = check(store, HOME, before, before)
        assert not kept.lost, kept
        waiting = store.unfinished(HOME)
        assert waiting >= REPORTS_WAITING
        decided = {report for _, report in taken_in(store, HOME)}
        try:
            new.start()
            await until(lambda: not store.unfinished(HOME))
        finally:
            new.stop()
        told = {report: 0.0 for _, report in taken_in(store, HOME)}
        assert len(told) == len(decided) + waiting
        assert before.keys() <= told.keys() <= phones.acknowledged.keys()
        verdict = check(store, HOME, told, told)
        assert verdict.holds, verdict
        assert hash_at(store, head.seq) == head.head_hash, "what came after follows on it"
