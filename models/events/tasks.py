"""What a desk gives people to do by a time, and how far they are."""

from __future__ import annotations

from typing import ClassVar

from models.events.payload import Payload, Time
from models.lifecycles import TaskState


class TaskAssigned(Payload, frozen=True, kw_only=True):
    """A person has something to do by a time.

    ``until`` is ``triaged`` where it is done once a person says what the incident is.
    """

    type_name: ClassVar[str] = "task.assigned"
    task: str
    incident: str
    title: dict[str, str]
    role: str
    due: Time
    proof: str = "none"
    assignee: str = ""
    cell: str = ""
    until: str = ""


class TaskMoved(Payload, frozen=True, kw_only=True):
    """A task's state changed."""

    type_name: ClassVar[str] = "task.moved"
    task: str
    incident: str
    state: TaskState
    by: str = ""
    note: str = ""
    photos: tuple[str, ...] = ()
