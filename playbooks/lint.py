"""What is wrong with a directory of playbooks: every mistake with file, line, column and remedy.

Checked, in this order: the YAML itself, the schema (which knows skills, roles, states and
categories), keys and ids that are there twice, the expressions, conditions that can't become
true. A playbook that fails one step isn't asked the next, so that one slip gives one problem.
What passes is handed on as types (:mod:`playbooks.written`), and the engine uses just that.

A condition is tried on made incidents. Where they can't decide that it is never true, or where it
fails on made texts only, that is a warning and no mistake: the playbook is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

from playbooks.documents import (
    Document,
    Problem,
    YamlPath,
    playbook_files,
    read_documents,
)
from playbooks.expressions import Expression, ExpressionError
from playbooks.facts import CLOSED_FIELDS, field_type
from playbooks.samples import TYPICAL, Samples
from playbooks.schema import playbook_schema
from playbooks.written import NotWrittenError, WrittenPlaybook, parse_playbook

_KEYED = ("requirements", "tasks", "deadlines", "notices")
_CLOSED = frozenset({"category", *CLOSED_FIELDS})


@dataclass(frozen=True)
class Checked:
    """What a directory's playbooks are.

    Attributes
    ----------
    playbooks
        Those that are well formed, in the order of their files: what the engine uses.
    problems
        All mistakes, by file and line; with one, nothing is used.
    warnings
        What is perhaps not meant.
    """

    playbooks: list[WrittenPlaybook] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def lint(directory: Path) -> list[Problem]:
    """All problems of a directory's playbooks, by file and line; empty when they are right."""
    return check_directory(directory).problems


def check_directory(directory: Path) -> Checked:
    """Read and check the playbooks of a directory."""
    if not directory.is_dir():
        return _nothing(directory, "no such directory; name one with playbooks")
    files = playbook_files(directory)
    if not files:
        return _nothing(directory, "no playbooks here; add a .yaml file")
    validator = _Validator(playbook_schema())
    problems: list[Problem] = []
    warnings = list(_not_read(directory, files))
    sound: list[Document] = []
    playbooks: list[WrittenPlaybook] = []
    for path in files:
        read, unreadable = read_documents(path)
        problems += unreadable
        for document in read:
            broken = list(_against_schema(document, validator))
            if not broken:
                try:
                    playbooks.append(parse_playbook(document.value))
                    sound.append(document)
                except NotWrittenError as error:
                    broken = [document.problem(error.path, f"{error}; write it so")]
            problems += broken
    problems += _repeated_ids(sound)
    problems += _one_key_two_meanings(sound)
    problems += _roles(sound)
    for document in sound:
        problems += _repeated_keys(document)
        problems += _packages_of_one(document)
        mistakes, doubts = _expressions(document)
        problems += mistakes
        warnings += doubts
    return Checked(playbooks, sorted(set(problems)), sorted(set(warnings)))


def _not_read(directory: Path, files: list[Path]) -> Iterator[Problem]:
    """What lies there as if it were a playbook: ``a.yaml.txt``, ``b.yml~``, a folder of them."""
    for path in sorted(directory.iterdir()):
        is_hidden = path.name.startswith(".")
        if path not in files and not is_hidden and (path.is_dir() or ".y" in path.name.lower()):
            message = "not read; only files of this folder that end in .yaml or .yml are"
            yield Problem(path.name, 1, 1, message)


def _nothing(directory: Path, message: str) -> Checked:
    return Checked(problems=[Problem(str(directory), 1, 1, message)])


# ── schema ─────────────────────────────────────────────────────────────────────────────────────


