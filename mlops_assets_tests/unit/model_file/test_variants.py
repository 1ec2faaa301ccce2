"""A policies file: variants of a model file, checked as strictly, with file, line and key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from mlops_assets.errors import SpecError
from mlops_assets.model_file.search_space import grid
from mlops_assets.model_file.variants import Costs, read_variants
from mlops_assets_tests.backtest_platform import body_of


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    file = tmp_path / "station.yaml"
    file.write_text(yaml.safe_dump(body_of(tmp_path / "readings.parquet")))
    return file


def written(folder: Path, text: str) -> Path:
    file = folder / "policies.yaml"
    file.write_text(text)
    return file


def test_a_policy_changes_what_it_names_and_nothing_else(tmp_path: Path, model_file: Path) -> None:
    variants = read_variants(
        written(
            tmp_path,
            "weekly: {}\n"
            "drift_only: {schedules: {retrain: null}, monitoring: {drift: {act: 0.4}, window: 3d}}\n"
            "bare_gate: {gates: [{metric_at_most: {metric: rmse, limit: 9}}]}\n"
            "costs: {training: 2.5, currency: EUR}\n",
        ),
        model_file,
    )
    weekly, drift_only, bare = (variants.specs[name] for name in ("weekly", "drift_only", "bare_gate"))
    assert weekly.schedules.retrain == "0 0 * * 0"
    assert drift_only.schedules.retrain is None
    assert drift_only.monitoring.window == timedelta(days=3)
    assert drift_only.gates == weekly.gates
    assert len(bare.gates) == 1
    assert bare.training == weekly.training
    assert variants.costs == Costs(training=2.5, currency="EUR")


@pytest.mark.parametrize(
    "text, problem",
    [
        ("a:\n  gates:\n    - beats_champio: {metric: rmse}\n", "policies.yaml:3: a.gates[0]"),
        (
            "a:\n  monitoring:\n    windw: 3d\n",
            "policies.yaml:3: a.monitoring.windw: unknown key; did you mean",
        ),
        ("a:\n  target: z\n", "policies.yaml:2: a.target: a policy cannot change this"),
        ("a: {}\na: {}\n", "policies.yaml:2: the key 'a' is written twice"),
        ("costs: {trainig: 2}\na: {}\n", "policies.yaml:1: costs.trainig: unknown key"),
        ("costs: {training: -2}\na: {}\n", "policies.yaml:1: costs.training: -2 is not an amount of money"),
        ("costs: {training: 2}\n", "the file names no policy"),
        ("A b: {}\n", "a policy's name has lower-case letters"),
        ("- a\n", "a policies file is a mapping"),
    ],
)
def test_every_mistake_has_file_line_and_key(
    tmp_path: Path, model_file: Path, text: str, problem: str
) -> None:
    with pytest.raises(SpecError) as refused:
        read_variants(written(tmp_path, text), model_file)
    assert problem in str(refused.value)


def test_a_grid_has_every_point_and_names_it(model_file: Path) -> None:
    points = grid(
        "gates.beats_champion.by=0%|5%; schedules.retrain=weekly|never; monitoring.drift.act=0.3", model_file
    )
    assert list(points) == [
        "by=0% retrain=weekly act=0.3",
        "by=0% retrain=never act=0.3",
        "by=5% retrain=weekly act=0.3",
        "by=5% retrain=never act=0.3",
    ]
    last = points["by=5% retrain=never act=0.3"]
    assert (last.gates[0].by, last.schedules.retrain) == (0.05, None)  # type: ignore[attr-defined]
    assert last.monitoring.drift_limits.act == 0.3
    assert points["by=0% retrain=weekly act=0.3"].schedules.retrain == "0 2 * * 0"


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "write keys and values"),
        ("gates", "is not key=value"),
        ("gate.x=1", "'gate' cannot be searched; did you mean 'gates'?"),
        ("gates.beats_champio.by=1%", "is not there; did you mean 'beats_champion'?"),
        ("gates.beats_champion.by=1%|1%", "names a value twice"),
        ("gates.beats_champion.bye=1%", "bye: unknown key; did you mean 'by'?"),
        ("retraining.confirm=" + "|".join(map(str, range(1, 103))), "102 points are more than 100"),
    ],
)
def test_a_grid_that_cannot_be_is_one_sentence(model_file: Path, text: str, problem: str) -> None:
    with pytest.raises(SpecError) as refused:
        grid(text, model_file)
    assert problem in str(refused.value)
