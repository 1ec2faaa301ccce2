"""Fits in their own processes: they end when they must, fail alone, and leave nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import TrainingError
from mlops_assets.model_file.features import FeaturesSpec
from mlops_assets.model_file.resources import ResourcesSpec
from mlops_assets.model_file.training import AlgorithmChoice, TrainingSpec
from mlops_assets.training import Fitted, Progress
from mlops_assets.training.fitting import fit as fit_module
from mlops_assets.training.fitting import worker_pool
from mlops_assets.training.fitting.cpu_budget import idle_cores, usable_cores
from mlops_assets.training.fitting.overfitting import overfitted
from mlops_assets_tests.waiting import became_true, patience

NAMES = ("a", "b")


def spec(*choices: AlgorithmChoice, problem: str = "regression") -> Any:
    training_spec = TrainingSpec(algorithms=choices, seed=5)
    return SimpleNamespace(
        problem=problem, training=training_spec, features=FeaturesSpec(), resources=ResourcesSpec()
    )


def matrix(rows: int, columns: int = 2, seed: int = 0) -> FeatureMatrix:
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    return FeatureMatrix(tuple(f"c{i}" for i in range(columns)), values)


def fit(
    *choices: AlgorithmChoice, rows: int = 200, deadline: float = 120.0, **named: Any
) -> tuple[Fitted, ...]:
    train = matrix(rows)
    # Noise that has nothing to do with the columns: whoever must fit it exactly is busy for ever.
    y = train.values[:, 0] * 2 if rows < 10_000 else np.random.default_rng(9).normal(size=rows)
    return training.fit_all(
        spec(*choices), training.FitRows(train, y, train, y), deadline_seconds=deadline, **named
    )


def fitting_processes() -> list[psutil.Process]:
    """Other tests may have left children of their own, such as Python's resource tracker."""
    alive = [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    return [
        p for p in alive if any("mlops_assets.training.fitting.worker_main" in word for word in p.cmdline())
    ]


def endless() -> AlgorithmChoice:
    return AlgorithmChoice(name="svm", params={"C": 1e9, "tol": 1e-12, "epsilon": 0.0})


def test_candidates_come_back_in_order_with_their_history() -> None:
    heard = []
    first, boosted = fit(
        AlgorithmChoice(name="hist_gradient_boosting"),
        AlgorithmChoice(name="lightgbm", params={"n_estimators": 5}),
        on_progress=lambda name, progress: heard.append((name, progress.step)),
    )
    assert (first.algorithm, first.status, boosted.algorithm, boosted.status) == (
        "hist_gradient_boosting",
        "trained",
        "lightgbm",
        "trained",
    )
    assert [progress.step for progress in boosted.history] == [1, 2, 3, 4, 5]
    assert set(boosted.history[0].values) == {"train_l2", "validation_l2"}
    assert heard == [("lightgbm", step) for step in range(1, 6)]
    assert first.model is not None
    here = training.ALGORITHMS["hist_gradient_boosting"]("regression").fit(
        matrix(200),
        matrix(200).values[:, 0] * 2,
        validation=matrix(200),
        y_validation=matrix(200).values[:, 0] * 2,
        seed=5,
    )
    assert first.model.dump() == here.dump(), "the process makes no difference"


def test_a_fit_that_never_ends_is_ended() -> None:
    before = time.monotonic()
    [slow] = fit(endless(), rows=20_000, deadline=6.0)
    assert slow.status == "timed_out"
    assert slow.model is None
    assert "time limit" in slow.message
    assert time.monotonic() - before < 6.0 + patience(6.0)
    assert became_true(lambda: not any("svm" in " ".join(p.cmdline()) for p in fitting_processes()))


def test_a_late_candidate_does_not_take_the_others_with_it() -> None:
    quick, slow = fit(AlgorithmChoice(name="ridge"), endless(), rows=20_000, deadline=15.0, cores=2)
    assert (quick.status, slow.status) == ("trained", "timed_out")


def test_no_time_left_is_a_timeout_not_an_error() -> None:
    [late] = fit(AlgorithmChoice(name="ridge"), deadline=0.0)
    assert (late.status, late.model) == ("timed_out", None)


def test_what_a_library_refuses_is_a_failed_candidate_with_its_words() -> None:
    bad, good = fit(AlgorithmChoice(name="ridge", params={"solver": "lbfgs"}), AlgorithmChoice(name="linear"))
    assert (bad.status, good.status) == ("failed", "trained")
    assert "positive" in bad.message


def test_an_unknown_parameter_is_refused_before_anything_is_fitted() -> None:
    with pytest.raises(ValueError, match=r"ridge has no parameter 'alhpa'; did you mean 'alpha'\?"):
        AlgorithmChoice(name="ridge", params={"alhpa": 1})
    with pytest.raises(TrainingError, match="does not solve classification"):
        training.ALGORITHMS["ridge"]("classification")


def test_a_process_that_dies_is_a_failed_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = threading.Event()

    def kill_it() -> None:
        assert became_true(lambda: bool(worker_pool._busy))
        [worker] = worker_pool._busy.values()
        os.kill(worker.process.pid, signal.SIGKILL)
        killed.set()

    thread = threading.Thread(target=kill_it)
    thread.start()
    [dead] = fit(endless(), rows=20_000, deadline=60.0)
    thread.join()
    assert killed.is_set()
    assert dead.status == "failed"
    assert "SIGKILL" in dead.message
    assert "out of memory" in dead.message


def test_workers_are_kept_for_the_next_fit() -> None:
    fit(AlgorithmChoice(name="svm"))
    before = {process.pid for process in fitting_processes()}
    fit(AlgorithmChoice(name="random_forest", params={"n_estimators": 2}))
    assert {process.pid for process in fitting_processes()} == before


@pytest.mark.slow
def test_a_killed_run_leaves_no_fit_behind() -> None:
    code = (
        "from mlops_assets_tests.unit.training import test_fitting as t\n"
        "print('go', flush=True); t.fit(t.endless(), rows=20_000, deadline=300.0)\n"
    )
    root = Path(training.__file__).parents[2]
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root)
    try:
        assert became_true(lambda: bool(psutil.Process(run.pid).children()), 60)
        children = psutil.Process(run.pid).children(recursive=True)
        run.kill()
        run.wait()
        assert became_true(
            lambda: (
                not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
            ),
            30,
        )
    finally:
        run.kill()
        run.wait()
        assert run.stdout is not None
        run.stdout.close()


