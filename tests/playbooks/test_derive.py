"""Playbooks from recorded calls: the rules on calls small enough to count by hand."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from gridcommand.derive_playbooks import FIRST_LINE, Call, derive, late_after_s, needs, read_calls
from gridcommand.derive_playbooks import write as write_files
from models.city import CityPack
from playbooks.engine import PlaybookSet
from playbooks.facts import IncidentFacts
from playbooks.lint import lint
from tests.playbooks.conftest import PLANS, ROOT

COLUMNS = (
    "call_number",
    "unit_id",
    "call_type",
    "received",
    "on_scene",
    "priority",
    "call_type_group",
    "unit_type",
)
Row = tuple[str, str, str, str, str, str, str, str]


def _rows(
    first: int, calls: int, call_type: str, priority: str, group: str, *units: tuple[str, str]
) -> list[Row]:
    """``calls`` alike calls; each unit is its type and the minute of 10 o'clock it arrived."""
    return [
        (
            str(first + number),
            f"U{index}",
            call_type,
            "2017-01-01 10:00:00",
            f"2017-01-01 10:{minute}:00" if minute else "",
            priority,
            group,
            kind,
        )
        for number in range(calls)
        for index, (kind, minute) in enumerate(units)
    ]


@pytest.fixture(scope="module")
def pack() -> CityPack:
    return CityPack.load(ROOT / "cities" / "san_francisco")


@pytest.fixture
def calls_file(tmp_path: Path) -> Path:
    life, other = "Potentially Life-Threatening", "Non Life-threatening"
    engine, medic, chief, truck = ("ENGINE", "05"), ("MEDIC", "08"), ("CHIEF", ""), ("TRUCK", "06")
    rows = [
        *_rows(100, 12, "Medical Incident", "3", life, engine, medic),
        *_rows(200, 11, "Medical Incident", "2", other, medic),
        *_rows(300, 4, "Medical Incident", "2", other, engine),
        *_rows(400, 14, "Structure Fire", "3", "Alarm", engine, truck),
        *_rows(500, 10, "Structure Fire", "3", "Alarm", engine, engine, truck, chief, chief),
        *_rows(600, 1, "Odor (Strange / Unknown)", "3", "Alarm", ("SOMETHING NEW", "09")),
        *_rows(700, 1, "Never Heard Of", "3", "Alarm", engine),
    ]
    path = tmp_path / "calls.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return path


def test_calls_of_one_number_are_one_call(calls_file: Path, pack: CityPack) -> None:
    calls = read_calls(calls_file, pack)
    assert len(calls) == 12 + 11 + 4 + 14 + 10 + 1  # the type that the pack lacks is left out
    first = calls[0]
    assert (first.call_type, first.priority) == ("Medical Incident", 1)
    assert first.units == {"ENGINE": 1, "MEDIC": 1}
    assert first.first_on_scene_s == {"ENGINE": 300.0, "MEDIC": 480.0}


def _call(*units: str, on_scene_s: float | None = None) -> Call:
    call = Call("x", 1)
    for unit in units:
        call.units[unit] += 1
        if on_scene_s is not None:
            call.first_on_scene_s[unit] = on_scene_s
    return call


def test_half_of_the_calls_is_enough() -> None:
    half = [_call("ENGINE", "TRUCK"), _call("ENGINE")]
    assert [need.kind for need in needs(half)] == ["engine", "truck"]
    assert [need.kind for need in needs([*half, _call("ENGINE")])] == ["engine"]


def test_count_is_the_lower_median_over_all_calls() -> None:
    calls = [_call("ENGINE"), _call("ENGINE", "ENGINE", "ENGINE")]
    assert needs(calls)[0].count == 1
    assert needs([*calls, _call("ENGINE", "ENGINE")])[0].count == 2
    assert needs([_call("ENGINE"), _call()])[0].count == 1


def test_times_are_rounded_up_to_half_minutes() -> None:
    calls = [_call("ENGINE", on_scene_s=seconds) for seconds in (100.0, 241.0, 900.0)]
    assert needs(calls)[0].within_s == 270
    assert late_after_s(calls) == 900
    assert needs([_call("ENGINE")])[0].within_s == 900
    assert late_after_s([_call("ENGINE")]) is None


def test_derived_playbooks_are_clean_and_do_what_the_calls_show(
    calls_file: Path, pack: CityPack, tmp_path: Path
) -> None:
    out = tmp_path / "plans"
    write_files(derive(read_calls(calls_file, pack), pack, "calls.csv.gz"), out)
    assert [str(problem) for problem in lint(out)] == []
    plans = PlaybookSet.load(out)

    urgent = plans.match(IncidentFacts(category="health.medical", priority=2))
    assert urgent.playbooks == ("san_francisco.medical_incident.urgent",)
    assert [(r.key, r.count, r.within_s) for r in urgent.requirements] == [
        ("engine", 1, 300),
        ("medic", 1, 480),
    ]
    routine = plans.match(IncidentFacts(category="health.medical", priority=3))
    assert [r.key for r in routine.requirements] == ["medic"]
    assert "# 11 of 15 calls (73%) got one" in (out / "medical_incident.yaml").read_text("utf-8")

    fire = IncidentFacts(category="accident.fire.structure", priority=1)
    assert [r.key for r in plans.match(fire).requirements] == ["engine", "truck"]
    seen = plans.match(
        IncidentFacts(category=fire.category, priority=1, facts={"fire_visible": True})
    )
    assert [(r.key, r.count) for r in seen.requirements] == [
        ("chief", 2),
        ("engine", 2),
        ("truck", 1),
    ]
    odor = plans.match(IncidentFacts(category="accident.odor"))
    assert (odor.requirements, [task.key for task in odor.tasks]) == ((), ["triage"])


def test_same_calls_same_bytes(calls_file: Path, pack: CityPack) -> None:
    first = derive(read_calls(calls_file, pack), pack, "calls.csv.gz")
    assert derive(reversed(read_calls(calls_file, pack)), pack, "calls.csv.gz") == first


def test_writing_again_removes_only_what_was_derived(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(FIRST_LINE + "\n", encoding="utf-8")
    (tmp_path / "by_hand.yaml").write_text("# by hand\n", encoding="utf-8")
    write_files({"new.yaml": FIRST_LINE + "\n"}, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["by_hand.yaml", "new.yaml"]


def test_every_recorded_call_type_has_its_plan(pack: CityPack, san_francisco: PlaybookSet) -> None:
    derived = [
        path
        for path in (PLANS / "san_francisco").glob("*.yaml")
        if path.read_text("utf-8").startswith(FIRST_LINE)
    ]
    assert len(derived) == 18
    for code, meaning in pack.codes.items():
        for priority in (1, 2, 3, 4):
            plan = san_francisco.match(
                IncidentFacts(category=meaning.category, code=code, priority=priority)
            )
            assert plan.requirements or plan.tasks, (code, priority)


def test_a_report_that_nobody_understood_is_triaged_not_sent_an_ambulance(
    san_francisco: PlaybookSet,
) -> None:
    plan = san_francisco.match(IncidentFacts(category="city.other", priority=3))
    assert plan.playbooks == ("san_francisco.default",)
    recorded = san_francisco.match(IncidentFacts(category="city.other", code="Other", priority=3))
    assert [r.key for r in recorded.requirements] == ["medic"]
    corrected = san_francisco.match(
        IncidentFacts(category="accident.fire.structure", code="Other", priority=1)
    )
    assert corrected.playbooks == ("san_francisco.structure_fire",)
