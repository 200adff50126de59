"""Rules by which a desk chooses who goes: one page each, by name in the settings.

For: :class:`dispatch.planning.Planner`, which gathers what waits and who may go, and asks the
rule in force. What a rule answers is checked (`Checked`): nobody is sent without the skill, over
a closed road, against a ban or twice, whoever wrote the rule. Built in are :data:`BUILT_IN`; a
city's own is a class that keeps to :class:`Rule`, named in the settings either by the name of an
entry point in the group ``gridcommand.policies`` or as ``module:Class``. Not for: saying who may
be sent at all; that stands in the problem.

A rule must be a pure function of the problem: no clock, no chance, no memory. Otherwise a replay
won't give the same bytes.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from dispatch.assignment import AssignmentError, Problem, Solution
from dispatch.policies.closest_idle import ClosestIdle
from dispatch.policies.joint import Joint
from dispatch.policies.joint_coverage import JointCoverage
from dispatch.policies.joint_divert import JointDivert
from models.errors import GridcommandError

ENTRY_POINTS = "gridcommand.policies"


class UnknownPolicyError(GridcommandError, ValueError):
    """No rule of that name; the message lists those that there are."""


@runtime_checkable
class Rule(Protocol):
    """What a policy is.

    Attributes
    ----------
    diverts
        Units under way are offered too, as `dispatch.diversion` allows.
    covers
        What a choice leaves bare stands in the problem (``bare_s``), and units move up.
    """

    diverts: bool
    covers: bool

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where."""


class Checked:
    """A rule whose answers are looked at before anybody acts on them."""

    def __init__(self, name: str, rule: Rule) -> None:
        self.name = name
        self.rule = rule
        self.diverts = rule.diverts
        self.covers = rule.covers

    def choose(self, problem: Problem) -> Solution:
        """Say who goes where.

        Raises
        ------
        AssignmentError
            The rule's answer is none that may be acted on.
        """
        solution = self.rule.choose(problem)
        chosen = {
            slot.slot_id: tuple(one.unit_id for one in slot.chosen) for slot in solution.slots
        }
        refused = frozenset((unit, slot) for unit, slot, _ in solution.refused_pins)
        try:
            problem.check_answer(chosen, refused)
        except AssignmentError as error:
            raise AssignmentError(f"policy {self.name!r}: {error}") from error
        return solution


BUILT_IN: dict[str, type[Rule]] = {
    "closest-idle": ClosestIdle,
    "joint": Joint,
    "joint+divert": JointDivert,
    "joint+divert+coverage": JointCoverage,
}


def rule_named(name: str) -> Rule:
    """Return the rule of a name: built in, an entry point's, or ``module:Class``; checked.

    Raises
    ------
    UnknownPolicyError
        There is none, or what is there is no rule.
    """
    if name in BUILT_IN:
        return Checked(name, BUILT_IN[name]())
    found = next((e for e in entry_points(group=ENTRY_POINTS) if e.name == name), None)
    try:
        if found is not None:
            made = found.load()()
        else:
            module, _, member = name.partition(":")
            made = getattr(import_module(module), member)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UnknownPolicyError(
            f"there is no policy {name!r}: {error}. Built in: {', '.join(BUILT_IN)}; a city's own "
            f"is an entry point in {ENTRY_POINTS!r} or is written module:Class"
        ) from error
    if not isinstance(made, Rule):
        raise UnknownPolicyError(f"{name!r} is no policy: it needs choose(), diverts and covers")
    return Checked(name, made)
