"""Fast replay: a recording through the real classify and desk under a virtual clock.

For: measuring a night in a minute, comparing policies on the same night, proving that the same
inputs give the same journal. Not for: showing it to people (:mod:`streams.drill`). No broker, no
database, nothing of the wall clock but the elapsed time in the result.

At one instant things happen in this order: recorded lines, crews' reports, finished tasks,
positions, then the desk's own clock. Positions of units under way come every `POSITIONS_EVERY_S`,
as a live desk would have them. Whoever asks is told expected coverage every `LOOK_EVERY_S`, by the
same measure under every policy, save where nothing has happened for `QUIET_AFTER_S`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime, timedelta
from heapq import merge
from pathlib import Path

import msgspec

from dispatch.coverage import Coverage
from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.simulator import Simulator
from dispatch.travel_times import TravelTimes
from models.city import CityPack
from models.errors import GridcommandError
from models.events import (
    ClockTicked,
    Event,
    Order,
    Payload,
    PlanningFellBack,
    ReportReceived,
    ServiceRecorded,
    UnitPositionsReported,
    encode,
)
from models.journal import GENESIS
from models.situation import Situation
from playbooks.engine import PlaybookSet
from streams.classify.reports import classify
from streams.errors import PolicyFailedError, ReplayStuckError
from streams.opening import opening_events
from streams.recording import LineSink, Recording, open_for_lines
from streams.stand_in import TaskHands
from streams.tally import ResponseTimes, Tally

POSITIONS_EVERY_S = 60.0
LOOK_EVERY_S = 900.0
QUIET_AFTER_S = 6 * 3600.0
"""The replay ends when nothing is due within this after what happened last, in seconds."""

EMPTY_TOLD_AFTER_S = 86_400.0

MOST_AT_ONCE = 2_000
"""Rounds of crews and desk at one instant; catching up on a thousand calls takes some hundreds.
More is an endless loop, which a replay names instead of running for ever."""

_CALLS_A_WORD = 200


class FastResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a fast replay came to.

    Attributes
    ----------
    journal_hash
        Hex; each event's is SHA-256 over the one before and the encoded event.
    calls
        Reports in the recording; each is closed, open or a dead letter.
    closed, open
        Calls whose incident has ended, or not.
    dead_letters
        Report id to reason.
    life_s, elapsed_s, times_life
        Seconds of the recording to its end, of the wall clock, and their ratio.
    response_s
        By priority: received to first unit on scene, of the incidents that somebody reached.
    """

    journal_hash: str
    events: int
    calls: int
    closed: int
    open: int
    dead_letters: dict[str, str]
    incidents: int
    orders: int
    refused: int
    life_s: float
    elapsed_s: float
    times_life: float
    response_s: dict[int, ResponseTimes]

    def text(self) -> str:
        """Lines for a terminal."""
        lines = [
            f"{self.calls} calls: {self.closed} closed, {self.open} open, "
            f"{len(self.dead_letters)} dead letters",
            f"{self.incidents} incidents, {self.orders} orders, {self.refused} inputs refused, "
            f"{self.events} journal events",
            f"{self.life_s / 3600:.1f} h in {self.elapsed_s:.1f} s: {self.times_life:,.0f} times "
            "life",
        ]
        lines.extend(
            f"priority {priority}: first unit on scene after {times.median_s:.0f} s (median), "
            f"{times.p90_s:.0f} s (90 %), {times.reached} of {times.incidents} reached"
            for priority, times in self.response_s.items()
        )
        lines.extend(f"dead letter {name}: {why}" for name, why in self.dead_letters.items())
        lines.append(f"journal hash {self.journal_hash}")
        return "\n".join(lines)


