"""The commands themselves: words, exit codes, and that a rollback given twice goes back once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlops_assets.cli import approvals, champions, recovery, reports
from mlops_assets.cli.main import cli
from mlops_assets.errors import LedgerError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.platform import Platform
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, Station, begin

Type = Callable[..., Result]


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    station = begin(tmp_path, ledger)
    station.challenge()
    return station


@pytest.fixture
def enter(station: Station, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command on a platform that is open already."""

    @contextmanager
    def open_platform(**_: object) -> Iterator[Platform]:
        yield station.platform

    for module in (champions, approvals, recovery, reports):
        for name, value in {
            "open_platform": open_platform,
            "model_spec": lambda _: station.spec,
            "new_run": station.run,
            "now": lambda: station.now,
        }.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def test_a_rollback_given_twice_goes_back_once(station: Station, enter: Type) -> None:
    station.challenge()
    station.challenge()
    assert enter("rollback", "station").exit_code == 0
    assert station.champion() == 2
    again = enter("rollback", "station")
    assert isinstance(again.exception, LedgerError)
    assert "was rolled back to version 2 by ann" in str(again.exception)
    assert "mlops rollback station --to 1" in str(again.exception)
    assert station.champion() == 2
    assert enter("rollback", "station", "--to", "1").exit_code == 0
    assert station.champion() == 1
    late = enter("rollback", "station", "--to", "3", "--revision", "4")
    assert "revision 4 was expected, it is now 5" in str(late.exception)


def test_answers_say_what_they_did(station: Station, enter: Type) -> None:
    station.with_gates(*GATES, "approval")
    version, evidence_hash, _ = station.challenge()
    report = enter("report", "station")
    assert report.exit_code == 0
    command = next(line for line in report.output.splitlines() if line.startswith("mlops approve"))
    arguments = command.partition("#")[0].split()[1:-1]  # as printed, with a comment of our own
    done = enter(*arguments, "looks right")
    assert (done.exit_code, station.champion()) == (0, version)
    assert f"bound to evidence {evidence_hash}" in done.output
    station.challenge()
    later = enter("defer", "station", "--comment", "wait")
    assert later.exit_code == 0
    assert "a retrain was requested: ann deferred version 3: wait" in later.output


def test_waive_then_promote(station: Station, enter: Type) -> None:
    version, _, _ = station.challenge(rmse=1.0)
    result = enter(
        "waive",
        "station",
        "beats_champion_rmse",
        "--owner",
        "team:water",
        "--reason",
        "sensor",
        "--expires",
        "2026-03-16",
    )
    assert result.exit_code == 0, result.output
    assert enter("promote", "station").exit_code == 0
    assert station.champion() == version
    assert "sensor" in enter("waivers", "station").output


def test_a_refused_challenger_and_a_failed_drill_exit_with_1(station: Station, enter: Type) -> None:
    station.challenge()
    assert enter("drill", "station").exit_code == 0
    (station.bundle(1) / "manifest.json").unlink()
    failed = enter("drill", "station")
    assert failed.exit_code == 1
    assert "could NOT take over" in failed.output
    assert enter("reproduce", "station@2").exit_code == 0
    assert enter("reproduce", "station@1").exit_code == 1
    station.with_gates(*GATES, "min_rows")
    station.challenge(training_rows=10)
    assert enter("report", "station").exit_code == 1
