"""Rules that turn readings into alarms, as data: ``data/sense_rules.yaml``, read and checked once.

A city pack may bring a file of its own, which takes the place of ours as a whole.

Not for evaluating them; that is :mod:`streams.sense`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from models.categories import categories
from models.settings import Settings
from streams.errors import RulesError

OUR_RULES = Path(__file__).parent / "data" / "sense_rules.yaml"


class RuleBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all rules have in common.

    Attributes
    ----------
    id
        Part of an episode's id; never reused.
    quantity, unit
        What the rule looks at, as SenML names it. A reading in another unit of the same kind is
        converted (:mod:`models.units`); one of another kind is not for it, one without unit is.
    category, priority
        Of the report that an alarm becomes.
    zh, en
        What is measured, in words.
    device
        Glob over device names.
    """

    id: str
    quantity: str
    unit: str
    category: str
    priority: int
    zh: str
    en: str
    device: str = "*"

    @property
    def is_yes_or_no(self) -> bool:
        """Whether a reading says only that it is so, and its number tells a person nothing."""
        return False

    def applies_to(self, device: str) -> bool:
        """Whether the rule is for this device."""
        return self.device == "*" or fnmatchcase(device, self.device)


class Quorum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Raised only when ``count`` devices within ``radius_m`` of one are beyond together.

    Each must have been heard within ``within_s`` seconds. Devices whose place isn't known don't
    count; those that share a partition of the topic do, so gateways key readings by area.
    """

    count: int
    radius_m: float
    within_s: float


class ThresholdRule(RuleBase, frozen=True, kw_only=True, tag_field="kind", tag="threshold"):
    """Raised at ``raise_at`` once held for ``hold_s`` seconds, over again at ``clear_at``.

    Attributes
    ----------
    off_after_s
        For events, such as a button that never says it was let go: over as well so many seconds
        after the last reading beyond, by the readings' own time. 0: never by itself.
    """

    raise_at: float
    clear_at: float
    hold_s: float = 0.0
    off_after_s: float = 0.0
    direction: str = "above"
    quorum: Quorum | None = None

    @property
    def is_yes_or_no(self) -> bool:
        """Whether a reading says only that it is so, and its number tells a person nothing."""
        return not self.unit and self.raise_at == 1

    def is_beyond(self, value: float) -> bool:
        """Whether the value is where the alarm is raised."""
        return value >= self.raise_at if self.direction == "above" else value <= self.raise_at

    def is_clear(self, value: float) -> bool:
        """Whether the value is where the alarm is over."""
        return value <= self.clear_at if self.direction == "above" else value >= self.clear_at


class RateRule(RuleBase, frozen=True, kw_only=True, tag_field="kind", tag="rate"):
    """Raised by a rise of ``rise`` within ``window_s`` seconds, over under ``clear_rise``."""

    rise: float
    clear_rise: float
    window_s: float


class SilenceRule(RuleBase, frozen=True, kw_only=True, tag_field="kind", tag="silence"):
    """Raised when ``quantity`` was heard once and then not in ``after_s`` seconds of listening."""

    after_s: float


Rule: TypeAlias = ThresholdRule | RateRule | SilenceRule


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: list[Rule]


class SenseRules:
    """Rules by the quantity they look at."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = tuple(rules)
        self._found: dict[tuple[bool, ...], Mapping[str, tuple[Rule, ...]]] = {}

    def for_device(self, name: str) -> Mapping[str, tuple[Rule, ...]]:
        """Return the rules for a device by quantity; devices with the same rules share it."""
        key = tuple(rule.applies_to(name) for rule in self.rules)
        found = self._found.get(key)
        if found is None:
            fitting: dict[str, tuple[Rule, ...]] = {}
            for rule in (rule for rule, fits in zip(self.rules, key, strict=True) if fits):
                fitting[rule.quantity] = (*fitting.get(rule.quantity, ()), rule)
            found = self._found[key] = fitting
        return found

    def is_silence(self, rule: str) -> bool:
        """Whether a rule of that id looks for silence."""
        return any(isinstance(one, SilenceRule) and one.id == rule for one in self.rules)

    def is_event(self, rule: str) -> bool:
        """Whether a rule of that id is for an event, which ends by itself."""
        return any(
            isinstance(one, ThresholdRule) and one.off_after_s > 0 and one.id == rule
            for one in self.rules
        )

    def units_of(self, device: str, quantity: str) -> tuple[str, ...] | None:
        """Return the units that rules read a device's quantity in; None: no rule looks at it.

        One of them is empty where a rule takes any.
        """
        rules = self.for_device(device).get(quantity)
        return None if rules is None else tuple(rule.unit for rule in rules)


@lru_cache(maxsize=4)
def load_sense_rules(path: Path = OUR_RULES) -> SenseRules:
    """Read and check a file of rules, once.

    Raises
    ------
    RulesError
        When it can't be read or a rule makes no sense; the message names rule and value.
    """
    try:
        tree = YAML(typ="safe", pure=True).load(io.StringIO(path.read_text(encoding="utf-8")))
        rules = msgspec.convert(tree, _File).rules
    except (OSError, UnicodeDecodeError, YAMLError, msgspec.ValidationError) as error:
        raise RulesError(f"{path}: {error}") from error
    seen: set[str] = set()
    for rule in rules:
        if wrong := _wrong(rule, seen):
            raise RulesError(f"{path}: rule {rule.id!r}: {wrong}")
        seen.add(rule.id)
    return SenseRules(rules)


def rules_in_force(settings: Settings) -> SenseRules:
    """Return the city pack's own rules where it has some, else ours.

    Raises
    ------
    RulesError
        When they can't be read or a rule makes no sense.
    """
    return load_sense_rules(settings.own_sense_rules or OUR_RULES)


def _wrong(rule: Rule, seen: set[str]) -> str:
    if not rule.id or rule.id in seen:
        return "id is empty or there twice"
    if rule.category not in categories():
        return f"category {rule.category!r} is unknown"
    if rule.priority not in (1, 2, 3, 4):
        return f"priority {rule.priority} must be 1 to 4"
    if isinstance(rule, ThresholdRule):
        if rule.direction not in ("above", "below"):
            return f"direction {rule.direction!r} must be above or below"
        if rule.is_clear(rule.raise_at) or rule.hold_s < 0:
            return "clear_at must lie on the quiet side of raise_at, and hold_s not below 0"
        if rule.off_after_s < 0 or (rule.off_after_s and (rule.quorum or rule.hold_s)):
            return "off_after_s must be 0 or more, and goes with neither quorum nor hold_s"
        quorum = rule.quorum
        if quorum and not (quorum.count >= 2 and quorum.radius_m > 0 and quorum.within_s > 0):
            return "quorum needs a count of 2 or more, and radius_m and within_s above 0"
    elif isinstance(rule, RateRule):
        if not (rule.window_s > 0 and 0 <= rule.clear_rise < rule.rise):
            return "window_s must be above 0 and clear_rise between 0 and rise"
    elif rule.after_s <= 0:
        return "after_s must be above 0"
    return ""
