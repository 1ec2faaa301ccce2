"""Every algorithm that is installed: `training.fit_all` beside the bare library call, and what explaining it costs.

    python -m benchmarks.training [--rows 2000 100000] [--seconds 15] [--only NAME ...]

Ours is what a run does: rows are written for a process that can be ended, it fits there, stores its files, and
they are read back and checked. The process is warm: its imports are paid once per library and run. Bare is the library
alone in this process, on the same matrix of 20 columns with the same parameters, one thread each; it stores nothing.
Pairs take turns for about `--seconds` per algorithm (three pairs at least, one where a fit takes longer than that), and
the median of the ratios within pairs counts. CPU time is that of this process and of its children. SHAP is the time of
explaining the fitted model on 500 rows, within the time that a run would give it, as a share of our fit.

Left out: `python` and `seasonal_naive`, which are no library's, and the networks, whose training loop is ours.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
import psutil
from numpy.typing import NDArray

from benchmarks.lifecycle import machine
from benchmarks.training_peers import PEERS, Floats, Peer, Rows, table
from mlops_assets import evaluation, training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.lifecycle.stages.shap_budget import seconds_for_shap
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.training import AlgorithmChoice
from mlops_assets.training.algorithms.base.sklearn import limit_threads


def model_file(peer: Peer) -> ModelSpec:
    """Just enough of a model file to fit one algorithm."""
    body = {
        "name": "bench",
        "description": "benchmark",
        "owners": ["team:benchmarks"],
        "problem": peer.problem,
        "target": "y",
        "timestamp": "at",
        "source": {"kind": "simulated", "simulator": "cloud_workload"},
        "training": {"algorithms": [{"name": "ridge" if peer.problem != "classification" else "logistic"}]},
        "evaluation": {"primary": "accuracy" if peer.problem == "classification" else "rmse"},
    }
    if peer.problem == "forecasting":
        body["features"] = {"horizon": "1d"}
    return ModelSpec.model_validate(body, strict=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """Wall and CPU seconds."""

    wall: float
    cpu: float


def timed(work: Callable[[], Any]) -> tuple[Taken, Any]:
    """What `work` took, in this process and in those it has, and its answer."""
    gc.collect()
    wall, cpu = time.perf_counter(), _cpu()
    response = work()
    return Taken(time.perf_counter() - wall, _cpu() - cpu), response


def _cpu() -> float:
    this = psutil.Process()
    spent = time.process_time()
    for child in this.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            spent += times.user + times.system
    return spent


@dataclass(frozen=True)
class Fitted:
    """A fitted algorithm where a run has a whole bundle: the features are the matrix."""

    estimator: Any
    algorithm: str = "bench"

    @property
    def classes(self) -> tuple[str, ...]:
        result: tuple[str, ...] = self.estimator.classes
        return result

    @property
    def feature_names(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self.estimator.feature_names
        return names

    def matrix(self, features: pl.DataFrame) -> FeatureMatrix:
        return FeatureMatrix(self.feature_names, features.select(self.feature_names).to_numpy())

    def predict(self, features: pl.DataFrame) -> NDArray[Any]:
        response: NDArray[Any] = self.estimator.predict(self.matrix(features))
        return response

    def probabilities(self, features: pl.DataFrame) -> Floats | None:
        return self.estimator.predict_proba(self.matrix(features)) if self.classes else None


def measure(name: str, peer: Peer, rows: Rows, seconds: float) -> str:
    """One line of the table."""
    algorithm = name.split()[0]
    spec = model_file(peer)
    choice = AlgorithmChoice.model_validate({"name": algorithm, "params": peer.params}, strict=False)

    def ours() -> training.Fitted:
        [fitted] = training.fit_all(
            spec,
            training.FitRows(rows.train, rows.y, rows.validation, rows.y_validation),
            choices=(choice,),
            deadline_seconds=600,
            cores=1,
        )
        if fitted.model is None:
            raise RuntimeError(f"{name}: {fitted.status}: {fitted.message}")
        return fitted

    def bare() -> Any:
        with limit_threads(1), quiet():
            return peer.bare(rows)

    (first, _), (_, fitted) = timed(bare), timed(ours)  # imports, and the process that keeps them
    pairs: list[tuple[Taken, Taken]] = []
    rounds = max(1 if first.wall > seconds else 3, min(15, int(seconds / (2 * first.wall))))
    for turn in range(rounds):
        if turn % 2:
            one, (two, fitted) = timed(bare)[0], timed(ours)
        else:
            (two, fitted), one = timed(ours), timed(bare)[0]
        pairs.append((two, one))
    walls = [a.wall / b.wall for a, b in pairs]
    cpus = [a.cpu / b.cpu for a, b in pairs if b.cpu > 0.05]
    spent = min(a.wall for a, _ in pairs)
    more = statistics.median(a.wall - b.wall for a, b in pairs)
    format_error, taken = explain(spec, fitted.model, rows, spent)
    cpu = f"{statistics.median(cpus):.2f}" if cpus else "-"
    size, wall = f"{len(rows.y):,} x {len(rows.train.names)}", f"{statistics.median(walls):.2f}"
    return (
        f"| {name} | {size} | {wall} | {cpu} | {1000 * more:+.0f} ms "
        f"| {spent:.2f} s | {taken.wall / spent:.2f} | {format_error} |"
    )


def explain(spec: ModelSpec, model: Any, rows: Rows, fit_seconds: float) -> tuple[str, Taken]:
    """How many rows are explained, and what it takes, in the time that a fit of so many seconds gives."""
    frames = [
        pl.DataFrame(dict(zip(part.names, part.values.T, strict=True)))
        for part in (rows.train, rows.validation)
    ]

    def work() -> evaluation.ShapValues:
        end = time.monotonic() + seconds_for_shap(fit_seconds)
        return evaluation.explain(spec, Fitted(model), frames[0], frames[1], lambda: end - time.monotonic())

    with quiet():
        taken, result = timed(work)
    return f"{len(result.values)} rows, {result.method.split(',')[0]}", taken


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Libraries warn of convergence and tell of every fit; neither is measured here."""
    logging.getLogger("cmdstanpy").setLevel(logging.WARNING)
    logging.getLogger("prophet").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def main() -> None:
    """Print a Markdown table."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 100_000])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    chosen = parser.parse_args()
    print(machine() + "\n")
    print(
        "| algorithm | rows x columns | wall, ours / bare | CPU | more | our fit | SHAP / fit | explained |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in chosen.only:
        peer, algorithm = PEERS[name], training.ALGORITHMS[name.split()[0]]
        if algorithm.missing() is not None:
            print(f"| {name} | not installed | | | | | | |")
            continue
        for count in sorted({min(rows, peer.most_rows) for rows in chosen.rows}):
            print(measure(name, peer, table(count, peer.problem), chosen.seconds), flush=True)


if __name__ == "__main__":
    main()
