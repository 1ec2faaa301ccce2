"""Predictions of the API with the readings they were made from, labels that arrive later, and the keys of callers."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
create table served_predictions (
    id text not null check (id <> ''),
    row integer not null check (row > 0),
    model text not null,
    version integer not null,
    revision integer not null,
    entity text not null,
    at timestamptz not null,
    predicted_at timestamptz not null,
    value double precision check (value > '-infinity' and value < 'infinity'),
    low double precision,
    high double precision,
    label text,
    readings json not null,
    history_version bigint,
    primary key (id, row)
);
create index served_predictions_by_time on served_predictions (model, predicted_at);
create index served_predictions_by_entity on served_predictions (model, entity, at);

create table posted_labels (
    model text not null,
    prediction_id text not null,
    row integer not null check (row > 0),
    value text not null,
    received_at timestamptz not null,
    primary key (model, prediction_id, row, received_at)
);

create table api_keys (
    id text primary key check (id <> ''),
    hash text not null unique check (hash <> ''),
    owner text not null check (owner <> ''),
    role text not null check (role in ('predict', 'read', 'operate')),
    created_at timestamptz not null,
    created_by text not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    per_minute integer check (per_minute > 0)
)
"""


def upgrade() -> None:
    """Add the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop the tables."""
    op.execute("drop table api_keys; drop table posted_labels; drop table served_predictions")
