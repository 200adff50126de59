"""Packages, two roles and reserves are kept, at the least cost that there is."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch import packages
from dispatch.assignment import (
    LATE_FACTOR,
    LONGEST_S,
    PRIORITY_WEIGHT,
    AssignmentError,
    Problem,
    Reserve,
    Slot,
    Solution,
    nearest_first,
    solve,
)
from dispatch.pairs import TICKS_PER_S, TIE_RANGE

SHORTAGE_S = 8 * (1 + LATE_FACTOR) * LONGEST_S


def problem_of(times: list[list[float]], slots: list[Slot]) -> Problem:
    time_s = np.array(times, dtype=np.float64)
    eligible = np.isfinite(time_s)
    return Problem([f"u{row}" for row in range(len(times))], slots, eligible, time_s)


def chosen(solution: Solution) -> set[tuple[str, str]]:
    return {(one.unit_id, slot.slot_id) for slot in solution.slots for one in slot.chosen}


def felt(problem: Problem, row: int, column: int) -> float:
    slot, time_s = problem.slots[column], float(problem.time_s[row, column])
    late = LATE_FACTOR * max(0.0, time_s - slot.within_s)
    return (time_s + late) * PRIORITY_WEIGHT[slot.priority]


def allowed(problem: Problem, got: dict[str, int], gone: list[tuple[str, list[str]]]) -> bool:
    wanted = {slot.id: slot.count for slot in problem.slots}
    for package in problem.packages:
        if any(got[s] for s in package) and any(got[s] < wanted[s] for s in package):
            return False
    for reserve in problem.reserves:
        mine = [slots for unit, slots in gone if unit in reserve.unit_ids]
        other = sum(not set(slots) & reserve.breaking for slots in mine)
        if other and len(mine) > reserve.spare:
            return False
    return True


def best(problem: Problem) -> float:
    """Least cost in weighted seconds, by trying everything that each unit could do."""
    columns = {slot.id: column for column, slot in enumerate(problem.slots)}
    roles = []
    for row in range(len(problem.unit_ids)):
        can = [s.id for s in problem.slots if problem.eligible[row, columns[s.id]]]
        both = [[a, b] for a, b in problem.doubles if a in can and b in can]
        roles.append([[], *([slot] for slot in can), *both])
    least = math.inf
    for doing in product(*roles):
        got = {slot.id: 0 for slot in problem.slots}
        cost = 0.0
        for row, slots in enumerate(doing):
            for slot in slots:
                got[slot] += 1
                cost += felt(problem, row, columns[slot])
            if slots and problem.bare_s is not None:
                cost += float(problem.bare_s[row]) * PRIORITY_WEIGHT[1]
        if any(got[slot.id] > slot.count for slot in problem.slots):
            continue
        gone = [(problem.unit_ids[r], slots) for r, slots in enumerate(doing) if slots]
        if not allowed(problem, got, gone):
            continue
        for asked in problem.slots:
            cost += (asked.count - got[asked.id]) * SHORTAGE_S * PRIORITY_WEIGHT[asked.priority]
        least = min(least, cost)
    return least


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    units = draw(st.integers(1, 4))
    slots = [
        Slot(f"s{at}", draw(st.integers(1, 4)), draw(st.integers(1, 2)), 300.0)
        for at in range(draw(st.integers(1, 3)))
    ]
    seconds = st.one_of(st.integers(0, 900).map(float), st.just(math.inf))
    times = [[draw(seconds) for _ in slots] for _ in range(units)]
    names = [slot.id for slot in slots]
    ids = [f"u{row}" for row in range(units)]
    package = draw(st.sets(st.sampled_from(names)))
    doubles = frozenset({("s0", "s1")}) if len(slots) > 1 and draw(st.booleans()) else frozenset()
    reserves = tuple(
        Reserve(
            f"r{at}",
            frozenset(draw(st.sets(st.sampled_from(ids), min_size=1))),
            draw(st.integers(-1, 3)),
            frozenset(draw(st.sets(st.sampled_from(names)))),
        )
        for at in range(draw(st.integers(0, 2)))
    )
    bare = [float(draw(st.integers(0, 60))) for _ in ids] if draw(st.booleans()) else None
    return replace(
        problem_of(times, slots),
        packages=(frozenset(package),) if package else (),
        doubles=doubles,
        reserves=reserves,
        bare_s=None if bare is None else np.array(bare),
    )


def check_kept(problem: Problem, solution: Solution) -> None:
    got = {slot.slot_id: len(slot.chosen) for slot in solution.slots}
    doing: dict[str, list[str]] = {}
    for unit, slot in sorted(chosen(solution)):
        doing.setdefault(unit, []).append(slot)
    for unit, slots in doing.items():
        both = {tuple(slots), tuple(reversed(slots))}
        assert len(slots) == 1 or both & problem.doubles, f"{unit} has the roles {slots}"
    assert allowed(problem, got, sorted(doing.items()))


@settings(max_examples=150, deadline=None)
@given(problems())
def test_the_answer_is_the_best_that_keeps_the_rules(problem: Problem) -> None:
    solution = solve(problem)
    check_kept(problem, solution)
    ties = TIE_RANGE * sum(slot.count for slot in problem.slots)
    found = solution.cost / (TICKS_PER_S * TIE_RANGE)
    assert found == pytest.approx(best(problem), abs=ties / (TICKS_PER_S * TIE_RANGE))
    assert solution.gap == 0


@settings(max_examples=60, deadline=None)
@given(problems(), st.randoms())
def test_the_order_of_the_input_changes_nothing(problem: Problem, random: object) -> None:
    rows = list(range(len(problem.unit_ids)))
    columns = list(range(len(problem.slots)))
    random.shuffle(rows)  # type: ignore[attr-defined]
    random.shuffle(columns)  # type: ignore[attr-defined]
    turned = replace(
        problem,
        unit_ids=[problem.unit_ids[row] for row in rows],
        slots=[problem.slots[column] for column in columns],
        eligible=problem.eligible[np.ix_(rows, columns)],
        time_s=problem.time_s[np.ix_(rows, columns)],
        reserves=problem.reserves[::-1],
        bare_s=None if problem.bare_s is None else problem.bare_s[rows],
    )
    assert solve(turned) == solve(problem) == solve(problem)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_nearest_first_keeps_packages_and_reserves_too(problem: Problem) -> None:
    check_kept(problem, nearest_first(replace(problem, doubles=frozenset())))


@pytest.fixture
def two_for_a_team_of_three() -> Problem:
    """Two free units, a package of three and a routine call that one of them could serve."""
    slots = [Slot("team", 1, 3, 300.0), Slot("odd job", 4, 1, 900.0)]
    problem = problem_of([[60.0, 500.0], [60.0, 400.0]], slots)
    return replace(problem, packages=(frozenset({"team"}),))


def test_an_incomplete_team_stays_and_serves_others(two_for_a_team_of_three: Problem) -> None:
    solution = solve(two_for_a_team_of_three)
    assert chosen(solution) == {("u1", "odd job")}
    assert solution["team"].shortage == 3
    assert solution.solved == packages.OPTIMAL


def test_the_solver_is_asked_only_where_the_flow_breaks_a_rule(
    two_for_a_team_of_three: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_Model", None)
    problem = two_for_a_team_of_three
    whole = replace(problem, slots=[replace(problem.slots[0], count=1), problem.slots[1]])
    solution = solve(whole)
    assert (solution.solved, solution.gap) == ("", 0.0)
    assert chosen(solution) == {("u0", "team"), ("u1", "odd job")}
    with pytest.raises(TypeError):
        solve(problem)


def test_what_a_person_pinned_to_a_team_goes_alone(two_for_a_team_of_three: Problem) -> None:
    solution = solve(replace(two_for_a_team_of_three, pinned=frozenset({("u0", "team")})))
    assert ("u0", "team") in chosen(solution)


def test_one_captain_counts_for_both_where_nobody_else_is() -> None:
    slots = [Slot("command", 1, 1, 300.0), Slot("medical", 1, 1, 300.0)]
    problem = problem_of([[100.0, 100.0]], slots)
    assert len(chosen(solve(problem))) == 1
    both = solve(replace(problem, doubles=frozenset({("command", "medical")})))
    assert chosen(both) == {("u0", "command"), ("u0", "medical")}
    assert both.slots[0].shortage == both.slots[1].shortage == 0


def test_a_reserve_stays_but_for_a_life() -> None:
    slots = [Slot("life", 1, 1, 300.0), Slot("bin fire", 3, 2, 900.0)]
    problem = problem_of([[60.0, 60.0], [90.0, 90.0], [80.0, 80.0]], slots)
    kept = Reserve("town", frozenset({"u0", "u1", "u2"}), 1, frozenset({"life"}))
    solution = solve(replace(problem, reserves=(kept,)))
    assert chosen(solution) == {("u0", "life")}
    quiet = replace(problem, slots=[replace(slots[0], count=0), slots[1]], reserves=(kept,))
    assert chosen(solve(quiet)) == {("u0", "bin fire")}
    ordered = replace(quiet, pinned=frozenset({("u1", "bin fire"), ("u2", "bin fire")}))
    assert chosen(solve(ordered)) == {("u1", "bin fire"), ("u2", "bin fire")}


def test_no_answer_in_time_is_the_flows_without_what_breaks_a_rule(
    two_for_a_team_of_three: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LIMIT", 0.0)
    solution = solve(two_for_a_team_of_three)
    assert chosen(solution) == {("u1", "odd job")}
    assert solution.solved in (packages.FEASIBLE, packages.OPTIMAL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"packages": (frozenset({"none"}),)},
        {"packages": (frozenset({"team"}), frozenset({"team", "odd job"}))},
        {"doubles": frozenset({("team", "team")})},
    ],
)
def test_rules_about_slots_that_are_none_are_refused(
    two_for_a_team_of_three: Problem, wrong: dict[str, object]
) -> None:
    with pytest.raises(AssignmentError):
        solve(replace(two_for_a_team_of_three, **wrong))  # type: ignore[arg-type]
