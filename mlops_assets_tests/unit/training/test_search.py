"""The search for parameters: finds what is better, keeps to its budget, goes on where it was interrupted."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.model_file.features import FeaturesSpec
from mlops_assets.model_file.resources import ResourcesSpec
from mlops_assets.model_file.training import (
    AlgorithmChoice,
    SearchedChoice,
    SearchedRange,
    SearchSpec,
    TrainingSpec,
)
from mlops_assets.training import Algorithm, SearchResult
from mlops_assets_tests.waiting import patience

pytest.importorskip("optuna")
VALUES = np.random.default_rng(0).normal(size=(400, 3))
MATRIX = FeatureMatrix(("a", "b", "c"), VALUES)
TARGET = VALUES[:, 0] * 3
ROWS = training.FitRows(MATRIX, TARGET, MATRIX, TARGET)


def spec(trials: int, spaces: dict[str, Any] | None = None, **fixed: Any) -> Any:
    result = spaces or {"ridge": {"alpha": SearchedRange(low=0.001, high=10_000.0, log=True)}}
    choices = tuple(AlgorithmChoice(name=name, params=fixed) for name in result)
    return SimpleNamespace(
        problem="regression",
        features=FeaturesSpec(),
        resources=ResourcesSpec(),
        training=TrainingSpec(algorithms=choices, search=SearchSpec(trials=trials, spaces=result)),
    )


def rmse(model: Algorithm) -> float:
    return float(np.sqrt(((model.predict(MATRIX) - TARGET) ** 2).mean()))


def run(model_spec: Any, deadline: float = 120.0, **named: Any) -> SearchResult:
    [result] = training.search(model_spec, ROWS, score=rmse, deadline_seconds=deadline, **named)
    return result


def test_it_finds_the_better_parameters_and_repeats() -> None:
    first, second = run(spec(8)), run(spec(8))
    assert len(first.trials) == 8
    assert first.best is not None
    assert first.best.choice.params["alpha"] == min(trial.choice.params["alpha"] for trial in first.trials)  # type: ignore[type-var]
    assert [trial.choice for trial in first.trials] == [trial.choice for trial in second.trials]
    assert [trial.score for trial in first.trials] == [trial.score for trial in second.trials]


def test_what_the_model_file_sets_stays() -> None:
    spaces = {
        "ridge": {
            "alpha": SearchedRange(low=1, high=9),
            "fit_intercept": SearchedChoice(choices=(True, False)),
        }
    }
    result = run(spec(3, spaces, alpha=5))
    assert {trial.choice.params["alpha"] for trial in result.trials} == {5}


def test_an_interrupted_search_goes_on(tmp_path: Path) -> None:
    journal = tmp_path / "search" / "journal.log"
    assert len(run(spec(3), journal=journal, study="s").trials) == 3
    assert len(run(spec(5), journal=journal, study="s").trials) == 2
    again = run(spec(5), journal=journal, study="s")
    assert len(again.trials) == 0
    assert again.best is not None, "the best of earlier runs is fitted again"
    assert len(run(spec(1), journal=journal, study="other data").trials) == 1


def test_it_keeps_to_its_time() -> None:
    begun = time.monotonic()
    result = run(spec(10_000), deadline=4.0)
    assert 0 < len(result.trials) < 10_000
    assert time.monotonic() - begun < patience(15.0)


@pytest.mark.slow
def test_hopeless_trials_are_cut_short() -> None:
    spaces = {
        "lightgbm": {
            "learning_rate": SearchedChoice(choices=(0.1, 1e-6)),
            "early_stopping_rounds": SearchedChoice(choices=(0,)),
        }
    }
    result = run(spec(14, spaces, n_estimators=60))
    assert {trial.status for trial in result.trials} == {"trained", "pruned"}
    assert all(
        trial.choice.params["learning_rate"] == 1e-6 for trial in result.trials if trial.status == "pruned"
    )


def test_failed_trials_are_recorded_and_do_not_end_the_search() -> None:
    result = run(spec(6, {"ridge": {"solver": SearchedChoice(choices=("svd", "lbfgs"))}}))
    assert {trial.status for trial in result.trials} == {"trained", "failed"}
    assert result.best is not None


def test_without_a_search_section_nothing_is_searched() -> None:
    plain = SimpleNamespace(
        problem="regression", training=TrainingSpec(algorithms=(AlgorithmChoice(name="ridge"),))
    )
    model_spec: Any = plain
    assert training.search(model_spec, ROWS, score=rmse, deadline_seconds=1.0) == ()


@pytest.mark.parametrize(
    "body, message",
    [
        ({"ridge": {"alhpa": {"low": 1, "high": 2}}}, "did you mean 'alpha'"),
        ({"rigde": {"alpha": {"low": 1, "high": 2}}}, "did you mean 'ridge'"),
        ({"ridge": {"alpha": {"low": 2, "high": 1}}}, "must be above 'low'"),
        ({"ridge": {"alpha": {"low": 0.0, "high": 1.0, "log": True}}}, "above 0"),
        ({}, "at least 1"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(body: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SearchSpec(spaces=body)
