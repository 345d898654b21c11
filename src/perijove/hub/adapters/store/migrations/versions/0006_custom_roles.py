"""Roles that administrators make while the hub runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("roles", sa.Column("custom", sa.Boolean(), nullable=False, server_default=sa.false()))
