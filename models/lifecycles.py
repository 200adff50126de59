"""Life cycles of incident, unit, assignment and task: states, legal moves, names elsewhere.

The tables here are the only place that says which move is legal; :func:`check_move` refuses the
rest. Incidents and units map one to one to the registries of NENA EIDO (NENA-STA-021.1: incident
status and unit status); the case view of the same incident follows the seven steps of digital
city management (GB/T 30428).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from models.errors import IllegalMoveError

S = TypeVar("S", bound=StrEnum)


class IncidentState(StrEnum):
    """State of an incident."""

    OPEN = "open"
    ASSIGNED = "assigned"
    ACTIVE = "active"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class UnitState(StrEnum):
    """State of a unit."""

    AVAILABLE = "available"
    ASSIGNED = "assigned"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    TRANSPORTING = "transporting"
    AT_HOSPITAL = "at_hospital"
    RETURNING = "returning"
    OUT_OF_SERVICE = "out_of_service"


class AssignmentState(StrEnum):
    """State of one unit's assignment to one incident."""

    ORDERED = "ordered"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    TRANSPORTING = "transporting"
    AT_HOSPITAL = "at_hospital"
    CLEARED = "cleared"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """State of a task."""

    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    DONE = "done"
    OVERDUE = "overdue"
    CANCELLED = "cancelled"


_I, _U, _A, _T = IncidentState, UnitState, AssignmentState, TaskState

INCIDENT_MOVES: Mapping[IncidentState, frozenset[IncidentState]] = MappingProxyType(
    {
        _I.OPEN: frozenset({_I.ASSIGNED, _I.ACTIVE, _I.RESOLVED, _I.CLOSED, _I.CANCELLED}),
        _I.ASSIGNED: frozenset({_I.OPEN, _I.ACTIVE, _I.RESOLVED, _I.CLOSED, _I.CANCELLED}),
        _I.ACTIVE: frozenset({_I.OPEN, _I.ASSIGNED, _I.RESOLVED, _I.CLOSED, _I.CANCELLED}),
        _I.RESOLVED: frozenset({_I.OPEN, _I.CLOSED}),
        # A person's order alone gives one back that has ended.
        _I.CLOSED: frozenset({_I.OPEN}),
        _I.CANCELLED: frozenset({_I.OPEN}),
    }
)

_UNDER_WAY = {_U.AVAILABLE, _U.RETURNING, _U.OUT_OF_SERVICE, _U.ASSIGNED}
UNIT_MOVES: Mapping[UnitState, frozenset[UnitState]] = MappingProxyType(
    {
        _U.AVAILABLE: frozenset({_U.ASSIGNED, _U.OUT_OF_SERVICE}),
        _U.ASSIGNED: frozenset({_U.EN_ROUTE, _U.ON_SCENE} | _UNDER_WAY - {_U.ASSIGNED}),
        _U.EN_ROUTE: frozenset({_U.ON_SCENE} | _UNDER_WAY),
        _U.ON_SCENE: frozenset({_U.TRANSPORTING} | _UNDER_WAY),
        _U.TRANSPORTING: frozenset({_U.AT_HOSPITAL} | _UNDER_WAY),
        _U.AT_HOSPITAL: frozenset(_UNDER_WAY),
        _U.RETURNING: frozenset({_U.AVAILABLE, _U.ASSIGNED, _U.OUT_OF_SERVICE}),
        _U.OUT_OF_SERVICE: frozenset({_U.AVAILABLE, _U.RETURNING}),
    }
)

_END = {_A.CLEARED, _A.CANCELLED}
ASSIGNMENT_MOVES: Mapping[AssignmentState, frozenset[AssignmentState]] = MappingProxyType(
    {
        _A.ORDERED: frozenset({_A.ACCEPTED, _A.EN_ROUTE, _A.ON_SCENE} | _END),
        _A.ACCEPTED: frozenset({_A.EN_ROUTE, _A.ON_SCENE} | _END),
        _A.EN_ROUTE: frozenset({_A.ON_SCENE} | _END),
        _A.ON_SCENE: frozenset({_A.TRANSPORTING} | _END),
        _A.TRANSPORTING: frozenset({_A.AT_HOSPITAL} | _END),
        _A.AT_HOSPITAL: frozenset(_END),
        _A.CLEARED: frozenset(),
        _A.CANCELLED: frozenset(),
    }
)

