"""What the routes share: the parts of the console, and how an input enters the pipeline.

:class:`Console` is made once by :mod:`web_console.server` and hangs on the app's state. An input
is written to the inbox in one durable transaction, and only then is it answered.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import uuid_utils

from models import events as ev
from models import rights, tracing
from models.city import CityPack
from models.errors import StoreBusyError
from models.events import Event, Payload, decode, encode
from models.inbox import GroupedInbox, InboxRow
from models.registers import Drill
from models.settings import Settings
from models.store import Store
from models.topics import DESK, REPORTS, topic_for
from models.words import EXERCISE_MARK, home_jurisdiction, is_exercise
from web_console.accounts import Person, SignIn
from web_console.asking import ANSWER_WITHIN_S, WITHIN_S, Asking
from web_console.clocks import Clocks
from web_console.feed import Feed
from web_console.hub import Hub, Room
from web_console.live import LiveChannel
from web_console.photos import Photos
from web_console.places import Places
from web_console.problems import Problem
from web_console.readings import Readings, RuleUnits, no_rules
from web_console.sightings import Sightings

DRILLS_CACHED_S: Final = 1.0

PRIORITY_OF_ORDERS: Final = 1
PRIORITY_OF_STATUS: Final = 2
PRIORITY_OF_TEXT: Final = 2
"""Nobody has read it yet: it may be urgent."""


class Console:
    """The parts of one console process.

    Parameters
    ----------
    settings, store, pack
        The settings in force, the database (migrated), the city.
    rule_units
        In which units sense looks for alarms.

    Attributes
    ----------
    intake, reads, journal
        Who asks the database, with threads of their own: for what a report needs on its way in,
        for those who look something up, and for the hub and its feed.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pack: CityPack,
        rule_units: RuleUnits = no_rules,
    ) -> None:
        self.settings = settings
        self.store = store
        self.pack = pack
        self.inbox = GroupedInbox(store)
        self.intake = Asking("intake")
        self.reads = Asking("reads")
        self.journal = Asking("journal", within_s=ANSWER_WITHIN_S)
        self.clocks = Clocks(store, self.intake)
        self.hub = Hub(store, self.clocks.last, self.journal)
        self.feed = Feed(settings, store, self.hub, self.clocks, self.journal, pack.jurisdiction)
        self.sign_in = SignIn(store, self.intake, settings.session_hours)
        self.live = LiveChannel(settings, self.hub, self.sign_in, self.allows)
        self.photos = Photos(settings)
        self.readings = Readings(settings, rule_units)
        self.sightings = Sightings(store, self.reads)
        self.photo_work = asyncio.Semaphore(2)
        self._places: Places | None = None
        self._known_drills: Sequence[Drill] = ()
        self._drills_read_at = -math.inf

    async def places(self) -> Places:
        """Return what of the city can be found by name; read when it is first asked for.

        Raises
        ------
        CityPackError
            When the pack's road table can't be read.
        """
        if self._places is None:
            self._places = await asyncio.to_thread(Places, self.pack)
        return self._places

    # ── jurisdictions ─────────────────────────────────────────────────────────────────────────

    async def jurisdictions(self, person: Person) -> list[str]:
        """Return where in this console's city a person may look and act, what is real first.

        A data folder may hold other cities too: their names, map and clock are another console's.
        """
        home = home_jurisdiction(self.pack.jurisdiction)
        heads = await self.intake.shared(self.store.heads)
        known = {home, *(head.jurisdiction for head in heads), *rights.named(person.jurisdictions)}
        known |= {drill.jurisdiction for drill in await self._drills()}
        return sorted(
            (one for one in known if home_jurisdiction(one) == home and person.belongs_to(one)),
            key=lambda one: (is_exercise(one), one),
        )

    async def homes(self) -> set[str]:
        """Return what accounts may belong to: our city, and others that share the database."""
        heads = await self.intake.shared(self.store.heads)
        return {self.pack.jurisdiction, *(home_jurisdiction(head.jurisdiction) for head in heads)}

    async def starts_at(self, person: Person) -> str:
        """Return where a person's screens begin: in an exercise, the one that runs now."""
        chosen = person.jurisdiction or self.pack.jurisdiction
        if not person.belongs_to(chosen):
            # A link may lead where its account doesn't belong.
            chosen = rights.begins_at(person.jurisdictions) or chosen
        if not is_exercise(chosen):
            return chosen
        running = [
            drill.jurisdiction
            for drill in await self._drills()
            if drill.state == "running"
            and home_jurisdiction(drill.jurisdiction) == home_jurisdiction(chosen)
            and person.belongs_to(drill.jurisdiction)
        ]
        return running[0] if running and chosen not in running else chosen

    async def running_drills(self, person: Person) -> list[str]:
        """Return the exercises of a person in which a drill runs now, the newest first."""
        now = datetime.now(UTC)
        return [
            drill.jurisdiction
            for drill in await self._drills()
            if drill.is_driven(now) and person.belongs_to(drill.jurisdiction)
        ]

    async def allows(self, person: Person, jurisdiction: str) -> bool:
        """Whether a person may look and act in a jurisdiction that exists."""
        return person.belongs_to(jurisdiction) and await self._exists(jurisdiction, person)

    async def jurisdiction_for(self, person: Person, asked: str) -> str:
        """Return the jurisdiction of a request: the one asked for, or the session's own.

        Raises
        ------
        Problem
            403 when it isn't the person's, 404 when there is none of that name.
        """
        if not asked:
            asked = await self.starts_at(person)
        if not person.belongs_to(asked):
            raise Problem(403, "not_allowed", "jurisdiction", value=asked[:80])
        if not await self._exists(asked, person):
            home = self.pack.jurisdiction
            raise Problem(404, "unknown", "jurisdiction_unknown", value=asked[:80], home=home)
        return asked

    async def _exists(self, jurisdiction: str, person: Person) -> bool:
        home = self.pack.jurisdiction
        if not rights.runs_here(jurisdiction, {home}):
            # Another city's console may show it; our desk makes a dead letter of what comes for it.
            return False
        named = rights.named(person.jurisdictions)
        ours = (home, home + EXERCISE_MARK, person.jurisdiction, *named)
        if jurisdiction in ours or self.hub.known_seq(jurisdiction) is not None:
            return True
        heads = await self.intake.shared(self.store.heads)
        return any(head.jurisdiction == jurisdiction for head in heads)

    async def _drills(self) -> Sequence[Drill]:
        if time.monotonic() - self._drills_read_at > DRILLS_CACHED_S:
            self._known_drills = await self.intake.shared(self.store.drills)
            self._drills_read_at = time.monotonic()
        return self._known_drills

    async def room(self, jurisdiction: str) -> Room:
        """Return a jurisdiction's room for somebody who waits for an answer.

        Raises
        ------
        StoreBusyError
            It is still being read; try again.
        """
        try:
            async with asyncio.timeout(WITHIN_S):
                return await self.hub.room(jurisdiction)
        except TimeoutError as error:
            raise StoreBusyError(f"{jurisdiction} is still being read; try again") from error

    async def close(self) -> None:
        """Commit what waits in the inbox, and ask the database no more."""
        await self.readings.close()
        await self.sightings.close()
        await self.inbox.close()
        for ask in (self.intake, self.reads, self.journal):
            ask.close()

    # ── inputs ────────────────────────────────────────────────────────────────────────────────

    async def receive_report(
        self,
        report_id: UUID | None,
        jurisdiction: str,
        report: ev.ReportReceived,
        traceparent: str = "",
    ) -> tuple[str, datetime]:
        """Write a report down; return its id and when it was received.

        The same id again is the same report and gets the time of the first; what it says the
        second time is not looked at. ``traceparent`` is the sender's trace, if it has one.

        Raises
        ------
        StoreError
            Nothing was saved.
        Problem
            409: an exercise without a drill.
        """
        await self.let_in(jurisdiction)
        event_id = str(report_id or uuid_utils.uuid7())
        room = self.hub.known_room(jurisdiction)
        if room is not None:
            room.note_reporter(event_id, report.reporter)
        meaning = self.pack.meaning(report.code) if report.code else None
        with tracing.begun("intake", traceparent) as trace:
            standing = await self._put(
                jurisdiction,
                event_id,
                REPORTS,
                report.reporter,
                report,
                report.received_at,
                meaning.priority if meaning else PRIORITY_OF_TEXT,
                trace,
            )
        return event_id, standing.time

    async def hand_over(
        self,
        given: UUID | None,
        jurisdiction: str,
        account: str,
        payload: Payload,
        *,
        priority: int,
    ) -> str:
        """Write an order, a status or a task's report down for the desk; return its id.

        Raises
        ------
        StoreError
            Nothing was saved.
        Problem
            409: an exercise without a drill.
        """
        await self.let_in(jurisdiction)
        event_id = str(given or uuid_utils.uuid7())
        now = await self.clocks.now(jurisdiction)
        await self._put(jurisdiction, event_id, DESK, account, payload, now, priority)
        return event_id

    async def let_in(self, jurisdiction: str) -> None:
        """Return where inputs may enter a jurisdiction now.

        Raises
        ------
        Problem
            409: an exercise without a drill.
        """
        # It would make a journal with our time, in which no drill of another time can go on.
        if not await self.clocks.is_open(jurisdiction):
            raise Problem(409, "no_drill", "start_drill", value=jurisdiction)

    async def _put(
        self,
        jurisdiction: str,
        event_id: str,
        topic: str,
        account: str,
        payload: Payload,
        now: datetime,
        priority: int,
        trace: str = "",
    ) -> Event:
        """Return the event that the inbox holds under the id: this one, or the one before it."""
        exercise = is_exercise(jurisdiction)
        event = Event(
            id=event_id,
            source=f"/intake/{account}",
            time=now,
            jurisdiction=jurisdiction,
            exercise=exercise,
            traceparent=trace,
            data=payload,
        )
        body = encode(event)
        standing = await self.inbox.put(
            InboxRow(
                event_id=event_id,
                jurisdiction=jurisdiction,
                topic=topic_for(topic, exercise=exercise),
                key=jurisdiction,
                body=body,
                # Our wall clock, always: its age says whether the pipeline is late.
                received_at=datetime.now(UTC),
                exercise=exercise,
                priority=priority,
            )
        )
        return event if standing == body else decode(standing)
