"""Reads the text files of a city pack into types, with errors that name file and line.

For: ``models.city``. Not for: the road tables, which are large and read by ``dispatch.roads``.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from models import csv_files
from models.csv_files import TableError
from models.errors import CityPackError
from models.named import REPLACEMENT, nearest, unknown
from models.plain_text import plain

SHOWN_PROBLEMS = 20
_MISSPELT = 0.8
"""How near to a known column another one must be to be taken for it."""

_T = TypeVar("_T")


def read_text(path: Path) -> str:
    """The file as text, in the encoding that tables are read in too.

    Raises
    ------
    CityPackError
        It can't be read, or a program before us could not read it and said so with U+FFFD.
    """
    try:
        text = csv_files.read_text(path)
    except TableError as error:
        raise CityPackError(str(error)) from error
    if REPLACEMENT in text:
        line = text.count("\n", 0, text.index(REPLACEMENT)) + 1
        raise CityPackError(
            f"{path}:{line}: holds U+FFFD: a character was lost when the file was saved; "
            "export it anew"
        )
    return text


class YamlFile:
    """A YAML file, read once, that gives out its parts as types.

    Raises
    ------
    CityPackError
        It can't be read or is not YAML.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = read_text(path)
        try:
            self._tree: Any = YAML(typ="safe", pure=True).load(io.StringIO(self._text))
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or str(error)
            raise CityPackError(f"{path}{line}: not valid YAML: {problem}") from error

    def convert(self, kind: type[_T], *keys: str) -> _T:
        """What stands under `keys` as a `kind`, checked field by field."""
        node = self._tree
        for key in keys:
            node = node[key]
        try:
            return msgspec.convert(node, kind)
        except msgspec.ValidationError as error:
            inner = str(error).rpartition("`$")[2].rstrip("`") if "`$" in str(error) else ""
            fields = inner.replace("[", ".").replace("]", "").strip(".").split(".")
            raise CityPackError(f"{self.where(*keys, *fields)}: {error}") from error

    def where(self, *keys: str | int) -> str:
        """``file:line`` of the innermost of `keys` that the file has; a number is a list's row."""
        line, node = 1, YAML(typ="rt", pure=True).load(io.StringIO(self._text))
        for key in keys:
            if isinstance(node, CommentedMap) and key in node:
                line, node = node.lc.key(key)[0] + 1, node[key]
            elif isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
                line, node = node.lc.item(key)[0] + 1, node[key]
            else:
                break
        return f"{self._path}:{line}"


def read_table(
    path: Path,
    columns: tuple[str, ...],
    parse: Callable[[dict[str, str]], _T],
    key: Callable[[_T], str],
    optional: tuple[str, ...] = (),
    look: Callable[[str, _T], None] | None = None,
) -> tuple[_T, ...]:
    """Rows of a CSV file as sorted, unlike items.

    Parameters
    ----------
    columns
        Names that the header must have, in any case of letters.
    parse
        Makes an item of a row, whose values are clean; a ValueError of it is told with file and
        line.
    key
        The item's id; none may come twice, and items are sorted by it.
    optional
        Columns that may be missing. Others are ignored, but for one that is most likely a
        misspelt one of these.
    look
        Is shown each item, with file and line, in the order of the file.

    Raises
    ------
    CityPackError
        The table can't be read, or rows are wrong: the first `SHOWN_PROBLEMS` are told.
    """
    items: dict[str, _T] = {}
    problems: list[str] = []
    header: list[str] = []
    try:
        for line, values in csv_files.rows_of(path):
            where = f"{path}:{line}"
            if not header:
                header = _header(where, values, columns, optional)
                continue
            try:
                item = parse(_row(header, values))
                if plain(key(item)) in items:
                    raise ValueError(f"id {key(item)!r} is listed twice")
            except ValueError as error:
                problems.append(f"{where}: {error}")
                continue
            items[plain(key(item))] = item
            if look is not None:
                look(where, item)
    except TableError as error:
        raise CityPackError(str(error)) from error
    if not header:
        raise CityPackError(f"{path}:1: column {columns[0]!r} is missing")
    if problems:
        raise CityPackError(listed(problems))
    return tuple(sorted(items.values(), key=key))


def _header(
    where: str, values: list[str], columns: tuple[str, ...], optional: tuple[str, ...]
) -> list[str]:
    header = [csv_files.clean(value).lower() for value in values]
    lacking = {name: () for name in optional if name not in header}
    for name in header:
        if name in (*columns, *optional) and header.count(name) > 1:
            raise CityPackError(f"{where}: column {name!r} is there twice")
    for name in columns:
        if name not in header:
            had = ", ".join(filter(None, header))
            raise CityPackError(f"{where}: column {name!r} is missing; there is: {had}")
    for name in header:
        if meant := nearest(name, lacking, _MISSPELT):
            raise CityPackError(f"{where}: {unknown('column', name, {meant: ()})}")
    return header


def _row(header: list[str], values: list[str]) -> dict[str, str]:
    if len(values) != len(header):
        raise ValueError(f"must have {len(header)} fields, like the header; it has {len(values)}")
    row = {name: csv_files.clean(value) for name, value in zip(header, values, strict=True)}
    for name, value in row.items():
        if REPLACEMENT in value:
            raise ValueError(
                f"{name} {value!r} holds U+FFFD: a character was lost when the file was saved; "
                "export it anew"
            )
    return row


def listed(problems: list[str]) -> str:
    """Return lines as one text: the first `SHOWN_PROBLEMS`, and how many more there are."""
    more = len(problems) - SHOWN_PROBLEMS
    shown = problems[:SHOWN_PROBLEMS] + ([f"and {more} more like these"] if more > 0 else [])
    return "\n".join(shown)
