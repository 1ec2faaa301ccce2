"""Prophet: trend, seasons and known regressors; it looks at the calendar, never at the recent past."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal

import numpy as np

from mlops_assets.errors import BundleError, TrainingError
from mlops_assets.model_file.algorithms.forecasting import ProphetParameters
from mlops_assets.model_file.features import TIME
from mlops_assets.training.algorithms.base.algorithm import Algorithm, FitData, Floats

MODEL_FILE: Final = "model.json"
CUSTOM: Final = ("ahead", "every", "regressors")


class Prophet(Algorithm):
    """Fitted on the instants that are forecast, stored as Prophet's own JSON.

    `regressors` are columns of the row that are known for that instant.
    """

    parameters = ProphetParameters
    packages: ClassVar[tuple[str, ...]] = ("prophet",)
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"
    handles_missing: ClassVar[bool] = True
    uses_history: ClassVar[bool] = True
    blocked_imports: ClassVar[tuple[str, ...]] = ("plotly",)
    _model: Any = None
    _means: dict[str, float]

    @property
    def native(self) -> Any:
        """Return the prophet.Prophet model."""
        return self._model

    def _fit(self, data: FitData) -> None:
        import prophet

        if TIME not in data.names:
            raise TrainingError(f"{self.name}: there is no past to forecast from; add 'features.history'")
        regressors = [str(name) for name in self.params.get("regressors") or ()]
        if unknown := [name for name in regressors if name not in data.names]:
            raise TrainingError(f"{self.name}: there is no column {unknown[0]!r} to be a regressor")
        columns = {name: data.train[:, data.names.index(name)] for name in regressors}
        self._means = {name: float(np.nanmean(column)) for name, column in columns.items()}
        options = {name: value for name, value in self.params.items() if name not in CUSTOM}
        with _quiet():
            model = prophet.Prophet(uncertainty_samples=0, **options)
            for name in regressors:
                model.add_regressor(name)
            model.fit(self._frame(data.train).assign(y=data.target), seed=data.seed)
        self._model = model

    def _frame(self, values: Floats) -> Any:
        import pandas as pd

        ahead = float(self.params.get("ahead", 1)) * float(self.params.get("every", 1.0))
        seconds = values[:, self.feature_names.index(TIME)] + ahead
        frame = pd.DataFrame({"ds": pd.to_datetime(np.rint(seconds * 1e6).astype(np.int64), unit="us")})
        for name, mean in self._means.items():
            column = values[:, self.feature_names.index(name)]
            frame[name] = np.where(np.isnan(column), mean, column)
        return frame

    def _predict(self, values: Floats) -> Floats:
        with _quiet():
            return np.asarray(self._model.predict(self._frame(values))["yhat"], dtype=np.float64)

    def _dump(self) -> dict[str, bytes]:
        from prophet.serialize import model_to_json

        stored = json.loads(model_to_json(self._model))
        return {MODEL_FILE: json.dumps({"model": stored, "means": self._means}, sort_keys=True).encode()}

    def _load(self, files: Mapping[str, bytes]) -> None:
        from prophet.serialize import model_from_json

        try:
            stored = json.loads(files[MODEL_FILE])
            self._means = {str(name): float(mean) for name, mean in stored["means"].items()}
            self._model = model_from_json(json.dumps(stored["model"]))
        except (ValueError, TypeError, AttributeError) as error:
            raise BundleError(f"{MODEL_FILE} does not hold a Prophet model: {error}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Prophet and its engine tell of every fit; warnings still come through."""
    loggers = [logging.getLogger(name) for name in ("prophet", "cmdstanpy")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
