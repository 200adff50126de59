"""What a desk proposes: who should go, by which road, who was second, who was ruled out and why.

A proposal explains itself and waits for a decision; sending is in :mod:`models.events.units`.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from models.events.payload import Payload, Point


class Candidate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A unit that could go: seconds from order to arrival and what it would cost the plan.

    Attributes
    ----------
    walked_m
        Metres of ``length_m`` that are on foot: off every street, or over closed ones.
    cordon, cordon_m
        Ids of the closures whose streets the incident lies behind, and the metres of ``walked_m``
        over these: its vehicle stops where they begin.
    added_s
        What the whole plan would lose if it went instead of the chosen one, in seconds of this
        incident; one beyond the target weighs more than one before it.
    bare_s
        Seconds that life-threatening calls to come are expected to wait longer if it goes.
    diverted_from
        Incident that it is under way to now, and would be turned from.
    gain_s
        Seconds that a diversion or relief wins here against the best without it.
    relieves
        Unit under way that it takes the place of, because it is there sooner.
    alternative
        It fits by an alternative of the requirement, not by the skills that it asks for first.
    also
        Key of the other requirement that it fills at once: one unit in two roles.
    aid, aid_s
        Names of the neighbour that lends it, and the seconds that it is counted later for that;
        they are no part of its arrival.
    """

    unit: str
    turnout_s: float
    drive_s: float
    length_m: float = 0.0
    walked_m: float = 0.0
    cordon: tuple[str, ...] = ()
    cordon_m: float = 0.0
    added_s: float = 0.0
    bare_s: float = 0.0
    diverted_from: str = ""
    gain_s: float = 0.0
    relieves: str = ""
    alternative: bool = False
    also: str = ""
    aid: dict[str, str] = {}
    aid_s: float = 0.0


class Exclusion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Units ruled out and the rule.

    ``busy``, ``held``, ``banned``, ``off_duty``, ``road_closed``, ``lacks_skill``,
    ``reserved`` (for the posture in force; ``names`` says for what), ``package`` (they wait until
    all that the package needs are there), ``elsewhere`` (proposed for another incident),
    ``neighbour`` (mutual aid, which doesn't relieve our own), ``walks`` (kilometres of its way are
    on foot: the machine sends others and leaves it to a person); and why a person's pin isn't kept:
    ``pin_elsewhere`` (pinned to another incident as well), ``pin_unreachable`` (no open road),
    ``pin_no_place`` (more are pinned than are missing).

    ``units`` are by id, those of a kind of which some fit first; where ``count`` is more, the rest
    goes unnamed.
    """

    rule: str
    units: tuple[str, ...]
    count: int
    names: dict[str, str] = {}


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place in a requirement and who should fill it."""

    requirement: str
    slot: int
    chosen: Candidate | None = None
    route: tuple[Point, ...] = ()
    streets: tuple[tuple[str, float], ...] = ()
    runners_up: tuple[Candidate, ...] = ()
    excluded: tuple[Exclusion, ...] = ()


class ProposalMade(Payload, frozen=True, kw_only=True):
    """Who should go, by which road, how long, who was second, who was ruled out and why.

    ``more`` says that this plan goes on in the next one, for other incidents.

    Attributes
    ----------
    held
        Why no machine orders it though its priority goes out by itself: ``triage``, a person must
        say first what it is; ``walk``, all who would go have kilometres on foot (``walked_m``);
        empty: nothing holds it.
    counted_priority
        What the incident counted as because it waited so long; 0: its own.
    policy
        The rule that chose.
    status
        Of the model: ``complete``, or ``short`` where somebody is missing.
    gap
        Relative gap to the best answer that the model may still hide; 0 where it is the best.
    solved
        How CP-SAT ended where packages, two roles or reserves needed it: ``optimal``, or
        ``feasible`` at its limit; empty where the flow alone said it all.
    coverage, coverage_after
        Expected share of urgent calls that would be reached in time, before and after these
        units go; None where the policy doesn't look at it.
    next_free_s
        Where units are missing: seconds until one that fits is free, if those under way and at
        work are gone for as long as is usual; None where there is none.
    """

    type_name: ClassVar[str] = "proposal.made"
    proposal: str
    incident: str
    choices: tuple[Choice, ...]
    shortage: dict[str, int] = {}
    automatic: bool = False
    held: str = ""
    counted_priority: int = 0
    status: str = "complete"
    replaces: str = ""
    more: bool = False
    policy: str = ""
    gap: float = 0.0
    solved: str = ""
    coverage: float | None = None
    coverage_after: float | None = None
    next_free_s: float | None = None


OVERTAKEN = "overtaken"
"""Why a proposal was withdrawn that could not be confirmed any more: another one is due."""


class ProposalWithdrawn(Payload, frozen=True, kw_only=True):
    """A proposal no longer stands: ordered, overtaken or not needed."""

    type_name: ClassVar[str] = "proposal.withdrawn"
    proposal: str
    incident: str
    why: str
