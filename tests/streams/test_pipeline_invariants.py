"""DESIGN's invariants of the way from the inbox to the journal, with faults between any two steps.

A real store, relay, agents and desks; of the broker only two logs and what can happen to them:
records lost, sent twice, taken out of order, taken again. Processes are killed, halted (they go on
later, as if nothing had happened) and replaced; commits fail before they happen and after.

- Invariant 1: nothing acknowledged is lost.
- Invariant 2: every report ends in one incident, or in the dead letters with a reason.
- Invariant 3: the journal is gapless and its chain holds.
- Invariant 9: losing any one process costs no data.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from dispatch.desk import Desk
from models import events as ev
from models.dead_letters import DeadLetterRow
from models.errors import StoreError
from models.events import Event, decode, encode, encode_batch
from models.inbox import InboxRow
from models.settings import Settings
from models.steps import Lease, ReadyStep
from models.store import Store
from models.topics import DESK, REPORTS, all_topics
from models.words import Channel
from streams.agents import Agents, Stages
from streams.app import make_app
from streams.dead_letters import DeadLetters
from streams.desk_shell import DeskShell
from streams.own_records import MARK
from streams.relay import Relay
from tests.streams.test_desk_shell import Bench

HOME = "tiny"
EVIL = "evil"
NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
HEALED_AFTER = 200
SHARED_MEMORY = Path("/dev/shm")
SPECS = {spec.name: spec for spec in all_topics()}


class FaultyStore(Store):
    """A store whose next write fails, before it happens or after."""

    fault = ""

    def write_step(self, step: ReadyStep) -> Lease:
        done: Lease = self._failing(super().write_step, step)
        return done

    def add_dead_letters(self, letters: Sequence[DeadLetterRow]) -> None:
        self._failing(super().add_dead_letters, letters)

    def _failing(self, write: Callable[..., Any], *given: Any, **more: Any) -> Any:
        fault, self.fault = self.fault, ""
        if fault == "before":
            raise StoreError("the connection broke")
        done = write(*given, **more)
        if fault == "after":
            raise StoreError("the answer never came")
        return done


class Log:
    """The broker: what was sent, and where the consumers are."""

    def __init__(self) -> None:
        self.records: dict[str, list[bytes]] = {REPORTS: [], DESK: []}
        self.at: dict[str, int] = {REPORTS: 0, DESK: 0}
        self.failures = 0
        self.twice = False

    async def publish(self, topic: str, key: str, events: Sequence[bytes]) -> dict[int, str]:
        assert key == HOME
        for _ in range(2 if self.twice else 1):
            self.records[topic].append(encode_batch(events))
        return {}

    async def send(self, *_: object) -> None:
        """Dead letters' topic: for other systems."""

    def pending(self, topic: str) -> int:
        return len(self.records[topic]) - self.at[topic]


class Worker:
    """One process: a relay, the agents and a desk's shell on the same store."""

    def __init__(self, bench: Bench, store: Store, log: Log) -> None:
        self.log = log
        self.shell = DeskShell(
            bench.settings, store, bench.pack, bench.plans, bench.roads, self._published
        )
        letters = DeadLetters(store.add_dead_letters, log)  # type: ignore[arg-type]
        stages = Stages(bench.pack, log, letters, self.shell, None, store)  # type: ignore[arg-type]
        self.agents = Agents(make_app(Settings(broker_port=1)), stages)
        self.relay = Relay(bench.settings, store, log, letters.write)  # type: ignore[arg-type]

    async def _published(self, jurisdiction: str, events: list[bytes]) -> None:
        assert jurisdiction == HOME
        assert events

    async def take(self, topic: str, place: int) -> None:
        """Handle a record as the consumer does."""
        message = SimpleNamespace(
            timestamp=0.0, topic=topic, partition=0, offset=place, headers=(MARK,)
        )
        record: Any = SimpleNamespace(
            value=self.log.records[topic][place], key=HOME.encode(), message=message
        )
        handle = self.agents._on_reports if topic == REPORTS else self.agents._on_desk
        await handle(SPECS[topic], record)

    def kill(self) -> None:
        """End it between two instructions: what it holds in memory is gone."""
        self.shell._closing = True
        for task in self.shell._working:
            task.cancel()


