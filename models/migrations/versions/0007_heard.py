"""up to when an alarm's device was heard, and alarms that are over"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sense_episode", sa.Column("heard", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "sense_episode",
        sa.Column("is_over", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
