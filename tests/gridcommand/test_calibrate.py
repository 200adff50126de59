"""``gridcommand city calibrate`` from a table of responses to times in the pack."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand.calibrate import WorseTimesError, calibrate
from gridcommand.city_packs import CITIES, SourceError, read_table
from models.calibration import read_calibration
from models.city import CityPack

SAN_FRANCISCO = CITIES / "san_francisco"


@cache
def san_francisco() -> CityPack:
    """The shipped pack, read once: nobody changes it."""
    return CityPack.load(SAN_FRANCISCO)


def test_san_franciscos_pack_is_calibrated_as_promised() -> None:
    pack = san_francisco()
    assert pack.calibration is not None
    made = pack.calibration.made
    assert float(made["held_out_median_error_s"]) <= 37
    assert abs(float(made["held_out_bias_s"])) < 5


def test_a_table_of_runs_becomes_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = san_francisco()
    engines = [unit for unit in pack.units if unit.kind == "engine"][:20]
    graph = RoadGraph.load(pack)
    plain, dice = TravelTimes(graph), random.Random(3)
    rows, at = ["unit_id,dispatch,response,on_scene,lon,lat"], datetime(2017, 3, 1, tzinfo=UTC)
    for number in range(300):
        unit = engines[number % len(engines)]
        lon, lat = graph.node_lonlat[dice.randrange(len(graph.node_ids))].tolist()
        free_s = float(plain.matrix([(unit.lon, unit.lat)], [(lon, lat)])[0, 0])
        at += timedelta(hours=1)
        left = at + timedelta(seconds=65)
        there = left + timedelta(seconds=40 + 1.5 * free_s)
        rows.append(f"{unit.id},{at},{left},{there},{lon},{lat}")
    table, out = tmp_path / "runs.csv", tmp_path / "fitted.yaml"
    table.write_text("\n".join([*rows, "NOBODY,,,,0,0", f"{engines[0].id},{at},{at},,0,0"]))
    calibrate(pack, table, frozenset(["engine"]), out)
    said = capsys.readouterr().out
    assert "1  unit is not in the pack" in said
    assert "turnout of engine: median 65 s" in said
    (tmp_path / "pack").mkdir()
    for file in SAN_FRANCISCO.iterdir():
        if file.is_file() and file.name != "calibration.yaml":
            (tmp_path / "pack" / file.name).symlink_to(file)
    (tmp_path / "pack" / "calibration.yaml").symlink_to(out)
    told = TravelTimes.of_pack(graph, CityPack.load(tmp_path / "pack"))
    places = [(unit.lon, unit.lat) for unit in engines]
    free = plain.matrix(places[:10], places[10:])
    inside = (free > 60) & (free < 500)
    off = told.matrix(places[:10], places[10:])[inside] - (40 + 1.5 * free[inside])
    assert np.median(np.abs(off)) < 15


def test_a_kind_that_no_unit_is_of_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="kind 'engin' is unknown; did you mean 'engine'"):
        calibrate(san_francisco(), RESPONSES, frozenset({"engin"}), tmp_path / "out.yaml")


def test_dates_in_both_orders_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    row = "E01,{day} 12:00:00,{day} 12:05:00,-122.41,37.78\n"
    table.write_text(
        "unit_id,response,on_scene,lon,lat\n"
        + row.format(day="13/01/2017")
        + row.format(day="01/14/2017")
    )
    with pytest.raises(SourceError, match=r"runs\.csv: '01/14/2017 12:00:00' is no day/month/year"):
        calibrate(san_francisco(), table, frozenset({"engine"}), tmp_path / "out.yaml")


def test_a_table_without_a_column_is_one_sentence(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("unit_id,response\nE01,2017-01-01 00:00:00\n")
    with pytest.raises(SourceError, match="column 'on_scene' is missing; it has: unit_id, resp"):
        calibrate(san_francisco(), table, frozenset(["engine"]), tmp_path / "o")


ENGINES = frozenset(["engine", "truck"])
RESPONSES = Path(__file__).parent / "samples" / "sf_responses.csv.gz"
"""Engines and trucks of San Francisco's New Year week: DataSF, PDDL."""


