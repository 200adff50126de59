"""What time it is in a jurisdiction: ours, or the drill's in an exercise.

A drill's clock stands in its row (``anchor_sim`` at ``anchor_wall``, ``speed``, ``paused``), so
intake, desk and screens all read the same one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from models.registers import Drill, Registers
from models.words import is_exercise


class JurisdictionClock(msgspec.Struct, frozen=True):
    """The clock of a jurisdiction; ``drill`` is None on the live side and before a drill began."""

    exercise: bool
    drill: Drill | None = None

    def now(self, wall: datetime) -> datetime | None:
        """Return the jurisdiction's time at a wall time; None in an exercise without a drill."""
        if not self.exercise:
            return wall
        if self.drill is None:
            return None
        if self.drill.paused or self.drill.state != "running":
            return self.drill.anchor_sim
        passed = (wall - self.drill.anchor_wall).total_seconds()
        return self.drill.anchor_sim + timedelta(seconds=max(0.0, passed) * self.drill.speed)

    def wall_seconds_until(self, due: datetime, now: datetime) -> float | None:
        """Return how long a due time is away by the wall; None while the clock stands still."""
        seconds = max(0.0, (due - now).total_seconds())
        if not self.exercise:
            return seconds
        if self.drill is None or self.drill.paused or self.drill.state != "running":
            return None
        return seconds / self.drill.speed


def read_clock(registers: Registers, jurisdiction: str) -> JurisdictionClock:
    """Return the clock of a jurisdiction as it stands now."""
    if not is_exercise(jurisdiction):
        return JurisdictionClock(exercise=False)
    return JurisdictionClock(exercise=True, drill=registers.drill(jurisdiction))
