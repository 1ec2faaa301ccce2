"""Alerts know who they are for and when their delivery began; conditions of the readings know when they ended.

Conditions recorded before stay open until a person closes them: no earlier release wrote any by itself.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STEPS = (
    "alter table alerts add column claimed_at timestamptz",
    "alter table alerts add column notify json",
    "alter table alerts drop constraint alerts_delivery_check",
    "alter table alerts add check (delivery in ('pending', 'sending', 'sent', 'grouped', 'no_address', 'expired'))",
    "create index alerts_waiting on alerts (at) where delivery in ('pending', 'sending')",
    "alter table alerts_log add column severity text not null default 'warning'",
    "alter table alerts_log add column closed_at timestamptz",
    "create index alerts_log_open on alerts_log (model) where closed_at is null",
)


def upgrade() -> None:
    """Add the columns; rows of earlier releases keep what they say."""
    for statement in STEPS:
        op.execute(statement)


def downgrade() -> None:
    """Drop the columns; expired alerts count as without an address."""
    for statement in (
        "drop index alerts_waiting",
        "drop index alerts_log_open",
        "alter table alerts drop column claimed_at",
        "alter table alerts drop column notify",
        "alter table alerts drop constraint alerts_delivery_check",
        "update alerts set delivery = 'no_address' where delivery = 'expired'",
        "alter table alerts add check (delivery in ('pending', 'sending', 'sent', 'grouped', 'no_address'))",
        "alter table alerts_log drop column severity",
        "alter table alerts_log drop column closed_at",
    ):
        op.execute(statement)
