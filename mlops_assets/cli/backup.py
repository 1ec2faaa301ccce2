"""`mlops backup`: create, list, verify and restore a consistent copy of the whole platform."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from mlops_assets.cli.context import now, settings
from mlops_assets.cli.options import JSON
from mlops_assets.cli.output import Column, age, print_records

FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of backups; default `backups` below MLOPS_HOME. Another disk is safer.",
)
BACKUP = click.argument("backup", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.group(name="backup")
def backup_group() -> None:
    """Copy ledger, Dagster's and MLflow's databases, tables, bundles and reports, and put a copy back."""


@backup_group.command()
@FOLDER
def create(folder: Path | None) -> None:
    """Make a backup while runs go on. Keys and passwords are in no backup."""
    from mlops_assets.local import backup

    target, made = backup.create(settings(), _folder(folder), now(), partial(click.echo, err=True))
    click.echo(f"{target}: {len(made.files):,} files, {made.size / 1e6:,.1f} MB")


@backup_group.command(name="list")
@FOLDER
@JSON
def list_backups(folder: Path | None, as_json: bool) -> None:
    """List finished backups, newest first."""
    from mlops_assets.local import backup

    records = [
        {
            "backup": str(path),
            "age": age(now() - one.created_at),
            "files": len(one.files),
            "megabytes": round(one.size / 1e6, 1),
            "release": one.release,
        }
        for path, one in backup.known(_folder(folder))
    ]
    columns = [Column.of(name) for name in ("backup", "age", "files", "megabytes", "release")]
    print_records(records, columns, as_json=as_json, empty="no backup yet; 'mlops backup create' makes one")


@backup_group.command()
@BACKUP
def verify(backup: Path) -> None:
    """Compare every file of BACKUP with its hash. Exits with 1 when one is damaged, missing or added."""
    from mlops_assets.local import backup as backups

    wrong = backups.problems(backup)
    for sentence in wrong:
        click.secho(sentence, fg="red")
    if not wrong:
        click.echo(f"{backup}: every file is what was written")
    sys.exit(1 if wrong else 0)


@backup_group.command()
@BACKUP
def restore(backup: Path) -> None:
    """Put BACKUP back into an empty MLOPS_HOME; a damaged one is refused by the name of the file.

    Then run `mlops migrate`, `mlops doctor` and `mlops drill`.
    """
    from mlops_assets.local import backup as backups

    made = backups.restore(settings(), backup, partial(click.echo, err=True))
    click.echo(f"restored what was backed up at {made.created_at:%Y-%m-%d %H:%M:%S} UTC")


def _folder(chosen: Path | None) -> Path:
    return (chosen or settings().home / "backups").absolute()


COMMANDS = (backup_group,)
