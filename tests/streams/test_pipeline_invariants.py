"""DESIGN's invariants of the way from the inbox to the journal, with faults between any two steps.

A real store, relay, agents and desks; of the broker only two logs and what can happen to them:
records lost, sent twice, sent in part, taken out of order, taken again. Processes are killed,
halted (they go on later, as if nothing had happened) and replaced. Whatever a process asks of the
database (`STEPS`) or sends fails before it happens, or after, or is the last that it does.

- Invariant 1: nothing acknowledged is lost.
- Invariant 2: every report ends in one incident, or in the dead letters with a reason.
- Invariant 3: the journal is gapless and its chain holds.
- Invariant 9: losing any one process costs no data.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from dispatch.desk import Desk
from gridcommand.rehearsal.ledger import Ledger
from models import events as ev
from models.errors import StoreError
from models.events import Event, decode, encode, encode_batch
from models.inbox import InboxRow
from models.settings import Settings
from models.store import Store
from models.topics import DESK, REPORTS, all_topics
from models.words import Channel
from streams.agents import Agents, Stages
from streams.app import make_app
from streams.dead_letters import DeadLetters
from streams.desk_shell import DeskShell
from streams.own_records import MARK
from streams.relay import Relay
from tests.conftest import InvariantCases
from tests.streams.desk_bench import Bench

HOME = "tiny"
EVIL = "evil"
NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
HEALED_AFTER = 200
SHARED_MEMORY = Path("/dev/shm")
SPECS = {spec.name: spec for spec in all_topics()}
APP = make_app(Settings(broker_port=1))
STEPS = (
    "add_dead_letters",
    "claim",
    "dead_letter_ids",
    "finish",
    "known",
    "latest_snapshot",
    "most_urgent_after",
    "put",
    "read",
    "renew",
    "unfinished_after",
    "unfinished_ids",
    "unfinished_ids_of",
    "unfinished_of",
    "write_step",
)
"""Everything that intake, relay and desk ask of the database."""
PUBLISHED = (f"publish to {REPORTS}", f"publish to {DESK}")
COMPILED: dict[Any, Any] = {}
BREAKS = ("before", "after")
DIES = ("dies before", "dies after")
FAULTS = (
    *((step, how) for step in STEPS for how in BREAKS),
    # A phone that got no answer can't tell whether a console died or its database.
    *((step, how) for step in STEPS if step != "put" for how in DIES),
    *((step, how) for step in PUBLISHED for how in ("in part", *DIES)),
)
WINDOW = 3
"""Rows that the relay has in flight: so few that there is a backlog."""


class Died(BaseException):
    """The process ended at this very point: nothing in it goes on."""


class FaultyStore(Store):
    """A store of which the next call of some step fails.

    Attributes
    ----------
    fault
        By name of a step: ``before`` or ``after`` it happened the connection breaks, ``dies
        before`` or ``dies after`` it the process ends.
    met
        Step and fault to how often that was.
    """

    def __init__(self, url: str, met: Counter[tuple[str, str]]) -> None:
        super().__init__(url)
        # Each case has a database of its own; what is made of a statement is the same for all.
        self._engine.update_execution_options(compiled_cache=COMPILED)
        self.met = met
        self.fault: dict[str, str] = {}
        self.last_words: Callable[[], None] = lambda: None

    def claims(self) -> object:
        """Who has the desks, as the relay asks for it."""
        return [(head.jurisdiction, head.epoch) for head in self.heads()]

    def failing(self, step: str, do: Callable[[], Any]) -> Any:
        """Do a step, or what is in store for it."""
        fault = self.fault.pop(step, "")
        if fault:
            self.met[step, fault] += 1
        if fault.endswith("after"):
            do()
        if fault.startswith("dies"):
            self.last_words()
            raise Died
        if fault:
            raise StoreError(f"the connection broke {fault} {step}")
        return do()


def _with_faults(step: str) -> Callable[..., Any]:
    real = getattr(Store, step)

    def call(self: FaultyStore, *given: Any, **more: Any) -> Any:
        return self.failing(step, lambda: real(self, *given, **more))

    return call


for _step in STEPS:
    setattr(FaultyStore, _step, _with_faults(_step))


class Log:
    """The broker: what was sent, and where the consumers are.

    ``fault`` meets the next publication, as :meth:`FaultyStore.failing` says; ``part``: some of
    it stands and no answer comes, so that all of it is sent again.
    """

    def __init__(self, store: FaultyStore) -> None:
        self._store = store
        self.records: dict[str, list[bytes]] = {REPORTS: [], DESK: []}
        self.at: dict[str, int] = {REPORTS: 0, DESK: 0}
        self.failures = 0
        self.twice = False

    async def publish(self, topic: str, key: str, events: Sequence[bytes]) -> dict[int, str]:
        assert key == HOME
        step = f"publish to {topic}"
        if self._store.fault.get(step) == "in part":
            del self._store.fault[step]
            self._store.met[step, "in part"] += 1
            self.records[topic].append(encode_batch(events[: len(events) // 2 + 1]))
            self.failures += 1
        for _ in range(2 if self.twice else 1):
            self._store.failing(step, lambda: self.records[topic].append(encode_batch(events)))
        return {}

    async def send(self, *_: object) -> None:
        """Dead letters' topic: for other systems."""

    def pending(self, topic: str) -> int:
        return len(self.records[topic]) - self.at[topic]


