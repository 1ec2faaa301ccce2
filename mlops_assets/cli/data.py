"""`mlops data ...`: the versions of a model's tables: log, diff, show, restore, tag, checkout."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_assets import stages
from mlops_assets.cli import tables
from mlops_assets.cli.context import actor, model_spec, new_run, now, settings
from mlops_assets.cli.options import JSON, MODEL
from mlops_assets.cli.output import print_json
from mlops_assets.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from mlops_assets.artifacts import TableVersion
    from mlops_assets.datasets import Datasets

TABLES = (stages.RAW_READINGS, stages.VALIDATED_DATA, "quarantine", stages.FEATURES, stages.PREDICTIONS)
WIDEST = 65_535
"""Characters of a line at most: polars panics beyond 16 bits."""
TABLE = click.option(
    "--table",
    default=stages.RAW_READINGS,
    show_default=True,
    type=click.Choice((*TABLES, "rescored")),
    help="Table of the model.",
)


@click.group()
def data() -> None:
    """Work with versions of a model's tables: the rows of every run stay readable under their version."""


@data.command()
@MODEL
@TABLE
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Largest number of versions.",
)
@JSON
def log(model: str, table: str, limit: int, as_json: bool) -> None:
    """List the versions of MODEL's table, newest first, and the tags."""
    from mlops_assets.datasets import tags

    datasets = _datasets(model)
    records = [tables.commit_record(commit) for commit in datasets.log(model, table, limit)]
    names = tags(datasets, model)
    if as_json:
        print_json({"versions": records, "tags": [asdict(name) for name in names]})
        return
    tables.print_versions(records, f"{model}/{table}", as_json=False)
    for name in names:
        click.echo(f"tag {name.name}: {', '.join(f'{v.table} {v.version}' for v in name.versions)}")


@data.command()
@MODEL
@click.argument("before", type=int)
@click.argument("after", type=int)
@TABLE
@JSON
def diff(model: str, before: int, after: int, table: str, as_json: bool) -> None:
    """Show what changed between two versions: columns, rows, and missing shares and means of changed columns."""
    from mlops_assets.datasets import diff as compare

    datasets = _datasets(model)
    difference = compare(
        datasets, datasets.version(model, table, before), datasets.version(model, table, after)
    )
    tables.print_difference(difference, as_json=as_json)


@data.command()
@MODEL
@click.argument("version", type=int, required=False)
@TABLE
@click.option(
    "--rows", default=10, show_default=True, type=click.IntRange(1, 10_000), help="Number of rows to print."
)
@JSON
def show(model: str, version: int | None, table: str, rows: int, as_json: bool) -> None:
    """Print the first rows of a version (the newest unless named)."""
    datasets = _datasets(model)
    chosen = datasets.latest(model, table) if version is None else datasets.version(model, table, version)
    if chosen is None:
        raise DataError(f"{model}/{table} was never written; run 'mlops run {model}' first")
    frame = datasets.read(chosen).head(rows)
    if as_json:
        click.echo(frame.write_json())
        return
    click.echo(table_text(frame, is_terminal=sys.stdout.isatty()))


def table_text(frame: pl.DataFrame, *, is_terminal: bool) -> str:
    """Return rows as a table: a pipe gets every column and every character, so that a later grep finds them.

    Args:
        frame: The rows.
        is_terminal: Whether the table has to fit a terminal.

    Returns:
        Lines of text.
    """
    from polars import Config

    columns, letters, width = (20, 40, None) if is_terminal else (-1, 10_000, WIDEST)
    with Config(tbl_rows=frame.height, tbl_cols=columns, fmt_str_lengths=letters, tbl_width_chars=width):
        return str(frame)


@data.command()
@MODEL
@click.argument("version", type=int)
@TABLE
def restore(model: str, version: int, table: str) -> None:
    """Write the rows of an earlier version as the newest version of a table; nothing is removed."""
    from mlops_assets.datasets import Provenance
    from mlops_assets.datasets import restore as restore_version

    datasets = _datasets(model)
    restored = restore_version(
        datasets,
        datasets.version(model, table, version),
        Provenance(actor(), now(), "mlops data restore", new_run().code_commit),
    )
    click.echo(f"{model}/{table}: version {restored.version} holds the rows of version {version} again")


@data.command()
@MODEL
@click.argument("name")
def tag(model: str, name: str) -> None:
    """Give the newest version of every table of MODEL a NAME that never moves, such as dataset-v1.0."""
    from mlops_assets.datasets import Provenance
    from mlops_assets.datasets import tag as tag_versions

    datasets = _datasets(model)
    newest = [version for table in TABLES if (version := datasets.latest(model, table))]
    if not newest:
        raise DataError(f"{model} has no tables yet; run 'mlops run {model}' first")
    new_tag = tag_versions(datasets, model, name, newest, Provenance(actor(), now()))
    click.echo(f"{new_tag.name}: {', '.join(f'{v.table} {v.version}' for v in new_tag.versions)}")


@data.command()
@click.argument("version", metavar="MODEL@VERSION")
@click.argument("folder", type=click.Path(path_type=Path))
def checkout(version: str, folder: Path) -> None:
    """Write the data of MODEL@VERSION or MODEL@TAG into FOLDER as Parquet; hashes prove that it is equal.

    VERSION is a model version: the command writes exactly the data that this version was made from.
    """
    from mlops_assets.datasets import checkout as write_versions

    model, _, reference = version.partition("@")
    datasets = _datasets(model)
    versions = (
        _of_model_version(model, int(reference))
        if re.fullmatch(r"\d+", reference)
        else _of_tag(datasets, model, reference)
    )
    write_versions(datasets, versions, folder)
    for table in versions:
        click.echo(
            f"{table.table:<16} version {table.version}, {table.rows:,} rows, content {table.content_hash}"
        )


def _of_tag(datasets: Datasets, model: str, name: str) -> tuple[TableVersion, ...]:
    from mlops_assets.datasets import tagged

    if not name:
        raise click.UsageError("name a model version or a tag: MODEL@3 or MODEL@dataset-v1.0")
    return tuple(tagged(datasets, model, name).versions)


def _of_model_version(model: str, version: int) -> tuple[TableVersion, ...]:
    from mlops_assets.artifacts import TableVersion, from_json
    from mlops_assets.cli.context import open_platform

    with open_platform() as platform:
        row = platform.ledger.model_version(model, version)
    return tuple(from_json(TableVersion, body) for body in row.data_versions.values())


def _datasets(model: str) -> Datasets:
    from mlops_assets.datasets import Datasets

    model_spec(model)
    return Datasets(settings().data_root)


COMMANDS = (data,)
