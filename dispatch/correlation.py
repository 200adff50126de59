"""Which open incident a report belongs to, if any.

A source that numbers its incidents itself (attribute ``source_incident``) decides: same number,
same incident; another number, another incident. The number of one that was merged into another
leads to that one. Everybody else's reports are compared by
category, distance and age. A report without a place joins nothing by distance.

What nobody could read (it waits for triage, or is of no category) tells nothing of what it is:
two of these at one place are one incident only where they say the same. A sensor's are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from dispatch.policy import Policy
from models.categories import OTHER, is_a
from models.events import FactValue, ReportClassified
from models.plain_text import plain
from models.situation import Incident, Situation
from models.words import Channel

EARTH_RADIUS_M = 6_371_008.8
SOURCE_INCIDENT = "source_incident"
HEALTH = "health"
"""Its incidents are one person's: nearer and sooner than others to be the same."""

METRES_A_DEGREE = math.radians(EARTH_RADIUS_M)
_LEAST_COSINE = 0.01

_Square: TypeAlias = tuple[str, int, int]
"""Category, column, row."""


def distance_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Return the great-circle distance in metres (haversine)."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    a = (
        math.sin((phi2 - phi1) / 2) ** 2
        + math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(a))


class OpenIncidents:
    """The incidents that a report may belong to, found without looking at all of them.

    Derived from the situation and kept up by :meth:`note`; a desk that wakes makes it anew.
    """

    def __init__(self, situation: Situation, policy: Policy) -> None:
        self._situation = situation
        self._policy = policy
        self._by_number: dict[FactValue, set[str]] = {}
        self._by_place: dict[_Square, set[str]] = {}
        self._noted: dict[str, tuple[_Square | None, FactValue | None]] = {}
        self._radius_m = 0.0
        self.note(situation.incidents)

    def note(self, incidents: Iterable[str]) -> None:
        """Look again at incidents that came, changed or left."""
        radius_m = self._situation.rules.correlation_radius_m
        if radius_m != self._radius_m:
            self._radius_m = radius_m
            self._by_place.clear()
            self._by_number.clear()
            self._noted.clear()
            incidents = self._situation.incidents
        for name in incidents:
            square, number = self._noted.pop(name, (None, None))
            if square is not None:
                self._by_place[square].discard(name)
            if number is not None:
                bearers = self._by_number[number]
                bearers.discard(name)
                if not bearers:
                    del self._by_number[number]
            incident = self._situation.incidents.get(name)
            if incident is None or (incident.ended and not incident.merged_into):
                continue
            square, number = None, incident.facts.get(SOURCE_INCIDENT)
            if not incident.ended and incident.lon is not None and incident.lat is not None:
                height, row = self._row(incident.category, incident.lat)
                column = _column(incident.lon, row, height)
                square = (incident.category, column, row)
                self._by_place.setdefault(square, set()).add(name)
            if number is not None:
                self._by_number.setdefault(number, set()).add(name)
            self._noted[name] = (square, number)

    def find(self, report: ReportClassified, now: datetime) -> tuple[Incident, float, float] | None:
        """Return the incident that the report belongs to, with distance (m) and age (s), or None.

        Of several the nearest wins, of equally near ones the one opened first.
        """
        number = report.attributes.get(SOURCE_INCIDENT)
        if number is not None:
            incident = self._numbered(number)
            if incident is None:
                return None
            return incident, _distance(incident, report), _age(incident, now)
        if report.lon is None or report.lat is None:
            return None
        rules = self._situation.rules
        factor = self._policy.person_factor if _is_of_a_person(report.category) else 1.0
        radius, window = rules.correlation_radius_m * factor, rules.correlation_window_s * factor
        best: tuple[float, str, Incident, float] | None = None
        for name in self._near(report.category, report.lon, report.lat):
            incident = self._situation.incidents[name]
            age, away = _age(incident, now), _distance(incident, report)
            if age > window or away > radius or (best is not None and (away, name) >= best[:2]):
                continue
            if (_is_unread(report) or _is_unread(incident)) and not _says_same(report, incident):
                continue
            best = (away, name, incident, age)
        return None if best is None else (best[2], best[0], best[3])

    def _numbered(self, number: FactValue) -> Incident | None:
        """The incident that bears a source's number, else the one that such a one was merged into.

        Of several, as after one was reopened, the one opened first.
        """
        bearers = [self._situation.incidents[name] for name in self._by_number.get(number, ())]
        own = [one for one in bearers if not one.ended]
        found = own or [one for one in map(self._merged_into, bearers) if one is not None]
        return min(found, key=lambda one: one.id, default=None)

    def _merged_into(self, incident: Incident) -> Incident | None:
        """The open incident that one was merged into at last; None: it ended, or is forgotten."""
        into: Incident | None = incident
        while into is not None and into.merged_into:
            into = self._situation.incidents.get(into.merged_into)
        return None if into is None or into.ended else into

    def _row(self, category: str, lat: float) -> tuple[float, int]:
        """Height of a category's squares in degrees, and which row of them a latitude is in."""
        factor = self._policy.person_factor if _is_of_a_person(category) else 1.0
        height = max(self._radius_m * factor, 1.0) / METRES_A_DEGREE
        return height, math.floor(lat / height)

    def _near(self, category: str, lon: float, lat: float) -> Iterable[str]:
        height, middle = self._row(category, lat)
        for row in (middle - 1, middle, middle + 1):
            column = _column(lon, row, height)
            for x in (column - 1, column, column + 1):
                if found := self._by_place.get((category, x, row)):
                    yield from found


def _column(lon: float, row: int, height: float) -> int:
    """Which column of a row a longitude is in: each row has squares as wide as they must be.

    Two points a column apart are farther than a radius, whichever latitudes they have in the row
    and the two beside it.
    """
    return math.floor(lon * _cosine(row, height) / height)


@lru_cache(maxsize=4096)
def _cosine(row: int, height: float) -> float:
    farthest = max(abs((row - 1) * height), abs((row + 2) * height))
    return max(_LEAST_COSINE, math.cos(math.radians(min(farthest, 90.0))))


@lru_cache(maxsize=1024)
def _is_of_a_person(category: str) -> bool:
    return is_a(category, HEALTH)


def _is_unread(one: ReportClassified | Incident) -> bool:
    return one.triage or (one.category == OTHER and one.channel is not Channel.SENSOR)


def _says_same(report: ReportClassified, incident: Incident) -> bool:
    said = _words(report.text)
    return bool(said) and any(_words(text) == said for text in (incident.text, *incident.texts))


def _words(text: str) -> str:
    return " ".join(plain(text).casefold().split())


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
