"""Commands about model files alone: no store is opened, nothing is started."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlops_assets.cli.opening import settings
from mlops_assets.spec import examine, load_models, schema_text


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> None:
    """Check model files (FILES, or the models folder) and print every problem. Exits with 1 when there is one."""
    if not files:
        specs = load_models(settings().models)
        if not specs:
            raise click.ClickException(f"no model files in {settings().models}")
        click.echo(f"{len(specs)} model files are valid: {', '.join(spec.name for spec in specs)}")
        return
    problems = [problem for file in files for problem in examine(file)[1]]
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{len(files)} model file{'s are' if len(files) > 1 else ' is'} valid")


@click.command()
def schema() -> None:
    """Print the JSON schema of a model file (kept in models/schema.json for editors)."""
    click.echo(schema_text(), nl=False)


COMMANDS = (validate, schema)