class Worker:
    """One process: a relay, the agents and a desk's shell on the same store."""

    def __init__(self, bench: Bench, store: FaultyStore, log: Log) -> None:
        self.log = log
        self.shell = DeskShell(
            bench.settings, store, bench.pack, bench.plans, bench.roads, self._published
        )
        letters = DeadLetters(store.add_dead_letters, log)  # type: ignore[arg-type]
        stages = Stages(bench.pack, log, letters, self.shell, None, store)  # type: ignore[arg-type]
        # Without topics: records come from our hand, and making Faust's agents takes a while.
        self.agents = Agents(APP, stages, topics=())
        self.relay = Relay(
            bench.settings,
            store,
            log,  # type: ignore[arg-type]
            letters.write,
            claims=store.claims,
        )

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
    cases: ClassVar[int]
    looked: ClassVar[Counter[int]]
    """Invariant to how often something was there to hold."""
    met: ClassVar[Counter[tuple[str, str]]]

    @initialize(
        begun=st.integers(0, 5), faults=st.sets(st.sampled_from(FAULTS), min_size=1, max_size=3)
    )
    def start(self, begun: int, faults: set[tuple[str, str]]) -> None:
        type(self).cases += 1
        self.folder = TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
        path = Path(self.folder.name) / "test.db"
        shutil.copy(self.template, path)
        self.store = FaultyStore(f"sqlite:///{path}", self.met)
        self.loop = asyncio.new_event_loop()
        self.died = asyncio.Event()
        self.store.last_words = self.says_it_died
        self.log = Log(self.store)
        self.worker = Worker(self.bench, self.store, self.log)
        self.all = [self.worker]
        self.sent: dict[str, tuple[str, int]] = {}
        self.acknowledged: set[str] = set()
        self.store.fault.update(sorted(faults))
        for place in range(begun):
            self.report("smoke", place % 4)

    def says_it_died(self) -> None:
        """From whatever thread it died on."""
        self.loop.call_soon_threadsafe(self.died.set)

    # ── what happens ──────────────────────────────────────────────────────────────────────────

    @rule(fault=st.sampled_from(FAULTS))
    def something_will_fail(self, fault: tuple[str, str]) -> None:
        """At whatever comes to that step next, now or later."""
        step, how = fault
        self.store.fault[step] = how

    @rule(text=st.sampled_from(["smoke", "someone fell", EVIL, ""]), place=st.integers(0, 3))
    def report(self, text: str, place: int) -> None:
        name = f"r{len(self.sent)}"
        self.sent[name] = (text, place)
        self.put(name, text, place)

    @rule(which=st.integers(0, 30))
    def same_report_again(self, which: int) -> None:
        """The phone had no answer, or the answer was lost on its way."""
        if self.sent:
            name = list(self.sent)[which % len(self.sent)]
            if name in self.acknowledged:
                self.put(name, "as the phone has it now", 0)
            else:
                self.put(name, *self.sent[name])

    @rule(twice=st.booleans())
    def relay(self, twice: bool) -> None:
        self.log.twice = twice
        self.look_into_inbox()
        self.log.twice = False

    @rule()
    def it_flows(self) -> None:
        """All the way, as far as what is in store lets it."""
        self.look_into_inbox()
        while self.log.pending(REPORTS):
            self.consume(REPORTS, 0)
        while self.log.pending(DESK):
            self.consume(DESK, 0)
        self.run(self.idle())

    @rule(which=st.integers(0, 3))
    def classify_out_of_order(self, which: int) -> None:
        self.consume(REPORTS, which)

    @rule(fault=st.sampled_from(["", "", *BREAKS, *DIES]))
    def decide(self, fault: str) -> None:
        if fault:
            self.store.fault["write_step"] = fault
        self.consume(DESK, 0)
        self.run(self.idle())

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
        self.take_over()

    @rule(which=st.integers(0, 5))
    def a_halted_one_goes_on(self, which: int) -> None:
        """It takes the next record too, for it doesn't know yet."""
        woken = self.all[which % len(self.all)]
        if not woken.shell._closing and self.log.pending(DESK):
            self.run(woken.take(DESK, self.log.at[DESK]))

    # ── what holds ────────────────────────────────────────────────────────────────────────────

    def teardown(self) -> None:
        """Everything comes back; then the invariants hold."""
        if not hasattr(self, "store"):
            return
        try:
            self.it_flows()
            self.store.fault.clear()
            for worker in self.all:
                worker.kill()
            self.take_over()
            for name in self.sent.keys() - self.acknowledged:
                self.put(name, *self.sent[name])
            for _ in range(HEALED_AFTER):
                if not self.store.unfinished():
                    break
                self.it_flows()
            self.check()
        finally:
            for worker in self.all:
                worker.kill()
                worker.shell._thread.shutdown(wait=True)
                worker.shell._writer.shutdown(wait=True)
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()
            self.store.close()
            self.folder.cleanup()

    def check(self) -> None:
        assert self.acknowledged == self.sent.keys()
        ledger = Ledger()
        if self.store.head(HOME) is not None:
            self.store.verify(HOME)
            for raw in self.store.read(HOME, 0, 100_000):
                ledger.take(decode(raw))
            self.looked[3] += 1
        self.invariant_1_nothing_acknowledged_is_lost(ledger)
        self.invariant_2_every_report_ends_once(ledger)
        self.invariant_4_one_assignment_at_a_time(ledger)

    def invariant_1_nothing_acknowledged_is_lost(self, ledger: Ledger) -> None:
        assert self.store.unfinished() == 0, "acknowledged, and never decided"
        letters = {one.event_id for one in self.store.dead_letters(limit=1000)}
        assert self.acknowledged <= letters | ledger.decided
        self.looked[1] += bool(self.acknowledged)
        self.looked[9] += bool(self.acknowledged and len(self.all) > 2)

    def invariant_2_every_report_ends_once(self, ledger: Ledger) -> None:
        letters = Counter(one.event_id for one in self.store.dead_letters(limit=1000))
        for name, (text, _) in self.sent.items():
            ended = (name in ledger.decided, letters[name])
            assert ended == ((False, 1) if text == EVIL else (True, 0)), f"{name} {ended}"
        assert not ledger.twice()
        assert not ledger.decided - self.sent.keys()
        self.looked[2] += bool(self.sent)

    def invariant_4_one_assignment_at_a_time(self, ledger: Ledger) -> None:
        assert not ledger.two_places
        assert not ledger.doubled

    # ── how ───────────────────────────────────────────────────────────────────────────────────

    def put(self, name: str, text: str, place: int) -> None:
        """Intake says 'received' when the row stands, and 503 when the database says nothing."""
        with suppress(StoreError):
            self.store.put([row(name, text, place)])
            self.acknowledged.add(name)

    def look_into_inbox(self) -> None:
        """As `Relay.run` does: what fails is tried again at the next look."""
        with suppress(StoreError):
            self.run(self.worker.relay.step())

    def take_over(self) -> None:
        self.worker = Worker(self.bench, self.store, self.log)
        self.all.append(self.worker)

    def run(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Let a worker do something; False where it died of it, and another took its place."""
        self.died.clear()
        task = self.loop.create_task(work)
        self.loop.run_until_complete(self._done_or_dead(task))
        if not self.died.is_set():
            task.result()
            return True
        self.worker.kill()
        task.cancel()
        self.loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        self.take_over()
        return False

    async def _done_or_dead(self, task: asyncio.Task[Any]) -> None:
        dying = asyncio.create_task(self.died.wait())
        await asyncio.wait({task, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()

    def consume(self, topic: str, which: int) -> None:
        """Take the next record, or one of those after it: partitions have no order among them."""
        if not (pending := self.log.pending(topic)):
            return
        records, at = self.log.records[topic], self.log.at[topic]
        chosen = at + which % pending
        records[at], records[chosen] = records[chosen], records[at]
        if self.run(self.worker.take(topic, at)):
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


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """No pause of the wall clock, a short window, and a desk that fails on evil content."""
    step = Desk.step

    def failing(desk: Desk, event: Event) -> list[Event]:
        if isinstance(event.data, ev.ReportClassified) and event.data.text == EVIL:
            raise RuntimeError("no desk can read this")
        return step(desk, event)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("streams.desk_shell.RETRY_S", 0.0)
        patched.setattr("streams.claims.DOUBT_S", 0.0)
        # Looking all of the tests through for garbage at each seat would be most of the time.
        patched.setattr("streams.desk_shell.sweep", lambda: None)
        patched.setattr("streams.claims.FAILED_S", (0.0, 0.0))
        patched.setattr("streams.dead_letters.DATABASE_PAUSE_S", 0.0)
        for pause in ("SWEEP_S", "FULL_SWEEP_S", "IDLE_SWEEP_S"):
            patched.setattr(f"streams.relay.{pause}", 0.0)
        patched.setattr("streams.relay.WINDOW", WINDOW)
        patched.setattr(Desk, "step", failing)
        yield


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """What all cases share: the city, and an empty database to copy."""
    made = Bench(tmp_path_factory.mktemp("pipeline"))
    made.settings = made.settings.model_copy(update={"relay_retry_s": 0.0})
    made.store.close()
    return made


def machine_on(bench: Bench) -> type[PipelineMachine]:
    class Machine(PipelineMachine):
        template = bench.settings.data_dir / "gridcommand.db"
        cases, looked, met = 0, Counter(), Counter()

    Machine.bench = bench
    return Machine


@pytest.fixture(scope="module")
def pipeline_cases(bench: Bench, invariant_cases: InvariantCases) -> type[PipelineMachine]:
    """The machine after it went through its cases; what broke, broke here."""
    machine = machine_on(bench)
    run_state_machine_as_test(
        invariant_cases.seeded(machine),
        settings=invariant_cases.settings(stateful_step_count=8),
    )
    return machine


INVARIANTS = {
    1: "nothing_acknowledged_is_lost",
    2: "every_report_ends_in_one_incident_or_as_a_dead_letter",
    3: "the_journal_is_gapless_and_its_chain_holds",
    9: "losing_any_one_process_costs_no_data",
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "number", [pytest.param(n, id=f"invariant_{n}_{what}") for n, what in INVARIANTS.items()]
)
def test_on_the_way_to_the_journal(
    pipeline_cases: type[PipelineMachine], invariant_cases: InvariantCases, number: int
) -> None:
    """Every case held; and there was something to hold in many of them."""
    assert pipeline_cases.cases >= invariant_cases.count
    assert sum(pipeline_cases.met.values()) >= invariant_cases.count
    assert pipeline_cases.looked[number] >= invariant_cases.count / 10


@pytest.mark.parametrize("fault", FAULTS, ids=" ".join)
def test_invariant_9_wherever_it_breaks_all_is_decided_once(
    bench: Bench, fault: tuple[str, str]
) -> None:
    """Each step once, for sure: the machine meets them at random, and several at once."""
    one = machine_on(bench)()
    one.start(begun=5, faults={fault})
    one.look_into_inbox()
    one.look_into_inbox()
    one.it_flows()
    one.report(EVIL, 1)
    one.it_flows()
    one.taken_again(DESK, 4)
    one.another_worker(halted=True)
    one.it_flows()
    one.teardown()
    assert one.met[fault] == 1
