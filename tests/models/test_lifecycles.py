"""Life cycles: complete tables, ends that are ends, refusals in words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Any

import pytest

from models import lifecycles as lc
from models.errors import IllegalMoveError
from models.lifecycles import (
    AssignmentState,
    IncidentState,
    TaskState,
    UnitState,
    check_move,
    moves_to,
)

Moves = Mapping[Any, frozenset[Any]]
CYCLES: list[tuple[type[StrEnum], Moves, StrEnum, frozenset[Any]]] = [
    (IncidentState, lc.INCIDENT_MOVES, IncidentState.OPEN, lc.ENDED_INCIDENT),
    (UnitState, lc.UNIT_MOVES, UnitState.AVAILABLE, frozenset()),
    (AssignmentState, lc.ASSIGNMENT_MOVES, AssignmentState.ORDERED, lc.ENDED_ASSIGNMENT),
    (TaskState, lc.TASK_MOVES, TaskState.ASSIGNED, lc.ENDED_TASK),
]
cycles = pytest.mark.parametrize(
    ("states", "moves", "first", "ended"), CYCLES, ids=lambda v: getattr(v, "__name__", "")
)


def _reachable(moves: Moves, start: Any) -> set[Any]:
    seen, todo = {start}, [start]
    while todo:
        for state in moves[todo.pop()] - seen:
            seen.add(state)
            todo.append(state)
    return seen


@cycles
def test_every_state_is_declared_and_can_be_reached(
    states: type[StrEnum], moves: Moves, first: StrEnum, ended: frozenset[Any]
) -> None:
    assert set(moves) == set(states)
    assert _reachable(moves, first) == set(states)


@cycles
def test_only_ends_are_ends(
    states: type[StrEnum], moves: Moves, first: StrEnum, ended: frozenset[Any]
) -> None:
    # An incident that has ended may be opened again, by a person's order; nothing else may.
    back_to = {first} if states is IncidentState else set()
    assert {state for state in states if moves[state] <= back_to} == ended
    for state in states:
        back = ended or {first}
        assert _reachable(moves, state) & back, f"{state} leads nowhere"


@cycles
def test_what_is_not_declared_is_refused_in_words(
    states: type[StrEnum], moves: Moves, first: StrEnum, ended: frozenset[Any]
) -> None:
    for old in states:
        for new in states:
            if new in moves[old]:
                check_move(moves, "x", old, new)
            else:
                with pytest.raises(IllegalMoveError, match=f"is {old.value} and can't become"):
                    check_move(moves, "x", old, new)


def test_a_unit_and_its_assignment_move_together() -> None:
    """Wherever an assignment may go, the unit may go the same way."""
    for old, unit_old in lc.UNIT_STATE_OF_ASSIGNMENT.items():
        for new in lc.ASSIGNMENT_MOVES[old] - lc.ENDED_ASSIGNMENT:
            unit_new = lc.UNIT_STATE_OF_ASSIGNMENT[new]
            assert unit_new == unit_old or unit_new in lc.UNIT_MOVES[unit_old], (old, new)
        assert UnitState.AVAILABLE in lc.UNIT_MOVES[unit_old], "it can always be cleared"
    assert set(lc.UNIT_STATE_OF_ASSIGNMENT) == set(AssignmentState) - lc.ENDED_ASSIGNMENT


def test_states_have_their_names_elsewhere() -> None:
    assert set(lc.EIDO_INCIDENT_STATUS) == set(IncidentState) == set(lc.CASE_STEP)
    assert set(lc.EIDO_UNIT_STATUS) == set(UnitState)
    for names in (lc.EIDO_INCIDENT_STATUS, lc.EIDO_UNIT_STATUS):
        assert len(set(names.values())) == len(names), "one to one"


@pytest.mark.parametrize("old", AssignmentState)
@pytest.mark.parametrize("new", AssignmentState)
def test_what_a_crew_left_out_is_made_of_declared_moves(
    old: AssignmentState, new: AssignmentState
) -> None:
    moves = moves_to(old, new)
    for before, after in pairwise((old, *moves)):
        assert after in lc.ASSIGNMENT_MOVES[before]
    assert moves[-1:] in ((), (new,))
    assert bool(moves) >= (new in lc.ASSIGNMENT_MOVES[old])


def test_who_has_patients_aboard_was_on_scene() -> None:
    a = AssignmentState
    assert moves_to(a.ORDERED, a.AT_HOSPITAL) == (a.ON_SCENE, a.TRANSPORTING, a.AT_HOSPITAL)
    assert moves_to(a.EN_ROUTE, a.TRANSPORTING) == (a.ON_SCENE, a.TRANSPORTING)
    assert moves_to(a.ON_SCENE, a.AT_HOSPITAL) == (a.TRANSPORTING, a.AT_HOSPITAL)
    assert moves_to(a.AT_HOSPITAL, a.ON_SCENE) == ()
    assert moves_to(a.CLEARED, a.AT_HOSPITAL) == ()
