"""What is not installed is left out and named; what is wrong in the model file ends the training before it begins."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import MissingExtraError, TrainingError
from mlops_assets.model_file.features import FeaturesSpec
from mlops_assets.model_file.resources import ResourcesSpec
from mlops_assets.model_file.training import AlgorithmChoice, SearchSpec, TrainingSpec


def spec(*choices: AlgorithmChoice, search: SearchSpec | None = None, problem: str = "regression") -> Any:
    section = TrainingSpec(algorithms=choices, search=search)
    return SimpleNamespace(
        problem=problem, training=section, features=FeaturesSpec(), resources=ResourcesSpec()
    )


def named(*names: str) -> tuple[AlgorithmChoice, ...]:
    return tuple(AlgorithmChoice(name=name) for name in names)


@pytest.fixture
def nothing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without any extra."""
    absent = {"xgboost", "catboost", "torch", "statsmodels", "prophet", "optuna"}
    for name in absent:
        monkeypatch.delitem(sys.modules, name, raising=False)
    from importlib.util import find_spec

    def finding(name: str) -> Any:
        return None if name in absent else find_spec(name)

    for home in ("model_file.algorithms.parameters", "training.fitting.preflight"):
        monkeypatch.setattr(f"mlops_assets.{home}.find_spec", finding)


@pytest.mark.usefixtures("nothing_extra")
def test_an_algorithm_that_is_not_installed_fails_alone() -> None:
    rows = FeatureMatrix(("a",), np.arange(20, dtype=np.float64)[:, None])
    absent, ridge = training.fit_all(
        spec(*named("xgboost", "ridge")),
        training.FitRows(rows, rows.values[:, 0], rows, rows.values[:, 0]),
        deadline_seconds=60,
    )
    assert (absent.status, ridge.status) == ("failed", "trained")
    assert "pip install 'mlops-assets[boosting]'" in absent.message
    assert absent.model is None


@pytest.mark.usefixtures("nothing_extra")
def test_what_is_left_out_is_told_in_one_line() -> None:
    absent = training.missing_libraries(["ridge", "xgboost", "lstm", "catboost"])
    assert training.format_missing(absent) == (
        "left out, not installed: xgboost, lstm, catboost; pip install 'mlops-assets[boosting,deep]'"
    )
    training.check(spec(*named("ridge", "xgboost")))


@pytest.mark.usefixtures("nothing_extra")
def test_a_search_without_optuna_is_found_out_before_anything_is_fitted() -> None:
    search = SearchSpec.model_validate({"spaces": {"ridge": {"alpha": {"low": 0.1, "high": 1.0}}}})
    with pytest.raises(MissingExtraError, match=r"mlops-assets\[search\]"):
        training.check(spec(*named("ridge"), search=search))


def test_what_an_algorithm_does_not_have_is_found_out_before_anything_is_fitted() -> None:
    with pytest.raises(TrainingError, match="does not solve regression"):
        training.check(spec(*named("ridge", "logistic")))
