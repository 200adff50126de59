"""jurisdictions are written out, and photos belong to some"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

AT_ONCE = 500
PLACES = sa.table(
    "photo_place", sa.column("photo", sa.String()), sa.column("jurisdiction", sa.String())
)


def upgrade() -> None:
    connection = op.get_bind()
    # An empty list meant all of them, by mistake or not; from now on it means none. Consoles of the
    # version before know no `*`: until they are replaced they go by the names beside it.
    account = sa.table("account", sa.column("jurisdictions", sa.String()))
    known = sa.table("jurisdiction", sa.column("id", sa.String()))
    names = connection.execute(sa.select(known.c.id).order_by(known.c.id)).scalars().all()
    connection.execute(
        account.update()
        .where(account.c.jurisdictions == "[]")
        .values(jurisdictions=json.dumps(["*", *names]))
    )
    op.create_table(
        "photo_place",
        sa.Column("photo", sa.String(), primary_key=True),
        sa.Column("jurisdiction", sa.String(), primary_key=True),
    )
    inbox = sa.table(
        "inbox",
        sa.column("jurisdiction", sa.String()),
        sa.column("body", sa.LargeBinary()),
        sa.column("finished_at", sa.DateTime(timezone=True)),
    )
    waiting = connection.execute(sa.select(inbox).where(inbox.c.finished_at.is_(None))).all()
    for row in waiting:
        for photo in _photos(row.body, "data"):
            _place(connection, photo, row.jurisdiction)
    for table in ("incident", "task"):
        docs = sa.table(
            table,
            sa.column("jurisdiction", sa.String()),
            sa.column("id", sa.String()),
            sa.column("doc", sa.LargeBinary()),
        )
        last = ("", "")
        while rows := connection.execute(
            sa.select(docs)
            .where(sa.tuple_(docs.c.jurisdiction, docs.c.id) > last)
            .order_by(docs.c.jurisdiction, docs.c.id)
            .limit(AT_ONCE)
        ).all():
            last = (rows[-1].jurisdiction, rows[-1].id)
            for row in rows:
                for photo in _photos(row.doc):
                    _place(connection, photo, row.jurisdiction)


def _photos(raw: bytes, inside: str = "") -> list[str]:
    """Ids of the photos that a document names; none where it isn't what it should be."""
    try:
        doc = json.loads(raw)
    except ValueError:
        return []
    if inside and isinstance(doc, dict):
        doc = doc.get(inside)
    named = doc.get("photos") if isinstance(doc, dict) else None
    return [one for one in named if isinstance(one, str)] if isinstance(named, list) else []


def _place(connection: sa.Connection, photo: str, jurisdiction: str) -> None:
    known = sa.select(PLACES).where(PLACES.c.photo == photo, PLACES.c.jurisdiction == jurisdiction)
    if connection.execute(known).first() is None:
        connection.execute(PLACES.insert(), {"photo": photo, "jurisdiction": jurisdiction})
