"""A life may be at stake and the reading is not sure enough to order: a person looks in time.

For: :class:`dispatch.desk.Desk`. Such an incident has priority 1 and open triage; the machine
orders nothing for it. Where it is neither triaged nor served within ``Policy.look_s``, a commander
is told.
"""

from __future__ import annotations

from typing import Final

from dispatch.policy import Policy
from dispatch.step import Step
from models.events import DeadlineSet
from models.lifecycles import IncidentState
from models.situation import Incident
from models.words import TRIAGED

LIFE_THREATENING: Final = 1
LIVE: Final = "live"
KEY: Final = "maybe_life_threatening"
TO_ROLE: Final = "commander"
NOTICE: Final = {
    "zh": "可能有生命危险，尚未研判，请督促",
    "en": "Maybe life-threatening and not triaged yet, see to it",
}


def may_be_life_threatening(incident: Incident) -> bool:
    """Say whether a danger was read, not surely, and nobody has said yet what it is."""
    return (
        incident.priority == LIFE_THREATENING
        and incident.triage
        and not incident.life_threat
        and not incident.triaged_by
    )


def is_live(incident: Incident) -> bool:
    """Say whether it happens here and now, as far as its leading text was read."""
    return incident.reading is None or incident.reading.modality == LIVE


def set_clock(step: Step, incident: Incident, policy: Policy) -> None:
    """Set the deadline of such an incident, once."""
    name = f"{incident.id}-d-{KEY}"
    is_told = any(one.deadline == name for one in incident.escalations)
    if not may_be_life_threatening(incident) or is_told or name in step.situation.deadlines:
        return
    step.emit(
        DeadlineSet(
            deadline=name,
            incident=incident.id,
            due=step.after(policy.look_s),
            states=(IncidentState.OPEN,),
            to_role=TO_ROLE,
            notice=NOTICE,
            until=TRIAGED,
        ),
        incident=incident.id,
    )
