"""A city's own policies that hang while the file exists that they are told of."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dispatch.assignment import Problem, Solution, nearest_first

MARK = "HANG_WHILE_THIS_FILE_EXISTS"


class Hangs:
    """Nearest first, when it answers."""

    diverts = False
    covers = False

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where, unless it is to hang."""
        while _mark().exists():
            time.sleep(0.1)
        return nearest_first(problem)


class HangsOnce(Hangs):
    """The same, and better in the next worker."""

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where, unless it is to hang."""
        if _mark().exists():
            _mark().unlink()
            while True:
                time.sleep(0.1)
        return nearest_first(problem)


def _mark() -> Path:
    return Path(os.environ[MARK])
