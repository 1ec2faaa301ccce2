"""The cost of logging a model: our tracked run compared with `mlflow.sklearn.log_model`, SQLite and local files.

    python -m benchmarks.tracking [--rounds 3]

Ours writes the bundle (hashes, fsync), logs params, metrics and a candidate's nested run, packs the bundle as a pyfunc
model, stores it and registers a version. The peer logs the same params and metrics and registers the estimator: once as
most people write it, with the requirements inferred, and once with them given. All take turns in one process after a
round that nobody counts; wall and CPU time, of children too, since inferring requirements starts one.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lifecycle import Taken, machine
from mlops_assets import training
from mlops_assets.artifacts import Candidate, FeatureMatrix, TrainedModel
from mlops_assets.registry import Registry

METRICS = {"rmse": 1.0, "mae": 0.8, "r2": 0.9}


def ours(registry: Registry, model: Any, matrix: FeatureMatrix, folder: Path) -> Callable[[int], None]:
    """One training, logged and registered as a lifecycle run does."""

    def log(number: int) -> None:
        bundle = folder / str(number)
        digest = training.save_bundle(
            bundle,
            algorithm=model,
            preparation={},
            spec={},
            profile={},
            sample=matrix,
            data=[],
            code_commit="bench",
            seed=1,
        )
        with registry.training("ours") as tracked:
            tracked.describe({"model_type": "regression", "training_rows": 1_000}, {"spec_digest": "bench"})
            tracked.candidate(Candidate("ridge", {"alpha": 1.0}, "trained", 0.1, {"validation": METRICS}))
            trained = TrainedModel(
                model="ours",
                version=number,
                algorithm="ridge",
                bundle=str(bundle),
                manifest_sha256=digest,
                data=(),
                rows=1_000,
                split_digest="",
                seconds=0.1,
                candidates=(),
                spec_digest="",
                code_commit="bench",
                seed=1,
                as_of=datetime.now(UTC),
                mlflow_run_id=tracked.run_id,
            )
            tracked.register(trained, {f"{name}_val": value for name, value in METRICS.items()})

    return log


def theirs(uri: str, estimator: Any, requirements: list[str] | None) -> Callable[[int], None]:
    """The same by MLflow's own sklearn flavour; requirements None has them inferred."""
    import mlflow

    def log(_number: int) -> None:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        mlflow.set_experiment("theirs")
        with mlflow.start_run():
            mlflow.log_params({"model_type": "regression", "training_rows": 1_000, "alpha": 1.0})
            mlflow.log_metrics(METRICS)
            mlflow.sklearn.log_model(
                estimator, name="model", registered_model_name="theirs", pip_requirements=requirements
            )

    return log


def timed(work: Callable[[int], None], number: int) -> Taken:
    """Wall and CPU seconds, of children that have ended too."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    before, wall = [resource.getrusage(kind) for kind in kinds], time.perf_counter()
    work(number)
    wall, after = time.perf_counter() - wall, [resource.getrusage(kind) for kind in kinds]
    cpu = sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(before, after, strict=True))
    return Taken(wall, cpu)


def main() -> None:
    """Print what each took, and ours as a share of the others."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    values = np.random.default_rng(0).normal(size=(1_000, 20))
    matrix = FeatureMatrix(tuple(f"x{index}" for index in range(20)), values)
    model = training.ALGORITHMS["ridge"]("regression", {"alpha": 1.0}).fit(matrix, values[:, 0] * 2)
    sample = FeatureMatrix(matrix.names, values[:20])
    provided = [f"{name}=={version(name)}" for name in ("scikit-learn", "skops", "numpy")]
    with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        uri = f"sqlite:///{folder}/mlflow.db"
        registry = Registry(uri, str(folder / "artifacts"))
        ways = {
            "ours": ours(registry, model, sample, folder / "bundles"),
            "log_model, requirements inferred": theirs(uri, model.native, None),
            "log_model, requirements given": theirs(uri, model.native, provided),
        }
        print(machine())
        taken: dict[str, list[Taken]] = {method: [] for method in ways}
        for number in range(rounds + 1):
            for method, log in ways.items():
                one = timed(log, number + 1)
                if number:
                    taken[method].append(one)
    for method, result in taken.items():
        wall, cpu = (
            statistics.median(kind) for kind in zip(*((one.wall, one.cpu) for one in result), strict=True)
        )
        line = f"{method:34}{wall:>8.2f} s{cpu:>8.2f} s CPU"
        if method != "ours":
            pairs = list(zip(taken["ours"], result, strict=True))
            walls = statistics.median(a.wall / b.wall for a, b in pairs)
            cpus = statistics.median(a.cpu / b.cpu for a, b in pairs)
            line += f"   ours / this: wall {walls:.2f}, CPU {cpus:.2f}"
        print(line)


if __name__ == "__main__":
    main()
