"""The machine's clock jumps by an hour, back and forth, under processes that run.

``wall_clock.c`` lies to all of them of the time of day and of nothing else; the monotonic clock,
which no jump touches, stays. (Under Debian's libfaketime a Python that keeps it can't sleep.)
Phones and sensors keep the true time, as other machines would.
"""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from gridcommand.rehearsal.system import OwnSystem, running_system
from models.events import DeadlineSet, EscalationRaised, TaskMoved, decode
from models.lifecycles import TaskState
from tests.flow import HOME, Flow, sending
from tests.integration.conftest import needed
from tests.waiting import HANG_S

pytestmark = pytest.mark.broker
SOURCE = Path(__file__).with_name("wall_clock.c")
HOUR = timedelta(hours=1)
NEAR = timedelta(minutes=10)
HEARTBEATS_S = 5.0
"""Two heartbeats and a little: what the second says was found after the jump."""
NOT_DELAYED_S = 5.0


class Shifted(NamedTuple):
    """A system, and the file that says by how much its clock is wrong."""

    system: OwnSystem
    file: Path

    async def set(self, flow: Flow, by: timedelta) -> None:
        """Let the clock jump, and wait until the console has it."""
        with self.file.open("r+b") as file:
            file.write(_seconds(by))
        shown = flow.screen
        await shown.until(
            lambda: shown.wall is not None and abs(shown.wall - datetime.now(UTC) - by) < NEAR,
            HANG_S,
        )


@pytest.fixture
def shifted(tmp_path: Path) -> Iterator[Shifted]:
    needed("cc", "gcc libc6-dev")
    library, file = tmp_path / "wall_clock.so", tmp_path / "offset"
    build = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(build, check=True)
    file.write_bytes(_seconds(timedelta()))
    environment = {"LD_PRELOAD": str(library), "WALL_CLOCK_FILE": str(file)}
    with running_system(tmp_path / "var", environment=environment) as system:
        yield Shifted(system, file)


def _seconds(by: timedelta) -> bytes:
    return struct.pack("=q", round(by.total_seconds()))


async def test_a_clock_that_jumps_back_and_forth_fires_nothing_twice_and_tells_no_lie(
    shifted: Shifted,
) -> None:
    system = shifted.system
    async with sending(system, 4.0) as flow:
        await flow.more(400)
        for by in (HOUR, timedelta(), HOUR):
            await shifted.set(flow, by)
            await flow.back_within(time.monotonic())
            await flow.more(400)
        decided_in_time(flow)

        # Decisions are delayed, and a clock that is set back doesn't make that untrue.
        with flow.outage():
            with system.halted("broker"):
                await flow.screen.until(lambda: flow.screen.pipeline["state"] == "delayed", HANG_S)
                for by in (timedelta(), HOUR):
                    await shifted.set(flow, by)
                    later = time.monotonic() + HEARTBEATS_S
                    await flow.screen.until(
                        lambda later=later: flow.screen.pipelines[-1][0] > later, HANG_S
                    )
                    assert {"delayed"} == {
                        said["state"]
                        for at, said in flow.screen.pipelines
                        if at > later - HEARTBEATS_S
                    }
            await flow.back_within(time.monotonic())
        await flow.screen.until(lambda: flow.screen.pipeline["state"] == "ok", HANG_S)
        await shifted.set(flow, timedelta())
    deadlines_kept_to_the_journals_time(system)


def decided_in_time(flow: Flow) -> None:
    """Screens didn't say that decisions are delayed while reports were decided in time."""
    told, seen = flow.phones.acknowledged, flow.screen.seen
    slowest = max(seen[one] - told[one] for one in told.keys() & seen.keys())
    assert slowest < NOT_DELAYED_S * flow.slow
    assert [said for _, said in flow.screen.pipelines if said["state"] != "ok"] == []


def deadlines_kept_to_the_journals_time(system: OwnSystem) -> None:
    """What was due was told once, when the journal's time had come that far and not before."""
    with closing(system.store()) as store:
        events = [decode(entry.body) for entry in store.entries(HOME)]
    due = {e.data.deadline: e.data.due for e in events if isinstance(e.data, DeadlineSet)}
    raised = [(e.data.deadline, e.time) for e in events if isinstance(e.data, EscalationRaised)]
    assert raised, "an hour is longer than any deadline"
    assert len(raised) == len({deadline for deadline, _ in raised})
    assert all(due[deadline] <= at for deadline, at in raised)
    moved = [e.data for e in events if isinstance(e.data, TaskMoved)]
    late = [one.task for one in moved if one.state is TaskState.OVERDUE]
    assert len(late) == len(set(late))
    decided = [e.time for e in events if e.source.startswith(("/desk", "/clock"))]
    assert decided == sorted(decided), "the journal's time doesn't run back"
