"""Proposals: at most one for an incident, a new one in place of the old."""

from __future__ import annotations

from models import events as ev
from models.events import Event
from models.fold.incidents import touch_incident
from models.situation import Proposal, Situation, Touched


def proposal_made(s: Situation, event: Event, data: ev.ProposalMade, touched: Touched) -> None:
    incident = touch_incident(s, event, data.incident, touched)
    if incident.proposal:
        s.proposals.pop(incident.proposal, None)
        touched.add(("proposals", incident.proposal))
    incident.proposal = data.proposal
    s.plan_due = s.plan_due or data.more
    s.proposals[data.proposal] = Proposal(
        id=data.proposal,
        incident=data.incident,
        made_at=event.time,
        choices=data.choices,
        updated_seq=event.seq,
        shortage=data.shortage,
        automatic=data.automatic,
        held=data.held,
        counted_priority=data.counted_priority,
        status=data.status,
        policy=data.policy,
        gap=data.gap,
        solved=data.solved,
        coverage=data.coverage,
        coverage_after=data.coverage_after,
        next_free_s=data.next_free_s,
    )
    touched.add(("proposals", data.proposal))


def proposal_withdrawn(
    s: Situation, event: Event, data: ev.ProposalWithdrawn, touched: Touched
) -> None:
    s.proposals.pop(data.proposal, None)
    touched.add(("proposals", data.proposal))
    s.plan_due = s.plan_due or data.why == ev.OVERTAKEN
    incident = s.incidents.get(data.incident)
    if incident is not None and incident.proposal == data.proposal:
        touch_incident(s, event, data.incident, touched).proposal = ""
