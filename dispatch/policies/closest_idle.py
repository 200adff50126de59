"""``closest-idle``: each call in turn takes the nearest idle unit. The baseline.

What most dispatch centres do, played fairly: calls wait in the order of their priority and, within
one, in the order in which they came; each requirement takes the units that are there soonest,
turnout included, out of those that are idle, at their post or on the way home from where they are.
Nobody under way is turned round and nothing is kept for the next call.
"""

from __future__ import annotations

from dispatch.assignment import Problem, Solution, nearest_first


class ClosestIdle:
    """Nearest first, one call after another."""

    diverts = False
    covers = False

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where."""
        return nearest_first(problem)
