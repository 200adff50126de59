"""Fixtures around a ``system`` of a ``city``, for the folders that start a real one.

With a test that fails comes what its system said last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from pathlib import Path

import aiohttp
import pytest

from gridcommand.rehearsal.clients import Phones, Screen
from gridcommand.rehearsal.system import OwnSystem
from models.words import Role
from tests import flow

LINES_OF_A_LOG = 60
Asking = Callable[..., aiohttp.ClientSession]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of a failed test's system."""
    report = yield
    if report.failed:
        for log in _logs(getattr(item, "funcargs", {}).values()):
            last = log.read_text(errors="replace").splitlines()[-LINES_OF_A_LOG:]
            report.sections.append((str(log), "\n".join(last)))
    return report


def _logs(values: Iterable[object]) -> Iterator[Path]:
    for value in values:
        if isinstance(value, OwnSystem):
            yield from sorted((value.folder / "log").glob("*.log"))
        elif isinstance(value, Path):
            yield from sorted(value.glob("*/log/*.log"))
        elif isinstance(value, tuple):
            yield from _logs(value)


@pytest.fixture
async def screen(system: OwnSystem, city: flow.City) -> AsyncIterator[Screen]:
    """A commander's screen that has its snapshot."""
    async with flow.watching(system, city.jurisdiction) as one:
        yield one


@pytest.fixture
def signed_in(system: OwnSystem) -> Asking:
    """Give a client that is signed in with a role."""

    def client(role: Role, **headers: str) -> aiohttp.ClientSession:
        return flow.signed_in(system, role, **headers)

    return client


@pytest.fixture
def phones(system: OwnSystem) -> Phones:
    """Grid workers' phones."""
    return Phones(system)
