"""The joint assignment is the best there is, and keeps its promises whatever the numbers are."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch import assignment
from dispatch.assignment import (
    LATE_FACTOR,
    LONGEST_S,
    PRIORITY_WEIGHT,
    AssignmentError,
    Pair,
    PinRefusal,
    Problem,
    Slot,
    Solution,
    Status,
    solve,
)

SHORTAGE_S = 8 * (1 + LATE_FACTOR) * LONGEST_S


def problem_of(
    times: list[list[float]], slots: list[Slot], eligible: list[list[bool]] | None = None
) -> Problem:
    """Units u0, u1, … with these seconds to each slot."""
    time_s = np.array(times, dtype=np.float64)
    mask = np.ones(time_s.shape, bool) if eligible is None else np.array(eligible)
    return Problem([f"u{row}" for row in range(len(times))], slots, mask, time_s)


def chosen(solution: Solution) -> set[Pair]:
    return {(one.unit_id, slot.slot_id) for slot in solution.slots for one in slot.chosen}


def pair_cost(problem: Problem, row: int, column: int) -> float:
    """What a pair costs in weighted seconds, written down anew from the rules."""
    slot, time_s = problem.slots[column], float(problem.time_s[row, column])
    felt = min(time_s, LONGEST_S)
    felt += LATE_FACTOR * max(0.0, felt - slot.within_s)
    if (problem.unit_ids[row], slot.id) in problem.kept:
        felt -= problem.stickiness_s
    return felt * PRIORITY_WEIGHT[slot.priority]


def allowed(problem: Problem, row: int, column: int) -> bool:
    return bool(
        problem.eligible[row, column]
        and math.isfinite(problem.time_s[row, column])
        and (problem.unit_ids[row], problem.slots[column].id) not in problem.banned
    )


def best_cost(problem: Problem, column: int = 0, used: frozenset[int] = frozenset()) -> float:
    """Least total cost, by trying everything."""
    if column == len(problem.slots):
        return 0.0
    slot = problem.slots[column]
    can = [
        row for row in range(len(problem.unit_ids))
        if row not in used and allowed(problem, row, column)
    ]  # fmt: skip
    least = math.inf
    for size in range(min(slot.count, len(can)) + 1):
        for team in combinations(can, size):
            cost = sum(pair_cost(problem, row, column) for row in team)
            cost += (slot.count - size) * SHORTAGE_S * PRIORITY_WEIGHT[slot.priority]
            least = min(least, cost + best_cost(problem, column + 1, used | set(team)))
    return least


@st.composite
def problems(draw: st.DrawFn, *, most_units: int = 6) -> Problem:
    units = draw(st.integers(0, most_units))
    slots = [
        Slot(f"s{at}", draw(st.integers(1, 4)), draw(st.integers(0, 2)), draw(st.integers(0, 900)))
        for at in range(draw(st.integers(0, 3)))
    ]
    whole = st.one_of(st.integers(0, 1500).map(float), st.just(math.inf))
    cells = st.lists(st.tuples(whole, st.booleans()), min_size=units * len(slots),
                     max_size=units * len(slots))  # fmt: skip
    drawn = draw(cells)
    shape = (units, len(slots))
    pair = st.tuples(
        st.sampled_from([f"u{row}" for row in range(units)] or ["u0"]),
        st.sampled_from([slot.id for slot in slots] or ["s0"]),
    )
    return Problem(
        [f"u{row}" for row in range(units)],
        slots,
        np.array([can for _, can in drawn], dtype=bool).reshape(shape),
        np.array([time for time, _ in drawn], dtype=np.float64).reshape(shape),
        banned=draw(st.frozensets(pair, max_size=3)),
        kept=draw(st.frozensets(pair, max_size=2)),
    )


@settings(max_examples=150, deadline=None)
@given(problems())
def test_nothing_cheaper_exists(problem: Problem) -> None:
    solution = solve(problem)
    row = {unit: at for at, unit in enumerate(problem.unit_ids)}
    column = {slot.id: at for at, slot in enumerate(problem.slots)}
    got = sum(pair_cost(problem, row[unit], column[slot]) for unit, slot in chosen(solution))
    got += sum(
        solution[slot.id].shortage * SHORTAGE_S * PRIORITY_WEIGHT[slot.priority]
        for slot in problem.slots
    )
    # Times are whole seconds and ties weigh less than one, so the sums agree exactly.
    assert got == best_cost(problem)


@settings(max_examples=150, deadline=None)
@given(problems(most_units=12), st.data())
def test_promises_hold(problem: Problem, data: st.DataObject) -> None:
    """No unit twice, none without skill or way, none that is banned; pins hold or say why not."""
    pairs = [(unit, slot.id) for unit in problem.unit_ids for slot in problem.slots]
    pins = data.draw(st.frozensets(st.sampled_from(pairs), max_size=4)) if pairs else frozenset()
    problem = replace(problem, pinned=pins)
    solution = solve(problem)
    sent = chosen(solution)
    assert len({unit for unit, _ in sent}) == len(sent)
    row = {unit: at for at, unit in enumerate(problem.unit_ids)}
    column = {slot.id: at for at, slot in enumerate(problem.slots)}
    assert all(allowed(problem, row[unit], column[slot]) for unit, slot in sent)
    refused = {(unit, slot) for unit, slot, _ in solution.refused_pins}
    assert pins - refused <= sent
    assert not refused & sent or all(
        reason is PinRefusal.PINNED_ELSEWHERE for _, _, reason in solution.refused_pins
    )
    for slot in problem.slots:
        result = solution[slot.id]
        pinned_here = sum(mine == slot.id for _, mine in pins - refused)
        assert len(result.chosen) <= max(slot.count, pinned_here)
        assert result.shortage == max(0, slot.count - len(result.chosen))
        names = [one.unit_id for one in (*result.chosen, *result.runners_up)]
        assert len(set(names)) == len(names)
        if result.shortage:
            # Whoever could have come is busy elsewhere, for nobody who can help is left idle.
            assert all(one.taken_by for one in result.runners_up)
    assert (solution.status is Status.SHORT) == any(slot.shortage for slot in solution.slots)


@settings(max_examples=80, deadline=None)
@given(problems(most_units=10), st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(problem: Problem, chance: object) -> None:
    rng = np.random.default_rng(chance.randint(0, 10**6))  # type: ignore[attr-defined]
    rows = rng.permutation(len(problem.unit_ids))
    columns = rng.permutation(len(problem.slots))
    shuffled = replace(
        problem,
        unit_ids=[problem.unit_ids[row] for row in rows],
        slots=[problem.slots[column] for column in columns],
        eligible=problem.eligible[np.ix_(rows, columns)],
        time_s=problem.time_s[np.ix_(rows, columns)],
    )
    assert solve(shuffled) == solve(problem)


def test_equal_units_are_told_apart_the_same_way_each_time() -> None:
    slots = [Slot("a", 2, 1, 300), Slot("b", 2, 1, 300)]
    problem = problem_of([[60.0, 60.0]] * 5, slots)
    backwards = replace(problem, unit_ids=problem.unit_ids[::-1])
    assert chosen(solve(problem)) == chosen(solve(backwards))


def test_the_nearest_for_each_is_not_the_best_for_all() -> None:
    slots = [Slot("fire", 2, 1, 600), Slot("flood", 2, 1, 600)]
    solution = solve(problem_of([[60, 70], [90, 400]], slots))
    assert chosen(solution) == {("u1", "fire"), ("u0", "flood")}
    assert [one.unit_id for one in solution["fire"].runners_up] == ["u0"]
    assert solution["fire"].runners_up[0].taken_by == "flood"


def test_the_more_urgent_gets_the_only_unit() -> None:
    slots = [Slot("cat", 4, 1, 600), Slot("heart", 1, 1, 300)]
    solution = solve(problem_of([[10, 3000]], slots))
    assert chosen(solution) == {("u0", "heart")}
    assert solution.status is Status.SHORT
    assert solution["cat"].shortage == 1


def test_being_late_counts_more_than_being_slow() -> None:
    slots = [Slot("tight", 2, 1, 100), Slot("loose", 2, 1, 900)]
    solution = solve(problem_of([[90, 80], [150, 100]], slots))
    assert chosen(solution) == {("u0", "tight"), ("u1", "loose")}


def test_a_proposal_stays_until_another_is_clearly_better() -> None:
    slots = [Slot("s", 2, 1, 600)]
    kept = frozenset([("u1", "s")])
    near, clear = problem_of([[100], [115]], slots), problem_of([[100], [125]], slots)
    assert chosen(solve(near)) == {("u0", "s")}
    assert chosen(solve(replace(near, kept=kept))) == {("u1", "s")}
    assert chosen(solve(replace(clear, kept=kept))) == {("u0", "s")}


def test_pins_beat_cost_and_count_but_not_skill_road_or_ban() -> None:
    slots = [Slot("s", 3, 1, 600), Slot("t", 3, 1, 600)]
    times: list[list[float]] = [[10.0, 10.0], [900, 900], [800, 800], [math.inf, 5], [5, 5], [5, 5]]
    eligible = [[True, True]] * 4 + [[False, True], [True, True]]
    problem = replace(
        problem_of(times, slots, eligible),
        banned=frozenset([("u5", "s")]),
        pinned=frozenset(
            [("u1", "s"), ("u2", "s"), ("u3", "s"), ("u4", "s"), ("u5", "s"), ("u1", "t"),
             ("u9", "s")]
        ),
    )  # fmt: skip
    solution = solve(problem)
    assert {one.unit_id for one in solution["s"].chosen} == {"u1", "u2"}
    assert solution.refused_pins == (
        ("u1", "t", PinRefusal.PINNED_ELSEWHERE),
        ("u3", "s", PinRefusal.UNREACHABLE),
        ("u4", "s", PinRefusal.NOT_ELIGIBLE),
        ("u5", "s", PinRefusal.BANNED),
        ("u9", "s", PinRefusal.UNKNOWN),
    )
    assert len(solution["t"].chosen) == 1


def test_runners_up_come_in_order_with_their_times() -> None:
    solution = solve(problem_of([[40], [10], [30], [20]], [Slot("s", 3, 1, 600)]))
    assert [one.unit_id for one in solution["s"].chosen] == ["u1"]
    assert [(one.unit_id, one.time_s) for one in solution["s"].runners_up] == [
        ("u3", 20.0),
        ("u2", 30.0),
    ]
    costs = [one.cost for one in (*solution["s"].chosen, *solution["s"].runners_up)]
    assert costs == sorted(costs)
    assert (
        len(solve(problem_of([[1], [2], [3]], [Slot("s", 1, 1, 9)]), runners_up=0)["s"].runners_up)
        == 0
    )


def test_nothing_to_do_is_done() -> None:
    assert solve(problem_of([], [])).slots == ()
    nobody = Problem([], [Slot("s", 1, 2, 60)], np.ones((0, 1), bool), np.ones((0, 1)))
    assert solve(nobody)["s"].shortage == 2


GOOD = problem_of([[1.0], [2.0]], [Slot("s", 1, 1, 60)])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (replace(GOOD, unit_ids=["u0", "u0"]), "unit id"),
        (replace(GOOD, unit_ids=["u0"]), "eligible has the shape"),
        (replace(GOOD, time_s=np.ones((2, 2))), "time_s has the shape"),
        (replace(GOOD, time_s=np.array([[math.nan], [1.0]])), "time_s must"),
        (replace(GOOD, time_s=np.array([[-1.0], [1.0]])), "time_s must"),
        (replace(GOOD, slots=[Slot("s", 5, 1, 60)]), "priority 5"),
        (replace(GOOD, slots=[Slot("s", 1, -1, 60)]), "negative"),
    ],
)
def test_a_problem_that_contradicts_itself_is_refused(bad: Problem, said: str) -> None:
    with pytest.raises(AssignmentError, match=said):
        solve(bad)


def test_many_units_and_slots_lose_nothing_by_looking_at_the_near_ones_only() -> None:
    """120 wanted of 300 units: against SciPy's linear assignment over all of them."""
    from scipy.optimize import linear_sum_assignment

    chance = np.random.default_rng(3)
    times = chance.integers(0, 600, (300, 120)).astype(float)
    slots = [Slot(f"s{at:03d}", 2, 1, 900) for at in range(120)]
    solution = solve(problem_of(times.tolist(), slots))
    got = sum(one.time_s for slot in solution.slots for one in slot.chosen)
    rows, columns = linear_sum_assignment(times)
    assert got == times[rows, columns].sum()


