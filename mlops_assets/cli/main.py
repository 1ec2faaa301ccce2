"""The root command. Errors a person can mend are printed without a traceback and exit with 1."""

from __future__ import annotations

import atexit
import gc
import sys

import click

from mlops_assets import __version__
from mlops_assets.cli import approvals, champions, data, features, models, new, proofs, reports, running
from mlops_assets.errors import MlopsError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="mlops")
def cli() -> None:
    """One YAML file per model declares its whole life; one Dagster asset graph lives it."""


for group in (running, champions, reports, approvals, proofs, data, features, models, new):
    for command in group.COMMANDS:
        cli.add_command(command)


def main() -> None:
    """Entry point of the `mlops` command."""
    # Dagster and MLflow make a million objects that live to the end: looking for garbage among them every 700 new ones
    # costs a fifth of their import, and once more a second when the process ends.
    gc.set_threshold(50_000, 10, 10)
    atexit.register(gc.freeze)
    try:
        cli.main(prog_name="mlops", standalone_mode=False)
    except MlopsError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
