"""Who is idle and would be sooner there than somebody under way.

For: the planner, once the model has said who goes where. Each place that
:func:`~dispatch.diversion.relievable` allows is looked at by itself, all idle units for it: the one
that is there soonest takes the place if that wins ``swap_gain_s``, and who was under way is free.
Where nobody's life is in danger what its going leaves bare, and its fitting by an alternative only,
count as in the model, so that a swap doesn't undo what the model chose. Not for: turning units to
other incidents (:mod:`dispatch.posing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatch import assignment, diversion
from dispatch.assignment import PRIORITY_WEIGHT
from dispatch.automation import is_automatic
from dispatch.correlation import METRES_A_DEGREE, distance_m
from dispatch.coverage import Coverage
from dispatch.explanation import RUNNERS_UP, Explainer, Swap
from dispatch.policy import Policy
from dispatch.posing import Poser
from dispatch.reserves import Reserves
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from dispatch.wanted import Wanted, place_of, sendable, turnout_s
from models.events import Candidate, Choice
from models.situation import Assignment, Incident, Unit

_FASTEST_M_S = 40.0
"""Nobody drives faster through a city: who is too far as the crow flies isn't looked at."""


class Reliefs:
    """Finds swaps for one jurisdiction; the parts are the planner's."""

    def __init__(
        self,
        travel: TravelTimes,
        policy: Policy,
        poser: Poser,
        explainer: Explainer,
        reserves: Reserves,
        coverage: Coverage | None,
    ) -> None:
        self._travel = travel
        self._policy = policy
        self._poser = poser
        self._explainer = explainer
        self._reserves = reserves
        self._coverage = coverage

    def choices(
        self,
        step: Step,
        under_way: Iterable[str],
        going: AbstractSet[str],
        held: AbstractSet[str],
        missing: Mapping[str, int],
    ) -> dict[str, tuple[Choice, ...]]:
        """Return the swaps that win enough, by incident.

        Parameters
        ----------
        under_way
            Incidents that units are under way to.
        going
            Units that the model sends somewhere, or that are proposed.
        held
            Units that are proposed, or may be, where the machine sends nobody before a person has
            said what it is: free for those that it sends to.
        missing
            For each incident and requirement (`slot_id`): units that are missing beside them; what
            is chosen for these are the first choices of a proposal.
        """
        taken = set(going)
        result: dict[str, tuple[Choice, ...]] = {}
        idle: dict[int, list[Unit]] = {}
        for name in sorted(under_way):
            incident = step.situation.incidents[name]
            found: list[Choice] = []
            others = set() if is_automatic(step.situation, incident, self._policy) else held
            for sent in diversion.under_way(step.situation, incident):
                if not diversion.relievable(step.situation, sent):
                    continue
                if incident.priority not in idle:
                    idle[incident.priority] = self._idle(step, incident.priority)
                asked = next((r for r in incident.requirements if r.key == sent.requirement), None)
                if asked is None:
                    continue
                wanted = Wanted(incident, asked, 1)
                swap = self._swap(step, wanted, sent, idle[incident.priority], taken | others)
                if swap is not None:
                    before = sum(c.requirement == asked.key for c in found)
                    slot = missing.get(wanted.slot_id, 0) + before
                    found.append(self._explainer.relief(step, wanted, swap, slot))
                    taken.add(swap.candidates[0].unit)
            if found:
                result[name] = tuple(found)
        return result

    def _idle(self, step: Step, priority: int) -> list[Unit]:
        units = [u for _, u in sorted(step.situation.units.items())]
        idle = [u for u in units if sendable(u) and not u.neighbour]
        return self._reserves.may_go(step.situation, idle, priority)

    def _swap(
        self, step: Step, wanted: Wanted, sent: Assignment, idle: Sequence[Unit], taken: set[str]
    ) -> Swap | None:
        left_s = self._poser.left_s(step, sent)
        most_s = min(left_s, assignment.LONGEST_S) - self._policy.swap_gain_s
        if most_s <= 0:
            return None
        near = self._near(wanted, idle, taken, most_s)
        if not near or self._seconds(near, wanted.incident).min() >= most_s:
            return None
        # Somebody is sooner: now all who fit are looked at, and all of what it costs.
        fits = [u for u in idle if self._fits(u, wanted) and u.id not in taken]
        seconds = self._seconds(fits, wanted.incident)
        bare_s = np.zeros(len(fits))
        if self._coverage is not None:
            bare_s = self._coverage.bare(fits, step.now).cost_s
        felt_s = seconds.astype(np.float64)
        if wanted.incident.priority != diversion.TO_PRIORITY:
            felt_s += bare_s * (PRIORITY_WEIGHT[1] / PRIORITY_WEIGHT[wanted.incident.priority])
            second = [wanted.requirement.is_second(frozenset(u.skills)) for u in fits]
            felt_s += np.array(second) * self._policy.alternative_s
        order = [row for row in np.lexsort((np.arange(len(fits)), felt_s)).tolist()
                 if np.isfinite(seconds[row])]  # fmt: skip
        if not order or felt_s[order[0]] >= most_s:
            return None
        gain_s = min(left_s, assignment.LONGEST_S) - float(seconds[order[0]])
        candidates = [
            self._candidate(wanted, fits[row], float(seconds[row]), float(bare_s[row]),
                            float(felt_s[row] - felt_s[order[0]]))
            for row in order[: 1 + RUNNERS_UP]
        ]  # fmt: skip
        best = _relieving(candidates[0], sent, gain_s)
        open_to = {u.id for u in idle}
        fit_and_idle = [
            u
            for _, u in sorted(step.situation.units.items())
            if sendable(u) and not u.neighbour and self._fits(u, wanted)
        ]
        return Swap(
            sent=sent,
            candidates=(best, *candidates[1:]),
            unreachable={u.id for u, s in zip(fits, seconds, strict=True) if np.isinf(s)},
            reserved={u.id for u in fit_and_idle if u.id not in open_to},
            taken=taken & {u.id for u in fit_and_idle},
        )

    def _near(
        self, wanted: Wanted, idle: Sequence[Unit], taken: set[str], most_s: float
    ) -> list[Unit]:
        """Return those who fit and aren't too far as the crow flies."""
        place = place_of(wanted.incident)
        most_m = most_s * _FASTEST_M_S
        most_deg = most_m / METRES_A_DEGREE
        fits = {skills: wanted.requirement.met_by(frozenset(skills))
                for skills in {u.skills for u in idle}}  # fmt: skip
        return [
            unit
            for unit in idle
            if abs(unit.lat - place[1]) < most_deg  # most are out before it costs anything
            and fits[unit.skills]
            and unit.id not in taken
            and unit.id not in wanted.incident.bans
            and distance_m(unit.lon, unit.lat, *place) < most_m
        ]

    @staticmethod
    def _fits(unit: Unit, wanted: Wanted) -> bool:
        skills = frozenset(unit.skills)
        return unit.id not in wanted.incident.bans and wanted.requirement.met_by(skills)

    def _seconds(self, units: Sequence[Unit], incident: Incident) -> NDArray[np.float32]:
        """Return the seconds to arrival, turnout included."""
        starts = [(u.lon, u.lat) for u in units]
        drive_s = self._travel.matrix_of([u.kind for u in units], starts, [place_of(incident)])
        turnouts = np.array([turnout_s(u, self._policy) for u in units], np.float32)
        return np.asarray(drive_s[:, 0] + turnouts, np.float32)

    def _candidate(
        self, wanted: Wanted, unit: Unit, there_s: float, bare_s: float, added_s: float
    ) -> Candidate:
        turnout = turnout_s(unit, self._policy)
        return Candidate(
            unit=unit.id,
            turnout_s=turnout,
            drive_s=round(max(0.0, there_s - turnout), 1),
            added_s=round(added_s, 1),
            bare_s=round(bare_s, 1),
            alternative=wanted.requirement.is_second(frozenset(unit.skills)),
        )


def _relieving(best: Candidate, sent: Assignment, gain_s: float) -> Candidate:
    return msgspec.structs.replace(best, relieves=sent.unit, gain_s=round(gain_s, 1))
