"""A fast replay's report: policies on the same night, as data, with a certificate.

For: ``gridcommand drill run --fast --out FILE``. Replays a recording once for each policy, under
the same load, fleet and closures, and gives one JSON document and one page
(:mod:`streams.fast_page`). Nothing of the wall clock is in it: the same run gives the same bytes
and so the same certificate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from dispatch.policy import Policy
from dispatch.roads import AreaClosure, CircleClosure, Closure, RoadGraph
from models.city import CityPack
from models.events import CloseRoad, Event, Point, ReportReceived
from models.geodesy import to_wgs84
from models.words import Role
from playbooks.engine import PlaybookSet
from streams.errors import RecordingError
from streams.fast import FastResult, replay
from streams.measures import URGENT, Measures
from streams.overload import Overload
from streams.recording import Recording
from streams.verdict import differences

ROOMS = ("models", "playbooks", "dispatch", "streams")
SOLVERS = ("ortools", "routingkit-cch", "numpy")
"""Whose versions may change an answer too."""


class _Closure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A closure of a ``--closures`` file; ``since`` and ``until`` are times with zone."""

    id: str
    lon: float | None = None
    lat: float | None = None
    radius_m: float | None = None
    ring: tuple[Point, ...] = ()
    edges: tuple[str, ...] = ()
    speed: float = 0.0
    since: datetime | None = None
    until: datetime | None = None
    reason: str = ""


_CLOSURES_EXAMPLE = (
    '{"closures": [{"id": "bridge", "lon": -122.39, "lat": 37.78, "radius_m": 50, '
    '"since": "2017-01-01T09:00:00Z"}]}'
)


class _Closures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    closures: tuple[_Closure, ...]


def read_closures(path: Path, recording: Recording, graph: RoadGraph) -> list[Event]:
    """Return the orders of a file of closures, by time.

    The file is JSON: ``{"closures": [{"id", "lon", "lat", "radius_m", "since", "until",
    "reason"}]}``; without ``since`` a closure stands from the beginning. Instead of a place and a
    radius it may have a ``ring`` or ``edges``; with a ``speed`` it is a slow zone.

    Raises
    ------
    RecordingError
        The file can't be read, or a closure is none or closes no street of the city; the message
        says which and why.
    """
    try:
        read = msgspec.json.decode(path.read_bytes(), type=_Closures)
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise RecordingError(
            f"{path}: no file of closures: {error}; it looks like {_CLOSURES_EXAMPLE}"
        ) from error
    orders = []
    seen: set[str] = set()
    for number, one in enumerate(read.closures):
        where = f"{path}: closures[{number}] {one.id!r}"
        if one.id in seen:
            raise RecordingError(f"{where}: the id is given twice")
        seen.add(one.id)
        if problem := _problem(one) or _misses(one, graph):
            raise RecordingError(f"{where}: {problem}")
        since = one.since or recording.described.first
        if since.tzinfo is None or (one.until is not None and one.until.tzinfo is None):
            raise RecordingError(f"{where}: since and until need a zone, such as Z at the end")
        if one.until is not None and one.until <= since:
            raise RecordingError(f"{where}: it ends at {one.until}, before it begins at {since}")
        orders.append(
            Event(
                id=f"closure/{one.id}",
                source="/closures",
                time=since,
                jurisdiction=recording.jurisdiction,
                exercise=True,
                data=CloseRoad(
                    closure=one.id,
                    lon=one.lon,
                    lat=one.lat,
                    radius_m=one.radius_m,
                    ring=one.ring,
                    edges=one.edges,
                    speed=one.speed,
                    until=one.until,
                    by="drill",
                    role=Role.DISPATCHER,
                    jurisdictions=(recording.jurisdiction,),
                    reason=one.reason,
                ),
            )
        )
    return sorted(orders, key=lambda order: (order.time, order.id))


def _problem(one: _Closure) -> str:
    """Return what is wrong with where or how slow a closure is, or nothing."""
    around = one.lon is not None and one.lat is not None and one.radius_m is not None
    if [around, bool(one.ring), bool(one.edges)].count(True) != 1:
        return "say where: lon, lat and radius_m, or a ring, or edges"
    places = [*one.ring, *([(one.lon, one.lat)] if around else [])]
    for lon, lat in places:
        if lon is None or lat is None or not (-180 <= lon <= 180 and -90 <= lat <= 90):
            return f"lon {lon}, lat {lat} is no place on earth"
    if one.ring and len(one.ring) < 3:
        return f"a ring has at least 3 corners, not {len(one.ring)}"
    if one.radius_m is not None and not 0 < one.radius_m <= 20_000:
        return f"radius_m {one.radius_m} must be in (0, 20000]"
    if not 0 <= one.speed < 1:
        return f"speed {one.speed} must be in [0, 1)"
    return ""


def _misses(one: _Closure, graph: RoadGraph) -> str:
    """Return that a closure names no street of the city, or nothing."""
    if unknown := [edge for edge in one.edges if not graph.has_edge(edge)]:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        named = ", ".join(map(repr, unknown[:3]))
        return f"edges: the city has no street {named}{more} (ids are in roads_edges.csv.gz)"
    area: Closure | None = None
    if one.ring:
        area = AreaClosure(one.ring)
    elif one.lon is not None and one.lat is not None and one.radius_m is not None:
        area = CircleClosure(one.lon, one.lat, one.radius_m)
    if area is not None and not graph.edges_in(area):
        return "no street of the city lies there; are lon and lat the right way round?"
    return ""


