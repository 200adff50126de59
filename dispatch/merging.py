"""What an incident is that others were merged into: the worst of all its parts.

For: the orders that merge incidents and undo that, and the desk, which keeps up what an incident
would be without the others. Pure functions of its parts. Not for: whether two are the same
(:mod:`dispatch.correlation`), which people decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from dispatch.correlation import SOURCE_INCIDENT, merge_facts, with_facts
from models.events import FactValue, ReportClassified, Share
from models.situation import Incident

MERGED = "merged"


def whole(own: Share, joined: Sequence[Share]) -> Share:
    """Return what an incident is with what was merged into it.

    The most urgent and the worst of all; of each fact the larger count and the truer flag, and of
    words those of the incident itself, then of what joined it first. Its source's number stays
    its own: that of a merged one leads to it by itself.
    """
    facts: dict[str, FactValue] = {}
    for share in (*reversed(joined), own):
        facts = merge_facts(facts, share.facts)
    facts.pop(SOURCE_INCIDENT, None)
    if SOURCE_INCIDENT in own.facts:
        facts[SOURCE_INCIDENT] = own.facts[SOURCE_INCIDENT]
    parts = (own, *joined)
    return Share(
        facts=facts,
        priority=min(part.priority for part in parts),
        grade=min(part.grade for part in parts),
        life_threat=any(part.life_threat for part in parts),
    )


def without(incident: Incident, duplicate: str) -> Share | None:
    """Return what is left of an incident without one of those that were merged into it.

    None where what came from it wasn't kept apart.
    """
    if incident.own is None or duplicate not in {one.incident for one in incident.joined}:
        return None
    return whole(incident.own, [one.share for one in incident.joined if one.incident != duplicate])


def with_report(incident: Incident, report: ReportClassified) -> Share | None:
    """Return what an incident would be without the others, after a report; None: it has none."""
    own = incident.own
    if own is None:
        return None
    triaged = bool(incident.triaged_by)
    return Share(
        facts=with_facts(own.facts, report),
        priority=own.priority if triaged else min(own.priority, report.priority),
        grade=own.grade if triaged else min(own.grade, report.grade),
        life_threat=own.life_threat or report.life_threat,
    )
