"""A program with a defect: while the file it is told of exists, a desk fails on what says so.

It comes in by the setting for a city's own policy, which is imported where desks are; the policy
itself chooses the nearest.
"""

from __future__ import annotations

import os
from pathlib import Path

from dispatch.assignment import Problem, Solution, nearest_first
from dispatch.desk import Desk
from models.events import Event, ReportClassified

MARK = "FAIL_WHILE_THIS_FILE_EXISTS"
EVIL = "evil"
_step = Desk.step


def _fails_on_evil(desk: Desk, event: Event) -> list[Event]:
    data = event.data
    if isinstance(data, ReportClassified) and EVIL in data.text and Path(os.environ[MARK]).exists():
        raise RuntimeError("no desk can read this")
    return _step(desk, event)


class FailsWhileMarked:
    """Nearest first."""

    diverts = False
    covers = False

    def __init__(self) -> None:
        Desk.step = _fails_on_evil  # type: ignore[method-assign]

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where."""
        return nearest_first(problem)
