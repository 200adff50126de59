"""Proposals that can't be confirmed any more, withdrawn in the step in which that came to be.

For: :class:`dispatch.desk.Desk`, at the end of each step. A proposal of which a unit was sent
elsewhere, held back or went out of service would be refused, so it doesn't stand; the next plan
makes another one. Not for: proposals that are no longer the best, which the planner replaces.
"""

from __future__ import annotations

from dispatch.planning import Planner
from dispatch.step import Step
from dispatch.wanted import sendable
from models.events import OVERTAKEN, ProposalWithdrawn
from models.situation import Proposal


def withdraw_overtaken(step: Step, planner: Planner) -> None:
    """Withdraw the proposals that name a unit which this step took away."""
    units = step.situation.units
    changed = {
        name
        for kind, name in step.touched
        if kind == "units" and name in units and not sendable(units[name])
    }
    if not changed:
        return
    for proposal in [p for p in step.situation.proposals.values() if _names(p, changed)]:
        incident = step.incident(proposal.incident)
        chosen = [choice.chosen for choice in proposal.choices if choice.chosen is not None]
        if not all(planner.may_go(step, incident, one) for one in chosen):
            step.emit(
                ProposalWithdrawn(proposal=proposal.id, incident=incident.id, why=OVERTAKEN),
                incident=incident.id,
            )


def _names(proposal: Proposal, units: set[str]) -> bool:
    return any(
        choice.chosen is not None
        and (choice.chosen.unit in units or choice.chosen.relieves in units)
        for choice in proposal.choices
    )
