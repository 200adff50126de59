"""The joint assignment: time of one answer, against the flow over all pairs in the same run.

    python benchmarks/assignment.py

1000 units × 200 incidents of 2 engines, 1 ladder and 1 ambulance; ``full_flow_ms`` is the same
model over every eligible pair, solved in the same run, ``joint_ratio`` our time over it, and
``cost_gap`` how much dearer the pruned answer is, relative. ``large_ms``: 5000 units × 2000
incidents; ``large_yardsticks`` the same as a multiple of ``yardstick_ms``, a fixed loop.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from report import Yardstick, print_result

from dispatch.assignment import Problem, Slot, Solution, solve

MIX = (("engine", 2, 0.55), ("ladder", 1, 0.2), ("ambulance", 1, 0.25))
"""Kind, how many an incident wants, share of the units."""


def problem(units: int, incidents: int, seed: int) -> Problem:
    """Return a city of 15 by 15 km with units and incidents anywhere."""
    chance = np.random.default_rng(seed)
    kinds = chance.choice(len(MIX), units, p=[share for *_, share in MIX])
    here, there = chance.uniform(0, 15_000, (units, 2)), chance.uniform(0, 15_000, (incidents, 2))
    seconds = np.abs(here[:, None, :] - there[None, :, :]).sum(axis=2) / 10 + 60
    slots, columns = [], []
    for incident in range(incidents):
        priority = int(chance.integers(1, 5))
        for kind, (name, count, _) in enumerate(MIX):
            slots.append(Slot(f"i{incident:05d}|{name}", priority, count, 480.0))
            columns.append((incident, kind))
    return Problem(
        unit_ids=[f"u{unit:05d}" for unit in range(units)],
        slots=slots,
        eligible=np.array([kinds == kind for _, kind in columns]).T,
        time_s=np.array([seconds[:, incident] for incident, _ in columns]).T,
    )


def main() -> None:
    """Run the benchmark and print its result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    yardstick = Yardstick()
    asked = problem(1000, 200, options.seed)
    joint_ms, pruned = _timed(lambda: solve(asked), options.runs)
    full_ms, full = _timed(lambda: solve(asked, whole=True), options.runs)
    large = problem(5000, 2000, options.seed)
    large_ms, _ = _timed(lambda: solve(large), max(1, options.runs // 2))
    print_result(
        "assignment",
        seed=options.seed,
        size={"units": 1000, "incidents": 200, "large_units": 5000, "large_incidents": 2000},
        figures={
            "joint_ms": joint_ms,
            "full_flow_ms": full_ms,
            "joint_ratio": joint_ms / full_ms,
            "cost_gap": (pruned.cost - full.cost) / full.cost,
            "large_ms": large_ms,
            **yardstick.figures(large=large_ms),
        },
    )


def _timed(run: Callable[[], Solution], runs: int) -> tuple[float, Solution]:
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000, found


if __name__ == "__main__":
    main()
