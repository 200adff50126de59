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
from dispatch.automation import is_automatic, precedence
from dispatch.policy import Policy
from dispatch.step import Step
from dispatch.wanted import Able, Wanted, able_units, sendable
from models.events import Requirement


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
        self._automatic = {i.id for i in incidents if is_automatic(situation, i, policy)}
        self._able = able_units(
            situation, (wanted for wants in self._rest.values() for wanted in wants)
        )
        self._taken: set[str] = set()

    def take(self, units: Iterable[str]) -> None:
        """Leave units out of the groups that follow."""
        self._taken.update(units)

    def batches(self) -> Iterator[Iterator[Group]]:
        """Return the groups in turn; what they are sent is to be taken before the next is asked.

        Those of the first batch are all chosen for before anybody under way is relieved.
        """
        is_first = True
        while names := self._next(is_first=is_first):
            yield self._groups(names, may_divert=is_first and self._diverts)
            is_first = False
        if self._rest:
            yield iter([self._group(list(self._rest), may_divert=False)])

    def _groups(self, names: list[str], *, may_divert: bool) -> Iterator[Group]:
        for _, mine in groupby(names, key=self._automatic.__contains__):
            yield self._group(list(mine), may_divert=may_divert)

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

    def _group(self, names: list[str], *, may_divert: bool) -> Group:
        waiting = tuple(wanted for name in names for wanted in self._rest.pop(name))
        pinned = {unit for wants in self._rest.values() for unit in wants[0].incident.pins}
        elsewhere = frozenset(self._taken | pinned)
        served = tuple(
            wanted
            for wanted in waiting
            if any(sendable(u) and u.id not in elsewhere for u in self._able[wanted.kind])
            # A place that a unit under way could be turned to is one too.
            or (may_divert and wanted.incident.priority == diversion.TO_PRIORITY)
        )
        return Group(waiting, served, self._able, elsewhere, may_divert)


def _is_life_in_danger(wants: Sequence[Wanted]) -> bool:
    return wants[0].incident.priority == diversion.TO_PRIORITY
