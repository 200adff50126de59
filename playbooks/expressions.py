"""CEL expressions of playbooks: compiled once, checked before use, answered from memory.

An expression is a pure function of the fields that it names, so its answer is kept under the
values of just those fields: the interpreter (about 0.2 ms an expression) runs only for a
combination that it hasn't seen. The memory is bounded and starts afresh when it is full.

Checking goes further than CEL asks: ``false && <mistake>`` is false in CEL, so every part is
tried by itself, and a field, fact, function or category that doesn't exist is a mistake at once.
What fails for some values of a field only is left to who tries it on many incidents.

Relies on cel-python (Common Expression Language, https://cel.dev).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeVar

import celpy
from celpy import celtypes

from models.categories import categories
from models.categories import is_a as category_is_a
from models.plain_text import plain
from playbooks.facts import (
    CLOSED_FIELDS,
    FIELDS,
    KNOWN_FACTS,
    FactValue,
    IncidentFacts,
    field_type,
    field_value,
)

MEMORY: Final = 20_000
"""Answers kept for each expression."""

MAX_CHARS: Final = 4_000
MAX_DEPTH: Final = 250
"""Deepest syntax tree, about twenty pairs of brackets inside one another: the interpreter takes
five of Python's frames for each level, and its limit is 2,500."""

MAX_STEPS: Final = 500
"""Most entries that the macros of one expression go through, one list inside another multiplied:
each costs about a millisecond."""

_MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
_FUNCTIONS: Final = frozenset(
    {
        "is_a",
        "has",
        "size",
        "startsWith",
        "endsWith",
        "contains",
        "matches",
        "int",
        "string",
        "bool",
    }
)
_OPERATIONS: Final = frozenset(
    {"relation", "addition", "multiplication", "unary", "ident_arg", "member_dot_arg"}
)
_LOGIC: Final = {"conditionalor": "||", "conditionaland": "&&"}
_CHOICE: Final = frozenset({"expr"})


_KINDS: Final = {bool: "true or false", int: "a whole number"}

_Answer = TypeVar("_Answer", bool, int)