def replay(
    recording: Recording,
    pack: CityPack,
    playbooks: PlaybookSet,
    policy: Policy | None = None,
    *,
    out: Path | None = None,
    progress: Callable[[str], None] | None = None,
    automatic: Iterable[int] = (1, 2, 3, 4),
    since: datetime | None = None,
    until: datetime | None = None,
    graph: RoadGraph | None = None,
    observe: Callable[[Event], None] | None = None,
    orders: Iterable[Event] = (),
    watch: Callable[[datetime, float], None] | None = None,
) -> FastResult:
    """Replay a recording to its end.

    Parameters
    ----------
    policy
        Numbers of the desk; the product's own when not given.
    out
        Write the journal there, one CloudEvent a line; gzip'd where the name ends in ``.gz``.
    progress
        Told now and then how far it is, in a sentence.
    automatic
        Priorities whose orders go out by themselves; nobody else confirms in a fast replay.
    since
        Leave out what was recorded before this time.
    until
        Leave out what was recorded at or after this time.
    graph
        The pack's roads, if they are loaded already.
    observe
        Told each event of the journal.
    orders
        What people order meanwhile, by time; given before what was recorded at the same instant.
    watch
        Told expected coverage, 0 to 1, every `LOOK_EVERY_S`.

    Raises
    ------
    RecordingError
        The recording can't be read.
    ReplayStuckError
        Time stands still: more than `MOST_AT_ONCE` rounds at one instant.
    PolicyFailedError
        The policy fails, and a desk would have gone on with a simpler one.
    """
    with ExitStack() as files:
        sink = files.enter_context(open_for_lines(out)) if out else None
        # Nobody is there to confirm a move-up either.
        policy = msgspec.structs.replace(
            policy or Policy(), automatic_move_ups=True, automatic_untriaged=True
        )
        run = _Run(recording, pack, playbooks, policy, graph, sink, progress, observe, watch)
        return run.to_the_end(tuple(automatic), since, until, orders)


