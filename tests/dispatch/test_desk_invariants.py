"""DESIGN's invariants that can be stated on the desk, on one that sends by itself.

By a state machine over its inputs: ``desk_machine.py`` makes things happen, ``desk_checks.py``
holds the invariants, each ``invariant_N`` is the N-th of the ten. A desk where people send is in
``test_desk_invariants_by_hand.py``. The others:

- 1 and 9 (nothing acknowledged is lost, whichever process dies), and 2 and 3 once more with faults
  between any two steps: ``tests/streams/test_pipeline_invariants.py``, and on running systems
  ``tests/integration/test_pulled_plugs.py``.
- 10 (a screen never lies): ``tests/web_console/test_hub.py`` and, in a browser,
  ``test_a_cut_line_shows_and_heals_with_nothing_missing``.
"""

from __future__ import annotations

import pytest

from dispatch.roads import RoadGraph
from models import events as ev
from models.city import CityPack
from models.lifecycles import UnitState
from tests.conftest import InvariantCases
from tests.dispatch.desk_machine import (
    CATEGORIES,
    UNITS,
    DeskMachine,
    assert_all_kinds_came,
    assert_held,
    each_invariant,
    gone_through,
)
from tests.dispatch.desk_world import DeskWorld


class SendingDesk(DeskMachine):
    """It begins with some or all priorities sent without a person."""

    begins = ((1,), (1, 2, 3, 4))


@pytest.fixture(scope="module")
def half(invariant_cases: InvariantCases) -> InvariantCases:
    """One half of the cases; a desk where people send has the other."""
    return InvariantCases(-(-invariant_cases.count // 2), invariant_cases.seed)


@pytest.fixture(scope="module")
def machine(tiny_city: CityPack, tiny_roads: RoadGraph, half: InvariantCases) -> type[SendingDesk]:
    return gone_through(SendingDesk, tiny_city, tiny_roads, half)


@each_invariant
def test_on_a_desk_that_sends(
    machine: type[SendingDesk], half: InvariantCases, number: int
) -> None:
    assert_held(machine, half, number)


def test_every_kind_of_input_came_to_the_desk(
    machine: type[SendingDesk], half: InvariantCases
) -> None:
    assert_all_kinds_came(machine, half)


def test_invariant_3_the_same_inputs_give_the_same_bytes(
    tiny_city: CityPack, tiny_roads: RoadGraph
) -> None:
    """A whole evening through two desks, one of which reads its inputs off the wire."""
    world = DeskWorld(tiny_city, tiny_roads, automatic=(1, 2))
    for number in range(30):
        world.report(
            CATEGORIES[number % 3],
            at=(number % 4, number * 7 % 4),
            priority=1 + number % 4,
            attributes={"source_incident": str(number)},
        )
        world.wait(90)
        for unit in UNITS:
            if world.situation.units[unit].assignment:
                world.status(unit, UnitState.EN_ROUTE, UnitState.ON_SCENE, UnitState.AVAILABLE)
    other = world.new_desk()
    again = [e for given in world.inputs for e in other.step(ev.decode(ev.encode(given)))]
    assert [ev.encode(e) for e in again] == [ev.encode(e) for e in world.journal]
