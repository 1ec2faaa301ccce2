"""Commands about what runs: the addresses of `mlops up`, the logs of a model's runs, the metrics for Prometheus."""

from __future__ import annotations

import os
import runpy
import sys
from datetime import datetime
from pathlib import Path

import click

from mlops_assets.cli.context import exit_with, model_spec, prepare_stores, settings
from mlops_assets.cli.options import JSON, MODEL
from mlops_assets.cli.output import print_json
from mlops_assets.settings import Stores


@click.command(name="open")
@click.option("--browser", is_flag=True, help="Also open Dagster in the browser.")
@JSON
def open_(browser: bool, as_json: bool) -> None:
    """Print the addresses of the running `mlops up`, with links that sign a browser in. Exits with 1 if none runs."""
    from mlops_assets.local.addresses import TITLES

    addresses = _addresses(settings().home)
    if as_json:
        print_json(addresses)
    elif not addresses:
        click.echo(f"nothing runs on {settings().home}; start it: mlops up", err=True)
    for name, address in () if as_json else addresses.items():
        click.echo(f"{TITLES.get(name, name):<15} {address}")
    if browser and "dagster-webserver" in addresses:
        click.launch(addresses["dagster-webserver"])
    exit_with(bool(addresses))


def _addresses(home: Path) -> dict[str, str]:
    """Address by service; those behind the front carry the key of the session."""
    from mlops_assets import key_files
    from mlops_assets.local.addresses import link, running

    listening = running(home)
    if not listening:
        return {}
    session = key_files.read_key(settings(), key_files.FRONT)
    return {name: link(name, address, session) for name, address in listening.items()}


@click.command()
@MODEL
@click.option("--run", "run_id", metavar="ID", help="Only this run, by the beginning of its id.")
@click.option(
    "--runs", default=1, show_default=True, type=click.IntRange(1, 100), help="How many newest runs."
)
@JSON
def logs(model: str, run_id: str | None, runs: int, as_json: bool) -> None:
    """Print what the newest runs of MODEL reported, and why a step failed. Exits with 1 if there is no such run."""
    from dataclasses import asdict

    from mlops_assets.local.environment import make_dagster_home

    spec = model_spec(model)
    prepare_stores()
    make_dagster_home(settings())
    from mlops_assets.defs.run_logs import run_logs

    matching = run_logs(spec.name, runs=runs, run_id=run_id)
    if as_json:
        print_json([asdict(run) for run in matching])
    elif not matching:
        click.echo(
            f"{model} has no run{f' {run_id}' if run_id else ''} yet; start one: mlops run {model}", err=True
        )
    for run in () if as_json else matching:
        click.secho(f"run {run.run_id}  {run.job}  {run.status}  {_minute(run.created)}", bold=True)
        for message in run.messages:
            color = "red" if message.level in ("ERROR", "CRITICAL") else None
            line = f"  {message.at:%H:%M:%S} {message.stage.rpartition('__')[2]}: {message.text}"
            click.secho(line, fg=color)
    sys.exit(0 if matching else 1)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9464, show_default=True, type=int, help="Port to listen on; 0 for any.")
def exporter(host: str, port: int) -> None:
    """Serve the platform's metrics for Prometheus at /metrics until Ctrl-C; `mlops up` does so by itself.

    On an address that others can reach, scrapers must send the bearer token in MLOPS_EXPORTER_TOKEN.
    """
    from mlops_assets.local.exporter import run

    prepare_stores()
    run(settings(), Stores.from_environment(os.environ), host, port, click.echo)


@click.command()
@click.option(
    "--target",
    default="production",
    show_default=True,
    type=click.Choice(("production", "staging")),
    help="Serve champions, or challengers that passed their gates.",
)
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on."
)
def serve(target: str, port: int) -> None:
    """Serve the prediction API until Ctrl-C; `mlops up` does so by itself for production.

    The target staging serves of each model the newest challenger that passed its gates, waits for a person or is rolled
    out, else the champion. It logs no predictions and takes no labels. Both targets can run at once, on two ports.
    """
    prepare_stores()
    os.environ.update({"MLOPS_SERVING_TARGET": target, "MLOPS_API_PORT": str(port)})
    click.echo(f"{target} on http://{settings().host}:{port}; Ctrl-C ends", err=True)
    runpy.run_module("mlops_assets.serving", run_name="__main__")


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


COMMANDS = (open_, logs, exporter, serve)
