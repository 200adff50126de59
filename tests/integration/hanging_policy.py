"""A city's own policy that hangs once: at the first choice while the file it is told of exists."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dispatch.assignment import Problem, Solution, nearest_first

MARK = "HANG_WHILE_THIS_FILE_EXISTS"


class HangsOnce:
    """Nearest first, when it answers."""

    diverts = False
    covers = False

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where, unless it is to hang."""
        mark = Path(os.environ[MARK])
        if mark.exists():
            mark.unlink()
            while True:
                time.sleep(0.1)
        return nearest_first(problem)
