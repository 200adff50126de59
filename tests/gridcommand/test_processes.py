"""Logs for people and for machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from gridcommand.processes import configure_logging
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
