"""The JSON Schema of a playbook: what lint checks first and what an editor completes from.

``python -m playbooks.schema`` prints it; ``docs/playbook.schema.json`` is that text.
"""

from __future__ import annotations

import json
from typing import Any, Final

from models.categories import categories
from models.lifecycles import IncidentState
from models.skills import SKILLS
from models.words import TRIAGED, Grade

ROLES: Final = ("grid_worker", "dispatcher", "commander")
"""Who can be given a task or told of an escalation."""

PROOFS: Final = ("none", "text", "photo")

MAX_COUNT: Final = 50
"""Most units that one requirement may ask for; a larger number is a slip of the pen."""

MAX_PRECEDENCE: Final = 1_000_000
MAX_ENTRIES: Final = 200
"""Most entries of one list; a plan that a person can read has a dozen."""

MAX_TEXT_CHARS: Final = 4_000
MAX_NAME_CHARS: Final = 100

_DAY_S: Final = 86_400
_KEY: Final = {
    "type": "string",
    "pattern": "^[a-z][a-z0-9_]*$",
    "maxLength": MAX_NAME_CHARS,
    "description": "lower case letters, digits and underscores",
}


def _seconds(description: str) -> dict[str, Any]:
    return {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 30 * _DAY_S,
        "description": f"{description}, in seconds after the incident was opened",
    }


def _text(description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": {
            "zh": {
                "type": "string",
                "pattern": "[\\u4e00-\\u9fff]",
                "maxLength": MAX_TEXT_CHARS,
                "description": "简体中文",
            },
            "en": {
                "type": "string",
                "pattern": "[A-Za-z]",
                "maxLength": MAX_TEXT_CHARS,
                "description": "English",
            },
        },
        "required": ["zh", "en"],
        "additionalProperties": False,
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _list(item: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "array",
        "items": item,
        "minItems": 1,
        "maxItems": MAX_ENTRIES,
        "description": description,
    }


def playbook_schema() -> dict[str, Any]:
    """Schema of one playbook (JSON Schema 2020-12), with today's skills, states and categories."""
    role = {"enum": list(ROLES)}
    requirement = _object(
        {
            "key": _KEY,
            "names": _text("what is needed, as the queue shows it"),
            "skills": {
                "type": "array",
                "items": {"enum": list(SKILLS)},
                "minItems": 1,
                "description": "each unit must have all of them",
            },
            "alternatives": {
                "type": "array",
                "items": {"type": "array", "items": {"enum": list(SKILLS)}, "minItems": 1},
                "minItems": 1,
                "description": "other sets of skills that will do, second to the first",
            },
            "count": {
                "type": ["integer", "string"],
                "minimum": 1,
                "maximum": MAX_COUNT,
                "description": "number of units, or a CEL expression; 0 from CEL asks for none",
            },
            "within_s": _seconds("when they should be there"),
            "package": {
                **_KEY,
                "description": "requirements with the same package go all together or not at all",
            },
            "shares": {
                "type": "array",
                "items": _KEY,
                "minItems": 1,
                "uniqueItems": True,
                "description": "keys of other requirements here that one unit may fill at once "
                "with this one, if it has the skills of both",
            },
        },
        ["key", "names", "skills", "count", "within_s"],
    )
    task = _object(
        {
            "key": _KEY,
            "title": _text("what to do"),
            "role": role,
            "within_s": _seconds("when it should be done"),
            "proof": {"enum": list(PROOFS), "default": "none"},
            "until": {
                "enum": [TRIAGED],
                "description": "done by itself once a person says what the incident is",
            },
        },
        ["key", "title", "role", "within_s"],
    )
    deadline = _object(
        {
            "key": _KEY,
            "after_s": _seconds("when it is due"),
            "while": {
                "type": "array",
                "items": {"enum": [state.value for state in IncidentState]},
                "minItems": 1,
                "description": "escalate if the incident is in one of these states by then",
            },
            "escalate": _object(
                {"to_role": role, "notice": _text("what that person is told")},
                ["to_role", "notice"],
            ),
            "until": {
                "enum": [TRIAGED],
                "description": "of no matter any more once a person says what the incident is",
            },
        },
        ["key", "after_s", "while", "escalate"],
    )
    notice = _object(
        {"key": _KEY, "to_role": role, "text": _text("what they are told at once")},
        ["key", "to_role", "text"],
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gridcommand playbook",
        "description": "When this happens: these units, tasks, deadlines and notices.",
        **_object(
            {
                "id": {
                    "type": "string",
                    "pattern": "^[a-z0-9_]+(\\.[a-z0-9_]+)*$",
                    "maxLength": MAX_NAME_CHARS,
                    "description": "lower case words joined by dots, unique in its directory",
                },
                "names": _text("name of the plan"),
                "categories": {
                    "type": "array",
                    "items": {"enum": list(categories())},
                    "minItems": 1,
                    "description": "only for these categories and those below them",
                },
                "when": {
                    "type": "string",
                    "description": "CEL over `incident`; the playbook applies when it is true",
                },
                "group": {
                    **_KEY,
                    "description": "of a group's playbooks only the most precedent applies",
                },
                "precedence": {
                    "type": "integer",
                    "minimum": -MAX_PRECEDENCE,
                    "maximum": MAX_PRECEDENCE,
                    "default": 0,
                    "description": "higher wins",
                },
                "fallback": {
                    "type": "boolean",
                    "default": False,
                    "description": "only where no other playbook applies",
                },
                "supplement": {
                    "type": "boolean",
                    "default": False,
                    "description": "adds to whatever applies, a fallback too, and takes no place",
                },
                "response_level": {"enum": [grade.value for grade in Grade]},
                "priority": {"type": "integer", "minimum": 1, "maximum": 4},
                "requirements": _list(requirement, "units that must come"),
                "tasks": _list(task, "what people must do"),
                "deadlines": _list(deadline, "what is escalated when it is late"),
                "notices": _list(notice, "who is told at once"),
            },
            ["id", "names", "when"],
        ),
        "anyOf": [{"required": [part]} for part in ("requirements", "tasks", "notices")],
    }


def schema_text() -> str:
    """The schema as the published file has it."""
    return json.dumps(playbook_schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
