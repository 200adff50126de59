"""Rows written in bulk are the rows that the tables' own types would have written."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, insert, select

from models.bulk import BulkInsert
from models.database import transaction
from models.errors import EventError
from models.store import Store
from models.tables import JournalRecord

_journal = JournalRecord.__table__  # type: ignore[attr-defined]
NOON = datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=8)))


def row(seq: int, jurisdiction: str = "bulk") -> dict[str, object]:
    return {
        "jurisdiction": jurisdiction, "seq": seq, "event_id": f"{seq}-键", "type": "t",
        "cause": "", "incident": None, "time": NOON, "exercise": bool(seq % 2),
        "body": bytes(range(256)), "hash": b"\0" * 32,
    }  # fmt: skip


COLUMNS = tuple(row(0))


def write(connection: Connection, insert: BulkInsert, rows: list[dict[str, object]]) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    values_of = [[one[column] for column in COLUMNS] for one in rows]
    for statement, values in insert.statements(values_of, is_sqlite=is_sqlite):
        connection.exec_driver_sql(statement, values)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 700])
def test_bulk_and_single_rows_read_alike(store: Store, count: int) -> None:
    with transaction(store._engine, writes=True) as connection:
        write(connection, BulkInsert(_journal, COLUMNS), [row(seq) for seq in range(count)])
        for seq in range(count):
            connection.execute(insert(_journal), row(seq, "single"))
        found = {
            name: connection.execute(
                select(*[c for c in _journal.c if c.name != "jurisdiction"])
                .where(_journal.c.jurisdiction == name)
                .order_by(_journal.c.seq)
            ).all()
            for name in ("bulk", "single")
        }
        assert found["bulk"] == found["single"]
        assert len(found["bulk"]) == count
        stored = connection.exec_driver_sql("SELECT DISTINCT time FROM journal").all()
    assert len(stored) == min(count, 1)


def test_a_row_that_is_there_is_replaced_where_a_key_says_so(store: Store) -> None:
    with transaction(store._engine, writes=True) as connection:
        replacing = BulkInsert(_journal, COLUMNS, key=("jurisdiction", "seq"))
        write(connection, replacing, [row(1), row(2)])
        write(connection, replacing, [row(2) | {"type": "new"}])
        types = connection.execute(select(_journal.c.type).order_by(_journal.c.seq)).scalars()
        assert list(types) == ["t", "new"]


def test_a_naive_time_is_refused(store: Store) -> None:
    naive = row(1) | {"time": datetime(2026, 7, 1)}  # noqa: DTZ001
    with (
        pytest.raises(EventError, match="no zone"),
        transaction(store._engine, writes=True) as connection,
    ):
        write(connection, BulkInsert(_journal, COLUMNS), [naive])


def test_every_column_is_named_once() -> None:
    with pytest.raises(ValueError, match="columns of journal"):
        BulkInsert(_journal, COLUMNS[1:])
