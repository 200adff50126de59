"""A directory for made playbooks, and the directories of the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