@pytest.mark.parametrize("seed", range(8))
def test_the_flow_costs_what_the_constraint_solver_proves_least(seed: int) -> None:
    """40 units, 25 slots of up to three, too few units for some; the model is written anew."""
    from ortools.sat.python import cp_model

    chance = np.random.default_rng(seed)
    slots = [
        Slot(f"s{at:02d}", int(chance.integers(1, 5)), int(chance.integers(0, 4)), 300.0)
        for at in range(25)
    ]
    times = chance.integers(10, 1500, (40, 25)).astype(float).tolist()
    problem = problem_of(times, slots, (chance.random((40, 25)) < 0.6).tolist())

    model = cp_model.CpModel()
    goes = {
        (row, column): model.new_bool_var(f"{row} to {column}")
        for row in range(40)
        for column in range(25)
        if allowed(problem, row, column)
    }
    cost = []
    for row in range(40):
        model.add_at_most_one(one for (mine, _), one in goes.items() if mine == row)
    for column, slot in enumerate(slots):
        missing = model.new_int_var(0, slot.count, f"missing at {column}")
        sent = sum(one for (_, mine), one in goes.items() if mine == column)
        model.add(sent + missing == slot.count)
        cost.append(missing * round(10 * SHORTAGE_S * PRIORITY_WEIGHT[slot.priority]))
    cost += [one * round(10 * pair_cost(problem, *pair)) for pair, one in goes.items()]
    model.minimize(sum(cost))
    solver = cp_model.CpSolver()
    assert solver.solve(model) == cp_model.OPTIMAL

    solution = solve(problem)
    got = sum(
        pair_cost(problem, problem.unit_ids.index(one.unit_id), column)
        for column, slot in enumerate(slots)
        for one in solution[slot.id].chosen
    )
    got += sum(
        solution[slot.id].shortage * SHORTAGE_S * PRIORITY_WEIGHT[slot.priority] for slot in slots
    )
    # Tenths of a second are rounded in the model, once for each pair.
    assert got == pytest.approx(solver.objective_value / 10, abs=0.05 * len(goes))


