"""A playbook as its file says it, parsed once into types: what lint passes is what the engine uses.

Lint says what is wrong in words, by the schema; what it finds right is parsed here, strictly, and
nobody looks at the plain values again. Memory of what was checked (:mod:`playbooks.checked`) holds
these same types. Not for: what an expression means or which playbook applies.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from models.lifecycles import IncidentState
from models.words import Grade

YamlPath = tuple[str | int, ...]

_WHERE = re.compile(r"(.*) - at `\$([^`]*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


class _Written(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class WrittenRequirement(_Written, frozen=True, kw_only=True):
    """Units that must come; a ``count`` that is text is CEL."""

    key: str
    names: dict[str, str]
    skills: tuple[str, ...]
    count: int | str
    within_s: float
    alternatives: tuple[tuple[str, ...], ...] = ()
    package: str = ""
    shares: tuple[str, ...] = ()


class WrittenTask(_Written, frozen=True, kw_only=True):
    """What a person must do."""

    key: str
    title: dict[str, str]
    role: str
    within_s: float
    proof: str = "none"
    until: str = ""


class WrittenEscalation(_Written, frozen=True, kw_only=True):
    """Who is told, and what."""

    to_role: str
    notice: dict[str, str]


class WrittenDeadline(_Written, frozen=True, kw_only=True):
    """What is escalated when it is late."""

    key: str
    after_s: float
    states: tuple[IncidentState, ...] = msgspec.field(name="while")
    escalate: WrittenEscalation
    until: str = ""


class WrittenNotice(_Written, frozen=True, kw_only=True):
    """Who is told at once."""

    key: str
    to_role: str
    text: dict[str, str]


class WrittenPlaybook(_Written, frozen=True, kw_only=True):
    """One playbook; see :func:`playbooks.schema.playbook_schema` for what each field means."""

    id: str
    names: dict[str, str]
    when: str
    categories: tuple[str, ...] = ()
    group: str = ""
    precedence: int = 0
    fallback: bool = False
    supplement: bool = False
    response_level: Grade | None = None
    priority: int | None = None
    requirements: tuple[WrittenRequirement, ...] = ()
    tasks: tuple[WrittenTask, ...] = ()
    deadlines: tuple[WrittenDeadline, ...] = ()
    notices: tuple[WrittenNotice, ...] = ()


class NotWrittenError(ValueError):
    """Plain values that are no playbook: what is wrong, and the path of the value."""

    def __init__(self, message: str, path: YamlPath) -> None:
        super().__init__(message)
        self.path = path


def parse_playbook(value: Any) -> WrittenPlaybook:
    """Return plain values as a playbook.

    Raises
    ------
    NotWrittenError
        When a value isn't of its type.
    """
    try:
        return msgspec.convert(value, WrittenPlaybook)
    except msgspec.ValidationError as error:
        found = _WHERE.match(str(error))
        what, where = found.groups() if found else (str(error), "")
        path: YamlPath = tuple(
            name or int(index) for name, index in _STEP.findall(where.replace("[...]", ""))
        )
        raise NotWrittenError(what, path) from error
