"""A directory for made playbooks, and the directories of the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from playbooks.engine import PlaybookSet

ROOT = Path(__file__).parents[2]
PLANS = ROOT / "playbooks" / "plans"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write playbooks: ``write(first="...", second="...")`` makes first.yaml and second.yaml."""

    def _write(**texts: str) -> Path:
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return _write


@pytest.fixture(scope="session")
def liyang() -> PlaybookSet:
    """Liyang's playbooks; to check and compile them takes a second."""
    return PlaybookSet.load(PLANS / "liyang")


@pytest.fixture(scope="session")
def san_francisco() -> PlaybookSet:
    """San Francisco's playbooks."""
    return PlaybookSet.load(PLANS / "san_francisco")
