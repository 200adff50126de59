"""Policies: by name, deterministic, and each choosing as its page says."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.assignment import (
    AssignmentError,
    Candidate,
    PinRefusal,
    Problem,
    Slot,
    SlotResult,
    Solution,
    Status,
)
from dispatch.policies import BUILT_IN, Checked, UnknownPolicyError, rule_named
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
    found = rule_named(f"{__name__}:Own")
    assert isinstance(found, Checked)
    assert isinstance(found.rule, Own)
    for wrong in ("nearest", "json:loads", "no_such_module:X", f"{__name__}:problem"):
        with pytest.raises(UnknownPolicyError, match=r"closest-idle|is no policy"):
            rule_named(wrong)


class Careless(Joint):
    """A rule that answers what it is told to, whatever the problem forbids."""

    def __init__(self, answer: dict[str, list[str]], refused: list[tuple[str, str]]) -> None:
        self.answer, self.refused = answer, refused

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where."""
        return Solution(
            Status.COMPLETE,
            0,
            tuple(
                SlotResult(slot, tuple(Candidate(unit, 1.0, 1) for unit in units), 0, ())
                for slot, units in self.answer.items()
            ),
            tuple((unit, slot, PinRefusal.UNREACHABLE) for unit, slot in self.refused),
        )


def forbidding() -> Problem:
    """u0 lacks the skill of s0, u1 has no way to it, a person forbade u2; u3 was ordered to s1."""
    asked = problem([[10.0, 10.0], [float("inf"), 10.0], [10.0, 10.0], [10.0, 10.0]])
    asked.eligible[0, 0] = False
    return replace(asked, banned=frozenset({("u2", "s0")}), pinned=frozenset({("u3", "s1")}))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"s0": ["u0"], "s1": ["u3"]}, "'u0' for slot 's0': it lacks the skill"),
        ({"s0": ["u1"], "s1": ["u3"]}, "'u1' for slot 's0': no open way"),
        ({"s0": ["u2"], "s1": ["u3"]}, "'u2' for slot 's0': a person forbade it"),
        ({"s0": ["u3"], "s1": ["u3"]}, "'u3' is sent to s0 and s1"),
        ({"s1": ["u3", "u3"]}, "2 units were chosen, 1 are wanted"),
        ({"s1": ["u0"]}, "'u3' for slot 's1': a person ordered it"),
        ({"s1": ["u9"]}, "unit 'u9' is none of the problem"),
        ({"s9": []}, "slot 's9' is none of the problem"),
    ],
)
def test_a_rule_that_breaks_what_nobody_may_is_named(
    answer: dict[str, list[str]], said: str
) -> None:
    rule = Checked("town:Own", Careless(answer, []))
    with pytest.raises(AssignmentError, match=f"policy 'town:Own': .*{said}"):
        rule.choose(forbidding())


def test_an_answer_that_keeps_to_all_passes() -> None:
    good = {"s0": ["u3"], "s1": ["u1"]}
    refused = Checked("town:Own", Careless(good, [("u3", "s1")]))
    assert refused.choose(forbidding())["s0"].chosen[0].unit_id == "u3"
    both = replace(forbidding(), doubles=frozenset({("s1", "s0")}))
    assert Checked("x", Careless({"s0": ["u3"], "s1": ["u3"]}, [])).choose(both)
    for name in BUILT_IN:
        assert rule_named(name).choose(forbidding())["s1"].chosen[0].unit_id == "u3"
