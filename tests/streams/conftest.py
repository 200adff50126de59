"""Small named fixtures of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.city import CityPack
from models.settings import CHECKOUT
from tests.streams.desk_bench import Bench


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


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A shell to be made on a tiny city, that looks at a drill's clock often.

    It doesn't sweep: the garbage of a whole test run takes two seconds to look through.
    """
    monkeypatch.setattr("streams.desk_shell.CLOCK_POLL_S", 0.02)
    monkeypatch.setattr("streams.desk_shell.sweep", lambda: None)
    made = Bench(tmp_path)
    yield made
    for shell in made.shells:
        await shell.close()
    made.store.close()
