"""a backlog is published most urgent first"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    open_rows = sa.text("finished_at IS NULL")
    op.create_index(
        "ix_inbox_urgent",
        "inbox",
        ["priority", "id"],
        sqlite_where=open_rows,
        postgresql_where=open_rows,
    )
