"""The real path through Faust and the embedded broker: inbox, relay, classify, desk; and a broker
that is killed and comes back empty."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridcommand.rehearsal.yardstick import slowness
from models.city import CityPack
from models.dead_letters import DeadLetterRow
from models.events import Event, ReportClassified, ReportReceived, encode
from models.settings import Settings
from models.steps import Position
from models.store import InboxRow, Store
from models.words import Channel
from streams.agents import Agents, Stages
from streams.app import EMBEDDED_FETCH_WAIT_MS, broker_at_hand, make_app, running
from streams.broker import EmbeddedBroker
from streams.dead_letters import DeadLetters
from streams.own_records import OwnPublisher
from streams.publisher import Publisher
from streams.relay import Relay
from streams.sense_keeper import SenseKeeper
from streams.transport import ConsumerThread
from tests.waiting import HANG_S

pytestmark = pytest.mark.broker
HOME = "320481"


class Desk:
    """Finishes what it gets, as the real shell's transaction does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seen: list[Event] = []
        self.changed = asyncio.Event()

    async def submit(
        self, jurisdiction: str, events: list[Event], position: Position | None = None
    ) -> None:
        self.store.finish(jurisdiction, [event.id for event in events], datetime.now(UTC))
        self.seen.extend(events)
        self.changed.set()

    async def until(self, ids: set[str]) -> None:
        async with asyncio.timeout(HANG_S):
            while not ids <= {event.id for event in self.seen}:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'path.db'}")
    store.migrate()
    yield store
    store.close()


def body(name: str) -> bytes:
    now = datetime.now(UTC)
    data = ReportReceived(channel=Channel.WORKER, received_at=now, text="井盖缺失")
    return encode(Event(id=name, source="/t", time=now, jurisdiction=HOME, data=data))


def put(store: Store, *names: str, topic: str = "reports") -> None:
    now = datetime.now(UTC)
    store.put(
        [
            InboxRow(
                event_id=name,
                jurisdiction=HOME,
                topic=topic,
                key=HOME,
                body=body(name),
                received_at=now,
            )
            for name in names
        ]
    )


class Pipeline:
    """Relay, agents and a desk on an embedded broker, as a worker has them.

    Parameters
    ----------
    retry_s
        After how long the relay publishes again what isn't finished.
    """

    def __init__(self, folder: Path, store: Store, pack: CityPack, retry_s: float) -> None:
        self.store, self.desk = store, Desk(store)
        self.broker = EmbeddedBroker(None, 256, folder / "tansu.log")
        self.settings = Settings(
            data_dir=folder, broker_port=self.broker.port, relay_retry_s=retry_s
        )
        self.publisher = OwnPublisher(self.broker.servers, embedded=True)
        self.buried = asyncio.Event()
        self.stopped_in_s = 0.0
        loop = asyncio.get_running_loop()

        def save(rows: Sequence[DeadLetterRow]) -> None:
            store.add_dead_letters(rows)
            loop.call_soon_threadsafe(self.buried.set)

        letters = DeadLetters(save, self.publisher)
        self.app = make_app(self.settings)
        sense = SenseKeeper(pack, store)
        Agents(self.app, Stages(pack, self.publisher, letters, self.desk, sense, store))
        self.relay = Relay(self.settings, store, self.publisher, letters.write)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run until the block ends; yield what is done when Faust stops by itself."""
        stop = asyncio.Event()
        try:
            await self.broker.start()
            await broker_at_hand(self.settings)
            async with running(self.app, self.settings) as ended:
                relaying = asyncio.create_task(self.relay.run(stop))
                yield ended
                stop.set()
                await asyncio.wait_for(relaying, HANG_S)
                stopping = time.monotonic()
            self.stopped_in_s = time.monotonic() - stopping
        finally:
            await self.publisher.close()
            await self.broker.stop()

    async def lose_broker(self) -> None:
        """Kill the broker."""
        assert self.broker.pid is not None
        os.kill(self.broker.pid, signal.SIGKILL)
        await self.broker.wait()

    async def decided(self, *names: str) -> None:
        """Put reports into the inbox and wait until the desk has them."""
        put(self.store, *names)
        await self.desk.until(set(names))


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "aiokafka")


async def test_nothing_is_lost_when_the_broker_is_killed_and_comes_back_empty(
    tmp_path: Path, store: Store, liyang: CityPack
) -> None:
    pipeline = Pipeline(tmp_path, store, liyang, retry_s=2.0)
    desk = pipeline.desk
    async with pipeline.running() as ended:
        first = [f"first-{i}" for i in range(50)]
        await pipeline.decided(*first)
        assert all(isinstance(event.data, ReportClassified) for event in desk.seen)
        # What took long was sent again.
        assert list(dict.fromkeys(event.id for event in desk.seen)) == first

        stranger = Publisher(pipeline.broker.servers, embedded=True)
        await stranger.publish("reports", "whatever", [body("foreign")])
        await stranger.close()
        await desk.until({"foreign"})
        assert store.received(HOME) == 51

        await pipeline.lose_broker()
        down = [f"down-{i}" for i in range(50)]
        put(store, *down)
        await pipeline.broker.recycle()
        await desk.until(set(down))
        assert store.unfinished() == 0

        put(store, "wrong side", topic="exercise.reports")
        await asyncio.wait_for(pipeline.buried.wait(), HANG_S)
        assert not ended.done()
    (letter,) = store.dead_letters()
    assert (letter.code, letter.event_id) == ("wrong_side", "wrong side")
    assert store.unfinished() == 0


@pytest.mark.timely
async def test_a_report_is_decided_within_a_second_and_an_empty_broker_costs_a_quarter_minute(
    tmp_path: Path, store: Store, liyang: CityPack
) -> None:
    """A fetch wait of 1500 ms, which Faust has, would show; and it ends within three seconds."""
    pipeline = Pipeline(tmp_path, store, liyang, retry_s=2.0)
    async with pipeline.running():
        await pipeline.decided("first")
        slower = slowness()
        begun = time.monotonic()
        await pipeline.decided("hop")
        assert time.monotonic() - begun < 1.0 * slower

        await pipeline.lose_broker()
        put(store, "down")
        await pipeline.broker.recycle()
        back = time.monotonic()
        await pipeline.desk.until({"down"})
        assert time.monotonic() - back < 15.0 * slower
    assert pipeline.stopped_in_s < 3.0 * slower


async def test_a_fetch_waits_no_longer_than_the_embedded_broker_answers_fast(
    tmp_path: Path,
) -> None:
    app = make_app(Settings(data_dir=tmp_path, broker_port=1))
    thread = ConsumerThread(app.consumer, loop=asyncio.get_running_loop())
    member = thread._create_worker_consumer(app.transport)
    assert member._fetch_max_wait_ms == EMBEDDED_FETCH_WAIT_MS
