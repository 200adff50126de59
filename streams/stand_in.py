"""Who does people's work in a drill where nobody does: tasks accepted and finished.

For: fast replays, and live drills whose stand-in is on, so that incidents can close. Reads the
journal, answers with ``TaskReported``. Not for: proposals (:mod:`streams.drill` confirms those)
and crews (:mod:`dispatch.simulator`). Pure; how long a task takes follows from its id, between
bounds that depend on who does it and never past what its deadline leaves.
"""

from __future__ import annotations

import heapq
import zlib
from datetime import datetime, timedelta

from models.events import Event, TaskAssigned, TaskMoved, TaskReported
from models.lifecycles import ENDED_TASK, TaskState
from models.situation import Situation

SOURCE = "/stand-in"
STAND_IN = "drill-stand-in"
NOTE = "演练完成 / done in the drill"

ACCEPT_S = (20.0, 120.0)
"""Seconds after which a task is accepted, least and most."""

WORK_S = {"grid_worker": (300.0, 1200.0), "dispatcher": (60.0, 300.0)}
"""Seconds from there until it is done, by role."""

OTHER_WORK_S = (60.0, 600.0)
IN_TIME = 0.8
"""Share of the time to the deadline within which it is done at the latest."""


class TaskHands:
    """The hands that do the tasks of one exercise."""

    def __init__(self, jurisdiction: str) -> None:
        self._jurisdiction = jurisdiction
        self._open: dict[str, str] = {}
        self._due: list[tuple[datetime, str, TaskState]] = []

    @classmethod
    def resume(cls, situation: Situation) -> TaskHands:
        """Return hands that know the tasks still open in a situation."""
        hands = cls(situation.jurisdiction)
        for _, task in sorted(situation.tasks.items()):
            if task.state not in ENDED_TASK:
                hands._plan(task.id, task.role, task.assignee, task.assigned_at, task.due)
        return hands

    @property
    def open(self) -> int:
        """Number of tasks that are not done."""
        return len(self._open)

    def observe(self, event: Event) -> None:
        """Take in one event of the journal."""
        data = event.data
        if isinstance(data, TaskAssigned):
            self._plan(data.task, data.role, data.assignee, event.time, data.due)
        elif isinstance(data, TaskMoved) and data.state in ENDED_TASK:
            self._open.pop(data.task, None)

    def next_due(self) -> datetime | None:
        """Return when something is next done."""
        while self._due:
            if self._due[0][1] in self._open:
                return self._due[0][0]
            heapq.heappop(self._due)
        return None

    def due_events(self, now: datetime) -> list[Event]:
        """Return what was done up to now, in order, each at its own time."""
        events = []
        while (due := self.next_due()) is not None and due <= now:
            _, task, state = heapq.heappop(self._due)
            events.append(
                Event(
                    id=f"stand-in/{task}/{state.value}",
                    source=SOURCE,
                    time=due,
                    jurisdiction=self._jurisdiction,
                    exercise=True,
                    data=TaskReported(
                        task=task,
                        state=state,
                        by=self._open[task],
                        note=NOTE if state is TaskState.DONE else "",
                    ),
                )
            )
            if state is TaskState.DONE:
                del self._open[task]
        return events

    def _plan(self, task: str, role: str, assignee: str, since: datetime, due: datetime) -> None:
        if task in self._open:
            return
        self._open[task] = assignee or STAND_IN
        accept_s = _between(ACCEPT_S, f"{task} accept")
        done_s = accept_s + _between(WORK_S.get(role, OTHER_WORK_S), f"{task} work")
        done_s = min(done_s, IN_TIME * max(0.0, (due - since).total_seconds()))
        for seconds, state in (
            (min(accept_s, done_s / 2), TaskState.ACCEPTED),
            (done_s, TaskState.DONE),
        ):
            heapq.heappush(self._due, (since + timedelta(seconds=round(seconds)), task, state))


def _between(bounds: tuple[float, float], name: str) -> float:
    """Between the bounds, evenly spread over names, the same for the same name everywhere."""
    least, most = bounds
    return least + (most - least) * (zlib.crc32(name.encode()) / 0xFFFFFFFF)
