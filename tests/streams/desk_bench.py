"""A desk's shell on a tiny city, for tests of it and of the pipeline around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.events import Event, decode
from models.inbox import InboxRow
from models.settings import Settings
from models.store import Store
from models.words import Channel, Grade
from playbooks.engine import PlaybookSet
from streams.desk_shell import DeskShell
from tests.dispatch.conftest import write_tiny_city
from tests.dispatch.desk_world import PLANS
from tests.waiting import until

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


class Bench:
    """A shell on the tiny city, and what it published."""

    def __init__(self, path: Path, *, plans: PlaybookSet = PLANS) -> None:
        self.settings = Settings(
            data_dir=path, snapshot_every=20, city=str(write_tiny_city(path / "tiny"))
        )
        self.pack = CityPack.load(self.settings.city_path)
        self.roads = RoadGraph.load(self.pack)
        self.store = Store(self.settings.database)
        self.store.migrate()
        self.published: list[tuple[str, bytes]] = []
        self.shells: list[DeskShell] = []
        self.plans = plans

    def shell(
        self,
        holds: Callable[[tuple[str, int]], bool] = lambda _: True,
        knock: Callable[[str], Awaitable[None]] | None = None,
        **changes: Any,
    ) -> DeskShell:
        """A shell as another process would have it, with its settings changed."""
        settings = self.settings.model_copy(update=changes)

        async def publish(jurisdiction: str, events: list[bytes]) -> None:
            self.published.extend((jurisdiction, event) for event in events)

        made = DeskShell(
            settings, self.store, self.pack, self.plans, self.roads, publish,
            holds=holds, knock=knock,
        )  # fmt: skip
        self.shells.append(made)
        return made

    def journal(self, jurisdiction: str = "tiny") -> list[Event]:
        """Everything in the journal, checked."""
        if self.store.head(jurisdiction) is None:
            return []
        self.store.verify(jurisdiction)
        return [decode(raw) for raw in self.store.read(jurisdiction, 0, 100_000)]

    def opened_by(self) -> list[str]:
        """The reports that incidents were opened by, in order."""
        return [e.cause for e in self.journal() if isinstance(e.data, ev.IncidentOpened)]

    def epoch(self) -> int:
        """How often the desk was claimed."""
        head = self.store.head("tiny")
        assert head is not None
        return head.epoch

    async def until(self, kind: type[ev.Payload], jurisdiction: str = "tiny") -> Event:
        """Wait for the first event of a kind."""
        found: list[Event] = []

        def is_there() -> bool:
            found[:] = [e for e in self.journal(jurisdiction) if isinstance(e.data, kind)]
            return bool(found)

        await until(is_there)
        return found[0]


def report(event_id: str, *, jurisdiction: str = "tiny", **changes: Any) -> Event:
    """A fire, as classify hands it to the desk."""
    data: dict[str, Any] = {
        "channel": Channel.CITIZEN,
        "received_at": NOW,
        "category": "accident.fire.structure",
        "priority": 1,
        "grade": Grade.IV,
        "confidence": 1.0,
        "lon": 119.405,
        "lat": 31.405,
        "attributes": {"source_incident": event_id},
        **changes,
    }
    return Event(
        id=event_id,
        source="/classify",
        time=NOW,
        jurisdiction=jurisdiction,
        exercise=".exercise" in jurisdiction,
        data=ev.ReportClassified(**data),
    )


def inbox_row(event_id: str) -> InboxRow:
    """The row that an acknowledged report of that id has."""
    return InboxRow(
        event_id=event_id,
        jurisdiction="tiny",
        topic="reports",
        key="tiny",
        body=b"",
        received_at=NOW,
    )
