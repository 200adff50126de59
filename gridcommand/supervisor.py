"""``gridcommand up``: everything on one machine, each part a process of its own.

Starts broker, worker, console and, if asked for, a drill; waits until each is at work; says where
to look; restarts what dies; ends all of it on SIGINT or SIGTERM within `STOP_WITHIN_S`. A second
signal ends all at once. Not for production with more than one machine: there each part runs under
the machine's own service manager.

Imports none of the rooms: this process only watches, and stays small.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from gridcommand.accounts import console_url
from gridcommand.children import Child, RollingLog
from gridcommand.ports import check_free, choose_port
from gridcommand.prepared import Prepared
from gridcommand.recordings import find_recording, recordings
from gridcommand.run_file import read_run_file, write_run_file
from models.errors import GridcommandError
from models.settings import Settings

LEAST_DISK_BYTES = 200_000_000
STOP_WITHIN_S = 4.0
BROKER_STAYS_S = 2.5
READY_WITHIN_S = 60.0
DEATHS_AT_START = 3
POLL_S = 0.05
MEMORY_EVERY_S = 600.0
COMMAND = [sys.executable, "-m", "gridcommand"]


class StartError(GridcommandError):
    """It can't be started here; the message says why and what to do."""


def supervise(settings: Settings, *, drill: str | None, demo: bool, speed: float) -> int:
    """Run everything until a signal comes; return the exit code.

    Raises
    ------
    GridcommandError
        When it can't be started: ports, disk, city, playbooks, database, a process that fails.
    """
    check_disk(settings.data_dir)
    with only_one(settings.data_dir):
        check_free(
            settings.web_host, settings.web_port, "web_port", "PORT=… make demo, up --port …"
        )
        check_free(settings.web_host, settings.live, "live_port", "GRIDCOMMAND_LIVE_PORT=…")
        name = drill or (next(iter(recordings(settings)), None) if demo else None)
        if name:
            find_recording(settings, name)
        return asyncio.run(_Supervisor(settings, name, speed, wanted=demo).run())