_SERVING = (_A.ON_SCENE, _A.TRANSPORTING, _A.AT_HOSPITAL)

TASK_MOVES: Mapping[TaskState, frozenset[TaskState]] = MappingProxyType(
    {
        _T.ASSIGNED: frozenset({_T.ACCEPTED, _T.DONE, _T.OVERDUE, _T.CANCELLED}),
        _T.ACCEPTED: frozenset({_T.DONE, _T.OVERDUE, _T.CANCELLED}),
        _T.OVERDUE: frozenset({_T.ACCEPTED, _T.DONE, _T.CANCELLED}),
        _T.DONE: frozenset(),
        _T.CANCELLED: frozenset(),
    }
)

ENDED_INCIDENT = frozenset({_I.CLOSED, _I.CANCELLED})
ENDED_ASSIGNMENT = frozenset(_END)
ENDED_TASK = frozenset({_T.DONE, _T.CANCELLED})
SENDABLE_UNIT = frozenset({_U.AVAILABLE, _U.RETURNING})

EIDO_INCIDENT_STATUS: Mapping[IncidentState, str] = MappingProxyType(
    {
        _I.OPEN: "Pending",
        _I.ASSIGNED: "Assigned",
        _I.ACTIVE: "Active",
        _I.RESOLVED: "Resolved",
        _I.CLOSED: "Closed",
        _I.CANCELLED: "Cancelled",
    }
)
"""Our incident states as EIDO incident status texts; the names on the right are ours to map, one
to one, where a registry of an agency names them otherwise."""

EIDO_UNIT_STATUS: Mapping[UnitState, str] = MappingProxyType(
    {
        _U.AVAILABLE: "Available",
        _U.ASSIGNED: "Dispatched",
        _U.EN_ROUTE: "EnRoute",
        _U.ON_SCENE: "OnScene",
        _U.TRANSPORTING: "Transporting",
        _U.AT_HOSPITAL: "AtHospital",
        _U.RETURNING: "Returning",
        _U.OUT_OF_SERVICE: "OutOfService",
    }
)

UNIT_STATE_OF_ASSIGNMENT: Mapping[AssignmentState, UnitState] = MappingProxyType(
    {
        _A.ORDERED: _U.ASSIGNED,
        _A.ACCEPTED: _U.ASSIGNED,
        _A.EN_ROUTE: _U.EN_ROUTE,
        _A.ON_SCENE: _U.ON_SCENE,
        _A.TRANSPORTING: _U.TRANSPORTING,
        _A.AT_HOSPITAL: _U.AT_HOSPITAL,
    }
)
"""What a unit is while its assignment is in a state."""

CASE_STEP: Mapping[IncidentState, str] = MappingProxyType(
    {
        _I.OPEN: "案卷建立",
        _I.ASSIGNED: "任务派遣",
        _I.ACTIVE: "任务处理",
        _I.RESOLVED: "处理反馈",
        _I.CLOSED: "核实结案",
        _I.CANCELLED: "核实结案",
    }
)
"""The case view; 信息收集 is a report before it is an incident, 综合评价 comes from the journal."""


def moves_to(old: AssignmentState, new: AssignmentState) -> tuple[AssignmentState, ...]:
    """Return the moves by which an assignment becomes what its crew says it is; empty: it can't.

    A crew that has patients aboard was on scene, whether it said so or not. Nothing else is
    implied: who is on scene need not have said that it went, and what ended doesn't go on.
    """
    if new in ASSIGNMENT_MOVES[old]:
        return (new,)
    if new not in _SERVING or old in ENDED_ASSIGNMENT:
        return ()
    first = _SERVING.index(old) + 1 if old in _SERVING else 0
    return _SERVING[first : _SERVING.index(new) + 1]


def check_move(moves: Mapping[S, frozenset[S]], subject: str, old: S, new: S) -> None:
    """Raise :class:`~models.errors.IllegalMoveError` unless ``old`` may become ``new``."""
    if new not in moves[old]:
        legal = ", ".join(sorted(moves[old])) or "nothing, it has ended"
        raise IllegalMoveError(
            f"{subject} is {old.value} and can't become {new.value}; legal: {legal}"
        )