@pytest.fixture
def few_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every problem begins with two units for a slot, and has to prove the rest away."""
    monkeypatch.setattr(assignment, "WHOLE", 0)
    monkeypatch.setattr(assignment, "NEAREST", 1)


def crowded(seed: int, *, units: int, slots: int) -> Problem:
    """Units and slots anywhere, all that a problem may have, too few units for some."""
    chance = np.random.default_rng(seed)
    kinds, wants = chance.integers(0, 3, units), chance.integers(0, 3, slots)
    here, there = chance.uniform(0, 900, (units, 2)), chance.uniform(0, 900, (slots, 2))
    time_s = np.abs(here[:, None] - there[None]).sum(axis=2)
    time_s[chance.random(time_s.shape) < 0.02] = math.inf
    names = [f"u{chance.integers(10**6):06d}-{row}" for row in range(units)]
    asked = [
        Slot(f"s{at}", int(chance.integers(1, 5)), int(chance.integers(0, 4)), 300.0)
        for at in range(slots)
    ]

    def some(share: float) -> frozenset[Pair]:
        hits = np.argwhere(chance.random(time_s.shape) < share).tolist()
        return frozenset((names[row], asked[column].id) for row, column in hits)

    return Problem(
        names,
        asked,
        kinds[:, None] == wants[None, :],
        time_s,
        banned=some(0.01),
        pinned=some(0.002),
        kept=some(0.01),
        added_s=chance.uniform(-40, 40, time_s.shape),
        bare_s=chance.uniform(0, 60, units),
    )


@pytest.mark.usefixtures("few_at_first")
@pytest.mark.parametrize("seed", range(12))
def test_what_few_pairs_prove_is_what_all_pairs_say(seed: int) -> None:
    problem = crowded(seed, units=60 + 20 * seed, slots=60)
    few, whole = solve(problem), solve(problem, whole=True)
    assert few.cost == whole.cost
    assert [slot.shortage for slot in few.slots] == [slot.shortage for slot in whole.slots]
    assert few.refused_pins == whole.refused_pins
    for one, other in zip(few.slots, whole.slots, strict=True):
        if one.chosen == other.chosen:
            assert [c.cost for c in one.runners_up] == [c.cost for c in other.runners_up]


@pytest.mark.usefixtures("few_at_first")
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(problems(most_units=12), st.randoms(use_true_random=False))
def test_few_pairs_are_enough_in_any_order(problem: Problem, chance: object) -> None:
    test_the_order_of_the_input_changes_nothing.hypothesis.inner_test(problem, chance)  # type: ignore[attr-defined]
    assert solve(problem).cost == solve(problem, whole=True).cost
