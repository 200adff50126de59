"""The pages' pure modules: Node's own test runner, and the types of every module."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.settings import CHECKOUT

HERE = Path(__file__).parent


def node() -> str:
    """Return Node: the machine's, or the one that set-up put into the environment."""
    own = Path(sys.executable).parent / "node"
    found = shutil.which("node") or (str(own) if own.exists() else None)
    if found is None:
        pytest.fail("no Node; run `make setup`, which installs one")
    return found


def test_pure_modules() -> None:
    tests = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    assert tests
    ran = subprocess.run(
        [node(), "--test", *tests], cwd=CHECKOUT, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_types() -> None:
    compiler = CHECKOUT / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        pytest.fail("no TypeScript in node_modules; run `make setup`")
    ran = subprocess.run(
        [str(compiler), "-p", str(CHECKOUT / "web_console" / "static" / "jsconfig.json")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
