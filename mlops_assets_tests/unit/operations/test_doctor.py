"""The doctor finds what is wrong, says how to fix it, and never calls unchecked things good."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlops_assets.cli.main import cli
from mlops_assets.errors import ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.local import addresses, locks
from mlops_assets.operations import disks
from mlops_assets.operations.doctor import Finding, examine, platform_checks
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station, begin


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    """A model in production, with its file."""
    station = begin(tmp_path, ledger)
    station.challenge(rmse=1.5)
    file = station.platform.settings.models / "station.yaml"
    file.write_text(station.spec.model_dump_json())
    return station


def found(platform: Platform, check: str, clock: timedelta = timedelta(0)) -> list[Finding]:
    """The findings of one check, with this machine's clock moved."""
    checks = platform_checks(platform, lambda: datetime.now(UTC) + clock)
    return [one for one in examine({check: checks[check]}) if one.check == check]


def test_a_healthy_platform_is_good_in_every_check(station: Station) -> None:
    findings = examine(platform_checks(station.platform, lambda: datetime.now(UTC)))
    assert {one.check for one in findings} == {
        "model files",
        "disk",
        "ledger",
        "clock",
        "champions",
        "alerts",
    }
    assert {one.state for one in findings if one.check != "disk"} == {"good"}


def test_a_broken_model_file_is_a_problem_with_its_line(station: Station) -> None:
    (station.platform.settings.models / "other.yaml").write_text("name: other\nproblem: regresion\n")
    [problem] = found(station.platform, "model files")
    assert problem.state == "problem"
    assert "other.yaml:1: description: is required (and 6 more" in problem.sentence
    assert problem.fix == "correct the line, then mlops validate other.yaml"


def test_a_damaged_champion_is_a_problem(station: Station) -> None:
    [bundle] = (station.platform.settings.model_root / "station").glob("1")
    next(file for file in bundle.rglob("*") if file.is_file() and file.name != "manifest.json").write_bytes(
        b"x"
    )
    [problem] = found(station.platform, "champions")
    assert problem.state == "problem"
    assert "station v1 cannot be loaded" in problem.sentence
    assert "mlops rollback station" in problem.fix


@pytest.mark.parametrize(("free", "state"), [(3e9, "good"), (1e9, "warning"), (1e8, "problem")])
def test_little_space_is_a_warning_and_no_space_a_problem(
    station: Station, monkeypatch: pytest.MonkeyPatch, free: float, state: str
) -> None:
    monkeypatch.setattr(disks, "space_of", lambda _: disks.Space(int(free), 10**10, has_inodes=True))
    assert {one.state for one in found(station.platform, "disk")} == {state}


@pytest.mark.parametrize("moved", [timedelta(hours=1), timedelta(hours=-1)])
def test_clocks_that_differ_are_a_problem(station: Station, moved: timedelta) -> None:
    [finding] = found(station.platform, "clock", moved)
    assert (finding.state, finding.sentence) == ("problem", "this machine and the database differ by 3,600 s")


def test_open_alerts_are_a_warning(station: Station) -> None:
    at = datetime.now(UTC)
    station.platform.ledger.raise_alert(
        "one", kind="failed_run", severity="warning", message="it failed", at=at, model="station"
    )
    [finding] = found(station.platform, "alerts")
    assert (finding.state, finding.fix) == ("warning", "mlops alerts")


def test_a_check_that_breaks_is_a_problem_and_the_others_still_run() -> None:
    def breaks() -> Iterator[Finding]:
        yield Finding("", "good", "half")
        raise RuntimeError("no")

    def refused() -> Iterator[Finding]:
        raise ServiceError("the database is down")

    findings = examine({"a": breaks, "b": refused, "c": lambda: iter((Finding("", "good", "fine"),))})
    assert [(one.check, one.state, one.sentence) for one in findings] == [
        ("a", "problem", "the check raised RuntimeError: no"),
        ("b", "problem", "the database is down"),
        ("c", "good", "fine"),
    ]


def test_the_command_fails_with_a_problem_and_prints_the_fix(
    station: Station, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir(mode=0o700)
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "own"))
    monkeypatch.setattr("mlops_assets.cli.doctor.open_platform", lambda: nullcontext(station.platform))
    healthy = CliRunner().invoke(cli, ["doctor"])
    assert healthy.exit_code == 0, healthy.output
    (station.platform.settings.models / "other.yaml").write_text("name: other\nproblem: regresion\n")
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 1
    assert "-> correct the line, then mlops validate other.yaml" in result.output


def test_a_database_that_is_down_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def down() -> None:
        raise ServiceError("the ledger did not respond")

    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setattr("mlops_assets.cli.doctor.open_platform", down)
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 1
    assert "problem  ledger: the ledger did not respond" in result.output


def test_addresses_that_a_killed_up_left_are_not_asked(
    station: Station, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    addresses.write(own, {"api": "http://127.0.0.1:9"})
    monkeypatch.setenv("MLOPS_HOME", str(own))
    monkeypatch.setattr("mlops_assets.cli.doctor.open_platform", lambda: nullcontext(station.platform))
    assert "'mlops up' does not run here" in CliRunner().invoke(cli, ["doctor"]).output
    lock = locks.acquire(own / addresses.LOCK)
    assert lock is not None
    result = CliRunner().invoke(cli, ["doctor"])
    assert (result.exit_code, "api does not respond at http://127.0.0.1:9" in result.output) == (1, True)
    os.close(lock)
