"""Commands that run the graph or the services: run, demo, up, migrate."""

from __future__ import annotations

import os
import sys
from datetime import datetime

import click

from mlops_assets.cli.context import actor, exit_with, model_spec, now, prepare_stores, settings
from mlops_assets.cli.options import JSON, MODEL, Instant
from mlops_assets.cli.output import Column, print_records
from mlops_assets.settings import Stores


@click.command(name="run")
@MODEL
@click.option("--as-of", type=Instant(), help="Use only what was known at this instant; default now.")
@click.option(
    "--force", is_flag=True, help="Train again even when nothing changed since the last challenger."
)
def run_model(model: str, as_of: datetime | None, force: bool) -> None:
    """Run MODEL's whole lifecycle once: readings, validation, features, training, gates, promotion, predictions.

    Exits with 0 when the challenger was promoted or the champion kept, with 1 when it was refused or a step failed.
    """
    from mlops_assets.cli.lifecycle_run import run_lifecycle

    spec = model_spec(model)
    prepare_stores()
    exit_with(run_lifecycle(spec, as_of or now(), actor(), force=force))


@click.command()
def demo() -> None:
    """Run the first two weeks of pump_efficiency on simulated readings and print what happened."""
    from mlops_assets.cli.demo import run_two_weeks

    spec = model_spec("pump_efficiency")
    prepare_stores()
    exit_with(run_two_weeks(settings(), spec, now()))


@click.command()
@click.option(
    "--schedules/--no-schedules",
    default=None,
    help="Whether schedules and the retrain governor start switched on; without it MLOPS_SCHEDULES (on, off) decides, "
    "else on.",
)
@click.option(
    "--probe/--no-probe",
    default=None,
    help="Probe the platform every hour with a tiny model; without it MLOPS_PROBE (on, off) decides, else off.",
)
def up(schedules: bool | None, probe: bool | None) -> None:
    """Start PostgreSQL, MLflow, Dagster and the prediction API on this machine; Ctrl-C stops all of them."""
    from dataclasses import replace

    from mlops_assets.local.up import run_up

    chosen = settings()
    if schedules is not None:
        chosen = replace(chosen, automatic=schedules)
    if probe is not None:
        chosen = replace(chosen, probe=probe)
    sys.exit(run_up(chosen, echo=click.echo))


@click.command()
@click.option(
    "--roles",
    is_flag=True,
    help="Also create or update the roles mlops_app, mlops_approver, mlops_retention, mlops_mlflow and (to read only) "
    "mlops_dashboard; passwords come from MLOPS_APP_PASSWORD, MLOPS_APPROVER_PASSWORD, MLOPS_RETENTION_PASSWORD and "
    "MLOPS_MLFLOW_PASSWORD. The embedded server has the first three by itself.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing; exit with 1 when a database is behind, missing or half migrated.",
)
@JSON
def migrate(roles: bool, check: bool, as_json: bool) -> None:
    """Bring every database to the version that this program needs; other commands do it by themselves."""
    if check:
        _print_check(as_json=as_json)
        return
    if as_json:
        raise click.UsageError("--json is for --check")
    if roles and settings().database_url is None:
        raise click.UsageError(
            "the embedded server has its roles by itself; --roles is for MLOPS_DATABASE_URL"
        )
    prepare_stores()
    click.echo("every database is at the version this program needs")
    if roles:
        from mlops_assets.ledger.roles import apply_all

        names = apply_all(Stores.from_environment(os.environ), os.environ)
        click.echo(f"roles created or updated: {', '.join(names)}")


def _print_check(*, as_json: bool) -> None:
    from dataclasses import asdict

    from mlops_assets.local.migration_check import check

    states = check(settings())
    columns = [Column.of(name) for name in ("database", "state")]
    print_records([asdict(one) for one in states], columns, as_json=as_json, empty="no database")
    behind = [one.database for one in states if one.state != "current"]
    if behind and not as_json:
        click.echo(f"'mlops migrate' brings {', '.join(behind)} to this release")
    exit_with(not behind)


COMMANDS = (run_model, demo, up, migrate)
