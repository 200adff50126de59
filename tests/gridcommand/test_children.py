"""A child is restarted with back-off, logged, told when it is ready, and never outlives us."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from gridcommand.children import Backoff, Child, RollingLog
from tests.waiting import HANG_S, until

QUICK = Backoff(first_s=0.05, most_s=0.2, steady_s=60.0)
STAYS = "import time; print('here', flush=True); time.sleep(3600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('he' 're', flush=True); time.sleep(3600)"  # the log's first line quotes this code
)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make_child(tmp_path: Path, said: list[str]) -> Callable[..., Child]:
    def make(code: str, *, ends: bool = False) -> Child:
        return Child(
            name="worker",
            arguments=[sys.executable, "-c", code],
            log=RollingLog(tmp_path / "worker.log"),
            tell=said.append,
            ends=ends,
            backoff=QUICK,
        )

    return make


def test_waits_double_up_to_a_bound() -> None:
    backoff = Backoff(first_s=0.5, most_s=30.0)
    assert [backoff.after(n) for n in (1, 2, 3, 7, 1000)] == [0.5, 1.0, 2.0, 30.0, 30.0]


async def test_what_dies_is_started_again_with_longer_waits(
    make_child: Callable[..., Child], said: list[str]
) -> None:
    child = make_child("import sys; sys.exit(3)")
    running = asyncio.create_task(child.run())
    await until(lambda: child.deaths >= 3)
    child.stop()
    await running
    assert "exit code 3" in said[0]
    assert "again in 0.05 s" in said[0]
    assert "again in 0.1 s" in said[1]
    assert "again in 0.2 s" in said[2]


async def test_a_killed_child_comes_back(make_child: Callable[..., Child], said: list[str]) -> None:
    child = make_child(STAYS)
    running = asyncio.create_task(child.run())
    await until(lambda: child.pid)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.pid not in (None, first))
    child.stop()
    await running
    assert "SIGKILL" in said[0]


async def test_the_end_of_what_ends_is_no_death(
    make_child: Callable[..., Child], said: list[str]
) -> None:
    child = make_child("pass", ends=True)
    await asyncio.wait_for(child.run(), HANG_S)
    assert child.deaths == 0
    assert said == ["worker has ended"]


async def test_readiness_is_one_byte_on_a_pipe(make_child: Callable[..., Child]) -> None:
    child = make_child(
        "import time; from gridcommand.processes import tell_ready; tell_ready(); time.sleep(3600)"
    )
    running = asyncio.create_task(child.run())
    await asyncio.wait_for(child.ready.wait(), HANG_S)
    child.stop()
    await running
    assert not child.ready.is_set()


async def test_a_stubborn_child_is_killed_with_all_it_started(
    make_child: Callable[..., Child],
) -> None:
    code = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]);{STUBBORN}"
    )
    child = make_child(code)
    running = asyncio.create_task(child.run())
    await until(lambda: child.log.path.read_bytes().count(b"here") >= 2)
    assert child.pid is not None
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    child.stop()
    child.kill()
    await asyncio.wait_for(running, HANG_S)
    psutil.wait_procs(family, timeout=HANG_S)
    assert not any(one.is_running() and one.status() != "zombie" for one in family)


async def test_its_last_words_are_kept(make_child: Callable[..., Child]) -> None:
    child = make_child("raise SystemExit('no room left')")
    running = asyncio.create_task(child.run())
    await until(lambda: child.deaths)
    child.stop()
    await running
    assert child.last_words() == "no room left"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import asyncio, sys
from pathlib import Path
from gridcommand.children import Child, RollingLog
child = Child(name="x", arguments=[sys.executable, "-c", {STAYS!r}],
              log=RollingLog(Path({str(tmp_path / "x.log")!r})), tell=print)
async def main():
    running = asyncio.create_task(child.run())
    while not child.pid:
        await asyncio.sleep(0.01)
    print(child.pid, flush=True)
    await running
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    gone, _ = psutil.wait_procs([orphan], timeout=HANG_S)
    assert gone or orphan.status() == "zombie"


def test_a_log_rolls_over_by_size(tmp_path: Path) -> None:
    log = RollingLog(tmp_path / "a.log", limit_bytes=100, keep=2)
    for number in range(10):
        log.write(f"{number}".encode() * 60)
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2"]
    assert (tmp_path / "a.log").read_bytes() == b"9" * 60
    assert (tmp_path / "a.log.2").read_bytes() == b"7" * 60
