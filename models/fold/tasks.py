"""Tasks, from being given to their end."""

from __future__ import annotations

from models import events as ev
from models.events import Event
from models.fold.incidents import touch_incident
from models.lifecycles import TaskState
from models.situation import Situation, Task, Touched


def task_assigned(s: Situation, event: Event, data: ev.TaskAssigned, touched: Touched) -> None:
    s.tasks[data.task] = Task(
        id=data.task,
        incident=data.incident,
        title=data.title,
        role=data.role,
        due=data.due,
        state=TaskState.ASSIGNED,
        assigned_at=event.time,
        updated_seq=event.seq,
        proof=data.proof,
        assignee=data.assignee,
        cell=data.cell,
        until=data.until,
    )
    touched.add(("tasks", data.task))
    touch_incident(s, event, data.incident, touched).tasks.append(data.task)


def task_moved(s: Situation, event: Event, data: ev.TaskMoved, touched: Touched) -> None:
    task = s.tasks[data.task]
    task.state, task.updated_seq = data.state, event.seq
    task.was_overdue |= data.state is TaskState.OVERDUE
    task.by = data.by or task.by
    task.note = data.note or task.note
    task.photos.extend(data.photos)
    touched.add(("tasks", data.task))
