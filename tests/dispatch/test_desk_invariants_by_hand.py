"""DESIGN's invariants on a desk where people send; and once with every kind of input.

``test_desk_invariants.py`` says which they are and where the others are checked.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.lifecycles import TaskState, UnitState
from models.words import Posture
from tests.conftest import InvariantCases
from tests.dispatch.desk_machine import (
    INVARIANTS,
    DeskMachine,
    assert_all_kinds_came,
    assert_held,
    each_invariant,
    gone_through,
    made_ready,
)


class DeskByHand(DeskMachine):
    """It begins with nothing sent without a person."""

    begins = ((),)


@pytest.fixture(scope="module")
def half(invariant_cases: InvariantCases) -> InvariantCases:
    """The other half of the cases, not the same ones as of a desk that sends."""
    seed = 1 if invariant_cases.seed is None else invariant_cases.seed + 1
    return InvariantCases(-(-invariant_cases.count // 2), seed)


@pytest.fixture(scope="module")
def machine(tiny_city: CityPack, tiny_roads: RoadGraph, half: InvariantCases) -> type[DeskByHand]:
    return gone_through(DeskByHand, tiny_city, tiny_roads, half)


@each_invariant
def test_on_a_desk_by_hand(machine: type[DeskByHand], half: InvariantCases, number: int) -> None:
    assert_held(machine, half, number)


def test_every_kind_of_input_came_to_the_desk(
    machine: type[DeskByHand], half: InvariantCases
) -> None:
    assert_all_kinds_came(machine, half)


WAY = (UnitState.EN_ROUTE, UnitState.ON_SCENE, UnitState.TRANSPORTING)


class OneCase(DeskMachine):
    """One case, written by hand."""

    begins = ((1,),)


def test_one_case_has_every_kind_of_input_and_every_invariant_holds(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    """However few cases chance has: no rule of the machine is without effect."""
    made_ready(OneCase, tiny_city, tiny_roads)
    case = OneCase()
    case.open_desks(0, [((1, 1), "accident.fire.structure")])
    told = {"at": (2, 2), "category": "accident.fire.structure", "priority": 1, "trapped": 1,
            "placed": "yes", "held_up": False, "late_s": 0.0}  # fmt: skip
    steps: list[tuple[Callable[..., None], dict[str, Any]]] = [
        (case.report, told | {"held_up": True}),
        (case.report, told | {"priority": 2, "category": "health.medical"}),
        (case.a_report_comes_late, {"which": 0}),
        (case.wait, {"seconds": 60}),
        (case.confirm, {"which": 0}),
        (case.tick, {"late_s": 900.0}),
        (case.a_report_gets_its_place, {"which": 1, "at": (1, 1), "far": False}),
        (case.an_alarm_ends, {"which": 1}),
        (case.positions, {"at": (1, 0), "who": {"E01", "nobody"}, "lost": set(), "late_s": 0.0}),
        (case.positions, {"at": (1, 0), "who": {"E01", "E02"}, "lost": {"E01"}, "late_s": 0.0}),
        (case.close_road, {"name": "c1", "at": (2, 2), "radius": 50.0, "for_s": 500}),
        (case.close_streets, {"name": "c2", "edges": ["h11"], "speed": 0.3}),
        (case.reopen_road, {"name": "c2"}),
        (case.set_hospital, {"hospital": "H1", "closed": True, "per_hour": 3}),
        *(
            (case.status, {"unit": "M01", "state": s, "old": False, "late_s": 0.0, "lost": lost})
            for s, lost in zip(WAY, cycle((False, True)), strict=False)
        ),
        (case.send_to_hospital, {"hospital": "H2"}),
        (case.hand_over, {}),
        (case.pin_or_ban, {"which": 0, "unit": "E02", "ban": False}),
        (case.pin_or_ban, {"which": 0, "unit": "E02", "ban": True}),
        (case.lift, {"which": 0}),
        (case.send, {"which": 0, "sent": ["E02", "T01"]}),
        (case.divert, {"which": 1, "unit": "E02"}),
        (case.recall, {"unit": "T01"}),
        (case.hold, {"unit": "T01", "held": True}),
        (case.hold, {"unit": "T01", "held": False}),
        (case.move_up, {"unit": "T01", "confirm": True}),
        (case.move_up, {"unit": "T01", "confirm": False}),
        (case.automate, {"priorities": {1, 2}}),
        (case.set_posture, {"posture": Posture.EMERGENCY}),
        (case.register_again, {"unit": "E01"}),
        (case.task, {"which": 0, "state": TaskState.DONE}),
        (case.triage, {"which": 1, "category": "city.other", "priority": 3}),
        (case.place, {"which": 1, "at": (2, 2), "far": False}),
        (case.merge, {"one": 0, "other": 1}),
        (case.unmerge, {"which": 0}),
        (case.close, {"which": 0, "cancelled": True}),
        (case.reopen, {"which": 0, "any_one": False}),
        *((case.a_stray_event, {"which": which}) for which in range(4)),
        (case.the_other_side, {}),
        (case.report, told),
        (case.wait, {"seconds": 400}),
    ]
    for rule, arguments in steps:
        rule(**arguments)
        case.check()
    case.teardown()
    assert case.given == ev.INPUTS
    assert not INVARIANTS.keys() - +case.looked
