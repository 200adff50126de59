"""Which open incident a report belongs to, if any.

A source that numbers its incidents itself (attribute ``source_incident``) decides: same number,
same incident; another number, another incident. Everybody else's reports are compared by
category, distance and age. A report without a place joins nothing by distance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from dispatch.policy import Policy
from models.categories import is_a
from models.events import FactValue, ReportClassified
from models.situation import Incident, Situation

EARTH_RADIUS_M = 6_371_008.8
SOURCE_INCIDENT = "source_incident"


def distance_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Return the great-circle distance in metres (haversine)."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    a = (
        math.sin((phi2 - phi1) / 2) ** 2
        + math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(a))


def find_incident(
    situation: Situation, report: ReportClassified, now: datetime, policy: Policy
) -> tuple[Incident, float, float] | None:
    """Return the incident that the report belongs to, with distance (m) and age (s), or None.

    Of several the nearest wins, of equally near ones the one opened first.
    """
    number = report.attributes.get(SOURCE_INCIDENT)
    if number is not None:
        for incident in situation.incidents.values():
            if not incident.ended and incident.facts.get(SOURCE_INCIDENT) == number:
                return incident, _distance(incident, report), _age(incident, now)
        return None
    if report.lon is None or report.lat is None:
        return None
    factor = policy.person_factor if is_a(report.category, "health") else 1.0
    radius = situation.rules.correlation_radius_m * factor
    window = situation.rules.correlation_window_s * factor
    best: tuple[float, str, Incident, float] | None = None
    for incident in situation.incidents.values():
        if incident.ended or incident.category != report.category or incident.lon is None:
            continue
        age = _age(incident, now)
        if age > window:
            continue
        away = _distance(incident, report)
        if away <= radius and (best is None or (away, incident.id) < best[:2]):
            best = (away, incident.id, incident, age)
    return None if best is None else (best[2], best[0], best[3])


def merge_facts(old: Mapping[str, FactValue], new: Mapping[str, FactValue]) -> dict[str, FactValue]:
    """Return the worse of both for each fact: the larger count, the truer flag, the newer text."""
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        if isinstance(before, int) and isinstance(value, int):
            merged[name] = max(before, value)
        else:
            merged[name] = value
    return merged


def _age(incident: Incident, now: datetime) -> float:
    return max(0.0, (now - incident.updated_at).total_seconds())


def _distance(incident: Incident, report: ReportClassified) -> float:
    if incident.lon is None or incident.lat is None or report.lon is None or report.lat is None:
        return 0.0
    return distance_m(incident.lon, incident.lat, report.lon, report.lat)
