"""devices: owner, last seen, what was refused"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("device", sa.Column("owner", sa.String(), nullable=False, server_default=""))
    op.add_column("device", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("device", sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("device", sa.Column("fault", sa.String(), nullable=False, server_default=""))
    op.add_column("device", sa.Column("fault_at", sa.DateTime(timezone=True), nullable=True))
