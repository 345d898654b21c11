"""What the texts of steps were made of, so that pages can say them in other languages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("progress_events", sa.Column("said", sa.JSON(none_as_null=True), nullable=True))
