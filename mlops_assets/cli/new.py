"""The command that drafts a model file for any table: `mlops new NAME --data FILE --target COLUMN`."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from mlops_assets.cli.context import actor, now, settings
from mlops_assets.errors import MlopsError

FEW_ROWS = 30


@click.command()
@click.argument("name")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Parquet, CSV, Excel, JSON, Arrow or Avro file, zipped or not.",
)
@click.option("--target", required=True, help="Column to predict.")
@click.option(
    "--problem",
    type=click.Choice(["regression", "classification", "forecasting"]),
    help="Default: derived from the target.",
)
@click.option("--time", help="Column that says when; default: found by its values.")
@click.option("--entity", help="Column that says what a row is about; default: found by its values.")
@click.option("--owner", help="E-mail address or team:name; default: team and your user name.")
def new(
    name: str,
    data: Path,
    target: str,
    problem: str | None,
    time: str | None,
    entity: str | None,
    owner: str | None,
) -> None:
    """Draft a model file NAME.yaml in the models folder for any table.

    It is commented, valid, and runs as it is with `mlops run NAME`. An existing file is never overwritten.
    """
    from pydantic import TypeAdapter, ValidationError

    from mlops_assets.drafting import draft
    from mlops_assets.drafting.profile import profile_table, read_undescribed
    from mlops_assets.local.addresses import running
    from mlops_assets.model_file.values import Name
    from mlops_assets.readings.request import Request

    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise click.UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    folder = settings().models
    file = folder / f"{name}.yaml"
    if file.exists():
        raise click.ClickException(f"{file} exists and is never overwritten; choose another name")
    frame, source = read_undescribed(str(data), target, Request(name, None, None, now(), "UTC", settings()))
    facts = profile_table(
        frame,
        target,
        problem=problem,  # type: ignore[arg-type]
        time=time,
        entity=entity,
        comma_splits=source.separator in (None, ","),
        now=now(),
    )
    text = draft(name, owner or f"team:{re.sub(r'[^A-Za-z0-9_-]', '-', actor()) or 'unknown'}", source, facts)
    _keep(file, text)
    click.echo(f"read {facts.rows:,} rows and {len(facts.columns)} columns from {data}")
    click.echo(f"  {facts.problem} of {target}, from {len(facts.of('input'))} inputs")
    if facts.rows < FEW_ROWS:
        click.echo(f"  {facts.rows} rows are too few to train, tune and test on; the run will say so")
    if source.skip_footer:
        click.echo(f"  left out the last {source.skip_footer} rows of the file: totals or notes")
    first_line = source.skip_lines + (2 if source.header else 1)
    if absurd := facts.of("target")[0].absurd:
        shown = ", ".join(f"{value:g} in line {row + first_line - 1}" for row, value in absurd[:5])
        click.echo(f"  {len(absurd)} rows are left out whose {target} nothing else comes near: {shown}")
    if facts.time:
        if facts.time.future:
            click.echo(f"  {facts.time.future:,} rows are dated after today: no run sees them before")
        if facts.time.unreadable:
            shown = ", ".join(
                f"{text!r} in line {row + first_line - 1}" for row, text in facts.time.unreadable[:5]
            )
            click.echo(f"  {len(facts.time.unreadable)} rows without a readable time are set aside: {shown}")
        click.echo(f"  time: {facts.time.column}" + (f", entity: {facts.entity}" if facts.entity else ""))
    for column in facts.of("left out"):
        click.echo(f"  left out {column.name}: {column.why}")
    click.echo(f"wrote {file}; read it, then: mlops run {name}")
    if running(settings().home):
        click.echo("the running Dagster lists it after Deployment, Reload")


def _keep(file: Path, text: str) -> None:
    """Check the draft as the loader will, then let it appear under its name, which must be free."""
    from mlops_assets.model_file import examine

    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        if problems := examine(draft)[1]:
            listed = "\n".join(
                f"  line {problem.line}: {problem.key}: {problem.message}" for problem in problems
            )
            raise MlopsError(f"the draft would not be valid, nothing was written:\n{listed}")
        try:
            os.link(draft, file)
        except FileExistsError:
            raise click.ClickException(
                f"{file} exists and is never overwritten; choose another name"
            ) from None
    finally:
        draft.unlink(missing_ok=True)


COMMANDS = (new,)
