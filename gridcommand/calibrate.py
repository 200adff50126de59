"""Reads recorded responses of a city and fits its travel times to them.

For: ``gridcommand city calibrate``. Not for: the fit itself (``dispatch.calibration``). A row that
can't be used is left out and counted with the reason, whatever is wrong with it: a year of records
has all sorts. What comes out worse than what is in force is not written.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import typer

from dispatch.calibration import (
    CalibratedTimes,
    Error,
    Runs,
    cross_validate,
    error,
    fit,
    usable,
)
from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand.city_packs import SourceError
from models.calibration import CALIBRATION_FILE, write_calibration
from models.city import CityPack
from models.csv_files import TableError, clean, rows_of
from models.errors import GridcommandError
from models.named import unknown
from streams.calls_columns import known_names, place_of
from streams.local_times import LocalTimes, MixedOrderError, Order

COLUMNS = ("unit_id", "response", "on_scene", "lon", "lat")
"""Needed in the table; ``dispatch`` too where turnout times are to be learned."""

TURNOUT_S = (0.0, 600.0)
"""Turnouts out of this are slips of the button."""

SEEN_BEFORE = 1.05
"""What is in force may have been fitted to the same runs, and looks better on them for it."""


class WorseTimesError(GridcommandError):
    """What was fitted is farther off on held-out places than what is in force."""


class _Run(NamedTuple):
    observed_s: float
    hour: float
    start: tuple[float, float]
    end: tuple[float, float]


def calibrate(pack: CityPack, responses: Path, wanted: frozenset[str], out: Path | None) -> None:
    """Fit, print what came of it, and write the calibration.

    Raises
    ------
    SourceError
        The table is not as it must be, or a kind is none of the pack's units.
    TooFewRunsError
        Too few runs are usable.
    WorseTimesError
        What came of it is no better than what is in force; nothing is written.
    CityPackError
        The result can't be written or used; what was there stays.
    """
    kinds = {unit.kind: () for unit in pack.units}
    for kind in sorted(wanted):
        if kind not in kinds:
            raise SourceError(f"--kinds: {unknown('kind', kind, kinds)} (of the pack's units)")
    travel = TravelTimes(RoadGraph.load(pack))
    runs, turnouts, dropped = _read(responses, pack, travel, wanted)
    for reason, count in sorted(dropped.items()):
        if count:
            typer.echo(f"left out {count:6d}  {reason}")
    turnout_s = {kind: round(statistics.median(seen), 1) for kind, seen in turnouts.items()}
    made = fit(runs, turnout_s, f"{pack.attribution.en.strip()} Fitted to {responses.name}.")
    raw = error(runs.free_s, runs.observed_s)
    in_force = _in_force(pack, runs)
    held_out = cross_validate(runs)
    usual = cross_validate(runs, hourly=False)
    fitted = CalibratedTimes(made).pairs(runs.free_s, runs.start, runs.end, runs.hour)
    typer.echo(f"runs used         {len(runs.free_s)}")
    for label, off in (
        ("speeds as given", raw),
        ("as in force now", in_force),
        ("calibrated, held-out tenths", held_out),
        ("the same, no hour asked for", usual),
        ("calibrated, all runs", error(fitted, runs.observed_s)),
    ):
        typer.echo(f"{label:30s} median error {off.median_s:6.1f} s, bias {off.bias_s:+6.1f} s")
    for kind, seconds in made.turnout_s.items():
        typer.echo(f"turnout of {kind}: median {seconds:.0f} s")
    limit_s = in_force.median_s * (SEEN_BEFORE if pack.calibration is not None else 1.0)
    # A desk asks for no hour.
    if usual.median_s > limit_s:
        raise WorseTimesError(
            f"on held-out places the fitted times are off by {usual.median_s:.1f} s, those in "
            f"force by {in_force.median_s:.1f} s: nothing was written. Are these runs of this "
            "city, from the units' stations (--kinds), and enough of them?"
        )
    figures: dict[str, str | int | float] = {
        "responses": responses.name,
        "kinds": ",".join(sorted(wanted)),
        "runs": len(runs.free_s),
        "raw_median_error_s": round(raw.median_s, 2),
        "held_out_median_error_s": round(held_out.median_s, 2),
        "held_out_bias_s": round(held_out.bias_s, 2),
    }
    target = out or pack.path / CALIBRATION_FILE
    write_calibration(target, msgspec.structs.replace(made, made=figures))
    typer.echo(f"written           {target}")


def _in_force(pack: CityPack, runs: Runs) -> Error:
    """How far off the pack's times are now."""
    if pack.calibration is None:
        return error(runs.free_s / pack.speed_factor, runs.observed_s)
    told = CalibratedTimes(pack.calibration).pairs(runs.free_s, runs.start, runs.end)
    return error(told, runs.observed_s)


