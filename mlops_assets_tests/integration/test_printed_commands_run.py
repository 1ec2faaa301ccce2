"""Every complete command that README, docs and the program's own sentences print runs in a prepared home.

`unit/cli/test_printed_commands.py` checks that the program accepts each; here each does its work. What cannot run here
is listed with the reason.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import pytest

from mlops_assets.cli.main import cli
from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.local_platform import GATES, LocalPlatform, readings
from mlops_assets_tests.unit.cli.test_printed_commands import (
    MODULES,
    PAGES,
    commands_of_module,
    commands_of_page,
)

pytestmark = [pytest.mark.slow, pytest.mark.integration]

CANNOT: Final = {
    "mlops up": "serves until Ctrl-C; test_up.py starts it",
    "mlops review": "serves until Ctrl-C; test_approval_review.py calls its routes",
    "mlops exporter": "serves until Ctrl-C; test_exporter.py starts it",
    "mlops serve": "serves until Ctrl-C; test_targets.py has what it serves",
    "mlops stream": "serves a Kafka topic until Ctrl-C; test_stream.py feeds one",
    "mlops demo": "simulates 43,200 readings and trains twice; `make demo` runs it",
    "mlops smoke": "asks a running prediction API; test_up.py runs it against one",
    "mlops features": "needs the extra feast and a model with entities; test_feature_store.py runs them",
    "mlops backtest": "trains for minutes; test_backtest_asset.py runs one",
    "mlops backup": "copies whole databases; test_backup.py runs every one of its commands",
    "mlops migrate --roles": "needs a server whose roles may change; test_deployment.py and the unit tests of roles do",
    "mlops approve --from-files": "needs a file merged in code review; test_approval_commands.py has one",
}
"""Beginnings of commands that do not run here, and why."""
ENDS_WITH: Final = {
    "mlops open": "nothing runs on",
    "mlops doctor": "every file verified",  # other tests leave problems in the home that they share
    "mlops waiting": "waits for a person",
    "mlops heal": "there is no backup",
    "mlops alerts ack 12": "no open alert has the number 12",
    "mlops why MODEL --prediction": "no prediction of",
    "mlops reject": "already",
    "mlops defer": "already",
    "mlops rollout pause": "no roll-out",
    "mlops rollout resume": "no roll-out",
    "mlops rollout abort": "no roll-out",
    "mlops rollout finish": "no roll-out",
}
"""Beginnings of printed commands that have nothing to do in this home, and what they say."""
NAMES: Final = ("mlops approve", "mlops alerts ack")
"""Printed without what they need, as the name of a command."""
LATER: Final = (
    "approve",
    "reject",
    "defer",
    "promote",
    "rollback",
    "rescore",
    "data show",
    "import",
    "keys revoke",
    "gc",
    "retire",
)
"""Commands that change what the others show run last, in this order."""


@dataclass(frozen=True)
class Home:
    """A home with two models: one with two versions in production, one whose challenger waits for a person."""

    values: Mapping[str, str]

    def completed(self, command: str) -> str:
        """The command with values in place of what a reader fills in."""
        text = re.sub(
            r"\{[^{}]*\}?", "MODEL", command
        )  # a field of a sentence, also one that was cut at a comma
        text = re.sub(r"\b(pump_efficiency|cloud_workload)\b", "MODEL", text).partition(" | ")[0]
        text = re.sub(r"\[(FILES|MODEL|@V)\]", "", text).replace("data show MODEL MODEL", "data show MODEL")
        text = text.replace("--to MODEL", "--to 1")
        for verb in ("approve", "reject", "defer"):
            text = text.replace(f"mlops {verb} MODEL", f"mlops {verb} WAITING").replace("'...'", "'seen'")
        for name, value in self.values.items():
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", value.replace("\\", r"\\"), text)
        return text


def printed_commands() -> list[str]:
    """Every printed command, without the usage lines of the reference and lists of alternatives."""
    commands: dict[str, None] = {}
    for file, reader in [
        *((page, commands_of_page) for page in PAGES),
        *((one, commands_of_module) for one in MODULES),
    ]:
        commands |= dict.fromkeys(one.strip() for one in reader(file.read_text(encoding="utf-8")))
    return [one for one in commands if "[OPTIONS]" not in one and "|" not in one.replace(" | ", " ")]


def leaf(arguments: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and the words after its name."""
    command: click.Command = cli
    while isinstance(command, click.Group) and arguments:
        following = command.get_command(click.Context(command), arguments[0])
        if following is None:
            break
        command, arguments = following, arguments[1:]
    return command, arguments


