"""The command line as a person calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Answer = subprocess.CompletedProcess[str]
Cli = Callable[..., Answer]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run ``gridcommand`` with a data folder of its own; keywords are settings."""

    def run(*arguments: str, **settings: str) -> Answer:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GRIDCOMMAND_")}
        environment["GRIDCOMMAND_DATA_DIR"] = str(tmp_path / "var")
        environment |= {f"GRIDCOMMAND_{key.upper()}": value for key, value in settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "gridcommand", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            cwd=tmp_path,
            check=False,
        )

    return run
