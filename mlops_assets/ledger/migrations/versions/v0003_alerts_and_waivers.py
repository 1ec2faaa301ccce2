"""Alerts know their group, whether they reached somebody and when their cause ended; waivers know who set them.

Alerts written before count as delivered: nobody gets a second message about what happened under an earlier release.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STEPS = (
    "alter table alerts add column group_key text not null default ''",
    "alter table alerts add column closed_at timestamptz",
    "alter table alerts add column delivery text not null default 'sent'",
    "alter table alerts add check (delivery in ('pending', 'sending', 'sent', 'grouped', 'no_address'))",
    "update alerts set group_key = key",
    "alter table alerts alter column group_key drop default",
    "alter table alerts alter column delivery set default 'pending'",
    "create index alerts_by_group on alerts (group_key, at)",
    "alter table waivers add column actor text",
    "alter table waivers add column uid bigint",
)


def upgrade() -> None:
    """Add the columns; rows of earlier releases keep what they say."""
    for statement in STEPS:
        op.execute(statement)


def downgrade() -> None:
    """Drop the columns."""
    for table, column in (
        ("alerts", "group_key"),
        ("alerts", "closed_at"),
        ("alerts", "delivery"),
        ("waivers", "actor"),
        ("waivers", "uid"),
    ):
        op.execute(f"alter table {table} drop column {column}")
