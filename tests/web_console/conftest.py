"""A tiny city with a store on disk, and journals made of random but possible events."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from models import events as ev
from models.city import CityPack
from models.events import Event, encode
from models.inbox import UnfinishedRow
from models.lifecycles import AssignmentState, IncidentState, TaskState, UnitState
from models.registers import Drill
from models.settings import Settings
from models.store import Store, open_store
from models.words import Channel, Grade, Posture, Role
from tests.templates import sqlite_database
from tests.web_console.patience import only_patient_consoles, patient
from web_console.accounts import COOKIE
from web_console.app import create_app
from web_console.console import Console

HOME = "tiny"
DRILL = "tiny.exercise"
START = datetime(2026, 1, 1, 8, tzinfo=UTC)
STEPS = 9
CELLS = ("cell-a", "cell-b")


class JournalWriter:
    """Makes the next possible event out of two numbers: which kind, and about whom."""

    def __init__(self, jurisdiction: str = HOME) -> None:
        self.jurisdiction = jurisdiction
        self.events: list[Event] = []
        self._units: list[str] = []
        self._incidents: list[str] = []
        self._assignments: list[tuple[str, str, str]] = []
        self._tasks: list[tuple[str, str]] = []
        self._proposals: list[tuple[str, str]] = []
        self._closures: list[str] = []

    def write(self, step: int, which: int) -> None:
        """Append one or two events."""
        kinds: tuple[Callable[[int], None], ...] = (
            self.open_incident,
            self._register_unit,
            self._order,
            self._move,
            self._positions,
            self._task,
            self._propose,
            self._closure,
            self._end_incident,
        )
        kinds[step % STEPS](which)

    def append(self, data: ev.Payload, incident: str = "", event_id: str = "") -> Event:
        """Append an event."""
        seq = len(self.events) + 1
        event = Event(
            id=event_id or f"e{seq}",
            source="/desk",
            time=START + timedelta(seconds=seq),
            jurisdiction=self.jurisdiction,
            exercise=self.jurisdiction != HOME,
            subject=incident,
            seq=seq,
            data=data,
        )
        self.events.append(event)
        return event

    def open_incident(self, which: int, reporter: str = "") -> None:
        number = len(self._incidents) + 1
        incident, report = f"i{number}", f"r{number}"
        self.append(
            ev.ReportClassified(
                channel=Channel.WORKER,
                received_at=START,
                category="accident.fire",
                priority=1,
                grade=Grade.IV,
                confidence=1.0,
                reporter=reporter or f"worker{which % 3}",
            ),
            event_id=report,
        )
        self.append(
            ev.IncidentOpened(
                incident=incident,
                number=f"0101-{number}",
                report=report,
                category="accident.fire",
                priority=1,
                grade=Grade.IV,
                confidence=1.0,
                cell=("", *CELLS)[which % 3],
                received_at=START,
            ),
            incident,
        )
        self._incidents.append(incident)

    def _register_unit(self, which: int) -> None:
        unit = f"u{len(self._units) + 1}"
        self._units.append(unit)
        self.append(
            ev.UnitRegistered(
                unit=unit,
                kind="engine",
                skills=("fire_suppression",),
                owner="government",
                lon=119.4,
                lat=31.4,
            )
        )

    def _order(self, which: int) -> None:
        if not (self._units and self._incidents):
            return self._register_unit(which)
        unit = self._units[which % len(self._units)]
        incident = self._incidents[which % len(self._incidents)]
        assignment = f"a{len(self.events) + 1}"
        self._assignments.append((assignment, incident, unit))
        self.append(
            ev.AssignmentOrdered(
                assignment=assignment, incident=incident, unit=unit, requirement="r", by="x"
            ),
            incident,
        )
        return None

    def _move(self, which: int) -> None:
        if not self._assignments:
            return self._positions(which)
        assignment, incident, unit = self._assignments[which % len(self._assignments)]
        state = list(AssignmentState)[which % len(AssignmentState)]
        self.append(
            ev.AssignmentMoved(assignment=assignment, incident=incident, unit=unit, state=state),
            incident,
        )
        return None

    def _positions(self, which: int) -> None:
        places = dict.fromkeys(self._units[: which % 5], (119.0 + which / 1000, 31.0))
        self.append(ev.UnitPositionsReported(positions=places))
        if self._units and which % 4 == 0:
            unit = self._units[which % len(self._units)]
            self.append(ev.UnitMoved(unit=unit, state=UnitState.AVAILABLE))

    def _task(self, which: int) -> None:
        if self._tasks and which % 2:
            task, incident = self._tasks[which % len(self._tasks)]
            self.append(
                ev.TaskMoved(task=task, incident=incident, state=TaskState.DONE, by="worker1")
            )
        elif self._incidents:
            incident = self._incidents[which % len(self._incidents)]
            task = f"t{len(self.events) + 1}"
            self._tasks.append((task, incident))
            self.append(
                ev.TaskAssigned(
                    task=task,
                    incident=incident,
                    title={"zh": "核查", "en": "Check"},
                    role=Role.GRID_WORKER.value,
                    due=START + timedelta(hours=1),
                    assignee=("", "worker1", "worker2")[which % 3],
                    cell=("", *CELLS)[which % 3],
                ),
                incident,
            )

    def _propose(self, which: int) -> None:
        if not self._incidents:
            return self.open_incident(which)
        if self._proposals and which % 3 == 0:
            proposal, incident = self._proposals.pop()
            self.append(
                ev.ProposalWithdrawn(proposal=proposal, incident=incident, why="x"), incident
            )
            return None
        incident = self._incidents[which % len(self._incidents)]
        proposal = f"p{len(self.events) + 1}"
        self._proposals = [known for known in self._proposals if known[1] != incident]
        self._proposals.append((proposal, incident))
        self.append(ev.ProposalMade(proposal=proposal, incident=incident, choices=()), incident)
        return None

    def _closure(self, which: int) -> None:
        if self._closures and which % 2:
            self.append(ev.RoadReopened(closure=self._closures.pop()))
            return
        closure = f"c{len(self.events) + 1}"
        self._closures.append(closure)
        self.append(ev.RoadClosed(closure=closure, lon=119.4, lat=31.4, radius_m=50.0))
        self.append(ev.PostureSet(posture=list(Posture)[which % 2], by="x"))

    def _end_incident(self, which: int) -> None:
        if not self._incidents:
            return self.open_incident(which)
        incident = self._incidents.pop(which % len(self._incidents))
        self._tasks = [known for known in self._tasks if known[1] != incident]
        self._assignments = [known for known in self._assignments if known[1] != incident]
        self._proposals = [known for known in self._proposals if known[1] != incident]
        self.append(ev.IncidentMoved(incident=incident, state=IncidentState.CLOSED), incident)
        return None


class FakeJournal:
    """A journal in memory; ``count`` reads."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.bodies = [encode(event) for event in events]
        self.snapshot: bytes | None = None
        self.reads = 0

    def latest_snapshot(self, jurisdiction: str) -> bytes | None:
        return self.snapshot

    def read(self, jurisdiction: str, after_seq: int, limit: int) -> list[bytes]:
        self.reads += 1
        return self.bodies[after_seq : after_seq + limit]


