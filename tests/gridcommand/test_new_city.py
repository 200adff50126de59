"""A city out of an extract is one that works: plans, preparation, a drill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gridcommand.city_build import build
from gridcommand.main import app
from models.city import CityPack
from models.events import ReportReceived
from models.settings import CHECKOUT, GENERIC_PLANS, Settings, own_plans
from models.skills import UNIT_KINDS
from playbooks.engine import PlaybookSet
from playbooks.facts import IncidentFacts
from streams.classify.reports import classify
from streams.recording import Recording
from tests.gridcommand.osm_inputs import extract, square

CALLS = """\
call_number,received,call_type,lat,lon,unit_id,unit_type,on_scene,available
1,2024-01-01 08:04,Traffic Collision,50.0121,8.0041,E77,ENGINE,2024-01-01 08:10,2024-01-01 08:34
2,2024-01-01 08:13,Medical Incident,50.0041,8.0081,E77,ENGINE,2024-01-01 08:19,2024-01-01 08:43
3,2024-01-01 09:20,Structure Fire,50.0001,8.0081,P1,POLICE CAR,2024-01-01 09:29,2024-01-01 10:03
4,2024-01-01 11:20,Herzstillstand,50.0081,8.0041,,,,
"""


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A city of sixteen crossings with one engine, and where its data goes."""
    monkeypatch.setenv("GRIDCOMMAND_DATA_DIR", str(tmp_path / "var"))
    osm, area = extract(tmp_path / "town.osm"), square(tmp_path / "area.geojson")
    target = tmp_path / "packs" / "town"
    said: list[str] = []
    build(target, osm, area, None, "Europe/Berlin", said.append)
    assert any(str(GENERIC_PLANS) in line for line in said)
    return target


def run(*arguments: str | Path) -> str:
    """What a command says; it must succeed."""
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def test_calls_of_a_new_city_are_drilled(town: Path, tmp_path: Path) -> None:
    calls, out = tmp_path / "calls.csv", tmp_path / "report.json"
    calls.write_text(CALLS)
    assert "nothing to mend" in run("playbook", "lint", "--city", town)
    assert "4 calls with 3 responses" in run(
        "drill", "import", calls, "--name", "night", "--city", town
    )
    assert "night" in run("drill", "list", "--city", town)
    run("drill", "run", "night", "--fast", "--city", town, "--policy", "joint", "--out", out)
    report = json.loads(out.read_text())
    figures = report["policies"]["joint"]
    assert figures["journal"]["calls"] == 4
    # Engines are there; police and ambulances, which nobody has, stay open.
    assert figures["run"]["assignments"] >= 3
    assert figures["by_priority"]["1"]["first_arrival"]["of"] >= 1


def test_a_new_city_can_be_prepared(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDCOMMAND_CITY", str(town))
    assert json.loads(run("prepare"))["city"] == "Town"


def test_its_call_types_are_understood(town: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls.csv"
    calls.write_text(CALLS)
    said = run("drill", "import", calls, "--name", "night", "--city", town)
    assert "left to triage: 'Herzstillstand' (1)" in said
    pack = CityPack.load(town)
    recording = Recording.load(tmp_path / "var" / "drills" / "town" / "night.jsonl.gz")
    happened = [one.data for one in recording.happenings()]
    read = [classify(data, pack) for data in happened if isinstance(data, ReportReceived)]
    assert [(one.category, one.triage) for one in read] == [
        ("accident.traffic", False),
        ("health.medical", False),
        ("accident.fire.structure", False),
        # German is not read, but its words of danger are known.
        ("health.medical", True),
    ]


def test_a_citys_own_plans_come_first(town: Path) -> None:
    settings = Settings(city=str(town))
    assert settings.plans_dir == GENERIC_PLANS
    (town / "playbooks").mkdir()
    assert settings.plans_dir == town / "playbooks" == own_plans(town)
    liyang = CHECKOUT / "playbooks" / "plans" / "liyang"
    assert Settings(city="liyang").plans_dir == liyang


def test_the_generic_plans_ask_only_for_what_a_new_city_has() -> None:
    plans = PlaybookSet.load(GENERIC_PLANS)
    kinds = [UNIT_KINDS[kind] for kind in ("engine", "ambulance", "police_car")]
    needs = [need for plan in plans.playbooks.values() for need in plan.requirements]
    asked = {skill for need in needs for skill in need.skills}
    assert asked <= {skill for kind in kinds for skill in kind.skills}
    for category, sent in [
        ("accident.fire.structure", {"fire_engine": 2, "ambulance": 1, "public_security": 1}),
        ("health.medical", {"ambulance": 1, "first_response": 1}),
        ("security.crime", {"public_security": 2, "ambulance": 1}),
        ("natural.flood.urban", {"fire_engine": 2, "public_security": 1, "ambulance": 1}),
        # A life in danger, whatever it was taken for.
        ("city.garbage", {"ambulance": 1}),
        ("accident.utility.water", {"fire_engine": 1, "public_security": 1}),
    ]:
        plan = plans.match(IncidentFacts(category=category, priority=1))
        assert {r.key: r.count for r in plan.requirements} == sent, category
        assert plan.playbooks
        assert not plan.problems
