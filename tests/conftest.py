"""What all tests share: where the browser is, and the line that says when there is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gridcommand.doctor import BROWSERS

REQUIRED = bool(os.environ.get("GRIDCOMMAND_REQUIRE_BROWSER"))
HOW = "Debian: apt-get install chromium fonts-noto-cjk; other: put a chromium on PATH"


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


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of who runs the tests out of them."""
    for name in os.environ:
        if name.startswith("GRIDCOMMAND_") and name != "GRIDCOMMAND_REQUIRE_BROWSER":
            monkeypatch.delenv(name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decide on browser tests before their fixtures start servers."""
    if item.get_closest_marker("browser") and find_chromium() is None and not REQUIRED:
        pytest.skip(f"no Chromium. {HOW}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the browser tests that were skipped, and how to get them."""
    names = sorted(
        report.nodeid
        for report in terminalreporter.getreports("skipped")
        if "no Chromium" in str(report.longrepr)
    )
    if names:
        terminalreporter.write_line(f"Skipped without Chromium: {', '.join(names)}. {HOW}")
