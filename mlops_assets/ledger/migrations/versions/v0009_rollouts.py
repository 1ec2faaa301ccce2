"""Roll-outs: one that is active per model, each transition, what serving processes counted, and shadow predictions."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
create table rollouts (
    id bigint generated always as identity primary key,
    model text not null,
    version integer not null,
    champion_version integer not null,
    base_revision integer not null,
    evidence_hash text not null references evidence (hash),
    plan json not null,
    state text not null check (state in ('running', 'paused', 'switched', 'finished', 'aborted')),
    step integer not null check (step >= 0),
    sequence integer not null check (sequence >= 0),
    started_at timestamptz not null,
    step_since timestamptz not null,
    actor text not null check (actor <> ''),
    reason text not null,
    foreign key (model, version) references model_versions (model, version),
    foreign key (model, champion_version) references model_versions (model, version),
    check (version <> champion_version)
);
create unique index rollouts_one_active on rollouts (model) where state in ('running', 'paused', 'switched');
create unique index rollouts_one_per_evidence on rollouts (evidence_hash);

create table rollout_events (
    rollout_id bigint not null references rollouts (id),
    sequence integer not null,
    at timestamptz not null,
    actor text not null check (actor <> ''),
    state text not null,
    step integer not null,
    reason text not null,
    primary key (rollout_id, sequence)
);

create table rollout_observations (
    rollout_id bigint not null references rollouts (id),
    process text not null check (process <> ''),
    step integer not null,
    arm text not null check (arm in ('champion', 'challenger')),
    requests bigint not null check (requests >= 0),
    errors bigint not null check (errors >= 0),
    latencies json not null,
    loaded boolean not null,
    problem text,
    at timestamptz not null,
    primary key (rollout_id, process, step, arm)
);

create table shadow_predictions (
    id text not null check (id <> ''),
    row integer not null check (row > 0),
    model text not null,
    version integer not null,
    predicted_at timestamptz not null,
    value double precision check (value > '-infinity' and value < 'infinity'),
    label text,
    primary key (id, row, version)
);
create index shadow_predictions_by_version on shadow_predictions (model, version, predicted_at);

create trigger keep_rows before update or delete on rollout_events for each row execute function ledger_refuse();
create trigger keep_table before truncate on rollout_events for each statement execute function ledger_refuse();
create trigger keep_rows before delete on rollouts for each row execute function ledger_refuse();
create trigger keep_table before truncate on rollouts for each statement execute function ledger_refuse()
"""


def upgrade() -> None:
    """Add the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop the tables."""
    op.execute(
        "drop table shadow_predictions; drop table rollout_observations; drop table rollout_events; "
        "drop table rollouts"
    )
