"""Commands about model files alone: no store is opened, nothing is started."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from mlops_assets.cli.opening import settings
from mlops_assets.model_file import (
    ModelSpec,
    Problem,
    examine,
    load_model,
    load_models,
    model_files,
    problem_at,
    risks,
    schema_text,
)
from mlops_assets.model_file.training import ALGORITHM_CATALOGUE


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> None:
    """Check model files (FILES, or the models folder) and print every problem. Exits with 1 when there is one.

    An algorithm whose extra is not installed here is a warning: its candidate would be left out.
    """
    if not files:
        specs = load_models(settings().models)
        if not specs:
            raise click.ClickException(f"no model files in {settings().models}")
        _warn(model_files(settings().models))
        click.echo(f"{len(specs)} model files are valid: {', '.join(spec.name for spec in specs)}")
        return
    problems = [problem for file in files for problem in examine(file)[1]]
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        sys.exit(1)
    _warn(files)
    click.echo(f"{len(files)} model file{'s are' if len(files) > 1 else ' is'} valid")


def _warn(files: Sequence[Path]) -> None:
    for file in files:
        spec = load_model(file)
        told = [problem_at(file, path, said) for path, said in risks(spec)]
        for problem in sorted([*told, *_missing_extras(file, spec)]):
            click.echo(f"warning: {problem}", err=True)


def _missing_extras(file: Path, spec: ModelSpec) -> Iterator[Problem]:
    """Every algorithm of the file that cannot be trained here, at its line."""
    search = spec.training.search
    asked: list[tuple[tuple[str | int, ...], str]] = [
        (("training", "algorithms", place), one.name) for place, one in enumerate(spec.training.algorithms)
    ]
    asked += [(("training", "search", "spaces", name), name) for name in (search.spaces if search else ())]
    if not any(ALGORITHM_CATALOGUE[name].extra for _, name in asked):
        return
    from mlops_assets.training import not_installed

    absent = not_installed(name for _, name in asked)
    for path, name in asked:
        if name in absent:
            yield problem_at(file, path, f"{absent[name]}; until then this candidate is left out")


@click.command()
def schema() -> None:
    """Print the JSON schema of a model file (kept in models/schema.json for editors)."""
    click.echo(schema_text(), nl=False)


COMMANDS = (validate, schema)
