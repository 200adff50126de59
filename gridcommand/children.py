"""One supervised child process: started, logged, restarted with back-off, stopped.

For :mod:`gridcommand.supervisor`. Relies on Linux for one thing: a child dies with its supervisor,
even on kill -9 of it (``PR_SET_PDEATHSIG``); elsewhere an orphan must be ended by hand. What a
child prints goes to its own log, rolled over by size.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gridcommand.processes import GATE_FD, READY_FD

PR_SET_PDEATHSIG = 1
READ_BYTES = 65536


class RollingLog:
    """A log file that is rolled over by size: ``name.log``, ``name.log.1``, … the oldest goes.

    Parameters
    ----------
    path
        Of the newest part; its folder is made.
    limit_bytes
        Size at which it is rolled over.
    keep
        How many older parts are kept.
    """

    def __init__(self, path: Path, limit_bytes: int = 10_000_000, keep: int = 2) -> None:
        self.path = path
        self._limit = limit_bytes
        self._keep = keep
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def write(self, content: bytes) -> None:
        """Append; a disk that is full loses log lines and nothing else."""
        with contextlib.suppress(OSError):
            if self._file.tell() + len(content) > self._limit:
                self._roll()
            self._file.write(content)
            self._file.flush()

    def line(self, text: str) -> None:
        """Append one line of the supervisor's own, with the time."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.write(f"{stamp} supervisor: {text}\n".encode())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _roll(self) -> None:
        self._file.close()
        for number in range(self._keep, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = (
                self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
            )
            if newer.exists():
                newer.replace(older)
        self._file = self.path.open("ab")

    def _part(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path


@dataclass(frozen=True)
class Backoff:
    """How long to wait before a restart: doubling from ``first_s`` to ``most_s``.

    Attributes
    ----------
    first_s, most_s
        Seconds.
    steady_s
        A child that ran this long, or was ready, begins anew with ``first_s``.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    steady_s: float = 60.0

    def after(self, deaths: int) -> float:
        """Return the wait after so many deaths in a row (1 or more), in seconds."""
        return float(min(self.most_s, self.first_s * 2.0 ** min(deaths - 1, 30)))


@dataclass
class Child:
    """A process that is kept running until it is told to stop.

    Attributes
    ----------
    name
        For people, and of its log.
    arguments
        What to run.
    environment
        What is added to the supervisor's own environment.
    log
        Where its output goes.
    tell
        Called with one line when it dies, is restarted or ends.
    ends
        Whether exit code 0 is its normal end; else it is restarted after that too.
    backoff
        Waits between restarts.
    gate
        Descriptor at whose end of file a child that was started early goes on; handed over to
        the first start and closed here.
    """

    name: str
    arguments: list[str]
    log: RollingLog
    tell: Callable[[str], None]
    environment: Mapping[str, str] = field(default_factory=dict)
    ends: bool = False
    backoff: Backoff = field(default_factory=Backoff)
    gate: int | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    deaths: int = 0
    _process: asyncio.subprocess.Process | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def run(self) -> None:
        """Run the process, and again when it dies, until :meth:`stop`."""
        in_a_row = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._once()
            # Who came so far as to work begins anew: it was ended, and is missed.
            was_ready = self.ready.is_set()
            self.ready.clear()
            if self._stopping.is_set():
                return
            if code == 0 and self.ends:
                self.tell(f"{self.name} has ended")
                return
            self.deaths += 1
            is_steady = was_ready or time.monotonic() - started > self.backoff.steady_s
            in_a_row = 1 if is_steady else in_a_row + 1
            wait_s = self.backoff.after(in_a_row)
            self.tell(f"{self.name} died ({_cause(code)}), again in {wait_s:g} s; {self.log.path}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    def stop(self) -> None:
        """Ask it to end, and don't start it again."""
        self._stopping.set()
        self._signal(signal.SIGTERM, group=False)

    def kill(self) -> None:
        """End it, and all that it started, at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL, group=True)

    def last_words(self) -> str:
        """Return the last line of its log that says something."""
        try:
            lines = self.log.path.read_bytes()[-4000:].decode(errors="replace").splitlines()
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip() and " supervisor: " not in line]
        return said[-1] if said else ""

    async def _once(self) -> int:
        reading, writing = os.pipe()
        environment = {
            **os.environ,
            **self.environment,
            READY_FD: str(writing),
            "PYTHONUNBUFFERED": "1",
        }
        gate, self.gate = self.gate, None
        if gate is not None:
            environment[GATE_FD] = str(gate)
        self.log.line(f"starting {' '.join(self.arguments)}")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.arguments,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(writing,) if gate is None else (writing, gate),
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )
        except OSError as error:
            os.close(reading)
            self.log.line(f"can't be started: {error}")
            return 127
        finally:
            os.close(writing)
            if gate is not None:
                os.close(gate)
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, self._on_ready, reading)
        try:
            await self._pump(self._process)
            code = await self._process.wait()
        finally:
            loop.remove_reader(reading)
            os.close(reading)
        # What it started and left behind would hold its ports.
        self._signal(signal.SIGKILL, group=True)
        self.log.line(f"ended with {_cause(code)}")
        return code

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        """Carry its output to the log until it has exited; heirs of the pipe don't hold us."""
        assert process.stdout is not None
        ended = asyncio.ensure_future(process.wait())
        try:
            while True:
                read = asyncio.ensure_future(process.stdout.read(READ_BYTES))
                await asyncio.wait({read, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not read.done():
                    with contextlib.suppress(TimeoutError):
                        self.log.write(await asyncio.wait_for(read, 0.2))
                    return
                content = read.result()
                if not content:
                    return
                self.log.write(content)
        finally:
            ended.cancel()

    def _on_ready(self, descriptor: int) -> None:
        if os.read(descriptor, 1):
            self.ready.set()
        else:
            asyncio.get_running_loop().remove_reader(descriptor)

    def _signal(self, number: int, *, group: bool) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if group:
                os.killpg(process.pid, number)
            elif process.returncode is None:
                process.send_signal(number)


def _die_with(supervisor: int) -> Callable[[], None]:
    """Return what a child does before it becomes its program: bind its life to ours."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:  # it died between fork and prctl
            os._exit(1)

    return bind


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
