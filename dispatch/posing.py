"""The model's question: who is offered for what, at what seconds, with what on top.

For: the planner. Turns what incidents want and who may be sent into an `assignment.Problem`, and
finds who under way is worth being offered too. Not for: choosing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from dispatch import assignment, diversion
from dispatch.automation import is_unsure
from dispatch.policy import Policy
from dispatch.step import Step
from dispatch.travel_times import TravelTimes
from dispatch.wanted import (
    Able,
    Kind,
    Wanted,
    counted_priority,
    place_of,
    sendable,
    slot_id,
    turnout_s,
)
from models.events import Point
from models.situation import Assignment, Situation, Unit


class Poser:
    """Makes problems.

    Parameters
    ----------
    travel
        The planner's.
    aid_s
        Seconds that the units of a neighbour are counted later, by the neighbour's id.
    """

    def __init__(self, travel: TravelTimes, policy: Policy, aid_s: Mapping[str, float]) -> None:
        self._travel = travel
        self._aid_s = aid_s
        self._policy = policy

    def problem(
        self, step: Step, free: Sequence[Unit], waiting: Sequence[Wanted], able: Able
    ) -> assignment.Problem:
        """Return the question with idle units only."""
        rows = {unit.id: row for row, unit in enumerate(free)}
        eligible = np.zeros((len(free), len(waiting)), bool)
        added_s = np.zeros((len(free), len(waiting)))
        tired_s = self._tired_s(step, free)
        if self._aid_s:
            tired_s = tired_s + np.array([self._aid_s.get(u.neighbour, 0.0) for u in free])
        seconds: dict[Kind, list[int]] = {}
        for column, wanted in enumerate(waiting):
            fit = [rows[u.id] for u in able[wanted.kind] if u.id in rows]
            eligible[fit, column] = True
            added_s[:, column] = tired_s
            if wanted.requirement.alternatives:
                if wanted.kind not in seconds:
                    seconds[wanted.kind] = [
                        row
                        for row in fit
                        if wanted.requirement.is_second(frozenset(free[row].skills))
                    ]
                added_s[seconds[wanted.kind], column] += self._policy.alternative_s
        banned: set[tuple[str, str]] = set()
        pinned: set[tuple[str, str]] = set()
        kept: set[tuple[str, str]] = set()
        seen: set[str] = set()
        for column, wanted in enumerate(waiting):
            incident = wanted.incident
            banned.update((unit, wanted.slot_id) for unit in incident.bans)
            kept.update(_kept(step.situation, wanted))
            for unit in incident.pins:
                key = f"{incident.id}|{unit}"
                if key not in seen and unit in rows and eligible[rows[unit], column]:
                    seen.add(key)
                    pinned.add((unit, wanted.slot_id))
        return assignment.Problem(
            unit_ids=[unit.id for unit in free],
            slots=[
                assignment.Slot(
                    id=w.slot_id,
                    priority=counted_priority(w.incident, step.now, self._policy),
                    count=w.missing,
                    within_s=self._within_s(step, w),
                    rank=rank,
                    waited_s=max(0.0, (step.now - w.incident.opened_at).total_seconds()),
                    unsure=is_unsure(w.incident, self._policy),
                )
                for rank, w in enumerate(waiting)
            ],
            eligible=eligible,
            time_s=self._seconds(free, [place_of(w.incident) for w in waiting]),
            banned=frozenset(banned),
            pinned=frozenset(pinned),
            kept=frozenset(kept),
            stickiness_s=self._policy.stickiness_s,
            added_s=added_s,
        )

    def with_turnable(
        self,
        step: Step,
        base: assignment.Problem,
        waiting: Sequence[Wanted],
        reference_s: dict[str, float],
        first: dict[str, float],
        under_way: Iterable[str],
        elsewhere: Set[str],
    ) -> tuple[assignment.Problem, dict[str, Assignment]] | None:
        """Return the question with those under way too who would win enough; None if nobody would.

        Parameters
        ----------
        reference_s
            For each slot: when its last unit arrives without diversion.
        first
            The same for its first one.
        under_way
            Incidents that units are under way to.
        elsewhere
            Units that this plan turned already.
        """
        urgent = [
            (column, wanted)
            for column, wanted in enumerate(waiting)
            if wanted.incident.priority == diversion.TO_PRIORITY
            and reference_s[wanted.slot_id] > self._policy.divert_gain_s
        ]
        turnable = self._turnable(step, under_way) if urgent else []
        sent = [one for one in turnable if one.unit not in elsewhere]
        if not sent:
            return None
        places = [place_of(wanted.incident) for _, wanted in urgent]
        units = [step.unit(one.unit) for one in sent]
        starts = [diversion.where(o, u, step.now) for o, u in zip(sent, units, strict=True)]
        turn_s = [diversion.turn_s(one, step.now, self._policy) for one in sent]
        seconds = self._travel.matrix_of([u.kind for u in units], starts, places)
        seconds += np.array(turn_s, np.float32)[:, None]
        able = np.zeros(seconds.shape, bool)
        for at, (_, wanted) in enumerate(urgent):
            for row, unit in enumerate(units):
                able[row, at] = unit.id not in wanted.incident.bans and wanted.requirement.met_by(
                    frozenset(unit.skills)
                )
        soonest = np.where(able, seconds, np.inf).min(axis=0)
        # Of what one incident asks for, one place is for who comes first.
        firsts: dict[str, int] = {}
        for at in np.lexsort((np.arange(len(urgent)), soonest)).tolist():
            firsts.setdefault(urgent[at][1].incident.id, at)
        first_s = self._first_s(step, waiting, first)
        fits = able.copy()
        for at, (_, wanted) in enumerate(urgent):
            incident, without_s = wanted.incident, reference_s[wanted.slot_id]
            most = without_s - self._policy.divert_gain_others_s
            waited_s = (step.now - incident.opened_at).total_seconds()
            if without_s == np.inf and waited_s < self._policy.divert_gain_others_s:
                # Nobody is idle now; somebody may be before long.
                most = -np.inf
            if firsts[incident.id] == at:
                soon = min(without_s, first_s[incident.id]) - self._policy.divert_gain_s
                most = max(most, soon)
            fits[:, at] &= seconds[:, at] < most
        best = np.where(fits, seconds, np.inf).min(axis=1)
        left = {one.incident: self._may_lose(step, one) for one in sent}
        for one in turnable:
            if one.unit in elsewhere and one.incident in left:
                left[one.incident] -= 1
        rows = []
        for row in np.lexsort((np.arange(len(sent)), best)).tolist():
            if fits[row].any() and left[sent[row].incident] > 0:
                left[sent[row].incident] -= 1
                rows.append(row)
        if not rows:
            return None
        rows.sort()
        return self._extended(step, base, urgent, [sent[r] for r in rows], seconds, fits, rows)

    def _first_s(
        self, step: Step, waiting: Sequence[Wanted], first: dict[str, float]
    ) -> dict[str, float]:
        """Seconds to the first arrival at each incident without diversion; 0 where one is there."""
        result: dict[str, float] = {}
        for wanted in waiting:
            incident = wanted.incident
            if incident.id not in result:
                under_way = diversion.under_way(step.situation, incident)
                times = [self.left_s(step, sent) for sent in under_way]
                there = incident.first_on_scene_at is not None
                result[incident.id] = 0.0 if there else min(times, default=float("inf"))
            result[incident.id] = min(result[incident.id], first[wanted.slot_id])
        return result

    def left_s(self, step: Step, sent: Assignment) -> float:
        """Return the seconds until a unit under way is there, by the roads that are open now."""
        unit = step.unit(sent.unit)
        if not diversion.off_way(sent, unit):
            return diversion.left_s(sent, unit, step.now)
        start = diversion.where(sent, unit, step.now)
        goal = place_of(step.incident(sent.incident))
        driven_s = diversion.driven_s(sent, step.now)
        travel = self._travel.of_kind(unit.kind)
        return float(travel.matrix([start], [goal], driven_s=driven_s)[0, 0])

    def _extended(
        self,
        step: Step,
        base: assignment.Problem,
        urgent: Sequence[tuple[int, Wanted]],
        sent: Sequence[Assignment],
        seconds: NDArray[np.float32],
        fits: NDArray[np.bool_],
        rows: Sequence[int],
    ) -> tuple[assignment.Problem, dict[str, Assignment]]:
        slots = {slot.id: slot for slot in base.slots}
        columns = {slot.id: column for column, slot in enumerate(base.slots)}
        places: list[Point] = []
        for one in sent:
            incident = step.incident(one.incident)
            name = slot_id(one.incident, one.requirement)
            asked = next((r for r in incident.requirements if r.key == one.requirement), None)
            within_s = asked.within_s if asked else 0.0
            gone = (step.now - incident.opened_at).total_seconds()
            if name not in slots:
                columns[name] = len(columns)
                places.append(place_of(incident))
                slots[name] = assignment.Slot(
                    id=name,
                    priority=incident.priority,
                    count=0,
                    within_s=max(0.0, within_s - gone),
                    rank=len(columns),
                    waited_s=max(0.0, gone),
                )
            slots[name] = replace(slots[name], count=slots[name].count + 1)
        free = [step.unit(name) for name in base.unit_ids]
        idle, old_columns = len(free), len(base.slots)
        shape = (idle + len(sent), len(slots))
        eligible = np.zeros(shape, bool)
        time_s = np.full(shape, np.inf, np.float32)
        added_s = np.zeros(shape)
        eligible[:idle, :old_columns] = base.eligible
        time_s[:idle, :old_columns] = base.time_s
        if base.added_s is not None:
            added_s[:idle, :old_columns] = base.added_s
        if places and free:
            time_s[:idle, old_columns:] = self._seconds(free, places)
        for one in sent:
            column = columns[slot_id(one.incident, one.requirement)]
            if column < old_columns:
                continue
            asked = next(
                (r for r in step.incident(one.incident).requirements if r.key == one.requirement),
                None,
            )
            bans = step.incident(one.incident).bans
            for row, unit in enumerate(free):
                eligible[row, column] = (
                    asked is not None
                    and unit.id not in bans
                    and asked.met_by(frozenset(unit.skills))
                )
        for at, (one, row) in enumerate(zip(sent, rows, strict=True)):
            own = columns[slot_id(one.incident, one.requirement)]
            eligible[idle + at, own] = True
            time_s[idle + at, own] = min(self.left_s(step, one), assignment.LONGEST_S)
            # Who is under way stays unless it is worth while.
            added_s[idle + at, own] = -self._policy.stickiness_s
            for place, (column, _) in enumerate(urgent):
                if fits[row, place]:
                    eligible[idle + at, column] = True
                    time_s[idle + at, column] = seconds[row, place]
                    added_s[idle + at, column] = self._policy.divert_gain_s
        problem = assignment.Problem(
            unit_ids=[*base.unit_ids, *(one.unit for one in sent)],
            slots=[slots[name] for name in columns],
            eligible=eligible,
            time_s=time_s,
            banned=base.banned,
            pinned=base.pinned,
            kept=base.kept,
            stickiness_s=base.stickiness_s,
            added_s=added_s,
            bare_s=None if base.bare_s is None else np.append(base.bare_s, np.zeros(len(sent))),
            packages=base.packages,
            doubles=base.doubles,
            reserves=base.reserves,
        )
        return problem, {one.unit: one for one in sent}

    def _within_s(self, step: Step, wanted: Wanted) -> float:
        """Seconds left of a requirement's target; who comes first at a life in danger has less."""
        within_s, incident = wanted.within_s(step.now), wanted.incident
        if incident.priority > diversion.TO_PRIORITY or incident.first_on_scene_at is not None:
            return within_s
        gone = (step.now - incident.opened_at).total_seconds()
        return min(within_s, max(0.0, self._policy.late_s - gone))

    def _turnable(self, step: Step, under_way: Iterable[str]) -> list[Assignment]:
        situation = step.situation
        return [
            sent
            for name in sorted(under_way)
            for sent in diversion.under_way(situation, situation.incidents[name])
            if diversion.turnable(situation, sent, self._policy)
        ]

    def _may_lose(self, step: Step, sent: Assignment) -> int:
        return self._policy.divert_losses - step.incident(sent.incident).losses

    def _seconds(self, free: Sequence[Unit], places: Sequence[Point]) -> NDArray[np.float32]:
        distinct = {place: column for column, place in enumerate(dict.fromkeys(places))}
        if not free or not places:
            return np.zeros((len(free), len(places)), np.float32)
        starts = [(u.lon, u.lat) for u in free]
        seconds = self._travel.matrix_of([u.kind for u in free], starts, list(distinct))
        seconds = seconds + np.array([[turnout_s(u, self._policy)] for u in free], np.float32)
        return np.asarray(seconds[:, [distinct[place] for place in places]], np.float32)

    def _tired_s(self, step: Step, free: Sequence[Unit]) -> NDArray[np.float64]:
        """Seconds by which those come second who were out for longer than others of their kind.

        Rest makes it fade.
        """
        most_s, per_s = self._policy.fairness_most_s, self._policy.fairness_full_s
        if not free or not most_s:
            return np.zeros(len(free))
        hours: dict[str, list[float]] = {}
        for _, unit in sorted(step.situation.units.items()):
            hours.setdefault(unit.kind, []).append(unit.tired_s(step.now))
        usual = {kind: fmean(of_all) for kind, of_all in hours.items()}
        over = [(unit.tired_s(step.now) - usual[unit.kind]) / per_s for unit in free]
        return np.round(most_s * np.clip(over, 0.0, 1.0), 1)


def idle_units(waiting: Iterable[Wanted], able: Able) -> list[Unit]:
    """Return the idle units that fit something, by id."""
    useful = {u.id: u for w in waiting for u in able[w.kind] if sendable(u)}
    return [useful[name] for name in sorted(useful)]


def _kept(situation: Situation, wanted: Wanted) -> Iterable[tuple[str, str]]:
    old = situation.proposals.get(wanted.incident.proposal)
    for choice in old.choices if old else ():
        if choice.chosen is not None and choice.requirement == wanted.requirement.key:
            yield choice.chosen.unit, wanted.slot_id