class PipelineMachine(RuleBasedStateMachine):
    """Everything that can happen between intake and journal, in any order."""

    bench: ClassVar[Bench]
    template: ClassVar[Path]

    @initialize()
    def start(self) -> None:
        self.folder = TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
        path = Path(self.folder.name) / "test.db"
        shutil.copy(self.template, path)
        self.store = FaultyStore(f"sqlite:///{path}")
        self.loop = asyncio.new_event_loop()
        self.log = Log()
        self.worker = Worker(self.bench, self.store, self.log)
        self.all = [self.worker]
        self.acknowledged: dict[str, str] = {}

    # ── what happens ──────────────────────────────────────────────────────────────────────────

    @rule(text=st.sampled_from(["smoke", "someone fell", EVIL, ""]), place=st.integers(0, 3))
    def report(self, text: str, place: int) -> None:
        name = f"r{len(self.acknowledged)}"
        self.store.put([row(name, text, place)])
        self.acknowledged[name] = text

    @rule(which=st.integers(0, 30))
    def same_report_again(self, which: int) -> None:
        if self.acknowledged:
            name = list(self.acknowledged)[which % len(self.acknowledged)]
            self.store.put([row(name, "as the phone has it now", 0)])

    @rule(twice=st.booleans())
    def relay(self, twice: bool) -> None:
        self.log.twice = twice
        self.run(self.worker.relay.step())
        self.log.twice = False

    @rule(which=st.integers(0, 3))
    def classify_out_of_order(self, which: int) -> None:
        self.consume(REPORTS, which)

    @rule(fault=st.sampled_from(["", "", "before", "after"]))
    def decide(self, fault: str) -> None:
        self.store.fault = fault
        self.consume(DESK, 0)
        self.run(self.idle())
        self.store.fault = ""

    @rule()
    def decide_later(self) -> None:
        """The record counts as taken while its events wait in the queue."""
        self.consume(DESK, 0)

    @rule(topic=st.sampled_from([REPORTS, DESK]), back=st.integers(1, 4))
    def taken_again(self, topic: str, back: int) -> None:
        self.log.at[topic] = max(0, self.log.at[topic] - back)

    @rule()
    def rubbish(self) -> None:
        self.log.records[REPORTS].append(b'[{"id": "x"}, 7]')

    @rule()
    def broker_comes_back_empty(self) -> None:
        self.log.records = {REPORTS: [], DESK: []}
        self.log.at = {REPORTS: 0, DESK: 0}
        self.log.failures += 1
        self.worker.relay.publish_again()

    @rule(halted=st.booleans())
    def another_worker(self, halted: bool) -> None:
        """The old one is dead, or halted and goes on when its task gets its turn."""
        if not halted:
            self.worker.kill()
        self.worker = Worker(self.bench, self.store, self.log)
        self.all.append(self.worker)

    @rule(which=st.integers(0, 5))
    def a_halted_one_goes_on(self, which: int) -> None:
        """It takes the next record too, for it doesn't know yet."""
        woken = self.all[which % len(self.all)]
        if not woken.shell._closing and self.log.pending(DESK):
            self.run(woken.take(DESK, self.log.at[DESK]))

    # ── what holds ────────────────────────────────────────────────────────────────────────────

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            for worker in self.all:
                worker.kill()
            self.worker = Worker(self.bench, self.store, self.log)
            self.all.append(self.worker)
            for _ in range(HEALED_AFTER):
                if not self.store.unfinished():
                    break
                self.run(self.worker.relay.step())
                while self.log.pending(REPORTS):
                    self.consume(REPORTS, 0)
                while self.log.pending(DESK):
                    self.consume(DESK, 0)
                self.run(self.idle())
            self.check()
        finally:
            for worker in self.all:
                worker.kill()
                worker.shell._thread.shutdown(wait=True)
                worker.shell._writer.shutdown(wait=True)
            self.run(asyncio.sleep(0))
            self.loop.close()
            self.store.close()
            self.folder.cleanup()

    def check(self) -> None:
        assert self.store.unfinished() == 0, "invariant 1: acknowledged, and never decided"
        letters = Counter(one.event_id for one in self.store.dead_letters(limit=1000))
        linked: Counter[str] = Counter()
        if self.store.head(HOME) is not None:
            self.store.verify(HOME)  # invariant 3
            for raw in self.store.read(HOME, 0, 100_000):
                data = decode(raw).data
                if isinstance(data, ev.IncidentOpened | ev.ReportLinked):
                    linked[data.report] += 1
        for name, text in self.acknowledged.items():
            ended = (linked[name], letters[name])
            assert ended == ((0, 1) if text == EVIL else (1, 0)), f"invariant 2: {name} {ended}"
        assert not linked.keys() - self.acknowledged.keys()

    # ── how ───────────────────────────────────────────────────────────────────────────────────

    def run(self, work: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(work)

    def consume(self, topic: str, which: int) -> None:
        """Take the next record, or one of those after it: partitions have no order among them."""
        if not (pending := self.log.pending(topic)):
            return
        records, at = self.log.records[topic], self.log.at[topic]
        chosen = at + which % pending
        records[at], records[chosen] = records[chosen], records[at]
        self.run(self.worker.take(topic, at))
        self.log.at[topic] = at + 1

    async def idle(self) -> None:
        """Wait until the worker's desk has decided on all that was handed to it."""
        if self.worker.shell._queues:
            await self.worker.shell.handle(HOME, [])


def row(name: str, text: str, place: int) -> InboxRow:
    event = Event(
        id=name,
        source="/intake/w",
        time=NOW,
        jurisdiction=HOME,
        data=ev.ReportReceived(
            channel=Channel.WORKER,
            received_at=NOW,
            text=text,
            lon=119.40 + 0.005 * place,
            lat=31.40,
        ),
    )
    return InboxRow(
        event_id=name,
        jurisdiction=HOME,
        topic=REPORTS,
        key=HOME,
        body=encode(event),
        received_at=NOW,
        priority=1 + place,
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause of the wall clock, and a desk that fails on evil content."""
    monkeypatch.setattr("streams.desk_shell.RETRY_S", 0.0)
    monkeypatch.setattr("streams.claims.DOUBT_S", 0.0)
    monkeypatch.setattr("streams.dead_letters.DATABASE_PAUSE_S", 0.0)
    for pause in ("SWEEP_S", "FULL_SWEEP_S", "IDLE_SWEEP_S"):
        monkeypatch.setattr(f"streams.relay.{pause}", 0.0)
    step = Desk.step

    def failing(desk: Desk, event: Event) -> list[Event]:
        if isinstance(event.data, ev.ReportClassified) and event.data.text == EVIL:
            raise RuntimeError("no desk can read this")
        return step(desk, event)

    monkeypatch.setattr(Desk, "step", failing)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.settings = made.settings.model_copy(update={"relay_retry_s": 0.0})
    yield made
    made.store.close()


@pytest.mark.usefixtures("quick")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(600)
def test_invariants_of_the_pipeline(bench: Bench, tmp_path: Path, invariant_cases: int) -> None:
    bench.store.close()
    PipelineMachine.bench = bench
    PipelineMachine.template = tmp_path / "gridcommand.db"
    run_state_machine_as_test(
        PipelineMachine,
        settings=settings(
            max_examples=invariant_cases,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
