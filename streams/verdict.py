"""Which of two policies did better over a recording, and whether its days can tell.

For: the verdict in a fast replay's report (:mod:`streams.fast_report`). A recording is cut into
days from its first call; each is a night for :mod:`streams.intervals`, and a policy did better
where the whole interval lies on one side. Not for: other loads or seeds; ``benchmarks/policies.py``
draws nights of its own.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import msgspec

from streams.intervals import difference
from streams.measures import Case, Measures

DAY_S = 86_400.0
DAYS_LEAST = 6
"""With fewer days the interval is too narrow to judge by."""


def differences(ours: Measures, theirs: Measures, late_s: float) -> dict[str, Any]:
    """Return what `ours` has more than `theirs` a day, of urgent late calls and of their mean.

    Returns
    -------
    dict
        ``days``, and ``urgent_late`` (calls a day) and ``urgent_mean_s`` (seconds, of those that
        were reached), each with ``value``, ``low``, ``high`` and ``verdict``: ``better``,
        ``worse``, ``unclear`` or ``too_few_days``; None where there is nothing to compare.
    """
    both = [measured.counted(urgent=True) for measured in (ours, theirs)]
    times = [case.received_at for cases in both for case in cases]
    if not times:
        return {"days": 0, "urgent_late": None, "urgent_mean_s": None}
    days = max(1, round((max(times) - min(times)).total_seconds() / DAY_S))
    mine, others = (_by_day(cases, min(times), days) for cases in both)
    late = [
        [float(sum(c.first_s is None or c.first_s > late_s for c in cases)) for cases in of_days]
        for of_days in (mine, others)
    ]
    means = [
        pair
        for one, other in zip(mine, others, strict=True)
        if None not in (pair := (_mean_s(one), _mean_s(other)))
    ]
    return {
        "days": days,
        "urgent_late": _judged(late[0], late[1]),
        "urgent_mean_s": _judged(*map(list, zip(*means, strict=True))) if means else None,
    }


def _by_day(cases: list[Case], first: datetime, days: int) -> list[list[Case]]:
    """Return the cases of each day; what is left at the end is of the last one."""
    found: list[list[Case]] = [[] for _ in range(days)]
    for case in cases:
        day = math.floor((case.received_at - first).total_seconds() / DAY_S)
        found[min(day, days - 1)].append(case)
    return found


def _mean_s(cases: list[Case]) -> float | None:
    reached = [case.first_s for case in cases if case.first_s is not None]
    return sum(reached) / len(reached) if reached else None


def _judged(ours: list[Any], theirs: list[Any]) -> dict[str, Any]:
    found = difference(ours, theirs)
    verdict = "better" if found.high < 0 else "worse" if found.low > 0 else "unclear"
    if len(ours) < DAYS_LEAST:
        verdict = "too_few_days"
    rounded = {name: round(value, 3) for name, value in msgspec.structs.asdict(found).items()}
    return {**rounded, "verdict": verdict}
