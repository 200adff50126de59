"""Which incidents the machine sends units to without asking, and in what order all are served.

For: the planner, its waiting list, the model's question and the desk. An incident that waits for a
person takes no unit from one that is ordered automatically: that person may decide late, or never.
Pure functions of the situation; not for choosing units.
"""

from __future__ import annotations

from datetime import datetime

from dispatch.policy import Policy
from dispatch.wanted import urgency
from models.situation import Incident, Situation

HELD_FOR_TRIAGE = "triage"
HELD_FOR_WALK = "walk"
"""Why no order goes out automatically: triage is open; a unit's way has too much on foot."""


def is_automatic(situation: Situation, incident: Incident, policy: Policy) -> bool:
    """Say whether the units proposed there are ordered without asking a person."""
    return _goes_by_itself(situation, incident) and not held(situation, incident, policy)


def held(situation: Situation, incident: Incident, policy: Policy) -> str:
    """Return why an order that would be automatic waits for a person; empty: it doesn't.

    A report with open triage waits, unless a danger to life was read in it.
    """
    if not _goes_by_itself(situation, incident):
        return ""
    return HELD_FOR_TRIAGE if is_unsure(incident, policy) else ""


def is_unsure(incident: Incident, policy: Policy) -> bool:
    """Say whether triage by a person comes first."""
    return incident.triage and not incident.life_threat and not policy.automatic_untriaged


def precedence(
    situation: Situation, incident: Incident, now: datetime, policy: Policy
) -> tuple[int, int, float, str]:
    """Return the key to sort incidents by: urgent first, then sure, then waiting for long.

    Of one counted priority automatic orders come first, then those that a person confirms, then
    those with open triage. An incident that is held comes after all automatic ones, whatever its
    priority.

    Raises
    ------
    TypeError
        As :func:`~dispatch.wanted.urgency` does.
    """
    priority, waited, name = urgency(incident, now, policy)
    if is_automatic(situation, incident, policy):
        rank = 0
    elif not is_unsure(incident, policy):
        rank = 1
    elif held(situation, incident, policy):
        priority, rank = max(priority, *situation.rules.automatic_priorities), 2
    else:
        rank = 3
    return priority, rank, waited, name


def _goes_by_itself(situation: Situation, incident: Incident) -> bool:
    is_asked = incident.by_hand or not incident.is_placed
    return incident.priority in situation.rules.automatic_priorities and not is_asked
