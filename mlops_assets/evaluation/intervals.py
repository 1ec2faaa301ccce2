"""Metrics of prediction intervals: does the truth lie inside, and how wide must they be for that?

Comes in: scored rows with bounds. Goes out: one term per row, whose mean is the metric; NaN for a row without truth or
bounds, so that a model without an interval has no such metric. Coverage alone is won by the widest interval and width
alone by the narrowest; the pinball loss weighs both (Gneiting & Raftery 2007), and is what models are compared by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from mlops_assets.artifacts import Bounds
from mlops_assets.evaluation.scoring import Floats, Scored
from mlops_assets.model_file import ModelSpec

Terms: TypeAlias = Callable[[Floats, Bounds], Floats]


def inside(truth: Floats, bounds: Bounds) -> Floats:
    """1 where the truth lies between the bounds or on one of them, else 0."""
    found: Floats = ((bounds.low <= truth) & (truth <= bounds.high)).astype(np.float64)
    return found


def pinball_losses(truth: Floats, bounds: Bounds) -> Floats:
    """Mean pinball loss of the two bounds, each held for the quantile it stands for (Koenker & Bassett 1978): with
    level L these are (1 - L) / 2 and (1 + L) / 2. In units of the target."""
    tail = (1.0 - bounds.level) / 2.0
    losses: Floats = (_pinball(truth - bounds.low, tail) + _pinball(truth - bounds.high, 1.0 - tail)) / 2.0
    return losses


def _pinball(above: Floats, quantile: float) -> Floats:
    loss: Floats = np.maximum(quantile * above, (quantile - 1.0) * above)
    return loss


def widths(truth: Floats, bounds: Bounds) -> Floats:  # noqa: ARG001 - the terms take the same arguments
    """High minus low, in units of the target."""
    return bounds.high - bounds.low


INTERVAL_METRICS: Final[dict[str, Terms]] = {
    "coverage": inside,
    "pinball": pinball_losses,
    "interval_width": widths,
}


def interval_terms(name: str, scored: Scored) -> Floats:
    """Per row what is averaged to the metric of that name, shape (rows,)."""
    if scored.bounds is None:
        return np.full(scored.truth.size, np.nan)
    missing = np.isnan(scored.truth) | np.isnan(scored.bounds.low) | np.isnan(scored.bounds.high)
    return np.where(missing, np.nan, INTERVAL_METRICS[name](scored.truth, scored.bounds))


def interval_metric(name: str, scored: Scored) -> float:
    """The mean of the terms; NaN without rows or without an interval."""
    return float(np.mean(interval_terms(name, scored))) if scored.truth.size else float("nan")


def interval_note(spec: ModelSpec, holdout: Scored) -> str | None:
    """What a report says of the interval; None for classes and where the model file asks for none."""
    level = spec.training.interval
    if spec.problem == "classification" or level is None:
        return None
    if holdout.bounds is None:
        return f"no {100 * level:g} % interval: the validation part has too few rows to learn one, or gaps"
    measured = interval_metric("coverage", holdout), interval_metric("interval_width", holdout)
    return (
        f"{100 * level:g} % interval: {100 * measured[0]:.1f} % of {holdout.truth.size:,} holdout rows lie inside, "
        f"mean width {measured[1]:.4g}"
    )
