"""what sense must not forget"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sense_episode",
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", "device", "rule"),
    )
    op.create_table(
        "sense_windows",
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
