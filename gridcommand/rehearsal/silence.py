"""How long nothing was decided while something was owed, and how soon decisions came back.

Pure functions of what clients noted, for :mod:`gridcommand.rehearsal.checker`. Times are seconds
of any one clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Outage(NamedTuple):
    """Something was broken from ``began`` to ``ended``.

    The same moment twice: a process that was killed and that others start again.
    """

    began: float
    ended: float


class Silence(NamedTuple):
    """A stretch in which something was owed and no decision came."""

    began: float
    ended: float

    @property
    def lasted_s(self) -> float:
        """How long it was."""
        return self.ended - self.began


def silences(
    acknowledged: Mapping[str, float], seen: Mapping[str, float], ended: float | None = None
) -> list[Silence]:
    """Return the stretches without a decision on the screen while one was owed, in order.

    Parameters
    ----------
    acknowledged, seen
        Report to when its sender was told that it is safe, and to when it was on a screen. One
        that was on the screen before its sender had an answer was never owed.
    ended
        When watching ended: what was owed then counts until then.
    """
    moments: list[tuple[float, int]] = []
    for report, told_at in acknowledged.items():
        seen_at = seen.get(report)
        if seen_at is None:
            moments.append((told_at, 1))
        elif seen_at > told_at:
            moments += [(told_at, 1), (seen_at, -1)]
        else:
            moments.append((seen_at, 0))
    found: list[Silence] = []
    owed, since = 0, 0.0
    for at, change in sorted(moments):
        if change <= 0:  # a decision
            if owed > 0:
                found.append(Silence(since, at))
            since = at
        elif owed == 0:
            since = at
        owed += change
    if owed > 0 and ended is not None and ended > since:
        found.append(Silence(since, ended))
    return found


def longest_s(found: Sequence[Silence]) -> float:
    """Return how long the longest silence was, in seconds."""
    return max((one.lasted_s for one in found), default=0.0)


def too_long_s(found: Sequence[Silence], outages: Sequence[Outage], at_most_s: float) -> float:
    """Return by how many seconds a silence was longer than it may be; 0 where none was.

    A silence may last `at_most_s`; each outage in it or just before excuses its own length and
    allows as much again.
    """
    worst = 0.0
    for one in found:
        in_it = [o for o in outages if o.began < one.ended and o.ended + at_most_s > one.began]
        broken_s = sum(max(0.0, min(o.ended, one.ended) - max(o.began, one.began)) for o in in_it)
        allowed_s = max(1, len(in_it)) * at_most_s + broken_s
        worst = max(worst, one.lasted_s - allowed_s)
    return worst


def recovered_s(found: Sequence[Silence], outages: Sequence[Outage]) -> float:
    """Return the longest time from the end of an outage to the next decision that was owed.

    Where another outage begins before that decision, the time counts from the later one's end.
    """
    longest = 0.0
    for outage in outages:
        others = [other for other in outages if other != outage]
        if any(other.began <= outage.ended < other.ended for other in others):
            continue
        for one in found:
            if one.began <= outage.ended < one.ended and not any(
                outage.ended <= other.began < one.ended for other in others
            ):
                longest = max(longest, one.ended - outage.ended)
    return longest
