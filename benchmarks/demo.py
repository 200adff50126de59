"""What `make demo` starts: how soon the first incident is on a screen, what it holds in memory.

    python benchmarks/demo.py --speed 60 --minutes 5
    python benchmarks/demo.py --speed 600 --to-end

Starts ``gridcommand up --demo`` on a fresh folder and watches the drill as a commander's screen
does. ``first_incident_s`` runs from the start of the command to the frame that shows the first
incident; ``first_incident_yardsticks`` is the same as a multiple of ``yardstick_ms``, a fixed
loop measured in the same run. Memory is the resident size of all processes together, the watching
one not counted.
``--to-end`` waits for the drill's end and counts what became of each recorded call:
``unaccounted`` are those that are neither in an incident nor a dead letter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from report import Yardstick, print_result
from running import live_url
from websockets.asyncio.client import connect
from websockets.typing import Origin

from gridcommand.rehearsal.system import OwnSystem, running_system
from models.events import IncidentOpened, ReportLinked, ReportReceived, decode
from models.registers import Drill
from models.settings import Settings
from models.situation import Incident
from models.store import Store
from models.words import Role
from streams.recording import Recording
from web_console.accounts import COOKIE

DRILL_S = 30.0
SAMPLE_S = 10.0


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--city", default="san_francisco")
    parser.add_argument("--speed", type=float, default=60.0, help="times life")
    parser.add_argument("--minutes", type=float, default=5.0, help="of wall time")
    parser.add_argument("--to-end", action="store_true", help="wait for the drill's end instead")
    parser.add_argument("--keep", type=Path, help="use this data folder and leave it")
    options = parser.parse_args()
    yardstick = Yardstick()
    city = {"GRIDCOMMAND_CITY": options.city}
    arguments = ("--demo", "--city", options.city, "--speed", str(options.speed))
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_system(options.keep or Path(scratch), *arguments, environment=city) as system,
    ):
        store = system.store()
        drill = _drill(store)
        seen = asyncio.run(_first_incident(system, drill.jurisdiction))
        figures = {"up_s": system.ready_s, "first_incident_s": seen - system.began}
        seconds = None if options.to_end else options.minutes * 60
        figures |= _memory(system, store, drill.jurisdiction, seconds)
        if options.to_end:
            figures |= _account(system.settings, store, drill)
        store.close()
    figures |= yardstick.figures(first_incident=1000 * figures["first_incident_s"])
    size = {"city": options.city, "speed": options.speed, "wall_s": round(figures.pop("wall_s"))}
    print_result("demo", seed=None, size=size, figures=figures)


def _drill(store: Store) -> Drill:
    deadline = time.monotonic() + DRILL_S
    while time.monotonic() < deadline:
        for drill in store.drills():
            return drill
        time.sleep(0.05)
    raise SystemExit("no drill began")


class _Changes(msgspec.Struct):
    incidents: list[msgspec.Raw] = []


class _Frame(msgspec.Struct):
    upsert: _Changes = msgspec.field(default_factory=_Changes)
    situation: _Changes = msgspec.field(default_factory=_Changes)


async def _first_incident(system: OwnSystem, jurisdiction: str) -> float:
    token = system.session(Role.COMMANDER)
    async with connect(
        await live_url(system, token),
        additional_headers={"Cookie": f"{COOKIE}={token}"},
        origin=Origin(system.base_url),
        max_size=None,
        compression=None,
    ) as screen:
        await screen.send(json.dumps({"type": "hello", "jurisdiction": jurisdiction, "seq": None}))
        async for frame in screen:
            told = msgspec.json.decode(frame, type=_Frame)
            if told.upsert.incidents or told.situation.incidents:
                return time.monotonic()
    raise SystemExit("the live channel closed before an incident came")


def _memory(
    system: OwnSystem, store: Store, jurisdiction: str, seconds: float | None
) -> dict[str, float]:
    """Watch until the time is up, or the drill's end; MB at one minute, at half, at the end."""
    began = time.monotonic()
    samples: list[tuple[float, float]] = []
    while True:
        elapsed = time.monotonic() - began
        samples.append((elapsed, system.resident_mb()))
        print(f"{elapsed:6.0f} s  {samples[-1][1]:6.0f} MB", file=sys.stderr, flush=True)
        if seconds is not None and elapsed >= seconds:
            break
        drill = store.drill(jurisdiction)
        if seconds is None and (drill is None or drill.state != "running"):
            break
        time.sleep(SAMPLE_S)
    half = samples[len(samples) // 2 :]
    return {
        "wall_s": samples[-1][0],
        "mb_after_60_s": next((mb for at, mb in samples if at >= 60), samples[-1][1]),
        "mb_half_way": half[0][1],
        "mb_end": samples[-1][1],
        "mb_most": max(mb for _, mb in samples),
    }


def _account(settings: Settings, store: Store, drill: Drill) -> dict[str, float]:
    """Say what became of each recorded call, and check the journal."""
    recording = Recording.load(settings.city_path / "drills" / drill.recording)
    calls = {e.id for e in recording.happenings() if isinstance(e.data, ReportReceived)}
    letters = store.count_dead_letters(jurisdiction=drill.jurisdiction)
    ended, going = _calls_in(store, drill.jurisdiction)
    head = store.verify(drill.jurisdiction)
    return {
        "calls": len(calls),
        "closed": ended,
        "open": going,
        "dead_letters": letters,
        "unaccounted": len(calls) - ended - going - letters,
        "journal_events": head.seq,
        "journal_verified": 1,
    }


def _calls_in(store: Store, jurisdiction: str) -> tuple[int, int]:
    """How many reports are in incidents that ended, and how many in others."""
    ended: set[str] = set()
    last: Incident | None = None
    while page := store.find_incidents(
        jurisdiction,
        opened_before=last.opened_at if last else None,
        before_id=last.id if last else "",
    ):
        for raw in page:
            last = msgspec.json.decode(raw, type=Incident)
            if last.ended:
                ended.add(last.id)
    # An incident's row has the newest of very many reports only.
    incident_of: dict[str, str] = {}
    for entry in store.entries(jurisdiction):
        data = decode(entry.body).data
        if isinstance(data, IncidentOpened | ReportLinked):
            incident_of[data.report] = data.incident
    closed = sum(incident in ended for incident in incident_of.values())
    return closed, len(incident_of) - closed


if __name__ == "__main__":
    main()
