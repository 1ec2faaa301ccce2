"""Logistic regression on standardized columns, for two classes or more."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any, ClassVar, Literal

from mlops_assets.model_file.algorithms.scikit_learn import LogisticParameters
from mlops_assets.training.algorithms.base.algorithm import FitData, Floats
from mlops_assets.training.algorithms.base.scaling import in_original_units, standardized
from mlops_assets.training.algorithms.base.sklearn import ScikitAlgorithm, limit_threads


class Logistic(ScikitAlgorithm):
    """scikit-learn's LogisticRegression behind a StandardScaler."""

    parameters = LogisticParameters
    explain: ClassVar[Literal["tree", "linear", "other"]] = "linear"

    def _estimator_for(self, data: FitData) -> Any:
        return self._with({}, data)

    def _with(self, defaults: dict[str, Any], data: FitData) -> Any:
        from sklearn.linear_model import LogisticRegression

        known = {"max_iter": 1000, "random_state": data.seed, **defaults}
        return standardized(LogisticRegression(**{**known, **self.params}))

    def _fit(self, data: FitData) -> None:
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            with contextlib.suppress(ConvergenceWarning):
                super()._fit(data)
                return
        # The line search of L-BFGS can fail on the last digits of one processor's arithmetic. Newton's method has none.
        free = "solver" not in self.params and "l1_ratio" not in self.params
        estimator = self._with({"solver": "newton-cholesky"} if free else {}, data)
        with limit_threads(data.threads):
            estimator.fit(data.train, data.target)
        self._estimator = estimator

    def coefficients(self) -> tuple[Floats, Floats]:
        """Return weights and intercepts of the log-odds: one output for two classes, one per class for more."""
        return in_original_units(self.native)
