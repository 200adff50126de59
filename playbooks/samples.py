"""Sample incidents that lint tries a condition on, made from what the condition itself names.

Each field gets the values that the condition names, their neighbours, and one that is none of them;
a text also what begins and ends as the condition asks for and what its regular expressions match.
All combinations are tried up to a limit, above it an evenly spread part; the order is fixed, so
lint says the same every time. What none of them makes true may still be true: :class:`Samples`
says whether the samples decide it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from math import prod
from typing import Any, Final

from models.categories import categories, is_a
from playbooks.expressions import Expression
from playbooks.facts import (
    CLOSED_FIELDS,
    KNOWN_FACTS,
    MOST,
    FactValue,
    IncidentFacts,
    field_type,
)
from playbooks.patterns import matching

LIMIT: Final = 3_000
"""Most combinations tried for one condition, about half a second."""

MANY: Final = 1_000_000
"""A number far from those that are written."""

MOST_PARTS: Final = 12
"""Texts of which any two are put together."""

_RANGES: Final = {"priority": range(1, 5), "hour": range(24)}
_AT_LEAST: Final = {"alarms": 1}

TYPICAL: Final = IncidentFacts(
    category="city.other",
    code="code",
    cell="cell",
    facts={fact: kind(1) for fact, kind in KNOWN_FACTS.items()},
)
"""One incident in which every field has a value of its type."""


class Samples:
    """Incidents on which an expression could be true.

    Parameters
    ----------
    expression
        The condition.
    only
        Categories that its playbook is limited to; empty for all.

    Attributes
    ----------
    decide
        Whether what is true for none of them is true for no incident at all.
    """

    def __init__(self, expression: Expression, only: Sequence[str]) -> None:
        self._fields = list(dict.fromkeys((*expression.fields, "category")))
        self._choices = [_values(field, expression, only) for field in self._fields]
        step = -(-prod(map(len, self._choices)) // LIMIT)
        self._step = step + 1 - step % 2  # an odd step meets both halves of a two-valued field
        self.decide = step == 1 and expression.is_decided_by_samples

    def __iter__(self) -> Iterator[IncidentFacts]:
        for number, values in enumerate(islice(product(*self._choices), LIMIT * self._step)):
            if number % self._step == 0:
                yield _incident(dict(zip(self._fields, values, strict=True)))


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
        return [*_categories(texts, expression.patterns, only)]
    if field in CLOSED_FIELDS:
        return [*CLOSED_FIELDS[field]]
    if field in _RANGES:
        return [*_RANGES[field]]
    kind = field_type(field)
    if kind is bool:
        return [True, False]
    if kind is str:
        return [*_texts(texts, expression.patterns)]
    numbers = [v for v in expression.literals if isinstance(v, int) and not isinstance(v, bool)]
    near = {number + by for number in (0, 1, *numbers) for by in (-1, 0, 1)}
    near |= {sum(numbers), MANY}
    least = _AT_LEAST.get(field, 0)
    return sorted(number for number in near if least <= number <= MOST)


def _texts(texts: list[str], patterns: Sequence[str]) -> list[str]:
    """Texts as they are written, longer ones, any two together, what patterns match, and none."""
    parts = [text for text in texts if text not in patterns][:MOST_PARTS]
    both = (first + last for first in parts for last in parts if first != last)
    matched = (text for pattern in patterns for text in matching(pattern))
    longer = (text + "x" for text in texts)
    return [*dict.fromkeys((*texts, *matched, *longer, *both, "1", "other", ""))]


def _categories(texts: list[str], patterns: Sequence[str], only: Sequence[str]) -> list[str]:
    """Categories in which the texts stand and one in which they don't; with patterns, all."""
    allowed = [c for c in categories() if not only or any(is_a(c, limit) for limit in only)]
    named = [c for c in allowed if patterns or any(text in c for text in texts)]
    others = [c for c in allowed if c not in named]
    return [*named, *others[:1]]