def check_disk(data_dir: Path) -> None:
    """Make the data folder and raise :class:`StartError` when its disk is nearly full."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"the data folder {data_dir} can't be made ({error.strerror}): "
            "name another in GRIDCOMMAND_DATA_DIR"
        ) from error
    free = shutil.disk_usage(data_dir).free
    if free < LEAST_DISK_BYTES:
        raise StartError(
            f"only {free / 1e6:.0f} MB are free on the disk of {data_dir}, "
            f"{LEAST_DISK_BYTES / 1e6:.0f} MB are needed: make room, "
            "or name another place in GRIDCOMMAND_DATA_DIR"
        )


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder; a second ``up`` on it is refused."""
    with (data_dir / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = read_run_file(data_dir).supervisor_pid
            raise StartError(
                f"gridcommand up (process {pid}) already runs on {data_dir}: "
                "stop it first, or give this one its own GRIDCOMMAND_DATA_DIR"
            ) from None
        yield


class _Supervisor:
    def __init__(
        self, settings: Settings, drill: str | None, speed: float, *, wanted: bool
    ) -> None:
        self.settings = settings
        self.drill = drill
        self.speed = speed
        self.drill_was_wanted = wanted
        self.logs = settings.data_dir / "log"
        self.log = RollingLog(self.logs / "up.log")
        self.children: list[Child] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.stop = asyncio.Event()
        self.environment: dict[str, str] = {}

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        starting = asyncio.ensure_future(self._start())
        stopped = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await self._watch()
        finally:
            starting.cancel()
            stopped.cancel()
            with contextlib.suppress(asyncio.CancelledError, GridcommandError):
                await starting
            await self._stop_all()
            self.log.close()
        return 0

    async def _start(self) -> None:
        settings = self.settings
        self.log.line("up")
        remembered = read_run_file(settings.data_dir)
        remembered.supervisor_pid = os.getpid()
        remembered.console_url = console_url(settings)
        if not settings.kafka_servers:
            port = settings.broker_port or choose_port(remembered.broker_port)
            if settings.broker_port:
                check_free("127.0.0.1", port, "broker_port", "GRIDCOMMAND_BROKER_PORT=0")
            remembered.broker_port = port
            self.environment["GRIDCOMMAND_BROKER_PORT"] = str(port)
        write_run_file(settings.data_dir, remembered)

        preparing = asyncio.ensure_future(self._prepare())
        # The worker takes longest to be there: it loads its code while we look whether it may run.
        gate, opening = os.pipe()
        worker = self._begin("worker", ["worker"], gate=gate)
        try:
            if not settings.kafka_servers:
                broker = self._begin("broker", ["broker"])
                await self._until("broker", broker, lambda: _answers("127.0.0.1", port))
            prepared = await preparing
        finally:
            preparing.cancel()
        os.close(opening)
        title = f"Gridcommand: {prepared.city}"
        if self.drill:
            title += f", drill {self.drill} at {self.speed:g} times life"
        self._say(title)
        if self.drill_was_wanted and not self.drill:
            self._say(
                f"{prepared.city} has no recording yet, so this is live, without a drill: "
                "gridcommand drill import CALLS --name NAME makes one of a table of calls, and "
                "up --drill NAME replays it."
            )

        console = self._begin("console", ["console"])
        if self.drill:
            self._begin(
                "drill", ["drill", "run", self.drill, "--speed", f"{self.speed:g}"], ends=True
            )
        await self._until("worker", worker, lambda: _is_set(worker.ready))
        await self._until(
            "console",
            console,
            lambda: is_running(settings.web_host, settings.web_port),
        )
        self._welcome(prepared)

    async def _prepare(self) -> Prepared:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "prepare",
            *(["--exercise"] if self.drill else []),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, said = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            raise
        if process.returncode:
            self.log.write(said)
            text = said.decode(errors="replace").strip()
            # The sentence follows whatever libraries may have printed, a traceback among it.
            raise StartError(
                text.rpartition("gridcommand: ")[2] or "preparation failed: no word why"
            )
        return Prepared.from_json(out)

    def _begin(
        self, name: str, arguments: list[str], *, ends: bool = False, gate: int | None = None
    ) -> Child:
        child = Child(
            name=name,
            arguments=[*COMMAND, *arguments],
            log=RollingLog(self.logs / f"{name}.log"),
            tell=self._tell,
            environment=self.environment,
            ends=ends,
            gate=gate,
        )
        self.children.append(child)
        self.tasks.append(asyncio.create_task(child.run(), name=name))
        return child

    async def _until(self, name: str, child: Child, ready: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a child is at work; give up when it keeps dying or takes too long."""
        started = time.monotonic()
        while not await ready():
            if child.deaths >= 3 or time.monotonic() - started > READY_WITHIN_S:
                what = (
                    "keeps dying"
                    if child.deaths >= 3
                    else f"is not ready after {READY_WITHIN_S:g} s"
                )
                raise StartError(
                    f"the {name} {what}: {child.last_words()} (all of it: {child.log.path})"
                )
            await asyncio.sleep(POLL_S)
        self._say(f"  {name} ready after {time.monotonic() - started:.1f} s")

    def _welcome(self, prepared: Prepared) -> None:
        names = {"commander": "Commander", "grid_worker": "Grid worker"}
        self._say("")
        self._say(f"  {'Open':<12} {console_url(self.settings)}")
        for role, link in prepared.links.items():
            self._say(f"  {names.get(role, role):<12} {link}")
        self._say(
            f"  {'':<12} each link signs in once; gridcommand user link commander makes another"
        )
        running = ", ".join(f"{c.name} {c.pid}" for c in self.children if c.pid)
        self._say(f"  {'Running':<12} {running}; {self._memory_mb():.0f} MB together")
        self._say(f"  {'Logs':<12} {self.logs}")
        self._say("  Ctrl-C stops everything; the next start goes on from there.")

    async def _watch(self) -> None:
        while not self.stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), MEMORY_EVERY_S)
            self.log.line(f"{self._memory_mb():.0f} MB together")

    async def _stop_all(self) -> None:
        """End the broker last: the others say goodbye to it."""
        if not self.children:
            return
        self._say("Stopping …")
        started = time.monotonic()
        by_name = dict(zip([c.name for c in self.children], self.tasks, strict=True))
        for child in self.children:
            if child.name != "broker":
                child.stop()
        others = [task for name, task in by_name.items() if name != "broker"]
        if others:
            await asyncio.wait(others, timeout=BROKER_STAYS_S)
        for child in self.children:
            child.stop()
        left = STOP_WITHIN_S - (time.monotonic() - started)
        await asyncio.wait(self.tasks, timeout=max(0.0, left))
        for child, task in zip(self.children, self.tasks, strict=True):
            if not task.done():
                self.log.line(f"{child.name} did not end by itself")
                child.kill()
        await asyncio.wait(self.tasks, timeout=0.5)
        for child in self.children:
            child.log.close()
        self._say(f"Stopped after {time.monotonic() - started:.1f} s.")

    def _on_signal(self) -> None:
        if self.stop.is_set():
            for child in self.children:
                child.kill()
        self.stop.set()

    def _memory_mb(self) -> float:
        pids = [os.getpid(), *(c.pid for c in self.children if c.pid)]
        return resident_mb(pids)

    def _tell(self, text: str) -> None:
        self._say(f"{time.strftime('%H:%M:%S')} {text}")

    def _say(self, text: str) -> None:
        if text:
            self.log.line(text)
        # A terminal that was closed must not end the city.
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)


def resident_mb(pids: list[int]) -> float:
    """Return the resident memory of processes and all that they started, in MB."""
    import psutil

    family: dict[int, psutil.Process] = {}
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            family[pid] = process
            if pid != os.getpid():
                family |= {child.pid: child for child in process.children(recursive=True)}
    total = 0
    for process in family.values():
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total / 1e6


async def _is_set(event: asyncio.Event) -> bool:
    return event.is_set()


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def is_running(host: str, port: int) -> bool:
    """Say whether ``/readyz`` of a console says that everything runs.

    What runs may have a backlog to decide, or a policy that fails: then it is started all the same.
    """
    try:
        async with asyncio.timeout(5.0):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                head = f"GET /readyz HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                answer = await reader.read()
            finally:
                writer.close()
        return json.loads(answer.partition(b"\r\n\r\n")[2]).get("running") is True
    except (OSError, TimeoutError, ValueError, AttributeError):
        return False
