"""The register of examples: texts of a city's own people, and what they said that each one is.

For: teaching the reader of texts (``streams.classify.taught``), and handing examples out. Not for
what was said as it was said: that is in the journal, and a text here has no personal details.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from models.database import transaction
from models.tables import ExampleRecord

_example = ExampleRecord.__table__  # type: ignore[attr-defined]

LIVE: Final = "live"
"""Modality of what happens here and now, for real."""

TEXT_MAX: Final = 600
"""Characters; PostgreSQL's index of texts takes some more."""

_SAYS: Final = ("category", "danger", "modality")


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A text and what a person said that it is.

    Attributes
    ----------
    text
        Without personal details, at most `TEXT_MAX` characters; one jurisdiction has it once.
    language
        ``zh`` or ``en``.
    danger
        A life was at stake, as told.
    modality
        ``live``, or what else it is (``streams/classify/corpus/README.md``).
    by, at, incident
        Who said so when, and of which incident.
    id
        0: not in the register yet.
    """

    jurisdiction: str
    text: str
    language: str
    category: str
    danger: bool
    modality: str
    by: str
    at: datetime
    incident: str
    id: int = 0

    @property
    def real(self) -> bool:
        """Whether it happened there and then, for real."""
        return self.modality == LIVE

    def says_as(self, other: Example) -> bool:
        """Whether both say the same of their text."""
        return all(getattr(self, name) == getattr(other, name) for name in _SAYS)


class Sorted(msgspec.Struct, frozen=True):
    """Examples by what the register makes of them."""

    new: list[Example]
    changed: list[Example]
    known: list[Example]
    forgotten: list[Example]


class Examples:
    """The register's part of the store."""

    _engine: Engine

    def sort_examples(self, examples: Sequence[Example]) -> Sorted:
        """Return which examples are new, say something else of a known text, or were forgotten."""
        with transaction(self._engine, writes=False) as connection:
            return _sorted(connection, examples)

    def learn(self, examples: Sequence[Example], at: datetime) -> Sorted:
        """Write what is new or changed, all or nothing; again changes nothing.

        Parameters
        ----------
        examples
            No text of a jurisdiction twice.
        at
            Now.
        """
        with transaction(self._engine, writes=True) as connection:
            of = _sorted(connection, examples)
            if of.new:
                connection.execute(insert(_example), [_row(one, at) for one in of.new])
            for one in of.changed:
                values = {key: value for key, value in _row(one, at).items() if key != "text"}
                connection.execute(update(_example).where(*_is(one)).values(**values))
        return of

    def examples(self, jurisdiction: str | None = None) -> list[Example]:
        """Return all examples, or those of a jurisdiction, by id."""
        query = select(_example).where(_example.c.is_forgotten.is_(False)).order_by(_example.c.id)
        if jurisdiction is not None:
            query = query.where(_example.c.jurisdiction == jurisdiction)
        with transaction(self._engine, writes=False) as connection:
            return [_to_example(row) for row in connection.execute(query)]

    def forget_example(self, example_id: int, at: datetime) -> bool:
        """Let go of a text for good: it isn't learned again. False: there is no such example."""
        with transaction(self._engine, writes=True) as connection:
            row = connection.execute(
                select(_example).where(
                    _example.c.id == example_id, _example.c.is_forgotten.is_(False)
                )
            ).first()
            if row is None:
                return False
            connection.execute(
                update(_example)
                .where(_example.c.id == example_id)
                .values(text=_digest(row.text), by="", is_forgotten=True, changed_at=at)
            )
        return True

    def forget_examples(self, jurisdiction: str | None = None) -> int:
        """Empty the register, or a jurisdiction's part; return how many examples there were.

        What was forgotten alone is forgotten too, so the journals may teach all of it again.
        """
        there = len(self.examples(jurisdiction))
        query = delete(_example)
        if jurisdiction is not None:
            query = query.where(_example.c.jurisdiction == jurisdiction)
        with transaction(self._engine, writes=True) as connection:
            connection.execute(query)
        return there

    def examples_mark(self) -> tuple[int, datetime | None]:
        """Return what changes whenever the register does."""
        query = select(func.count(), func.max(_example.c.changed_at)).select_from(_example)
        with transaction(self._engine, writes=False) as connection:
            count, changed_at = connection.execute(query).one()
        return count, changed_at


def _sorted(connection: Connection, examples: Sequence[Example]) -> Sorted:
    of = Sorted([], [], [], [])
    known: dict[tuple[str, str], Example | None] = {}
    for jurisdiction in {one.jurisdiction for one in examples}:
        query = select(_example).where(_example.c.jurisdiction == jurisdiction)
        for row in connection.execute(query):
            known[jurisdiction, row.text] = None if row.is_forgotten else _to_example(row)
    for one in examples:
        there = known.get((one.jurisdiction, one.text))
        if (one.jurisdiction, _digest(one.text)) in known:
            of.forgotten.append(one)
        elif there is None:
            of.new.append(one)
        elif there.says_as(one):
            of.known.append(one)
        else:
            of.changed.append(one)
    return of


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _is(example: Example) -> tuple[Any, Any]:
    return _example.c.jurisdiction == example.jurisdiction, _example.c.text == example.text


def _row(example: Example, at: datetime) -> dict[str, Any]:
    row = msgspec.structs.asdict(example)
    del row["id"]
    return {**row, "changed_at": at, "is_forgotten": False}


def _to_example(row: Any) -> Example:
    fields = {name: getattr(row, name) for name in Example.__struct_fields__}
    return Example(**{**fields, "danger": bool(row.danger)})
