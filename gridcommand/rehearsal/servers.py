"""Apache Kafka and PostgreSQL as a city runs them, started on free loopback ports to be ended.

For tests, benchmarks and ``gridcommand chaos``. Kafka's jars come by Maven
(``tools/servers/pom.xml``), PostgreSQL from the system's packages; `missing` says what isn't there
and `HOW` how to get it. Everything lives in a temporary folder and ends with the block.
"""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import psutil
import psycopg

from gridcommand.rehearsal.system import CHILDREN, RehearsalError
from models.settings import CHECKOUT
from streams.broker import free_port

KAFKA_JARS = CHECKOUT / ".var" / "servers" / "kafka"
HOW = (
    "Debian: apt-get install postgresql maven default-jre-headless, then "
    "mvn -q -f tools/servers/pom.xml dependency:copy-dependencies "
    "-DoutputDirectory=$PWD/.var/servers/kafka"
)
START_S = 240.0
STOP_S = 60.0
ASKED_S = 10.0
"""A server that was asked to end and hasn't is killed: nobody needs what it has."""
_ACCOUNT = "postgres"
_DATABASE = "GRIDCOMMAND_DATABASE_URL"


class ServerProgram:
    """A server's process: ended with ``kill -9``, and started again over what it left.

    Attributes
    ----------
    address
        Where it answers: Kafka's bootstrap server, or the SQLAlchemy URL of an empty database.
    """

    def __init__(
        self,
        command: list[str],
        log: Path,
        is_up: Callable[[], bool],
        *,
        address: str,
        user: str | None = None,
        stops_by: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._command = command
        self._log = log
        self._is_up = is_up
        self._user = user
        self._stops_by = stops_by
        self._process: subprocess.Popen[bytes] | None = None
        self.address = address

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        RehearsalError
            It ended, or didn't answer in time; with what it said.
        """
        with self._log.open("ab") as sink:
            self._process = subprocess.Popen(
                self._command,
                stdout=sink,
                stderr=subprocess.STDOUT,
                user=self._user,
                cwd=self._log.parent,
            )
        deadline = time.monotonic() + START_S
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text()[-3000:]
                raise RehearsalError(f"{self._command[0]} doesn't run:\n{said}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it and all that it started, without a word."""
        if self._process is None:
            return
        family = self._family()
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self._process.wait(STOP_S)
        psutil.wait_procs(family, timeout=STOP_S)

    @property
    def runs(self) -> bool:
        """Whether it hasn't ended by itself."""
        return self._process is not None and self._process.poll() is None

    def suspend(self) -> None:
        """Halt it and all that it started: it holds its connections and answers nothing."""
        # PostgreSQL answers by a process for each connection, which would go on.
        for one in self._family():
            with suppress(psutil.NoSuchProcess):
                one.suspend()

    def resume(self) -> None:
        """Let it go on."""
        for one in self._family():
            with suppress(psutil.NoSuchProcess):
                one.resume()

    def stop(self) -> None:
        """Ask it to end, and kill it when it takes too long."""
        if self._process is None or not self.runs:
            return
        self._process.send_signal(self._stops_by)
        try:
            self._process.wait(ASKED_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _family(self) -> list[psutil.Process]:
        if self._process is None or not self.runs:
            return []
        top = psutil.Process(self._process.pid)
        return [top, *top.children(recursive=True)]


class Servers(NamedTuple):
    """What a system runs on.

    Attributes
    ----------
    name
        For people.
    environment
        The settings that make it so.
    programs
        ``broker`` and ``database``, where they aren't the system's own.
    """

    name: str
    environment: dict[str, str]
    programs: Mapping[str, ServerProgram] = MappingProxyType({})

    @property
    def children(self) -> tuple[str, ...]:
        """What ``up`` runs itself on these servers."""
        return tuple(name for name in CHILDREN if name not in self.programs)

    def with_empty_database(self) -> Servers:
        """Return the same servers with a database of its own, as a data folder of its own has."""
        url = self.environment.get(_DATABASE)
        if url is None:
            return self
        name = f"gridcommand_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        fresh = f"{url.rpartition('/')[0]}/{name}"
        return self._replace(environment={**self.environment, _DATABASE: fresh})


EMBEDDED = Servers("embedded", {})


def missing() -> str:
    """Return what this machine lacks; empty when both servers can be started."""
    if shutil.which("java") is None:
        return "no java"
    if not any(KAFKA_JARS.glob("kafka_2.13-*.jar")):
        return "no Kafka"
    return "" if _postgres_bin() else "no PostgreSQL"


@contextmanager
def kafka_and_postgresql() -> Iterator[Servers]:
    """Run both until the block ends."""
    with ExitStack() as stack:
        broker = stack.enter_context(kafka())
        database = stack.enter_context(postgresql())
        yield Servers(
            "kafka-postgresql",
            {"GRIDCOMMAND_KAFKA_SERVERS": broker.address, _DATABASE: database.address},
            {"broker": broker, "database": database},
        )


@contextmanager
def kafka(more: Mapping[str, str] | None = None) -> Iterator[ServerProgram]:
    """Run one Kafka node, broker and controller in one.

    ``more`` are properties that outrank ours.
    """
    port, controller = free_port(), free_port()
    with _folder() as folder:
        properties = folder / "server.properties"
        properties.write_text(
            "\n".join(
                (
                    "process.roles=broker,controller",
                    "node.id=1",
                    f"controller.quorum.voters=1@127.0.0.1:{controller}",
                    f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
                    f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}",
                    "controller.listener.names=CONTROLLER",
                    f"log.dirs={folder / 'log'}",
                    "offsets.topic.replication.factor=1",
                    "offsets.topic.num.partitions=4",
                    "transaction.state.log.replication.factor=1",
                    "transaction.state.log.min.isr=1",
                    "group.initial.rebalance.delay.ms=0",
                    "auto.create.topics.enable=false",
                    *(f"{key}={value}" for key, value in (more or {}).items()),
                )
            )
        )
        java = ["java", "-Xmx384m", "-cp", f"{KAFKA_JARS}/*"]
        # One that begins with a hyphen would be taken for an option.
        cluster = "K" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)],
            check=True,
            capture_output=True,
        )
        command = [*java, "kafka.Kafka", str(properties)]
        node = ServerProgram(
            command,
            folder / "kafka.out",
            lambda: _accepts(port),
            address=f"127.0.0.1:{port}",
            stops_by=signal.SIGKILL,  # asked to end, one alone looks for others for 20 s
        )
        with _running(node):
            yield node


