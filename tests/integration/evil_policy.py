"""A program with defects that can be mended: a desk fails, or hangs, while marks say so.

It comes in by the setting for a city's own policy, which is imported where desks are; the policy
itself chooses the nearest. Marks are files of a folder.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from dispatch.assignment import Problem, Solution, nearest_first
from dispatch.desk import Desk
from models.events import Event, ReportClassified

FOLDER = "EVIL_MARKS_FOLDER"
FAILS, HANGS = "fails", "hangs"
EVIL, ENDLESS = "evil", "endless"
"""What a report says that a desk fails on, or hangs on."""
_step = Desk.step


def _is_marked(name: str) -> bool:
    return (Path(os.environ[FOLDER]) / name).exists()


def _stumbles(desk: Desk, event: Event) -> list[Event]:
    data = event.data
    if isinstance(data, ReportClassified):
        if EVIL in data.text and _is_marked(FAILS):
            raise RuntimeError("no desk can read this")
        if ENDLESS in data.text and _is_marked(HANGS):
            while True:
                time.sleep(0.1)
    return _step(desk, event)


class Stumbles:
    """Nearest first, on a desk that stumbles."""

    diverts = False
    covers = False

    def __init__(self) -> None:
        Desk.step = _stumbles  # type: ignore[method-assign, assignment]

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where."""
        return nearest_first(problem)
