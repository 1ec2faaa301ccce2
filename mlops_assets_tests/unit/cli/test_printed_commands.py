"""Every `mlops` command that README, docs and the program's own sentences print is one that the program accepts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mlops_assets.cli.main import cli

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = [
    file
    for file in sorted((ROOT / "mlops_assets").rglob("*"))
    if file.suffix in (".py", ".txt", ".md", ".html")
]


def commands_of_page(text: str) -> Iterator[str]:
    """Commands in code: spans between backticks, and lines of blocks."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from re.findall(r"^(?:\$ |    )?(mlops [a-z][^\n#]*)", block, re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"^    (mlops [a-z][^\n#]*)", prose, re.MULTILINE)
    yield from re.findall(r"`(mlops [a-z][^`]*)`", prose)


def commands_of_module(text: str) -> Iterator[str]:
    """Commands in sentences: after 'run', a colon or a quote, up to the quote, comma or end."""
    for match in re.finditer(r"(?:(?<!b)['\"`]|: |run )(mlops (?:[a-z][a-z-]+)(?: [^'\"`,;.()\n]*)?)", text):
        yield match[1]


def problem(command: str) -> str | None:
    """Why the program would refuse the command as written; placeholders count as values."""
    command = re.sub(r"\{[^{}]*\}", "X", command).split(" && ")[0].split(" | ")[0].split(" > ")[0].strip()
    try:
        arguments = shlex.split(command.replace("[", "").replace("]", ""))[1:]
    except ValueError:
        return None  # a sentence with an apostrophe
    current: click.Command = cli
    while isinstance(current, click.Group):
        word = arguments.pop(0) if arguments else None
        if word is None or word.startswith("-"):
            return None
        subcommand = current.get_command(click.Context(current), word.partition("|")[0])
        if subcommand is None:
            return f"no command {word!r}"
        current = subcommand
    options = {name: param for param in current.params for name in (*param.opts, *param.secondary_opts)}
    unknown = [
        word.partition("=")[0]
        for word in arguments
        if word.startswith("--") and word.partition("=")[0] not in options
    ]
    unknown = [word for word in unknown if word != "--help"]
    return f"no option {unknown[0]}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_prints_commands_that_exist(page: Path) -> None:
    commands = list(commands_of_page(page.read_text(encoding="utf-8")))
    assert [f"{command}: {why}" for command in commands if (why := problem(command))] == []


def test_the_readme_is_read() -> None:
    assert len(list(commands_of_page((ROOT / "README.md").read_text(encoding="utf-8")))) > 20


def test_the_programs_own_sentences_print_commands_that_exist() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}: {command}: {why}"
        for file in MODULES
        for command in commands_of_module(file.read_text(encoding="utf-8"))
        if (why := problem(command))
    ]
    assert wrong == []


@pytest.mark.parametrize("command", ["mlops promot x", "mlops data shw x", "mlops run x --fast"])
def test_a_wrong_command_is_seen(command: str) -> None:
    assert problem(command)
