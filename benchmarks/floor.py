"""The floor under a report's way to a screen: the same steps, once each, nothing in between.

One small process: a POST of the same body, one durable commit, one record to the broker and back,
one WebSocket frame to each screen. The libraries are the product's (FastAPI on uvicorn, sqlite3 or
psycopg, aiokafka, websockets) and the code is not, so that a slower product is a higher ratio.
No sign-in, no second topic, no group, no decision.

For: ``report_to_screen.py`` and ``screens.py``, which run it as a program by
:func:`running_floor`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import psycopg
import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import NewTopic
from fastapi import FastAPI
from pydantic import BaseModel
from running import Way, program
from websockets.asyncio.server import ServerConnection, broadcast, serve

from gridcommand.rehearsal.servers import Servers
from streams.broker import EmbeddedBroker, free_port
from streams.declare import cluster_admin

HOST = "127.0.0.1"
START_S = 60.0
# As long as the product's console lets a fetch wait; not taken from there, for it may grow there.
EMBEDDED_FETCH_WAIT_MS, KAFKA_FETCH_WAIT_MS = 10, 500
BROKER_MEMORY_MB = 2_000
WAITING = 1_000
"""Reports that wait for a commit at most; beyond, a POST waits for its place."""

Row = tuple[str, bytes]
Commit = Callable[[list[Row]], None]


@contextlib.contextmanager
def running_floor(servers: Servers) -> Iterator[Way]:
    """Run it on a broker and a database of its own, of the same kind, until the block ends.

    Raises
    ------
    SystemExit
        It ended, or wasn't there in time; with what it said.
    """
    environment = servers.with_empty_database().environment
    web_port, live_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "floor.out"
        options = (
            "--folder", scratch, "--web-port", str(web_port), "--live-port", str(live_port),
            "--servers", environment.get("GRIDCOMMAND_KAFKA_SERVERS", ""),
            "--database", environment.get("GRIDCOMMAND_DATABASE_URL", ""),
        )  # fmt: skip
        with program(log, sys.executable, __file__, *options) as process:
            deadline = time.monotonic() + START_S
            while "ready" not in log.read_text():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the floor doesn't run:\n{log.read_text()[-3000:]}")
                time.sleep(0.05)
            yield Way(f"http://{HOST}:{web_port}", f"ws://{HOST}:{live_port}")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--web-port", type=int, required=True)
    parser.add_argument("--live-port", type=int, required=True)
    parser.add_argument("--servers", default="", help="a Kafka; an embedded broker otherwise")
    parser.add_argument("--database", default="", help="a PostgreSQL; SQLite otherwise")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


class _ReportIn(BaseModel):
    id: UUID
    text: str
    code: str
    lon: float
    lat: float


class _Received(BaseModel):
    id: UUID


async def _serve(options: argparse.Namespace) -> None:
    commit = (
        _postgresql(options.database) if options.database else _sqlite(options.folder / "floor.db")
    )
    screens: set[ServerConnection] = set()

    async def watch(connection: ServerConnection) -> None:
        await connection.recv()
        screens.add(connection)
        await connection.wait_closed()
        screens.discard(connection)

    async with (
        _broker(options) as servers,
        _hop(servers, embedded=not options.servers) as (send, records),
        serve(watch, HOST, options.live_port, compression=None),
    ):
        queue: asyncio.Queue[tuple[Row, asyncio.Future[None]]] = asyncio.Queue(WAITING)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_commit_all(queue, commit))
            tasks.create_task(_carry(records, screens))
            tasks.create_task(_answer(queue, send, options.web_port))


async def _answer(
    queue: asyncio.Queue[tuple[Row, asyncio.Future[None]]],
    send: Callable[[bytes], Awaitable[object]],
    port: int,
) -> None:
    app = FastAPI()

    @app.post("/api/reports", status_code=202)
    async def report(body: _ReportIn) -> _Received:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        raw = body.model_dump_json().encode()
        await queue.put(((str(body.id), raw), done))
        await done
        await send(raw)
        return _Received(id=body.id)

    server = _Server(
        uvicorn.Config(
            app, host=HOST, port=port, log_config=None, access_log=False, lifespan="off", ws="none"
        )
    )
    await server.serve()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program, and say that it is ready: it listens now."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)


def _sqlite(path: Path) -> Commit:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE report (id TEXT PRIMARY KEY, body BLOB)")

    def commit(rows: list[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO report VALUES (?, ?)", rows)
        connection.execute("COMMIT")

    return commit


def _postgresql(url: str) -> Commit:
    connection = psycopg.connect(url.replace("+psycopg", ""))
    connection.execute("CREATE TABLE report (id TEXT PRIMARY KEY, body BYTEA)")
    connection.commit()

    def commit(rows: list[Row]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO report VALUES (%s, %s)", rows)
        connection.commit()

    return commit


async def _commit_all(
    queue: asyncio.Queue[tuple[Row, asyncio.Future[None]]], commit: Commit
) -> None:
    """Commit all that wait in one transaction, and again."""
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    while True:
        group = [await queue.get()]
        while not queue.empty():
            group.append(queue.get_nowait())
        await loop.run_in_executor(thread, commit, [row for row, _ in group])
        for _, done in group:
            if not done.done():
                done.set_result(None)


@contextlib.asynccontextmanager
async def _broker(options: argparse.Namespace) -> AsyncIterator[str]:
    if options.servers:
        yield options.servers
        return
    broker = EmbeddedBroker(None, BROKER_MEMORY_MB, options.folder / "tansu.log")
    await broker.start()
    try:
        yield broker.servers
    finally:
        await broker.stop()


@contextlib.asynccontextmanager
async def _hop(
    servers: str, *, embedded: bool
) -> AsyncIterator[tuple[Callable[[bytes], Awaitable[object]], AIOKafkaConsumer]]:
    """A way to write a record to a topic of our own, and the consumer that reads them."""
    topic = f"floor-{uuid.uuid4().hex[:8]}"
    async with cluster_admin(servers) as admin:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=not embedded, linger_ms=0
    )
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=EMBEDDED_FETCH_WAIT_MS if embedded else KAFKA_FETCH_WAIT_MS,
    )
    async with producer, consumer:

        async def send(value: bytes) -> None:
            await producer.send(topic, value, partition=0)

        yield send, consumer


async def _carry(records: AIOKafkaConsumer, screens: set[ServerConnection]) -> None:
    async for record in records:
        name = _ReportIn.model_validate_json(record.value).id
        broadcast(
            screens, f'{{"type":"delta","upsert":{{"incidents":[{{"reports":["{name}"]}}]}}}}'
        )


if __name__ == "__main__":
    main()