@pytest.fixture
def journal_writer() -> type[JournalWriter]:
    """Makes journals."""
    return JournalWriter


@pytest.fixture
def fake_journal() -> type[FakeJournal]:
    """A journal in memory."""
    return FakeJournal


@pytest.fixture(scope="session")
def tiny_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nodes, two streets, one engine, one cell."""
    path = tmp_path_factory.mktemp("cities") / "tiny"
    path.mkdir()
    (path / "city.yaml").write_text(
        "id: tiny\nnames: {zh: 小城, en: Tiny}\ntimezone: Asia/Shanghai\njurisdiction: tiny\n"
        "center: [119.4, 31.4]\nzoom: 12\ndatum: WGS-84\nattribution: nobody\n",
        encoding="utf-8",
    )
    (path / "codes.yaml").write_text("codes: {}\n")
    (path / "units.csv").write_text(
        "id,kind,skills,owner,station,lon,lat,call_sign\n"
        "E1,engine,fire_suppression,government,,119.4,31.4,E1\n"
    )
    (path / "facilities.csv").write_text("id,kind,name_zh,name_en,lon,lat\n")
    ring = [[119.3, 31.3], [119.5, 31.3], [119.5, 31.5], [119.3, 31.5], [119.3, 31.3]]
    properties = {
        "code": "cell-a",
        "name_zh": "甲",
        "name_en": "A",
        "town": "t",
        "jurisdiction": HOME,
        "worker": "worker1",
    }
    feature = {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (path / "cells.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]})
    )
    with gzip.open(path / "roads_nodes.csv.gz", "wt") as file:
        file.write("id,lon,lat\n1,119.4,31.4\n2,119.41,31.4\n")
    with gzip.open(path / "roads_edges.csv.gz", "wt", encoding="utf-8") as file:
        file.write(
            "id,u,v,length_m,road_class,speed_kmh,oneway,name,layer,geometry\n"
            "1,1,2,900,arterial,40,B,人民路,S,119.4 31.4;119.41 31.4\n"
            "2,1,2,900,arterial,40,B,人民路,S,119.41 31.4;119.42 31.4\n"
            "3,2,1,900,residential,30,F,,S,119.41 31.4;119.40 31.41\n"
        )
    return path


@pytest.fixture
def settings(tmp_path: Path, tiny_city: Path) -> Settings:
    """Settings of an installation in a temporary folder."""
    return Settings(
        data_dir=tmp_path, cities_dir=tiny_city.parent, city="tiny", language="en", heartbeat_s=0.2
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A migrated database."""
    sqlite_database(settings.data_dir / "gridcommand.db")
    store = open_store(settings)
    yield store
    store.close()


