"""Candidates of one training: each sees what its kind of algorithm reads, and a search adds its finds."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets import features, training
from mlops_assets.artifacts import Candidate, Split
from mlops_assets.errors import TrainingError
from mlops_assets.lifecycle.platform import Run
from mlops_assets.lifecycle.stages.candidates import (
    Study,
    Trained,
    best_index,
    best_of,
    fit_candidates,
    tasks_of,
)
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.consistency import inconsistencies
from mlops_assets.model_file.split import SplitSpec
from mlops_assets.simulators.ad_sales import ad_sales

END = datetime(2025, 6, 1, tzinfo=UTC)
SEARCH: dict[str, Any] = {
    "trials": 3,
    "spaces": {"ridge": {"alpha": {"low": 0.1, "high": 100.0, "log": True}}},
}


def model(**training: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "sales",
            "description": "sales a week ahead",
            "owners": ["a@example.com"],
            "problem": "forecasting",
            "target": "sales",
            "timestamp": "date",
            "source": {"kind": "simulated", "simulator": "ad_sales"},
            "features": {
                "horizon": "7d",
                "lags": {"columns": ["sales"], "steps": [1, 7]},
                "history": {"every": "1d", "steps": 28},
                "scaling": "standard",
            },
            "training": {"algorithms": ["ridge", "seasonal_naive"], **training},
            "evaluation": {"primary": "wape"},
        },
        strict=False,
    )


def parts(spec: ModelSpec) -> Split:
    return features.split(spec, features.build(spec, ad_sales(END - timedelta(days=400), END)))


def run(sentences: list[str]) -> Run:
    return Run("r", END, lambda: END, "somebody", "0" * 40, sentences.append)


def test_algorithms_that_read_the_past_keep_a_preparation_of_their_own() -> None:
    spec = model()
    split = parts(spec)
    fits = fit_candidates(spec, split, features.fit_preparation(spec, split.train), time.monotonic(), run([]))
    ridge, naive = (one for one in fits if isinstance(one, Trained))
    assert not any("@" in name for name in ridge.predictor.estimator.feature_names)
    assert naive.predictor.estimator.feature_names[-2:] == ("sales@-27", "@time")
    assert naive.predictor.predict(split.test).tolist() == split.test["sales@0"].to_list(), "7 days before"
    assert best_of(spec, fits) is ridge


@pytest.mark.parametrize("method", ["k_fold", "expanding", "sliding"])
def test_cross_validation_ranks_candidates_by_the_mean_over_folds(method: str) -> None:
    folds_of_three = SplitSpec.model_validate({"cross_validation": {"method": method, "folds": 3}})
    spec = model().model_copy(update={"split": folds_of_three})
    split, sentences = parts(spec), list[str]()
    preparation = features.fit_preparation(spec, split.train)
    fits = fit_candidates(spec, split, preparation, time.monotonic(), run(sentences))
    ridge, naive = (one for one in fits if isinstance(one, Trained))
    rows = pl.concat([split.train, split.validation])
    by_hand = []
    for fold in features.folds_of(spec, rows):
        actual, week_before = rows[fold.validation].select("sales", "sales@0").to_numpy().T
        by_hand.append(float(np.abs(actual - week_before).sum() / actual.sum()))
    assert len(by_hand) == 3
    means = [
        one.candidate.cross_validation["wape"] for one in (ridge, naive) if one.candidate.cross_validation
    ]
    assert means[1] == pytest.approx(np.mean(by_hand), rel=1e-9)
    assert best_of(spec, fits) is fits[int(np.argmin(means))]
    assert sum("over the folds" in sentence for sentence in sentences) == 2
    worse = replace(
        ridge.candidate, cross_validation={"wape": 9.0}
    )  # the one validation part no longer ranks
    assert best_index(spec, [worse, naive.candidate]) == 1
    unmeasured = replace(ridge.candidate, cross_validation=None)
    assert best_index(spec, [unmeasured, naive.candidate]) == 1


def test_what_is_not_installed_is_left_out_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.ALGORITHMS["lstm"].parameters, "modules", ("nobody_has_this",))
    monkeypatch.setattr(training.ALGORITHMS["xgboost"].parameters, "modules", ("nobody_has_this",))
    spec, sentences = model(algorithms=["xgboost", "ridge", "lstm"]), list[str]()
    split = parts(spec)
    preparation = features.fit_preparation(spec, split.train)
    fits = fit_candidates(spec, split, preparation, time.monotonic(), run(sentences))
    assert [one.status if isinstance(one, Candidate) else "trained" for one in fits] == [
        "failed",
        "trained",
        "failed",
    ]
    assert [line.partition(" on ")[0] for line in sentences[:2]] == [
        "left out, not installed: xgboost, lstm; pip install 'mlops-assets[boosting,deep]'",
        "training ridge",
    ]
    assert not any("failed" in line for line in sentences), "not an alarm"
    assert best_of(spec, fits) is fits[1]
    with pytest.raises(TrainingError, match=r"xgboost failed: .*boosting.*; lstm failed: .*deep"):
        best_of(spec, [fits[0], fits[2]])


def test_every_candidate_has_a_name_of_its_own() -> None:
    spec = model(algorithms=["ridge", {"ridge": {"alpha": 3}}, "seasonal_naive"])
    assert [task.name for task in tasks_of(spec)] == ["ridge", "ridge_2", "seasonal_naive"]
    assert [task.name for task in tasks_of(model(search=SEARCH))] == [
        "ridge",
        "seasonal_naive",
        "ridge_search",
    ]


@pytest.mark.skipif(find_spec("optuna") is None, reason="extra search")
def test_a_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    spec = model(search=SEARCH)
    split, study = parts(spec), Study(tmp_path / "journal", "one")
    preparation = features.fit_preparation(spec, split.train)
    for trials, journal in ((3, study), (0, study), (3, Study(tmp_path / "journal", "other data"))):
        sentences: list[str] = []
        fits = fit_candidates(spec, split, preparation, time.monotonic(), run(sentences), journal)
        assert sum(line.startswith("search: ridge (alpha=") for line in sentences) == trials
        assert isinstance(fits[-1], Trained)
        assert set(fits[-1].candidate.params) == {"alpha"}


def test_searching_for_what_is_fixed_is_a_contradiction() -> None:
    spec = model(search=SEARCH, algorithms=[{"ridge": {"alpha": 3}}])
    assert [sentence for _, sentence in inconsistencies(spec)] == [
        "is set to 3 under 'algorithms', so that there is nothing to search for"
    ]


def test_every_candidate_learns_the_logarithm_that_the_model_file_asks_for() -> None:
    spec = model(target_transform="log1p", algorithms=["ridge", {"lightgbm": {"n_estimators": 5}}])
    split = parts(spec)
    fits = fit_candidates(spec, split, features.fit_preparation(spec, split.train), time.monotonic(), run([]))
    trained = [one for one in fits if isinstance(one, Trained)]
    assert [one.predictor.estimator.target_transform for one in trained] == ["log1p", "log1p"]
    assert all(200 < one.predictor.predict(split.test).mean() < 2_000 for one in trained)
