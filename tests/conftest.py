"""What all tests share: browser and servers, and the line that says when there are none."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import hypothesis
import pytest

from gridcommand.doctor import BROWSERS
from gridcommand.rehearsal.servers import EMBEDDED, Servers, kafka_and_postgresql
from gridcommand.rehearsal.servers import HOW as SERVERS_HOW
from gridcommand.rehearsal.servers import missing as servers_missing

pytest_plugins = ["tests.system_fixtures"]
REQUIRED = bool(os.environ.get("GRIDCOMMAND_REQUIRE_BROWSER"))
SERVERS_REQUIRED = bool(os.environ.get("GRIDCOMMAND_REQUIRE_SERVERS"))
T = TypeVar("T")
TESTS = Path(__file__).parent
LONGEST_FIRST = ("smoke", "web_console_pages", "streams", "gridcommand", "dispatch")
INVARIANT_CASES = 150
"""In ``make test``; ``make rehearse`` goes through a thousand that nobody chose."""
HOW = "Debian: apt-get install chromium fonts-noto-cjk; other: put a chromium on PATH"


def pytest_addoption(parser: pytest.Parser) -> None:
    """How hard to look for what breaks an invariant, and whether somewhere else than last time."""
    parser.addoption(
        "--invariant-cases",
        type=int,
        default=INVARIANT_CASES,
        help="cases of each machine of the invariants",
    )
    parser.addoption(
        "--invariant-seed",
        default="",
        help="other cases than always: a number, or 'random' for one that is told at the end",
    )


hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.register_profile("fresh", deadline=None, print_blob=True)
hypothesis.settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed once, so that all machines have the same, and it can be told."""
    if config.getoption("--invariant-seed") == "random":
        config.option.invariant_seed = str(random.SystemRandom().randrange(10**9))


@dataclass(frozen=True)
class InvariantCases:
    """How many cases the machines of the invariants go through, and which.

    Attributes
    ----------
    seed
        None: the same cases each time.
    """

    count: int
    seed: int | None

    def settings(self, **more: Any) -> hypothesis.settings:
        """Return Hypothesis's settings for them."""
        return hypothesis.settings(
            max_examples=self.count,
            deadline=None,
            database=None,
            derandomize=self.seed is None,
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
            **more,
        )

    def seeded(self, test: T) -> T:
        """Have a test, or a machine's class, draw its cases from the seed."""
        if self.seed is None:
            return test
        return cast("T", hypothesis.seed(self.seed)(cast("Any", test)))


@pytest.fixture(scope="session")
def invariant_cases(request: pytest.FixtureRequest) -> InvariantCases:
    """How many cases the machines of the invariants go through, and which."""
    seed = request.config.getoption("--invariant-seed")
    count = int(request.config.getoption("--invariant-cases"))
    return InvariantCases(count, int(seed) if seed else None)


def find_chromium() -> str | None:
    """Return the path of a Chromium that Playwright can drive, if there is one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """Chromium's path; skips where there is none, fails where there must be one."""
    path = find_chromium()
    if path is None:
        if REQUIRED:
            pytest.fail(f"GRIDCOMMAND_REQUIRE_BROWSER is set and there is no Chromium. {HOW}")
        pytest.skip(f"no Chromium. {HOW}")
    return Path(path)


@pytest.fixture(scope="session")
def kafka_servers() -> Iterator[Servers]:
    """Apache Kafka and PostgreSQL, for a test that is marked ``servers``."""
    with kafka_and_postgresql() as running:
        yield running


@pytest.fixture(
    scope="session", params=["embedded", pytest.param("kafka", marks=pytest.mark.servers)]
)
def servers(request: pytest.FixtureRequest) -> Servers:
    """The embedded broker and SQLite, and then Apache Kafka and PostgreSQL."""
    if request.param == "embedded":
        return EMBEDDED
    found: Servers = request.getfixturevalue("kafka_servers")
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no core waits for it in the end.

    Machines of invariants are Hypothesis's tests too, which no decorator says.
    """
    for item in items:
        if "invariant_cases" in getattr(item, "fixturenames", ()):
            item.add_marker("hypothesis")
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of who runs the tests, and of CI, out of them."""
    for name in os.environ:
        if name.startswith("GRIDCOMMAND_"):
            monkeypatch.delenv(name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decide on browser tests before their fixtures start servers."""
    if item.get_closest_marker("browser") and find_chromium() is None and not REQUIRED:
        pytest.skip(f"no Chromium. {HOW}")
    if item.get_closest_marker("servers") and (lacking := servers_missing()):
        if SERVERS_REQUIRED:
            pytest.fail(f"GRIDCOMMAND_REQUIRE_SERVERS is set and there is {lacking}. {SERVERS_HOW}")
        pytest.skip(f"{lacking}. {SERVERS_HOW}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that were skipped and the remedy; and the seed, to go through it again."""
    if seed := terminalreporter.config.getoption("--invariant-seed"):
        terminalreporter.write_line(f"Invariants by --invariant-seed {seed}")
    for what, how in (("a browser", HOW), ("servers", SERVERS_HOW)):
        names = sorted(
            report.nodeid
            for report in terminalreporter.getreports("skipped")
            if how in str(report.longrepr)
        )
        if names:
            terminalreporter.write_line(f"Skipped without {what}: {', '.join(names)}. {how}")
