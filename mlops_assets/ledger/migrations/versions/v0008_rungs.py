"""A prediction of the API names the rung of the fallback ladder that made it."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; predictions of earlier releases are the champion's and have no rung."""
    op.execute("alter table served_predictions add column rung text")


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table served_predictions drop column rung")
