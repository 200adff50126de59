"""A broker that answers, one that is halted, and none."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from gridcommand.rehearsal.servers import Servers
from models.settings import Settings
from streams.app import broker_at_hand
from streams.broker import EmbeddedBroker, free_port
from streams.declare import declare_topics
from streams.handshake import answers
from streams.worker import _before
from tests.waiting import HANG_S, until


async def halt(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


async def test_a_port_that_only_takes_connections_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not await answers(f"127.0.0.1:{silent.getsockname()[1]}", 0.2)
    assert not await answers(f"127.0.0.1:{free_port()}", 0.2)


async def test_what_speaks_something_else_does_not_answer() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        # Long before the time is up: what it says is understood.
        said = answers(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", 2 * HANG_S)
        assert not await asyncio.wait_for(said, HANG_S)


@pytest.mark.broker
async def test_the_embedded_broker_answers_unless_it_is_halted(log_dir: Path) -> None:
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    await broker.start()
    try:
        assert broker.pid is not None
        one_of_two = f"127.0.0.1:{free_port()}, {broker.servers}"
        assert await answers(one_of_two, HANG_S), "one of them is enough"
        await halt(broker.pid)
        assert not await answers(broker.servers, 0.3)
        os.kill(broker.pid, signal.SIGCONT)
        assert await answers(broker.servers, HANG_S)
    finally:
        await broker.stop()


@pytest.mark.broker
async def test_who_starts_while_the_broker_is_away_is_there_when_it_is_back(
    log_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = asyncio.Event()
    monkeypatch.setattr("streams.declare.log.warning", lambda *_: said.set())
    monkeypatch.setattr("streams.declare.SAY_FIRST_S", 0.1)
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    await broker.start()
    try:
        await declare_topics(broker.servers)
        assert broker.pid is not None
        await halt(broker.pid)
        waiting = asyncio.create_task(broker_at_hand(Settings(broker_port=broker.port)))
        await asyncio.wait_for(said.wait(), HANG_S)
        assert not waiting.done()
        os.kill(broker.pid, signal.SIGCONT)
        await asyncio.wait_for(waiting, HANG_S)
    finally:
        await broker.stop()


async def test_who_waits_for_a_broker_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    said = asyncio.Event()
    monkeypatch.setattr("streams.declare.log.warning", lambda *_: said.set())
    monkeypatch.setattr("streams.declare.SAY_FIRST_S", 0.0)
    stop = asyncio.Event()
    settings = Settings(broker_port=free_port())
    waiting = asyncio.create_task(_before(stop, broker_at_hand(settings)))
    await asyncio.wait_for(said.wait(), HANG_S)
    assert not waiting.done()
    stop.set()
    assert not await asyncio.wait_for(waiting, HANG_S)
    assert await _before(asyncio.Event(), asyncio.sleep(0))


@pytest.mark.parametrize(
    "servers", [pytest.param("kafka", marks=pytest.mark.servers)], indirect=True
)
@pytest.mark.broker
async def test_kafka_answers(servers: Servers) -> None:
    assert await answers(servers.environment["GRIDCOMMAND_KAFKA_SERVERS"], HANG_S)
