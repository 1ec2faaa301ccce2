"""The model files we ship do what they say on the data they name: they pass their own gates on a first run.

Without stores first (seconds), then once through the real command, the way a newcomer does it (slow).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlops_assets import evaluation, features, readings, training, validation
from mlops_assets.artifacts import Evaluation, Split
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.metrics import METRICS
from mlops_assets.model_file import ModelSpec, load_model
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE
from mlops_assets.model_file.gates import BeatsBaseline, MetricAtLeast, MetricAtMost
from mlops_assets.model_file.source import FileSource, SqlSource
from mlops_assets.model_file.split import SplitSpec
from mlops_assets.model_file.training import AlgorithmChoice
from mlops_assets.settings import Settings
from mlops_assets.simulators import SIMULATORS

MODELS = Path(__file__).parents[2] / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.yaml"))
AS_OF = datetime(2026, 7, 1, 6, tzinfo=UTC)


def prepared(name: str, folder: Path) -> tuple[ModelSpec, Split]:
    """The parts of an example's default data; a simulated database table comes from a file."""
    spec = load_model(MODELS / f"{name}.yaml")
    source = spec.source
    if isinstance(source, SqlSource) and source.simulate is not None:
        file = folder / "table.parquet"
        SIMULATORS[source.simulate](AS_OF - (source.window or timedelta(days=30)), AS_OF).write_parquet(file)
        spec = spec.model_copy(
            update={"source": FileSource(kind="file", path=str(file), window=source.window)}
        )
    result = readings.read(spec, as_of=AS_OF, settings=Settings.from_environment({}))
    judged = validation.validate(spec, result.frame, as_of=AS_OF)
    assert judged.passed, [rule.message for rule in judged.rules if not rule.passed]
    return spec, features.split(spec, features.build(spec, judged.valid))


def needing_nothing(spec: ModelSpec) -> list[AlgorithmChoice]:
    """The candidates that every environment can train."""
    return [one for one in spec.training.algorithms if ALGORITHM_CATALOGUE[one.name].extra is None]


def best_of(spec: ModelSpec, split: Split) -> Evaluation:
    """The evaluation of the candidate that wins on the validation part, of those that need no extra."""
    primary = spec.evaluation.primary
    sign = 1 if METRICS[primary].direction == "lower" else -1
    measured = []
    for choice in needing_nothing(spec):
        kind = training.ALGORITHMS[choice.name]
        preparation = features.fit_preparation(spec, split.train, past=kind.uses_history)
        model = kind(spec.problem, choice.params).fit(
            preparation.apply(split.train),
            split.train[spec.target],
            validation=preparation.apply(split.validation),
            y_validation=split.validation[spec.target],
            seed=spec.training.seed,
        )
        predictor = BundlePredictor(preparation, model)
        measured.append(evaluation.evaluate(spec, predictor, None, split, size_bytes=1))
    return min(measured, key=lambda one: sign * one.challenger["validation"][primary])


@pytest.mark.parametrize("name", NAMES)
def test_an_example_passes_its_own_gates(name: str, tmp_path: Path) -> None:
    spec, split = prepared(name, tmp_path)
    assert features.leakage_findings(spec, split) == ()
    result = best_of(spec, split)
    ours, naive = result.challenger["test"], result.baseline["test"]
    assert result.missing_predictions == 0
    for gate in spec.gates:
        if isinstance(gate, MetricAtMost):
            assert ours[gate.metric] <= gate.limit, gate
        elif isinstance(gate, MetricAtLeast):
            assert ours[gate.metric] >= gate.limit, gate
        elif isinstance(gate, BeatsBaseline):
            lower = METRICS[gate.metric].direction == "lower"
            assert (
                ours[gate.metric] < naive[gate.metric] * (1 - gate.by)
                if lower
                else ours[gate.metric] > naive[gate.metric]
            )


@pytest.mark.parametrize("name", NAMES)
def test_an_example_needs_no_extra(name: str) -> None:
    assert needing_nothing(load_model(MODELS / f"{name}.yaml"))


