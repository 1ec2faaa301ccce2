"""A forest of independent trees."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from mlops_assets.model_file.algorithms.scikit_learn import RandomForestParameters
from mlops_assets.training.algorithms.base.algorithm import FitData
from mlops_assets.training.algorithms.base.sklearn import ScikitAlgorithm
from mlops_assets.training.algorithms.base.tree_rows import RowFunction, forest_rows


class RandomForest(ScikitAlgorithm):
    """scikit-learn's RandomForestRegressor or RandomForestClassifier."""

    parameters = RandomForestParameters
    explain: ClassVar[Literal["tree", "linear", "other"]] = "tree"
    trusted: tuple[str, ...] = ("sklearn.tree._tree.Tree",)
    handles_missing: ClassVar[bool] = True
    supports_threads: ClassVar[bool] = True

    def _estimator_for(self, data: FitData) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        kind = RandomForestClassifier if self.classes else RandomForestRegressor
        return kind(**{"random_state": data.seed, **self.params, "n_jobs": data.threads})

    def _fit(self, data: FitData) -> None:
        super()._fit(data)
        # The number of threads is a matter of this machine, not of the model: stored files stay equal.
        self._estimator.set_params(n_jobs=None)

    def few_rows(self) -> RowFunction | None:
        """Return the forest's decisions in LightGBM's predictor for single rows; scikit-learn needs milliseconds."""
        return forest_rows(self._estimator, len(self.classes))
