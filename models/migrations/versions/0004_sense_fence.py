"""who senses a partition is fenced, as who decides a jurisdiction"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "sense_windows", sa.Column("epoch", sa.Integer(), nullable=False, server_default="0")
    )
