"""All tables as frames of a backup, and back into an empty database of either kind.

What is written is one moment of the database, while others go on writing: one transaction reads
it all. What is restored stands whole or not at all: one transaction writes it all. Tables are
those of :mod:`models.tables`, whichever there are.

Relies on a revision of the schema being reached by migrations: a backup goes into the tables that
it was made of, and these are migrated then.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from datetime import datetime

from sqlalchemy import Connection, Engine, Executable, bindparam, func, inspect, select, text
from sqlalchemy import Table as SqlTable
from sqlmodel import SQLModel

import models.tables  # noqa: F401  (declares them)
from models.backup_file import FORMAT, VERSION, Frame, Header, Rows, Table
from models.database import transaction
from models.errors import BackupError
from models.schema import VERSION_TABLE, migrate_to, revision_of

ROWS_AT_ONCE = 1000
LARGE_AT_ONCE = 8
LARGE = frozenset({"snapshot", "sense_windows", "dead_letter"})
"""Tables whose rows may be some megabytes each."""


class Backups:
    """The backup's part of the store."""

    _engine: Engine

    def dump(self, made_at: datetime, product: str) -> Generator[Header | Table | Rows, None, None]:
        """Yield a header and all tables, as of one moment.

        Holds a transaction until it is read to the end or closed; nobody waits for it. PostgreSQL
        keeps dead rows, and SQLite its write-ahead log, for that long.

        Parameters
        ----------
        product
            Name and version of what makes the backup, for people.
        """
        with transaction(self._engine, writes=False) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(
                    text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                )
            yield Header(FORMAT, VERSION, revision_of(connection), made_at, product)
            for table in _tables():
                # Plain strings: SQLAlchemy's names are a kind of their own.
                yield Table(str(table.name), [str(column.name) for column in table.columns])
                at_once = LARGE_AT_ONCE if table.name in LARGE else ROWS_AT_ONCE
                found = connection.execute(
                    select(table).order_by(*table.primary_key.columns),
                    execution_options={"yield_per": at_once},
                )
                for part in found.partitions():
                    yield Rows([list(row) for row in part])

    def load(
        self,
        revision: str,
        frames: Iterable[Frame],
        before_commit: Callable[[], None] = lambda: None,
    ) -> int:
        """Fill an empty database, all or nothing, and return how many rows it has then.

        Parameters
        ----------
        revision
            Of the tables in ``frames``.
        before_commit
            Called last; what it raises undoes everything.

        Raises
        ------
        BackupError
            The database isn't empty, or a frame doesn't fit.
        """
        from alembic.util import CommandError

        try:
            with transaction(self._engine, writes=True) as connection:
                _clear(connection)
                migrate_to(connection, revision)
                count = _fill(connection, frames)
                migrate_to(connection)
                before_commit()
        except CommandError as error:
            raise BackupError(
                f"the backup's tables are of revision {revision}, which this version doesn't "
                "know: restore it with the version that made it, or a newer one"
            ) from error
        return count


def _tables() -> list[SqlTable]:
    return SQLModel.metadata.sorted_tables


def _first_with_rows(connection: Connection) -> str | None:
    there = set(inspect(connection).get_table_names())
    for table in _tables():
        if (
            table.name in there
            and connection.execute(text(f'SELECT 1 FROM "{table.name}" LIMIT 1')).first()
        ):
            return table.name
    return None


def _clear(connection: Connection) -> None:
    """Take empty tables away, so that those of the backup's revision can be made."""
    if (full := _first_with_rows(connection)) is not None:
        raise BackupError(
            f"the database isn't empty (table {full} has rows): restore into an empty one, named "
            "by GRIDCOMMAND_DATABASE_URL or GRIDCOMMAND_DATA_DIR"
        )
    there = set(inspect(connection).get_table_names())
    for name in (*(table.name for table in reversed(_tables())), VERSION_TABLE):
        if name in there:
            connection.execute(text(f'DROP TABLE "{name}"'))


def _fill(connection: Connection, frames: Iterable[Frame]) -> int:
    known = {table.name: table for table in _tables()}
    table: SqlTable | None = None
    names: list[str] = []
    count = 0
    for frame in frames:
        if isinstance(frame, Table):
            table, names = known.get(frame.name), frame.columns
            if table is None or not set(names) <= set(table.columns.keys()):
                raise BackupError(
                    f"the backup's table {frame.name} isn't one of this version: restore it with "
                    "the version that made it"
                )
        elif isinstance(frame, Rows) and table is not None and frame.values:
            connection.execute(
                _insert(table, names), [dict(zip(names, row, strict=True)) for row in frame.values]
            )
            count += len(frame.values)
    if connection.dialect.name == "postgresql":
        for each in known.values():
            _set_counter(connection, each)
    return count


def _insert(table: SqlTable, names: Iterable[str]) -> Executable:
    """An insertion that names its columns only: those of a later migration aren't there yet."""
    listed = [table.columns[name] for name in names]
    columns = ", ".join(f'"{column.name}"' for column in listed)
    values = ", ".join(f":{column.name}" for column in listed)
    return text(f'INSERT INTO "{table.name}" ({columns}) VALUES ({values})').bindparams(
        *(bindparam(column.name, type_=column.type) for column in listed)
    )


def _set_counter(connection: Connection, table: SqlTable) -> None:
    """Let a table's running number go on behind its last row."""
    column = table.autoincrement_column
    if column is None:
        return
    last = connection.execute(select(func.max(column))).scalar()
    if last is not None:
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"),
            {"table": table.name, "column": column.name, "last": last},
        )
