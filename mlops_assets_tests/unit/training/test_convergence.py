"""Fits converge with margin: what counts is the likelihood, not an optimizer's word on one processor's arithmetic."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.training.algorithms.base.state_space import RESTARTS
from mlops_assets.training.algorithms.logistic import Logistic
from mlops_assets.training.algorithms.sarimax import Sarimax


@dataclass
class Result:
    llf: float
    params: Any
    mle_retvals: dict[str, bool]


@dataclass
class Model:
    """A model whose optimizer never reports convergence; each run reaches the next of the log-likelihoods."""

    likelihoods: list[float]
    converges: bool = False
    starts: list[Any] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)

    def fit(self, start_params: Any = None, method: str = "lbfgs", **_: Any) -> Result:
        self.starts.append(start_params)
        self.methods.append(method)
        llf = self.likelihoods[len(self.methods) - 1]
        return Result(llf, np.array([llf]), {"converged": self.converges})


def maximize(model: Model) -> Result:
    pytest.importorskip("statsmodels")
    result: Result = Sarimax("forecasting")._maximize(model)
    return result


def test_a_reported_convergence_is_accepted() -> None:
    model = Model([5.0], converges=True)
    assert maximize(model).llf == 5.0
    assert model.methods == ["lbfgs"]


def test_a_failed_line_search_at_the_maximum_is_accepted_when_nothing_better_is_found() -> None:
    """As on processors whose last digits end the line search of L-BFGS: no warning, and the better of both results."""
    model = Model([5.0, 5.003])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert maximize(model).llf == 5.003
    assert model.methods == ["lbfgs", "powell"]
    assert model.starts[1] == np.array([5.0])


def test_an_early_end_is_continued_by_another_optimizer() -> None:
    model = Model([5.0, 7.0, 7.5, 7.501])
    assert maximize(model).llf == 7.501
    assert model.methods == ["lbfgs", "powell", "lbfgs", "powell"]


def test_a_likelihood_that_keeps_rising_is_reported() -> None:
    model = Model([float(number) for number in range(1 + len(RESTARTS))])
    with pytest.warns(
        UserWarning, match="sarimax: the parameters did not converge after 5 runs of 200 steps"
    ):
        assert maximize(model).llf == len(RESTARTS)


def test_a_likelihood_that_is_not_a_number_never_reads_as_converged() -> None:
    model = Model([float("nan")] * (1 + len(RESTARTS)))
    with pytest.warns(UserWarning, match="did not converge"):
        maximize(model)


def classes() -> tuple[FeatureMatrix, Any]:
    values = np.random.default_rng(0).normal(size=(400, 3))
    noise = np.random.default_rng(1).normal(size=400)
    return FeatureMatrix(("a", "b", "c"), values), np.where(
        values @ [3.0, -2.0, 1.0] + noise > 0, "yes", "no"
    )


def test_a_logistic_regression_that_stops_early_is_fitted_by_a_second_optimizer() -> None:
    matrix, labels = classes()
    few = Logistic("classification", {"max_iter": 6}).fit(matrix, labels)
    many = Logistic("classification").fit(matrix, labels)
    np.testing.assert_allclose(few.predict_proba(matrix), many.predict_proba(matrix), atol=1e-3)
    assert few.native.named_steps["model"].solver == "newton-cholesky"


def test_a_solver_of_the_model_file_stays_and_its_warning_is_reported() -> None:
    from sklearn.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning):
        Logistic("classification", {"max_iter": 2, "solver": "lbfgs"}).fit(*classes())
