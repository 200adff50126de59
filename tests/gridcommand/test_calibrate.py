"""``gridcommand city calibrate`` from a table of responses to times in the pack."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from dispatch.roads import RoadGraph
from dispatch.travel_times import TravelTimes
from gridcommand.calibrate import COLUMNS, calibrate
from gridcommand.city_packs import CITIES, SourceError
from models.city import CityPack

SAN_FRANCISCO = CITIES / "san_francisco"


def test_san_franciscos_pack_is_calibrated_as_promised() -> None:
    pack = CityPack.load(SAN_FRANCISCO)
    assert pack.calibration is not None
    made = pack.calibration.made
    assert float(made["held_out_median_error_s"]) <= 37
    assert abs(float(made["held_out_bias_s"])) < 5


def test_a_table_of_runs_becomes_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = CityPack.load(SAN_FRANCISCO)
    engines = [unit for unit in pack.units if unit.kind == "engine"][:20]
    graph = RoadGraph.load(pack)
    plain, dice = TravelTimes(graph), random.Random(3)
    rows, at = [",".join(COLUMNS)], datetime(2017, 3, 1, tzinfo=UTC)
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


def test_a_table_without_a_column_is_one_sentence(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("unit_id,response\nE01,2017-01-01 00:00:00\n")
    with pytest.raises(SourceError, match="column 'dispatch' is missing"):
        calibrate(CityPack.load(SAN_FRANCISCO), table, frozenset(["engine"]), tmp_path / "o")
