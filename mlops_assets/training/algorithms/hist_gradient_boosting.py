"""scikit-learn's boosting over histograms; gaps in columns are allowed."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from mlops_assets.model_file.algorithms.scikit_learn import HistGradientBoostingParameters
from mlops_assets.training.algorithms.base.algorithm import FitData
from mlops_assets.training.algorithms.base.losses import named_loss
from mlops_assets.training.algorithms.base.sklearn import ScikitAlgorithm, limit_threads

_BOOSTING: Final = "sklearn.ensemble._hist_gradient_boosting"

NUMBER_LOSSES: Final = {
    "squared": "squared_error",
    "absolute": "absolute_error",
    "quantile": "quantile",
    "poisson": "poisson",
    "gamma": "gamma",
}


class HistGradientBoosting(ScikitAlgorithm):
    """HistGradientBoostingRegressor or -Classifier. It stops early on the validation part, when there is one."""

    parameters = HistGradientBoostingParameters
    explain: ClassVar[Literal["tree", "linear", "other"]] = "tree"
    handles_missing: ClassVar[bool] = True
    supports_threads: ClassVar[bool] = True
    trusted: tuple[str, ...] = (f"{_BOOSTING}.predictor.TreePredictor",)

    def _estimator_for(self, data: FitData) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingClassifier if self.classes else HistGradientBoostingRegressor
        watch = data.validation is not None
        # Without a validation part of its own scikit-learn would draw one at random, which peeks into the future.
        loss = self._loss()
        median = {"quantile": 0.5} if loss == "quantile" else {}
        known = {"random_state": data.seed, "early_stopping": watch, **median}
        return kind(**{**known, **self.params, "loss": loss})

    def fixed_params(self) -> dict[str, Any]:
        """Return the parameters with as many trees as the validation part chose, and no early stopping."""
        return {**self.params, "max_iter": int(self._estimator.n_iter_), "early_stopping": False}

    def _loss(self) -> str:
        known = {"cross_entropy": "log_loss"} if self.classes else NUMBER_LOSSES
        return named_loss(
            self.name, self.params.get("loss"), known, "cross_entropy" if self.classes else "squared"
        )

    def _fit(self, data: FitData) -> None:
        estimator = self._estimator_for(data)
        watched = {}
        if data.validation is not None and estimator.early_stopping:
            watched = {"X_val": data.validation, "y_val": data.validation_target}
        with limit_threads(data.threads):
            estimator.fit(data.train, data.target, **watched)
        # The number of threads is a matter of this machine, not of the model: stored files stay equal.
        estimator._bin_mapper.n_threads = 1
        self._estimator = estimator
