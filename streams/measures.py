"""What a policy did with a night: arrivals, diversions, unit hours and coverage, from the journal.

For: the report of a fast replay (:mod:`streams.fast_report`). Reads journal events one by one,
and expected coverage as the replay looks at it. Not for: showing anything, and not for deciding: it
knows only what the journal says.

What counts
- An incident counts as one call, with the priority that it has at the end. *Urgent* is priority
  `URGENT`: life-threatening, for whom alone units are diverted; all others are *other*.
- Left out, and counted as such: incidents that were merged into another one or cancelled before
  anybody came, and those without a place, to which nobody can be sent by road.
- *First arrival* is from the call's receipt to the first unit on scene; *full complement* to the
  last of the units that its requirements ask for. Who was never reached is late, and is in no
  mean; both counts stand beside each figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from models import events as ev
from models.events import Event
from models.lifecycles import ENDED_ASSIGNMENT, AssignmentState, IncidentState

URGENT = 1
QUANTILES = {"median_s": 0.5, "p90_s": 0.9, "p99_s": 0.99}
CURVE_STEP_S = 15
CURVE_END_S = 1800


class Case(msgspec.Struct, kw_only=True):
    """One incident as it went. Times in seconds from the receipt of its call."""

    received_at: datetime
    priority: int
    lon: float | None
    lat: float | None
    wanted: dict[str, int] = {}
    arrivals: list[tuple[str, float]] = []
    cancelled: bool = False
    merged: bool = False

    @property
    def first_s(self) -> float | None:
        """First unit on scene."""
        return min((at for _, at in self.arrivals), default=None)

    @property
    def full_s(self) -> float | None:
        """Last unit on scene of those that were asked for; None where one is missing."""
        last = 0.0
        for key, count in self.wanted.items():
            there = sorted(at for name, at in self.arrivals if name == key)
            if len(there) < count:
                return None
            last = max(last, there[count - 1])
        return last if self.wanted else None


class Measures:
    """Counts while a journal is read along."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.assignments: dict[str, tuple[str, str, datetime]] = {}
        self.ended_s: dict[str, float] = {}
        self.kinds: dict[str, str] = {}
        self.turned: list[tuple[str, str, str]] = []
        self.move_ups = 0
        self.coverage: list[tuple[datetime, float]] = []
        self._handlers: dict[type[ev.Payload], Callable[[Event, Any], None]] = {
            ev.UnitRegistered: self._registered,
            ev.IncidentOpened: self._opened,
            ev.IncidentRevised: self._revised,
            ev.IncidentMoved: self._moved,
            ev.IncidentUnmerged: self._unmerged,
            ev.PlanAdopted: self._planned,
            ev.AssignmentOrdered: self._ordered,
            ev.AssignmentMoved: self._assignment_moved,
            ev.UnitDiverted: self._diverted,
            ev.MoveUpOrdered: self._moved_up,
        }

    def observe(self, event: Event) -> None:
        """Take in one event of the journal."""
        handler = self._handlers.get(type(event.data))
        if handler is not None:
            handler(event, event.data)

    def covered(self, at: datetime, share: float) -> None:
        """Take in the expected coverage of a moment."""
        self.coverage.append((at, round(share, 4)))

    def counted(self, *, urgent: bool) -> list[Case]:
        """Return the calls of a class that count."""
        return [c for c in self._of(urgent=urgent) if _excluded(c) == ""]

    def excluded(self, *, urgent: bool) -> dict[str, int]:
        """Return how many of a class are left out, by the reason."""
        reasons = dict.fromkeys(("merged", "cancelled", "no_place"), 0)
        for case in self._of(urgent=urgent):
            if why := _excluded(case):
                reasons[why] += 1
        return reasons

    def group(self, *, urgent: bool, late_s: float) -> dict[str, Any]:
        """Return the figures of the urgent or the other calls."""
        cases = self.counted(urgent=urgent)
        reached = sorted(c.first_s for c in cases if c.first_s is not None)
        in_time = sum(at <= late_s for at in reached)
        turned = [
            (left, to)
            for kind, left, to in self.turned
            if kind == "divert"
            and (self.cases[to if urgent else left].priority == URGENT) == urgent
        ]
        orders = len(self.assignments)
        return {
            "calls": len(cases),
            "late": len(cases) - in_time,
            "late_share": _share(len(cases) - in_time, len(cases)),
            "mean_s": _mean(reached),
            **{name: quantile(reached, share) for name, share in QUANTILES.items()},
            "longest_s": reached[-1] if reached else None,
            "diversions_per_100": _share(100 * len(turned), orders),
            "first_arrival": arrival_figures(cases, lambda c: c.first_s),
            "full_complement": arrival_figures(cases, lambda c: c.full_s),
            "curve": curve(reached, len(cases)),
            "curve_full": curve([c.full_s for c in cases if c.full_s is not None], len(cases)),
            "counts": {
                "reached": len(reached),
                "in_time": in_time,
                "never_reached": len(cases) - len(reached),
                "diversions": len(turned),
                "assignments_of_the_run": orders,
                "excluded": self.excluded(urgent=urgent),
            },
        }

    def by_priority(self, late_s: float) -> dict[str, Any]:
        """Return first arrival and full complement for each priority."""
        result = {}
        for priority in (1, 2, 3, 4):
            cases = [c for c in self.cases.values() if c.priority == priority and not _excluded(c)]
            late = sum(c.first_s is None or c.first_s > late_s for c in cases)
            result[str(priority)] = {
                "calls": len(cases),
                "late": late,
                "late_share": _share(late, len(cases)),
                "longest_s": max((c.first_s for c in cases if c.first_s is not None), default=None),
                "first_arrival": arrival_figures(cases, lambda c: c.first_s),
                "full_complement": arrival_figures(cases, lambda c: c.full_s),
            }
        return result

    def run(self) -> dict[str, Any]:
        """Return what is of the run as a whole."""
        kinds: dict[str, list[float]] = {}
        for name, (_, unit, _) in self.assignments.items():
            kinds.setdefault(self.kinds.get(unit, ""), []).append(self.ended_s.get(name, 0.0))
        turned = [kind for kind, _, _ in self.turned]
        orders = len(self.assignments)
        return {
            "assignments": orders,
            "diversions": turned.count("divert"),
            "reliefs": turned.count("relief"),
            "move_ups": self.move_ups,
            "diversions_per_100": _share(100 * turned.count("divert"), orders),
            "unit_hours": {
                kind: {
                    "hours": round(sum(seconds) / 3600, 2),
                    "assignments": len(seconds),
                    "units": sum(one == kind for one in self.kinds.values()),
                }
                for kind, seconds in sorted(kinds.items())
            },
            "coverage_by_hour": self._coverage_by_hour(),
        }

    def _coverage_by_hour(self) -> list[dict[str, Any]]:
        hours: dict[str, list[float]] = {}
        for at, share in self.coverage:
            hours.setdefault(f"{at:%Y-%m-%dT%H}:00Z", []).append(share)
        return [
            {"hour": hour, "mean": _mean(shares, 4), "least": min(shares), "looks": len(shares)}
            for hour, shares in sorted(hours.items())
        ]

    def _of(self, *, urgent: bool) -> Iterable[Case]:
        return (c for c in self.cases.values() if (c.priority == URGENT) == urgent)

    # ── what the journal says ─────────────────────────────────────────────────────────────────

    def _registered(self, event: Event, data: ev.UnitRegistered) -> None:
        self.kinds[data.unit] = data.kind

    def _opened(self, event: Event, data: ev.IncidentOpened) -> None:
        self.cases[data.incident] = Case(
            received_at=data.received_at, priority=data.priority, lon=data.lon, lat=data.lat
        )

    def _revised(self, event: Event, data: ev.IncidentRevised) -> None:
        self.cases[data.incident].priority = data.priority

    def _moved(self, event: Event, data: ev.IncidentMoved) -> None:
        self.cases[data.incident].cancelled = data.state is IncidentState.CANCELLED
        self.cases[data.incident].merged = bool(data.merged_into)

    def _unmerged(self, event: Event, data: ev.IncidentUnmerged) -> None:
        self.cases[data.incident].priority = data.share.priority

    def _planned(self, event: Event, data: ev.PlanAdopted) -> None:
        self.cases[data.incident].wanted = {r.key: r.count for r in data.requirements}

    def _ordered(self, event: Event, data: ev.AssignmentOrdered) -> None:
        self.assignments[data.assignment] = (data.requirement, data.unit, event.time)

    def _assignment_moved(self, event: Event, data: ev.AssignmentMoved) -> None:
        requirement, _, ordered_at = self.assignments[data.assignment]
        if data.state is AssignmentState.ON_SCENE:
            case = self.cases[data.incident]
            seconds = round((event.time - case.received_at).total_seconds(), 1)
            case.arrivals.append((requirement, seconds))
        elif data.state in ENDED_ASSIGNMENT:
            self.ended_s[data.assignment] = (event.time - ordered_at).total_seconds()

    def _diverted(self, event: Event, data: ev.UnitDiverted) -> None:
        self.turned.append((data.kind, data.incident, data.to))

    def _moved_up(self, event: Event, data: ev.MoveUpOrdered) -> None:
        self.move_ups += 1


