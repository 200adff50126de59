"""Driving times as a city's crews really take them, learned from recorded responses.

For: the curve that `TravelTimes` puts over its free-flow times, and fitting it. Not for: reading
files of responses (``gridcommand.city_commands``). Relies on numpy alone.

The method, for the engineer who must trust it. A recorded run has a free-flow time `t` and an
observed time `y`. We fit ``log y = log a + b log(t + 30 s) + day wave``, which is the form of
Kolesar, Walker, Hausner (Determining the relation between fire engine travel times and travel
distances in New York City, Operations Research 23, 1975): short runs are slower in proportion,
because engines start, turn and stop. It is fitted by least absolute deviations (iteratively
reweighted least squares), so it gives the median run, and a unit that forgot its button for an
hour counts no more than one that was a little late. The day wave is fitted where at least
`FEWEST_HOURS` hours of the day have runs, drawn to nothing as if `SHRINK_RUNS` runs had told of
no difference, and centred: without an hour the usual run is meant. Then each square of 1.5 km gets
a factor for starting and one for ending there: the median of what is left over, drawn to 1 as if
`SHRINK_RUNS` runs had told of no difference. There is nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration, Square
from models.errors import GridcommandError

OFFSET_S = 30.0
SHORT_S = 10.0
SQUARE_KM = 1.5
SHRINK_RUNS = 30.0
ROUNDS = 3
FOLDS = 10
FEWEST_RUNS = 100
FEWEST_HOURS = 12
RUNS_OF_AN_HOUR = 5
"""Hours of the day with fewer runs don't count as known."""
MOST_WAVE = 0.5
OBSERVED_S = (15.0, 1500.0)
"""Runs outside are slips of the button, not drives."""

Floats = NDArray[np.float64]


class TooFewRunsError(GridcommandError, ValueError):
    """Not enough usable runs to calibrate with."""


class Runs(msgspec.Struct, frozen=True):
    """Recorded drives, one row each.

    Attributes
    ----------
    free_s, observed_s, hour : float64 (n,)
        Time at the speeds of the road tables, time that it took, local hour of the start.
    start, end : float64 (n, 2)
        lon, lat.
    """

    free_s: Floats
    observed_s: Floats
    hour: Floats
    start: Floats
    end: Floats

    def take(self, rows: NDArray[np.bool_]) -> Runs:
        """Those rows only."""
        return Runs(
            self.free_s[rows], self.observed_s[rows], self.hour[rows], self.start[rows],
            self.end[rows],
        )  # fmt: skip


class Error(msgspec.Struct, frozen=True):
    """How far off predicted times are: median of |error| and of error, in seconds."""

    median_s: float
    bias_s: float


