"""Signals that reports leave, every decision of the retrain governor, and one retrain of a model in flight.

Where an earlier release left several requests of one model open, all but the oldest are dropped: their reasons are
decided on again.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
create table signals (
    id bigint generated always as identity primary key,
    model text not null,
    cause text not null check (cause <> ''),
    subject text not null,
    at timestamptz not null,
    active boolean not null,
    body json not null,
    recorded_at timestamptz not null,
    unique (model, cause, subject, at)
);
create index signals_newest on signals (model, cause, at);

create table retrain_decisions (
    id bigint generated always as identity primary key,
    model text not null,
    at timestamptz not null,
    verdict text not null check (verdict in ('retrain', 'wait', 'no')),
    rule text not null check (rule <> ''),
    reason text not null check (reason <> ''),
    signals json not null,
    request_key text,
    until timestamptz,
    check ((verdict = 'retrain') = (request_key is not null))
);
create index retrain_decisions_by_model on retrain_decisions (model, id);
create trigger keep_rows before update or delete on retrain_decisions for each row execute function ledger_refuse();
create trigger keep_table before truncate on retrain_decisions for each statement execute function ledger_refuse();

update retrain_requests set state = 'dropped', finished_at = requested_at
    where state in ('open', 'running') and id not in (
        select min(id) from retrain_requests where state in ('open', 'running') group by model
    );
create unique index retrain_requests_one_in_flight on retrain_requests (model) where state in ('open', 'running')
"""


def upgrade() -> None:
    """Add the tables and the index."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop the tables and the index."""
    op.execute("drop index retrain_requests_one_in_flight; drop table retrain_decisions; drop table signals")