def test_a_forecast_cannot_see_its_own_future() -> None:
    """Readings after an instant change; the features of rows before it do not."""
    spec = load_model(MODELS / "ad_sales_forecasting.yaml")
    rows = SIMULATORS["ad_sales"](AS_OF - timedelta(days=200), AS_OF, planned_days=7)
    since = AS_OF - timedelta(days=20)
    later = pl.col("date") >= since
    numbers = [name for name in rows.columns if name != "date"]
    changed = rows.with_columns(
        pl.when(later).then(pl.col(name) * 3).otherwise(pl.col(name)) for name in numbers
    )
    before = pl.col("date") < since
    kept, moved = (features.build(spec, frame).filter(before).drop("sales") for frame in (rows, changed))
    assert kept.equals(moved)


def test_cloud_workload_has_the_features_it_promises(tmp_path: Path) -> None:
    spec, split = prepared("cloud_workload", tmp_path)
    names = features.feature_names(spec, tuple(split.train.columns))
    assert len(names) > 150
    assert {f"cpu_percent_lag_{step}" for step in range(1, 25)} <= set(names)
    assert {f"cpu_percent_mean_{window}" for window in ("6h", "24h", "7d")} <= set(names)


def test_scaling_events_are_told_from_earlier_metrics_only(tmp_path: Path) -> None:
    spec, split = prepared("cloud_scaling_event", tmp_path)
    names = features.feature_names(spec, tuple(split.train.columns))
    metrics = {"cpu_percent", "request_rate", "latency_ms", "queue_length", "replicas", "scaling_event"}
    assert not metrics & set(names)


def test_a_boosting_does_not_beat_persistence_on_a_random_walk() -> None:
    """Nothing can be learnt from it, and trees cannot follow it out of the range they have seen: the gate says no."""
    walk = np.random.default_rng(0).normal(0, 1, 1_500).cumsum()
    when = [AS_OF + timedelta(hours=hour) for hour in range(1_500)]
    spec = load_model(MODELS / "ad_sales_forecasting.yaml")
    boosting = tuple(choice for choice in spec.training.algorithms if choice.name == "lightgbm")
    plain = {"horizon": timedelta(hours=1), "lags": None, "rolling": None, "ratios": (), "history": None}
    spec = spec.model_copy(
        update={
            "features": spec.features.model_copy(update=plain),
            "split": SplitSpec(strategy="temporal"),
            "training": spec.training.model_copy(update={"algorithms": boosting}),
        }
    )
    split = features.split(spec, features.build(spec, pl.DataFrame({"date": when, "sales": walk})))
    judged = best_of(spec, split)
    assert judged.challenger["test"]["wape"] > judged.baseline["test"]["wape"]


@pytest.mark.slow
@pytest.mark.integration
def test_every_example_runs_from_the_command_line() -> None:
    """With the candidates that a newcomer's environment can train; the networks take minutes."""
    with tempfile.TemporaryDirectory(prefix="mx", dir="/tmp", ignore_cleanup_errors=True) as home:
        models = Path(home) / "models"
        models.mkdir()
        for name in NAMES:
            spec = load_model(MODELS / f"{name}.yaml")
            body = spec.model_dump(mode="json", exclude_unset=True)
            body["training"]["algorithms"] = [one.model_dump(mode="json") for one in needing_nothing(spec)]
            (models / f"{name}.yaml").write_text(json.dumps(body))
        environ = {**os.environ, "MLOPS_HOME": home, "MLOPS_MODELS": str(models), "OMP_NUM_THREADS": "1"}
        for name in NAMES:
            done = subprocess.run(
                [sys.executable, "-c", "from mlops_assets.cli.main import main; main()", "run", name],
                env=environ,
                capture_output=True,
                text=True,
                timeout=600,
                umask=0o022,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert "promoted: first champion" in done.stdout, done.stdout
        below = [path for path in Path(home).rglob("*") if models not in (path, *path.parents)]
        assert [path for path in below if path.stat().st_mode & 0o066] == [], "other users can read these"
