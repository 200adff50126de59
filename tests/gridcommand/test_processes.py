"""Logs for people and for machines."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from gridcommand.processes import SAME_S, configure_logging
from models.settings import Settings


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_of_json_says_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"))
    try:
        raise ValueError("地址")
    except ValueError:
        about = {"event": "e-1", "jurisdiction": "320481"}
        logging.getLogger("streams.x").exception("can't handle %s", "e-1", extra=about)
    said = json.loads(capsys.readouterr().err)
    assert said["message"] == "can't handle e-1"
    assert (said["event"], said["jurisdiction"], said["level"]) == ("e-1", "320481", "ERROR")
    assert "ValueError: 地址" in said["exception"]
    assert said["time"].endswith("+00:00")


def test_a_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings())
    logging.getLogger("streams.x").info("worker ready")
    assert "INFO streams.x: worker ready" in capsys.readouterr().err


def test_a_client_of_kafka_says_the_same_seldom_and_how_often_and_others_as_they_like(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    clocks = SimpleNamespace(monotonic=lambda: now, gmtime=time.gmtime)
    monkeypatch.setattr("gridcommand.processes.time", clocks)
    configure_logging(Settings())
    client, ours = logging.getLogger("aiokafka.consumer"), logging.getLogger("streams.x")
    for _ in range(2):
        for number in range(50):
            client.error("no broker at port %d", number)
            ours.error("look here")
        now += SAME_S + 1
        client.warning("something else")
    said = capsys.readouterr().err
    assert said.count("look here") == 100
    assert said.count("something else") == 2
    first, second = (line for line in said.splitlines() if "no broker" in line)
    assert first.endswith("no broker at port 0")
    assert second.endswith("no broker at port 0 (and 49 more since that was said last)")
