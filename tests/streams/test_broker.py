"""The embedded broker: starts, answers, ends with us, comes back empty on its port."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from models.settings import CHECKOUT, Settings
from models.topics import REPORTS, all_topics
from streams.broker import EmbeddedBroker, free_port, run_broker
from streams.declare import declare_topics, wait_for_kafka
from streams.errors import BrokerError
from streams.groups import APP_ID
from tests.streams.joining import joining
from tests.waiting import HANG_S, until

pytestmark = pytest.mark.broker


@pytest.fixture
async def broker(log_dir: Path) -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(None, 256, log_dir / "tansu.log")
    await broker.start()
    yield broker
    await broker.stop()


async def partitions(servers: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        found = await admin.describe_topics(await admin.list_topics())
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in found}


async def gone(pid: int) -> None:
    def is_gone() -> bool:
        try:
            return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    await until(is_gone)


async def test_topics_are_declared_with_their_partitions(broker: EmbeddedBroker) -> None:
    await declare_topics(broker.servers)
    await declare_topics(broker.servers)
    assert await partitions(broker.servers) == {
        t.name: t.partitions for t in all_topics(embedded=True)
    }


async def test_recycled_it_is_empty_on_the_same_port(broker: EmbeddedBroker) -> None:
    await declare_topics(broker.servers)
    before = (broker.pid, broker.port)
    await broker.recycle()
    assert broker.pid != before[0]
    assert broker.port == before[1]
    assert await partitions(broker.servers) == {}
    assert 1 < broker.rss_mb < 256
    assert not broker.is_over_limit


async def test_stopped_it_is_gone(broker: EmbeddedBroker) -> None:
    pid = broker.pid
    assert pid is not None
    await broker.stop()
    assert (broker.pid, broker.rss_mb) == (None, 0.0)
    await gone(pid)


async def test_a_port_in_use_says_what_to_do(log_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = EmbeddedBroker(taken.getsockname()[1], 256, log_dir / "tansu.log")
        with pytest.raises(BrokerError, match="GRIDCOMMAND_BROKER_PORT"):
            await broker.start()


async def test_no_broker_is_said_in_time() -> None:
    with pytest.raises(BrokerError, match="no Kafka broker answers"):
        await wait_for_kafka(f"127.0.0.1:{free_port()}", 0.2)


async def test_it_dies_with_a_parent_that_is_killed(log_dir: Path) -> None:
    script = (
        "import asyncio, pathlib\n"
        "from streams.broker import EmbeddedBroker\n"
        "async def main():\n"
        f"    broker = EmbeddedBroker(None, 256, pathlib.Path({str(log_dir / 'b.log')!r}))\n"
        "    await broker.start()\n"
        "    print(broker.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    await parent.wait()
    await gone(pid)


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[str]:
    """Run the whole of ``gridcommand broker`` until the block ends; yield where it is."""
    settings, stop = Settings(data_dir=data_dir, broker_port=free_port()), asyncio.Event()
    broker = asyncio.create_task(run_broker(settings, stop, interval_s=0.05))
    try:
        yield f"127.0.0.1:{settings.broker_port}"
    finally:
        stop.set()
        await asyncio.wait_for(broker, HANG_S)


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[int]:
    """The numbers of the processes, one after the other as each is ready."""
    started: asyncio.Queue[int] = asyncio.Queue()
    starting = EmbeddedBroker.start

    async def start(self: EmbeddedBroker) -> None:
        await starting(self)
        assert self.pid is not None
        started.put_nowait(self.pid)

    monkeypatch.setattr(EmbeddedBroker, "start", start)
    return started


async def test_run_broker_starts_it_again_when_it_dies_and_recycles_it(
    tmp_path: Path,
    pids: asyncio.Queue[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "streams.broker")
    monkeypatch.setattr("streams.broker.RECYCLE_REST_S", 0.0)
    async with running(tmp_path):
        os.kill(await asyncio.wait_for(pids.get(), HANG_S), signal.SIGKILL)
        await asyncio.wait_for(pids.get(), HANG_S)
        over = iter([True])
        monkeypatch.setattr(EmbeddedBroker, "is_over_limit", property(lambda _: next(over, False)))
        last = await asyncio.wait_for(pids.get(), HANG_S)
        assert "recycling" in caplog.text
    await gone(last)


async def test_a_broker_that_lets_nobody_into_a_group_is_recycled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Together longer than a group takes to let in who may come in.
    monkeypatch.setattr("streams.broker.LOOK_S", 1.0)
    monkeypatch.setattr("streams.broker.LOOKS", 5)
    async with running(tmp_path) as servers:
        await wait_for_kafka(servers, HANG_S)
        await declare_topics(servers)
        async with joining(servers, APP_ID, "leader") as leave:
            await leave()
        member = AIOKafkaConsumer(
            REPORTS, bootstrap_servers=servers, group_id=APP_ID, session_timeout_ms=2_000
        )
        try:
            await asyncio.wait_for(member.start(), HANG_S)
            assert f"it lets no worker into the group {APP_ID}: recycling" in caplog.text
        finally:
            await member.stop()


async def test_a_broker_that_answers_nobody_is_recycled(
    tmp_path: Path,
    pids: asyncio.Queue[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "streams.broker")
    monkeypatch.setattr("streams.broker.LOOK_S", 0.2)
    monkeypatch.setattr("streams.broker.LOOKS", 3)
    async with running(tmp_path):
        halted = psutil.Process(await asyncio.wait_for(pids.get(), HANG_S))
        await until(lambda: "broker ready" in caplog.text)
        halted.suspend()
        await asyncio.wait_for(pids.get(), HANG_S)
        assert "it doesn't answer: recycling" in caplog.text
        assert not halted.is_running()
