"""The generated references are what the code says now, and the commands that the documentation prints are accepted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_origin

import click
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mlops_assets.cli.main import cli
from mlops_assets.model_file import ModelSpec
from tools.model_file_page import (
    Examples,
    error_of,
    example_of,
    meaning_of,
    refused,
    sections,
    shipped_examples,
    unit_of,
)
from tools.references import ROOT, references

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("file", sorted(references()), ids=lambda file: file.name)
def test_a_generated_reference_is_fresh(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == references()[file], "run `make references`"


KEYS = [
    pytest.param(section, name, field, id=f"{path}.{name}".lstrip("."))
    for path, section in sections(ModelSpec, "", set())
    for name, field in section.model_fields.items()
]


@pytest.fixture(scope="module")
def shipped() -> Examples:
    return shipped_examples(ROOT / "models")


@pytest.mark.parametrize(("section", "name", "field"), KEYS)
def test_a_key_of_the_model_file_is_explained(
    section: type[BaseModel], name: str, field: FieldInfo, shipped: Examples
) -> None:
    example = example_of(section, name, field, shipped)
    assert meaning_of(field), "write a docstring below the field"
    assert example is not None, "give the field `examples`"
    assert refused(section, name, example) is None, "the example is a value that the loader accepts"
    assert error_of(section, name, field) or get_origin(field.annotation) is dict, (
        "a wrong value gives an error"
    )
    if {int, float} & set(get_args(field.annotation) or [field.annotation]):
        assert unit_of(field) or bool in get_args(field.annotation), "annotate the type with its `Unit`"


def commands(group: click.Group) -> Iterator[click.Command]:
    """Yield every command below a group."""
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from commands(command)


def test_every_option_of_a_command_has_help() -> None:
    cli.list_commands(click.Context(cli))  # loads the modules of all commands
    silent = [
        f"{command.name} {option.opts[0]}"
        for command in commands(cli)
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert not silent


def printed_commands() -> Iterator[tuple[str, str]]:
    """Every `mlops ...` that a page, a shipped file or a sentence of the program prints, with where."""
    for page in PAGES:
        if page.name == "cli.md":  # written from the commands themselves
            continue
        text = page.read_text(encoding="utf-8")
        for line in text.splitlines():
            for code in re.findall(r"`(mlops [^`]+)`", line):
                yield page.name, code
            if match := re.match(r"\s*(?:\$ )?(mlops [a-z].*?)(?:\s+#.*)?$", line):
                yield page.name, match[1]
    for file in sorted((ROOT / "mlops_assets").rglob("*.py")):
        for code in re.findall(r"'(mlops [a-z][^'\n]*)'", file.read_text(encoding="utf-8")):
            yield file.name, code


def parsed(arguments: list[str]) -> None:
    """Parse the words of a command as `mlops` would, without running it."""
    command: click.Command = cli
    context = click.Context(cli, info_name="mlops")
    while isinstance(command, click.Group) and arguments:
        inner = command.get_command(context, arguments[0])
        assert inner is not None, f"no command {arguments[0]!r}"
        command, arguments = inner, arguments[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    if isinstance(command, click.Group):
        return
    options = {text for param in command.params for text in (*param.opts, *param.secondary_opts)}
    options |= {"-h", "--help"}
    unknown = [word for word in arguments if word.startswith("-") and word.partition("=")[0] not in options]
    assert not unknown, f"{command.name} has no {unknown}"
    positions = [param for param in command.params if isinstance(param, click.Argument)]
    table = next((param for param in command.params if "--table" in param.opts), None)
    if table is not None and "--table" in arguments:
        value = arguments[arguments.index("--table") + 1]
        if value.islower():
            table.type.convert(value, table, context)
    positional = [word for index, word in enumerate(arguments) if not _is_option(arguments, index, command)]
    limit = sum(param.nargs for param in positions) if all(param.nargs > 0 for param in positions) else None
    assert limit is None or len(positional) <= limit, f"{command.name} takes at most {limit} arguments"


def _is_option(arguments: list[str], index: int, command: click.Command) -> bool:
    if arguments[index].startswith("-"):
        return True
    before = arguments[index - 1] if index else ""
    option = next((param for param in command.params if before in param.opts), None)
    return isinstance(option, click.Option) and not option.is_flag


COMMANDS = sorted(set(printed_commands()))


@pytest.mark.parametrize(("where", "text"), COMMANDS, ids=[f"{where}: {text}" for where, text in COMMANDS])
def test_a_printed_command_is_accepted(where: str, text: str) -> None:
    text = re.sub(r"\{[^}]*\}", "NAME", text).replace("[", "").replace("]", "").replace("...", "")
    alternatives = re.match(r"mlops ((?:\w+ )?)([\w-]+(?:\\?\|[\w-]+)+)(.*)", text)
    texts = (
        [f"mlops {alternatives[1]}{word}{alternatives[3]}" for word in re.split(r"\\?\|", alternatives[2])]
        if alternatives
        else [text]
    )
    for command in texts:
        arguments = shlex.split(command, comments=True)[1:]
        parsed(arguments)