def arrival_figures(cases: list[Case], of: Callable[[Case], float | None]) -> dict[str, Any]:
    """Return mean and quantiles of one kind of arrival with what they are of."""
    found = [of(case) for case in cases]
    seconds = sorted(at for at in found if at is not None)
    return {
        "mean_s": _mean(seconds),
        **{name: quantile(seconds, share) for name, share in QUANTILES.items()},
        "sum_s": round(sum(seconds), 1),
        "of": len(seconds),
        "without": len(cases) - len(seconds),
    }


def curve(seconds: list[float], calls: int) -> list[tuple[int, float]]:
    """Return the share of calls that were reached within each of some seconds."""
    points = range(0, CURVE_END_S + 1, CURVE_STEP_S)
    return [(s, round(sum(at <= s for at in seconds) / (calls or 1), 4)) for s in points]


def quantile(ordered: list[float], share: float) -> float | None:
    """Return the nearest rank: the least value that so large a share doesn't exceed."""
    if not ordered:
        return None
    # What is a whole number but for the last bit of a double is one.
    return ordered[max(0, math.ceil(round(share * len(ordered), 9)) - 1)]


def _excluded(case: Case) -> str:
    if case.merged:
        return "merged"
    if case.lon is None:
        return "no_place"
    return "cancelled" if case.cancelled and case.first_s is None else ""


def _mean(values: list[float], digits: int = 1) -> float | None:
    return round(sum(values) / len(values), digits) if values else None


def _share(part: float, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
