"""LightGBM, stored in its own text format; gaps in columns are allowed."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

import numpy as np

from mlops_assets.model_file.algorithms.boosting import LightGbmParameters
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
from mlops_assets.training.algorithms.base.robust_losses import robust_scale
from mlops_assets.training.algorithms.base.tree_rows import RowFunction, SingleRows

NUMBER_LOSSES: Final = {
    "squared": "regression",
    "absolute": "regression_l1",
    "huber": "huber",
    "log_cosh": CUSTOM,
    "quantile": "quantile",
    "poisson": "poisson",
}


class LightGbm(BoostingAlgorithm):
    """Gradient boosting by LightGBM's own interface, deterministic, stopped early on the validation part."""

    parameters = LightGbmParameters
    packages: ClassVar[tuple[str, ...]] = ("lightgbm",)
    supports_threads: ClassVar[bool] = True
    blocked_imports: ClassVar[tuple[str, ...]] = (
        "pandas",
        "sklearn",
        "dask",
        "matplotlib",
        "pyarrow",
        "polars",
        "graphviz",
        "cffi",
    )
    model_file: ClassVar[str] = "model.txt"
    library: ClassVar[str] = "LightGBM"

    def _train(self, data: FitData, params: dict[str, Any], rounds: int, patience: int) -> Any:
        import lightgbm

        custom, objective_params = self._objective(params, data.target)
        params = {
            "verbosity": -1,
            "seed": data.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": data.threads,
            **objective_params,
            **library_params(params),
        }
        start = custom.start if custom else 0.0
        train = lightgbm.Dataset(
            data.train, data.target - start, feature_name=_plain_names(data.names), params=params
        )
        parts, names, callbacks = [train], ["train"], [_report(data)]
        if data.validation is not None and data.validation_target is not None:
            held_out = data.validation_target - start
            parts.append(lightgbm.Dataset(data.validation, held_out, reference=train))
            names.append("validation")
            if patience:
                callbacks.append(lightgbm.early_stopping(patience, first_metric_only=True, verbose=False))
        booster = lightgbm.train(
            params,
            train,
            rounds,
            valid_sets=parts,
            valid_names=names,
            feval=_measure(custom) if custom else None,
            callbacks=callbacks,
        )
        best = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=booster.best_iteration or -1))
        if start:
            for leaf in range(best.dump_model(num_iteration=1)["tree_info"][0]["num_leaves"]):
                best.set_leaf_output(0, leaf, best.get_leaf_output(0, leaf) + start)
        return best

    def _objective(
        self, params: dict[str, Any], target: Floats
    ) -> tuple[CustomObjective | None, dict[str, Any]]:
        """Our own loss where LightGBM has none, and the name for LightGBM."""
        named, objective_params = objective(
            self.name,
            params,
            len(self.classes),
            NUMBER_LOSSES,
            two="binary",
            more="multiclass",
            share="alpha",
        )
        if named == "huber":
            objective_params["alpha"] = robust_scale(target)
        if named != CUSTOM:
            return None, objective_params
        custom = custom_objective(self.name, params, target)
        return custom, {**objective_params, "objective": _objective_function(custom), "metric": "None"}

    def _predict(self, values: Floats) -> Floats:
        prediction = np.asarray(self._model.predict(values, num_threads=1), dtype=np.float64)
        return class_probabilities(prediction, self.params.get("loss")) if self.classes else prediction

    def few_rows(self) -> RowFunction | None:
        """Return LightGBM's predictor for single rows."""
        single = SingleRows(self._model, len(self.feature_names))
        if not self.classes:
            return single
        return lambda values: class_probabilities(single(values), self.params.get("loss"))

    def _rounds(self) -> int:
        return int(self._model.num_trees() // self._model.num_model_per_iteration())

    def _write(self, model: Any) -> bytes:
        # The number of threads is a matter of this machine, not of the model: stored files stay equal.
        text = model.model_to_string(num_iteration=-1)
        return re.sub(r"\[num_threads: \d+\]", "[num_threads: 1]", text).encode()

    def _read(self, body: bytes) -> Any:
        import lightgbm

        return lightgbm.Booster(model_str=body.decode())

    def _errors(self) -> tuple[type[Exception], ...]:
        import lightgbm

        return lightgbm.basic.LightGBMError, UnicodeDecodeError


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


def _objective_function(custom: CustomObjective) -> Any:
    def steps(scores: Floats, part: Any) -> tuple[Floats, Floats]:
        return custom.steps(scores, np.asarray(part.get_label(), dtype=np.float64))

    return steps


def _measure(custom: CustomObjective) -> Any:
    def measure(scores: Floats, part: Any) -> tuple[str, float, bool]:
        return custom.name, custom.mean(scores, np.asarray(part.get_label(), dtype=np.float64)), False

    return measure
