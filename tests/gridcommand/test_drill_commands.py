"""``gridcommand drill run``: what it refuses before the work; a report whatever happens; its broker
beside an ``up`` that runs."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gridcommand.city_build import build
from gridcommand.main import app
from gridcommand.run_file import RunFile, write_run_file
from models.settings import CHECKOUT, Settings
from streams import drill as live
from tests.gridcommand.conftest import Cli
from tests.gridcommand.osm_inputs import extract, square
from tests.gridcommand.test_new_city import CALLS

FLEET = "id,kind,skills,owner,station,lon,lat,call_sign\n"


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A city of sixteen crossings with a recording, ``night``."""
    monkeypatch.setenv("GRIDCOMMAND_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("GRIDCOMMAND_CITY", str(tmp_path / "packs" / "town"))
    monkeypatch.setenv("COLUMNS", "500")
    osm, area = extract(tmp_path / "town.osm"), square(tmp_path / "area.geojson")
    target = tmp_path / "packs" / "town"
    build(target, osm, area, None, "UTC", print)
    calls = tmp_path / "calls.csv"
    calls.write_text(CALLS)
    drill("import", calls, "--name", "night")
    return target


def drill(*arguments: str | Path, code: int = 0) -> str:
    """What ``gridcommand drill`` says; it must end with this code."""
    result = CliRunner().invoke(app, ["drill", *map(str, arguments)])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output


def fast(tmp_path: Path, *arguments: str | Path) -> dict[str, object]:
    """The figures of a fast run under ``joint``."""
    out = tmp_path / "report.json"
    drill("run", "night", "--fast", "--policy", "joint", "--out", out, *arguments)
    figures: dict[str, object] = json.loads(out.read_text())["policies"]["joint"]
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    return figures


@pytest.mark.parametrize(
    "option", ["--policy", "--against", "--load", "--seed", "--closures", "--fleet", "--journal"]
)
def test_what_only_a_fast_run_has_is_refused_without_it(town: Path, option: str) -> None:
    assert f"{option} needs --fast" in drill("run", "night", option, "1", code=2)


def test_where_the_report_cant_go_is_said_before_the_run(town: Path, tmp_path: Path) -> None:
    (tmp_path / "calls.json").write_text("")
    for out, said in [
        (tmp_path / "report.html", "report.json"),
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere" / "r.json", "there is no folder"),
    ]:
        assert said in drill("run", "night", "--fast", "--out", out, code=2)
    both = tmp_path / "r.json"
    same = ("--out", both, "--journal", both)
    assert "is written already" in drill("run", "night", "--fast", *same, code=2)
    mine = ("--out", tmp_path / "calls.json", "--closures", tmp_path / "calls.json")
    assert "is what the drill reads" in drill("run", "night", "--fast", *mine, code=2)
    assert "leave one of both out" in drill("run", "night", "--fast", "--speed", "5", code=2)


def test_nobody_and_no_way_are_reports_too(town: Path, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.csv"
    fleet.write_text(FLEET)
    nobody = fast(tmp_path, "--fleet", fleet)
    assert nobody["run"]["assignments"] == 0  # type: ignore[index]
    assert nobody["urgent"]["late"] == nobody["urgent"]["calls"] == 2  # type: ignore[index]
    closures = tmp_path / "closures.json"
    closures.write_text(
        '{"closures": [{"id": "all", "lon": 8.006, "lat": 50.006, "radius_m": 9000}]}'
    )
    fleet.write_text(FLEET + "E1,engine,fire_suppression,government,,8.3,50.3,\n")
    far = fast(tmp_path, "--fleet", fleet, "--closures", closures)
    assert far["journal"]["calls"] == 4  # type: ignore[index]


def test_a_street_that_isnt_there_cant_be_closed(town: Path, tmp_path: Path) -> None:
    closures = tmp_path / "closures.json"
    closures.write_text('{"closures": [{"id": "a", "edges": ["1-0", "nope"]}]}')
    result = CliRunner().invoke(
        app, ["drill", "run", "night", "--fast", "--closures", str(closures)]
    )
    assert "the city has no street 'nope'" in str(result.exception)


def test_a_policy_is_found_where_one_works_and_looked_after(
    town: Path, tmp_path: Path, cli: Cli
) -> None:
    (tmp_path / "our_rule.py").write_text(
        "from dataclasses import replace\n"
        "from dispatch.policies.joint import Joint\n"
        "class Ours(Joint):\n"
        "    pass\n"
        "class Wild(Joint):\n"
        "    def choose(self, problem):\n"
        "        return super().choose(replace(problem, unit_ids=['X'] * len(problem.unit_ids)))\n"
    )
    ours = subprocess.run(
        [Path(sys.executable).with_name("gridcommand"), "drill", "run", "night", "--fast",
         "--policy", "our_rule:Ours"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(CHECKOUT), "GRIDCOMMAND_CITY": str(town),
             "GRIDCOMMAND_DATA_DIR": str(tmp_path / "var")},
    )  # fmt: skip
    wild = cli("drill", "run", "night", "--fast", "--policy", "our_rule:Wild", city=str(town))
    assert ours.returncode == 0, ours.stderr
    assert "our_rule:Ours: urgent calls 2" in ours.stdout
    assert wild.returncode == 1
    assert "policy 'our_rule:Wild': unit 'X' is none of the problem" in wild.stderr


def test_a_live_drill_finds_the_broker_of_up_and_says_when_none_runs(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []

    async def run_drill(
        settings: Settings, _path: Path, _speed: float, _stop: asyncio.Event
    ) -> None:
        used.append(settings.broker_port)

    monkeypatch.setattr(live, "run_drill", run_drill)
    run = ("drill", "run", "new_year_2017")
    (tmp_path / "var").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as broker:
        port = broker.getsockname()[1]
        assert "no gridcommand up runs on the data folder" in cli(*run).stderr
        write_run_file(tmp_path / "var", RunFile(broker_port=port))
        assert "no gridcommand up runs on the data folder" in cli(*run).stderr
        write_run_file(tmp_path / "var", RunFile(broker_port=port, supervisor_pid=os.getpid()))
        assert cli(*run).returncode == 0
    gone = cli(*run)
    assert (gone.returncode, used) == (1, [port])
    assert f"process {os.getpid()}" in gone.stderr
    assert "no embedded broker of it listens" in gone.stderr
    assert cli(*run, broker_port="1").returncode == 0
    assert used == [port, 1], "what is named is used"
