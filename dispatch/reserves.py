"""Who stays for what may come, by the posture in force.

For: the planner. Says which idle units count towards each of the city's reserves
(:mod:`models.reserves`) and how many may go; the model keeps to it (:mod:`dispatch.packages`).
Not for: people's orders and pins, which may take anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from dispatch.assignment import Reserve
from dispatch.correlation import distance_m
from dispatch.wanted import Wanted, sendable
from models.city import CityPack
from models.reserves import ReserveRule
from models.situation import Situation, Unit


class Reserves:
    """The reserves of one city.

    Parameters
    ----------
    pack
        For the rules, and for where the facilities are that they name.
    """

    def __init__(self, pack: CityPack) -> None:
        self._rules = pack.reserves
        self._places = {f.id: (f.lon, f.lat) for f in pack.facilities}
        self.names = {rule.id: dict(rule.names) for rule in pack.reserves}

    def of(
        self, situation: Situation, waiting: Sequence[Wanted], elsewhere: Set[str] = frozenset()
    ) -> tuple[Reserve, ...]:
        """Return the reserves as they are now, for these slots, when units ``elsewhere`` go."""
        found = []
        for rule in self._rules:
            keep = rule.keep.get(situation.rules.posture, 0)
            if keep:
                idle = self._idle(rule, situation.units.values())
                freely = {w.slot_id for w in waiting if w.incident.priority in rule.breaks_for}
                left = frozenset(idle - elsewhere)
                found.append(Reserve(rule.id, left, len(left) - keep, frozenset(freely)))
        return tuple(found)

    def may_go(self, situation: Situation, units: list[Unit], priority: int) -> list[Unit]:
        """Return those of idle units that no reserve holds from an incident of that priority."""
        held: set[str] = set()
        for rule in self._rules:
            keep = rule.keep.get(situation.rules.posture, 0)
            if keep and priority not in rule.breaks_for:
                idle = self._idle(rule, situation.units.values())
                held |= idle if len(idle) <= keep else set()
        return [unit for unit in units if unit.id not in held] if held else units

    def _idle(self, rule: ReserveRule, units: Iterable[Unit]) -> set[str]:
        return {unit.id for unit in units if self._counts(rule, unit) and sendable(unit)}

    def _counts(self, rule: ReserveRule, unit: Unit) -> bool:
        if unit.neighbour or (rule.kind and unit.kind != rule.kind):
            return False
        if not set(rule.skills) <= set(unit.skills):
            return False
        if rule.around is None:
            return True
        away_m = distance_m(unit.lon, unit.lat, *self._places[rule.around.facility])
        return away_m <= rule.around.radius_m
