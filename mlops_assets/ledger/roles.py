"""Database roles: what a running program may do to the ledger and to MLflow's store, enforced by PostgreSQL.

Comes in: the name of a role. Goes out: SQL, or the same SQL carried out. The owner of the tables migrates; programs
connect as the application role, a clean-up job as the retention role, and only what records a person's verdict or
waiver as the approver role. None of them can change or delete runs, model versions, evidence, history, approvals or
waivers, or switch a trigger off, whatever code runs in them. On the embedded server the roles log in without a
password: its socket is open to one user of the machine only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import URL, make_url, text

from mlops_assets.errors import LedgerError
from mlops_assets.ledger.engine import Store, make_engine
from mlops_assets.settings import APPLICATION_ROLE, APPROVER_ROLE, RETENTION_ROLE, Stores, database_on

# Rows that programs may change, and of model_versions only what the triggers allow to be written once.
CHANGING = {
    "champion": "",
    "model_versions": "(status, mlflow_run_id, bundle_path, manifest_sha256)",
    "asset_records": "",
    "retrain_requests": "",
    "alerts": "(acknowledged_at, acknowledged_by, closed_at, delivery, claimed_at)",
    "alerts_log": "(ended_at, readings, message, closed_at, times)",
    "watermarks": "",
    "signals": "(active, body, recorded_at)",
    "api_keys": "(expires_at, revoked_at)",
    "platform_samples": "(at, value)",
    "healing_actions": "(helped, verified_at)",
    "rollouts": "(state, step, sequence, step_since, actor, reason)",
    "rollout_observations": "",
}
APPENDED = (
    "history",
    "evidence",
    "model_performance",
    "predictions",
    "retrain_decisions",
    "served_predictions",
    "posted_labels",
    "rollout_events",
    "shadow_predictions",
)
ADDED_TO = (*CHANGING, *APPENDED)
APPROVED_IN = ("approvals", "waivers")  # the application role reads them, only the approver role adds
EVENTS = (
    "predictions",
    "asset_records",
    "alerts_log",
    "signals",
    "served_predictions",
    "shadow_predictions",
    "posted_labels",
    "rollout_observations",
)
"""What a retention policy may remove."""

DASHBOARD = ("model_performance", "predictions", "champion", "model_versions")
"""What dashboards may read; the columns of `model_performance` are a contract (docs/operations.md)."""
DASHBOARD_ROLE, DASHBOARD_PASSWORD = "mlops_dashboard", "MLOPS_DASHBOARD_PASSWORD"
"""A role that only those have who want one: without its password in the environment it cannot log in."""

PASSWORDS = {
    APPLICATION_ROLE: "MLOPS_APP_PASSWORD",
    APPROVER_ROLE: "MLOPS_APPROVER_PASSWORD",
    RETENTION_ROLE: "MLOPS_RETENTION_PASSWORD",
    "mlops_mlflow": "MLOPS_MLFLOW_PASSWORD",
}
"""Roles and the environment variables of their passwords."""

# MLflow's tables that hold what happened. Deleting a run or a model version there is an UPDATE, so a trigger is
# needed too.
MLFLOW_KEPT = (
    "experiments",
    "runs",
    "metrics",
    "latest_metrics",
    "params",
    "registered_models",
    "model_versions",
)

MLFLOW_TRIGGER = """
create or replace function mlops_keep_runs() returns trigger language plpgsql as $$
begin
    raise exception '% are kept for ever: archive instead of deleting', tg_table_name
        using errcode = 'restrict_violation';
end $$;
create or replace trigger mlops_keep before update on runs for each row
    when (new.lifecycle_stage = 'deleted') execute function mlops_keep_runs();
create or replace trigger mlops_keep before update on experiments for each row
    when (new.lifecycle_stage = 'deleted') execute function mlops_keep_runs();
create or replace trigger mlops_keep before update on model_versions for each row
    when (new.current_stage = 'Deleted_Internal') execute function mlops_keep_runs()
"""

CREATE_ROLE = """
do $$ begin
    if not exists (select from pg_roles where rolname = '{literal}') then create role {name} nologin; end if;
