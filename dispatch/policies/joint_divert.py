"""``joint+divert``: units under way to something less urgent are in the model too.

Whom :mod:`dispatch.diversion` allows to be turned stands in the problem with the place that it is
on its way to; its staying there is one of the choices, and its leaving leaves a gap that the same
flow fills. The gain that a diversion must bring is a cost of the pair.
"""

from __future__ import annotations

from dispatch.assignment import Problem, Solution, solve


class JointDivert:
    """One minimum-cost flow over idle units and those who may be turned."""

    diverts = True
    covers = False

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where."""
        return solve(problem)
