"""What `up` makes sure of before it starts anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gridcommand.doctor import sense_rules, thresholds
from gridcommand.preparation import prepare
from models.settings import CHECKOUT, Settings
from models.store import open_store
from streams.classify.reader import THRESHOLDS, thresholds_in_force
from streams.errors import RulesError
from streams.sense_rules import OUR_RULES
from streams.worker import load_city


def test_the_first_grid_worker_answers_for_cells_so_that_tasks_come(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    prepared = prepare(settings, exercise=True)
    assert set(prepared.links) == {"commander", "grid_worker"}
    store = open_store(settings)
    account = store.account("worker")
    store.close()
    assert account is not None
    assert account.cells


def test_a_city_brings_its_own_rules_for_readings_and_a_mistake_in_them_stops_up(
    tmp_path: Path,
) -> None:
    pack = tmp_path / "liyang"
    shutil.copytree(CHECKOUT / "cities" / "liyang", pack)
    settings = Settings(data_dir=tmp_path / "var", city=str(pack))
    assert "ours" in sense_rules(settings).said
    own = pack / "sense_rules.yaml"
    own.write_text(OUR_RULES.read_text().replace("id: heartbeat", "id: pulse"), encoding="utf-8")
    rules = {rule.id for rule in load_city(settings).sense_rules.rules}
    assert "pulse" in rules
    assert "heartbeat" not in rules
    assert str(own) in sense_rules(settings).said

    wrong = pack.rename(tmp_path / "wrong")
    settings = Settings(data_dir=tmp_path / "var", city=str(wrong))
    own = wrong / own.name
    own.write_text(OUR_RULES.read_text().replace("priority: 1", "priority: 7"), encoding="utf-8")
    with pytest.raises(RulesError, match="priority 7"):
        prepare(settings, exercise=False)
    assert "priority 7" in sense_rules(settings).said


def test_a_city_brings_its_own_thresholds_and_a_mistake_in_them_stops_up(tmp_path: Path) -> None:
    pack = tmp_path / "liyang"
    shutil.copytree(CHECKOUT / "cities" / "liyang", pack)
    settings = Settings(data_dir=tmp_path / "var", city=str(pack))
    assert "ours" in thresholds(settings).said
    ours = thresholds_in_force(settings)
    own = pack / "thresholds.yaml"
    said = THRESHOLDS.read_text().partition("taught:")[0]
    own.write_text(said.replace("\ncategory: 0.7", "\ncategory: 0.9"), encoding="utf-8")
    found = thresholds_in_force(settings)
    assert (found.category, found.real, found.taught) == (0.9, ours.real, ours.taught)
    assert str(own) in thresholds(settings).said

    wrong = pack.rename(tmp_path / "wrong")
    settings = Settings(data_dir=tmp_path / "var", city=str(wrong))
    (wrong / own.name).write_text("raise_danger: 0.1\norder_danger: 2\n", encoding="utf-8")
    with pytest.raises(RulesError, match=r"thresholds.yaml:2: "):
        prepare(settings, exercise=False)
    assert "thresholds.yaml:2: " in thresholds(settings).said
