"""Alert rules and dashboard name only metrics that the code has."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ruamel.yaml import YAML

from models.settings import CHECKOUT

OPS = CHECKOUT / "ops"
METRIC = re.compile(r"gridcommand_[a-z_]+")
SUFFIX = re.compile(r"_(bucket|total|count|sum)$")
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
