"""Reads the text files of a city pack into types, with errors that name file and line.

For: ``models.city``. Not for: the road tables, which are large and read by ``dispatch.roads``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from models.errors import CityPackError
from models.plain_text import plain

_T = TypeVar("_T")


def read_text(path: Path) -> str:
    """The file as text (UTF-8, with or without a byte order mark)."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CityPackError(f"{path}: can't be read: {error}") from error


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

    def where(self, *keys: str) -> str:
        """``file:line`` of the innermost of `keys` that the file has."""
        line, node = 1, YAML(typ="rt", pure=True).load(io.StringIO(self._text))
        for key in keys:
            if not isinstance(node, CommentedMap) or key not in node:
                break
            line, node = node.lc.key(key)[0] + 1, node[key]
        return f"{self._path}:{line}"


def read_table(
    path: Path,
    columns: tuple[str, ...],
    parse: Callable[[dict[str, str]], _T],
    key: Callable[[_T], str],
) -> tuple[_T, ...]:
    """Rows of a CSV file as sorted, unlike items.

    Parameters
    ----------
    columns
        Names that line 1 must have; others are ignored.
    parse
        Makes an item of a row; a ValueError of it is told with file and line.
    key
        The item's id; none may come twice, and items are sorted by it.
    """
    reader = csv.DictReader(io.StringIO(read_text(path)))
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise CityPackError(f"{path}:1: column {missing[0]!r} is missing")
    rows: dict[str, _T] = {}
    for row in reader:
        where = f"{path}:{reader.line_num}"
        if None in row or None in row.values():
            count = len(reader.fieldnames or ())
            raise CityPackError(f"{where}: must have {count} fields, like line 1")
        try:
            item = parse(row)
        except ValueError as error:
            raise CityPackError(f"{where}: {error}") from error
        if plain(key(item)) in rows:
            raise CityPackError(f"{where}: id {key(item)!r} is listed twice")
        rows[plain(key(item))] = item
    return tuple(sorted(rows.values(), key=key))
