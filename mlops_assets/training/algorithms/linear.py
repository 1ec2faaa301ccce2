"""Least squares: the plainest model of numbers, and exact."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from mlops_assets.model_file.algorithms.scikit_learn import LinearParameters
from mlops_assets.training.algorithms.base.algorithm import FitData, Floats
from mlops_assets.training.algorithms.base.cost import INLINE_OPERATIONS, operations
from mlops_assets.training.algorithms.base.sklearn import ScikitAlgorithm


class Linear(ScikitAlgorithm):
    """scikit-learn's LinearRegression."""

    parameters = LinearParameters
    explain: ClassVar[Literal["tree", "linear", "other"]] = "linear"

    def _estimator_for(self, _data: FitData) -> Any:
        from sklearn.linear_model import LinearRegression

        return LinearRegression(**self.params)

    @override
    def runs_inline(self, rows: int, columns: int) -> bool:
        """Return whether the solver is closed-form and its known cost small."""
        return not self.params.get("positive") and operations(rows, columns) <= INLINE_OPERATIONS

    def coefficients(self) -> tuple[Floats, Floats]:
        """Return weights (1, features) and intercept (1,)."""
        return np.atleast_2d(self.native.coef_), np.atleast_1d(self.native.intercept_)
