"""CatBoost, stored in its own format; gaps in columns are allowed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from mlops_assets.model_file.algorithms.boosting import CatBoostParameters
from mlops_assets.training.algorithms.base.algorithm import FitData, Floats, Progress
from mlops_assets.training.algorithms.base.boosting import BoostingAlgorithm, library_params
from mlops_assets.training.algorithms.base.focal_loss import focal_gamma
from mlops_assets.training.algorithms.base.losses import named_loss
from mlops_assets.training.algorithms.base.robust_losses import robust_scale

NUMBER_LOSSES: Final = {
    "squared": "RMSE",
    "absolute": "MAE",
    "huber": "Huber:delta=1.0",
    "log_cosh": "LogCosh",
    "poisson": "Poisson",
}
ROBUST: Final = ("huber", "log_cosh")
"""CatBoost bends these at 1, so that its target is brought to a spread of 1 for them."""


class CatBoost(BoostingAlgorithm):
    """Gradient boosting on symmetric trees, stopped early on the validation part.

    One thread: only then it repeats.
    """

    parameters = CatBoostParameters
    packages: ClassVar[tuple[str, ...]] = ("catboost",)
    blocked_imports: ClassVar[tuple[str, ...]] = ("matplotlib", "plotly", "graphviz", "IPython", "ipywidgets")
    model_file: ClassVar[str] = "model.cbm"
    library: ClassVar[str] = "CatBoost"

    def _train(self, data: FitData, params: dict[str, Any], rounds: int, patience: int) -> Any:
        import catboost

        loss = self._objective(params)
        model = catboost.CatBoost(
            {
                "n_estimators": rounds,
                "random_seed": data.seed,
                "thread_count": 1,
                "allow_writing_files": False,
                "loss_function": loss,
                **library_params(params),
            }
        )
        center, width, start = self._level(data.target)

        def pool(values: Floats, target: Floats) -> Any:
            begun = np.full(len(target), start) if start else None
            # Whole numbers for classes: labels with a decimal point cannot be written as ONNX.
            fitted_target = target.astype(np.int64) if self.classes else (target - center) / width
            return catboost.Pool(values, fitted_target, baseline=begun)

        train = pool(data.train, data.target)
        watched = None
        if data.validation is not None and data.validation_target is not None:
            watched = pool(data.validation, data.validation_target)
        model.fit(
            train,
            eval_set=watched,
            early_stopping_rounds=patience or None,
            use_best_model=watched is not None,
            logging_level="Silent",
        )
        _report(model, data)
        if (center, width, start) != (0.0, 1.0, 0.0):
            _, bias = model.get_scale_and_bias()
            # In the leaves, not as CatBoost's own scale: with that it refuses to explain the model.
            model.set_leaf_values(model.get_leaf_values() * width)
            model.set_scale_and_bias(1.0, (bias + start) * width + center)
        # When and by whom it was made is in the manifest; equal trainings give equal bytes.
        model.get_metadata()["train_finish_time"] = ""
        model.get_metadata()["model_guid"] = ""
        return model

    def _objective(self, params: Mapping[str, Any]) -> str:
        loss = params.get("loss")
        if not self.classes:
            return named_loss(self.name, loss, NUMBER_LOSSES, "squared")
        if len(self.classes) > 2:
            known = {"cross_entropy": "MultiClass"}
            return named_loss(self.name, loss, known, "cross_entropy", f"{len(self.classes)} classes")
        # Equal weights: 'auto_class_weights' is there to give others.
        focal = f"Focal:focal_alpha=0.5;focal_gamma={focal_gamma(self.name, params)}"
        return named_loss(self.name, loss, {"cross_entropy": "Logloss", "focal": focal}, "cross_entropy")

    def _level(self, target: Floats) -> tuple[float, float, float]:
        """Return what is taken from the target, what it is divided by, and the score of the first tree."""
        loss = None if self.classes else self.params.get("loss")
        if loss in ROBUST:
            return float(np.median(target)), robust_scale(target), 0.0
        if loss == "poisson" and target.mean() > 0:
            # From 0 its first steps are as long as the target is large, and their exponential runs away.
            return 0.0, 1.0, float(np.log(target.mean()))
        return 0.0, 1.0, 0.0

    def _predict(self, values: Floats) -> Floats:
        kind = "Probability" if self.classes else "RawFormulaVal"
        prediction = self._model.predict(values, prediction_type=kind, thread_count=1)
        if not self.classes and str(self.params.get("loss")) == "poisson":
            prediction = np.exp(prediction)
        return np.asarray(prediction, dtype=np.float64)

    def _rounds(self) -> int:
        return int(self._model.tree_count_)

    def _write(self, model: Any) -> bytes:
        with tempfile.TemporaryDirectory(prefix="mlops-cbm-") as folder:
            path = Path(folder) / self.model_file
            model.save_model(str(path), format="cbm")
            return path.read_bytes()

    def _read(self, body: bytes) -> Any:
        import catboost

        model = catboost.CatBoost()
        model.load_model(blob=body)
        return model

    def _errors(self) -> tuple[type[Exception], ...]:
        import catboost

        return (catboost.CatBoostError,)


def _report(model: Any, data: FitData) -> None:
    named = {"learn": "train", "validation": "validation"}
    by_step: dict[int, dict[str, float]] = {}
    for part, metrics in model.get_evals_result().items():
        for metric, numbers in metrics.items():
            for step, number in enumerate(numbers, start=1):
                by_step.setdefault(step, {})[f"{named.get(part, part)}_{metric}"] = float(number)
    for step, values in by_step.items():
        data.on_progress(Progress(step, values))
