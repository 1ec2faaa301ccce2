"""Metrics of numbers (regression and forecasting). scikit-learn computes those that it has."""

from __future__ import annotations

from typing import Final

from mlops_assets.lazy_numpy import Floats, np
from mlops_assets.metrics.influence import Influence, mean_of, quotient, ratio_of, with_ones
from mlops_assets.metrics.metric import NAN, NUMBERS, Metric
from mlops_assets.metrics.scored import Scored


def absolute_errors(scored: Scored) -> Floats:
    """Return |prediction - truth| per row, in units of the target.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        Shape (n,).
    """
    return np.abs(scored.predicted - scored.truth)


def rmse(scored: Scored) -> float:
    """Compute the root of the mean squared error, in units of the target.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 or above.
    """
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(scored.truth, scored.predicted))


def mae(scored: Scored) -> float:
    """Compute the mean absolute error, in units of the target.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 or above.
    """
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(scored.truth, scored.predicted))


def median_absolute_error(scored: Scored) -> float:
    """Compute the median absolute error, in units of the target; a few large errors do not change it.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 or above.
    """
    from sklearn.metrics import median_absolute_error as median_error

    return float(median_error(scored.truth, scored.predicted))


def bias(scored: Scored) -> float:
    """Compute the mean error, in units of the target: above 0 when predictions are too high.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        Any number.
    """
    return float(np.mean(scored.predicted - scored.truth))


def r2(scored: Scored) -> float:
    """Compute the explained share of variance; below 0 when worse than the mean, NaN for a constant target.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        At most 1.
    """
    from sklearn.metrics import r2_score

    return float(r2_score(scored.truth, scored.predicted)) if np.ptp(scored.truth) > 0 else NAN


def mape(scored: Scored) -> float:
    """Compute the mean absolute error relative to the truth (0.05 is 5 %); NaN if a true value is 0.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 or above.
    """
    from sklearn.metrics import mean_absolute_percentage_error

    if bool((scored.truth == 0).any()):
        return NAN
    return float(mean_absolute_percentage_error(scored.truth, scored.predicted))


def smape(scored: Scored) -> float:
    """Compute the mean of |error| over the mean of |truth| and |prediction|, from 0 to 2; two zeros count 0.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 2.
    """
    return float(np.mean(symmetric_errors(scored)))


def wape(scored: Scored) -> float:
    """Compute the sum of absolute errors over the sum of absolute true values (0.05 is 5 %).

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 or above; NaN if all true values are 0.
    """
    total = float(np.sum(np.abs(scored.truth)))
    return float(np.sum(absolute_errors(scored))) / total if total else NAN


def mase(scored: Scored) -> float:
    """Compute the mean absolute error over that of the naive baseline, or of repeating the row before (Hyndman 2006).

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 or above, below 1 when better than the baseline; NaN if the baseline has no error.
    """
    total = float(np.sum(naive_errors(scored)))
    return float(np.sum(absolute_errors(scored))) / total if total else NAN


def naive_errors(scored: Scored) -> Floats:
    """Return the absolute errors of the naive forecast per row; without one, those of repeating the row before.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        Shape (n,), in units of the target.
    """
    if scored.naive is not None:
        return np.abs(scored.naive - scored.truth)
    steps = np.abs(np.diff(scored.truth))
    # The first row has no row before it: the mean of the others stands for it.
    return np.concatenate([[steps.mean() if steps.size else NAN], steps])


def symmetric_errors(scored: Scored) -> Floats:
    """Return the terms of sMAPE, one per row.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        Shape (n,), from 0 to 2.
    """
    size = (np.abs(scored.truth) + np.abs(scored.predicted)) / 2
    terms: Floats = np.divide(absolute_errors(scored), size, out=np.zeros_like(size), where=size != 0)
    return terms


def relative_errors(scored: Scored) -> Floats:
    """Return the terms of MAPE, one per row; NaN where the truth is 0.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        Shape (n,).
    """
    errors: Floats = absolute_errors(scored) / np.where(scored.truth == 0, np.nan, np.abs(scored.truth))
    return errors


def _root(sums: Floats) -> Floats:
    root: Floats = np.sqrt(quotient(sums))
    return root


def _squares(scored: Scored) -> Floats:
    return with_ones((scored.predicted - scored.truth) ** 2)


def _r2_contributions(scored: Scored) -> Floats:
    centered = scored.truth - scored.truth.mean()
    errors = (scored.truth - scored.predicted) ** 2
    return np.column_stack([np.ones_like(centered), centered, centered**2, errors])


def _r2_value(sums: Floats) -> Floats:
    count, truth, squares, errors = (sums[..., column] for column in range(4))
    variation = squares - truth**2 / np.where(count > 0, count, np.nan)
    unexplained: Floats = np.divide(errors, variation, out=np.full_like(errors, np.nan), where=variation > 0)
    return 1.0 - unexplained


def _errors(scored: Scored) -> Floats:
    return scored.predicted - scored.truth


def _sizes(scored: Scored) -> Floats:
    return np.abs(scored.truth)


NUMBER_METRICS: Final = (
    Metric("rmse", "lower", NUMBERS, rmse, bound=0.0, influence=Influence(_squares, _root)),
    Metric("mae", "lower", NUMBERS, mae, bound=0.0, influence=mean_of(absolute_errors)),
    Metric("median_absolute_error", "lower", NUMBERS, median_absolute_error, bound=0.0),
    Metric("r2", "higher", NUMBERS, r2, bound=1.0, influence=Influence(_r2_contributions, _r2_value)),
    Metric("mape", "lower", NUMBERS, mape, bound=0.0, influence=mean_of(relative_errors)),
    Metric("smape", "lower", NUMBERS, smape, bound=0.0, influence=mean_of(symmetric_errors)),
    Metric("wape", "lower", NUMBERS, wape, bound=0.0, influence=ratio_of(absolute_errors, _sizes)),
    Metric("bias", "zero", NUMBERS, bias, bound=0.0, influence=mean_of(_errors)),
    Metric("mase", "lower", NUMBERS, mase, bound=0.0, influence=ratio_of(absolute_errors, naive_errors)),
)
