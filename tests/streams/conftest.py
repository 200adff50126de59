"""Small named fixtures of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.city import CityPack
from models.settings import CHECKOUT


@pytest.fixture(scope="session")
def liyang() -> CityPack:
    """溧阳 as shipped: Chinese codes, cells, GCJ-02 around it."""
    return CityPack.load(CHECKOUT / "cities" / "liyang")


@pytest.fixture(scope="session")
def san_francisco() -> CityPack:
    """San Francisco as shipped: structured call types."""
    return CityPack.load(CHECKOUT / "cities" / "san_francisco")


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    """Where a broker of this test writes."""
    return tmp_path / "logs"