class CalibratedTimes:
    """Free-flow seconds to driving seconds; vectorised, a few ns a number.

    Notes
    -----
    Grows with the free-flow time, so what is nearest on a pair of places stays the fastest way.
    Two drives take longer than one over the same way: who is re-costed half-way says for how long
    it has been driving.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._by = calibration
        columns = max((s.column for s in calibration.squares), default=-1) + 2
        rows = max((s.row for s in calibration.squares), default=-1) + 2
        # The last line and column stand for everywhere else.
        self._start, self._end = np.ones((rows, columns)), np.ones((rows, columns))
        for square in calibration.squares:
            self._start[square.row, square.column] = square.start
            self._end[square.row, square.column] = square.end

    def curve(self, free_s: Floats, hour: float | Floats | None = None) -> Floats:
        """Seconds without regard to place; inf stays inf."""
        by = self._by
        inside = np.clip(free_s, by.short_s, by.long_s)
        times = by.scale_s * ((inside + by.offset_s) / 100.0) ** by.power
        slope = by.power * by.scale_s * ((by.long_s + by.offset_s) / 100.0) ** by.power
        slope /= by.long_s + by.offset_s
        times = times * np.minimum(free_s / by.short_s, 1.0)
        times = times + slope * np.maximum(free_s - by.long_s, 0.0)
        return np.asarray(times * self._wave(hour), dtype=np.float64)

    def _wave(self, hour: float | Floats | None) -> float | Floats:
        """Factor of an hour of the day."""
        if hour is None:
            return 1.0
        angle = 2.0 * np.pi * np.asarray(hour) / 24.0
        by = self._by
        return np.exp(by.day_cos * np.cos(angle) + by.day_sin * np.sin(angle) - by.day_usual)

    def free(self, driving_s: Floats) -> Floats:
        """Free-flow seconds of drives that took so long: the inverse of `curve` without an hour."""
        by = self._by
        at_short, at_long = self.curve(np.array([by.short_s, by.long_s])).tolist()
        inside = np.clip(driving_s, at_short, at_long)
        times = 100.0 * (inside / by.scale_s) ** (1.0 / by.power) - by.offset_s
        times = times * np.minimum(driving_s / at_short, 1.0)
        slope = by.power * at_long / (by.long_s + by.offset_s)
        return np.asarray(times + np.maximum(driving_s - at_long, 0.0) / slope, dtype=np.float64)

    def starting(self, places: Floats) -> Floats:
        """Factor of every (n, 2) place that a drive starts at."""
        return np.asarray(self._start[self._at(places)], dtype=np.float64)

    def ending(self, places: Floats) -> Floats:
        """Factor of every (n, 2) place that a drive ends at."""
        return np.asarray(self._end[self._at(places)], dtype=np.float64)

    def pairs(
        self, free_s: Floats, start: Floats, end: Floats, hour: float | Floats | None = None
    ) -> Floats:
        """Seconds of drives given row by row."""
        return self.curve(free_s, hour) * self.starting(start) * self.ending(end)

    def matrix(
        self,
        free_s: Floats,
        start: Floats,
        end: Floats,
        hour: float | None = None,
        driven_s: float = 0.0,
    ) -> Floats:
        """Seconds from every start to every end, of drives that began so many seconds ago."""
        factors = self.starting(start)[:, None] * self.ending(end)[None, :]
        if driven_s:
            before = self.free(driven_s / (factors * self._wave(hour)))
            # To nowhere it stays infinite.
            return np.asarray(self.curve(before + free_s, hour) * factors - driven_s)
        return np.asarray(self.curve(free_s, hour) * factors, dtype=np.float64)

    def _at(self, places: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        lines, columns = self._start.shape
        column = np.floor((places[:, 0] - self._by.west) / self._by.width_deg)
        row = np.floor((places[:, 1] - self._by.south) / self._by.height_deg)
        known = (column >= 0) & (column < columns) & (row >= 0) & (row < lines)
        return (
            np.where(known, row, lines - 1).astype(np.intp),
            np.where(known, column, columns - 1).astype(np.intp),
        )


def usable(runs: Runs) -> NDArray[np.bool_]:
    """Which runs tell something: a way there, and an observed time within `OBSERVED_S`."""
    low, high = OBSERVED_S
    seen = (runs.observed_s >= low) & (runs.observed_s <= high)
    return np.asarray(seen & np.isfinite(runs.free_s) & (runs.free_s > 0))


def fit(runs: Runs, turnout_s: Mapping[str, float], attribution: str) -> Calibration:
    """Fit the curve to usable runs; the same runs give the same figures.

    Raises
    ------
    TooFewRunsError
        Under `FEWEST_RUNS`.
    """
    count = len(runs.free_s)
    if count < FEWEST_RUNS:
        raise TooFewRunsError(f"{count} usable runs: at least {FEWEST_RUNS} are needed")
    level, power, day_cos, day_sin, day_usual = _curve(runs)
    places = np.vstack([runs.start, runs.end])
    west, south = np.floor(places.min(axis=0) * 100.0).tolist()
    height = SQUARE_KM / 111.195
    bare = Calibration(
        scale_s=round(float(np.exp(level)), 2),
        offset_s=OFFSET_S,
        power=round(power, 4),
        short_s=SHORT_S,
        long_s=round(max(60.0, float(np.quantile(runs.free_s, 0.99))), 1),
        day_cos=round(day_cos, 4),
        day_sin=round(day_sin, 4),
        day_usual=round(day_usual, 4),
        west=west / 100.0,
        south=south / 100.0,
        width_deg=round(height / float(np.cos(np.radians(places[:, 1].mean()))), 6),
        height_deg=round(height, 6),
        squares=(),
        turnout_s=dict(sorted(turnout_s.items())),
        made={},
        attribution=attribution,
    )
    return msgspec.structs.replace(bare, squares=_squares(bare, runs))


def cross_validate(runs: Runs, *, hourly: bool = True) -> Error:
    """Error on runs that the fit has not seen; a block's runs are all in one of ten parts.

    `hourly` says whether the hour of each run is told, or the usual one taken, as a desk does.
    """
    part = folds(runs)
    guess = np.empty(len(part))
    for number in range(FOLDS):
        out = part == number
        if out.any():
            told = CalibratedTimes(fit(runs.take(~out), {}, ""))
            kept = runs.take(out)
            hour = kept.hour if hourly else None
            guess[out] = told.pairs(kept.free_s, kept.start, kept.end, hour)
    return error(guess, runs.observed_s)


def error(guess_s: Floats, observed_s: Floats) -> Error:
    """Of predictions against what was observed."""
    off = guess_s - observed_s
    return Error(float(np.median(np.abs(off))), float(np.median(off)))


def folds(runs: Runs) -> NDArray[np.int64]:
    """Part 0 to `FOLDS` - 1 of every run, by the place it went to."""
    names = [f"{lon:.4f} {lat:.4f}".encode() for lon, lat in runs.end.tolist()]
    return np.array([zlib.crc32(name) % FOLDS for name in names], dtype=np.int64)


def _curve(runs: Runs) -> tuple[float, float, float, float, float]:
    """Level of a usual run, power, cosine and sine of the day wave, and what is usual of them."""
    angle = 2.0 * np.pi * runs.hour / 24.0
    length, seen = np.log((runs.free_s + OFFSET_S) / 100.0), np.log(runs.observed_s)
    day = np.column_stack([np.cos(angle), np.sin(angle)])
    if len(runs.hour) and _hours_known(runs.hour) < FEWEST_HOURS:
        day = np.zeros_like(day)
    means = day.mean(axis=0)
    columns = np.column_stack([np.ones(len(seen)), length, day - means])
    found = _least_absolute(columns, seen, np.array([0.0, 1e-3, SHRINK_RUNS / 2, SHRINK_RUNS / 2]))
    power = float(np.clip(found[1], 0.1, 1.5))
    wave = np.clip(found[2:], -MOST_WAVE, MOST_WAVE)
    usual = float(np.median(day @ wave))
    level = float(np.median(seen - power * length - day @ wave)) + usual
    return level, power, float(wave[0]), float(wave[1]), usual


def _hours_known(hour: Floats) -> int:
    return int((np.bincount(hour.astype(int) % 24, minlength=24) >= RUNS_OF_AN_HOUR).sum())


def _least_absolute(x: Floats, y: Floats, runs_of_none: Floats) -> Floats:
    """Coefficients; each is drawn to 0 as if so many runs of its own had told of none."""
    found = np.linalg.lstsq(x, y, rcond=None)[0]
    for _ in range(60):
        weight = 1.0 / np.maximum(np.abs(y - x @ found), 0.02)
        weighed = x * weight[:, None]
        ridge = np.diag(runs_of_none * float(np.median(weight)))
        # What no run tells of has a column of nothing: its coefficient is 0.
        ridge += np.diag(np.where(np.abs(x).sum(axis=0) > 0, 0.0, 1.0))
        found = np.linalg.solve(x.T @ weighed + ridge, weighed.T @ y)
    return np.asarray(found, dtype=np.float64)


def _squares(bare: Calibration, runs: Runs) -> tuple[Square, ...]:
    base = CalibratedTimes(bare).curve(runs.free_s, runs.hour)
    left = np.log(runs.observed_s) - np.log(base)
    corner, size = np.array([bare.west, bare.south]), np.array([bare.width_deg, bare.height_deg])
    logs: list[dict[tuple[int, int], float]] = [{}, {}]
    members = [_members(np.floor((places - corner) / size)) for places in (runs.end, runs.start)]
    # Where runs end and where they start explain each other: in turns, each drawn to nothing.
    for _ in range(ROUNDS):
        for told, of_side in zip(logs, members, strict=True):
            for key, mine in of_side:
                own = left[mine] + told.get(key, 0.0)
                share = len(own) / (len(own) + SHRINK_RUNS)
                fresh = float(np.clip(np.median(own) * share, -1.0, 1.0))
                left[mine] = own - fresh
                told[key] = fresh
    ends, starts = logs
    return tuple(
        Square(
            column=key[0],
            row=key[1],
            start=round(float(np.exp(starts.get(key, 0.0))), 3),
            end=round(float(np.exp(ends.get(key, 0.0))), 3),
        )
        for key in sorted(starts.keys() | ends.keys())
    )


def _members(squares: Floats) -> list[tuple[tuple[int, int], NDArray[np.intp]]]:
    """Squares with the rows of their runs."""
    keys, at = np.unique(squares.astype(np.int64), axis=0, return_inverse=True)
    order = np.argsort(at.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(at.ravel(), minlength=len(keys)))
    rows = np.split(order, ends[:-1])
    return [((c, r), mine) for (c, r), mine in zip(keys.tolist(), rows, strict=True)]
