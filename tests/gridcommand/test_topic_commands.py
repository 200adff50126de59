"""`gridcommand topics`: the plan as a person reads it, asked before it is applied."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gridcommand.configuration import SettingsError
from gridcommand.main import app
from gridcommand.rehearsal.servers import ServerProgram
from gridcommand.topic_commands import _show
from streams.topic_plan import Cluster, TopicState, plan_topics, wanted_topics

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("GRIDCOMMAND_DATA_DIR", str(tmp_path))

    def call(*arguments: str, answer: str = "") -> Result:
        return CliRunner().invoke(app, ["topics", *arguments], input=answer)

    return call


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_the_embedded_broker_is_refused_with_the_setting_to_set(run: Run, command: str) -> None:
    error = run(command).exception
    assert isinstance(error, SettingsError)
    assert "the embedded broker makes its topics by itself" in str(error)
    assert "GRIDCOMMAND_KAFKA_SERVERS" in str(error)


def test_what_can_not_be_changed_stands_under_its_topic(capsys: pytest.CaptureFixture[str]) -> None:
    state = TopicState(replicas={0: (1,), 1: (1,)}, retention_ms=-1, own_configs={})
    cluster = Cluster(brokers=(1, 2, 3), topics={"reports": state})
    _show(plan_topics(cluster, wanted_topics()), cluster.brokers)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 brokers"
    row = next(number for number, line in enumerate(lines) if line.startswith("reports"))
    assert "2 -> 4" in lines[row]
    assert "for ever -> 168 h" in lines[row]
    assert "another order" in lines[row + 1]
    assert "1 of 3 copies" in lines[row + 2]


@pytest.mark.servers
def test_apply_asks_then_does_it_once(
    run: Run, kafka_as_composed: ServerProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRIDCOMMAND_KAFKA_SERVERS", kafka_as_composed.address)
    seven = ("--partitions", "7")
    assert "topics change" in run("plan", *seven).output
    refused = run("apply", *seven, answer="n\n")
    assert "nothing was changed" in str(refused.exception)
    assert "topics change" in run("plan", *seven).output
    done = run("apply", *seven, "--yes")
    assert done.exception is None, done.output
    assert "Applied." in done.output
    assert "Nothing to change." in run("apply", *seven).output
    fewer = run("plan", "--partitions", "2", "--reassignment", str(tmp_path / "moves.json"))
    assert "has 7 partitions and keeps them" in fewer.output
    assert "No copies are missing" in fewer.output
    assert not (tmp_path / "moves.json").exists()


def test_the_file_for_kafkas_own_tool_names_every_partition(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = TopicState(replicas={0: (1,), 1: (1,)}, retention_ms=1, own_configs={})

    async def grown(_servers: str) -> Cluster:
        return Cluster(brokers=(1, 2), topics={"reports": state})

    monkeypatch.setenv("GRIDCOMMAND_KAFKA_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr("streams.topic_plan.read_cluster", grown)
    assert "--execute" in run("plan", "--reassignment", str(tmp_path / "moves.json")).output
    moves = json.loads((tmp_path / "moves.json").read_text())
    assert [one["replicas"] for one in moves["partitions"]] == [[1, 2], [1, 2]]