class ExpressionError(ValueError):
    """An expression that doesn't hold; line and column count from 1 inside the expression.

    ``always`` says that it fails whatever the values are: its types don't go together.
    """

    def __init__(
        self, message: str, line: int = 1, column: int = 1, *, always: bool = False
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.always = always


@dataclass(frozen=True)
class _Place:
    line: int
    column: int


def _is_a(category: Any, ancestor: Any) -> Any:
    known = categories()
    name = str(category)
    return celtypes.BoolType(
        name in known and str(ancestor) in known and category_is_a(name, str(ancestor))
    )


_CEL: Final = celpy.Environment()
_EXTENSIONS: Final = {"is_a": _is_a}


class Expression:
    """One compiled expression over ``incident``.

    Parameters
    ----------
    source
        CEL text.

    Raises
    ------
    ExpressionError
        The text is not CEL.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        if len(source) > MAX_CHARS:
            raise ExpressionError(f"longer than {MAX_CHARS:,} characters; make it shorter")
        try:
            self._tree = _CEL.compile(source)
        except celpy.CELParseError as error:
            line, column = error.line or 1, error.column or 1
            near = source.splitlines()[line - 1][column - 1 :][:20] if source.strip() else ""
            what = f"CEL can't be read at {near!r}" if near else "CEL is empty or ends too early"
            raise ExpressionError(f"{what}; mend the expression", line, column) from None
        _bound_depth(self._tree)
        _bound_steps(self._tree)
        self._program = _CEL.program(self._tree, functions=_EXTENSIONS)
        self.fields = tuple(
            sorted({path for path, _ in _references(self._tree) if field_type(path) is not None})
        )
        self.patterns = tuple(sorted(set(_patterns(self._tree))))
        self.literals = tuple(sorted({value for value, _ in _literals(self._tree)}, key=repr))
        self._answers: dict[tuple[FactValue, ...], FactValue] = {}

    def evaluate(self, incident: IncidentFacts, wanted: type[_Answer]) -> _Answer:
        """Answer for an incident.

        Parameters
        ----------
        wanted
            ``bool`` for a condition, ``int`` for a count.

        Raises
        ------
        ExpressionError
            The expression fails on these facts, such as a division by zero, or its answer is of
            another type.
        """
        answer = self._answer(incident)
        if type(answer) is not wanted:
            message = f"the expression must give {_KINDS[wanted]}, not {answer!r}"[:200]
            raise ExpressionError(message, always=True)
        return answer

    def _answer(self, incident: IncidentFacts) -> FactValue:
        key = tuple(field_value(incident, path) for path in self.fields)
        answer = self._answers.get(key)
        if answer is None:
            answer = _run(self._program, _context(incident, self.fields))
            if len(self._answers) >= MEMORY:
                self._answers.clear()
            self._answers[key] = answer
        return answer

    @property
    def is_decided_by_samples(self) -> bool:
        """Whether trying the values written in it, and those beside them, tells all it can do.

        They do where each field is compared with literals. They don't where numbers are reckoned
        with or compared with one another, where a text that may be anything is searched or
        ordered, and where lists are gone through.
        """
        calls = [
            *(str(node.children[0]) for node in self._tree.find_data("ident_arg")),
            *(str(node.children[1]) for node in self._tree.find_data("member_dot_arg")),
        ]
        if any(name not in ("is_a", "has") for name in calls):
            return False
        return all(_compares_with_literals(node) for node in self._tree.find_data("relation"))

    def check(self, wanted: type, sample: IncidentFacts) -> list[ExpressionError]:
        """Everything wrong that can be told without a real incident.

        Parameters
        ----------
        wanted
            ``bool`` for a condition, ``int`` for a count.
        sample
            Facts to try each part on; its types matter, its values don't.
        """
        found = [
            *_unknown_names(self._tree),
            *_unknown_values(self._tree),
            *_not_plain(self._tree),
        ]
        if found:
            return found
        found = list(_failing_parts(self._tree, _context(sample, self.fields)))
        if found:
            return found
        try:
            self.evaluate(sample, wanted)
        except ExpressionError as error:
            return [error] if error.always else []
        return []


def _context(incident: IncidentFacts, paths: tuple[str, ...]) -> dict[str, Any]:
    """``incident`` as CEL sees it, with only the fields that are asked for: building costs."""
    fields: dict[str, Any] = {"facts": {}}
    for path in paths:
        head, _, fact = path.partition(".")
        holder = fields["facts"] if fact else fields
        holder[fact or head] = field_value(incident, path)
    return {"incident": celpy.json_to_cel(fields)}


def _run(program: Any, context: dict[str, Any]) -> FactValue:
    try:
        return _native(program.evaluate(context))
    except celpy.CELEvalError as error:
        raise _failure(error) from None
    except Exception as error:  # int(1e400) is an OverflowError of Python's: no desk ends by it
        message = f"the expression fails: {type(error).__name__}: {error}"[:200]
        raise ExpressionError(message) from None


def _failure(error: celpy.CELEvalError) -> ExpressionError:
    text = str(error.args[0])
    message, always = f"the expression fails: {text.splitlines()[0][:120]}", False
    if "no matching overload" in text or "no such overload" in text:
        always = True
        message = "the two sides have different types; compare numbers with numbers, text with text"
    elif text == "match error":
        always = True
        message = "the regular expression can't be read; mend it (RE2's syntax)"
    return ExpressionError(message, error.line or 1, error.column or 1, always=always)


def _native(value: Any) -> FactValue:
    if isinstance(value, celtypes.BoolType):
        return bool(value)
    if isinstance(value, celtypes.IntType):
        return int(value)
    return str(value)


# ── what the tree asks for ─────────────────────────────────────────────────────────────────────


def _patterns(tree: Any) -> Iterator[str]:
    """Regular expressions that ``matches`` is given as literals."""
    for call in (*tree.find_data("ident_arg"), *tree.find_data("member_dot_arg")):
        if "matches" in (str(call.children[0]), str(call.children[1])):
            for argument in _arguments(call):
                yield from (value for value, _ in _literals(argument) if isinstance(value, str))


# ── walking the tree ───────────────────────────────────────────────────────────────────────────


def _place(node: Any) -> _Place:
    while hasattr(node, "children"):
        if not node.children:
            return _Place(1, 1)
        node = node.children[0]
    return _Place(node.line, node.column)


def _core(node: Any) -> Any:
    """The node below a chain of rules that have one child: ``expr`` of a name is the name."""
    while (
        hasattr(node, "children") and len(node.children) == 1 and hasattr(node.children[0], "data")
    ):
        node = node.children[0]
    return node


def _path(node: Any) -> tuple[str, ...]:
    """``incident.facts.trapped`` as its parts; empty if the node is no such chain."""
    node = _core(node)
    if node.data == "ident":
        return (str(node.children[0]),)
    if node.data == "member_dot":
        head = _path(node.children[0])
        return (*head, str(node.children[1])) if head else ()
    return ()


def _references(tree: Any) -> Iterator[tuple[str, _Place]]:
    """Every field of ``incident`` named in the tree, as ``facts.trapped``, with its place."""
    path = _path(tree)
    if path:
        token = _core(tree).children[-1]
        if path[0] == "incident":
            yield ".".join(path[1:]), _Place(token.line, token.column)
        return
    for child in tree.children:
        if hasattr(child, "children"):
            yield from _references(child)


def _bound(tree: Any) -> set[str]:
    """Variables that macros such as ``exists(c, ...)`` bring in."""
    return {
        _path(arguments[0])[0]
        for node in tree.find_data("member_dot_arg")
        if str(node.children[1]) in _MACROS
        and (arguments := _arguments(node))
        and len(_path(arguments[0])) == 1
    }


def _arguments(call: Any) -> list[Any]:
    last = call.children[-1]
    return list(last.children) if getattr(last, "data", "") == "exprlist" else []


def _literals(tree: Any) -> Iterator[tuple[FactValue, _Place]]:
    for node in tree.find_data("literal"):
        place = _place(node)
        try:
            yield _run(_CEL.program(node), {}), place
        except ExpressionError:
            token = str(node.children[0])[:40]
            message = f"{token!r} is no value; a whole number has at most 18 digits"
            raise ExpressionError(message, place.line, place.column) from None


def _bound_steps(tree: Any) -> None:
    """Refuse lists inside lists that would hold a desk up."""
    longest = max((len(node.children) for node in tree.find_data("exprlist")), default=1)
    steps = _steps(tree, longest)
    if steps > MAX_STEPS:
        raise ExpressionError(
            f"goes through {steps:,} entries of lists, at most {MAX_STEPS} are; shorten the lists"
        )


def _steps(node: Any, longest: int) -> int:
    """Entries that macros go through; a list of unknown length counts as the longest written."""
    children = [child for child in node.children if hasattr(child, "children")]
    if node.data != "member_dot_arg" or str(node.children[1]) not in _MACROS:
        return sum(_steps(child, longest) for child in children)
    receiver, body = children[0], children[-1]
    lists = [len(found.children) for found in receiver.find_data("exprlist")]
    size = max(lists, default=longest)
    return _steps(receiver, longest) + size * (1 + _steps(body, longest))


def _bound_depth(tree: Any) -> None:
    """Refuse what the interpreter's recursion could not stand."""
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            place = _place(node)
            raise ExpressionError(
                "too many brackets inside one another or too long a chain; write it shorter",
                place.line,
                place.column,
            )
        waiting += ((child, depth + 1) for child in getattr(node, "children", ()))


def _idents(tree: Any) -> Iterator[Any]:
    for node in tree.find_data("ident"):
        yield node.children[0]


def _unknown_names(tree: Any) -> Iterator[ExpressionError]:
    bound = _bound(tree)
    for token in _idents(tree):
        if token != "incident" and token not in bound:
            yield ExpressionError(
                f"unknown name {str(token)!r}; write incident.<field>, and text in quotes",
                token.line,
                token.column,
            )
    for path, place in _references(tree):
        if field_type(path) is None:
            yield ExpressionError(_no_field(path), place.line, place.column)
    for node in (*tree.find_data("ident_arg"), *tree.find_data("member_dot_arg")):
        token = node.children[0] if node.data == "ident_arg" else node.children[1]
        allowed = _FUNCTIONS | _MACROS if node.data == "member_dot_arg" else _FUNCTIONS
        if str(token) not in allowed:
            yield ExpressionError(
                f"unknown function {str(token)!r}; {_suggest(str(token), allowed)}",
                token.line,
                token.column,
            )


def _no_field(path: str) -> str:
    if path in ("", "facts"):
        return "name one field, such as incident.category or incident.facts.trapped"
    head, _, fact = path.partition(".")
    if head == "facts":
        return f"unknown fact {fact!r}; {_suggest(fact, KNOWN_FACTS)}"
    return f"unknown field {path!r}; {_suggest(path, FIELDS)}"


def _suggest(word: str, known: Any) -> str:
    close = get_close_matches(word, sorted(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(sorted(known))}"


def _unknown_values(tree: Any) -> Iterator[ExpressionError]:
    """Literals beside a field that can never hold them: a misspelt category, a grade V."""
    for node in tree.find_data("relation"):
        if len(node.children) == 2 and node.children[0].data in (
            "relation_eq",
            "relation_ne",
            "relation_in",
        ):
            left = _path(node.children[0].children[0])
            yield from _values_outside(".".join(left[1:]), node.children[1])
            right = _path(node.children[1])
            yield from _values_outside(".".join(right[1:]), node.children[0].children[0])
    for call in (*tree.find_data("ident_arg"), *tree.find_data("member_dot_arg")):
        if "is_a" in (str(call.children[0]), str(call.children[1])):
            for argument in _arguments(call):
                yield from _values_outside("category", argument)


def _not_plain(tree: Any) -> Iterator[ExpressionError]:
    """Texts that no field can equal, for fields are compared in their plain form."""
    for value, place in _literals(tree):
        if isinstance(value, str) and plain(value) != value:
            yield ExpressionError(
                f"text {value!a} is never met as it stands; write {plain(value)!r}",
                place.line,
                place.column,
            )


def _compares_with_literals(relation: Any) -> bool:
    """Whether a relation compares one field with literals, for text by being equal only."""
    if len(relation.children) != 2:
        return True
    left, right = relation.children[0].children[0], relation.children[1]
    fields = {path for side in (left, right) for path, _ in _references(side)}
    if len(fields) > 1 or any(
        len(node.children) > 1
        for side in (left, right)
        for rule in ("addition", "multiplication")
        for node in side.find_data(rule)
    ):
        return False
    is_equality = relation.children[0].data in ("relation_eq", "relation_ne", "relation_in")
    return is_equality or all(field_type(path) is not str for path in fields)


def _values_outside(path: str, node: Any) -> Iterator[ExpressionError]:
    domain = categories() if path == "category" else CLOSED_FIELDS.get(path)
    if domain is None:
        return
    for value, place in _literals(node):
        if isinstance(value, str) and value not in domain:
            yield ExpressionError(
                f"unknown {path} {value!r}; {_suggest(value, domain)}", place.line, place.column
            )


def _failing_parts(tree: Any, context: dict[str, Any]) -> Iterator[ExpressionError]:
    """Innermost parts that fail by themselves, which ``&&`` and ``||`` would hide."""
    bound = _bound(tree)
    failed: set[int] = set()
    for node in tree.iter_subtrees():  # children before their parents
        if any(id(child) in failed for child in node.children):
            failed.add(id(node))
            continue
        if len(node.children) < 2 or node.data not in _OPERATIONS | _LOGIC.keys() | _CHOICE:
            continue
        if any(str(token) in bound for token in _idents(node)):
            continue
        place = _place(node)
        try:
            _part(node, context)
        except ExpressionError as error:
            # On other values than the sample's it may hold, unless there are none.
            if error.always or not any(_references(node)):
                failed.add(id(node))
                yield ExpressionError(str(error), place.line, place.column)
                continue
        for mistake in _ill_matched(node, context):
            failed.add(id(node))
            yield mistake


def _part(node: Any, context: dict[str, Any]) -> FactValue:
    return _run(_CEL.program(node, functions=_EXTENSIONS), context)


def _ill_matched(node: Any, context: dict[str, Any]) -> Iterator[ExpressionError]:
    """Conditions that are none, and two answers of which each is of another type."""
    answers: list[FactValue | None] = []
    if node.data in _LOGIC.keys() | _CHOICE:
        for side in node.children:
            try:
                answers.append(_part(side, context))
            except ExpressionError:  # for these values only
                answers.append(None)
    conditions = answers if node.data in _LOGIC else answers[:1]
    sign = (
        f"{_LOGIC[node.data]} joins conditions," if node.data in _LOGIC else "? asks a condition,"
    )
    for answer, side in zip(conditions, node.children, strict=False):
        if answer is not None and not isinstance(answer, bool):
            place = _place(side)
            message = f"{sign} and this is {answer!r}; write a comparison"
            yield ExpressionError(message, place.line, place.column)
    if node.data in _CHOICE and None not in answers and type(answers[1]) is not type(answers[2]):
        place = _place(node.children[2])
        message = f"the answers {answers[1]!r} and {answers[2]!r} are of two types; give one type"
        yield ExpressionError(message, place.line, place.column)
