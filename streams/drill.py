"""A live drill: a recording through the real path, at any speed, with crews that live.

For: ``gridcommand drill run``. What was recorded enters through the inbox like every report, when
the drill's clock says so; crews (:mod:`dispatch.simulator`) and hands (:mod:`streams.stand_in`)
read the journal and answer through the inbox too. Only positions go straight to the desk's topic,
about two records a second: losing one is harmless. Not for: deciding anything, or measuring
policies (:mod:`streams.fast`).

Relies on event ids: what is handed over again after a restart is known already. The clock, and
where a drill goes on, are :mod:`streams.drill_clock`'s.

The stand-in confirms a proposal that nobody decided within ``drill_stand_in_s`` of running wall
time, or `STAND_IN_MOST_S` of the drill's where that is sooner, for nobody can keep up at 600 times
life. It leaves incidents alone that a person took over by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import msgspec

from dispatch.roads import RoadGraph
from dispatch.simulator import SOURCE as CREWS_SOURCE
from dispatch.simulator import Simulator
from dispatch.travel_times import TravelTimes
from models.city import CityPack
from models.errors import StoreError
from models.events import (
    AssignmentOrdered,
    ConfirmProposal,
    Event,
    IncidentMoved,
    OverrideSet,
    Payload,
    Point,
    ProposalMade,
    ProposalWithdrawn,
    ReportReceived,
    UnitPositionsReported,
    decode,
    encode,
)
from models.lifecycles import ENDED_INCIDENT
from models.settings import Settings
from models.situation import Situation
from models.store import InboxRow, Store, open_store
from models.topics import DESK, REPORTS, topic_for
from models.words import Role
from streams.app import is_embedded, kafka_servers
from streams.drill_clock import ENDED, STOPPED, DrillClock, driven, take_up
from streams.errors import DrillError
from streams.own_records import OwnPublisher
from streams.publisher import Publisher
from streams.recording import Recording
from streams.seats import read_situation
from streams.stand_in import SOURCE as HANDS_SOURCE
from streams.stand_in import STAND_IN, TaskHands

log = logging.getLogger(__name__)

STEP_S = 0.05
LOOK_S = 0.25
POSITIONS_S = 0.5
READ_AT_ONCE = 2000
LINES_AT_ONCE = 200
STAND_IN_MOST_S = 900.0
QUIET_AFTER_S = 6 * 3600.0
"""Seconds of the drill after the last line, when it ends though not all are home."""

RETRY_S = 1.0
SIGN_OF_LIFE_S = 1.0
"""How long to wait for one; four times `LOOK_S`."""

_PRIORITY = 3


async def run_drill(
    settings: Settings, recording_path: Path, speed: float, stop: asyncio.Event
) -> None:
    """Drive a drill until its recording is over and all are home, a console ends it, or `stop`.

    Parameters
    ----------
    speed
        Times life, for a drill that begins or was stopped.

    Raises
    ------
    RecordingError
        The recording can't be read.
    DrillError
        Another process drives a drill of this city.
    """
    recording = Recording.load(recording_path)
    pack = await asyncio.to_thread(CityPack.load, settings.city_path)
    graph = await asyncio.to_thread(RoadGraph.load, pack)
    travel = TravelTimes.of_pack(graph, pack, cache_dir=settings.data_dir / "cache")
    store = open_store(settings)
    publisher = OwnPublisher(kafka_servers(settings), embedded=is_embedded(settings))
    try:
        await _check_alone(store, pack.jurisdiction)
        run = await asyncio.to_thread(
            LiveDrill, settings, store, pack, travel, recording, speed, _wall()
        )
        try:
            await _drive(run, publisher, stop)
        finally:
            await asyncio.to_thread(run.leave, _wall())
    finally:
        await publisher.close()
        store.close()


async def _check_alone(store: Store, home: str) -> None:
    """Two drivers would pull one clock; who was killed gives no sign of life any more."""
    before = await asyncio.to_thread(driven, store, home, _wall())
    if before is None:
        return
    await asyncio.sleep(SIGN_OF_LIFE_S)
    now = await asyncio.to_thread(driven, store, home, _wall())
    if now is not None and now.updated_at != before.updated_at:
        raise DrillError(
            f"drill {now.name} runs already in {now.jurisdiction}: stop that one first, "
            "one drill of a city at a time"
        )


async def _drive(run: LiveDrill, publisher: Publisher, stop: asyncio.Event) -> None:
    told_at: datetime | None = None
    while not stop.is_set() and not run.ended:
        try:
            busy = await asyncio.to_thread(run.step, _wall())
        except StoreError as error:
            log.error("the drill waits for the database: %s", error)
            await _sleep(stop, RETRY_S)
            continue
        wall = _wall()
        if told_at is None or (wall - told_at).total_seconds() >= POSITIONS_S:
            told_at = wall
            if (event := run.positions(wall)) is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POSITIONS_S):
                        await publisher.publish(
                            topic_for(DESK, exercise=True), event.jurisdiction, [encode(event)]
                        )
        if not busy:
            await _sleep(stop, STEP_S)


class LiveDrill:
    """One drill against a store; no broker, no sleeping: `step` is called with the wall's time.

    Making one takes the drill up: new, or where it was.

    Parameters
    ----------
    travel
        For the crews alone.
    speed
        For a drill that begins, or that was stopped.
    wall
        The time by the wall clock, aware.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pack: CityPack,
        travel: TravelTimes,
        recording: Recording,
        speed: float,
        wall: datetime,
    ) -> None:
        self._stand_in_s = settings.drill_stand_in_s
        self._store = store
        drill, goes_on = take_up(store, recording, pack.jurisdiction, speed, wall)
        self._clock = DrillClock(store, drill)
        situation = read_situation(store, drill.jurisdiction)
        self._seq = situation.seq
        self._lines = recording.happenings()
        self._position = drill.position
        self._crews = Simulator.resume(situation, pack, travel, islice(self._lines, self._position))
        self._next_line = next(self._lines, None)
        self._last_line_at = recording.described.last
        self._hands = TaskHands.resume(situation)
        self._waiting = _Waiting()
        self._waiting.take_up(situation)
        self._looked_at: datetime | None = None
        self._stepped_at: datetime | None = None
        self._told: dict[str, Point] = {}
        # Units that the recording brings along join the pool before its first call.
        self._unsent = [
            self._row(DESK, self._event(f"drill/unit/{unit.unit}", CREWS_SOURCE, at, unit), wall)
            for at in (recording.described.first,)
            for unit in recording.units
        ]
        self.ended = False
        log.info(
            "drill %s of %s %s in %s at %s, %g times life",
            drill.name,
            recording.path.name,
            "goes on" if goes_on else "begins",
            drill.jurisdiction,
            drill.anchor_sim.isoformat(),
            drill.speed,
        )

    def step(self, wall: datetime) -> bool:
        """Do what is due; return whether there was anything.

        Raises
        ------
        StoreError
            The database is away; nothing is lost, call it again later.
        """
        self._send()
        passed_s = (wall - self._stepped_at).total_seconds() if self._stepped_at else 0.0
        self._stepped_at = wall
        if self._looked_at is None or (wall - self._looked_at).total_seconds() >= LOOK_S:
            self._clock.look(wall, self._position, self._seq)
            self._looked_at = wall
        read = self._follow()
        now = self._clock.now(wall)
        if self._clock.runs:
            self._waiting.pass_time(passed_s)
        self._hand_over_lines(now, wall)
        for event in (*self._crews.due_events(now), *self._done_tasks(now), *self._confirmed(now)):
            self._unsent.append(self._row(DESK, event, wall))
        busy = bool(self._unsent) or read >= READ_AT_ONCE
        self._send()
        self.ended = self._clock.is_ended or self._is_over(now)
        return busy

    def positions(self, wall: datetime) -> Event | None:
        """Return where the units are that moved since it was asked last, or None."""
        now = self._clock.now(wall)
        moving = self._crews.positions(now)
        news = {unit: place for unit, place in moving.items() if self._told.get(unit) != place}
        self._told = moving
        if not news:
            return None
        return self._event(
            f"positions/{wall.isoformat()}",
            CREWS_SOURCE,
            now,
            UnitPositionsReported(positions=news),
        )

    def leave(self, wall: datetime) -> None:
        """Write down where the drill is."""
        self._send()
        self._clock.stop(wall, self._position, ENDED if self.ended else STOPPED)

    # ── what is due ───────────────────────────────────────────────────────────────────────────

    def _follow(self) -> int:
        """Read on in the journal."""
        tail = self._store.read(self._jurisdiction, self._seq, READ_AT_ONCE)
        for raw in tail:
            event = decode(raw)
            self._seq = event.seq
            self._crews.observe(event)
            self._hands.observe(event)
            self._waiting.observe(event)
        return len(tail)

    def _hand_over_lines(self, now: datetime, wall: datetime) -> None:
        while (line := self._next_line) is not None and line.time <= now:
            if len(self._unsent) >= LINES_AT_ONCE:
                break
            self._crews.learn(line)
            if isinstance(line.data, ReportReceived):
                event = msgspec.structs.replace(line, jurisdiction=self._jurisdiction)
                self._unsent.append(self._row(REPORTS, event, wall))
            self._position += 1
            self._last_line_at = line.time
            self._next_line = next(self._lines, None)

    def _send(self) -> None:
        """Make durable what is due; where that fails it stays in hand and is tried again."""
        if self._unsent:
            self._store.put(self._unsent)
            self._unsent = []

    def _done_tasks(self, now: datetime) -> list[Event]:
        return self._hands.due_events(now) if self._stand_in_s else []

    def _confirmed(self, now: datetime) -> Iterator[Event]:
        patience_s = min(self._stand_in_s, STAND_IN_MOST_S / self._clock.drill.speed)
        if self._stand_in_s:
            for incident, proposal in self._waiting.overdue(patience_s):
                yield self._event(
                    f"stand-in/confirm/{proposal}",
                    HANDS_SOURCE,
                    now,
                    ConfirmProposal(
                        incident=incident,
                        proposal=proposal,
                        by=STAND_IN,
                        role=Role.DISPATCHER,
                        jurisdictions=(self._jurisdiction,),
                        reason="drill",
                    ),
                )

    def _is_over(self, now: datetime) -> bool:
        if self._next_line is not None or now < self._last_line_at:
            return False
        if now > self._last_line_at + timedelta(seconds=QUIET_AFTER_S):
            return True
        quiet = not self._crews.busy and not self._waiting.any and not self._hands.open
        return quiet and not self._store.unfinished(self._jurisdiction)

    # ── events and rows ───────────────────────────────────────────────────────────────────────

    @property
    def _jurisdiction(self) -> str:
        return self._clock.drill.jurisdiction

    def _event(self, event_id: str, source: str, at: datetime, data: Payload) -> Event:
        return Event(
            id=event_id,
            source=source,
            time=at,
            jurisdiction=self._jurisdiction,
            exercise=True,
            data=data,
        )

    def _row(self, topic: str, event: Event, wall: datetime) -> InboxRow:
        return InboxRow(
            event_id=event.id,
            jurisdiction=event.jurisdiction,
            topic=topic_for(topic, exercise=True),
            key=event.jurisdiction,
            body=encode(event),
            received_at=wall,
            exercise=True,
            priority=_PRIORITY,
        )


