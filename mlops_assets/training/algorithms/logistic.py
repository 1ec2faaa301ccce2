"""Logistic regression on standardized columns, for two classes or more."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from mlops_assets.model_file.algorithms.scikit_learn import LogisticParameters
from mlops_assets.training.algorithms.base.algorithm import FitData, Floats
from mlops_assets.training.algorithms.base.scaling import in_original_units, standardized
from mlops_assets.training.algorithms.base.sklearn import ScikitAlgorithm


class Logistic(ScikitAlgorithm):
    """scikit-learn's LogisticRegression behind a StandardScaler."""

    parameters = LogisticParameters
    explain: ClassVar[Literal["tree", "linear", "other"]] = "linear"

    def _estimator_for(self, data: FitData) -> Any:
        from sklearn.linear_model import LogisticRegression

        return standardized(
            LogisticRegression(**{"max_iter": 1000, "random_state": data.seed, **self.params})
        )

    def coefficients(self) -> tuple[Floats, Floats]:
        """Return weights and intercepts of the log-odds: one output for two classes, one per class for more."""
        return in_original_units(self.native)
