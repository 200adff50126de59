"""``gridcommand up`` in a folder of its own, on free ports, in our hand.

For tests, benchmarks and ``gridcommand chaos``. Ends only what it started: the supervisor and the
children of it. Relies on the supervisor's own words for being ready.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from models.errors import GridcommandError
from models.rights import EVERYWHERE
from models.settings import Settings
from models.store import Store, open_store
from models.words import Role
from streams.broker import free_port

CHILDREN = ("broker", "worker", "console")
START_S = 240.0
STOP_S = 60.0
_POLL_S = 0.05


class RehearsalError(GridcommandError, RuntimeError):
    """The system of our own didn't do what it must for the rehearsal to go on."""


class OwnSystem:
    """One installation: a data folder, two ports, and ``up`` over them, started and stopped.

    Parameters
    ----------
    folder
        Its data folder; made if it isn't there. What it holds stays when the system stops.
    arguments
        Of ``up``.
    environment
        Further settings, ``GRIDCOMMAND_…`` to value.
    """

    def __init__(
        self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._arguments = arguments
        own = {
            "GRIDCOMMAND_DATA_DIR": str(folder),
            "GRIDCOMMAND_WEB_PORT": str(free_port()),
            "GRIDCOMMAND_LIVE_PORT": str(free_port()),
            **(environment or {}),
        }
        rest = {k: v for k, v in os.environ.items() if not k.startswith("GRIDCOMMAND_")}
        self.environment = {**rest, **own}
        self.settings = _settings(own)
        self.process: subprocess.Popen[bytes] | None = None
        self.began = 0.0
        self.ready_s = 0.0

    @property
    def base_url(self) -> str:
        """Origin of the pages and the API."""
        return f"http://127.0.0.1:{self.settings.web_port}"

    @property
    def words(self) -> Path:
        """What ``up`` said."""
        return self.folder / "up.out"

    def start(self) -> None:
        """Start it and wait until everything runs.

        Raises
        ------
        RehearsalError
            It ended, or wasn't there in time; with what it said.
        """
        self.began = time.monotonic()
        with self.words.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gridcommand", "up", *self._arguments],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )
        while "Ctrl-C" not in self.words.read_text():
            if self.process.poll() is not None or time.monotonic() - self.began > START_S:
                self.kill()
                raise RehearsalError(f"gridcommand up doesn't run:\n{self.words.read_text()}")
            time.sleep(_POLL_S)
        self.ready_s = time.monotonic() - self.began

    def stop(self) -> float:
        """Send it Ctrl-C and return the seconds that it took to end; kill it past `STOP_S`."""
        if self.process is None or self.process.poll() is not None:
            return 0.0
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        return time.monotonic() - began

    def kill(self) -> None:
        """End the supervisor with ``kill -9``; its children die with it."""
        if self.process is None:
            return
        family = self.family()
        self.process.kill()
        self.process.wait(STOP_S)
        psutil.wait_procs(family, timeout=STOP_S)

    def family(self) -> list[psutil.Process]:
        """Return the supervisor and all below it that still run."""
        if self.process is None or self.process.poll() is not None:
            return []
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def child(self, name: str) -> psutil.Process:
        """Return the process that does ``gridcommand NAME``.

        Raises
        ------
        RehearsalError
            There is none now.
        """
        for one in self.family()[1:]:
            try:
                line = one.cmdline()
            except psutil.NoSuchProcess:
                continue
            if line[1:4] == ["-m", "gridcommand", name]:
                return one
        raise RehearsalError(f"no {name} runs")

    def said(self, name: str) -> str:
        """Return the log of what does ``gridcommand NAME``, older parts first."""
        parts = sorted((self.folder / "log").glob(f"{name}.log*"), reverse=True)
        return "".join(part.read_text(errors="replace") for part in parts)

    @contextmanager
    def halted(self, name: str) -> Iterator[None]:
        """Halt what does ``gridcommand NAME``, and what it started, until the block ends.

        Raises
        ------
        RehearsalError
            There is none now.
        """
        top = self.child(name)
        # The broker's own program is a child of ours.
        family = [top, *top.children(recursive=True)]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        try:
            yield
        finally:
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.resume()

    def resident_mb(self) -> float:
        """Return what all its processes hold together, in MB (10^6 bytes)."""
        total = 0
        for one in self.family():
            try:
                total += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total / 1e6

    def store(self) -> Store:
        """Open its database."""
        return open_store(self.settings)

    def session(self, role: Role) -> str:
        """Make an account of a role and return the token that it is signed in with."""
        store = self.store()
        try:
            now = datetime.now(UTC)
            account = store.add_account(
                f"own-{role.value}-{uuid.uuid4().hex[:6]}",
                role,
                at=now,
                jurisdictions=(EVERYWHERE,),
            )
            return store.open_session(account, at=now, hours=12)
        finally:
            store.close()


@contextmanager
def running_system(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[OwnSystem]:
    """Run a system of one's own until the block ends."""
    system = OwnSystem(folder, *arguments, environment=environment)
    try:
        system.start()
        yield system
    finally:
        system.stop()


def _settings(own: Mapping[str, str]) -> Settings:
    before = {k: v for k, v in os.environ.items() if k.startswith("GRIDCOMMAND_")}
    for name in before:
        del os.environ[name]
    os.environ.update(own)
    try:
        return Settings()
    finally:
        for name in own:
            del os.environ[name]
        os.environ.update(before)
