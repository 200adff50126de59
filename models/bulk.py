"""Many rows in few statements.

For: what a desk's step writes. One statement a row costs the driver's and the interpreter's lock
once a row, and beside a busy thread that is most of a commit. Not for: anything that is written
row by row. Relies on the driver's own parameters, so values are turned here as
:mod:`models.tables` declares them: the two must agree, and a test says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

from sqlalchemy import Table

from models.errors import EventError
from models.tables import UtcDateTime

ROWS_AT_ONCE = 256

Statement: TypeAlias = tuple[str, tuple[object, ...]]
"""SQL of the driver, and its parameters."""


class BulkInsert:
    """``INSERT`` of a table's rows, whole columns, and what to do with those that are there.

    Parameters
    ----------
    columns
        All of the table's, in the order in which rows have them.
    key
        Columns that tell a row from another: one that is there gets the new values. None: a row
        that is there is an error.
    """

    def __init__(
        self, table: Table, columns: Sequence[str], *, key: Sequence[str] | None = None
    ) -> None:
        if sorted(columns) != sorted(column.name for column in table.columns):
            raise ValueError(f"{list(columns)} must be the columns of {table.name}, each once")
        self._columns = list(columns)
        types = [table.columns[name].type for name in columns]
        self._times = [at for at, kind in enumerate(types) if isinstance(kind, UtcDateTime)]
        self._start = f"INSERT INTO {table.name} ({', '.join(self._columns)}) VALUES "
        self._end = ""
        if key is not None:
            sets = ", ".join(f"{c} = excluded.{c}" for c in self._columns if c not in key)
            self._end = f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sets}"

    def statements(self, rows: Sequence[list[object]], *, is_sqlite: bool) -> list[Statement]:
        """Return what writes the rows; times in them are turned in place.

        Raises
        ------
        EventError
            A value can't be stored, now or later.
        """
        for at in self._times:
            before: object = None
            text: object = None
            for row in rows:
                value = row[at]
                # Most rows of a step are of one time.
                if value is not before:
                    before, text = value, _turned(value, is_sqlite)
                row[at] = text
        made: list[Statement] = []
        done = 0
        while done < len(rows):
            # Powers of two: few texts, which drivers keep prepared.
            size = min(ROWS_AT_ONCE, 1 << ((len(rows) - done).bit_length() - 1))
            values = tuple(chain.from_iterable(rows[done : done + size]))
            marks = _values(size, len(self._columns), "?" if is_sqlite else "%s")
            made.append((f"{self._start}{marks}{self._end}", values))
            done += size
        return made


@lru_cache(maxsize=256)
def _values(rows: int, columns: int, mark: str) -> str:
    one = f"({', '.join([mark] * columns)})"
    return ", ".join([one] * rows)


def _turned(value: object, is_sqlite: bool) -> object:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise EventError(f"a value can't be stored: time {value.isoformat()} has no zone")
    utc = value.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(" ", "microseconds") if is_sqlite else utc