class _Waiting:
    """Proposals that nobody decided yet, and since when, in seconds of running wall time."""

    def __init__(self) -> None:
        self._passed_s = 0.0
        self._proposals: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._by_hand: set[str] = set()

    @property
    def any(self) -> bool:
        """Whether a proposal waits that the stand-in would confirm."""
        return any(incident not in self._by_hand for incident in self._proposals)

    def take_up(self, situation: Situation) -> None:
        """Begin with the proposals that stand in a situation."""
        self._by_hand.update(i.id for i in situation.incidents.values() if i.by_hand)
        for proposal in situation.proposals.values():
            if any(choice.chosen is not None for choice in proposal.choices):
                self._proposals[proposal.incident] = proposal.id
                self._since.setdefault(proposal.incident, self._passed_s)

    def observe(self, event: Event) -> None:
        """Take in one event of the journal."""
        data = event.data
        if isinstance(data, ProposalMade):
            if any(choice.chosen is not None for choice in data.choices):
                self._proposals[data.incident] = data.proposal
                # A proposal that is made anew has not been waited for anew.
                self._since.setdefault(data.incident, self._passed_s)
            else:
                self._drop(data.incident)
        elif isinstance(data, ProposalWithdrawn):
            if self._proposals.get(data.incident) == data.proposal:
                self._drop(data.incident)
        elif isinstance(data, OverrideSet):
            (self._by_hand.add if data.by_hand else self._by_hand.discard)(data.incident)
        elif isinstance(data, AssignmentOrdered):
            if data.override:
                self._by_hand.add(data.incident)
        elif isinstance(data, IncidentMoved) and data.state in ENDED_INCIDENT:
            # Whether it is by hand stays: it may be reopened.
            self._drop(data.incident)

    def pass_time(self, seconds: float) -> None:
        """Let wall time pass that counts."""
        self._passed_s += seconds

    def overdue(self, patience_s: float) -> list[tuple[str, str]]:
        """Return (incident, proposal) that waited longer than that, each proposal once."""
        found = [
            (incident, proposal)
            for incident, proposal in self._proposals.items()
            if incident not in self._by_hand
            and self._passed_s - self._since[incident] >= patience_s
        ]
        for incident, _ in found:
            self._drop(incident)
        return found

    def _drop(self, incident: str) -> None:
        self._proposals.pop(incident, None)
        self._since.pop(incident, None)


def _wall() -> datetime:
    return datetime.now(UTC)


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
