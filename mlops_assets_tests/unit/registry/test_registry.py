"""The registry against a real MLflow store: sqlite for speed, PostgreSQL for what production uses."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlops_assets import training
from mlops_assets.artifacts import Candidate, FeatureMatrix, TrainedModel
from mlops_assets.errors import ServiceError
from mlops_assets.lifecycle.platform import BUNDLE_LOADER
from mlops_assets.registry import Registry, experiment_name
from mlops_assets.registry.connection import without_secret
from mlops_assets_tests.stored_bundles import stored

NOW = datetime(2026, 3, 1, tzinfo=UTC)

LOADER = "fake_loader:open_bundle"


@dataclass(frozen=True)
class Version:
    version: int
    status: str


def champion_state(version: int | None) -> Any:
    return SimpleNamespace(champion=None if version is None else Version(version, "champion"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    root = tmp_path_factory.mktemp("mlflow")
    return Registry(f"sqlite:///{root}/mlflow.db", str(root / "artifacts"), loader=LOADER)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    values = np.arange(40, dtype=np.float64).reshape(20, 2)
    matrix = FeatureMatrix(("a", "b"), values)
    model = training.ALGORITHMS["linear"]("regression").fit(matrix, values[:, 0] * 2)
    folder = tmp_path / "bundles" / "pump" / "1"
    stored(folder, model, matrix)
    return folder


def trained(bundle: Path, run_id: str, version: int = 1, model: str = "pump") -> TrainedModel:
    return TrainedModel(
        model=model,
        version=version,
        algorithm="linear",
        bundle=str(bundle),
        manifest_sha256="0" * 64,
        data=(),
        rows=20,
        split_digest="",
        seconds=1.0,
        candidates=(),
        spec_digest="",
        code_commit="abc",
        seed=1,
        as_of=NOW,
        mlflow_run_id=run_id,
    )


def test_a_training_leaves_params_metrics_tags_and_nested_candidates(
    registry: Registry, bundle: Path
) -> None:
    parent = registry.client.create_run(
        registry.experiment("pump"), tags={"dagster_run_id": "d1"}
    ).info.run_id
    with registry.training("pump", parent=parent) as tracked:
        tracked.describe(
            {"model_type": "efficiency", "training_days": 30, "nested": {"b": True}},
            {"promoted": False, "data_start": "2026-01-01"},
        )
        candidate = Candidate(
            "linear",
            {"fit_intercept": True},
            "trained",
            0.5,
            {"train": {"rmse": 1.0}, "validation": {"rmse": 2.0, "r2": 0.5, "mae": float("nan")}},
        )
        child = tracked.candidate(candidate, [(step, {"train_loss": 1.0 / step}) for step in range(1, 1_001)])
        lost = tracked.candidate(Candidate("svm", {}, "timed_out", 9.0, {}, "ended by the time limit"))
        tracked.register(trained(bundle, tracked.run_id), {"rmse_val": 2.0})
    run = registry.client.get_run(tracked.run_id)
    assert (
        registry.client.get_experiment(run.info.experiment_id).name == experiment_name("pump") == "pump_model"
    )
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert (run.data.tags["promoted"], run.data.tags["data_start"]) == ("false", "2026-01-01")
    assert run.data.params == {"model_type": "efficiency", "training_days": "30", "nested": '{"b": true}'}
    assert run.data.metrics == {"rmse_val": 2.0}
    nested = registry.client.get_run(child)
    assert nested.data.tags["mlflow.parentRunId"] == tracked.run_id
    assert nested.data.metrics["rmse_train"] == 1.0
    assert nested.data.metrics["r2_score"] == 0.5
    assert "mae_val" not in nested.data.metrics, "MLflow would store NaN as a number"
    assert nested.data.tags["not_finite.mae_val"] == "nan"
    history = registry.client.get_metric_history(child, "train_loss")
    assert 100 <= len(history) <= 201
    assert max(point.step for point in history) == 1_000
    assert nested.data.params["fit_intercept"] == "true"
    assert nested.info.status == "FINISHED"
    assert registry.client.get_run(lost).info.status == "KILLED"


@pytest.mark.slow
def test_a_registered_model_loads_in_a_fresh_process(
    registry: Registry, bundle: Path, tmp_path: Path
) -> None:
    with registry.training("fresh") as tracked:
        tracked.register(trained(bundle, tracked.run_id, model="fresh"), {})
    assert registry.mirror("fresh", champion_state(1), [Version(1, "champion")]) > 0
    (tmp_path / "fake_loader.py").write_text(
        "from types import SimpleNamespace\n"
        "from mlops_assets import training\n"
        "from mlops_assets.artifacts import FeatureMatrix\n"
        "def open_bundle(path):\n"
        "    model = training.load_bundle(path, expected_manifest_sha256=None).algorithm\n"
        "    return SimpleNamespace(predict=lambda f: model.predict(FeatureMatrix(tuple(f.columns), f.to_numpy())))\n"
    )
    code = (
        "import sys, mlflow, pandas; mlflow.set_tracking_uri(sys.argv[1])\n"
        "m = mlflow.pyfunc.load_model('models:/fresh@champion')\n"
        "print(list(m.predict(pandas.DataFrame({'a': [1.0, 2.0], 'b': [2.0, 3.0]})).round(6)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, registry.tracking_uri],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            "PYTHONPATH": f"{tmp_path}:{Path(training.__file__).parents[2]}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2.0" in done.stdout
    assert "4.0" in done.stdout


def test_the_mirror_follows_the_ledger_and_repeats_without_writing(registry: Registry, bundle: Path) -> None:
    for number in (1, 2):
        with registry.training("mirrored") as tracked:
            tracked.register(trained(bundle, tracked.run_id, number, "mirrored"), {})
    client = registry.client
    both = [Version(1, "champion"), Version(2, "challenger")]
    assert registry.mirror("mirrored", champion_state(1), both) > 0
    assert registry.mirror("mirrored", champion_state(1), both) == 0
    assert client.get_model_version_by_alias("mirrored", "champion").tags["mlops.version"] == "1"
    both = [Version(1, "archived"), Version(2, "champion"), Version(3, "challenger")]
    registry.mirror("mirrored", champion_state(2), both)
    second = client.get_model_version_by_alias("mirrored", "champion")
    assert (second.tags["mlops.version"], second.tags["promoted"]) == ("2", "true")
    first = client.get_model_version("mirrored", "1")
    assert (first.tags["status"], first.tags["promoted"]) == ("archived", "false")
    assert client.get_run(first.run_id).data.tags["promoted"] == "false"
    registry.mirror("mirrored", champion_state(None), both)
    assert client.get_registered_model("mirrored").aliases == {}
    assert registry.mirror("never_registered", champion_state(1), both) == 0


def test_registering_twice_makes_one_version(registry: Registry, bundle: Path) -> None:
    with registry.training("twice") as tracked:
        model = trained(bundle, tracked.run_id, model="twice")
        assert tracked.register(model, {}) == tracked.register(model, {})


@pytest.mark.parametrize("error, status", [(ValueError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_no_run_stays_running_when_training_breaks(
    registry: Registry, error: BaseException, status: str
) -> None:
    runs = []

    def train() -> None:
        with registry.training("broken") as tracked:
            runs.append(tracked.run_id)
            raise error

    with pytest.raises(type(error)):
        train()
    assert registry.client.get_run(runs[0]).info.status == status


@pytest.mark.slow
def test_runs_of_killed_processes_are_reaped(registry: Registry) -> None:
    code = (
        "import sys, os, signal; from mlops_assets.registry import Registry\n"
        "r = Registry(sys.argv[1], sys.argv[2], sys.argv[1])\n"
        "with r.training('reaped') as t:\n"
        "    print(t.run_id, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, registry.tracking_uri, registry.artifact_root],
        capture_output=True,
        text=True,
        check=False,
    )
    lost = done.stdout.strip()
    assert registry.client.get_run(lost).info.status == "RUNNING"
    soon = datetime.now(UTC)
    with registry.training("reaped") as alive:
        assert lost in registry.reap(soon, timedelta(hours=1))
        assert registry.client.get_run(alive.run_id).info.status == "RUNNING"
        assert alive.run_id not in registry.reap(soon, timedelta(hours=1))
    assert registry.client.get_run(lost).info.status == "FAILED"
    foreign = registry.client.create_run(registry.experiment("reaped")).info.run_id
    assert registry.reap(soon, timedelta(hours=1)) == ()
    assert foreign in registry.reap(soon + timedelta(hours=2), timedelta(hours=1))


def test_a_training_of_several_processes_is_nobodys_until_one_ends_it(registry: Registry) -> None:
    begun = registry.begin("steps")
    with registry.ending(begun, finish=False):
        begun.describe({"seed": 1}, {})
    assert begun.run_id not in registry.reap(datetime.now(UTC), timedelta(days=1))
    ridge = Candidate("ridge", {}, "trained", 0.5, {})
    again = registry.reopen("steps", begun.run_id)
    first = again.candidate(ridge, task="ridge")
    assert again.candidate(ridge, task="ridge") == first, "a step that is repeated"
    assert again.candidate(ridge, task="ridge_2") != first
    assert registry.client.get_run(begun.run_id).info.status == "RUNNING"
    with pytest.raises(RuntimeError, match="no candidate"), registry.ending(again):
        raise RuntimeError("no candidate")
    assert registry.client.get_run(begun.run_id).info.status == "FAILED"
    with registry.ending(again):
        pass
    assert registry.client.get_run(begun.run_id).info.status == "FINISHED"


def test_runs_of_a_finished_dagster_run_are_closed(registry: Registry) -> None:
    experiment = registry.experiment("closing")
    create = registry.client.create_run
    parent = create(experiment, tags={"dagster_run_id": "d-42"}).info.run_id
    child = create(experiment, tags={"mlflow.parentRunId": parent}).info.run_id
    assert registry.close_parents("d-42", "FINISHED") == 2
    assert registry.close_parents("d-42", "FINISHED") == 0
    assert registry.client.get_run(parent).info.status == "FINISHED"
    assert registry.client.get_run(child).info.status == "FAILED"


def test_an_address_without_a_server_is_an_error_that_hides_the_password() -> None:
    begun = time.monotonic()
    lost = Registry("postgresql+psycopg2://me:secret@127.0.0.1:1/none", "unused", LOADER)
    with pytest.raises(ServiceError) as caught:
        lost.experiment("pump")
    assert "secret" not in str(caught.value)
    assert time.monotonic() - begun < 30, "MLflow's own patience is 100 seconds"
    assert without_secret("a://u:p@h/d and b://x@y") == "a://h/d and b://y"


@pytest.mark.slow
def test_the_same_on_postgresql(postgres_url: str, bundle: Path, tmp_path: Path) -> None:
    registry = Registry(postgres_url, str(tmp_path / "artifacts"), LOADER)
    with registry.training("pump") as tracked:
        tracked.register(trained(bundle, tracked.run_id), {"rmse_val": 1.0})
    assert registry.mirror("pump", champion_state(1), [Version(1, "champion")]) > 0
    assert registry.client.get_run(tracked.run_id).data.metrics == {"rmse_val": 1.0}
    assert (
        tmp_path / "artifacts" / "pump_model" / tracked.run_id / "artifacts" / "model" / "MLmodel"
    ).is_file()


def test_the_loader_that_the_platform_hands_in_is_there() -> None:
    module, _, function = BUNDLE_LOADER.partition(":")
    assert callable(getattr(import_module(module), function))


def test_a_server_that_is_down_is_noticed_before_mlflow_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from types import SimpleNamespace\n"
        "from mlops_assets.errors import ServiceError\n"
        "from mlops_assets.registry import Registry\n"
        "try:\n"
        f"    registry = Registry('http://me:secret@127.0.0.1:9', {str(tmp_path)!r}, 'unused')\n"
        "    registry.mirror('pump', SimpleNamespace(champion=None), ())\n"
        "except ServiceError as error:\n"
        "    print(error, 'mlflow' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "MLflow at http://127.0.0.1:9 does not respond False"
