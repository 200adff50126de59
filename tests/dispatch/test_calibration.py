"""Fitted times find the law that made the runs, bear outliers, and hold for all three answers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from dispatch.calibration import (
    CalibratedTimes,
    Runs,
    TooFewRunsError,
    cross_validate,
    error,
    fit,
    folds,
)
from dispatch.roads import CircleClosure, RoadGraph
from dispatch.travel_times import TravelTimes
from models.calibration import Calibration, Square, read_calibration, write_calibration
from models.errors import CityPackError

WEST_IS_SLOW = Calibration(
    scale_s=150.0, offset_s=30.0, power=0.7, short_s=10.0, long_s=300.0, day_cos=-0.05,
    day_sin=0.08, west=119.40, south=31.39, width_deg=0.006, height_deg=0.1,
    squares=(Square(column=0, row=0, start=1.3, end=1.5),), turnout_s={"engine": 70.0},
    made={"runs": 900}, attribution="invented",
)  # fmt: skip


def runs_by(law: Calibration, count: int = 900, wild: float = 0.0) -> Runs:
    """Runs that follow a law, with a share of forgotten buttons among them."""
    random = np.random.default_rng(7)
    free_s = random.uniform(20, 280, count)
    hour = random.uniform(0, 24, count)
    start = np.array([119.42, 31.40]) + random.uniform(0, 0.03, (count, 2))
    end = np.array([119.42, 31.40]) + random.uniform(0, 0.03, (count, 2))
    times = CalibratedTimes(law).pairs(free_s, start, end, hour)
    times *= np.exp(random.normal(0, 0.1, count))
    times = np.where(random.random(count) < wild, 1400.0, times)
    return Runs(free_s, times, hour, start, end)


@pytest.mark.parametrize("wild", [0.0, 0.1])
def test_the_law_is_found_again(wild: float) -> None:
    runs = runs_by(WEST_IS_SLOW, wild=wild)
    found = CalibratedTimes(fit(runs, {}, ""))
    times = np.linspace(20, 280, 14)
    for hour in (3.0, 15.0):
        told, true = found.curve(times, hour), CalibratedTimes(WEST_IS_SLOW).curve(times, hour)
        assert told == pytest.approx(true, rel=0.05)


def test_held_out_error_is_near_that_of_the_law_itself() -> None:
    runs = runs_by(WEST_IS_SLOW)
    law = CalibratedTimes(WEST_IS_SLOW).pairs(runs.free_s, runs.start, runs.end, runs.hour)
    held_out = cross_validate(runs)
    assert held_out.median_s < 1.1 * error(law, runs.observed_s).median_s
    assert abs(held_out.bias_s) < 3


def test_runs_to_one_place_are_never_on_both_sides() -> None:
    runs = runs_by(WEST_IS_SLOW, 200)
    twice = msgspec.structs.replace(runs, end=np.repeat(runs.end[::2], 2, axis=0))
    parts = folds(twice)
    assert (parts[::2] == parts[1::2]).all()
    assert len(set(parts.tolist())) == 10


def test_the_same_runs_give_the_same_figures() -> None:
    runs = runs_by(WEST_IS_SLOW)
    assert fit(runs, {}, "") == fit(runs, {}, "")


def test_a_handful_of_runs_is_refused() -> None:
    with pytest.raises(TooFewRunsError, match="40 usable runs"):
        fit(runs_by(WEST_IS_SLOW, 40), {}, "")


def test_the_curve_rises_from_nothing_without_a_jump() -> None:
    curve = CalibratedTimes(WEST_IS_SLOW).curve
    times = curve(np.linspace(0, 2000, 20_001))
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    assert np.diff(times).max() < 0.1 * times[100] / 10 + 0.2
    assert curve(np.array([np.inf]))[0] == np.inf


def test_a_drive_that_goes_on_takes_what_is_left_of_the_whole(tiny_roads: RoadGraph) -> None:
    times = CalibratedTimes(WEST_IS_SLOW)
    free = np.linspace(0.0, 3000.0, 3001)
    np.testing.assert_allclose(times.free(times.curve(free)), free, atol=1e-6)
    travel = TravelTimes(tiny_roads, calibrated=times)
    start, half, end = (119.40, 31.41), (119.4075, 31.41), (119.415, 31.41)
    for hour in (None, 8.5):
        whole, first = travel.matrix([start], [end, half], hour=hour)[0].tolist()
        # The factor of where it starts is that of where it is: here both lie in one square.
        anew = float(travel.matrix([half], [end], hour=hour)[0, 0])
        left = float(travel.matrix([half], [end], hour=hour, driven_s=first)[0, 0])
        assert left < anew
        assert 0 < left <= whole
    assert travel.matrix([half], [half], driven_s=500.0)[0, 0] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("hour", [None, 8.5])
def test_matrix_nearest_and_route_agree(tiny_roads: RoadGraph, hour: float | None) -> None:
    travel = TravelTimes(tiny_roads, calibrated=CalibratedTimes(WEST_IS_SLOW))
    # The last place is far off the road; its walk must stay at walking speed.
    places = [(119.4005, 31.4001), (119.412, 31.4052), (119.415, 31.4151), (119.45, 31.41)]
    for closures in ([], [CircleClosure(119.4075, 31.405, 120)]):
        travel.set_closures(closures)
        table = travel.matrix(places, places, hour=hour)
        for row, start in enumerate(places):
            for column, goal in enumerate(places):
                route = travel.route(start, goal, hour=hour)
                assert route is not None
                assert route.time_s == pytest.approx(table[row, column], rel=1e-5, abs=1e-3)
                assert route.elapsed_s[-1] == pytest.approx(route.time_s, abs=1e-6)
                assert (np.diff(route.elapsed_s) >= -1e-9).all()
        best = travel.nearest(places[1], places, 2, hour=hour)
        assert [seconds for _, seconds in best] == sorted(table[:, 1])[:2]


def test_place_and_hour_count(tiny_roads: RoadGraph) -> None:
    travel = TravelTimes(tiny_roads, calibrated=CalibratedTimes(WEST_IS_SLOW))
    plain = TravelTimes(tiny_roads)
    west, east = (119.40, 31.405), (119.415, 31.405)
    free = plain.matrix([west], [east])
    assert free == plain.matrix([east], [west])
    into, out = travel.matrix([east], [west])[0, 0], travel.matrix([west], [east])[0, 0]
    assert into / out == pytest.approx(1.5 / 1.3, rel=1e-4)
    assert travel.matrix([east], [west], hour=6)[0, 0] / into == pytest.approx(np.exp(0.08))


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "calibration.yaml"
    assert read_calibration(path) is None
    write_calibration(path, WEST_IS_SLOW)
    assert read_calibration(path) == WEST_IS_SLOW
    path.write_text(path.read_text().replace("power: 0.7", "power: 7.0"))
    with pytest.raises(CityPackError, match=r"yaml:4: power 7\.0 must lie in"):
        read_calibration(path)


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "calibration.yaml"
    write_calibration(path, WEST_IS_SLOW)
    with pytest.raises(CityPackError, match=r"day_sin 2\.77 must lie in"):
        write_calibration(path, msgspec.structs.replace(WEST_IS_SLOW, day_sin=2.77))
    assert read_calibration(path) == WEST_IS_SLOW
    assert list(tmp_path.iterdir()) == [path]


def test_the_usual_hour_is_in_the_middle() -> None:
    """Calls crowd in the slow evening: without an hour the usual run is meant, not noon's."""
    law = msgspec.structs.replace(WEST_IS_SLOW, day_cos=0.3, day_sin=-0.3, squares=())
    runs = runs_by(law, count=3000)
    hours = np.where(np.arange(3000) % 4 > 0, 18 + 6 * (runs.hour / 24), runs.hour)
    times = CalibratedTimes(law).pairs(runs.free_s, runs.start, runs.end, hours)
    runs = msgspec.structs.replace(runs, hour=hours, observed_s=times)
    told = CalibratedTimes(fit(runs, {}, ""))
    usual = error(told.pairs(runs.free_s, runs.start, runs.end), runs.observed_s)
    assert abs(usual.bias_s) < 0.05 * float(np.median(times))
    assert cross_validate(runs).median_s < cross_validate(runs, hourly=False).median_s / 2


def test_few_hours_tell_nothing_of_the_day() -> None:
    runs = runs_by(WEST_IS_SLOW)
    evening = runs.take(np.asarray((runs.hour > 18) & (runs.hour < 23)))
    made = fit(evening, {}, "")
    assert (made.day_cos, made.day_sin, made.day_usual) == (0, 0, 0)
