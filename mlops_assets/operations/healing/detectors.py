"""What is unusual compared with the platform's own history: evidence for a cause, never a reason to act by itself.

Two detectors, on samples of five minutes:
- a robust z-score per series: distance from the median of the same hour of the day (of all hours while there is less
  than a week) in units of 1.4826 times the median absolute deviation (Rousseeuw and Croux, 1993);
- an isolation forest over all series together (Liu, Ting and Zhou, 2008) with a contamination of 0.1 and seed 42; a
  sample is unusual when its score is below -0.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from mlops_assets.operations.healing.snapshot import Series

Z_LIMIT: Final = 6.0
LEAST_RELATIVE: Final = 0.1
"""Smallest distance from the median, relative to it: a series that never moved has no deviation to compare with."""
LEAST_SAMPLES: Final = 24
WEEK: Final = timedelta(days=7)
CONTAMINATION: Final = 0.1
SEED: Final = 42
SCORE_LIMIT: Final = -0.5
History = Mapping[Series, Sequence[tuple[datetime, float]]]


def robust_z(points: Sequence[tuple[datetime, float]], at: datetime, value: float) -> float | None:
    """Return how far a value is from the usual one, in robust standard deviations.

    Args:
        points: The history, oldest first, without the value.
        at: Time of the value.
        value: The value.

    Returns:
        The z-score, signed; 0 within 10 % of the median, None with less than 24 samples.
    """
    seasonal = bool(points) and at - points[0][0] >= WEEK
    usual = [one for when, one in points if not seasonal or when.hour == at.hour]
    if len(usual) < LEAST_SAMPLES:
        return None
    center = median(usual)
    if abs(value - center) <= LEAST_RELATIVE * abs(center):
        return 0.0
    deviation = 1.4826 * median(abs(one - center) for one in usual)
    return (value - center) / max(deviation, LEAST_RELATIVE * abs(center) / Z_LIMIT, 1e-12)


def unusual_series(history: History, at: datetime, values: Mapping[Series, float]) -> dict[Series, float]:
    """Return the series whose newest value is unusual.

    Args:
        history: Samples of each series, oldest first, without the newest.
        at: Time of the newest values.
        values: The newest values.

    Returns:
        Z-score by series, for those beyond 6.
    """
    scores = {one: robust_z(history.get(one, ()), at, value) for one, value in values.items()}
    return {one: score for one, score in scores.items() if score is not None and abs(score) > Z_LIMIT}


def forest_score(history: History, values: Mapping[Series, float]) -> float | None:
    """Return the isolation forest's score of the newest sample; below -0.5 it is unusual as a whole.

    Args:
        history: Samples of each series, oldest first, without the newest.
        values: The newest values.

    Returns:
        A score between -1 and 0; None when fewer than 24 samples have every series.
    """
    import numpy as np
    from sklearn.ensemble import IsolationForest

    series = sorted(values.keys() & history.keys())
    by_time: dict[datetime, dict[Series, float]] = {}
    for one in series:
        for when, value in history[one]:
            by_time.setdefault(when, {})[one] = value
    complete = [[sample[one] for one in series] for sample in by_time.values() if len(sample) == len(series)]
    if not series or len(complete) < LEAST_SAMPLES:
        return None
    forest = IsolationForest(contamination=CONTAMINATION, random_state=SEED).fit(np.asarray(complete))
    return float(forest.score_samples(np.asarray([[values[one] for one in series]]))[0])
