"""Who sees what: the whole situation, or what concerns one grid worker.

For: reducing entities for a worker and noticing when one leaves what they may see. Pure. A
worker sees own tasks (role ``grid_worker``; assigned to them, or in an own cell, or to no cell
and nobody), incidents from own cells and own reports and those of own tasks, the own unit, its
assignments and where it should move up; no other proposals. Everybody sees closures and rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from models.brief import brief
from models.situation import Assignment, Incident, Situation, Task
from models.words import Role
from web_console.frames import RULES, Removed, Upsert


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in person, as far as showing goes."""

    name: str
    role: Role
    cells: frozenset[str] = frozenset()

    @property
    def sees_all(self) -> bool:
        """Whether the whole situation is shown."""
        return self.role is not Role.GRID_WORKER


class WorkerView:
    """What one worker's screen shows of one situation.

    Parameters
    ----------
    viewer
        The worker.
    reporters
        Report id to the account that sent it, as far as the hub knows.
    """

    def __init__(self, viewer: Viewer, reporters: Mapping[str, str]) -> None:
        self._viewer = viewer
        self._reporters = reporters
        self._shown: set[tuple[str, str]] = set()

    def everything(self, situation: Situation) -> Upsert:
        """Return all that the worker may see, and remember it as shown."""
        self._shown.clear()
        shown: Upsert = {
            kind: [
                self._as_shown(entity)
                for entity in getattr(situation, kind).values()
                if self._show(situation, kind, entity)
            ]
            for kind in ("incidents", "units", "assignments", "tasks", "closures", "move_ups")
        }
        shown["proposals"] = []
        shown["hospitals"] = []
        shown[RULES] = situation.rules
        return shown

    def changes(
        self, situation: Situation, touched: Iterable[tuple[str, str]]
    ) -> tuple[Upsert, Removed]:
        """Return what changed for this worker; entities that left the view are removals."""
        upsert: Upsert = {}
        remove: Removed = {}
        for kind, entity_id in sorted(touched):
            if kind == "settings":
                upsert[RULES] = situation.rules
                continue
            entity = getattr(situation, kind).get(entity_id)
            if entity is not None and self._show(situation, kind, entity):
                upsert.setdefault(kind, []).append(self._as_shown(entity))
            elif (kind, entity_id) in self._shown:
                self._shown.discard((kind, entity_id))
                remove.setdefault(kind, []).append(entity_id)
        return upsert, remove

    def _as_shown(self, entity: Any) -> Any:
        """An entity as it goes out: of many reports the newest, and the worker's own."""
        shown = brief(entity)
        if shown is not entity:
            shown.reports = [*self._own(entity.reports[: -len(shown.reports)]), *shown.reports]
        return shown

    def _own(self, reports: Iterable[str]) -> list[str]:
        return [one for one in reports if self._reporters.get(one) == self._viewer.name]

    def _show(self, situation: Situation, kind: str, entity: Any) -> bool:
        match kind:
            case "incidents":
                visible = self._incident(situation, entity)
            case "units" | "move_ups":
                visible = entity.id == self._viewer.name
            case "assignments":
                visible = self._assignment(entity)
            case "tasks":
                visible = self._task(entity)
            case "closures":
                visible = True
            case _:
                visible = False
        if visible:
            self._shown.add((kind, entity.id))
        return visible

    def _task(self, task: Task) -> bool:
        return owns_task(self._viewer, task)

    def _assignment(self, assignment: Assignment) -> bool:
        return assignment.unit == self._viewer.name

    def _incident(self, situation: Situation, incident: Incident) -> bool:
        if incident.cell in self._viewer.cells or self._own(incident.reports):
            return True
        tasks = (situation.tasks.get(task) for task in incident.tasks)
        if any(task is not None and self._task(task) for task in tasks):
            return True
        assignments = (situation.assignments.get(one) for one in incident.assignments)
        return any(one is not None and self._assignment(one) for one in assignments)


def owns_task(viewer: Viewer, task: Task) -> bool:
    """Whether a task is this worker's to do: by name, or in a cell that the worker answers for."""
    if task.role != Role.GRID_WORKER:
        return False
    if task.assignee == viewer.name or task.cell in viewer.cells:
        return True
    return not task.assignee and not task.cell
