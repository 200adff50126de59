"""``joint+divert+coverage``: the next call counts too. The default.

What a unit's going leaves bare (:mod:`dispatch.coverage`) stands in the problem as a cost of the
unit, in seconds that urgent calls to come are expected to wait longer; and where idle units leave
too much bare, some move up.
"""

from __future__ import annotations

from dispatch.assignment import Problem, Solution, solve


class JointCoverage:
    """One minimum-cost flow that also looks at what is left for the next call."""

    diverts = True
    covers = True

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where."""
        return solve(problem)
