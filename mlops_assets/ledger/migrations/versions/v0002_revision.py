"""The champion's counter of moves is called revision: an epoch is a training pass to every reader.

Rows keep their values. Evidence recorded before keeps its text, because its hash covers it; readers accept both names.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename the columns and the index; no row is rewritten."""
    op.execute("alter table champion rename column epoch to revision")
    op.execute("alter table history rename column epoch to revision")
    op.execute("alter index history_one_move_per_epoch rename to history_one_move_per_revision")


def downgrade() -> None:
    """Give the columns and the index their former names."""
    op.execute("alter index history_one_move_per_revision rename to history_one_move_per_epoch")
    op.execute("alter table history rename column revision to epoch")
    op.execute("alter table champion rename column revision to epoch")
