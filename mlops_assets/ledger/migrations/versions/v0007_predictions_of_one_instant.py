"""Two rows of one entity and instant both keep their prediction; predictions keep their interval."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STEPS = (
    "alter table predictions add column occurrence integer not null default 0 check (occurrence >= 0)",
    "alter table predictions add column low double precision",
    "alter table predictions add column high double precision",
    "alter table predictions drop constraint predictions_pkey",
    "alter table predictions add primary key (model, at, entity, version, occurrence)",
)


def upgrade() -> None:
    """Add the columns; rows of earlier releases are the first of their instant and have no interval."""
    for statement in STEPS:
        op.execute(statement)


def downgrade() -> None:
    """Drop the columns; of several rows of one instant only the first stays."""
    op.execute("delete from predictions where occurrence > 0")
    op.execute("alter table predictions drop constraint predictions_pkey")
    op.execute("alter table predictions add primary key (model, at, entity, version)")
    for column in ("occurrence", "low", "high"):
        op.execute(f"alter table predictions drop column {column}")
