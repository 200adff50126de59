"""Orders that take back what a person did to an incident: a merge, a closing."""

from __future__ import annotations

from collections.abc import Callable

from dispatch import merging
from dispatch.orders.refusal import RefusalError, reason_of
from dispatch.step import Step
from models import events as ev
from models.lifecycles import IncidentState
from models.situation import Incident


class UndoingOrders:
    """Gives incidents back.

    Parameters
    ----------
    adopt
        Matches the playbooks anew, after an incident lost what made it what it was.
    adopt_anew
        Likewise, and gives tasks and sets deadlines again, after one was reopened.
    """

    def __init__(
        self,
        adopt: Callable[[Step, Incident], None],
        adopt_anew: Callable[[Step, Incident], None],
    ) -> None:
        self._adopt = adopt
        self._adopt_anew = adopt_anew

    def reopen_incident(self, step: Step, given: ev.ReopenIncident) -> None:
        reason = reason_of(given)
        incident = _known(step, given.incident)
        if incident.merged_into:
            raise RefusalError(
                "incident_merged",
                f"incident {incident.number} was merged into {incident.merged_into}: undo that",
            )
        if not incident.ended:
            raise RefusalError(
                "not_ended", f"incident {incident.number} is {incident.state.value}, not ended"
            )
        self._reopen(step, incident, given.by, reason)

    def unmerge_incident(self, step: Step, given: ev.UnmergeIncident) -> None:
        """Give the duplicate back, whether what it was merged into goes on or has ended."""
        reason = reason_of(given)
        duplicate = _known(step, given.incident)
        if not duplicate.merged_into:
            raise RefusalError(
                "not_merged", f"incident {duplicate.number} was merged into no other one"
            )
        incident = _known(step, duplicate.merged_into)
        if incident.merged_into:
            # What came from the duplicate went on from there; nobody would find it all.
            raise RefusalError(
                "merged_on",
                f"incident {incident.number} was itself merged into {incident.merged_into} later: "
                "undo that merge first",
            )
        left = merging.without(incident, duplicate.id)
        if left is None:
            raise RefusalError(
                "merge_not_kept",
                f"what {duplicate.number} brought into {incident.number} was not kept apart",
            )
        (joined,) = (one for one in incident.joined if one.incident == duplicate.id)
        if joined.where is not None and incident.proposal:
            # It was made for the duplicate's place.
            step.emit(
                ev.ProposalWithdrawn(
                    proposal=incident.proposal, incident=incident.id, why=ev.OVERTAKEN
                ),
                incident=incident.id,
            )
        step.emit(
            ev.IncidentUnmerged(
                incident=incident.id,
                duplicate=duplicate.id,
                reports=tuple(duplicate.reports),
                share=left,
                where=joined.where,
                by=given.by,
                reason=reason,
            ),
            incident=incident.id,
        )
        if not incident.ended:
            self._adopt(step, incident)
        self._reopen(step, duplicate, given.by, reason)

    def _reopen(self, step: Step, incident: Incident, by: str, reason: str) -> None:
        step.emit(
            ev.IncidentMoved(incident=incident.id, state=IncidentState.OPEN, by=by, reason=reason),
            incident=incident.id,
        )
        self._adopt_anew(step, incident)


def _known(step: Step, incident_id: str) -> Incident:
    """Return an incident, ended or not, that the situation still remembers."""
    incident = step.situation.incidents.get(incident_id)
    if incident is None:
        raise RefusalError(
            "unknown_incident", f"no incident {incident_id} is in the situation any more"
        )
    return incident