end $$
"""


OWN_EVERYTHING = """
do $$ declare each record; begin
    for each in select c.oid::regclass::text as name from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') loop
        execute format('alter table %s owner to {name}', each.name);
    end loop;
    for each in select t.oid::regtype::text as name from pg_type t
        where t.typnamespace = 'public'::regnamespace and t.typtype = 'e' loop
        execute format('alter type %s owner to {name}', each.name);
    end loop;
end $$
"""


def application_role(role: str) -> tuple[str, ...]:
    """Return SQL for the ledger's database: read everything, add, change only what moves, delete nothing.

    The role adds no verdicts and no waivers: those are a person's.

    Args:
        role: Name of the PostgreSQL role; it is quoted as an identifier.

    Returns:
        Statements for `apply`.
    """
    name = _quoted(role)
    return (
        *_fresh(name),
        f"grant select on all tables in schema public to {name}",
        f"grant select on all sequences in schema public to {name}",  # for a backup
        *(f"grant insert on {table} to {name}" for table in ADDED_TO),
        *(f"grant update {columns} on {table} to {name}" for table, columns in CHANGING.items()),
    )


def approver_role(role: str) -> tuple[str, ...]:
    """Return SQL for the ledger's database: what the application role may do, and add verdicts and waivers.

    Args:
        role: Name of the PostgreSQL role; it is quoted as an identifier.

    Returns:
        Statements for `apply`.
    """
    name = _quoted(role)
    return (*application_role(role), *(f"grant insert on {table} to {name}" for table in APPROVED_IN))


def retention_role(role: str) -> tuple[str, ...]:
    """Return SQL for the ledger's database: read, and delete only event rows and caches.

    Args:
        role: Name of the PostgreSQL role; it is quoted as an identifier.

    Returns:
        Statements for `apply`.
    """
    name = _quoted(role)
    return (
        *_fresh(name),
        f"grant select on all tables in schema public to {name}",
        *(f"grant delete on {table} to {name}" for table in EVENTS),
    )


def dashboard_role(role: str) -> tuple[str, ...]:
    """Return SQL for the ledger's database: read what dashboards show, and nothing else.

    Args:
        role: Name of the PostgreSQL role; it is quoted as an identifier.

    Returns:
        Statements for `apply`.
    """
    name = _quoted(role)
    return (*_fresh(name), *(f"grant select on {table} to {name}" for table in DASHBOARD))


def mlflow_role(role: str) -> tuple[str, ...]:
    """Return SQL for MLflow's database, after MLflow has made its tables.

    The role may do everything that MLflow does, but may not delete a run, metric, parameter or model version,
    nor mark one as deleted.

    Args:
        role: Name of the PostgreSQL role; it is quoted as an identifier.

    Returns:
        Statements for `apply`.
    """
    name = _quoted(role)
    return (
        *_fresh(name),
        f"grant select, insert, update, delete on all tables in schema public to {name}",
        f"grant usage on all sequences in schema public to {name}",
        *(f"revoke delete on {table} from {name}" for table in MLFLOW_KEPT),
        f"revoke insert, update, delete on alembic_version from {name}",
        MLFLOW_TRIGGER,
    )


def apply(url: str | URL, statements: tuple[str, ...]) -> None:
    """Execute the statements in one transaction, as the tables' owner. Safe to repeat after an upgrade.

    The role is made without a password and cannot log in before `allow_login`.

    Args:
        url: PostgreSQL URL whose user owns the tables.
        statements: SQL without parameters.

    Raises:
        LedgerError: When the server refuses a statement.
    """
    with Store(make_engine(url)) as store, store._transaction() as connection:
        for statement in statements:
            connection.execute(text(statement.replace(":", "\\:")))


def allow_login(url: str | URL, role: str, password: str) -> None:
    """Let a role log in with this password; an earlier one is replaced.

    Args:
        url: PostgreSQL URL of a user that may alter roles.
        role: Name of the PostgreSQL role; it is quoted as an identifier.
        password: The new password, sent as a bound parameter.
    """
    with Store(make_engine(url)) as store, store._transaction() as connection:
        connection.execute(
            text(f"alter role {_quoted(role)} login password :password"), {"password": password}
        )


def apply_embedded(ledger_url: str, owned: Mapping[str, str]) -> None:
    """Create or update the roles of the embedded server, which log in without a password.

    Args:
        ledger_url: Address of the ledger, as the owner of the tables.
        owned: Names of the databases that the application role owns entirely (those of Dagster, MLflow and the
            simulated readings, whose programs create tables), with their addresses.

    Raises:
        LedgerError: The server refused.
    """
    embedded = (APPLICATION_ROLE, APPROVER_ROLE, RETENTION_ROLE)
    apply(
        ledger_url,
        (
            *application_role(APPLICATION_ROLE),
            *approver_role(APPROVER_ROLE),
            *retention_role(RETENTION_ROLE),
            *(f"alter role {_quoted(role)} login" for role in embedded),
        ),
    )
    for database, url in owned.items():
        apply(url, owner_of(APPLICATION_ROLE, database))


def owner_of(role: str, database: str) -> tuple[str, ...]:
    """Return SQL that gives a role a whole database whose program creates its tables itself.

    Args:
        role: Name of the PostgreSQL role; it is quoted as an identifier.
        database: Name of the database.

    Returns:
        Statements for `apply`, as the superuser.
    """
    name = _quoted(role)
    return (f'alter database "{database}" owner to {name}', OWN_EVERYTHING.format(name=name))


def reader_of(role: str) -> tuple[str, ...]:
    """Return SQL for a database of readings: the role reads its tables, also those that are created later.

    Args:
        role: Name of the PostgreSQL role; it is quoted as an identifier.

    Returns:
        Statements for `apply`, as the user that creates the tables.
    """
    name = _quoted(role)
    return (
        f"grant usage on schema public to {name}",
        f"grant select on all tables in schema public to {name}",
        f"alter default privileges in schema public grant select on tables to {name}",
    )


def apply_all(stores: Stores, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Create or update all roles, with passwords from the environment.

    The application role also owns Dagster's database, whose tables Dagster creates, and reads the readings where they
    are on the same server.

    Args:
        stores: Addresses of the databases, as the owner of the tables.
        environ: Holds the variables of `PASSWORDS`.

    Returns:
        The names of the roles.

    Raises:
        LedgerError: A password is missing (nothing was changed then), or the server refused.
    """
    missing = [variable for variable in PASSWORDS.values() if not environ.get(variable)]
    if missing:
        raise LedgerError(f"no password for the roles: set {', '.join(missing)}")
    apply(stores.ledger_url, application_role(APPLICATION_ROLE))
    apply(stores.ledger_url, approver_role(APPROVER_ROLE))
    apply(stores.ledger_url, retention_role(RETENTION_ROLE))
    apply(stores.ledger_url, dashboard_role(DASHBOARD_ROLE))
    apply(stores.mlflow_url, mlflow_role("mlops_mlflow"))
    apply(stores.dagster_url, owner_of(APPLICATION_ROLE, str(make_url(stores.dagster_url).database)))
    if stores.readings_url == database_on(stores.ledger_url, "mlops_readings"):
        apply(stores.readings_url, reader_of(APPLICATION_ROLE))
    for role, variable in PASSWORDS.items():
        allow_login(stores.ledger_url, role, environ[variable])
    if password := environ.get(DASHBOARD_PASSWORD):
        allow_login(stores.ledger_url, DASHBOARD_ROLE, password)
    return (*PASSWORDS, DASHBOARD_ROLE)


def _fresh(name: str) -> tuple[str, ...]:
    """Return the role, made if it is new, with every right on this schema taken away."""
    return (
        CREATE_ROLE.format(name=name, literal=name.strip('"')),
        f"grant usage on schema public to {name}",
        f"revoke create on schema public from {name}, public",
        f"revoke all on all tables in schema public from {name}",
    )


def _quoted(role: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", role):
        raise LedgerError(f"'{role}' is no role name: lower-case letters, digits and _ only, at most 63")
    return f'"{role}"'
