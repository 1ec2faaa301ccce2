"""The part common to ARIMA, SARIMAX and exponential smoothing.

Fitted by statsmodels, predicted by a Kalman filter here.

Parameters are fitted once, on the training series. A forecast goes on from there without fitting again: the filter
starts from the state that the series had reached where the row's window begins, and runs over the window. After
training the filter also runs over the validation points, so that a holdout forecast does not skip them. With fixed
parameters that is a weighted sum (see `kalman`), so that a stored model is a few arrays.
"""

from __future__ import annotations

import io
import json
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlops_assets.errors import BundleError, TrainingError
from mlops_assets.training.algorithms.base.algorithm import Algorithm, FitData, Floats
from mlops_assets.training.algorithms.base.kalman import Forecast, StateSpace, forecast
from mlops_assets.training.algorithms.base.season import default_season
from mlops_assets.training.algorithms.base.sklearn import limit_threads
from mlops_assets.training.algorithms.base.windows import (
    exogenous_columns,
    horizon_steps,
    layout,
    main_channel,
    reconstruct_series,
    step_seconds,
    window,
)

MODEL_FILE: Final = "model.npz"
PARAMETERS_FILE: Final = "parameters.json"
DIFFUSE: Final = 1e6
"""Variance of what nothing is known about, in standardized units; statsmodels' own choice."""
MAX_STEPS: Final = 200
RESTARTS: Final = ("powell", "lbfgs", "powell", "lbfgs")
LIKELIHOOD_TOLERANCE: Final = 0.01
"""Log-likelihood units. A gain of 0.01 moves the parameters by about a seventh of their standard error."""
STORED_NAMES: Final = {
    "noise": "process_covariance",
    "spread": "state_covariance",
    "centre": "center",
    "width": "scale",
}
"""Names of arrays in models that earlier versions stored, and what they are called now."""
UNKNOWN: Final = -1
CACHED_WEIGHTS: Final = 2_000
LONGEST_SEASON: Final = 200
WIDER: Final = 0.05
"""Share by which errors may grow once rows begin after the points that the filter ran over, before a fit warns."""
LONGEST: Final = 5_000
"""Newest points that parameters are fitted on: more cost hours and change the last digits."""


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A fitted model of the standardized series. centre and width.

    Of the target, then of each exogenous channel; states: what was expected at each training and validation point
    and the one after, from the points before; spread: covariance of the last of them; first: seconds since 1970 of the
    first point (1,).
    """

    design: Floats
    transition: Floats
    process_covariance: Floats
    center: Floats
    scale: Floats
    slopes: Floats
    states: Floats
    state_covariance: Floats
    first: Floats


class StateSpaceAlgorithm(Algorithm):
    """A linear state space model of one series."""

    packages: ClassVar[tuple[str, ...]] = ("statsmodels",)
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"
    handles_missing: ClassVar[bool] = True
    uses_history: ClassVar[bool] = True
    estimates: dict[str, float]
    """As statsmodels names them, of the standardized series."""
    _fitted: _Fitted
    _system: StateSpace

    @abstractmethod
    def _model(self, series: Floats, others: Floats) -> Any:
        """Return the statsmodels model of a standardized series and its exogenous columns (points, columns)."""

    def _model_to_maximize(self, series: Floats, others: Floats) -> Any:
        """Return a model with the same likelihood that may be quicker to maximize; `_model` itself by default."""
        return self._model(series, others)

    def _params(self, result: Any) -> Floats:
        """Return the parameters of `_model` at the maximum that was found for `_model_to_maximize`."""
        return np.asarray(result.params, dtype=np.float64)

    @classmethod
    def import_library(cls) -> None:
        """Import statsmodels' state space models."""
        import statsmodels.tsa.statespace.exponential_smoothing
        import statsmodels.tsa.statespace.sarimax  # noqa: F401

    @property
    def native(self) -> Any:
        """Return the state space system; no statsmodels object is kept."""
        return self._system

    def _fit(self, data: FitData) -> None:
        plans = exogenous_columns(self.name, self.params.get("exogenous"), data.names, layout(data.names))
        series = reconstruct_series(
            self.name,
            data.train,
            data.target,
            layout(data.names),
            step_seconds(self.params),
            horizon_steps(self.params),
        )
        columns = np.column_stack([series.values, *(series.others[name] for name in plans)])
        first = series.first + max(0, len(columns) - LONGEST) * step_seconds(self.params)
        columns = columns[-LONGEST:]
        center, scale = np.nanmean(columns, axis=0), np.nanstd(columns, axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        scaled = (columns - center) / scale
        points = scaled[:, 0], np.nan_to_num(scaled[:, 1:])
        result = self._filtered(points, self._params(self._maximize(self._model_to_maximize(*points))))
        names = list(result.model.param_names)
        self.estimates = {name: float(value) for name, value in zip(names, result.params, strict=True)}
        matrices = result.model.ssm
        filtered = self._extended(data, plans, result, (center, scale, first)) or result.filter_results
        selection = np.asarray(matrices["selection"], dtype=np.float64)
        self._restore(
            _Fitted(
                design=np.array(matrices["design"], dtype=np.float64)[0],
                transition=np.array(matrices["transition"], dtype=np.float64),
                process_covariance=selection
                @ np.asarray(matrices["state_cov"], dtype=np.float64)
                @ selection.T,
                center=center,
                scale=scale,
                slopes=np.array(result.params[: len(plans)], dtype=np.float64),
                states=np.ascontiguousarray(filtered.predicted_state.T, dtype=np.float64),
                state_covariance=np.array(filtered.predicted_state_cov[:, :, -1], dtype=np.float64),
                first=np.array([first]),
            )
        )
        if not all(
            np.isfinite(part).all() for part in (self._system.transition, self._fitted.state_covariance)
        ):
            raise TrainingError(f"{self.name}: no parameters were found that fit the series")
        self._check_window(data)

    def _check_window(self, data: FitData) -> None:
        """Warn where a window is too short to replace what the series knew before it.

        A row that comes long after the fit brings the points of its window and no others: those between the end of the
        fit and the window are skipped. How much wider that makes the error follows from the model.
        """
        column_layout = layout(data.names)
        steps = len(column_layout.past[main_channel(self.name, column_layout)])
        points = len(self._fitted.states)
        later = self._system.predict_covariance_after(self._fitted.state_covariance, points)

        def wider(size: int) -> float:
            whole = np.ones(size, dtype=np.bool_)
            ahead = horizon_steps(self.params)
            near = forecast(self._system, self._fitted.state_covariance, whole, ahead).variance
            return float(np.sqrt(forecast(self._system, later, whole, ahead).variance / near)) - 1.0

        if (grown := wider(steps)) <= WIDER:
            return
        enough = next((size for size in (steps * 2**k for k in range(1, 6)) if wider(size) <= WIDER), None)
        longer = f"; {enough} steps keep that below {WIDER:.0%}" if enough else ""
        warnings.warn(
            f"{self.name}: long after a training the error is {grown:.0%} larger, because features.history.steps of "
            f"{steps} does not show all that the {points} training points did{longer}",
            stacklevel=2,
        )

    def _extended(
        self, data: FitData, plans: Mapping[str, str], result: Any, origin: tuple[Floats, Floats, float]
    ) -> Any:
        """Return the filter's results over training and validation points with the training's parameters, or None.

        A forecast of the holdout starts from a state that knows the validation points. Each state knows only the points
        before it, so that no row learns from what comes after it.
        """
        if data.validation is None or data.validation_target is None or not len(data.validation):
            return None
        center, scale, first = origin
        column_layout, every, ahead = (
            layout(data.names),
            step_seconds(self.params),
            horizon_steps(self.params),
        )

        time = column_layout.time
        if time is None or data.validation[:, time].min() <= data.train[:, time].max():
            return None  # a random split: the validation points are no later part of the series

        def points(values: Floats, target: Floats) -> tuple[Floats, float]:
            series = reconstruct_series(self.name, values, target, column_layout, every, ahead)
            return np.column_stack([series.values, *(series.others[name] for name in plans)]), series.first

        later, later_first = points(data.validation, data.validation_target)
        columns, whole_first = points(
            np.concatenate([data.train, data.validation]),
            np.concatenate([data.target, data.validation_target]),
        )
        skipped = (first - whole_first) / every
        if (
            skipped < 0
            or abs(skipped - round(skipped)) > 1e-6
            or len(columns) - round(skipped) <= result.nobs
        ):
            return None  # the validation rows lie on another grid
        # Between the parts no row has its own instant; the window of the first validation row knows these points.
        between = columns[max(0, round((later_first - whole_first) / every)) :]
        between[:] = np.where(np.isnan(between), later[-len(between) :], between)
        columns = columns[round(skipped) :]
        scaled = (columns - center) / scale
        return self._filtered((scaled[:, 0], np.nan_to_num(scaled[:, 1:])), result.params).filter_results

    def _filtered(self, points: tuple[Floats, Floats], params: Floats) -> Any:
        """Return statsmodels' result of the series and its exogenous columns with these parameters."""
        with warnings.catch_warnings(), limit_threads(1):
            warnings.simplefilter("ignore")  # of statsmodels' first guesses, which are not used
            return self._model(*points).filter(params, cov_type="none")

    def _maximize(self, model: Any, start: Floats | None = None) -> Any:
        """Return statsmodels' result at the largest likelihood that is reached from `start`, or from its own guess.

        L-BFGS follows a gradient of differences, whose last digits depend on the processor: near the maximum its line
        search can fail on one machine and succeed on another. Its own word is therefore not the criterion. Where it
        does not report convergence, Powell's method (which needs no gradient) and L-BFGS go on in turn from the best
        parameters, and the fit has converged when a whole turn raises the log-likelihood by less than
        `LIKELIHOOD_TOLERANCE`.
        """
        steps = int(self.params.get("max_iter", MAX_STEPS))
        # Matrices of a few rows, thousands of times over: threads that wait for each other cost ten times the work.
        with warnings.catch_warnings(), limit_threads(1):
            warnings.simplefilter("ignore")  # of its first guesses; convergence is checked here
            result = model.fit(start_params=start, disp=False, maxiter=steps, cov_type="none")
            if result.mle_retvals.get("converged", True):
                return result
            for method in RESTARTS:
                restarted = model.fit(
                    start_params=result.params, method=method, disp=False, maxiter=steps, cov_type="none"
                )
                gain = float(restarted.llf - result.llf)
                if gain > 0.0 or not np.isfinite(result.llf):
                    result = restarted
                if abs(gain) < LIKELIHOOD_TOLERANCE:
                    return result
        warnings.warn(
            f"{self.name}: the parameters did not converge after {1 + len(RESTARTS)} runs of {steps} steps; "
            "raise max_iter, or take a smaller order",
            stacklevel=2,
        )
        return result

    def _restore(self, fitted: _Fitted) -> None:
        self._fitted = fitted
        self._weights_cache: dict[tuple[int, bytes], Forecast] = {}
        self._covariances = [fitted.state_covariance]
        self._system = StateSpace(fitted.design, fitted.transition, fitted.process_covariance)

    def _predict(self, values: Floats) -> Floats:
        with limit_threads(1):
            return self._forecast(values)

    def _forecast(self, values: Floats) -> Floats:
        fitted, column_layout = self._fitted, layout(self.feature_names)
        plans = exogenous_columns(self.name, self.params.get("exogenous"), self.feature_names, column_layout)
        past = window(values, column_layout.past[main_channel(self.name, column_layout)]) - fitted.center[0]
        past = past / fitted.scale[0]
        known = np.isfinite(past)
        future = np.zeros(len(values))
        for position, (name, planned_column) in enumerate(plans.items(), start=1):
            center, scale, slope = (
                fitted.center[position],
                fitted.scale[position],
                fitted.slopes[position - 1],
            )
            past = past - slope * np.nan_to_num((window(values, column_layout.past[name]) - center) / scale)
            planned = values[:, self.feature_names.index(planned_column)]
            future += slope * np.nan_to_num((planned - center) / scale)
        states, gaps = self._starts(values, column_layout.time, past.shape[1])
        kinds, which = np.unique(np.column_stack([gaps, known]), axis=0, return_inverse=True)
        for number, kind in enumerate(kinds):
            rows = which.reshape(-1) == number
            weights = self._weights(int(kind[0]), kind[1:].astype(bool))
            points = np.where(kind[1:], np.nan_to_num(past[rows]), 0.0)
            future[rows] += points @ weights.points + states[rows] @ weights.start
        return np.asarray(fitted.center[0] + fitted.scale[0] * future)

    def _starts(self, values: Floats, time: int | None, steps: int) -> tuple[Floats, NDArray[np.int64]]:
        """Return for each row the state expected where its window begins, and the points after the filter's last point.

        The number of points is 0 for a window that begins before that end, and UNKNOWN where training had not
        enough rows yet; the state is then 0.
        """
        states = self._fitted.states
        last = len(states) - 1
        if time is None:
            at = np.full(len(values), -1, dtype=np.int64)
        else:
            begun = values[:, time] - (steps - 1) * step_seconds(self.params)
            at = np.rint((begun - self._fitted.first[0]) / step_seconds(self.params)).astype(np.int64)
        gaps = np.where(at < min(steps, last), UNKNOWN, np.maximum(at - last, 0))
        gaps = np.where(gaps > LONGEST, UNKNOWN, gaps)
        column_layout = np.where((gaps == UNKNOWN)[:, None], 0.0, states[np.clip(at, 0, last)])
        for gap in np.unique(gaps[gaps > 0]).tolist():
            column_layout[gaps == gap] = np.linalg.matrix_power(self._system.transition, gap) @ states[last]
        return column_layout, gaps.astype(np.int64)

    def _weights(self, gap: int, known: NDArray[np.bool_]) -> Forecast:
        """Return the same for all rows of a kind; kinds are few, and come back with every call."""
        kind = gap, known.tobytes()
        if kind not in self._weights_cache:
            if len(self._weights_cache) >= CACHED_WEIGHTS:
                self._weights_cache.clear()
            self._weights_cache[kind] = self._compute_weights(gap, known)
        return self._weights_cache[kind]

    def _compute_weights(self, gap: int, known: NDArray[np.bool_]) -> Forecast:
        if gap == UNKNOWN:
            # Nothing is known of the state, but for parts that forget it at once: those are noise.
            forgets = ~self._system.transition.any(axis=1)
            return forecast(
                self._system,
                np.diag(np.where(forgets, np.diag(self._system.process_covariance), DIFFUSE)),
                known,
                horizon_steps(self.params),
            )
        while len(self._covariances) <= gap:
            self._covariances.append(self._system.predict_covariance(self._covariances[-1]))
        return forecast(self._system, self._covariances[gap], known, horizon_steps(self.params))

    def _dump(self) -> dict[str, bytes]:
        out = io.BytesIO()
        np.savez_compressed(out, **{name: getattr(self._fitted, name) for name in _Fitted.__slots__})
        estimates_text = json.dumps(self.estimates, indent=1, sort_keys=True)
        return {MODEL_FILE: out.getvalue(), PARAMETERS_FILE: estimates_text.encode()}

    def _load(self, files: Mapping[str, bytes]) -> None:
        body = files[MODEL_FILE]
        self.estimates = json.loads(files[PARAMETERS_FILE])
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
                stored = {STORED_NAMES.get(name, name): np.asarray(arrays[name]) for name in arrays.files}
                self._restore(_Fitted(**stored))
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise BundleError(
                f"{MODEL_FILE} does not hold the arrays of a state space model: {error}"
            ) from error


def season_of(who: str, params: Mapping[str, Any]) -> int:
    """Return the points of a season; where unset, those that are usual for the step.

    Args:
        who: Name of the algorithm, for the error text.
        params: Parameters of the algorithm, from the model file.

    Returns:
        Points of a season.

    Raises:
        TrainingError: If it is too long to fit in time.
    """
    season = int(params["season"]) if "season" in params else default_season(f"{who}.season", params)
    if season > LONGEST_SEASON:
        raise TrainingError(
            f"{who}: a season of {season} points is too long to fit; take a wider features.history.every, "
            f"or a season of at most {LONGEST_SEASON}"
        )
    return season
