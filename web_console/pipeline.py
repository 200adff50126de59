"""Whether what was acknowledged is decided in time, and if not, since when and why.

For: the ``pipeline`` of heartbeats, for live and exercise apart, and which workers live. Pure: what
the database said comes in with both clocks. Two things are never believed: that the wall clock runs
evenly (it may jump by an hour while reports wait), and that two machines have the same one.

How old a row is follows from the wall clock, held between two bounds by the monotonic one: when an
inbox was first seen that went as far as this row, and when one was last seen that didn't.
A worker lives while its sign of life changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from models.inbox import Backlog
from models.workers import WorkerSign
from web_console.frames import Pipeline

DELAYED_S: Final = 5.0
"""Age of the oldest unfinished report at which screens say that processing is delayed."""
PLANNED_WITHIN_S: Final = 10.0
"""A plan that was due for so long is late: incidents wait for units, and no proposal comes."""
SEEN_WITHIN_S: Final = 10.0
"""A worker that gave no sign of life for so long is gone."""
NEEDED: Final = ("classify", "desk")
"""Without a worker for each of these nothing is decided."""
MARKS_KEPT: Final = 5000

DATABASE, WORKER, PLANNING = "database", "worker", "planning"


class PipelineWatch:
    """Judges the pipeline by what the database says of it, every few seconds.

    Parameters
    ----------
    mono
        Monotonic time now, in seconds.
    """

    def __init__(self, mono: float) -> None:
        self._began = self._answered = self._waits_from = mono
        self._marks: deque[_Mark] = deque()
        self._signs: dict[str, tuple[WorkerSign, float]] = {}
        self.now = Pipeline()

    def saw(
        self,
        backlog: Backlog,
        signs: Iterable[WorkerSign],
        wall: datetime,
        mono: float,
        plan_due_s: float = 0.0,
    ) -> Pipeline:
        """Take what the database said at this moment; return how the pipeline is.

        Parameters
        ----------
        plan_due_s
            For how long a plan has been due and not made, in the jurisdiction that waits longest.
        """
        self._answered = mono
        self._take_signs(signs, wall, mono)
        age_s = self._age_s(backlog, wall, mono)
        self._waits_from = mono - age_s
        late = age_s > DELAYED_S
        silent_s = self._silent_s(mono)
        silent, unplanned = silent_s > SEEN_WITHIN_S, plan_due_s > PLANNED_WITHIN_S
        if not (late or silent or unplanned):
            self.now = Pipeline(oldest_unfinished_s=age_s)
            return self.now
        waits_s = age_s if late else silent_s if silent else plan_due_s
        self.now = Pipeline(
            state="delayed",
            since=wall - timedelta(seconds=waits_s),
            oldest_unfinished_s=age_s,
            cause=WORKER if silent else PLANNING if unplanned else "",
        )
        return self.now

    def heard_nothing(self, wall: datetime, mono: float) -> Pipeline:
        """Note that the database can't be asked; return how the pipeline is."""
        self.now = Pipeline(
            state="delayed",
            since=self.now.since or wall - timedelta(seconds=mono - self._answered),
            oldest_unfinished_s=mono - self._waits_from,
            cause=DATABASE,
        )
        return self.now

    def workers(self, stage: str, mono: float) -> int:
        """Return how many workers with a stage gave a sign of life of late."""
        return sum(
            stage in sign.stages and mono - seen <= SEEN_WITHIN_S
            for sign, seen in self._signs.values()
        )

    def _take_signs(self, signs: Iterable[WorkerSign], wall: datetime, mono: float) -> None:
        before, self._signs = self._signs, {}
        for sign in signs:
            known = before.get(sign.worker)
            if known is None:
                # Its clock is all there is to go by, until it changes or doesn't.
                seen = mono - max(0.0, (wall - sign.seen_at).total_seconds())
            else:
                seen = known[1] if known[0].seen_at == sign.seen_at else mono
            self._signs[sign.worker] = (sign, seen)

    def _silent_s(self, mono: float) -> float:
        """Return how long one of the needed stages has been without a worker.

        0 while nobody can know: we have only begun to look, or there never was such a worker (it
        may be of a version that gives no signs of life).
        """
        if mono - self._began <= SEEN_WITHIN_S:
            return 0.0
        silent = 0.0
        for stage in NEEDED:
            seen = [at for sign, at in self._signs.values() if stage in sign.stages]
            silent = max(silent, mono - max(seen, default=mono))
        return silent

    def _age_s(self, backlog: Backlog, wall: datetime, mono: float) -> float:
        marks = self._marks
        if marks and backlog.newest_id < marks[-1].newest_id:
            marks.clear()  # an inbox whose rows were all forgotten may begin to count anew
        if marks and backlog.newest_id == marks[-1].newest_id:
            marks[-1] = marks[-1]._replace(last=mono)
        else:
            if len(marks) == MARKS_KEPT:
                # Hours of a backlog: its last rows may seem younger than they are.
                marks.pop()
            marks.append(_Mark(mono, mono, backlog.newest_id))
        if backlog.received_at is None:
            while len(marks) > 1:
                marks.popleft()
            return 0.0
        # The first mark that stays is of before the row, if there is any such.
        while len(marks) > 1 and marks[1].newest_id < backlog.oldest_id:
            marks.popleft()
        age_s = (wall - backlog.received_at).total_seconds()
        if marks[0].newest_id >= backlog.oldest_id:
            return max(0.0, mono - marks[0].first, age_s)
        return min(max(mono - marks[1].first, age_s), mono - marks[0].last)


class _Mark(NamedTuple):
    """An inbox whose newest row was this one, when it was seen first and last."""

    first: float
    last: float
    newest_id: int
