"""What commands print: tables that a pipe does not cut, JSON on reading verbs, broken files next to good ones."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from mlops_assets.cli.main import cli
from mlops_assets.cli.output import Column, print_records
from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.unit.model_file.test_loader import GOOD, write

LONG_NAME = "a_model_with_a_long_name_" + "x" * 30
READING_COMMANDS = ("status", "history", "list", "validate", "waiting", "waivers", "report")
READING_SUBCOMMANDS = ("data log", "data diff", "data show", "features get", "features list")


def test_a_table_that_is_piped_is_not_cut(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, GOOD.replace("name: sales", f"name: {LONG_NAME}_{number}"), f"{number}.yaml")
    done = subprocess.run(
        [sys.executable, "-c", "from mlops_assets.cli import main; main()", "list"],
        env={"MLOPS_MODELS": str(tmp_path), "COLUMNS": "60", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [f"{LONG_NAME}_{number}" in done.stdout for number in range(3)] == [True] * 3


def test_a_value_with_brackets_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_records([{"name": "[red]pump[/red]"}], [Column.of("name")], as_json=False)
    assert "[red]pump[/red]" in capsys.readouterr().out


def test_instants_are_iso_8601_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_records([{"at": datetime(2026, 1, 31, tzinfo=UTC)}], [], as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"at": "2026-01-31T00:00:00+00:00"}]


@pytest.mark.parametrize("name", [*READING_COMMANDS, *READING_SUBCOMMANDS])
def test_a_reading_command_prints_json(name: str) -> None:
    command: click.Command = cli
    for part in name.split():
        assert isinstance(command, click.Group)
        subcommand = command.get_command(click.Context(command), part)
        assert subcommand is not None
        command = subcommand
    assert "--json" in [option for param in command.params for option in param.opts]


def test_list_shows_good_files_and_names_the_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD.replace("name: sales", "name: other").replace("target:", "tarjet:"), "second.yaml")
    monkeypatch.setenv("MLOPS_MODELS", str(tmp_path))
    printed = mlops(monkeypatch, "list")
    assert printed.code == 1
    assert "sales" in printed.out
    assert "second.yaml:1: target: is required" in printed.err
    listed = json.loads(mlops(monkeypatch, "list", "--json").out)
    assert [(model["model"], bool(model["broken"])) for model in listed] == [
        ("sales", False),
        ("other", True),
    ]


def test_validate_prints_problems_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, GOOD.replace("target:", "tarjet:"))
    printed = mlops(monkeypatch, "validate", str(file), "--json")
    assert printed.code == 1
    assert {"tarjet", "target"} <= {problem["key"] for problem in json.loads(printed.out)["problems"]}


def test_completion_knows_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.shell_completion import ShellComplete

    write(tmp_path, GOOD)
    monkeypatch.setenv("MLOPS_MODELS", str(tmp_path))
    completion = ShellComplete(cli, {}, "mlops", "_MLOPS_COMPLETE")
    assert [item.value for item in completion.get_completions(["history"], "sa")] == ["sales"]
    assert "status" in [item.value for item in completion.get_completions([], "st")]
