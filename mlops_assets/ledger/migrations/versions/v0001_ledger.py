"""The first ledger: champion, history, versions, evidence, records, requests, alerts, performance, predictions.

The rules that must hold whatever program writes are here, in the database: one champion per model, one move
per epoch, evidence that has its own hash, rows that are never changed or deleted.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
create table model_versions (
    model text not null,
    version integer not null check (version > 0),
    status text not null check (status in ('challenger', 'champion', 'archived', 'refused')),
    created_at timestamptz not null,
    mlflow_run_id text,
    bundle_path text,
    manifest_sha256 text check (manifest_sha256 ~ '^[0-9a-f]{64}$'),
    data_versions jsonb not null,
    code_commit text,
    seed bigint,
    primary key (model, version),
    check ((bundle_path is null) = (manifest_sha256 is null)),
    check (status <> 'champion' or bundle_path is not null)
);
create unique index model_versions_one_champion on model_versions (model) where status = 'champion';

create table evidence (
    hash text primary key
        constraint evidence_has_its_hash check (hash = encode(sha256(convert_to(body::text, 'UTF8')), 'hex')),
    model text not null,
    version integer not null,
    body json not null,
    at timestamptz not null,
    foreign key (model, version) references model_versions (model, version),
    check (body ->> 'model' = model and body ->> 'version' = version::text)
);
create index evidence_by_version on evidence (model, version);

create table champion (
    model text primary key,
    version integer,
    epoch integer not null check (epoch > 0),
    evidence_hash text references evidence (hash),
    since timestamptz not null,
    foreign key (model, version) references model_versions (model, version),
    check ((version is null) = (evidence_hash is null))
);

create table history (
    id bigint generated always as identity primary key,
    model text not null,
    at timestamptz not null,
    actor text not null check (actor <> ''),
    action text not null check (action in ('promoted', 'kept', 'refused', 'rolled_back', 'retired')),
    from_version integer,
    to_version integer,
    version integer not null,
    epoch integer not null,
    evidence_hash text references evidence (hash),
    reason text not null,
    foreign key (model, version) references model_versions (model, version),
    check (action = 'retired' or evidence_hash is not null),
    check (action not in ('promoted', 'rolled_back') or to_version is not distinct from version)
);
create index history_by_model on history (model, id);
create unique index history_one_move_per_epoch on history (model, epoch)
    where action in ('promoted', 'rolled_back', 'retired');
create unique index history_one_promotion_per_evidence on history (evidence_hash) where action = 'promoted';

create table asset_records (
    asset text not null,
    run_id text not null,
    body json not null,
    at timestamptz not null,
    primary key (asset, run_id)
);
create index asset_records_latest on asset_records (asset, at);

create table retrain_requests (
    id bigint generated always as identity primary key,
    model text not null,
    key text not null,
    cause text not null,
    detail json not null,
    requested_at timestamptz not null,
    state text not null check (state in ('open', 'running', 'done', 'failed', 'dropped')),
    run_id text,
    finished_at timestamptz,
    unique (model, key),
    check ((state in ('open', 'running')) = (finished_at is null))
);

create table alerts (
    id bigint generated always as identity primary key,
    key text not null unique,
    model text,
    kind text not null,
    severity text not null check (severity in ('info', 'warning', 'error', 'critical')),
    message text not null,
    at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by text
);

create table alerts_log (
    id bigint generated always as identity primary key,
    key text not null unique,
    model text not null,
    entity text not null,
    flag text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    readings integer not null,
    message text not null
);
create index alerts_log_by_model on alerts_log (model, started_at);

create table model_performance (
    model text not null,
    version integer not null,
    at timestamptz not null,
    week date generated always as (date_trunc('week', at at time zone 'UTC')::date) stored,
    metric text not null,
    split text not null,
    value double precision not null check (value > '-infinity' and value < 'infinity'),
    rows bigint not null check (rows > 0),
    primary key (model, version, metric, split, at)
);

create table predictions (
    model text not null,
    version integer not null,
    entity text not null,
    at timestamptz not null,
    predicted_at timestamptz not null,
    value double precision check (value > '-infinity' and value < 'infinity'),
    label text,
    primary key (model, at, entity, version)
);

create table watermarks (
    model text not null,
    source text not null,
    value text not null,
    at timestamptz not null,
    primary key (model, source)
);

create table approvals (
    evidence_hash text primary key references evidence (hash),
    verdict text not null check (verdict in ('approve', 'reject', 'defer')),
    actor text not null check (actor <> ''),
    comment text not null,
    at timestamptz not null,
    expires_at timestamptz
);

create table waivers (
    id bigint generated always as identity primary key,
    model text not null,
    gate text not null,
    owner text not null check (owner <> ''),
    reason text not null check (reason <> ''),
    at timestamptz not null,
    expires_at timestamptz not null check (expires_at > at)
);
create index waivers_by_model on waivers (model, gate);
"""

REFUSE = """
create function ledger_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger keeps % for ever: % refused', tg_table_name, lower(tg_op)
        using errcode = 'restrict_violation';
end $$;

create function ledger_write_once() returns trigger language plpgsql as $$
begin
    if (new.model, new.version, new.created_at, new.data_versions)
            is distinct from (old.model, old.version, old.created_at, old.data_versions)
        or (old.mlflow_run_id is not null and new.mlflow_run_id is distinct from old.mlflow_run_id)
        or (old.bundle_path is not null and new.bundle_path is distinct from old.bundle_path)
        or (old.manifest_sha256 is not null and new.manifest_sha256 is distinct from old.manifest_sha256)
        or (old.code_commit is not null and new.code_commit is distinct from old.code_commit)
        or (old.seed is not null and new.seed is distinct from old.seed) then
        raise exception 'what made % version % is already written and does not change', old.model, old.version
            using errcode = 'restrict_violation';
    end if;
    return new;
end $$;

create trigger write_once before update on model_versions for each row execute function ledger_write_once();
"""

FOR_EVER = {  # what is refused on each protected table
    "model_versions": "delete",
    "champion": "delete",
    "evidence": "update or delete",
    "history": "update or delete",
    "approvals": "update or delete",
    "waivers": "update or delete",
}


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(REFUSE)
    for table, operations in FOR_EVER.items():
        for name, event, level in (("keep_rows", operations, "row"), ("keep_table", "truncate", "statement")):
            op.execute(
                f"create trigger {name} before {event} on {table} for each {level} execute function ledger_refuse()"
            )


def downgrade() -> None:
    raise NotImplementedError("the first ledger has nothing before it; deleting it is the operator's own act")
