"""`mlops --help` lists every command once, by what a person wants to do, with its whole first sentence."""

from __future__ import annotations

import click
from click.testing import CliRunner

from mlops_assets.cli.main import cli
from mlops_assets.cli.sections import SECTIONS


def test_every_command_is_in_exactly_one_section() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == cli.list_commands(click.Context(cli))


def test_the_help_cuts_no_sentence() -> None:
    printed = CliRunner().invoke(cli, ["--help"]).output
    assert "..." not in printed.partition("Options:")[2]
    assert all(f"{title}:" in printed for title in SECTIONS)
