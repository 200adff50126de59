"""Reading playbook files: YAML into plain values that remember where they stood.

One file holds one playbook or several, separated by ``---``. Positions count from 1, as editors
do. Only YAML is judged here, and whether its values can be kept: a whole number is an ``int``
however it is written (``2``, ``2.0``, ``1e3``), a number that is none is text, and a character that
no journal could hold is a problem. What the values mean is judged by lint.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from models.errors import GridcommandError

YamlPath = tuple[str | int, ...]

SUFFIXES: Final = (".yaml", ".yml")
MAX_FILE_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 20
"""Most lists and mappings inside one another; a playbook has five."""
MAX_VALUES: Final = 50_000
"""Most values of one file, each use of an anchor counted."""

# NUL, which PostgreSQL can't keep, and halves of surrogate pairs, which are no text at all.
_NOT_KEPT: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a playbook: where it is (from 1) and what to do about it."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class PlaybookError(GridcommandError):
    """Playbooks that can't be used; ``problems`` says where and what to do."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__("\n".join([f"playbooks have {count}:", *map(str, problems)]))


@dataclass(frozen=True)
class _Scalar:
    line: int
    column: int
    style: str | None


@dataclass
class Document:
    """One playbook as written: plain values and the place of each."""

    file: str
    value: Any
    lines: list[str]
    _places: dict[YamlPath, _Scalar] = field(default_factory=dict)
    _keys: dict[YamlPath, tuple[int, int]] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)

    def place(self, path: YamlPath) -> tuple[int, int]:
        """Line and column of a value, or of the nearest one around it."""
        while path not in self._places:
            path = path[:-1]
        found = self._places[path]
        return found.line, found.column

    def key_place(self, path: YamlPath) -> tuple[int, int]:
        """Line and column of the key that a value stands under."""
        return self._keys.get(path) or self.place(path)

    def place_inside(self, path: YamlPath, line: int, column: int) -> tuple[int, int]:
        """Where line and column (from 1) of a scalar's text are in the file.

        Exact for plain and quoted scalars on one line and for ``|`` blocks; for folded text the
        beginning of the scalar is the honest answer.
        """
        scalar = self._places[path]
        if scalar.style == "|":
            row = scalar.line + line
            first = next((text for text in self.lines[scalar.line :] if text.strip()), "")
            return row, len(first) - len(first.lstrip(" ")) + column
        if line == 1 and scalar.style != ">":
            return scalar.line, scalar.column + (scalar.style is not None) + column - 1
        return scalar.line, scalar.column

    def problem(self, path: YamlPath, message: str) -> Problem:
        """A problem with the value at a path."""
        return Problem(self.file, *self.place(path), message)


def playbook_files(directory: Path) -> list[Path]:
    """The YAML files of a directory, by name; ``B.YAML`` is one too."""
    return sorted(path for path in directory.iterdir() if path.suffix.lower() in SUFFIXES)


def read_documents(path: Path) -> tuple[list[Document], list[Problem]]:
    """Read one file; what is no YAML, repeats a key or is too large comes back as problems."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        text = raw.decode()
    except OSError as error:
        return [], [Problem(path.name, 1, 1, f"the file can't be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return [], [Problem(path.name, 1, 1, f"save the file as UTF-8: {error.reason}")]
    if len(raw) > MAX_FILE_BYTES:
        message = f"the file is larger than {MAX_FILE_BYTES:,} bytes; split it"
        return [], [Problem(path.name, 1, 1, message)]
    documents: list[Document] = []
    problems: list[Problem] = []
    reader = YAML(pure=True)
    reader.max_depth = MAX_DEPTH
    left = _ValuesLeft()
    try:
        for node in reader.compose_all(text):
            document = Document(path.name, None, text.splitlines())
            document.value = _plain(node, (), document, problems, left)
            documents.append(document)
    except _TooManyValuesError as error:
        message = f"the file has more than {MAX_VALUES:,} values with its anchors written out; "
        problems.append(Problem(path.name, error.line, 1, message + "use fewer or split it"))
    except MaxDepthExceededError as error:
        mark = error.problem_mark
        message = f"more than {MAX_DEPTH} levels inside one another; write it flatter"
        problems.append(Problem(path.name, mark.line + 1, mark.column + 1, message))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = error.problem or error.context or "not YAML"
        problems.append(Problem(path.name, line, column, f"mend the YAML here: {what}"))
    except YAMLError as error:
        problems.append(Problem(path.name, 1, 1, f"mend the YAML: {str(error).splitlines()[0]}"))
    if not documents and not problems:
        problems.append(Problem(path.name, 1, 1, "the file is empty; remove it"))
    return documents, problems


class _TooManyValuesError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass
class _ValuesLeft:
    """How many values a file may still have; an alias costs what it stands for."""

    count: int = MAX_VALUES

    def take(self, node: Node) -> None:
        if self.count == 0:
            raise _TooManyValuesError(node.start_mark.line + 1)
        self.count -= 1


def _plain(
    node: Node, path: YamlPath, document: Document, problems: list[Problem], left: _ValuesLeft
) -> Any:
    left.take(node)
    mark = node.start_mark
    style = getattr(node, "style", None) if isinstance(node, ScalarNode) else None
    document._places[path] = _Scalar(mark.line + 1, mark.column + 1, style)
    if isinstance(node, ScalarNode):
        if _NOT_KEPT.search(node.value):
            message = "a character that can't be stored (NUL or half a character); remove it"
            problems.append(Problem(document.file, mark.line + 1, mark.column + 1, message))
            return _NOT_KEPT.sub("", node.value)
        return _scalar(node)
    if id(node) in document._open:
        message = "an anchor that holds itself; write the value out"
        problems.append(Problem(document.file, mark.line + 1, mark.column + 1, message))
        return None
    document._open.add(id(node))
    value: Any
    if isinstance(node, MappingNode):
        value = dict(_pairs(node, path, document, problems, left))
    else:
        value = [
            _plain(item, (*path, at), document, problems, left)
            for at, item in enumerate(node.value)
        ]
    document._open.discard(id(node))
    return value


def _pairs(
    node: MappingNode,
    path: YamlPath,
    document: Document,
    problems: list[Problem],
    left: _ValuesLeft,
) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key_node, value_node in node.value:
        place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if not isinstance(key_node, ScalarNode):
            problems.append(Problem(document.file, *place, "unknown key; write one word"))
            continue
        key = str(key_node.value)
        if key in seen:
            problems.append(Problem(document.file, *place, f"{key!r} is written twice; keep one"))
            continue
        seen.add(key)
        document._keys[(*path, key)] = place
        yield key, _plain(value_node, (*path, key), document, problems, left)


def _scalar(node: Node) -> Any:
    text = str(node.value).replace("\a", "")  # the reader marks folds of '>' text with a bell
    kind = str(node.tag).rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    with suppress(ValueError):  # a number that can't be is text, and the schema says so
        if kind == "int":
            digits = text.replace("_", "")
            return int(digits, 10 if digits.lstrip("+-").isdigit() else 0)
        if kind == "float":
            number = float(text.replace("_", ""))
            if math.isfinite(number):
                return int(number) if number.is_integer() else number
    return text