def said_of(text: str, line: str) -> tuple[float, float]:
    """Median error and bias that a line tells."""
    found = re.search(rf"{line} +median error +([\d.]+) s, bias +([-+][\d.]+) s", text)
    assert found, text
    return float(found[1]), float(found[2])


def test_the_recorded_week_gives_san_franciscos_figures_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = replace(san_francisco(), calibration=None)
    out = tmp_path / "calibration.yaml"
    calibrate(pack, RESPONSES, ENGINES, out)
    said = capsys.readouterr().out
    assert said_of(said, "speeds as given")[0] > 70
    for line in ("calibrated, held-out tenths", "the same, no hour asked for"):
        off_s, bias_s = said_of(said, line)
        assert off_s <= 37
        assert abs(bias_s) < 5
    made = read_calibration(out)
    assert made is not None
    shipped = san_francisco().calibration
    assert shipped is not None
    # The places are rounded here, to a metre.
    assert made.scale_s == pytest.approx(shipped.scale_s, rel=0.01)
    assert made.power == pytest.approx(shipped.power, abs=0.01)


def test_a_portals_own_table_is_read_and_its_bad_rows_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = san_francisco()
    rows = []
    for number, row in enumerate(read_table(RESPONSES)):
        times = [
            datetime.fromisoformat(row[name]).strftime("%m/%d/%Y %I:%M:%S %p")
            for name in ("response", "on_scene")
        ]
        place = f"POINT ({row['lon']} {row['lat']})"
        if number % 50 == 0:
            times[0] = "13/45/2017 99:00:00 AM"
        elif number % 50 == 1:
            times[1] = "  "
        elif number % 50 == 2:
            place = "nan"
        rows.append(",".join([row["unit_id"], *times, place]))
    table, out = tmp_path / "year.csv", tmp_path / "calibration.yaml"
    head = "Unit ID,Response DtTm,On Scene DtTm,case_location"
    table.write_text("\n".join([head, *rows, "E01"]), encoding="utf-8-sig")
    calibrate(pack, table, ENGINES, out)
    said = capsys.readouterr().out
    assert "57  response or arrival is no time that can be read" in said
    assert "58  no response or no arrival recorded" in said
    assert "57  no place recorded" in said
    assert said_of(said, "calibrated, held-out tenths")[0] < 38
    made = read_calibration(out)
    assert made is not None
    assert made.turnout_s == {}


def test_runs_of_one_hour_leave_the_day_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row for row in read_table(RESPONSES) if row["response"][11:13] in ("19", "20")]
    table, out = tmp_path / "evening.csv", tmp_path / "calibration.yaml"
    table.write_text(
        "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]), encoding="utf-8"
    )
    pack = replace(san_francisco(), calibration=None)
    calibrate(pack, table, ENGINES, out)
    made = read_calibration(out)
    assert made is not None
    assert (made.day_cos, made.day_sin, made.day_usual) == (0, 0, 0)


def test_times_that_are_worse_are_not_written(tmp_path: Path) -> None:
    dice = random.Random(5)
    rows = read_table(RESPONSES)
    for row in rows:
        left = datetime.fromisoformat(row["response"])
        row["on_scene"] = str(left + timedelta(seconds=dice.choice([20, 40, 900, 1400])))
    table, out = tmp_path / "noise.csv", tmp_path / "calibration.yaml"
    table.write_text("\n".join([",".join(rows[0]), *(",".join(r.values()) for r in rows)]))
    out.write_text("what was there")
    pack = san_francisco()
    perfect = replace(pack, calibration=None, speed_factor=0.5)
    with pytest.raises(WorseTimesError, match="nothing was written"):
        calibrate(perfect, table, ENGINES, out)
    assert out.read_text() == "what was there"


def test_a_table_with_nothing_usable_says_why(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("unit_id,response,on_scene,lon,lat\nE01,2017-01-01 00:00:00,,,\nX,,,,\n")
    with pytest.raises(SourceError, match=r"1 x no response or no arrival.*1 x unit is not in"):
        calibrate(san_francisco(), table, ENGINES, tmp_path / "o")
