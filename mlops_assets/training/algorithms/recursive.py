"""A forecast step by step: any tabular algorithm learns one step ahead and continues from its own predictions.

```yaml
features: {horizon: 7d, history: {every: 1d, steps: 56, columns: [ad_spend, price, ad_spend_planned,
price_planned]}}
training:
  algorithms:
    - recursive:
        algorithm: lightgbm # ridge where nothing is said
        params: {num_leaves: 15} # its own
        lags: 14
        exogenous: {ad_spend: ad_spend_planned, price: price_planned}
```

It is trained on the windows that rows carry: the `lags` values before a row's instant, and the exogenous values at
that instant, say what the target is then. So every row is one example, and several entities are learned together.

What an exogenous channel will be at the steps on the way: its planned column is looked up in its own past, where
`features.history` keeps that; a planned column without one says it for the last step only, before which the channel
stays what it is. A channel without a plan stays what it is throughout.

The row's other columns are not used: they belong to the row's instant, not to the steps after it. Where the season
is, each step is described by seasonal (Fourier) terms of the day (for steps shorter than one), the week and the year,
in UTC, as far as training saw two of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import numpy as np

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import BundleError, TrainingError
from mlops_assets.model_file.algorithms import INNERMOST
from mlops_assets.model_file.algorithms.forecasting import RecursiveParameters
from mlops_assets.training.algorithms.base.algorithm import Algorithm, FitData, Floats
from mlops_assets.training.algorithms.base.windows import (
    Layout,
    exogenous_columns,
    horizon_steps,
    layout,
    main_channel,
    step_seconds,
    window,
)

MODEL_FILE: Final = "recursive.json"
INNER: Final = "inner-"
LAGS: Final = 14
DAY: Final = 86_400.0
PERIODS: Final = {"day": DAY, "week": 7 * DAY, "year": 365.2425 * DAY}
HARMONICS: Final = 3
"""Seasonal (Fourier) terms per period: three distinguish all seven days of a week."""


class Recursive(Algorithm):
    """One step, again and again. What it learned is the inner algorithm's; means stand in for what is not known."""

    parameters = RecursiveParameters
    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"
    handles_missing: ClassVar[bool] = True
    uses_history: ClassVar[bool] = True
    supports_threads: ClassVar[bool] = True
    _inner: Algorithm
    _periods: tuple[str, ...]
    _means: Floats
    """Of the columns that the inner algorithm sees."""
    _bounds: tuple[float, float]

    @property
    def native(self) -> Any:
        """Return the algorithm inside, which takes other columns than a row has."""
        return self._inner

    def requirements(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return those of the algorithm inside."""
        return self._inner.requirements()

    def fixed_params(self) -> dict[str, Any]:
        """Return the parameters with those of the algorithm inside fixed."""
        return {**self.params, "params": self._inner.fixed_params()}

    # --- learning one step ----------------------------------------------------------------------

    def _fit(self, data: FitData) -> None:
        column_layout = layout(data.names)
        main = column_layout.past[main_channel(self.name, column_layout)]
        if not 0 < self._lags(column_layout) < len(main):
            raise TrainingError(
                f"recursive: {self._lags(column_layout)} lags need 1 or more, and features.history.steps above them, "
                f"not {len(main)}"
            )
        times = data.train[:, column_layout.time] if column_layout.time is not None else np.zeros(0)
        spans = {name: length for name, length in PERIODS.items() if length > step_seconds(self.params)}
        self._periods = tuple(
            name for name, length in spans.items() if times.size and np.ptp(times) >= 2.0 * length
        )
        columns, target = self._examples(data.train, column_layout)
        if not len(target):
            raise TrainingError("recursive: no training row knows the target at its own instant")
        known = np.isfinite(columns)
        self._means = np.where(known, columns, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        # A prediction is fed back: a model that diverges must not amplify it.
        reach = float(np.ptp(target))
        self._bounds = float(target.min()) - reach, float(target.max()) + reach
        held_out, held_target = (
            self._examples(data.validation, column_layout)
            if data.validation is not None
            else (columns[:0], target[:0])
        )
        names = self._names(column_layout)
        inner = self._inner_kind()("forecasting", self.params.get("params"))
        self._inner = inner.fit(
            self._matrix(columns, names),
            target,
            validation=self._matrix(held_out, names),
            y_validation=held_target,
            seed=data.seed,
            threads=data.threads if inner.supports_threads else 1,
            on_progress=data.on_progress,
        )

    def _examples(self, values: Floats, column_layout: Layout) -> tuple[Floats, Floats]:
        """Return what was before each row's instant and at it, and the target then, for rows that know it."""
        past = window(values, column_layout.past[main_channel(self.name, column_layout)])
        others = [
            _filled(window(values, column_layout.past[name]))[:, -1]
            for name in self._exogenous(column_layout)
        ]
        known = np.isfinite(past[:, -1])
        before = _filled(past[:, :-1])[:, -self._lags(column_layout) :]
        columns = np.column_stack([before[:, ::-1], *others, *self._waves(values, column_layout, 0)])
        return columns[known], past[known, -1]

    # --- answering step by step -----------------------------------------------------------------

    def _predict(self, values: Floats) -> Floats:
        column_layout = layout(self.feature_names)
        names, plans = self._names(column_layout), self._exogenous(column_layout)
        recent = _filled(window(values, column_layout.past[main_channel(self.name, column_layout)]))[
            :, -self._lags(column_layout) :
        ]
        now = {name: _filled(window(values, column_layout.past[name]))[:, -1] for name in plans}
        prediction: Floats = np.empty(len(values))
        for step in range(1, horizon_steps(self.params) + 1):
            planned = {
                name: self._planned(values, column_layout, future, step) for name, future in plans.items()
            }
            others = [np.where(np.isfinite(plan), plan, now[name]) for name, plan in planned.items()]
            columns = np.column_stack([recent[:, ::-1], *others, *self._waves(values, column_layout, step)])
            prediction = np.clip(self._inner.predict(self._matrix(columns, names)), *self._bounds)
            recent = np.column_stack([recent[:, 1:], prediction])
        return prediction

    def _planned(self, values: Floats, column_layout: Layout, future: str, step: int) -> Floats:
        back = horizon_steps(self.params) - step
        if future in column_layout.past and back < len(column_layout.past[future]):
            return values[:, column_layout.past[future][-1 - back]]
        if future in self.feature_names and back == 0:
            return values[:, self.feature_names.index(future)]
        return np.full(len(values), np.nan)

    def _waves(self, values: Floats, column_layout: Layout, step: int) -> list[Floats]:
        if column_layout.time is None:
            return []
        at = values[:, column_layout.time] + step * step_seconds(self.params)
        turns = [
            2.0 * np.pi * harmonic * at / PERIODS[name]
            for name in self._periods
            for harmonic in range(1, HARMONICS + 1)
        ]
        return [wave(turn) for turn in turns for wave in (np.sin, np.cos)]

    # --- what both need -------------------------------------------------------------------------

    def _lags(self, column_layout: Layout) -> int:
        plans = self.params.get("lags")
        return min(LAGS, column_layout.steps - 1) if plans is None else int(plans)

    def _exogenous(self, column_layout: Layout) -> dict[str, str]:
        """Channel -> what says what it will be: a column, or a channel whose own past is kept."""
        sources = (*self.feature_names, *column_layout.past)
        return exogenous_columns(self.name, self.params.get("exogenous"), sources, column_layout)

    def _names(self, column_layout: Layout) -> tuple[str, ...]:
        """Columns that the inner algorithm sees."""
        lags = [f"lag_{back}" for back in range(1, self._lags(column_layout) + 1)]
        waves = [f"wave_{number}" for number in range(2 * HARMONICS * len(self._periods))]
        return (*lags, *(f"{name} at the step" for name in self._exogenous(column_layout)), *waves)

    def _matrix(self, columns: Floats, names: tuple[str, ...]) -> FeatureMatrix:
        return FeatureMatrix(names, np.where(np.isfinite(columns), columns, self._means))

    def _inner_kind(self) -> type[Algorithm]:
        from mlops_assets.training.algorithms import ALGORITHMS  # which this class is in

        return ALGORITHMS[str(self.params.get("algorithm", INNERMOST))]

    # --- storage --------------------------------------------------------------------------------

    def _dump(self) -> dict[str, bytes]:
        body = {"periods": self._periods, "means": self._means.tolist(), "bounds": self._bounds}
        inner = {INNER + name: content for name, content in self._inner.dump().items()}
        return {MODEL_FILE: json.dumps(body).encode(), **inner}

    def _load(self, files: Mapping[str, bytes]) -> None:
        body = json.loads(files[MODEL_FILE])
        try:
            self._periods = tuple(str(name) for name in body["periods"])
            self._means = np.array(body["means"], dtype=np.float64)
            low, high = body["bounds"]
        except (TypeError, ValueError, KeyError) as error:
            raise BundleError(f"{MODEL_FILE} does not hold what it should: {error}") from error
        self._bounds = float(low), float(high)
        own = {name.removeprefix(INNER): content for name, content in files.items() if name.startswith(INNER)}
        self._inner = self._inner_kind().load(own)


def _filled(past: Floats) -> Floats:
    """Gaps take the value before them; what lies before the first known value stays missing."""
    filled = past.copy()
    for step in range(1, filled.shape[1]):
        gap = np.isnan(filled[:, step])
        filled[gap, step] = filled[gap, step - 1]
    return filled
