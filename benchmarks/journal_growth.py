"""A year of a city's journal: its size, and that nothing people wait for grows with it.

    python benchmarks/journal_growth.py --events 10000000

The recorded week goes through the desk once; its journal, under new ids and with its times drawn
out to a year, is written again and again by the store's own commits until there are ``events``.
Then, on the year as it is: what a desk takes to start (``desk_start_s``: snapshot and tail), and
with ``gridcommand up`` over it what a commander's page takes until it has everything
(``console_open_s``) and a screen that was away until it has what it missed (``resume_ms``). Then
the months that ended are archived, and all is proven: by parts (``verify_live_s``, the longest
month in ``verify_month_s``) and whole (``verify_s``). What people wait for also stands as a
multiple of ``yardstick_ms``, a fixed loop measured in the same run (``…_yardsticks``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from report import Yardstick, print_result
from running import live_url
from sqlalchemy import text
from websockets.asyncio.client import connect
from websockets.typing import Origin

from dispatch.desk import Desk
from dispatch.policy import Policy
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand.rehearsal.system import OwnSystem, running_system
from models.city import CityPack
from models.database import transaction
from models.events import Event, encode
from models.fold import apply
from models.settings import CHECKOUT, Settings
from models.situation import Incident, Situation, dump
from models.steps import Entity
from models.store import Store
from models.words import Role
from playbooks.engine import PlaybookSet
from streams.fast import replay
from streams.recording import Recording
from streams.seats import read_situation
from web_console.accounts import COOKIE

CITY = CHECKOUT / "cities" / "san_francisco"
PLANS = CHECKOUT / "playbooks" / "plans" / "san_francisco"
AT_ONCE = 5000
AWAY = 200
"""Events that the screen missed which comes back."""
TIMES = 5


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000, help="journal events of the year")
    parser.add_argument("--hours", type=float, help="only the first so many hours of the week")
    parser.add_argument("--database", default="", help="an empty PostgreSQL's SQLAlchemy URL")
    parser.add_argument("--folder", type=Path, help="where to make it; a temporary one otherwise")
    options = parser.parse_args()
    yardstick = Yardstick()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder = Path(scratch)
        pack = CityPack.load(CITY)
        store = Store(
            options.database or f"sqlite:///{folder / 'gridcommand.db'}", folder / "archive"
        )
        store.migrate()
        week = _week(pack, options.hours)
        began = time.perf_counter()
        count = _write_year(store, pack.jurisdiction, week, options.events)
        figures = {"write_events_per_s": count / (time.perf_counter() - began)}
        say(f"{count} events written")
        figures["size_mb"] = _size_mb(store, folder)
        figures["desk_start_s"] = _desk_start_s(store, pack, folder)
        environment = {"GRIDCOMMAND_DATABASE_URL": options.database} if options.database else {}
        with running_system(folder, environment=environment) as system:
            figures["up_s"] = system.ready_s
            figures |= asyncio.run(_screens(system, store, pack.jurisdiction))
        figures |= _archive(store, pack.jurisdiction)
        figures["size_after_mb"] = _size_mb(store, folder)
        store.close()
    waited = {name: figures[f"{name}_s"] * 1000 for name in ("desk_start", "console_open")}
    figures |= yardstick.figures(**waited, resume=figures["resume_ms"])
    print_result(
        "journal_growth",
        seed=None,
        size={"events": count, "database": "PostgreSQL" if options.database else "SQLite"},
        figures=figures,
    )


def say(sentence: str) -> None:
    """Tell how far it is."""
    print(sentence, file=sys.stderr, flush=True)


def _week(pack: CityPack, hours: float | None) -> list[Event]:
    recording = Recording.load(CITY / "drills" / "new_year_2017.jsonl.gz")
    until = None if hours is None else recording.described.first + timedelta(hours=hours)
    events: list[Event] = []
    replay(
        recording, pack, PlaybookSet.load(PLANS), until=until, observe=events.append, progress=say
    )
    return events


def _write_year(store: Store, home: str, week: list[Event], wanted: int) -> int:
    rounds = max(1, round(wanted / len(week)))
    now = datetime.now(UTC)
    slot = timedelta(days=365) / rounds
    span = week[-1].time - week[0].time
    incidents = _incidents(week)
    lease = store.claim(home, exercise=False, at=now)
    for number in range(rounds):
        is_last = number == rounds - 1
        since = now - slot * (rounds - number)
        situation = Situation(jurisdiction=home, exercise=False, seq=lease.seq)
        tail = len(week) - Settings.model_fields["snapshot_every"].default // 2
        for start in range(0, len(week), AT_ONCE):
            # The last round is the one that a desk and the screens go on from.
            made = list(
                _moved(week[start : start + AT_ONCE], start, lease.seq, home, since,
                       slot / span, "" if is_last else f"{number}.", week[0].time)
            )  # fmt: skip
            snapshot = None
            if is_last:
                for event in made:
                    apply(situation, event)
                if start <= tail < start + AT_ONCE:
                    snapshot = dump(situation)
            entities: list[Entity] = []
            if start == 0 and not is_last:
                entities = [
                    msgspec.structs.replace(
                        one, id=f"{number}.{one.id}", opened_at=since, closed_at=since + slot
                    )
                    for one in incidents
                ]
            lease = store.commit_step(
                lease,
                made,
                [encode(event) for event in made],
                wall=now,
                entities=entities or (list(situation.incidents.values()) if snapshot else ()),
                snapshot=snapshot,
            )
        say(f"{lease.seq} events")
    return lease.seq


def _moved(
    events: list[Event], start: int, seq: int, home: str, since: datetime, pace: float,
    prefix: str, origin: datetime,
) -> Iterator[Event]:  # fmt: skip
    for number, event in enumerate(events, 1):
        yield msgspec.structs.replace(
            event,
            id=f"{since:%y%m%d%H%M}.{start + number}",
            time=since + (event.time - origin) * pace,
            jurisdiction=home,
            exercise=False,
            subject=prefix + event.subject if event.subject else "",
            seq=seq + number,
        )


def _incidents(week: list[Event]) -> list[Incident]:
    """Every incident of the week as it ended."""
    situation = Situation(jurisdiction=week[0].jurisdiction, exercise=True)
    found: dict[str, Incident] = {}
    for event in week:
        for kind, name in apply(situation, event):
            if kind == "incidents" and name in situation.incidents:
                found[name] = situation.incidents[name]
    return list(found.values())


def _size_mb(store: Store, folder: Path) -> float:
    if store.url.startswith("sqlite"):
        return sum(one.stat().st_size for one in folder.glob("gridcommand.db*")) / 1e6
    with transaction(store._engine, writes=False) as connection:
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        return float(size) / 1e6


def _desk_start_s(store: Store, pack: CityPack, folder: Path) -> float:
    graph, playbooks = RoadGraph.load(pack), PlaybookSet.load(PLANS)
    TravelTimes.of_pack(graph, pack, cache_dir=folder / "cache")  # once for a city, then on disk
    began = time.perf_counter()
    store.claim(pack.jurisdiction, exercise=False, at=datetime.now(UTC))
    situation = read_situation(store, pack.jurisdiction)
    travel = TravelTimes.of_pack(graph, pack, cache_dir=folder / "cache")
    Desk(situation, pack, playbooks, travel, Policy())
    return time.perf_counter() - began


async def _screens(system: OwnSystem, store: Store, home: str) -> dict[str, float]:
    token = system.session(Role.COMMANDER)
    cookie = {"Cookie": f"{COOKIE}={token}"}
    began = time.perf_counter()
    async with aiohttp.ClientSession(system.base_url, headers=cookie) as client:
        for page in ("/", "/api/session", "/api/incidents?limit=100"):
            async with client.get(page) as answer:
                answer.raise_for_status()
                await answer.read()
    url = await live_url(system, token)
    seq, _ = await _hello(system, url, cookie, home, None)
    open_s = time.perf_counter() - began
    resumes = []
    for _ in range(TIMES):
        _, took = await _hello(system, url, cookie, home, seq - AWAY)
        resumes.append(took)
    head = store.head(home)
    assert head is not None
    assert head.seq >= seq
    return {"console_open_s": open_s, "resume_ms": 1000 * sorted(resumes)[TIMES // 2]}


async def _hello(
    system: OwnSystem, url: str, cookie: dict[str, str], home: str, seq: int | None
) -> tuple[int, float]:
    began = time.perf_counter()
    async with connect(
        url, additional_headers=cookie, origin=Origin(system.base_url), max_size=None,
        compression=None,
    ) as channel:  # fmt: skip
        await channel.send(json.dumps({"type": "hello", "jurisdiction": home, "seq": seq}))
        async for frame in channel:
            said: dict[str, Any] = json.loads(frame)
            if said["type"] in ("snapshot", "delta"):
                return int(said["seq"]), time.perf_counter() - began
    raise SystemExit("the live channel closed without a word")


def _archive(store: Store, home: str) -> dict[str, float]:
    until = (datetime.now(UTC) - timedelta(days=90)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    began = time.perf_counter()
    made = store.archive_before(home, until, datetime.now(UTC), say)
    figures = {
        "archive_s": time.perf_counter() - began,
        "archive_mb": sum(one.size for one in made) / 1e6,
        "archived_months": float(len(made)),
    }
    began = time.perf_counter()
    store.verify(home, archived=False)
    figures["verify_live_s"] = time.perf_counter() - began
    if made:
        longest = max(made, key=lambda one: one.size)
        began = time.perf_counter()
        store.verify_segment(longest)
        figures["verify_month_s"] = time.perf_counter() - began
    began = time.perf_counter()
    store.verify(home, tell=say)
    figures["verify_s"] = time.perf_counter() - began
    return figures


if __name__ == "__main__":
    main()
