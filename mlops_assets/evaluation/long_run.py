"""Variance of a sum of autocorrelated values, and how well a short series knows it.

Comes in: one value per instant, in order of time. Goes out: the variance of their sum, its degrees of freedom and the
number of independent periods that the series is worth.

The variance is the mean of the squared projections on the first cosines (equal-weighted cosine test: Lazarus, Lewis,
Stock & Watson 2018, J. Business & Economic Statistics 36), with Student's t of as many degrees of freedom. Slow errors
below noise hide from that: an AR(1) plus noise is fitted to the autocorrelations, and the projections are divided by
its spectrum relative to frequency 0. Of all models that the autocorrelations allow, the slowest is taken where
neighbors agree: to assume too much dependence costs rows, too little promotes by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlops_assets.metrics import Floats

FEWEST_COSINES: Final = 4
FEWEST_PERIODS: Final = 4.0
"""With fewer independent periods the variance between periods is not known."""
FLATNESS: Final = 0.8
"""Cosines are used while the spectrum stays, on average, above this share of its value at frequency 0."""
DECAYS: Final = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
"""Grid of the autoregression's coefficient."""
SHARES: Final = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Grid of its share of the variance; the rest is noise."""
LAGS: Final = 12
SLACK: Final = 3.0
"""How much worse, in units of the variance of an autocorrelation, a slower model may fit and still be assumed."""
NEIGHBORS_AGREE: Final = 0.5
"""First autocorrelation, in standard errors, from which a slower model than the best is assumed."""


@dataclass(frozen=True, slots=True)
class LongRun:
    """What a series says about the variance of its sum.

    Attributes:
        variance: Of the sum, in squared units of the values.
        freedom: Degrees of freedom of the estimate.
        periods: Independent values that the series is worth; NaN for a constant series.
    """

    variance: float
    freedom: int
    periods: float


def long_run(series: Floats) -> LongRun:
    """Estimate the variance of the sum of an autocorrelated series.

    Args:
        series: One value per instant, shape (n,), in order of time; n is at least 8.

    Returns:
        The variance with its degrees of freedom.
    """
    from scipy.fft import dct

    n = series.size
    centered = series - series.mean()
    if n < 2 * FEWEST_COSINES or not float(centered @ centered) > 0:
        return LongRun(0.0, max(n - 1, 1), math.nan)
    decay, share = _fitted(centered)
    most = max(int(min(0.4 * n ** (2 / 3), n // 2)), FEWEST_COSINES)
    spectrum = _spectrum(np.pi * np.arange(most + 1) / n, decay, share)
    ratio = spectrum[1:] / spectrum[0]
    flat = int((np.cumsum(ratio) / np.arange(1, most + 1) >= FLATNESS).sum())
    used = max(flat, FEWEST_COSINES)
    projections = dct(centered, norm="ortho")[1 : used + 1] ** 2
    return LongRun(n * float(projections.sum() / ratio[:used].sum()), used, n / float(spectrum[0]))


def _spectrum(frequency: Floats, decay: float, share: float) -> Floats:
    """Spectral density of AR(1) plus noise with variance 1, times 2 pi."""
    slow: Floats = (1 - decay**2) / (1 + decay**2 - 2 * decay * np.cos(frequency))
    return share * slow + 1 - share


def _fitted(centered: Floats) -> tuple[float, float]:
    """Coefficient of the autoregression and its share of the variance, by least squares over the autocorrelations."""
    n = centered.size
    lags = np.arange(1, min(LAGS + 1, max(n // 4, 2)))
    correlations = np.array([float(centered[lag:] @ centered[:-lag]) for lag in lags]) / float(
        centered @ centered
    )
    decays = np.array([decay for decay in DECAYS if n * (1 - decay) / (1 + decay) >= 2.0])
    decay, share = (grid.ravel() for grid in np.meshgrid(decays, SHARES, indexing="ij"))
    level = 1 + 2 * share * decay / (1 - decay)
    # The mean is estimated from the same values, which lowers every autocorrelation.
    lost = np.minimum(level / n, 0.9)[:, None]
    expected = (share[:, None] * decay[:, None] ** lags - lost) / (1 - lost)
    loss = n * ((expected - correlations) ** 2).sum(axis=1)
    slack = SLACK if correlations[0] * math.sqrt(n) > NEIGHBORS_AGREE else 0.0
    allowed = loss <= loss.min() + slack
    slowest = int(np.flatnonzero(allowed)[np.argmax(level[allowed])])
    return float(decay[slowest]), float(share[slowest])