def compare(
    recording: Recording,
    pack: CityPack,
    playbooks: PlaybookSet,
    policies: Sequence[Policy],
    *,
    load: float = 1.0,
    seed: int = 1,
    closures: Path | None = None,
    fleet: Path | None = None,
    journal: Path | None = None,
    progress: Callable[[str], None] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> tuple[dict[str, Any], dict[str, Measures], dict[str, FastResult]]:
    """Replay a recording under each policy.

    Parameters
    ----------
    fleet
        A table of units that go instead of the pack's and the recording's.

    Returns
    -------
    tuple
        The report, and by the policy's name its measures and the replay's result.
    """
    graph = RoadGraph.load(pack)
    if fleet is not None:
        pack, recording = pack.with_fleet(fleet), replace(recording, units=())
    orders: Iterable[Event] = read_closures(closures, recording, graph) if closures else ()
    inputs = {
        "recording": recording.path.name,
        "recording_sha256": _hash(recording.path.read_bytes()),
        "city": pack.id,
        "pack_sha256": pack.pack_hash,
        "playbooks_sha256": playbooks.hash,
        "closures_sha256": _hash(closures.read_bytes()) if closures else "",
        "fleet_sha256": _hash(fleet.read_bytes()) if fleet else "",
        "calls_outside_the_city": _outside(recording, pack),
    }
    calls = recording if load == 1 else Overload.of(recording, load, seed)
    measured: dict[str, Measures] = {}
    results: dict[str, FastResult] = {}
    for policy in policies:
        measured[policy.name] = Measures()
        results[policy.name] = replay(
            calls,
            pack,
            playbooks,
            policy,
            out=journal if policy is policies[0] else None,
            progress=_named(progress, policy.name),
            graph=graph,
            since=since,
            until=until,
            observe=measured[policy.name].observe,
            watch=measured[policy.name].covered,
            orders=orders,
        )
    report: dict[str, Any] = {
        "report": "gridcommand-fast-drill/1",
        "inputs": inputs,
        "configuration": {
            "load": load,
            "seed": seed,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "urgent": f"priority {URGENT}: life-threatening",
            "policies": {p.name: msgspec.to_builtins(p) for p in policies},
        },
        "code": {
            "version": version("gridcommand"),
            "source_sha256": source_hash(),
            "solvers": {name: version(name) for name in SOLVERS},
        },
        "policies": {
            p.name: _figures(measured[p.name], results[p.name], p.late_s) for p in policies
        },
    }
    names = [p.name for p in policies]
    report["differences"] = (
        differences(measured[names[0]], measured[names[1]], policies[0].late_s)
        if len(names) == 2
        else {}
    )
    report["certificate"] = certificate(report)
    return report, measured, results


def _outside(recording: Recording, pack: CityPack) -> int:
    """Return how many calls with a place lie in no cell; `RecordingError` where all do."""
    reports = [e.data for e in recording.happenings() if isinstance(e.data, ReportReceived)]
    places = [
        to_wgs84(report.lon, report.lat, report.datum)
        for report in reports
        if report.lon is not None and report.lat is not None
    ]
    outside = sum(pack.cells.locate(*place) is None for place in places)
    if places and outside == len(places) and len(pack.cells):
        raise RecordingError(
            f"{recording.path}: none of its calls lies in {pack.id} (it was made for "
            f"{recording.described.city}): name its city with --city"
        )
    return outside


def certificate(report: dict[str, Any]) -> dict[str, str]:
    """Return the hashes of a report's parts, and the one over them all."""
    parts = {
        name: _hash(json.dumps(report[name], sort_keys=True, ensure_ascii=False).encode())
        for name in ("inputs", "configuration", "code", "policies", "differences")
    }
    return {**parts, "certificate": _hash("\n".join(parts.values()).encode())}


def source_hash() -> str:
    """Return the hash over our own code and data, file by file: what a version may not tell."""
    root = Path(__file__).parent.parent
    hashed = hashlib.sha256()
    for room in ROOMS:
        paths = [*(root / room).rglob("*.py"), *(root / room).glob("data/*.*")]
        for path in sorted(paths):
            hashed.update(f"{path.relative_to(root).as_posix()}\n".encode())
            hashed.update(path.read_bytes())
    return hashed.hexdigest()


def text(report: dict[str, Any]) -> str:
    """Return the report's figures as lines for a terminal."""
    lines = []
    for name, figures in report["policies"].items():
        for group in ("urgent", "other"):
            one = figures[group]
            lines.append(
                f"{name}: {group} calls {one['calls']}, late {one['late']} "
                f"({one['late_share']:.1%}), mean {_s(one['mean_s'])}, 90 % {_s(one['p90_s'])}, "
                f"99 % {_s(one['p99_s'])}"
            )
        run = figures["run"]
        lines.append(
            f"{name}: {run['assignments']} assignments, {run['diversions_per_100']:.1f} diversions "
            f"per 100, {run['reliefs']} reliefs, {run['move_ups']} move-ups"
        )
    lines.append(f"certificate {report['certificate']['certificate']}")
    return "\n".join(lines)


def _s(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds} s"


def _figures(measured: Measures, result: FastResult, late_s: float) -> dict[str, Any]:
    return {
        "urgent": measured.group(urgent=True, late_s=late_s),
        "other": measured.group(urgent=False, late_s=late_s),
        "late_s": late_s,
        "by_priority": measured.by_priority(late_s),
        "run": measured.run(),
        "journal": {
            "hash": result.journal_hash,
            "events": result.events,
            "calls": result.calls,
            "closed": result.closed,
            "open": result.open,
            "dead_letters": len(result.dead_letters),
            "refused": result.refused,
        },
    }


def _named(progress: Callable[[str], None] | None, name: str) -> Callable[[str], None] | None:
    if progress is None:
        return None
    tell = progress
    return lambda text: tell(f"{name}: {text}")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
