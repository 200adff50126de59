"""The table of rights: whole, and what it says of the orders that weigh most."""

from __future__ import annotations

import pytest

from models import events as ev
from models.rights import (
    EVERYWHERE,
    ORDERING,
    RIGHTS,
    Place,
    begins_at,
    belongs_to,
    covers,
    least,
    may_order,
    named,
    place_of,
)
from models.words import Role
from tests.every_order import KINDS, name_of


def test_every_order_type_has_a_row_and_no_other_has() -> None:
    assert set(RIGHTS) == set(ev.ORDERS)


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_no_row_lets_a_stranger_or_a_grid_worker_order(kind: type[ev.Order]) -> None:
    right = RIGHTS[kind]
    assert right.foreign == frozenset()
    assert Role.GRID_WORKER not in right.own | right.exercise
    # Each role may do what the one before it may.
    roles = list(Role)
    for place in Place:
        may = [role in right.roles(place) for role in roles]
        assert may == sorted(may)


@pytest.mark.parametrize("kind", [ev.SetPosture, ev.SetAutomation])
def test_rules_of_the_whole_jurisdiction_are_a_commanders(kind: type[ev.Order]) -> None:
    assert least(kind) is Role.COMMANDER
    assert not may_order(kind, Role.DISPATCHER, [EVERYWHERE], "tiny")
    assert may_order(kind, Role.COMMANDER, ["tiny"], "tiny.exercise")


def test_an_order_without_a_row_is_nobodys() -> None:
    assert not may_order(ev.Order, Role.ADMIN, [EVERYWHERE], "tiny")
    assert least(ev.Order) is None
    assert Role.GRID_WORKER not in ORDERING


@pytest.mark.parametrize(
    ("jurisdictions", "there", "place"),
    [
        (["tiny"], "tiny", Place.OWN),
        (["tiny"], "tiny.exercise", Place.EXERCISE),
        (["tiny"], "tiny.exercise.2", Place.EXERCISE),
        (["tiny"], "other", Place.FOREIGN),
        (["tiny"], "other.exercise", Place.FOREIGN),
        (["tiny.exercise"], "tiny", Place.FOREIGN),
        (["tiny.exercise"], "tiny.exercise.2", Place.EXERCISE),
        ([], "tiny", Place.FOREIGN),
        ([], "tiny.exercise", Place.FOREIGN),
        ([EVERYWHERE], "tiny", Place.OWN),
        (["other", EVERYWHERE], "tiny.exercise", Place.EXERCISE),
    ],
)
def test_what_a_jurisdiction_is_to_whom(jurisdictions: list[str], there: str, place: Place) -> None:
    assert place_of(jurisdictions, there) is place
    assert belongs_to(jurisdictions, there) is (place is not Place.FOREIGN)


def test_nobody_covers_more_than_their_own() -> None:
    assert covers([EVERYWHERE], [EVERYWHERE, "tiny"])
    assert covers(["tiny"], ["tiny", "tiny.exercise"])
    assert not covers(["tiny"], [EVERYWHERE])
    assert not covers(["tiny"], ["tiny", "other"])
    assert named([EVERYWHERE, "tiny"]) == ("tiny",)


@pytest.mark.parametrize(
    ("jurisdictions", "begins"),
    [([], ""), (["tiny", "other"], "tiny"), ([EVERYWHERE, "tiny"], ""), ([EVERYWHERE], "")],
)
def test_screens_begin_at_the_first_jurisdiction(jurisdictions: list[str], begins: str) -> None:
    assert begins_at(jurisdictions) == begins
