"""LightGBM, stored in its own text format; gaps in columns are allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import numpy as np

from mlops_assets.errors import BundleError
from mlops_assets.training.algorithm import Algorithm, FitData, Floats, Progress
from mlops_assets.training.losses import named_loss

MODEL_FILE: Final = "model.txt"
NUMBER_LOSSES: Final = {
    "squared": "regression",
    "absolute": "regression_l1",
    "huber": "huber",
    "quantile": "quantile",
    "poisson": "poisson",
}
ROUNDS: Final = 400
PATIENCE: Final = 50


class LightGbm(Algorithm):
    """Gradient boosting by LightGBM's own interface, deterministic, stopped early on the validation part."""

    name: ClassVar[str] = "lightgbm"
    modules: ClassVar[tuple[str, ...]] = ("lightgbm",)
    packages: ClassVar[tuple[str, ...]] = ("lightgbm",)
    explain: ClassVar[Literal["tree", "linear", "other"]] = "tree"
    handles_missing: ClassVar[bool] = True
    scales: ClassVar[bool] = True
    lean: ClassVar[tuple[str, ...]] = (
        "pandas",
        "sklearn",
        "dask",
        "matplotlib",
        "pyarrow",
        "polars",
        "graphviz",
        "cffi",
    )
    _booster: Any = None

    @property
    def native(self) -> Any:
        """The lightgbm.Booster."""
        return self._booster

    def _fit(self, data: FitData) -> None:
        import lightgbm

        params = dict(self.params)
        rounds = int(params.pop("n_estimators", ROUNDS))
        patience = int(params.pop("early_stopping_rounds", PATIENCE))
        params = {
            "verbosity": -1,
            "seed": data.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": data.threads,
            **self._objective(params.pop("loss", None)),
            **params,
        }
        train = lightgbm.Dataset(
            data.train, data.target, feature_name=_plain_names(data.names), params=params
        )
        parts, names, callbacks = [train], ["train"], [_report(data)]
        if data.validation is not None:
            parts.append(lightgbm.Dataset(data.validation, data.validation_target, reference=train))
            names.append("validation")
            if patience:
                callbacks.append(lightgbm.early_stopping(patience, first_metric_only=True, verbose=False))
        booster = lightgbm.train(
            params, train, rounds, valid_sets=parts, valid_names=names, callbacks=callbacks
        )
        # Read back from its text: what predicts now is exactly what is stored.
        text = booster.model_to_string(num_iteration=booster.best_iteration or -1)
        self._booster = lightgbm.Booster(model_str=text)

    def _objective(self, loss: object) -> dict[str, Any]:
        if len(self.classes) == 2:
            return {"objective": named_loss(self.name, loss, {"cross_entropy": "binary"}, "cross_entropy")}
        if self.classes:
            named = named_loss(self.name, loss, {"cross_entropy": "multiclass"}, "cross_entropy")
            return {"objective": named, "num_class": len(self.classes)}
        return {"objective": named_loss(self.name, loss, NUMBER_LOSSES, "squared")}

    def _answer(self, values: Floats) -> Floats:
        answer = np.asarray(self._booster.predict(values, num_threads=1), dtype=np.float64)
        return np.column_stack((1.0 - answer, answer)) if len(self.classes) == 2 else answer

    def _dump(self) -> dict[str, bytes]:
        # The number of threads is a matter of this machine, not of the model: stored files stay equal.
        text = self._booster.model_to_string(num_iteration=-1)
        return {MODEL_FILE: re.sub(r"\[num_threads: \d+\]", "[num_threads: 1]", text).encode()}

    def _load(self, files: Mapping[str, bytes]) -> None:
        import lightgbm

        try:
            self._booster = lightgbm.Booster(model_str=files[MODEL_FILE].decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
            raise BundleError(f"{MODEL_FILE} is not a LightGBM model: {error}") from error


def _plain_names(names: tuple[str, ...]) -> list[str]:
    # LightGBM refuses characters of JSON in names; the real names are in algorithm.json.
    return [f"c{index}" for index, _ in enumerate(names)]


def _report(data: FitData) -> Any:
    def after_each(env: Any) -> None:
        data.on_progress(
            Progress(
                env.iteration + 1,
                {f"{part}_{metric}": float(value) for part, metric, value, *_ in env.evaluation_result_list},
            )
        )

    return after_each
