"""Which open incident a report belongs to, if any.

A source that numbers its incidents itself (attribute ``source_incident``) decides: same number,
same incident; another number, another incident. The number of one that was merged into another
leads to that one. Everybody else's reports are compared by
category, distance and age. A report without a place joins nothing by distance.

A call button is one person's: two of them are two people in need, however near, and one that is
pressed again is the same incident, wherever it is by now.

What nobody could read (it waits for triage, or is of no category) tells nothing of what it is:
two of these at one place are one incident only where they say the same. A sensor's are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias, TypeVar

from dispatch.policy import Policy
from models.categories import OTHER, is_a
from models.events import FactValue, ReportClassified
from models.plain_text import plain
from models.situation import Incident, Situation
from models.words import DEVICE, Channel

EARTH_RADIUS_M = 6_371_008.8
SOURCE_INCIDENT = "source_incident"
HEALTH = "health"
"""Its incidents are one person's: nearer and sooner than others to be the same."""
CALL_BUTTON = "city.elderly_alarm"
CALL_BUTTON_KIND = "sos"
"""Category of what a call button raises, and the kind of such a device in the register."""
_DEVICE, _DEVICE_KIND, _ = DEVICE

METRES_A_DEGREE = math.radians(EARTH_RADIUS_M)
_LEAST_COSINE = 0.01

_Square: TypeAlias = tuple[str, int, int]
"""Category, column, row."""
_Button: TypeAlias = tuple[str, FactValue]
"""Code that it raises, device."""
_Key = TypeVar("_Key")


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
        self._by_button: dict[_Button, set[str]] = {}
        self._noted: dict[str, tuple[_Square | None, FactValue | None, _Button | None]] = {}
        self._radius_m = 0.0
        self.note(situation.incidents)

    def note(self, incidents: Iterable[str]) -> None:
        """Look again at incidents that came, changed or left."""
        radius_m = self._situation.rules.correlation_radius_m
        if radius_m != self._radius_m:
            self._radius_m = radius_m
            self._by_place.clear()
            self._by_number.clear()
            self._by_button.clear()
            self._noted.clear()
            incidents = self._situation.incidents
        for name in incidents:
            square, number, button = self._noted.pop(name, (None, None, None))
            if square is not None:
                self._by_place[square].discard(name)
            if number is not None:
                _discard(self._by_number, number, name)
            if button is not None:
                _discard(self._by_button, button, name)
            incident = self._situation.incidents.get(name)
            if incident is None or (incident.ended and not incident.merged_into):
                continue
            square, number = None, incident.facts.get(SOURCE_INCIDENT)
            button = _button(incident.code, _own_facts(incident))
            if not incident.ended and incident.lon is not None and incident.lat is not None:
                height, row = self._row(incident.category, incident.lat)
                column = _column(incident.lon, row, height)
                square = (incident.category, column, row)
                self._by_place.setdefault(square, set()).add(name)
            if number is not None:
                self._by_number.setdefault(number, set()).add(name)
            if button is not None:
                self._by_button.setdefault(button, set()).add(name)
            self._noted[name] = (square, number, button)

    def find(self, report: ReportClassified, now: datetime) -> tuple[Incident, float, float] | None:
        """Return the incident that the report belongs to, with distance (m) and age (s), or None.

        Of several the nearest wins, of equally near ones the one opened first.
        """
        number = report.attributes.get(SOURCE_INCIDENT)
        if number is not None:
            incident = self._borne(self._by_number.get(number, ()))
            if incident is None:
                return None
            return incident, _distance(incident, report), _age(incident, now)
        button = _button(report.code, report.facts)
        if button is not None:
            incident = self._borne(self._by_button.get(button, ()))
            if incident is not None and _age(incident, now) <= self._window_s(report):
                return incident, _distance(incident, report), _age(incident, now)
        if report.lon is None or report.lat is None:
            return None
        radius = self._situation.rules.correlation_radius_m * self._factor(report.category)
        window = self._window_s(report)
        best: tuple[float, str, Incident, float] | None = None
        for name in self._near(report.category, report.lon, report.lat):
            incident = self._situation.incidents[name]
            age, away = _age(incident, now), _distance(incident, report)
            if age > window or away > radius or (best is not None and (away, name) >= best[:2]):
                continue
            if button is not None and _is_of_another_device(incident, report):
                continue
            if (_is_unread(report) or _is_unread(incident)) and not _says_same(report, incident):
                continue
            best = (away, name, incident, age)
        return None if best is None else (best[2], best[0], best[3])

    def _factor(self, category: str) -> float:
        return self._policy.person_factor if _is_of_a_person(category) else 1.0

    def _window_s(self, report: ReportClassified) -> float:
        return self._situation.rules.correlation_window_s * self._factor(report.category)

    def _borne(self, bearers: Iterable[str]) -> Incident | None:
        """The open one of those that bear a number or a device, else what one was merged into.

        Of several, as after one was reopened, the one opened first.
        """
        found = [self._situation.incidents[name] for name in bearers]
        own = [one for one in found if not one.ended]
        led = own or [one for one in map(self._merged_into, found) if one is not None]
        return min(led, key=lambda one: one.id, default=None)

    def _merged_into(self, incident: Incident) -> Incident | None:
        """The open incident that one was merged into at last; None: it ended, or is forgotten."""
        into: Incident | None = incident
        while into is not None and into.merged_into:
            into = self._situation.incidents.get(into.merged_into)
        return None if into is None or into.ended else into

    def _row(self, category: str, lat: float) -> tuple[float, int]:
        """Height of a category's squares in degrees, and which row of them a latitude is in."""
        height = max(self._radius_m * self._factor(category), 1.0) / METRES_A_DEGREE
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


def _button(code: str, facts: Mapping[str, FactValue]) -> _Button | None:
    """Which call button raised an alarm; None: none did."""
    device, kind = facts.get(_DEVICE), facts.get(_DEVICE_KIND)
    if device is None or not (code == CALL_BUTTON or kind == CALL_BUTTON_KIND):
        return None
    return code, device


def _own_facts(incident: Incident) -> Mapping[str, FactValue]:
    """An incident's facts without those of what was merged into it."""
    return incident.facts if incident.own is None else incident.own.facts


def _is_of_another_device(incident: Incident, report: ReportClassified) -> bool:
    device = _own_facts(incident).get(_DEVICE)
    return device is not None and device != report.facts[_DEVICE]


def _is_unread(one: ReportClassified | Incident) -> bool:
    return one.triage or (one.category == OTHER and one.channel is not Channel.SENSOR)


def _says_same(report: ReportClassified, incident: Incident) -> bool:
    said = _words(report.text)
    return bool(said) and any(_words(text) == said for text in (incident.text, *incident.texts))


def _discard(index: dict[_Key, set[str]], key: _Key, name: str) -> None:
    index[key].discard(name)
    if not index[key]:
        del index[key]


def _words(text: str) -> str:
    return " ".join(plain(text).casefold().split())


def with_facts(old: Mapping[str, FactValue], report: ReportClassified) -> dict[str, FactValue]:
    """Return :func:`merge_facts` of an incident's facts and a report's.

    The incident keeps its device where a further call button tells of it, as after a merge.
    """
    new: Mapping[str, FactValue] = report.facts
    if _DEVICE in old and _button(report.code, report.facts) is not None:
        new = {name: value for name, value in new.items() if name not in DEVICE}
    return merge_facts(old, new)


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