def is_complete(text: str) -> bool:
    """Whether a command has what it needs; else a sentence only names it."""
    if text in NAMES:
        return False
    command, arguments = leaf(shlex.split(text)[1:])
    if isinstance(command, click.Group):
        return False
    required = sum(isinstance(one, click.Argument) and one.required for one in command.params)
    options = [one for one in command.params if isinstance(one, click.Option) and one.required]
    values = [word for word in arguments if not word.startswith("--")]
    return len(values) >= required and all(any(opt in arguments for opt in one.opts) for one in options)


def begins(text: str, beginnings: Mapping[str, str]) -> str | None:
    """The longest of these beginnings that a command has."""
    known = [one for one in beginnings if text == one or text.startswith(f"{one} ")]
    return max(known, key=len, default=None)


@pytest.fixture
def home(local_platform: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setenv("MLOPS_MODELS", str(models))
    monkeypatch.setenv("MLOPS_RETENTION_URL", local_platform.owner_url)
    monkeypatch.chdir(tmp_path)
    plain = local_platform.model()
    waiting = local_platform.model(gates=[*GATES, "approval"])
    for spec in (plain, waiting):
        body = json.dumps(spec.model_dump(mode="json", exclude_unset=True))
        (models / f"{spec.name}.yaml").write_text(body)
    own = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-qb", "main"], ["add", "-A"], [*own, "commit", "-qm", "one"]):
        subprocess.run(["git", *command], check=True, cwd=tmp_path)
    local_platform.run_lifecycle(plain)
    readings(400, slope=5.0).write_parquet(local_platform.file(plain.name))
    local_platform.run_lifecycle(plain)
    local_platform.run_lifecycle(waiting)
    ledger = local_platform.platform.ledger
    readings(300).write_csv(tmp_path / "own.csv")
    for role in ("read", "predict"):
        assert mlops(monkeypatch, "keys", "create", "--owner", "ann", "--role", role).code == 0
    first_key, second_key = (one.id for one in ledger.api_keys()[:2])
    file = str(models / f"{plain.name}.yaml")
    version = ledger.versions(plain.name)[0].version
    return Home(
        {
            "--data FILE --target COLUMN": f"--data {tmp_path / 'own.csv'} --target y",
            "mlops new NAME": "mlops new drafted",
            "mlops init FOLDER": f"mlops init {tmp_path / 'fresh'} --owner ann",
            "FILE FOLDER": f"{file} {tmp_path}",
            "export MODEL@V FILE": f"export {plain.name} {tmp_path / 'model.zip'}",
            "export MODEL FILE": f"export {plain.name} {tmp_path / 'model.zip'}",
            "import FILE": f"import {tmp_path / 'model.zip'}",
            "models/pump.yaml": file,
            "models/MODEL.yaml": file,
            "changed.yaml": file,
            "--file FILE": f"--file {file}",
            "MODEL@3 MODEL@4": f"{plain.name}@{version - 1} {plain.name}@{version}",
            "MODEL@VERSION": f"{plain.name}@{version}",
            "reproduce MODEL": f"reproduce {plain.name}@{version}",
            "WAITING": waiting.name,
            "HASH": ledger.evidence_of(waiting.name, 1)[0].hash,
            "--owner NAME": "--owner ann",
            "ann@example.com": "people@example.com",
            "MODEL GATE": f"{plain.name} beats_champion_rmse",
            "revoke ID": f"revoke {first_key}",
            "rotate ID": f"rotate {second_key}",
            "INSTANT": "2026-01-01",
            "NUMBER": "1",
            "MODEL": plain.name,
            "NAME": plain.name,
            "TEXT": "'a try'",
        }
    )


def ordered(commands: list[str]) -> Iterator[str]:
    """Commands that only show something first."""
    rank = {f"mlops {verb}": number for number, verb in enumerate(LATER, 1)}
    yield from sorted(
        commands, key=lambda one: next((rank[name] for name in rank if one.startswith(name)), 0)
    )


def test_every_printed_command_does_its_work(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [one for one in printed_commands() if begins(one, CANNOT) is None]
    completed = {text: one for one in commands if is_complete(text := home.completed(one).strip())}
    assert len(completed) > 50
    problems = []
    rolled_back = False
    for text in ordered(list(completed)):
        printed = mlops(monkeypatch, *shlex.split(text)[1:])
        sentence = ENDS_WITH.get(begins(completed[text], ENDS_WITH) or "")
        if text.startswith("mlops rollback") and rolled_back:
            sentence = "version 1"  # a repeated command does not go back twice
        rolled_back = rolled_back or text.startswith("mlops rollback")
        if not (sentence in printed.all if sentence else printed.code == 0):
            problems.append(f"{text}: {printed.code}: {printed.all.strip()[-300:]}")
    assert not problems, "\n".join(problems)


def test_the_lists_of_exceptions_name_printed_commands() -> None:
    printed = printed_commands()
    stale = [name for name in (*CANNOT, *ENDS_WITH) if not any(begins(one, {name: ""}) for one in printed)]
    assert stale == []
