"""In what order the incidents that lack something are planned, and which of them together.

For: :class:`dispatch.planning.Planner`. Incidents are planned in groups, in the order of
:func:`dispatch.automation.precedence`, each with the idle units that the groups before it left; so
everything that waits is looked at in every plan, and a model stays small however much waits. What
the machine sends to by itself and what waits for a person are never in one group: a unit that a
person may or may not send is free for who is sent one now. The last group is what no idle unit
fits: each of its incidents gets a proposal that names no unit and says why. Not for: choosing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from dispatch import diversion
from dispatch.automation import held, is_automatic, precedence
from dispatch.policy import Policy
from dispatch.step import Step
from dispatch.wanted import Able, Wanted, able_units, sendable
from models.events import Requirement


@dataclass(frozen=True)
class Part:
    """Incidents that become a group, by id.

    Attributes
    ----------
    held
        The machine would send to them if a person had said what they are.
    may_divert
        Those under way may be offered too.
    """

    names: tuple[str, ...]
    held: bool
    may_divert: bool


@dataclass(frozen=True)
class Group:
    """Incidents that are planned together.

    Attributes
    ----------
    waiting
        What they lack, most urgent first.
    served
        What of it a unit could be sent for: no road is computed to a place that no unit could be
        sent to, nor for a unit that fits nothing.
    able
        Who fits what, free or not.
    elsewhere
        Idle units that earlier groups have, or that are pinned to an incident of another group.
    may_divert
        Those under way may be offered too.
    """

    waiting: tuple[Wanted, ...]
    served: tuple[Wanted, ...]
    able: Able
    elsewhere: frozenset[str]
    may_divert: bool

    def by_incident(self) -> list[list[Wanted]]:
        """Return what each incident lacks, most urgent first."""
        by_incident: dict[str, list[Wanted]] = {}
        for wanted in self.waiting:
            by_incident.setdefault(wanted.incident.id, []).append(wanted)
        return list(by_incident.values())


class WaitingList:
    """What waits in one plan.

    Parameters
    ----------
    gaps
        What incidents lack, by their id; those that lack nothing are left out.
    diverts
        Units under way may be turned to who is in danger of life.
    """

    def __init__(
        self,
        step: Step,
        gaps: Mapping[str, Sequence[tuple[Requirement, int]]],
        policy: Policy,
        *,
        diverts: bool,
    ) -> None:
        incidents = [step.incident(name) for name, missing in gaps.items() if missing]
        situation = step.situation
        self._most = policy.incidents_per_plan
        self._diverts = diverts
        self._rest = {
            i.id: [Wanted(i, requirement, gap) for requirement, gap in gaps[i.id]]
            for i in sorted(incidents, key=lambda i: precedence(situation, i, step.now, policy))
        }
        self._kinds = {
            i.id: (is_automatic(situation, i, policy), bool(held(situation, i, policy)))
            for i in incidents
        }
        self._able = able_units(
            situation, (wanted for wants in self._rest.values() for wanted in wants)
        )
        self._taken: set[str] = set()

    def take(self, units: Iterable[str]) -> None:
        """Leave units out of the groups that follow."""
        self._taken.update(units)

    def batches(self) -> Iterator[list[Part]]:
        """Return in turn what is to be made groups; each is, before the next batch is asked for.

        All of the first batch but what is held is chosen for before anybody is relieved.
        """
        is_first = True
        while names := self._next(is_first=is_first):
            yield [
                Part(tuple(mine), is_held, is_first and self._diverts)
                for (_, is_held), mine in groupby(names, key=self._kinds.__getitem__)
            ]
            is_first = False
        if self._rest:
            yield [Part(tuple(self._rest), held=False, may_divert=False)]

    def fitting(self, part: Part) -> set[str]:
        """Return the units that fit what its incidents lack."""
        wants = (wanted for name in part.names for wanted in self._rest[name])
        return {unit.id for wanted in wants for unit in self._able[wanted.kind]}

    def _next(self, *, is_first: bool) -> list[str]:
        """Return the incidents that come first and that a unit could be sent to."""
        idle = {
            kind
            for kind, units in self._able.items()
            if any(sendable(unit) and unit.id not in self._taken for unit in units)
        }
        names: list[str] = []
        by_turning = 0
        for name, wants in self._rest.items():
            if len(names) == self._most:
                break
            if not any(wanted.kind in idle for wanted in wants):
                # Half of the first batch is for those to whom an idle unit could go.
                may_turn = is_first and self._diverts and _is_life_in_danger(wants)
                if not may_turn or by_turning >= max(1, self._most // 2):
                    continue
                by_turning += 1
            names.append(name)
        return names

    def group(self, part: Part) -> Group:
        """Return its incidents with the units that are left to them."""
        waiting = tuple(wanted for name in part.names for wanted in self._rest.pop(name))
        pinned = {unit for wants in self._rest.values() for unit in wants[0].incident.pins}
        elsewhere = frozenset(self._taken | pinned)
        served = tuple(
            wanted
            for wanted in waiting
            if any(sendable(u) and u.id not in elsewhere for u in self._able[wanted.kind])
            # A place that a unit under way could be turned to is one too.
            or (part.may_divert and wanted.incident.priority == diversion.TO_PRIORITY)
        )
        return Group(waiting, served, self._able, elsewhere, part.may_divert)


def _is_life_in_danger(wants: Sequence[Wanted]) -> bool:
    return wants[0].incident.priority == diversion.TO_PRIORITY
