"""Alert rules and dashboard name only metrics that are told, and Prometheus reads the rules so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest
from ruamel.yaml import YAML

from models.settings import CHECKOUT
from streams import metrics
from tests.conftest import SERVERS_REQUIRED

OPS = CHECKOUT / "ops"
METRIC = re.compile(r"gridcommand_[a-z_]+")
SUFFIX = re.compile(r"_(bucket|total|count|sum)$")
PROMTOOL = shutil.which("promtool") or shutil.which(
    "promtool", path=CHECKOUT / ".var" / "servers" / "prometheus" / "usr" / "bin"
)
PROMTOOL_HOW = "Debian: apt-get install prometheus has it, or run .ci/run"
DECLARED = ("streams/metrics.py", "web_console/metrics.py", "web_console/live.py")


def declared() -> set[str]:
    words = "".join((CHECKOUT / name).read_text() for name in DECLARED)
    return set(re.findall(r'"(gridcommand_[a-z_]+)"', words))


def named(expression: str) -> set[str]:
    return {SUFFIX.sub("", name) for name in METRIC.findall(expression)}


def test_alerts_name_metrics_that_are_there_and_what_to_do() -> None:
    rules = YAML(typ="safe").load(Path(OPS / "alerts.yaml"))["groups"][0]["rules"]
    assert rules
    for rule in rules:
        assert named(rule["expr"]) <= declared(), rule["alert"]
        assert named(rule["expr"])
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    panels = json.loads((OPS / "dashboard.json").read_text())["panels"]
    shown = {name for panel in panels for one in panel["targets"] for name in named(one["expr"])}
    assert shown == declared()


def test_a_worker_tells_what_it_declares() -> None:
    """Under the names that the files of ops/ read."""
    metrics.LAG.labels("desk", "0").set(3)
    told = set(re.findall(r"^# TYPE (gridcommand_\w+)", generate_latest(REGISTRY).decode(), re.M))
    words = (CHECKOUT / "streams" / "metrics.py").read_text()
    for name in re.findall(r'"(gridcommand_[a-z_]+)"', words):
        assert name in told or f"{name}_total" in told, name
    assert 'gridcommand_consumer_lag{partition="0",topic="desk"} 3.0' in generate_latest().decode()
    metrics.LAG.clear()


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus' own checker; skips where there is none, fails where there must be one."""
    if PROMTOOL is None:
        if SERVERS_REQUIRED:
            pytest.fail(
                f"GRIDCOMMAND_REQUIRE_SERVERS is set and there is no promtool. {PROMTOOL_HOW}"
            )
        pytest.skip(f"no promtool. {PROMTOOL_HOW}")
    return PROMTOOL


def test_prometheus_reads_the_rules(promtool: str) -> None:
    done = subprocess.run(
        [promtool, "check", "rules", str(OPS / "alerts.yaml")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


WELL = {
    "gridcommand_partitions_held": "24x20",
    'gridcommand_ready{part="broker"}': "1x20",
    "gridcommand_dead_letters_unseen": "0x20",
    "gridcommand_inbox_unfinished": "20x20",
    'gridcommand_inbox_oldest_unfinished_seconds{exercise="false"}': "1x20",
    'gridcommand_inbox_oldest_unfinished_seconds{exercise="true"}': "1x20",
    'gridcommand_journal_last_commit_age_seconds{jurisdiction="x"}': "1x20",
    'gridcommand_journal_last_commit_age_seconds{jurisdiction="x.exercise"}': "1x20",
    'gridcommand_consumer_lag{topic="desk",partition="0"}': "3x20",
    "gridcommand_intake_queue": "2x20",
    'gridcommand_planning_simpler{jurisdiction="x"}': "0x20",
    'gridcommand_planning_simpler{jurisdiction="x.exercise"}': "0x20",
    "gridcommand_updates_from_journal": "0x20",
    "gridcommand_broker_write_failures": "0x20",
}
OLD_ROW = {'gridcommand_inbox_oldest_unfinished_seconds{exercise="false"}': "0+60x20"}
OLD_COMMIT = {'gridcommand_journal_last_commit_age_seconds{jurisdiction="x"}': "0+60x20"}


@pytest.mark.parametrize(
    ("changed", "fires"),
    [
        ({}, set()),
        ({"gridcommand_partitions_held": "0x20"}, {"NoWorker"}),
        ({"gridcommand_partitions_held": "_x20"}, {"NoWorker"}),
        ({'gridcommand_ready{part="broker"}': "0x20"}, {"PartNotReady"}),
        ({'gridcommand_ready{part="broker"}': "_x20"}, {"ConsoleGone"}),
        ({"gridcommand_dead_letters_unseen": "1x20"}, {"DeadLetters"}),
        (OLD_ROW, {"DecisionsDelayed"}),
        # A quiet night: nobody has anything to commit.
        (OLD_COMMIT, set()),
        ({**OLD_ROW, **OLD_COMMIT}, {"DecisionsDelayed", "CommitTooOld"}),
        # A drill that was left with something undecided is nobody's emergency, and is told.
        (
            {
                'gridcommand_inbox_oldest_unfinished_seconds{exercise="true"}': "0+60x20",
                'gridcommand_journal_last_commit_age_seconds{jurisdiction="x.exercise"}': "0+60x20",
                **OLD_COMMIT,
            },
            {"ExerciseDelayed"},
        ),
        ({"gridcommand_inbox_unfinished": "5000x20"}, {"InboxGrows"}),
        ({'gridcommand_consumer_lag{topic="desk",partition="0"}': "1500x20"}, {"ConsumersLag"}),
        ({"gridcommand_intake_queue": "900x20"}, {"IntakeQueues"}),
        (
            {'gridcommand_planning_simpler{jurisdiction="x.exercise"}': "1x20"},
            {"PlanningSimpler"},
        ),
        ({"gridcommand_updates_from_journal": "1x20"}, {"UpdatesFromJournal"}),
        ({"gridcommand_broker_write_failures": "0+60x20"}, {"BrokerRefuses"}),
    ],
)
def test_alerts_fire_when_they_must_and_only_then(
    promtool: str, tmp_path: Path, changed: dict[str, str], fires: set[str]
) -> None:
    test = {
        "rule_files": [str(OPS / "alerts.yaml")],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values}
                    for name, values in {**WELL, **changed}.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": "12m",
                        "exp_samples": [
                            {"labels": f'{{alertname="Gridcommand{name}"}}', "value": 1}
                            for name in sorted(fires)
                        ],
                    }
                ],
            }
        ],
    }
    path = tmp_path / "test.json"
    path.write_text(json.dumps(test))  # JSON is YAML
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
