"""What belongs together in the model: packages, and roles that one unit may fill at once.

For: the planner, between posing the problem and choosing, and when the choice becomes a proposal.
Not for: choosing (:mod:`dispatch.packages`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from dispatch.assignment import Problem, Reserve
from dispatch.wanted import Wanted
from models.events import Choice
from models.situation import Assignment, Situation


def posed(
    problem: Problem,
    served: Sequence[Wanted],
    waiting: Sequence[Wanted],
    reserves: tuple[Reserve, ...],
) -> Problem:
    """Return the problem with what the playbooks and the posture ask of it.

    Parameters
    ----------
    served, waiting
        What the problem has a slot for, and all that is wanted: a package of which a part can't
        be served by anybody can't come.
    """
    packages: dict[tuple[str, str], set[str]] = {}
    for wanted in waiting:
        if wanted.requirement.package:
            key = wanted.incident.id, wanted.requirement.package
            packages.setdefault(key, set()).add(wanted.slot_id)
    columns = {slot.id: column for column, slot in enumerate(problem.slots)}
    doubles = _doubles(served)
    if not (packages or doubles or reserves):
        return problem
    whole = [frozenset(package) for package in packages.values() if package <= columns.keys()]
    never = [slot for package in packages.values() if not package <= columns.keys()
             for slot in package if slot in columns]  # fmt: skip
    eligible = problem.eligible
    if never:
        eligible = np.array(eligible)
        eligible[:, [columns[slot] for slot in never]] = False
        rows = {unit: row for row, unit in enumerate(problem.unit_ids)}
        for unit, slot in problem.pinned:
            if unit in rows and slot in never:
                given = rows[unit], columns[slot]
                eligible[given] = problem.eligible[given]
    return replace(
        problem, eligible=eligible, packages=tuple(whole), doubles=doubles, reserves=reserves
    )


def _doubles(served: Sequence[Wanted]) -> frozenset[tuple[str, str]]:
    """Pairs of slots of one incident that one unit may fill at once."""
    sharing = {w.incident.id for w in served if w.requirement.shares}
    if not sharing:
        return frozenset()
    mine: dict[tuple[str, str], Wanted] = {
        (w.incident.id, w.requirement.key): w for w in served if w.incident.id in sharing
    }
    pairs = set()
    for (incident, _), wanted in mine.items():
        for key in wanted.requirement.shares:
            other = mine.get((incident, key))
            if other is not None and other is not wanted:
                one, two = sorted((wanted.slot_id, other.slot_id))
                pairs.add((one, two))
    return frozenset(pairs)


def with_roles(choices: Sequence[Choice]) -> list[Choice]:
    """Return a proposal's choices, each of a unit in two roles with the other role."""
    roles: dict[str, list[str]] = {}
    for choice in choices:
        if choice.chosen is not None:
            roles.setdefault(choice.chosen.unit, []).append(choice.requirement)
    result = []
    for choice in choices:
        chosen = choice.chosen
        if chosen is not None and len(roles[chosen.unit]) == 2:
            other = next(key for key in roles[chosen.unit] if key != choice.requirement)
            chosen = msgspec.structs.replace(chosen, also=other)
            choice = msgspec.structs.replace(choice, chosen=chosen)
        result.append(choice)
    return result


def belongs(situation: Situation, sent: Assignment) -> bool:
    """Say whether a unit goes in two roles or as part of a package: nobody else takes it away."""
    if sent.also:
        return True
    asked = situation.incidents[sent.incident].requirements
    return any(r.package for r in asked if r.key == sent.requirement)
