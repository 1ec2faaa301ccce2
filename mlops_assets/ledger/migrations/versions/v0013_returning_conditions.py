"""A line of `alerts_log` counts how often its condition returned before it was over."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; conditions recorded before were each true once."""
    op.execute("alter table alerts_log add column times integer not null default 1 check (times > 0)")


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table alerts_log drop column times")
