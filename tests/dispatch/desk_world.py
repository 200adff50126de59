"""A desk on the tiny city, driven by hand: the harness of the desk's tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from dispatch.wanted import missing
from models import events as ev
from models.city import CityPack
from models.events import Event, Payload
from models.lifecycles import UnitState
from models.situation import Situation
from models.words import EXERCISE_MARK, Channel, Grade, Role
from playbooks.engine import PlaybookSet

PLANS = PlaybookSet.load(Path(__file__).parent / "plans")
START = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
WEST, SOUTH, STEP = 119.40, 31.40, 0.005


class DeskWorld:
    """A desk, its journal so far, and short words for what happens to it."""

    def __init__(
        self,
        city: CityPack,
        roads: RoadGraph,
        *,
        automatic: tuple[int, ...] = (1,),
        exercise: bool = False,
        policy: Policy | None = None,
        plans: PlaybookSet | None = None,
    ) -> None:
        self.policy = policy or Policy()
        self.city, self.roads = city, roads
        self.plans = plans or PLANS
        self.jurisdiction = city.jurisdiction + (EXERCISE_MARK if exercise else "")
        self.exercise = exercise
        self.now = START
        self.journal: list[Event] = []
        self.inputs: list[Event] = []
        self.desk = self.new_desk()
        self.say(
            ev.DeskOpened(
                city=city.id,
                pack_hash=city.pack_hash,
                playbooks_hash=self.plans.hash,
                automatic_priorities=automatic,
                correlation_radius_m=150.0,
                correlation_window_s=1800.0,
            )
        )
        for unit in city.units:
            self.say(
                ev.UnitRegistered(
                    unit=unit.id,
                    kind=unit.kind,
                    skills=unit.skills,
                    owner=unit.owner,
                    lon=unit.lon,
                    lat=unit.lat,
                )
            )

    def new_desk(self, situation: Situation | None = None) -> Desk:
        """Make a second desk on the same city; without a situation, one that knows nothing."""
        if situation is None:
            situation = Situation(jurisdiction=self.jurisdiction, exercise=self.exercise)
        return Desk(
            situation,
            self.city,
            self.plans,
            TravelTimes.of_pack(self.roads, self.city),
            self.policy,
        )

    @property
    def situation(self) -> Situation:
        """The desk's situation."""
        return self.desk.situation

    def event(self, payload: Payload, *, event_id: str = "", late_s: float = 0.0) -> Event:
        """Make an input of now, or of some time ago; an order that names no right has them all."""
        if isinstance(payload, ev.Order) and not payload.jurisdictions:
            payload = msgspec.structs.replace(
                payload, role=Role.COMMANDER, jurisdictions=(self.city.jurisdiction,)
            )
        return Event(
            id=event_id or f"e{len(self.inputs)}",
            source="/test",
            time=self.now - timedelta(seconds=late_s),
            jurisdiction=self.jurisdiction,
            exercise=self.exercise,
            data=payload,
        )

    def say(self, payload: Payload, *, event_id: str = "", late_s: float = 0.0) -> list[Event]:
        """Hand the desk one input now."""
        return self.hand(self.event(payload, event_id=event_id, late_s=late_s))

    def hand(self, event: Event) -> list[Event]:
        """Hand the desk an input that was made before."""
        self.inputs.append(event)
        made = self.desk.step(event)
        self.journal.extend(made)
        return made

    def settle(self) -> list[Event]:
        """Tick as long as the desk wants one now."""
        made: list[Event] = []
        for _ in range(500):
            due = self.desk.next_due()
            if due is None or due > self.now:
                return made
            made += self.say(ev.ClockTicked())
        raise AssertionError("the desk never stops asking for a tick")

    def wait(self, seconds: float) -> list[Event]:
        """Let time pass, with every tick that falls into it."""
        end, made = self.now + timedelta(seconds=seconds), self.settle()
        while (due := self.desk.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            made += self.settle()
        self.now = end
        return made

    def report(self, category: str = "accident.fire.structure", **changes: Any) -> list[Event]:
        """Report something at the crossing ``(column, row)`` = ``at``."""
        column, row = changes.pop("at", (1, 1))
        fields: dict[str, Any] = {
            "channel": Channel.HOTLINE,
            "received_at": self.now,
            "category": category,
            "priority": 1,
            "grade": Grade.IV,
            "confidence": 1.0,
            "lon": WEST + column * STEP,
            "lat": SOUTH + row * STEP,
            "cell": "tiny-r0c0",
        }
        return self.say(ev.ReportClassified(**{**fields, **changes}))

    def status(self, unit: str, *states: UnitState) -> list[Event]:
        """Let a crew say its states one after another."""
        return [e for s in states for e in self.say(ev.UnitStatusReported(unit=unit, state=s))]

    def incident_ids(self) -> list[str]:
        """Ids of all incidents still in the situation."""
        return list(self.situation.incidents)


def of(events: Iterable[Event], *kinds: type[Payload]) -> list[Any]:
    """Return the payloads of these kinds."""
    return [event.data for event in events if isinstance(event.data, kinds)]


def undecided(world: DeskWorld) -> Iterator[str]:
    """Incidents that lack somebody, and nobody can see who comes or why not."""
    situation = world.situation
    for incident in [one for one in situation.incidents.values() if not one.ended]:
        lacking = {requirement.key: gap for requirement, gap in missing(situation, incident)}
        proposal = situation.proposals.get(incident.proposal)
        said = dict(proposal.shortage) if proposal is not None else {}
        for choice in proposal.choices if proposal is not None else ():
            if choice.chosen is not None:
                said[choice.requirement] = said.get(choice.requirement, 0) + 1
                if choice.chosen.also:
                    said[choice.chosen.also] = said.get(choice.chosen.also, 0) + 1
        if any(said.get(key, 0) < gap for key, gap in lacking.items()):
            yield f"{incident.id} {incident.category} lacks {lacking}, is told {said}"
