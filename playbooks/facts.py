"""What a playbook may know about an incident, and how its expressions see it.

Facts come from classification and are open-ended; a playbook can ask only for those declared in
:data:`KNOWN_FACTS`, so that a misspelt fact is found by lint and not on the night it matters.
A declared fact that nobody reported has its type's empty value: 0, false or "".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from models.plain_text import plain
from models.words import Grade, Posture

FactValue = bool | int | str

MOST: Final = 1_000_000_000
"""Largest count that an expression sees; what is told beyond is cut, so that sums still fit."""

KNOWN_FACTS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "casualties": int,
        "injured": int,
        "dead": int,
        "trapped": int,
        "missing": int,
        "threat_to_life": bool,
        "fire_visible": bool,
        "explosion": bool,
        "hazardous_goods": bool,
        "weapon": bool,
        "elderly": bool,
        "child": bool,
        "pregnant": bool,
    }
)
"""Fact -> its type. These are the facts that classification finds; casualties = injured + dead."""


class IncidentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as playbooks see it.

    Attributes
    ----------
    category
        Id from :func:`models.categories.categories`.
    grade
        ``"I"`` (worst) to ``"IV"``.
    priority
        1 (life-threatening) to 4 (routine).
    code
        The source's own structured code; empty when there is none.
    facts
        What was read out of the reports; see :data:`KNOWN_FACTS`.
    posture
        ``"routine"`` or ``"emergency"``.
    hour
        Hour of the local day, 0 to 23.
    cell
        Code of the grid cell; empty outside all cells.
    alarms
        Number of reports and alarms that tell of it, 1 or more.
    """

    category: str
    grade: str = "IV"
    priority: int = 3
    code: str = ""
    facts: dict[str, FactValue] = {}
    posture: str = "routine"
    hour: int = 12
    cell: str = ""
    alarms: int = 1


FIELDS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "category": str,
        "grade": str,
        "priority": int,
        "code": str,
        "posture": str,
        "hour": int,
        "cell": str,
        "alarms": int,
    }
)
"""Fields of ``incident`` in an expression, besides ``incident.facts``."""

CLOSED_FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "grade": tuple(grade.value for grade in Grade),
        "posture": tuple(posture.value for posture in Posture),
    }
)
"""Fields that can hold nothing but these values (``category`` is checked against the tree)."""


def field_type(path: str) -> type | None:
    """Type of ``category`` or ``facts.trapped``; ``None`` if there is no such field."""
    head, _, fact = path.partition(".")
    return KNOWN_FACTS.get(fact) if head == "facts" else FIELDS.get(path)


def field_value(incident: IncidentFacts, path: str) -> FactValue:
    """Value of a field by its path, in the declared type whatever was reported; text is plain."""
    head, _, fact = path.partition(".")
    if head != "facts":
        return _as_declared(getattr(incident, path), FIELDS[path])
    return _as_declared(incident.facts.get(fact), KNOWN_FACTS[fact])


def _as_declared(value: FactValue | None, kind: type) -> FactValue:
    if value is None:
        return kind()  # type: ignore[no-any-return]
    if kind is int:
        if isinstance(value, str):
            if not (value.isascii() and value.isdigit()):
                return 0
            digits = value.lstrip("0")
            return min(int(digits or 0), MOST) if len(digits) < len(str(MOST)) + 1 else MOST
        return max(-MOST, min(int(value), MOST))
    if kind is bool:
        return (
            value.strip().lower() not in ("", "false", "no", "0")
            if isinstance(value, str)
            else bool(value)
        )
    return plain(str(value))