@pytest.fixture
async def console(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Console]:
    """The parts of a console, nothing started; it gives no call of the database up."""
    only_patient_consoles(monkeypatch)
    console = patient(Console(settings, store, CityPack.load(settings.city_path)))
    yield console
    await console.inbox.close()


@pytest.fixture
def app(console: Console) -> FastAPI:
    """The application."""
    return create_app(console)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody signed in."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


SignInAs = Callable[..., str]


@pytest.fixture
def token_of(store: Store) -> SignInAs:
    """Make an account (once) and a session; return its token."""

    def make(name: str, role: Role, *jurisdictions: str, cells: tuple[str, ...] = ()) -> str:
        now = datetime.now(UTC)
        account = store.account(name) or store.add_account(
            name, role, at=now, jurisdictions=jurisdictions or ("*",), cells=cells
        )
        return store.open_session(account, at=now, hours=1)

    return make


@pytest.fixture
def sign_in(client: httpx.AsyncClient, token_of: SignInAs) -> SignInAs:
    """Sign the client in as somebody."""

    def enter(name: str, role: Role, *jurisdictions: str, cells: tuple[str, ...] = ()) -> str:
        token = token_of(name, role, *jurisdictions, cells=cells)
        client.cookies.set(COOKIE, token)
        return token

    return enter


@pytest.fixture
def begin_drill(store: Store) -> Callable[..., datetime]:
    """Begin a drill, at sixty times life, at a time by the wall's clock; return its own time."""
    night = datetime(2017, 1, 1, tzinfo=UTC)

    def begin(at: datetime, *, paused: bool = False) -> datetime:
        store.put_drill(
            Drill(
                jurisdiction=DRILL,
                name="night",
                recording="x",
                recording_sha256="x",
                speed=60.0,
                anchor_sim=night,
                anchor_wall=at,
                updated_at=at,
                paused=paused,
            )
        )
        return night

    return begin


def inbox(store: Store) -> list[UnfinishedRow]:
    """What was acknowledged and no desk has decided."""
    return store.unfinished_after(0, 1000)