def _read(
    path: Path, pack: CityPack, travel: TravelTimes, kinds: frozenset[str]
) -> tuple[Runs, dict[str, list[float]], Counter[str]]:
    """Usable runs, turnout seconds by kind, and what was left out for which reason."""
    units = {unit.id: unit for unit in pack.units}
    zone = ZoneInfo(pack.timezone)
    rows: list[_Run] = []
    turnouts: dict[str, list[float]] = defaultdict(list)
    dropped: Counter[str] = Counter()
    table = _rows(path, dropped)
    clock = _clock(path, zone, table)
    for row in table:
        unit = units.get(row["unit_id"])
        if unit is None:
            dropped["unit is not in the pack"] += 1
            continue
        if unit.kind not in kinds:
            dropped["unit is of another kind"] += 1
            continue
        left = _time(clock, row["response"])
        if left and (called := _time(clock, row.get("dispatch", ""))):
            turnout = (left - called).total_seconds()
            if TURNOUT_S[0] < turnout < TURNOUT_S[1]:
                turnouts[unit.kind].append(turnout)
        there = _time(clock, row["on_scene"], left)
        place = _place(row)
        if not (row["response"] and row["on_scene"]):
            dropped["no response or no arrival recorded"] += 1
        elif left is None or there is None:
            dropped["response or arrival is no time that can be read"] += 1
        elif place is None:
            dropped["no place recorded, or none on earth"] += 1
        else:
            local = left.astimezone(zone)
            observed_s = (there - left).total_seconds()
            hour = local.hour + local.minute / 60
            rows.append(_Run(observed_s, hour, (unit.lon, unit.lat), place))
    if not rows:
        why = "; ".join(f"{count} x {reason}" for reason, count in sorted(dropped.items()))
        raise SourceError(
            f"{path}: no run of {', '.join(sorted(kinds))} in it that can be used"
            + (f" ({why})" if why else "")
        )
    start, end = np.array([row.start for row in rows]), np.array([row.end for row in rows])
    free_s, far = np.full(len(rows), np.inf), np.zeros(len(rows), bool)
    homes, at = np.unique(start, axis=0, return_inverse=True)
    for home, place in enumerate(homes.tolist()):
        mine = at.ravel() == home
        free_s[mine] = travel.matrix([place], end[mine])[0]
        far[mine] = [travel.snap(*one).far for one in end[mine].tolist()]
        far[mine] |= travel.snap(*place).far
    runs = Runs(
        free_s=free_s,
        observed_s=np.array([row.observed_s for row in rows]),
        hour=np.array([row.hour for row in rows]),
        start=start,
        end=end,
    )
    kept = usable(runs)
    dropped["drive of under 15 s or over 25 min, or no way there"] += int((~kept).sum())
    dropped["begins or ends off the road"] += int((kept & far).sum())
    return runs.take(kept & ~far), turnouts, dropped


def _rows(path: Path, dropped: Counter[str]) -> list[dict[str, str]]:
    """The table with our names of its columns, and no cell missing."""
    header: list[str] = []
    rows: list[dict[str, str]] = []
    try:
        for _, values in rows_of(path):
            if not header:
                header = _header(path, values)
            elif len(values) > len(header):
                dropped["more values than the header has names"] += 1
            else:
                rows.append(dict(zip_longest(header, map(clean, values), fillvalue="")))
    except TableError as error:
        raise SourceError(str(error)) from error
    if not rows and not dropped:
        raise SourceError(f"{path}: has no rows")
    return rows


def _header(path: Path, said: list[str]) -> list[str]:
    names = known_names(map(clean, said))
    have = {*names, *(("lon", "lat") if "location" in names else ())}
    if missing := [name for name in COLUMNS if name not in have]:
        raise SourceError(f"{path}: column {missing[0]!r} is missing; it has: {', '.join(said)}")
    return names


def _clock(path: Path, zone: ZoneInfo, table: list[dict[str, str]]) -> LocalTimes:
    """Reads the table's times, whose dates are all in one order."""
    texts = [text for row in table for text in (row["response"], row["on_scene"])]
    clock = LocalTimes(zone, Order.of(texts) or Order.MONTH_FIRST)
    for text in filter(Order.matters, texts):
        try:
            clock.read(text)
        except MixedOrderError as error:
            raise SourceError(
                f"{path}: {text!r} {error}, as dates of other rows are: write them all in one "
                "order, best as YYYY-MM-DD HH:MM:SS"
            ) from error
        except ValueError:
            continue
    return clock


def _time(clock: LocalTimes, text: str, not_before: datetime | None = None) -> datetime | None:
    try:
        return clock.read(text, not_before)[0] if text else None
    except (ValueError, OverflowError):
        return None


def _place(row: dict[str, str]) -> tuple[float, float] | None:
    lon, lat = row.get("lon", ""), row.get("lat", "")
    if not (lon or lat):
        lon, lat = place_of(row.get("location", ""))
    try:
        place = float(lon), float(lat)
    except ValueError:
        return None
    fits = math.isfinite(sum(place)) and abs(place[0]) <= 180 and abs(place[1]) <= 90
    return place if fits and place != (0.0, 0.0) else None
