"""Least squares with shrunken weights, on standardized columns so that `alpha` means the same for each."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from typing_extensions import override

from mlops_assets.model_file.algorithms.scikit_learn import RidgeParameters
from mlops_assets.training.algorithms.base.algorithm import FitData, Floats
from mlops_assets.training.algorithms.base.cost import INLINE_OPERATIONS, operations
from mlops_assets.training.algorithms.base.scaling import in_original_units, standardized
from mlops_assets.training.algorithms.base.sklearn import ScikitAlgorithm

DIRECT: Final = ("auto", "svd", "cholesky")


class Ridge(ScikitAlgorithm):
    """scikit-learn's Ridge behind a StandardScaler."""

    parameters = RidgeParameters
    explain: ClassVar[Literal["tree", "linear", "other"]] = "linear"

    def _estimator_for(self, data: FitData) -> Any:
        from sklearn.linear_model import Ridge as Model

        return standardized(Model(**{"random_state": data.seed, **self.params}))

    @override
    def runs_inline(self, rows: int, columns: int) -> bool:
        """Return whether the solver is closed-form and its known cost small."""
        direct = self.params.get("solver", "auto") in DIRECT and not self.params.get("positive")
        return direct and operations(rows, columns) <= INLINE_OPERATIONS

    def coefficients(self) -> tuple[Floats, Floats]:
        """Return weights (1, features) and intercept (1,), in the units of the matrix."""
        return in_original_units(self.native)
