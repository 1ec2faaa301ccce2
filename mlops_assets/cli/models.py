"""Commands that read only model files: no store is opened, nothing is started: list, validate, schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import exit_with, settings
from mlops_assets.cli.options import JSON
from mlops_assets.cli.output import Column, Record, print_records

if TYPE_CHECKING:
    from mlops_assets.model_file import ModelSpec, Problem


@click.command(name="list")
@JSON
def list_(as_json: bool) -> None:
    """List every model file with its problem, target, algorithms and owners; a broken file with what is wrong.

    Exits with 1 when a file is broken.
    """
    from mlops_assets.model_file import read_folder

    folder = read_folder(settings().models)
    records: list[Record] = [
        {
            "model": spec.name,
            "file": str(folder.files[spec.name]),
            "problem": spec.problem,
            "target": spec.target,
            "algorithms": [choice.name for choice in spec.training.algorithms],
            "owners": list(spec.owners),
            "description": spec.description,
            "broken": None,
        }
        for spec in folder.specs
    ]
    columns = (
        Column.of("model"),
        Column.of("problem"),
        Column.of("target"),
        Column("algorithms", lambda record: ", ".join(record["algorithms"])),
        Column("owners", lambda record: ", ".join(record["owners"])),
        Column.of("description"),
    )
    valid = list(records)
    records += [
        {
            "model": broken.name,
            "file": str(broken.file),
            "broken": [str(problem) for problem in broken.problems],
        }
        for broken in folder.broken
    ]
    empty = f"no model files in {settings().models}; draft one: mlops new NAME --data FILE --target COLUMN"
    print_records(records if as_json else valid, columns, as_json=as_json, empty=empty)
    for broken in folder.broken:
        click.echo(f"broken: {broken.sentence}", err=True)
    exit_with(not folder.broken)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--connect",
    is_flag=True,
    help="Also read each source and validate its rows, as a run would, without storing anything; finds unknown columns "
    "of alerts.rules and monitoring.kpis.",
)
@JSON
def validate(files: tuple[Path, ...], connect: bool, as_json: bool) -> None:
    """Check model files (FILES, or the models folder) and print every problem. Exits with 1 when there is one.

    An algorithm whose extra is not installed here is a warning: its candidate would be left out.
    """
    from mlops_assets.model_file import examine, load_models, model_files

    if files:
        problems = [problem for file in files for problem in examine(file)[1]]
        for problem in () if as_json else problems:
            click.echo(str(problem), err=True)
        checked: Sequence[Path] = files
    else:
        problems, checked = [], model_files(settings().models)
        if not checked:
            raise click.ClickException(f"no model files in {settings().models}")
        if as_json:
            from mlops_assets.model_file import read_folder

            problems = [
                problem for broken in read_folder(settings().models).broken for problem in broken.problems
            ]
        else:
            load_models(settings().models)
    warnings = [] if problems else _warnings(checked)
    if connect and not problems:
        problems = _source_problems(checked)
        for problem in () if as_json else problems:
            click.echo(str(problem), err=True)
    if as_json:
        _print_problems_as_json(problems, warnings)
    elif not problems:
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"{len(checked)} model file{'s are' if len(checked) > 1 else ' is'} valid")
    exit_with(not problems)


def _source_problems(files: Sequence[Path]) -> list[Problem]:
    """Every problem of the sources, at the line of the key in the model file."""
    from mlops_assets.cli.context import new_run, open_platform
    from mlops_assets.lifecycle.source_check import check_source
    from mlops_assets.model_file import load_model, problem_at

    with open_platform() as platform:
        return [
            problem_at(file, path, sentence)
            for file in files
            for path, sentence in check_source(load_model(file), platform, new_run())
        ]


def _print_problems_as_json(problems: Sequence[Problem], warnings: Sequence[Problem]) -> None:
    from dataclasses import asdict

    from mlops_assets.cli.output import print_json

    print_json(
        {
            "problems": [asdict(problem) for problem in problems],
            "warnings": [asdict(warning) for warning in warnings],
        }
    )


def _warnings(files: Sequence[Path]) -> list[Problem]:
    from mlops_assets.model_file import load_model, old_names, problem_at, risks

    warnings: list[Problem] = []
    for file in files:
        spec = load_model(file)
        file_risks = [problem_at(file, path, sentence) for path, sentence in risks(spec)]
        warnings += sorted([*old_names(file), *file_risks, *_missing_extras(file, spec)])
    return warnings


def _missing_extras(file: Path, spec: ModelSpec) -> Iterator[Problem]:
    """Yield every algorithm of the file that cannot be trained here, at its line."""
    from mlops_assets.model_file import problem_at
    from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE

    search = spec.training.search
    choices: list[tuple[tuple[str | int, ...], str]] = [
        (("training", "algorithms", index), choice.name)
        for index, choice in enumerate(spec.training.algorithms)
    ]
    choices += [(("training", "search", "spaces", name), name) for name in (search.spaces if search else ())]
    for path, name in choices:
        if missing := ALGORITHM_CATALOGUE[name].missing():
            yield problem_at(file, path, f"{missing}; until then this candidate is left out")


@click.command()
def schema() -> None:
    """Print the JSON schema of a model file (kept in models/schema.json for editors)."""
    from mlops_assets.model_file import schema_text

    click.echo(schema_text(), nl=False)


COMMANDS = (list_, validate, schema)