def _whole(checker: Any, value: Any) -> bool:
    """Whole numbers only: JSON Schema takes 2.0 for one too, and nothing here can count to it."""
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(validator: Any, rule: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    """As ECMA's ``$`` has it, which no line end may follow, unlike Python's."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", rule), value):
        yield ValidationError(f"{value!r} does not match {rule!r}")


_Validator = validators.extend(
    Draft202012Validator,
    {"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _whole),
)


def _against_schema(document: Document, validator: Draft202012Validator) -> Iterator[Problem]:
    for error in validator.iter_errors(document.value):
        path: YamlPath = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            known = sorted(error.schema["properties"])
            for key in sorted(set(error.instance) - set(known)):
                line, column = document.key_place((*path, key))
                message = f"unknown key {key!r}; {_suggestion(key, known)}"
                yield Problem(document.file, line, column, message)
        else:
            yield document.problem(path, _remedy(error, path))


def _suggestion(word: Any, known: list[str]) -> str:
    close = get_close_matches(str(word), known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(known[:30])
    return f"use one of {shown}{' …' if len(known) > 30 else ''}"


def _remedy(error: ValidationError, path: YamlPath) -> str:
    """What to do about a schema violation, in words that don't need the schema."""
    value: Any = error.instance
    rule: Any = error.validator_value
    subject = next((str(part) for part in reversed(path) if isinstance(part, str)), "playbook")
    match error.validator:
        case "required":
            missing = next(key for key in rule if key not in value and repr(key) in error.message)
            return f"{missing!r} is missing in {subject}; add it"
        case "anyOf":
            return "the playbook asks for nothing; add requirements, tasks or notices"
        case "enum":
            return f"unknown {_singular(subject)} {value!r}; {_suggestion(value, list(rule))}"
        case "pattern" if subject == "zh":
            return f"the 中文 text is missing in {value!r}; write it in Chinese"
        case "pattern" if subject == "en":
            return f"the English text is missing in {value!r}; write it in English"
        case "pattern":
            return f"{subject} {value!r} isn't well formed; use {error.schema['description']}"
        case "type":
            wanted = " or ".join([rule] if isinstance(rule, str) else rule)
            return f"{subject} must be of type {wanted}, not {_shown(value)}"
        case "uniqueItems":
            return f"{subject} names one twice; name each once"
        case "minItems":
            return f"{subject} is empty; give at least one"
        case "maxItems":
            return f"{subject} has {len(value)} entries; give {rule} or fewer"
        case "maxLength":
            return f"{subject} has {len(value)} characters; write {rule} or fewer"
        case "minimum":
            return f"{subject} is {value}; give {rule} or more"
        case "maximum":
            return f"{subject} is {value}; give {rule} or less"
        case "exclusiveMinimum":
            return f"{subject} is {value}; give more than {rule}"
        case _:
            return str(error.message)


def _singular(subject: str) -> str:
    return {
        "skills": "skill",
        "categories": "category",
        "while": "incident state",
        "to_role": "role",
    }.get(subject, subject)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return f"{str(value).lower()} (put text in quotes)"
    return "nothing" if value is None else repr(value)[:60]


# ── ids and keys ───────────────────────────────────────────────────────────────────────────────


def _repeated_ids(documents: list[Document]) -> Iterator[Problem]:
    first: dict[str, Document] = {}
    for document in documents:
        playbook_id = document.value["id"]
        before = first.setdefault(playbook_id, document)
        if before is not document:
            where = f"{before.file}:{before.place(('id',))[0]}"
            yield document.problem(("id",), f"id {playbook_id!r} is also at {where}; rename one")


def _repeated_keys(document: Document) -> Iterator[Problem]:
    for part in _KEYED:
        seen: set[str] = set()
        for index, entry in enumerate(document.value.get(part, ())):
            if entry["key"] in seen:
                message = f"key {entry['key']!r} is there twice in {part}; rename one"
                yield document.problem((part, index, "key"), message)
            seen.add(entry["key"])


def _roles(documents: list[Document]) -> Iterator[Problem]:
    """A role is shared with another requirement; that may be another playbook's."""
    keys = {entry["key"] for d in documents for entry in d.value.get("requirements", ())}
    for document in documents:
        for index, entry in enumerate(document.value.get("requirements", ())):
            for place, other in enumerate(entry.get("shares", ())):
                path: YamlPath = ("requirements", index, "shares", place)
                if other == entry["key"]:
                    message = f"{other!r} can't be shared with itself; name another requirement"
                    yield document.problem(path, message)
                elif other not in keys:
                    hint = _suggestion(other, sorted(keys - {entry["key"]}))
                    yield document.problem(path, f"{other!r} is no requirement's key; {hint}")


def _packages_of_one(document: Document) -> Iterator[Problem]:
    """A package of one unit holds nothing together: its writer meant something else."""
    packages: dict[str, list[int]] = {}
    entries = document.value.get("requirements", ())
    for index, entry in enumerate(entries):
        if "package" in entry:
            packages.setdefault(entry["package"], []).append(index)
    for package, members in packages.items():
        if len(members) == 1 and entries[members[0]]["count"] == 1:
            yield document.problem(
                ("requirements", members[0], "package"),
                f"package {package!r} is one unit only; ask for more, name the package at another "
                "requirement too, or remove it",
            )


def _one_key_two_meanings(documents: list[Document]) -> Iterator[Problem]:
    """Requirements are joined by key across playbooks: one key must mean the same skills."""
    first: dict[str, tuple[set[str], str]] = {}
    for document in documents:
        for index, entry in enumerate(document.value.get("requirements", ())):
            path: YamlPath = ("requirements", index, "key")
            skills = set(entry["skills"])
            where = f"{document.file}:{document.place(path)[0]}"
            before, there = first.setdefault(entry["key"], (skills, where))
            if before != skills:
                yield document.problem(
                    path,
                    f"requirement {entry['key']!r} asks for other skills at {there}; "
                    "use the same skills or another key",
                )


# ── expressions ────────────────────────────────────────────────────────────────────────────────


def _expressions(document: Document) -> tuple[list[Problem], list[Problem]]:
    """Mistakes, and what is perhaps one."""
    conditions: list[tuple[YamlPath, type[bool] | type[int]]] = [(("when",), bool)]
    for index, entry in enumerate(document.value.get("requirements", ())):
        if isinstance(entry["count"], str):
            conditions.append((("requirements", index, "count"), int))
    mistakes: list[Problem] = []
    doubts: list[Problem] = []
    for path, wanted in conditions:
        source = document.value
        for part in path:
            source = source[part]
        try:
            expression = Expression(source)
        except ExpressionError as error:
            mistakes.append(_inside(document, path, error))
            continue
        errors = expression.check(wanted, TYPICAL)
        mistakes += (_inside(document, path, error) for error in errors)
        if not errors:
            found, is_sure = _on_samples(document, path, expression, wanted)
            (mistakes if is_sure else doubts).extend(found)
    return mistakes, doubts


def _on_samples(
    document: Document, path: YamlPath, expression: Expression, wanted: type[bool] | type[int]
) -> tuple[list[Problem], bool]:
    """What made incidents show, and whether that is sure."""
    samples = Samples(expression, document.value.get("categories", ()))
    is_open = any(field_type(f) is str and f not in _CLOSED for f in expression.fields)
    first_error: ExpressionError | None = None
    has_answer = has_true = False
    for incident in samples:
        try:
            answer: bool | int = expression.evaluate(incident, wanted)
        except ExpressionError as error:
            if error.always or not is_open:
                return [_inside(document, path, error)], True
            first_error = first_error or error
            continue
        has_answer = True
        has_true = has_true or answer > 0
        if has_true and wanted is bool:
            break
    if first_error and not has_true:
        return [_inside(document, path, first_error)], not has_answer and samples.decide
    if has_true:
        return [], True
    never = "can never be true" if wanted is bool else "is 0 for every incident"
    hint = "mend the expression or remove what hangs on it"
    if not samples.decide:
        never, hint = f"{never} as far as could be tried", "make sure that it is meant"
    return [document.problem(path, f"{path[-1]} {never}; {hint}")], samples.decide


def _inside(document: Document, path: YamlPath, error: ExpressionError) -> Problem:
    line, column = document.place_inside(path, error.line, error.column)
    return Problem(document.file, line, column, f"{path[-1]}: {error}")