@pytest.mark.parametrize(("cpu", "threads"), [(None, 8), (3, 3), (0.5, 1), (64, 8)])
def test_a_fit_uses_the_cores_that_its_model_file_allows(
    monkeypatch: pytest.MonkeyPatch, cpu: float | None, threads: int
) -> None:
    chosen, model_spec = [], spec(AlgorithmChoice(name="lightgbm"))
    model_spec.resources = ResourcesSpec(cpu=cpu)

    def fitted(choice: AlgorithmChoice, folder: Path, *_: object) -> Fitted:
        chosen.append(json.loads((folder / "task.json").read_text())["threads"])
        return Fitted(choice, "failed", 0.0, None)

    monkeypatch.setattr(fit_module, "_fitted", fitted)
    rows = matrix(200)
    both = training.FitRows(rows, rows.values[:, 0], rows, rows.values[:, 0])
    training.fit_all(model_spec, both, deadline_seconds=9.0, cores=8)
    assert chosen == [threads]


def test_cores(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("50000 100000\n")
    assert usable_cores(quota) == 1
    quota.write_text("max 100000\n")
    assert usable_cores(quota) == usable_cores(tmp_path / "absent") >= 1
    assert 1 <= idle_cores() <= usable_cores()


def test_prefetching_starts_what_the_next_fit_uses() -> None:
    worker_pool._close_all()
    training.prefetch(spec(AlgorithmChoice(name="svm"), AlgorithmChoice(name="random_forest")))
    training.prefetch(spec(AlgorithmChoice(name="svm")))
    [warmed] = [process.pid for process in fitting_processes()]
    [one] = fit(AlgorithmChoice(name="svm"))
    assert one.status == "trained"
    assert [process.pid for process in fitting_processes()] == [warmed]


def test_prefetching_also_starts_what_verifies_a_model_that_is_fitted_here() -> None:
    worker_pool._close_all()
    training.prefetch(spec(AlgorithmChoice(name="ridge"), AlgorithmChoice(name="linear")))
    assert len(fitting_processes()) == 1


def test_a_closed_form_fit_of_known_cost_needs_no_process() -> None:
    worker_pool._close_all()
    ridge, linear = fit(AlgorithmChoice(name="ridge"), AlgorithmChoice(name="linear"))
    assert (ridge.status, linear.status) == ("trained", "trained")
    assert fitting_processes() == []
    large = training.ALGORITHMS["ridge"]("regression")
    assert not large.runs_inline(1_000_000, 500)
    assert not training.ALGORITHMS["ridge"]("regression", {"solver": "saga"}).runs_inline(100, 2)


@pytest.mark.parametrize(
    "losses, expected",
    [
        ([(3.0, 3.0), (2.0, 2.0), (1.0, 2.5)], True),
        ([(3.0, 3.0), (2.0, 2.0), (1.0, 2.05)], False),
        ([(3.0, 3.0), (2.0, 2.0), (2.5, 2.5)], False),
        ([], None),
    ],
)
def test_overfitting_is_detected(losses: list[tuple[float, float]], expected: bool | None) -> None:
    history = [
        Progress(step, {"train_l2": train, "validation_l2": validation})
        for step, (train, validation) in enumerate(losses)
    ]
    assert overfitted(history) is expected
    assert overfitted([Progress(1, {"validation_l2": 1.0})]) is None
