"""``gridcommand up`` on the real rooms: starts all, mends what dies, ends in time, says why not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import psutil
import pytest

from gridcommand import supervisor
from gridcommand.ports import PortInUseError, check_free, choose_port
from gridcommand.processes import READY_FD
from gridcommand.rehearsal.yardstick import slowness
from gridcommand.run_file import read_run_file
from gridcommand.supervisor import StartError, check_disk, only_one
from tests.waiting import HANG_S, until_now

STOP_BOUND_S = 5.0


def patched(stop_within_s: float, broker_stays_s: float, ready_within_s: float) -> tuple[str, str]:
    """Return arguments of Python for a ``gridcommand`` whose supervisor has other limits."""
    limits = f"{stop_within_s}, {broker_stays_s}, {ready_within_s}"
    return "-c", (
        "from gridcommand import supervisor as s; from gridcommand.main import main;"
        f"s.STOP_WITHIN_S, s.BROKER_STAYS_S, s.READY_WITHIN_S = {limits}; main()"
    )


PATIENT = patched(2 * HANG_S, HANG_S, HANG_S)
"""It kills what does not end, and gives up, as late as a hang is."""


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class Up:
    """A running ``gridcommand up``."""

    def __init__(self, data_dir: Path, program: Sequence[str], *arguments: str) -> None:
        self.data_dir = data_dir
        self.port = _two_free_ports()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GRIDCOMMAND_")}
        self.process = subprocess.Popen(
            [sys.executable, *program, "up", "--port", str(self.port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment | {"GRIDCOMMAND_DATA_DIR": str(data_dir)},
        )
        self.said: list[str] = []

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read what it says up to a line that matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was never said:\n{''.join(self.said)}")

    def until_at_work(self, name: str) -> psutil.Process:
        """Wait until a child has told the supervisor that it does its work; return the child."""
        until_now(lambda: self._has_told(name))
        return self.child(name)

    def _has_told(self, name: str) -> bool:
        """Say whether a child closed its end of the pipe on which it tells that, once it has."""
        try:
            child = self.child(name)
            end = Path(f"/proc/{child.pid}/fd", child.environ()[READY_FD])
            pipes = {one.readlink() for one in Path(f"/proc/{self.process.pid}/fd").iterdir()}
            return not end.is_symlink() or end.readlink() not in pipes
        except (StopIteration, KeyError, OSError, psutil.Error):
            return False  # it isn't there yet, or just goes

    def log(self, name: str) -> str:
        """Return what a process logged."""
        return (self.data_dir / "log" / f"{name}.log").read_text()

    def child(self, name: str) -> psutil.Process:
        """Return one of its children by what it runs."""
        return next(one for one in self.family() if one.cmdline()[3:4] == [name])

    def family(self) -> list[psutil.Process]:
        """Return the supervisor and all its descendants."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]


Start = Callable[..., Up]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Up] = []

    def begin(*arguments: str, program: Sequence[str] = PATIENT) -> Up:
        started.append(Up(tmp_path / "var", program, *arguments))
        return started[-1]

    yield begin
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
        up.process.wait()
        if up.process.stdout:
            up.process.stdout.close()


@pytest.mark.broker
def test_up_starts_all_mends_what_dies_and_lets_all_end_by_themselves(start: Start) -> None:
    up = start("--demo", "--speed", "10")
    running = up.read_until(r"Running\s+(.*); (\d+) MB together")
    pids = dict(part.split() for part in running[1].split(", "))
    assert set(pids) == {"broker", "worker", "console", "drill"}
    text = "".join(up.said)
    assert len(set(re.findall(r"http://127\.0\.0\.1:\d+/s/[\w-]{30,}", text))) == 2
    with urlopen(f"http://127.0.0.1:{up.port}/readyz", timeout=HANG_S) as answer:
        assert answer.status == 200

    # Who was at work when it was killed is missed, however often that was lately.
    for name in ("console", "broker"):
        for _ in range(2):
            up.until_at_work(name).kill()
            assert up.read_until(rf"{name} died \(SIGKILL\), again in 0\.5 s")
    until_now(lambda: _is_ready(up.port))
    for name in pids:
        up.until_at_work(name)

    family = up.family()
    up.process.send_signal(signal.SIGINT)
    up.process.wait(3 * HANG_S)
    assert up.process.returncode == 0
    gone, alive = psutil.wait_procs(family, timeout=HANG_S)
    assert not alive
    assert len(gone) == len(family)
    assert_all_ended_by_themselves(up, pids)
    # The next start finds the broker's port again.
    assert json.loads((up.data_dir / "run.json").read_text())["broker_port"] > 0


