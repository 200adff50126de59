"""Who may give which order: one table, asked by the console's routes and again by the desk.

For: everybody who lets an order pass or carries one out. Not for: who may look, which is a matter
of the jurisdiction alone (:func:`belongs_to`). An order type that has no row may be given by
nobody.

An account names its jurisdictions; :data:`EVERYWHERE` is written out where all are meant, so that
an account of which nobody said where it belongs belongs nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from models import events as ev
from models.words import EXERCISE_MARK, Role, home_jurisdiction, is_exercise

EVERYWHERE: Final = "*"
"""Stands among an account's jurisdictions where all of this installation are meant."""


_EXERCISES: Final = re.compile(rf"({re.escape(EXERCISE_MARK)}(\.[1-9][0-9]*)?)?")
"""What stands behind a home jurisdiction in its own name and in those of its exercises."""


class Place(StrEnum):
    """What a jurisdiction is to an account."""

    OWN = "own"
    EXERCISE = "exercise"
    FOREIGN = "foreign"


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table: the roles that may give an order, by what the jurisdiction is to them."""

    own: frozenset[Role]
    exercise: frozenset[Role]
    foreign: frozenset[Role] = frozenset()

    def roles(self, place: Place) -> frozenset[Role]:
        """Return who may give it there."""
        match place:
            case Place.OWN:
                return self.own
            case Place.EXERCISE:
                return self.exercise
            case Place.FOREIGN:
                return self.foreign


_DISPATCH: Final = frozenset({Role.DISPATCHER, Role.COMMANDER, Role.ADMIN})
_COMMAND: Final = frozenset({Role.COMMANDER, Role.ADMIN})
# An exercise trains what is real, so nobody may more there.
_DISPATCHERS: Final = Right(own=_DISPATCH, exercise=_DISPATCH)
_COMMANDERS: Final = Right(own=_COMMAND, exercise=_COMMAND)

RIGHTS: Final[Mapping[type[ev.Order], Right]] = {
    ev.ConfirmProposal: _DISPATCHERS,
    ev.SendUnits: _DISPATCHERS,
    ev.RecallUnit: _DISPATCHERS,
    ev.DivertUnit: _DISPATCHERS,
    ev.ConfirmMoveUp: _DISPATCHERS,
    ev.RefuseMoveUp: _DISPATCHERS,
    ev.SetHospital: _DISPATCHERS,
    ev.SendToHospital: _DISPATCHERS,
    ev.HoldUnit: _DISPATCHERS,
    ev.LiftHold: _DISPATCHERS,
    ev.PinUnit: _DISPATCHERS,
    ev.BanUnit: _DISPATCHERS,
    ev.LiftOverride: _DISPATCHERS,
    ev.TriageIncident: _DISPATCHERS,
    ev.PlaceIncident: _DISPATCHERS,
    ev.MergeIncidents: _DISPATCHERS,
    ev.UnmergeIncident: _DISPATCHERS,
    ev.CloseIncident: _DISPATCHERS,
    ev.ReopenIncident: _DISPATCHERS,
    ev.CloseRoad: _DISPATCHERS,
    ev.ReopenRoad: _DISPATCHERS,
    ev.SetAutomation: _COMMANDERS,
    ev.SetPosture: _COMMANDERS,
}

ORDERING: Final = frozenset[Role]().union(
    *(right.roles(place) for right in RIGHTS.values() for place in Place)
)
"""Roles that may give any order at all."""


def belongs_to(jurisdictions: Iterable[str], jurisdiction: str) -> bool:
    """Say whether who names these jurisdictions may look and act in this one.

    Who belongs to a jurisdiction may take part in its exercises; who belongs to an exercise may
    take part in others of the same place, and never in what is real.
    """
    named = frozenset(jurisdictions)
    if EVERYWHERE in named or jurisdiction in named:
        return True
    homes = {home_jurisdiction(one) for one in named}
    return is_exercise(jurisdiction) and home_jurisdiction(jurisdiction) in homes


def covers(jurisdictions: Iterable[str], others: Iterable[str]) -> bool:
    """Say whether who names ``jurisdictions`` belongs everywhere that ``others`` do."""
    named = tuple(jurisdictions)
    return all(belongs_to(named, one) for one in others)


def named(jurisdictions: Iterable[str]) -> tuple[str, ...]:
    """Return those that are jurisdictions by name."""
    return tuple(one for one in jurisdictions if one != EVERYWHERE)


def runs_here(jurisdiction: str, homes: Collection[str]) -> bool:
    """Say whether this is one of the home jurisdictions, or an exercise of one."""
    home = home_jurisdiction(jurisdiction)
    return home in homes and bool(_EXERCISES.fullmatch(jurisdiction.removeprefix(home)))


def strangers(jurisdictions: Iterable[str], homes: Collection[str]) -> tuple[str, ...]:
    """Return those that an account can't be given where these home jurisdictions run."""
    return tuple(one for one in named(jurisdictions) if not runs_here(one, homes))


def begins_at(jurisdictions: Iterable[str]) -> str:
    """Return where the screens of who names these begin; empty: at the city's own."""
    belongs = tuple(jurisdictions)
    return "" if EVERYWHERE in belongs else next(iter(belongs), "")


def place_of(jurisdictions: Iterable[str], jurisdiction: str) -> Place:
    """Return what a jurisdiction is to who names these."""
    if not belongs_to(jurisdictions, jurisdiction):
        return Place.FOREIGN
    return Place.EXERCISE if is_exercise(jurisdiction) else Place.OWN


def may_order(
    order: type[ev.Order], role: Role, jurisdictions: Iterable[str], jurisdiction: str
) -> bool:
    """Say whether an order of this type counts, given by this role in this jurisdiction."""
    right = RIGHTS.get(order)
    return right is not None and role in right.roles(place_of(jurisdictions, jurisdiction))


def least(order: type[ev.Order]) -> Role | None:
    """Return the first role that may give such an order where it belongs; None: nobody may."""
    right = RIGHTS.get(order)
    return None if right is None else next((role for role in Role if role in right.own), None)
