"""The words of the assignment: what is asked of it.

For: :mod:`dispatch.assignment` and who poses problems to it. Not for: solving them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import GridcommandError

PRIORITY_WEIGHT = {1: 64, 2: 16, 3: 4, 4: 1}
"""How much a second counts by priority: a life-threatening one like 64 routine ones."""

LATE_FACTOR = 3
"""A second beyond the target counts this many seconds more."""

LONGEST_S = 6 * 3600.0
"""Ways longer than this all cost the same."""

Pair: TypeAlias = tuple[str, str]
"""(unit id, slot id)."""


class AssignmentError(GridcommandError, ValueError):
    """A problem that contradicts itself, or that the solver refused."""


class PinRefusal(StrEnum):
    """Why a pin could not be kept."""

    UNKNOWN = "unknown"
    NOT_ELIGIBLE = "not_eligible"
    UNREACHABLE = "unreachable"
    BANNED = "banned"
    PINNED_ELSEWHERE = "pinned_elsewhere"


@dataclass(frozen=True)
class Slot:
    """`count` like units wanted at one place: a requirement, or what is still missing of it.

    Attributes
    ----------
    id
        Unique in the problem; also breaks ties.
    priority
        1 (life-threatening) to 4 (routine).
    count
        Units still wanted, 0 or more.
    within_s
        Target in seconds from now; later than this costs `LATE_FACTOR` times more.
    rank
        Place in the order of arrival; only `dispatch.assignment.nearest_first` looks at it.
    waited_s
        Seconds since the call. Where not all of a priority can be served, those who waited
        longer come before those who are nearer by less than that, so nobody waits for ever.
    unsure
        Nobody understood well enough what it is. Where not all of a priority can be served, it
        comes after those that are sure.
    """

    id: str
    priority: int
    count: int
    within_s: float
    rank: int = 0
    waited_s: float = 0.0
    unsure: bool = False


@dataclass(frozen=True)
class Reserve:
    """Units of which some must stay for what may come.

    Attributes
    ----------
    id
        Breaks ties.
    unit_ids
        Those of the problem's units who count towards it.
    spare
        How many of them may go; negative where fewer are idle than should stay.
    breaking
        Slots that may take more than that; whoever goes there still is one less for the others.
    """

    id: str
    unit_ids: frozenset[str]
    spare: int
    breaking: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Problem:
    """What `dispatch.assignment.solve` is asked. Rows are units, columns slots, in any order.

    Attributes
    ----------
    unit_ids, slots
        Each id once.
    eligible : bool (n_units, n_slots)
        False where a skill is missing or a rule forbids it: never chosen, not by a pin either.
    time_s : float (n_units, n_slots)
        Seconds to get there; inf where no open way leads, which forbids the pair too.
    banned
        Pairs that a person forbade.
    pinned
        Pairs that a person ordered; they hold even beyond the slot's count.
    kept
        Pairs proposed before; each may be up to `stickiness_s` slower than a better one and
        stays, so that proposals don't flicker.
    added_s : float (n_units, n_slots), optional
        Seconds that a pair must gain before it is worth while, or that it is preferred by where
        negative: what a diversion costs, how tired a crew is.
    bare_s : float (n_units,), optional
        Seconds that future life-threatening calls wait longer, as is expected, when this unit
        goes: what its going leaves bare. Weighs as priority 1, whatever it goes to.
    packages
        Sets of slots that are filled whole or not at all; no slot is in two of them. What a pin
        fills is filled: the rest is all or nothing.
    doubles
        Pairs of slots of which one unit that fits both may fill a place each.
    reserves
        Units of which some must stay. A pin may take them.
    """

    unit_ids: Sequence[str]
    slots: Sequence[Slot]
    eligible: NDArray[np.bool_]
    time_s: NDArray[np.floating]
    banned: frozenset[Pair] = frozenset()
    pinned: frozenset[Pair] = frozenset()
    kept: frozenset[Pair] = frozenset()
    stickiness_s: float = 20.0
    added_s: NDArray[np.floating] | None = None
    bare_s: NDArray[np.floating] | None = None
    packages: tuple[frozenset[str], ...] = ()
    doubles: frozenset[tuple[str, str]] = frozenset()
    reserves: tuple[Reserve, ...] = ()

    def check(self) -> None:
        """Raise `AssignmentError` where ids repeat, shapes don't fit or a number can't be."""
        shape = (len(self.unit_ids), len(self.slots))
        for name, array in (("eligible", self.eligible), ("time_s", self.time_s)):
            # Nobody or nothing to do leaves an empty array, whatever its shape.
            if np.shape(array) != shape and (np.size(array) or 0 not in shape):
                raise AssignmentError(f"{name} has the shape {np.shape(array)}, not {shape}")
        if len(set(self.unit_ids)) != shape[0]:
            raise AssignmentError("a unit id is given twice")
        if len({slot.id for slot in self.slots}) != shape[1]:
            raise AssignmentError("a slot id is given twice")
        for slot in self.slots:
            if slot.priority not in PRIORITY_WEIGHT:
                raise AssignmentError(f"slot {slot.id!r}: priority {slot.priority} must be 1 to 4")
            if slot.count < 0 or slot.within_s < 0:
                raise AssignmentError(f"slot {slot.id!r}: count and within_s must not be negative")
        known = {slot.id for slot in self.slots}
        packed = [slot for package in self.packages for slot in package]
        if len(set(packed)) != len(packed) or not known.issuperset(packed):
            raise AssignmentError("a package names a slot that is in another one, or is none")
        if any(one == other or not known >= {one, other} for one, other in self.doubles):
            raise AssignmentError("two roles must be two slots of the problem")
        # The least of numbers with a nan among them is nan, which is not 0 or more.
        if np.size(self.time_s) and not np.min(self.time_s) >= 0:
            raise AssignmentError("time_s must be 0 or more, or inf")

    def check_answer(
        self, chosen: Mapping[str, Sequence[str]], refused_pins: Collection[Pair] = ()
    ) -> None:
        """Raise `AssignmentError` where an answer breaks what nobody may break.

        Parameters
        ----------
        chosen
            Unit ids by slot id.
        refused_pins
            Pins that the answer says can't be kept.

        Notes
        -----
        Looks at skills and rules (`eligible`), open ways, bans, pins, counts, and that nobody is
        sent twice but in two roles. Not at packages and reserves, nor at how good the answer is.
        """
        rows = {unit: row for row, unit in enumerate(self.unit_ids)}
        columns = {slot.id: column for column, slot in enumerate(self.slots)}
        pins = Counter(slot for _, slot in self.pinned)
        places: dict[str, list[str]] = {}
        for slot_id, units in chosen.items():
            if slot_id not in columns:
                raise AssignmentError(f"slot {slot_id!r} is none of the problem")
            slot = self.slots[columns[slot_id]]
            if len(units) > max(slot.count, pins[slot_id]):
                raise AssignmentError(
                    f"slot {slot_id!r}: {len(units)} units were chosen, {slot.count} are wanted"
                )
            for unit in units:
                if unit not in rows:
                    raise AssignmentError(f"unit {unit!r} is none of the problem")
                pair = f"unit {unit!r} for slot {slot_id!r}"
                if not self.eligible[rows[unit], columns[slot_id]]:
                    raise AssignmentError(f"{pair}: it lacks the skill, or a rule forbids it")
                if not np.isfinite(self.time_s[rows[unit], columns[slot_id]]):
                    raise AssignmentError(f"{pair}: no open way leads there")
                if (unit, slot_id) in self.banned:
                    raise AssignmentError(f"{pair}: a person forbade it")
                places.setdefault(unit, []).append(slot_id)
        for unit, slots in places.items():
            two_roles = len(slots) == 2 and bool(
                {(slots[0], slots[1]), (slots[1], slots[0])} & self.doubles
            )
            if len(slots) > 1 and not two_roles:
                raise AssignmentError(f"unit {unit!r} is sent to {' and '.join(sorted(slots))}")
        for unit, slot_id in sorted(self.pinned):
            if unit not in chosen.get(slot_id, ()) and (unit, slot_id) not in refused_pins:
                raise AssignmentError(f"unit {unit!r} for slot {slot_id!r}: a person ordered it")