@contextmanager
def postgresql(place: Path | None = None) -> Iterator[ServerProgram]:
    """Run a PostgreSQL with an empty database; ``place`` is the folder it lives in, if not ours."""
    programs, port = _postgres_bin(), free_port()
    assert programs is not None
    user = _ACCOUNT if os.geteuid() == 0 else None
    with nullcontext(place) if place else _folder() as folder:
        data = folder / "data"
        if user:
            # PostgreSQL refuses to run as root.
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        initialise = ["-D", str(data), "-A", "trust", "-U", "gridcommand", "-E", "UTF8"]
        log_sizes: list[str] = []
        if place is not None:
            # A disk to fill: the log that it keeps for later would be room for half a minute more.
            initialise += ["--wal-segsize=1"]
            log_sizes = ["-c", "min_wal_size=2MB", "-c", "max_wal_size=2MB"]
        subprocess.run(
            [str(programs / "initdb"), *initialise],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        command = [
            str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder),
            "-c", "listen_addresses=127.0.0.1", *log_sizes,
        ]  # fmt: skip
        server = f"postgresql://gridcommand@127.0.0.1:{port}/postgres"
        node = ServerProgram(
            command,
            folder / "postgres.out",
            lambda: _answers(server),
            address=f"postgresql+psycopg://gridcommand@127.0.0.1:{port}/gridcommand",
            user=user,
            stops_by=signal.SIGINT,  # by SIGTERM it waits for its clients
        )
        with _running(node):
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute("CREATE DATABASE gridcommand")
            yield node


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gridcommand-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(node: ServerProgram) -> Iterator[None]:
    try:
        node.start()
        yield
    finally:
        node.stop()


def _postgres_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(server: str) -> bool:
    try:
        with psycopg.connect(server, connect_timeout=1):
            return True
    except psycopg.OperationalError:
        return False
