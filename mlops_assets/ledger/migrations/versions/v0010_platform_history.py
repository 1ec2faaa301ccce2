"""Samples of the platform's own series in a ring of two weeks, and the actions of healing."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
create table platform_samples (
    metric text not null check (metric <> ''),
    label text not null,
    slot integer not null check (slot >= 0),
    at timestamptz not null,
    value double precision not null check (value > '-infinity' and value < 'infinity'),
    primary key (metric, label, slot)
);
create index platform_samples_by_time on platform_samples (at);

create table healing_actions (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    component text not null check (component <> ''),
    remedy text not null check (remedy <> ''),
    step text not null check (step in ('done', 'failed')),
    sentence text not null,
    reasons json not null,
    helped boolean,
    verified_at timestamptz
);
create index healing_actions_by_time on healing_actions (at);
create trigger keep_rows before delete on healing_actions for each row execute function ledger_refuse();
create trigger keep_table before truncate on healing_actions for each statement execute function ledger_refuse()
"""


def upgrade() -> None:
    """Add the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop the tables."""
    op.execute("drop table healing_actions; drop table platform_samples")
