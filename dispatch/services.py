"""How long crews are busy: what was recorded, and what stands in where nothing was.

For: the simulator. How long a crew works is what was recorded (``ServiceRecorded``) for the report
that its incident began with. The first unit of a kind that arrives takes the first record of that
kind, and so on. Where none is left: a unit that can bring patients to hospital takes the record of
another kind that did; else the crew stays as long as one of its kind did at that call, or one of
another kind; else the median of all records of that call type so far; else `DEFAULT_ON_SCENE_S`.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence

from models.events import Event, ReportReceived, ServiceRecorded

DEFAULT_ON_SCENE_S = 1200.0


class Services:
    """The recorded service times of a drill, as far as they are known yet."""

    def __init__(self) -> None:
        self._by_report: dict[str, list[ServiceRecorded]] = {}
        self._by_code: dict[str, list[float]] = {}
        self._taken: dict[str, set[int]] = {}
        self._reading = ("", "")

    def learn(self, event: Event) -> None:
        """Take in a line of a recording: a report's code, or a service time behind it."""
        if isinstance(event.data, ReportReceived):
            self._reading = event.id, event.data.code
        elif isinstance(event.data, ServiceRecorded):
            service = event.data
            self._by_report.setdefault(service.report, []).append(service)
            report, code = self._reading
            if report == service.report:
                insort(self._by_code.setdefault(code, []), service.on_scene_s)

    def take(
        self, reports: Sequence[str], code: str, kind: str, *, transports: bool
    ) -> ServiceRecorded:
        """Return how long a unit that arrives now is busy.

        Parameters
        ----------
        reports
            Of its incident, the first one first.
        code
            Call type of the incident.
        transports
            Whether the unit can bring patients to hospital.
        """
        records = [
            (report, at, service)
            for report in reports
            for at, service in enumerate(self._by_report.get(report, ()))
        ]
        free = [r for r in records if r[1] not in self._taken.get(r[0], ())]
        mine = [r for r in free if r[2].kind == kind]
        if not mine and transports:
            mine = [r for r in free if r[2].transport_s is not None]
        if mine:
            report, at, service = mine[0]
            self._taken.setdefault(report, set()).add(at)
            return service
        same_kind = [service for _, _, service in records if service.kind == kind]
        for service in same_kind or [service for _, _, service in records]:
            return ServiceRecorded(report=service.report, kind=kind, on_scene_s=service.on_scene_s)
        known = self._by_code.get(code, [])
        return ServiceRecorded(
            report=reports[0] if reports else "",
            kind=kind,
            on_scene_s=known[len(known) // 2] if known else DEFAULT_ON_SCENE_S,
        )

    def forget(self, reports: Iterable[str]) -> None:
        """Drop the records of an incident that has ended; the medians keep them."""
        for report in reports:
            self._by_report.pop(report, None)
            self._taken.pop(report, None)
