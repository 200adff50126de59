"""Whom the machine sends without asking, and who comes first when not all can be served.

For: the planner, its waiting list, the model's question and the desk. What waits for a person
takes no unit from what goes out by itself: nobody knows when, or whether, that person decides.
Pure functions of the situation; not for choosing.
"""

from __future__ import annotations

from datetime import datetime

from dispatch.policy import Policy
from dispatch.wanted import urgency
from models.situation import Incident, Situation

HELD_FOR_TRIAGE = "triage"


def is_automatic(situation: Situation, incident: Incident, policy: Policy) -> bool:
    """Say whether the machine sends whom it proposes there, without asking."""
    return _goes_by_itself(situation, incident) and not held(situation, incident, policy)


def held(situation: Situation, incident: Incident, policy: Policy) -> str:
    """Return why no machine orders what would go out by itself; empty: nothing holds it.

    What nobody understood well enough waits for a person, unless a danger to life was read in it.
    """
    if not _goes_by_itself(situation, incident):
        return ""
    return HELD_FOR_TRIAGE if is_unsure(incident, policy) else ""


def is_unsure(incident: Incident, policy: Policy) -> bool:
    """Say whether a person should say first what an incident is."""
    return incident.triage and not incident.life_threat and not policy.automatic_untriaged


def precedence(
    situation: Situation, incident: Incident, now: datetime, policy: Policy
) -> tuple[int, int, float, str]:
    """Return what incidents are served by: the most urgent, the surest, the longest waiting first.

    Of the same counted priority those that the machine sends to come first, then those that a
    person is asked about, then those that nobody understood well enough. What is held comes after
    all that the machine sends to, whatever its priority.

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
