"""What kind of thing happened: the tree of incident categories, as data with names.

The tree is for naming, for matching playbooks ("any fire") and for statistics by class. It is not
for saying how bad something is (that is the grade) nor how urgent (that is the priority).

What comes from where, so that nobody relies on more than there is:

* From GB/T 35561-2017 (突发事件分类与编码): the four classes 自然灾害, 事故灾难, 公共卫生事件 and
  社会安全事件, their leading digits 1 to 4, and the layered five-digit form (class, two digits,
  two digits).
* Ours: every number below the class digit. They follow the order in which published summaries of
  the standard name the types, but were not checked against its printed table; many leaves (a fire
  alarm, a person stuck in a lift) are daily calls that the standard doesn't list. Map the codes
  before exchanging them with a system that holds the standard's own table; our ``id`` stays.
* City management: GB/T 30428.2 divides what is reported into 事件 and 部件, each with two-digit
  classes and two-digit types. ``E`` + class + type and ``P`` + class + type write that down; the
  class digits follow the standard's classes, the type digits are unchecked like those above.
  ``S`` codes are services that only we have.

Relies on ``data/categories.yaml`` beside this file, read once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec
from ruamel.yaml import YAML

from models.errors import GridcommandError

_DATA: Final = Path(__file__).parent / "data" / "categories.yaml"

OTHER: Final = "city.other"
"""What nobody could put anywhere else: two of it have nothing in common."""

GB_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {"natural": "1", "accident": "2", "health": "3", "security": "4"}
)
"""Root id -> leading digit of GB/T 35561-2017; ``city`` is not one of its classes."""


class UnknownCategoryError(GridcommandError, KeyError):
    """A category id that the tree doesn't have."""

    def __str__(self) -> str:
        return str(self.args[0])


class Names(msgspec.Struct, frozen=True):
    """One text in both languages."""

    zh: str
    en: str


class Category(msgspec.Struct, frozen=True):
    """One kind of incident.

    Attributes
    ----------
    id
        Stable name, dotted from the root: ``accident.fire.structure``.
    code
        Layered code, unique; see the module's docstring for its origin.
    parent
        Id one level up; ``None`` for a root.
    names
        Name in 中文 and English.
    gb_class
        Leading digit of GB/T 35561-2017, ``"1"`` to ``"4"``; ``None`` for city management.
    """

    id: str
    code: str
    parent: str | None
    names: Names
    gb_class: str | None


@lru_cache(maxsize=1)
def categories() -> Mapping[str, Category]:
    """All categories by id, parents before children. Read and checked once.

    Raises
    ------
    ValueError
        The data file repeats an id or a code, or names a child before its parent.
    """
    rows = YAML(typ="safe", pure=True).load(_DATA.read_text(encoding="utf-8"))["categories"]
    tree: dict[str, Category] = {}
    codes: set[str] = set()
    for row in rows:
        category_id, code = str(row["id"]), str(row["code"])
        parent = category_id.rpartition(".")[0] or None
        if category_id in tree or code in codes:
            raise ValueError(f"{_DATA.name}: {category_id} ({code}) is there twice; remove one")
        if parent is not None and parent not in tree:
            raise ValueError(f"{_DATA.name}: {category_id} comes before its parent {parent}")
        codes.add(code)
        tree[category_id] = Category(
            id=category_id,
            code=code,
            parent=parent,
            names=Names(zh=str(row["zh"]), en=str(row["en"])),
            gb_class=GB_CLASSES.get(category_id.partition(".")[0]),
        )
    return MappingProxyType(tree)


def category(category_id: str) -> Category:
    """Return the category of an id.

    Raises
    ------
    UnknownCategoryError
        No such id.
    """
    try:
        return categories()[category_id]
    except KeyError:
        raise UnknownCategoryError(
            f"category {category_id!r} is unknown; the ids are in models/data/categories.yaml"
        ) from None


def ancestors(category_id: str) -> tuple[str, ...]:
    """Ids above a category, nearest first; empty for a root.

    Raises
    ------
    UnknownCategoryError
        No such id.
    """
    above: list[str] = []
    parent = category(category_id).parent
    while parent is not None:
        above.append(parent)
        parent = categories()[parent].parent
    return tuple(above)


def is_a(category_id: str, ancestor: str) -> bool:
    """Whether a category is ``ancestor`` or below it.

    Raises
    ------
    UnknownCategoryError
        Either id is unknown: a misspelt ancestor must not read as "no".
    """
    category(ancestor)
    return category_id == ancestor or ancestor in ancestors(category_id)
