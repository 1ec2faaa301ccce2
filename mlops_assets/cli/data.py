"""`mlops data ...`: the versions of a model's tables: log, diff, show, restore, tag, checkout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_assets import stages
from mlops_assets.cli.opening import actor, now, run, settings, spec_of
from mlops_assets.errors import DataError

if TYPE_CHECKING:
    from mlops_assets.artifacts import TableVersion
    from mlops_assets.datasets import Datasets

TABLES = (stages.RAW_READINGS, stages.VALIDATED_DATA, "quarantine", stages.FEATURES, stages.PREDICTIONS)
TABLE = click.option("--table", default=stages.RAW_READINGS, show_default=True, type=click.Choice(TABLES))


@click.group()
def data() -> None:
    """Versions of a model's tables: every run's rows stay readable under their version."""


@data.command()
@click.argument("model")
@TABLE
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
def log(model: str, table: str, limit: int) -> None:
    """List the versions of MODEL's table, newest first, and the tags."""
    from mlops_assets.cli import tables
    from mlops_assets.datasets import tags

    datasets = _datasets(model)
    tables.versions(datasets.log(model, table, limit), f"{model}/{table}")
    for one in tags(datasets, model):
        click.echo(f"tag {one.name}: {', '.join(f'{v.table} {v.version}' for v in one.versions)}")


@data.command()
@click.argument("model")
@click.argument("before", type=int)
@click.argument("after", type=int)
@TABLE
def diff(model: str, before: int, after: int, table: str) -> None:
    """What changed between two versions: columns, rows, and shares missing and means per changed column."""
    from mlops_assets.cli import tables
    from mlops_assets.datasets import diff as compare

    datasets = _datasets(model)
    tables.difference(
        compare(datasets, datasets.version(model, table, before), datasets.version(model, table, after))
    )


@data.command()
@click.argument("model")
@click.argument("version", type=int, required=False)
@TABLE
@click.option("--rows", default=10, show_default=True, type=click.IntRange(1, 10_000))
def show(model: str, version: int | None, table: str, rows: int) -> None:
    """Print the first rows of a version (the newest unless named)."""
    import polars as pl

    datasets = _datasets(model)
    found = datasets.latest(model, table) if version is None else datasets.version(model, table, version)
    if found is None:
        raise DataError(f"{model}/{table} was never written; run 'mlops run {model}' first")
    with pl.Config(tbl_rows=rows, tbl_cols=20, fmt_str_lengths=40):
        click.echo(datasets.read(found).head(rows))


@data.command()
@click.argument("model")
@click.argument("version", type=int)
@TABLE
def restore(model: str, version: int, table: str) -> None:
    """Make the newest version of a table equal to an earlier one; nothing is removed."""
    from mlops_assets.datasets import restore as put_back

    datasets = _datasets(model)
    made = put_back(
        datasets,
        datasets.version(model, table, version),
        run_id="mlops data restore",
        code_commit=run().code_commit,
        author=actor(),
        at=now(),
    )
    click.echo(f"{model}/{table}: version {made.version} holds the rows of version {version} again")


@data.command()
@click.argument("model")
@click.argument("name")
def tag(model: str, name: str) -> None:
    """Give the newest version of every table of MODEL a NAME that never moves, such as dataset-v1.0."""
    from mlops_assets.datasets import tag as name_them

    datasets = _datasets(model)
    newest = [found for table in TABLES if (found := datasets.latest(model, table))]
    if not newest:
        raise DataError(f"{model} has no tables yet; run 'mlops run {model}' first")
    made = name_them(datasets, model, name, newest, author=actor(), at=now())
    click.echo(f"{made.name}: {', '.join(f'{v.table} {v.version}' for v in made.versions)}")


@data.command()
@click.argument("what")
@click.argument("folder", type=click.Path(path_type=Path))
def checkout(what: str, folder: Path) -> None:
    """Write the data of MODEL@VERSION or MODEL@TAG into FOLDER as Parquet, proven equal by hash.

    VERSION is a model version: what is written is exactly what that version was made from.
    """
    from mlops_assets.datasets import checkout as write_out

    model, _, which = what.partition("@")
    datasets = _datasets(model)
    versions = (
        _of_model_version(model, int(which))
        if re.fullmatch(r"\d+", which)
        else _of_tag(datasets, model, which)
    )
    write_out(datasets, versions, folder)
    for version in versions:
        click.echo(
            f"{version.table:<16} version {version.version}, {version.rows:,} rows, content {version.content_hash}"
        )


def _of_tag(datasets: Datasets, model: str, name: str) -> tuple[TableVersion, ...]:
    from mlops_assets.datasets import tagged

    if not name:
        raise click.UsageError("name a model version or a tag: MODEL@3 or MODEL@dataset-v1.0")
    return tuple(tagged(datasets, model, name).versions)


def _of_model_version(model: str, version: int) -> tuple[TableVersion, ...]:
    from mlops_assets.artifacts import TableVersion, from_json
    from mlops_assets.cli.opening import platform

    with platform() as opened:
        row = opened.ledger.model_version(model, version)
    return tuple(from_json(TableVersion, body) for body in row.data_versions.values())


def _datasets(model: str) -> Datasets:
    from mlops_assets.datasets import Datasets

    spec_of(model)
    return Datasets(settings().data_root)


COMMANDS = (data,)
