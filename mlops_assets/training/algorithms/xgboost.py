"""XGBoost, stored in its own binary JSON; gaps in columns are allowed."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np

from mlops_assets.model_file.algorithms.boosting import XgBoostParameters
from mlops_assets.training.algorithms.base.algorithm import FitData, Floats, Progress
from mlops_assets.training.algorithms.base.boosting import (
    CUSTOM,
    BoostingAlgorithm,
    class_probabilities,
    custom_objective,
    library_params,
    objective,
)
from mlops_assets.training.algorithms.base.losses import CustomObjective

NUMBER_LOSSES: Final = {
    "squared": "reg:squarederror",
    "absolute": "reg:absoluteerror",
    "huber": CUSTOM,
    "log_cosh": CUSTOM,
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
}


class XgBoost(BoostingAlgorithm):
    """Gradient boosting by xgboost.train with histograms, stopped early on the validation part."""

    parameters = XgBoostParameters
    packages: ClassVar[tuple[str, ...]] = ("xgboost",)
    blocked_imports: ClassVar[tuple[str, ...]] = ("pandas", "sklearn", "matplotlib", "graphviz", "dask")
    model_file: ClassVar[str] = "model.ubj"
    library: ClassVar[str] = "XGBoost"

    def _train(self, data: FitData, params: dict[str, Any], rounds: int, patience: int) -> Any:
        import xgboost

        custom, objective_params = self._objective(params, data.target)
        params = {
            "verbosity": 0,
            "seed": data.seed,
            "nthread": data.threads,
            "tree_method": "hist",
            **objective_params,
            **library_params(params),
        }
        train = xgboost.DMatrix(data.train, data.target, nthread=data.threads)
        parts = [(train, "train")]
        if data.validation is not None:
            parts.append(
                (xgboost.DMatrix(data.validation, data.validation_target, nthread=data.threads), "validation")
            )
        booster = xgboost.train(
            params,
            train,
            rounds,
            evals=parts,
            obj=_objective_function(custom) if custom else None,
            custom_metric=_measure(custom) if custom else None,
            early_stopping_rounds=patience or None,
            callbacks=[_reporter(xgboost, data)],
            verbose_eval=False,
        )
        return booster[: booster.best_iteration + 1] if patience else booster

    def _objective(
        self, params: dict[str, Any], target: Floats
    ) -> tuple[CustomObjective | None, dict[str, Any]]:
        """Our own loss where XGBoost has none that is fit to use, and the name for XGBoost."""
        named, objective_params = objective(
            self.name,
            params,
            len(self.classes),
            NUMBER_LOSSES,
            two="binary:logistic",
            more="multi:softprob",
            share="quantile_alpha",
        )
        if named != CUSTOM:
            return None, objective_params
        custom = custom_objective(self.name, params, target)
        # An objective that hands out the scores as they are: what the stored model then does, too.
        plain = {
            "objective": "reg:squarederror",
            "base_score": custom.start,
            "disable_default_eval_metric": True,
        }
        return custom, {**objective_params, **plain}

    def _predict(self, values: Floats) -> Floats:
        prediction = np.asarray(self._model.inplace_predict(values), dtype=np.float64)
        return class_probabilities(prediction, self.params.get("loss")) if self.classes else prediction

    def _rounds(self) -> int:
        return int(self._model.num_boosted_rounds())

    def _write(self, model: Any) -> bytes:
        return bytes(model.save_raw("ubj"))

    def _read(self, body: bytes) -> Any:
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(body))
        return booster

    def _errors(self) -> tuple[type[Exception], ...]:
        import xgboost

        return (xgboost.core.XGBoostError,)


def _reporter(xgboost: Any, data: FitData) -> Any:
    class Reporter(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # known only once the library is there
        def after_iteration(self, _model: Any, epoch: int, log: Any) -> bool:
            values = {
                f"{part}_{metric}": float(numbers[-1])
                for part, metrics in log.items()
                for metric, numbers in metrics.items()
            }
            data.on_progress(Progress(epoch + 1, values))
            return False

    return Reporter()


def _objective_function(custom: CustomObjective) -> Any:
    def steps(scores: Any, part: Any) -> tuple[Floats, Floats]:
        return custom.steps(
            np.asarray(scores, dtype=np.float64), np.asarray(part.get_label(), dtype=np.float64)
        )

    return steps


def _measure(custom: CustomObjective) -> Any:
    def measure(scores: Any, part: Any) -> tuple[str, float]:
        truth = np.asarray(part.get_label(), dtype=np.float64)
        return custom.name, custom.mean(np.asarray(scores, dtype=np.float64), truth)

    return measure
