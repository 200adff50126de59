"""``joint``: all that waits and all who are idle in one model, at the least total cost.

The nearest unit for each is not the best for all: see :mod:`dispatch.assignment`.
"""

from __future__ import annotations

from dispatch.assignment import Problem, Solution, solve


class Joint:
    """One minimum-cost flow over idle units."""

    diverts = False
    covers = False

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where."""
        return solve(problem)
