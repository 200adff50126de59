"""The pages' pure modules in Node's own test runner; their types are checked by `make lint`."""

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
        pytest.fail("no Node; run `make set-up-dev`, which installs one")
    return found


def test_pure_modules() -> None:
    tests = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    assert tests
    ran = subprocess.run(
        [node(), "--test", *tests], cwd=CHECKOUT, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
