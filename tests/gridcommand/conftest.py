"""The command line as a person calls it, and what commands work on."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple, NoReturn
from unittest import mock

import pytest
from ruamel.yaml import YAML

from gridcommand.main import main
from gridcommand.rehearsal.servers import ServerProgram, kafka
from models.settings import CHECKOUT
from tests.waiting import HANG_S


class Answer(NamedTuple):
    """What a command said, and the code that it ended with."""

    returncode: int
    stdout: str
    stderr: str


Cli = Callable[..., Answer]


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """Run ``gridcommand`` in this process with a data folder of its own; keywords are settings."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: str, **settings: str) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            mock.patch.dict(os.environ, _environment(tmp_path, settings), clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            patch.chdir(tmp_path)
            patch.setattr(sys, "argv", ["gridcommand", *arguments])
            patch.setattr(sys, "path", sys.path[:])
            code = _code_of(main)
        return Answer(code, out.getvalue(), err.getvalue())

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def process(tmp_path: Path) -> Cli:
    """Run ``gridcommand`` as a process, where that is the point; as `cli` otherwise."""

    def run(*arguments: str, **settings: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "gridcommand", *arguments],
            capture_output=True,
            text=True,
            timeout=HANG_S,
            env=_environment(tmp_path, settings),
            cwd=tmp_path,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


def _code_of(program: Callable[[], NoReturn]) -> int:
    with pytest.raises(SystemExit) as ended:
        program()
    return int(ended.value.code or 0)


def _environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GRIDCOMMAND_")}
    environment["GRIDCOMMAND_DATA_DIR"] = str(folder / "var")
    return environment | {f"GRIDCOMMAND_{key.upper()}": value for key, value in settings.items()}


@pytest.fixture(scope="session")
def kafka_as_composed() -> Iterator[ServerProgram]:
    """A Kafka of these tests' own with the properties of compose.yaml.

    All but names, ports and places, which are another machine's.
    """
    elsewhere = ("listeners", "quorum", "log.dirs", "node.id")
    services = YAML(typ="safe", pure=True).load((CHECKOUT / "compose.yaml").read_text())["services"]
    properties = {
        key.removeprefix("KAFKA_").lower().replace("_", "."): value
        for key, value in services["kafka"]["environment"].items()
        if key.startswith("KAFKA_")
    }
    mine = {
        key: value
        for key, value in properties.items()
        if not any(part in key for part in elsewhere)
    }
    assert {"process.roles", "auto.create.topics.enable"} <= set(mine)
    with kafka(mine) as node:
        yield node
