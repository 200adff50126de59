"""Hands do every task once, in time, the same each night, and know what is open after a start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.events import Event, Payload, TaskAssigned, TaskMoved, TaskReported
from models.lifecycles import TaskState
from models.situation import Situation, Task
from streams.stand_in import STAND_IN, TaskHands
from tests.streams.payloads import payloads

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(days=1)


def journal(data: Payload) -> Event:
    return Event(id="j", source="/desk", time=START, jurisdiction="t.exercise", data=data)


def assigned(name: str, role: str = "grid_worker", within_s: float = 3600, who: str = "") -> Event:
    return journal(
        TaskAssigned(
            task=name,
            incident="i1",
            title={},
            role=role,
            due=START + timedelta(seconds=within_s),
            assignee=who,
        )
    )


@pytest.mark.parametrize("role", ["grid_worker", "dispatcher", "commander"])
@pytest.mark.parametrize("within_s", [60.0, 3600.0])
def test_a_task_is_accepted_then_done_before_it_is_due(role: str, within_s: float) -> None:
    hands = TaskHands("t.exercise")
    hands.observe(assigned("a", role, within_s, "worker-7"))
    accepted, done = told = hands.due_events(LATER)
    moves = payloads(told, TaskReported)
    assert [one.state for one in moves] == [TaskState.ACCEPTED, TaskState.DONE]
    assert START < accepted.time <= done.time < START + timedelta(seconds=within_s)
    assert {one.by for one in moves} == {"worker-7"}
    assert (hands.open, hands.next_due()) == (0, None)


def test_the_same_task_takes_the_same_time_and_another_another() -> None:
    def told(*names: str) -> dict[str, datetime]:
        hands = TaskHands("t.exercise")
        for name in names:
            hands.observe(assigned(name))
        events = hands.due_events(LATER)
        assert [e.time for e in events] == sorted(e.time for e in events)
        return {e.id: e.time for e in events}

    first = told("a", "b")
    assert first == told("a", "b") == told("b", "a")
    assert first["stand-in/a/done"] != first["stand-in/b/done"]


def test_what_a_person_did_or_the_desk_cancelled_is_left_alone() -> None:
    hands = TaskHands("t.exercise")
    for name, state in (("a", TaskState.DONE), ("b", TaskState.CANCELLED)):
        hands.observe(assigned(name))
        hands.observe(journal(TaskMoved(task=name, incident="i1", state=state)))
    hands.observe(assigned("c"))
    hands.observe(journal(TaskMoved(task="c", incident="i1", state=TaskState.OVERDUE)))
    assert {one.task for one in payloads(hands.due_events(LATER), TaskReported)} == {"c"}


def test_after_a_start_the_open_tasks_are_done() -> None:
    situation = Situation(jurisdiction="t.exercise", exercise=True)
    for name, state in (("a", TaskState.ACCEPTED), ("b", TaskState.DONE)):
        situation.tasks[name] = Task(
            id=name,
            incident="i1",
            title={},
            role="grid_worker",
            due=START + timedelta(hours=1),
            state=state,
            assigned_at=START,
            updated_seq=1,
        )
    told = TaskHands.resume(situation).due_events(LATER)
    moves = payloads(told, TaskReported)
    assert len(moves) == len(told)
    assert {(one.task, one.by) for one in moves} == {("a", STAND_IN)}
    before = TaskHands("t.exercise")
    before.observe(assigned("a"))
    assert [e.id for e in told] == [e.id for e in before.due_events(LATER)]
