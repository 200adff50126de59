"""Policies: by name, deterministic, and each choosing as its page says."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.assignment import Problem, Slot
from dispatch.policies import BUILT_IN, UnknownPolicyError, rule_named
from dispatch.policies.joint import Joint


class Own(Joint):
    """A city's own rule."""


def problem(times: list[list[float]], order: tuple[int, ...] | None = None) -> Problem:
    """Units by row, one slot of one unit by column, all of priority 1."""
    rows = order or tuple(range(len(times)))
    return Problem(
        unit_ids=[f"u{row}" for row in rows],
        slots=[
            Slot(id=f"s{column}", priority=1, count=1, within_s=10_000, rank=column)
            for column in range(len(times[0]))
        ],
        eligible=np.ones((len(times), len(times[0])), bool),
        time_s=np.array([times[row] for row in rows]),
    )


def total(name: str, times: list[list[float]]) -> float:
    solution = rule_named(name).choose(problem(times))
    return sum(c.time_s for slot in solution.slots for c in slot.chosen)


def test_the_nearest_for_each_is_not_the_best_for_all() -> None:
    times = [[100.0, 110.0], [120.0, 400.0]]
    assert total("closest-idle", times) == 500
    assert total("joint", times) == 230


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.lists(st.integers(0, 900).map(float), min_size=2, max_size=2), min_size=2, max_size=5
    )
)
def test_joint_is_the_best_of_all_and_never_worse_than_nearest(times: list[list[float]]) -> None:
    best = min(a[0] + b[1] for a, b in permutations(times, 2))
    assert total("joint", times) == pytest.approx(best)
    assert total("closest-idle", times) >= best


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(5)), st.sampled_from(sorted(BUILT_IN)))
def test_the_order_of_the_rows_changes_nothing(order: list[int], name: str) -> None:
    times = [[30.0, 40.0], [30.0, 40.0], [35.0, 30.0], [90.0, 30.0], [10.0, 10.0]]
    assert rule_named(name).choose(problem(times, tuple(order))) == rule_named(name).choose(
        problem(times)
    )


def test_a_citys_own_is_found_and_what_is_none_is_named() -> None:
    assert isinstance(rule_named(f"{__name__}:Own"), Own)
    for wrong in ("nearest", "json:loads", "no_such_module:X", f"{__name__}:problem"):
        with pytest.raises(UnknownPolicyError, match=r"closest-idle|is no policy"):
            rule_named(wrong)
