"""What policies share at one instant: the search for leakage is carried out once for equal recipes and rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets import features
from mlops_assets.artifacts import PARTS, Split, TableVersion
from mlops_assets.backtest import built_in_policies
from mlops_assets.backtest.data_steps import DataSteps
from mlops_assets.datasets import MemoryDatasets, content_hash
from mlops_assets.leakage import Finding
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.model_file import ModelSpec
from mlops_assets.readings import fetch_history
from mlops_assets_tests.backtest_platform import START, hourly, model, settings_of


def test_leakage_is_looked_for_once_for_policies_that_train_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = hourly().with_columns(leak=hourly()["y"] * 2)
    spec = model(tmp_path / "r.parquet", frame)
    own, _, always = built_in_policies(spec)
    table = TableVersion("station", "features", 0, content_hash(frame), frame.height, tuple(frame.columns))
    built = FeaturesRecord(table, ("x", "z", "leak"), (table,), START)
    settings = settings_of(tmp_path / "home", "")
    history = fetch_history(spec, start=None, until=START + timedelta(days=90), settings=settings)
    steps, carried_out = DataSteps(history, MemoryDatasets()), []
    real = features.leakage_findings

    def counted(one: ModelSpec, split: Split) -> tuple[Finding, ...]:
        carried_out.append(one)
        return real(one, split)

    monkeypatch.setattr(features, "leakage_findings", counted)
    split = features.split(spec, frame)
    findings = steps.find_leaks(own, built)(own.spec, split)
    assert ("leak",) in [one.columns for one in findings]
    assert steps.find_leaks(always, built)(always.spec, split) == findings
    assert len(carried_out) == 1

    train, validation, test = (split.part(part).with_columns(only_champion=1.0) for part in PARTS)
    wider = replace(split, train=train, validation=validation, test=test)
    steps.find_leaks(own, built)(own.spec, wider)
    steps.find_leaks(own, replace(built, table=replace(table, content_hash="other")))(own.spec, split)
    steps.next_instant()
    steps.find_leaks(own, built)(own.spec, split)
    assert len(carried_out) == 4
