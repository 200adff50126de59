"""Reads recorded responses of a city and fits its travel times to them.

For: ``gridcommand city calibrate``. Not for: the fit itself (``dispatch.calibration``).
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import typer

from dispatch.calibration import (
    CalibratedTimes,
    Runs,
    cross_validate,
    error,
    fit,
    usable,
)
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand.city_packs import SourceError, read_table
from models.calibration import CALIBRATION_FILE, write_calibration
from models.city import CityPack
from models.errors import CityPackError

COLUMNS = ("unit_id", "dispatch", "response", "on_scene", "lon", "lat")


def calibrate(pack: CityPack, responses: Path, wanted: frozenset[str], out: Path | None) -> None:
    """Fit, print what came of it, and write the calibration.

    Raises
    ------
    SourceError
        The table is not as it must be.
    TooFewRunsError
        Too few runs are usable.
    CityPackError
        The result can't be written.
    """
    travel = TravelTimes(RoadGraph.load(pack))
    runs, turnouts, dropped = _read(responses, pack, travel, wanted)
    for reason, count in sorted(dropped.items()):
        typer.echo(f"left out {count:6d}  {reason}")
    turnout_s = {kind: round(statistics.median(seen), 1) for kind, seen in turnouts.items()}
    made = fit(runs, turnout_s, f"{pack.attribution.strip()} Fitted to {responses.name}.")
    raw = error(runs.free_s, runs.observed_s)
    held_out = cross_validate(runs)
    fitted = CalibratedTimes(made).pairs(runs.free_s, runs.start, runs.end, runs.hour)
    usual = CalibratedTimes(made).pairs(runs.free_s, runs.start, runs.end)
    typer.echo(f"runs used         {len(runs.free_s)}")
    for label, off in (
        ("speeds as given", raw),
        ("calibrated, held-out tenths", held_out),
        ("calibrated, all runs", error(fitted, runs.observed_s)),
        ("calibrated, no hour asked for", error(usual, runs.observed_s)),
    ):
        typer.echo(f"{label:30s} median error {off.median_s:6.1f} s, bias {off.bias_s:+6.1f} s")
    for kind, seconds in made.turnout_s.items():
        typer.echo(f"turnout of {kind}: median {seconds:.0f} s")
    figures: dict[str, str | int | float] = {
        "responses": responses.name,
        "kinds": ",".join(sorted(wanted)),
        "runs": len(runs.free_s),
        "raw_median_error_s": round(raw.median_s, 2),
        "held_out_median_error_s": round(held_out.median_s, 2),
        "held_out_bias_s": round(held_out.bias_s, 2),
    }
    target = out or pack.path / CALIBRATION_FILE
    try:
        write_calibration(target, msgspec.structs.replace(made, made=figures))
    except OSError as problem:
        raise CityPackError(f"{target}: can't be written: {problem.strerror}") from problem
    typer.echo(f"written           {target}")


def _read(
    path: Path, pack: CityPack, travel: TravelTimes, kinds: frozenset[str]
) -> tuple[Runs, dict[str, list[float]], Counter[str]]:
    """Usable runs, turnout seconds by kind, and what was left out for which reason."""
    table = read_table(path)
    missing = [name for name in COLUMNS if not table or name not in table[0]]
    if missing:
        raise SourceError(f"{path}: column {missing[0]!r} is missing, or it has no rows")
    units = {unit.id: unit for unit in pack.units}
    zone = ZoneInfo(pack.timezone)
    rows: list[tuple[float, float, tuple[float, float], tuple[float, float]]] = []
    turnouts: dict[str, list[float]] = defaultdict(list)
    dropped: Counter[str] = Counter()
    for number, row in enumerate(table, start=2):
        unit = units.get(row["unit_id"])
        if unit is None:
            dropped["unit is not in the pack"] += 1
        elif unit.kind not in kinds:
            dropped["unit is of another kind"] += 1
        elif not (row["response"] and row["on_scene"]):
            dropped["no response or no arrival recorded"] += 1
        else:
            try:
                times = {
                    name: _time(row[name], zone)
                    for name in COLUMNS[1:4]
                    if name != "dispatch" or row[name]
                }
                place = float(row["lon"]), float(row["lat"])
            except ValueError as problem:
                raise SourceError(f"{path}:{number}: {problem}") from problem
            if not np.isfinite(place).all():
                raise SourceError(f"{path}:{number}: lon {place[0]}, lat {place[1]} is no place")
            left = times["response"]
            drive_s = (times["on_scene"] - left).total_seconds()
            local = left.astimezone(zone)
            rows.append((drive_s, local.hour + local.minute / 60, (unit.lon, unit.lat), place))
            if "dispatch" in times:
                turnout = (left - times["dispatch"]).total_seconds()
                if 0 < turnout < 600:
                    turnouts[unit.kind].append(turnout)
    if not rows:
        raise SourceError(f"{path}: no run of {', '.join(sorted(kinds))} in it")
    start = np.array([row[2] for row in rows])
    end = np.array([row[3] for row in rows])
    free_s = np.full(len(rows), np.inf)
    homes, at = np.unique(start, axis=0, return_inverse=True)
    for home, place in enumerate(homes):
        mine = at.ravel() == home
        free_s[mine] = travel.matrix([place], end[mine])[0]
    far = np.array([travel.snap(*place).far for place in end.tolist()])
    far |= np.array([travel.snap(*place).far for place in start.tolist()])
    runs = Runs(
        free_s, np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), start, end
    )
    kept = usable(runs)
    dropped["drive of under 15 s or over 25 min, or no way there"] += int((~kept).sum())
    dropped["begins or ends off the road"] += int((kept & far).sum())
    return runs.take(kept & ~far), turnouts, dropped


def _time(text: str, zone: ZoneInfo) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=zone)
