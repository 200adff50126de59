"""What a journal comes to in numbers: calls, incidents, orders, response times.

For: results of replays. Reads journal events one by one and keeps only what it counts. Not for:
the situation (:mod:`models.situation`).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from models.events import (
    AssignmentMoved,
    AssignmentOrdered,
    Event,
    EventRefused,
    IncidentMoved,
    IncidentOpened,
    IncidentRevised,
    IncidentUnmerged,
    OrderRefused,
    ReportLinked,
)
from models.lifecycles import ENDED_INCIDENT, AssignmentState
from streams.measures import quantile


class ResponseTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from a report to the first unit on scene, over the incidents of one priority.

    ``reached`` of ``incidents`` had somebody there; the rest count in no figure.
    """

    incidents: int
    reached: int
    median_s: float
    mean_s: float
    p90_s: float


class _Case(msgspec.Struct):
    received_at: datetime
    priority: int
    reports: int = 1
    merged: bool = False
    ended: bool = False
    first_on_scene_s: float | None = None


class Tally:
    """Counts while it is read along."""

    def __init__(self) -> None:
        self.orders = 0
        self.refused = 0
        self.last_change: datetime | None = None
        self._cases: dict[str, _Case] = {}
        self._open = 0

    @property
    def incidents(self) -> int:
        """Incidents opened."""
        return len(self._cases)

    @property
    def open_incidents(self) -> int:
        """Incidents that have not ended."""
        return self._open

    @property
    def closed_reports(self) -> int:
        """Reports whose incident has ended."""
        # Those of one that was merged count in the other.
        cases = self._cases.values()
        return sum(case.reports for case in cases if case.ended and not case.merged)

    @property
    def open_reports(self) -> int:
        """Reports whose incident has not ended."""
        return sum(case.reports for case in self._cases.values() if not case.ended)

    def observe(self, event: Event) -> None:
        """Take in one event of the journal."""
        data = event.data
        if isinstance(data, IncidentOpened):
            self._cases[data.incident] = _Case(data.received_at, data.priority)
            self._open += 1
        elif isinstance(data, ReportLinked):
            self._cases[data.incident].reports += 1
        elif isinstance(data, IncidentRevised):
            self._cases[data.incident].priority = data.priority
        elif isinstance(data, IncidentMoved):
            self._moved(self._cases[data.incident], data)
        elif isinstance(data, IncidentUnmerged):
            self._cases[data.incident].reports -= len(data.reports)
            self._cases[data.incident].priority = data.share.priority
        elif isinstance(data, AssignmentOrdered):
            self.orders += 1
        elif isinstance(data, AssignmentMoved):
            case = self._cases[data.incident]
            if data.state is AssignmentState.ON_SCENE and case.first_on_scene_s is None:
                case.first_on_scene_s = (event.time - case.received_at).total_seconds()
        elif isinstance(data, OrderRefused | EventRefused):
            self.refused += 1
            return
        else:
            return
        self.last_change = event.time

    def _moved(self, case: _Case, data: IncidentMoved) -> None:
        ended = data.state in ENDED_INCIDENT
        self._open += case.ended - ended
        case.ended, case.merged = ended, bool(data.merged_into)

    def response_times(self) -> dict[int, ResponseTimes]:
        """Response times by priority."""
        found: dict[int, list[_Case]] = {}
        for case in self._cases.values():
            found.setdefault(case.priority, []).append(case)
        return {priority: _times(found[priority]) for priority in sorted(found)}


def _times(cases: list[_Case]) -> ResponseTimes:
    reached = sorted(c.first_on_scene_s for c in cases if c.first_on_scene_s is not None)
    if not reached:
        return ResponseTimes(incidents=len(cases), reached=0, median_s=0, mean_s=0, p90_s=0)
    return ResponseTimes(
        incidents=len(cases),
        reached=len(reached),
        median_s=quantile(reached, 0.5) or 0.0,
        mean_s=round(sum(reached) / len(reached), 1),
        p90_s=quantile(reached, 0.9) or 0.0,
    )
