"""`mlops diff`: two versions on the same rows, as production would serve them."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.artifacts import Evidence, from_json
from mlops_assets.cli import diff as command
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import record_of
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.lifecycle.stages import data
from mlops_assets.lifecycle.stages.evaluate import evaluate_model
from mlops_assets.lifecycle.version_diff import version_diff
from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station, begin, readings

GATES: tuple[Any, ...] = ({"metric_at_most": {"metric": "rmse", "limit": 5.0}}, {"max_flips": {"limit": 0.2}})


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    """Two versions: the second on one more day."""
    station = begin(tmp_path, ledger, GATES, evaluation={"primary": "rmse", "slices": ["pump_id"]})
    station.challenge()
    grow(station, tmp_path, 1)
    station.train()
    return station


def grow(station: Station, folder: Path, days: int) -> None:
    later = [
        readings(48, seed).with_columns(pl.col("at") + timedelta(days=seed)) for seed in range(1, days + 1)
    ]
    pl.concat([readings(), *later]).write_csv(folder / "readings.csv")
    station.now += timedelta(days=days)


def test_the_evidence_counts_flips_and_the_gate_reads_them(station: Station) -> None:
    report = evaluate_model(station.spec, station.platform, station.run())
    evidence = from_json(Evidence, station.platform.ledger.evidence(report.evidence_hash).body)
    everything, *slices = evidence.evaluation.flips
    assert everything.rows == evidence.evaluation.holdout_rows
    assert [(one.column, one.value) for one in slices] == [("pump_id", "p0"), ("pump_id", "p1")]
    assert sum(one.right_to_wrong for one in slices) == everything.right_to_wrong
    gate = next(one for one in evidence.gates if one.kind == "max_flips")
    assert gate.verdict == "pass", gate.reason
    folder = Path(report.folder)
    assert "Predictions that flip" in (folder / "report.md").read_text()
    assert "Predictions that flip" in (folder / "report.html").read_text()


def test_versions_are_compared_on_rows_that_came_after_both(station: Station, tmp_path: Path) -> None:
    grow(station, tmp_path, 3)
    run = station.run()
    for stage in (data.read_readings, data.validate_readings, data.build_features):
        stage(station.spec, station.platform, run)
    result = version_diff(station.spec, station.platform, station.run(), 1, 2)
    assert result.note == "96 rows with a target that came after both were fitted"
    built = record_of(station.platform, station.spec, "features", None, FeaturesRecord)
    rows = station.platform.datasets.read(built.table).sort("at").tail(96)
    served = [load_version(station.platform, "station", version)[0].predict(rows) for version in (1, 2)]
    moved = np.abs(served[0] - served[1]).mean() / np.std(rows["y"].to_numpy())
    assert result.flips[0].moved == pytest.approx(moved, rel=1e-9)


def test_the_command_prints_counts_by_slice_and_writes_the_picture(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "open_platform", lambda: nullcontext(station.platform))
    monkeypatch.setattr(command, "model_spec", lambda _model: station.spec)
    picture = tmp_path / "flips.png"
    printed = mlops(monkeypatch, "diff", "station@1", "station@2", "--picture", str(picture))
    assert printed.code == 0, printed.all
    assert "station v1 -> v2 on 58 holdout rows" in printed.out
    assert "pump_id p0" in printed.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    body = json.loads(mlops(monkeypatch, "diff", "station@1", "station@2", "--json").out)
    assert (body["older"], body["newer"], len(body["flips"])) == (1, 2, 3)
    assert "write station@3" in mlops(monkeypatch, "diff", "station", "station@2").all
    assert "versions of two models" in mlops(monkeypatch, "diff", "station@1", "other@2").all
