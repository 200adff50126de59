"""Apache Kafka and PostgreSQL as a city runs them, started for tests on free loopback ports.

Kafka's jars come by Maven (``tools/servers/pom.xml``), PostgreSQL from the system's packages.
Where they are missing, tests on them are skipped with `HOW`, or fail where
``GRIDCOMMAND_REQUIRE_SERVERS`` is set. Everything lives in a temporary folder and ends with the
tests.
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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from models.settings import CHECKOUT
from streams.broker import free_port

KAFKA_JARS = CHECKOUT / ".var" / "servers" / "kafka"
REQUIRED = bool(os.environ.get("GRIDCOMMAND_REQUIRE_SERVERS"))
HOW = (
    "Debian: apt-get install postgresql maven default-jre-headless, then "
    "mvn -q -f tools/servers/pom.xml dependency:copy-dependencies "
    "-DoutputDirectory=$PWD/.var/servers/kafka"
)
START_S = 60.0
STOP_S = 20.0
_ACCOUNT = "postgres"
_DATABASE = "GRIDCOMMAND_DATABASE_URL"


class Servers(NamedTuple):
    """What a system runs on: a name for people, and the settings that make it so."""

    name: str
    environment: dict[str, str]

    def with_empty_database(self) -> Servers:
        """Return the same servers with a database of its own, as a data folder of its own has."""
        url = self.environment.get(_DATABASE)
        if url is None:
            return self
        name = f"gridcommand_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        fresh = f"{url.rpartition('/')[0]}/{name}"
        return Servers(self.name, {**self.environment, _DATABASE: fresh})


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
        servers = stack.enter_context(kafka())
        url = stack.enter_context(postgresql())
        yield Servers(
            "kafka-postgresql",
            {"GRIDCOMMAND_KAFKA_SERVERS": servers, _DATABASE: url},
        )


@contextmanager
def kafka(more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run one Kafka node, broker and controller in one; give its bootstrap server.

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
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)],
            check=True,
            capture_output=True,
        )
        command = [*java, "kafka.Kafka", str(properties)]
        with _running(command, folder / "kafka.out", lambda: _accepts(port)):
            yield f"127.0.0.1:{port}"


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL of its own; give the SQLAlchemy URL of an empty database."""
    programs, port = _postgres_bin(), free_port()
    assert programs is not None
    user = _ACCOUNT if os.geteuid() == 0 else None
    with _folder() as folder:
        data = folder / "data"
        if user:
            # PostgreSQL refuses to run as root.
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        initialise = ["-D", str(data), "-A", "trust", "-U", "gridcommand", "-E", "UTF8"]
        subprocess.run(
            [str(programs / "initdb"), *initialise],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        command = [
            str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder),
            "-c", "listen_addresses=127.0.0.1",
        ]  # fmt: skip
        server = f"postgresql://gridcommand@127.0.0.1:{port}/postgres"
        with _running(command, folder / "postgres.out", lambda: _answers(server), user=user):
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute("CREATE DATABASE gridcommand")
            yield f"postgresql+psycopg://gridcommand@127.0.0.1:{port}/gridcommand"


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gridcommand-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(
    command: list[str], log: Path, is_up: Callable[[], bool], *, user: str | None = None
) -> Iterator[None]:
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, stdout=sink, stderr=subprocess.STDOUT, user=user, cwd=log.parent
        )
    try:
        deadline = time.monotonic() + START_S
        while not is_up():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} doesn't run:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


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
