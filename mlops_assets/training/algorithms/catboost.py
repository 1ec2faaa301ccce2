"""CatBoost, stored in its own format; gaps in columns are allowed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np

from mlops_assets.errors import BundleError
from mlops_assets.training.algorithm import Algorithm, FitData, Floats, Progress
from mlops_assets.training.losses import named_loss

MODEL_FILE: Final = "model.cbm"
NUMBER_LOSSES: Final = {
    "squared": "RMSE",
    "absolute": "MAE",
    "huber": "Huber:delta=1.0",
    "log_cosh": "LogCosh",
    "poisson": "Poisson",
}
ROUNDS: Final = 400
PATIENCE: Final = 50


class CatBoost(Algorithm):
    """Gradient boosting on symmetric trees, stopped early on the validation part. One thread: only then it repeats."""

    name: ClassVar[str] = "catboost"
    modules: ClassVar[tuple[str, ...]] = ("catboost",)
    packages: ClassVar[tuple[str, ...]] = ("catboost",)
    explain: ClassVar[Literal["tree", "linear", "other"]] = "tree"
    handles_missing: ClassVar[bool] = True
    lean: ClassVar[tuple[str, ...]] = ("matplotlib", "plotly", "graphviz", "IPython", "ipywidgets")
    _model: Any = None

    @property
    def native(self) -> Any:
        """The catboost.CatBoost model."""
        return self._model

    def _fit(self, data: FitData) -> None:
        import catboost

        params = {"n_estimators": ROUNDS, **self.params}
        patience = int(params.pop("early_stopping_rounds", PATIENCE))
        model = catboost.CatBoost(
            {
                "random_seed": data.seed,
                "thread_count": 1,
                "allow_writing_files": False,
                "loss_function": self._objective(params.pop("loss", None)),
                **params,
            }
        )
        train = catboost.Pool(data.train, data.target)
        watched = None
        if data.validation is not None:
            watched = catboost.Pool(data.validation, data.validation_target)
        model.fit(
            train,
            eval_set=watched,
            early_stopping_rounds=(patience or None) if watched is not None else None,
            use_best_model=watched is not None,
            logging_level="Silent",
        )
        _report(model, data)
        # When and by whom it was made is in the manifest; equal trainings give equal bytes.
        model.get_metadata()["train_finish_time"] = ""
        model.get_metadata()["model_guid"] = ""
        self._model = _loaded(_bytes(model))

    def _objective(self, loss: object) -> str:
        if self.classes:
            name = "Logloss" if len(self.classes) == 2 else "MultiClass"
            return named_loss(self.name, loss, {"cross_entropy": name}, "cross_entropy")
        return named_loss(self.name, loss, NUMBER_LOSSES, "squared")

    def _answer(self, values: Floats) -> Floats:
        kind = "Probability" if self.classes else "RawFormulaVal"
        answer = self._model.predict(values, prediction_type=kind, thread_count=1)
        if not self.classes and str(self.params.get("loss")) == "poisson":
            answer = np.exp(answer)
        return np.asarray(answer, dtype=np.float64)

    def _dump(self) -> dict[str, bytes]:
        return {MODEL_FILE: _bytes(self._model)}

    def _load(self, files: Mapping[str, bytes]) -> None:
        import catboost

        try:
            self._model = _loaded(files[MODEL_FILE])
        except catboost.CatBoostError as error:
            raise BundleError(f"{MODEL_FILE} is not a CatBoost model: {error}") from error


def _report(model: Any, data: FitData) -> None:
    named = {"learn": "train", "validation": "validation"}
    by_step: dict[int, dict[str, float]] = {}
    for part, metrics in model.get_evals_result().items():
        for metric, numbers in metrics.items():
            for step, number in enumerate(numbers, start=1):
                by_step.setdefault(step, {})[f"{named.get(part, part)}_{metric}"] = float(number)
    for step, values in by_step.items():
        data.on_progress(Progress(step, values))


def _bytes(model: Any) -> bytes:
    with tempfile.TemporaryDirectory(prefix="mlops-cbm-") as folder:
        path = Path(folder) / MODEL_FILE
        model.save_model(str(path), format="cbm")
        return path.read_bytes()


def _loaded(body: bytes) -> Any:
    import catboost

    model = catboost.CatBoost()
    model.load_model(blob=body)
    return model