class _Run:
    def __init__(
        self,
        recording: Recording,
        pack: CityPack,
        playbooks: PlaybookSet,
        policy: Policy,
        graph: RoadGraph | None,
        sink: LineSink | None,
        progress: Callable[[str], None] | None,
        observe: Callable[[Event], None] | None,
        watch: Callable[[datetime, float], None] | None,
    ) -> None:
        self._recording = recording
        self._pack = pack
        self._playbooks = playbooks
        self._policy = policy
        self._sink = sink
        self._progress = progress
        self._observe = observe
        roads = graph or RoadGraph.load(pack)
        situation = Situation(jurisdiction=recording.jurisdiction, exercise=True)
        travel = TravelTimes.of_pack(roads, pack)
        self._desk = Desk(situation, pack, playbooks, travel, policy)
        self._watch = watch
        self._coverage = Coverage(situation, travel, policy) if watch else None
        self._look_at = self._stepped_at = recording.described.first
        self._crews = Simulator(pack, TravelTimes.of_pack(roads, pack), recording.jurisdiction)
        self._hands = TaskHands(recording.jurisdiction)
        self._tally = Tally()
        self._chain = GENESIS
        self._events = self._before = 0
        self._last = "none"
        self._ticks = 0
        self._calls = 0
        self._dead: dict[str, str] = {}
        self._positions_at: datetime | None = None
        self._instant: datetime | None = None
        self._rounds = 0

    def to_the_end(
        self,
        automatic: tuple[int, ...],
        since: datetime | None,
        until: datetime | None,
        orders: Iterable[Event],
    ) -> FastResult:
        began = time.perf_counter()
        first = self._recording.described.first
        for event in opening_events(
            self._desk.situation,
            self._pack,
            self._playbooks,
            automatic_priorities=automatic,
            correlation_radius_m=self._desk.situation.rules.correlation_radius_m,
            correlation_window_s=self._desk.situation.rules.correlation_window_s,
            at=first,
            more_units=self._recording.units,
        ):
            self._step(event)
        now = first
        happenings = self._recording.happenings()
        for line in merge(orders, happenings, key=lambda event: event.time):
            if until is not None and line.time >= until:
                break
            if since is not None and line.time < since:
                self._crews.learn(line)
                continue
            self._run_before(line.time)
            self._tell_empty(now, line.time)
            now = line.time
            self._line(line)
        last = now
        while (due := self._next()) is not None:
            if due > last + timedelta(seconds=QUIET_AFTER_S) or not self._alive():
                break
            self._at(due)
            last = max(last, self._tally.last_change or last)
            now = due
        return self._result(first, now, time.perf_counter() - began)

    def _run_before(self, limit: datetime) -> None:
        """Let everything happen that is due before a time."""
        while (due := self._next()) is not None and due < limit:
            self._at(due)

    def _tell_empty(self, last: datetime, now: datetime) -> None:
        empty_s = (now - last).total_seconds()
        if self._progress and empty_s > EMPTY_TOLD_AFTER_S:
            self._progress(
                f"no call for {empty_s / 86_400:,.0f} days: from {last:%Y-%m-%d %H:%M} to "
                f"{now:%Y-%m-%d %H:%M} UTC"
            )

    def _next(self) -> datetime | None:
        times = (
            self._crews.next_due(),
            self._hands.next_due(),
            self._desk.next_due(),
            self._positions_at,
        )
        return min((at for at in times if at is not None), default=None)

    def _at(self, now: datetime) -> None:
        self._count_round(now)
        for event in (*self._crews.due_events(now), *self._hands.due_events(now)):
            self._step(event)
        if self._positions_at is not None and self._positions_at <= now:
            self._tell_positions(now)
        due = self._desk.next_due()
        if due is not None and due <= now:
            self._ticks += 1
            tick = f"clock/{self._ticks}/{now.isoformat()}"
            self._step(self._event(tick, "/clock", now, ClockTicked()))

    def _count_round(self, now: datetime) -> None:
        if now != self._instant:
            self._instant, self._rounds, self._before = now, 0, self._events
        self._rounds += 1
        if self._rounds > MOST_AT_ONCE:
            raise ReplayStuckError(
                f"time stands still at {now.isoformat()}: {MOST_AT_ONCE} rounds made "
                f"{self._events - self._before} events, the last of them {self._last}; this is a "
                "defect of the desk or of the crews: report it with the recording and the fleet"
            )

    def _line(self, line: Event) -> None:
        if isinstance(line.data, Order):
            self._step(line)
            return
        self._crews.learn(line)
        if isinstance(line.data, ServiceRecorded):
            return
        if not isinstance(line.data, ReportReceived):
            return
        self._calls += 1
        try:
            report = classify(line.data, self._pack, is_exercise=True)
        except GridcommandError as error:
            self._dead[line.id] = str(error)
            return
        self._step(self._event(line.id, line.source, line.time, report))
        if self._progress and self._calls % _CALLS_A_WORD == 0:
            self._progress(
                f"{line.time:%Y-%m-%d %H:%M} UTC, {self._calls} of "
                f"{self._recording.described.calls} calls"
            )

    def _tell_positions(self, now: datetime) -> None:
        if positions := self._crews.positions(now):
            name = f"positions/{now.isoformat()}"
            self._step(
                self._event(name, "/simulator", now, UnitPositionsReported(positions=positions))
            )
        self._positions_at = now + timedelta(seconds=POSITIONS_EVERY_S) if positions else None

    def _step(self, event: Event) -> None:
        self._look(event.time)
        self._stepped_at = event.time
        for made in self._desk.step(event):
            encoded = encode(made)
            self._chain = hashlib.sha256(self._chain + encoded).digest()
            self._events += 1
            self._last = made.type
            if isinstance(made.data, PlanningFellBack):
                raise PolicyFailedError(f"{made.data.policy} fails: {made.data.error}")
            if self._sink:
                self._sink.write(encoded)
                self._sink.write(b"\n")
            self._crews.observe(made)
            self._hands.observe(made)
            self._tally.observe(made)
            if self._observe:
                self._observe(made)
        if self._positions_at is None and self._crews.busy:
            self._positions_at = event.time + timedelta(seconds=POSITIONS_EVERY_S)

    def _look(self, now: datetime) -> None:
        """Tell coverage as it stood at each point of the grid before now, not of empty days."""
        quiet_from = self._stepped_at + timedelta(seconds=QUIET_AFTER_S)
        every = timedelta(seconds=LOOK_EVERY_S)
        while self._watch and self._coverage and self._look_at < now:
            if self._look_at > quiet_from:
                self._look_at += every * -((self._look_at - now) // every)
                break
            self._watch(self._look_at, self._coverage.state(self._look_at).share())
            self._look_at += every

    def _event(self, event_id: str, source: str, at: datetime, data: Payload) -> Event:
        return Event(
            id=event_id,
            source=source,
            time=at,
            jurisdiction=self._recording.jurisdiction,
            exercise=True,
            data=data,
        )

    def _alive(self) -> bool:
        return self._crews.busy > 0 or self._tally.open_incidents > 0

    def _result(self, first: datetime, last: datetime, elapsed_s: float) -> FastResult:
        life_s = (last - first).total_seconds()
        return FastResult(
            journal_hash=self._chain.hex(),
            events=self._events,
            calls=self._calls,
            closed=self._tally.closed_reports,
            open=self._tally.open_reports,
            dead_letters=self._dead,
            incidents=self._tally.incidents,
            orders=self._tally.orders,
            refused=self._tally.refused,
            life_s=life_s,
            elapsed_s=elapsed_s,
            times_life=life_s / elapsed_s if elapsed_s else 0.0,
            response_s=self._tally.response_times(),
        )
