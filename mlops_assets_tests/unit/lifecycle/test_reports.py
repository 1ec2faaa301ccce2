from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mlops_assets.errors import SpecError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle import file_history, reports
from mlops_assets.lifecycle.approvals import verdicts
from mlops_assets.model_file import ModelSpec, load_model
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, Station, begin


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    station = begin(tmp_path, ledger)
    station.challenge(rmse=1.5)
    return station


def git(folder: Path, *arguments: str) -> None:
    own = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


def written(station: Station, folder: Path) -> Path:
    file = folder / "station.yaml"
    file.write_text(station.spec.model_dump_json())  # JSON is YAML
    return file


def text_of(station: Station) -> str:
    result = verdicts.subject(station.spec, station.platform, station.run())
    return reports.report(station.spec, station.platform, station.run(), result)[0]


def test_the_report_needs_only_the_ledger_and_shows_what_people_said(station: Station) -> None:
    station.registry.down = True
    station.with_gates(*GATES, "approval")
    _, evidence_hash, _ = station.challenge()
    text = text_of(station)
    assert text.startswith("## Waiting for approval: station v2 against champion v1")
    assert f"mlops approve station --evidence {evidence_hash[:16]}" in text
    verdicts.give_verdict(station.spec, station.platform, station.run(), "reject", "not now")
    text = text_of(station)
    assert text.startswith("## Keep the champion: station v2")
    assert "rejected by ann: not now" in text
    station.with_gates(*GATES)
    lapsed = text_of(station)
    assert lapsed.startswith("> This evidence has lapsed: station v2: the model file has changed")
    assert "## " in lapsed


def test_what_if_asks_stored_evidence_under_other_gates(station: Station) -> None:
    station.challenge(rmse=1.2)  # no better than the champion: kept
    stricter = station.with_limit(1.4)
    result = reports.replay(stricter, station.platform, "station")
    assert (result.evaluated, [flip.version for flip in result.flips]) == (2, [1])
    assert "1 of 2 past decisions would flip" in reports.replay_lines(result)[0]
    assert "v1: promote -> keep" in reports.replay_lines(result)[1]
    assert reports.replay(station.spec, station.platform, "station").flips == ()


def test_against_a_ref_says_what_changed_and_what_it_would_flip(station: Station) -> None:
    models = station.platform.settings.models
    git(models, "init", "-q")
    git(models, "commit", "-q", "--allow-empty", "-m", "empty")
    file = written(station, models)
    assert "`station.yaml` is new" in reports.against(station.spec, station.platform, "HEAD")
    git(models, "add", ".")
    git(models, "commit", "-q", "-m", "models")
    assert "means the same" in reports.against(station.spec, station.platform, "HEAD")
    changed = station.with_limit(1.4)
    file.write_text(changed.model_dump_json())
    text = reports.against(load_model(file), station.platform, "HEAD")
    assert "| `gates[metric_at_most 1].limit` | 5.0 | 1.4 |" in text
    assert "**1 of 1 past decisions would flip under these gates**" in text
    for ref in ("no-such-branch", "--help"):
        with pytest.raises(SpecError, match="git knows no commit"):
            reports.against(changed, station.platform, ref)


def test_a_model_without_a_file_is_named(station: Station) -> None:
    with pytest.raises(SpecError, match="holds the model 'station'"):
        file_history.file_of(station.platform.settings.models, "station")


def test_defaults_are_written_out(station: Station) -> None:
    body = json.loads(station.spec.model_dump_json()) | {"monitoring": {"window": "8d"}}
    other = ModelSpec.model_validate_json(json.dumps(body))
    [change] = file_history.changes(station.spec, other)
    assert (change.key, change.before, change.after) == ("monitoring.window", '"7d"', '"8d"')
