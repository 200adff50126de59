"""Sample incidents that lint tries a condition on, made from what the condition itself names.

A condition can only be true for values near those written in it: each field gets the values it
is compared with, their neighbours, and one that is none of them. All combinations are tried up to
a limit, above it an evenly spread part; the order is fixed, so lint says the same every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, Final

from models.categories import categories, is_a
from playbooks.expressions import Expression
from playbooks.facts import (
    CLOSED_FIELDS,
    KNOWN_FACTS,
    FactValue,
    IncidentFacts,
    field_type,
)

LIMIT: Final = 3_000
"""Most combinations tried for one condition, about half a second."""

_RANGES: Final = {"priority": range(1, 5), "hour": range(24)}
_AT_LEAST: Final = {"alarms": 1}

TYPICAL: Final = IncidentFacts(
    category="city.other",
    code="code",
    cell="cell",
    facts={fact: kind(1) for fact, kind in KNOWN_FACTS.items()},
)
"""One incident in which every field has a value of its type."""


def samples(expression: Expression, only: Sequence[str]) -> Iterator[IncidentFacts]:
    """Incidents on which an expression could be true.

    Parameters
    ----------
    expression
        The condition.
    only
        Categories that its playbook is limited to; empty for all.
    """
    fields = list(dict.fromkeys((*expression.fields, "category")))
    choices = [_values(field, expression, only) for field in fields]
    total = prod(map(len, choices))
    step = -(-total // LIMIT)
    if step > 1:
        step += 1 - step % 2  # an odd step meets both halves of a two-valued field
    for number, values in enumerate(product(*choices)):
        if number % step == 0:
            yield _incident(dict(zip(fields, values, strict=True)))


def _incident(values: dict[str, FactValue]) -> IncidentFacts:
    plain: dict[str, Any] = {}
    facts: dict[str, FactValue] = {}
    for path, value in values.items():
        head, _, fact = path.partition(".")
        if fact:
            facts[fact] = value
        else:
            plain[head] = value
    return IncidentFacts(**plain, facts=facts)


def _values(field: str, expression: Expression, only: Sequence[str]) -> list[FactValue]:
    texts = [value for value in expression.literals if isinstance(value, str)]
    if field == "category":
        return [*_categories(texts, only)]
    if field in CLOSED_FIELDS:
        return [*CLOSED_FIELDS[field]]
    if field in _RANGES:
        return [*_RANGES[field]]
    kind = field_type(field)
    if kind is bool:
        return [True, False]
    if kind is str:
        return [*dict.fromkeys((*texts, *(text + "x" for text in texts), "other", ""))]
    numbers = [v for v in expression.literals if isinstance(v, int) and not isinstance(v, bool)]
    near = {number + by for number in (0, 1, *numbers) for by in (-1, 0, 1)}
    return sorted(number for number in near if number >= _AT_LEAST.get(field, 0))


def _categories(texts: list[str], only: Sequence[str]) -> list[str]:
    """Categories that the texts name or begin, and one that they don't."""
    allowed = [c for c in categories() if not only or any(is_a(c, limit) for limit in only)]
    named = [c for c in allowed if any(c.startswith(text) for text in texts)]
    others = [c for c in allowed if c not in named]
    return [*named, *others[:1]]