def assert_all_ended_by_themselves(up: Up, names: Iterable[str]) -> None:
    """Each child's end is its own: the supervisor kills what does not end in time."""
    ends = {name: up.log(name).splitlines()[-1].partition("supervisor: ")[2] for name in names}
    assert ends == dict.fromkeys(ends, "ended with exit code 0")
    assert "did not end by itself" not in up.log("up")


@pytest.mark.broker
@pytest.mark.timely
def test_all_has_ended_five_seconds_after_a_signal(start: Start) -> None:
    slow = slowness()
    limits = (supervisor.STOP_WITHIN_S * slow, supervisor.BROKER_STAYS_S * slow, HANG_S)
    up = start("--demo", "--speed", "60", program=patched(*limits))
    running = up.read_until(r"Running\s+(.*); (\d+) MB together")
    pids = dict(part.split() for part in running[1].split(", "))
    # A program that still starts has no handler yet: the signal itself ends it.
    for name in pids:
        up.until_at_work(name)
    family = up.family()
    asked = time.monotonic()
    up.process.send_signal(signal.SIGINT)
    up.process.wait(HANG_S)
    took = time.monotonic() - asked
    # That alone says little: the supervisor kills after four.
    assert took < STOP_BOUND_S * slow
    assert_all_ended_by_themselves(up, pids)
    _, alive = psutil.wait_procs(family, timeout=HANG_S)
    assert not alive


@pytest.mark.broker
def test_a_city_without_a_recording_is_live_and_a_killed_supervisor_leaves_nobody(
    start: Start,
) -> None:
    up = start("--demo", "--city", "liyang")
    up.read_until(r"no recording yet, so this is live")
    up.read_until(r"worker ready")
    family = up.family()[1:]
    assert len(family) >= 3
    up.process.kill()
    _, alive = psutil.wait_procs(family, timeout=HANG_S)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 5, 5_000_000))
    with pytest.raises(StartError, match=r"only 5 MB are free .* make room"):
        check_disk(tmp_path)


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="GRIDCOMMAND_DATA_DIR"):
        check_disk(tmp_path / "file")


def test_a_second_up_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(StartError, match="already runs"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_an_unreadable_run_file_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{half")
    assert read_run_file(tmp_path).broker_port == 0


def test_the_broker_keeps_its_port_while_it_is_free() -> None:
    port = choose_port()
    assert choose_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert choose_port(port) != port
        with pytest.raises(PortInUseError, match=f"port {port} is in use"):
            check_free("127.0.0.1", port, "web_port", "PORT=…")


def test_the_supervisor_imports_no_room() -> None:
    heavy = ("ortools", "faust", "fastapi", "numpy", "sqlalchemy", "celpy", "aiokafka")
    code = (
        "import sys, gridcommand.supervisor, psutil;"
        f"print([m for m in {heavy!r} if m in sys.modules], psutil.Process().memory_info().rss)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, _, rss = said.stdout.rpartition(" ")
    assert loaded == "[]"
    assert int(rss) < 60_000_000
    assert supervisor.STOP_WITHIN_S < STOP_BOUND_S


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=HANG_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _two_free_ports() -> int:
    while True:
        port = choose_port()
        try:
            check_free("127.0.0.1", port + 1, "", "")
        except PortInUseError:
            continue
        return port


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (b"200 OK", b'{"ready": true, "running": true}', True),
        (b"503 Service Unavailable", b'{"ready": false, "running": true}', True),
        (b"503 Service Unavailable", b'{"ready": false, "running": false}', False),
        (b"502 Bad Gateway", b"<html>", False),
        (b"200 OK", b"[]", False),
    ],
)
async def test_a_console_is_running_though_decisions_are_late_or_simpler(
    status: bytes, body: bytes, expected: bool
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await supervisor.is_running("127.0.0.1", port) is expected
    assert await supervisor.is_running("127.0.0.1", port) is False
