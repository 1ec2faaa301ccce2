"""XGBoost, stored in its own binary JSON; gaps in columns are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import numpy as np

from mlops_assets.errors import BundleError
from mlops_assets.training.algorithm import Algorithm, FitData, Floats, Progress
from mlops_assets.training.losses import named_loss

MODEL_FILE: Final = "model.ubj"
NUMBER_LOSSES: Final = {
    "squared": "reg:squarederror",
    "absolute": "reg:absoluteerror",
    "huber": "reg:pseudohubererror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
}
ROUNDS: Final = 400
PATIENCE: Final = 50


class XgBoost(Algorithm):
    """Gradient boosting by xgboost.train with histograms, stopped early on the validation part."""

    name: ClassVar[str] = "xgboost"
    modules: ClassVar[tuple[str, ...]] = ("xgboost",)
    packages: ClassVar[tuple[str, ...]] = ("xgboost",)
    explain: ClassVar[Literal["tree", "linear", "other"]] = "tree"
    handles_missing: ClassVar[bool] = True
    lean: ClassVar[tuple[str, ...]] = ("pandas", "sklearn", "matplotlib", "graphviz", "dask")
    _booster: Any = None

    @property
    def native(self) -> Any:
        """The xgboost.Booster."""
        return self._booster

    def _fit(self, data: FitData) -> None:
        import xgboost

        params = dict(self.params)
        rounds = int(params.pop("n_estimators", ROUNDS))
        patience = int(params.pop("early_stopping_rounds", PATIENCE))
        params = {
            "verbosity": 0,
            "seed": data.seed,
            "nthread": data.threads,
            "tree_method": "hist",
            **self._objective(params.pop("loss", None)),
            **params,
        }
        train = xgboost.DMatrix(data.train, data.target, nthread=data.threads)
        parts, stop = [(train, "train")], None
        if data.validation is not None:
            parts.append(
                (xgboost.DMatrix(data.validation, data.validation_target, nthread=data.threads), "validation")
            )
            stop = patience or None
        told = _reporter(xgboost, data)
        booster = xgboost.train(
            params,
            train,
            rounds,
            evals=parts,
            early_stopping_rounds=stop,
            callbacks=[told],
            verbose_eval=False,
        )
        kept = booster[: booster.best_iteration + 1] if stop else booster
        self._booster = _booster(bytes(kept.save_raw("ubj")))

    def _objective(self, loss: object) -> dict[str, Any]:
        if len(self.classes) == 2:
            return {
                "objective": named_loss(
                    self.name, loss, {"cross_entropy": "binary:logistic"}, "cross_entropy"
                )
            }
        if self.classes:
            named = named_loss(self.name, loss, {"cross_entropy": "multi:softprob"}, "cross_entropy")
            return {"objective": named, "num_class": len(self.classes)}
        return {"objective": named_loss(self.name, loss, NUMBER_LOSSES, "squared")}

    def _answer(self, values: Floats) -> Floats:
        answer = np.asarray(self._booster.inplace_predict(values), dtype=np.float64)
        return np.column_stack((1.0 - answer, answer)) if len(self.classes) == 2 else answer

    def _dump(self) -> dict[str, bytes]:
        return {MODEL_FILE: bytes(self._booster.save_raw("ubj"))}

    def _load(self, files: Mapping[str, bytes]) -> None:
        import xgboost

        try:
            self._booster = _booster(files[MODEL_FILE])
        except xgboost.core.XGBoostError as error:
            raise BundleError(f"{MODEL_FILE} is not an XGBoost model: {error}") from error


def _booster(body: bytes) -> Any:
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(body))
    return booster


def _reporter(xgboost: Any, data: FitData) -> Any:
    class Reporter(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # known only once the library is there
        def after_iteration(self, _model: Any, epoch: int, log: Any) -> bool:
            values = {
                f"{part}_{metric}": float(numbers[-1])
                for part, found in log.items()
                for metric, numbers in found.items()
            }
            data.on_progress(Progress(epoch + 1, values))
            return False

    return Reporter()
