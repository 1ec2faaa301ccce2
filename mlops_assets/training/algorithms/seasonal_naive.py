"""The value one season before the instant forecast: what every forecast must beat, and often does not."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import numpy as np
from typing_extensions import override

from mlops_assets.model_file.algorithms.forecasting import SeasonalNaiveParameters
from mlops_assets.training.algorithms.base.algorithm import Algorithm, FitData, Floats
from mlops_assets.training.algorithms.base.season import FALLBACK, default_season
from mlops_assets.training.algorithms.base.windows import horizon_steps, layout, main_channel, window

MODEL_FILE: Final = "model.json"


class SeasonalNaive(Algorithm):
    """The newest known point that lies a whole number of seasons before the instant forecast.

    Where it is missing the one a season earlier, and so on; the training mean where the window has none.
    """

    parameters = SeasonalNaiveParameters
    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"
    handles_missing: ClassVar[bool] = True
    uses_history: ClassVar[bool] = True
    _mean: float = 0.0
    _season: int = FALLBACK

    @property
    def native(self) -> Any:
        """Return the mean, which is predicted where nothing is known."""
        return self._mean

    @override
    def runs_inline(self, rows: int, columns: int) -> bool:
        """Return True: nothing is searched for."""
        return True

    def _fit(self, data: FitData) -> None:
        column_layout = layout(data.names)
        past = column_layout.past[main_channel(self.name, column_layout)]
        season = self.params.get("season")
        self._season = default_season(f"{self.name}.season", self.params) if season is None else int(season)
        if not self._seasons_back(len(past)):
            warnings.warn(
                f"{self.name}: a window of {len(past)} steps has no point a season of {self._season} points before "
                "the instant forecast, so every forecast is the training mean; raise features.history.steps",
                stacklevel=2,
            )
        self._mean = float(data.target.mean())

    def _predict(self, values: Floats) -> Floats:
        column_layout = layout(self.feature_names)
        past = window(values, column_layout.past[main_channel(self.name, column_layout)])[:, ::-1]
        prediction: Floats = np.full(len(values), np.nan)
        for back in self._seasons_back(past.shape[1]):
            prediction = np.where(np.isnan(prediction), past[:, back], prediction)
        return np.where(np.isnan(prediction), self._mean, prediction)

    def _seasons_back(self, steps: int) -> range:
        return range(-horizon_steps(self.params) % self._season, steps, self._season)

    def _dump(self) -> dict[str, bytes]:
        return {MODEL_FILE: json.dumps({"mean": self._mean, "season": self._season}).encode()}

    def _load(self, files: Mapping[str, bytes]) -> None:
        stored = json.loads(files[MODEL_FILE])
        self._mean = float(stored["mean"])
        # Earlier versions stored no season: theirs was the parameter, or 7 points whatever the step.
        self._season = int(stored.get("season", self.params.get("season", FALLBACK)))
