"""Whether other features move the predictions than on the champion's holdout, with the uncertainty of few rows.

Comes in: SHAP values of recent rows in order of time, the champion's ranking. Goes out: an `ImportanceReport`. Recent
rows are resampled in blocks of time as long as their autocorrelation asks for, because neighboring rows resemble each
other; the champion's shares vary in the resamples as much as those of as many rows as it was explained on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.artifacts import Explanation, FeatureImportance, ImportanceReport
from mlops_assets.evaluation.explanation import ShapValues
from mlops_assets.evaluation.long_run import LongRun, long_run
from mlops_assets.evaluation.resampling import block_length, resample
from mlops_assets.metrics.areas import midranks

RESAMPLES: Final = 500
INTERVAL: Final = (0.025, 0.975)
LEAST_CORRELATION: Final = 0.5
"""The gate `importance_shift` passes from this rank correlation on, unless the model file says otherwise."""
LEAST_MOVED: Final = 0.1
"""Share of the importance that has to go to other features: ranks of features that matter alike change by chance."""
MIN_ROWS: Final = 30
"""Fewer rows say too little about ranks."""
MIN_PERIODS: Final = 8
"""Independent periods that the recent rows must be worth: fewer do not show how much periods differ."""

Floats = NDArray[np.float64]


def importance_drift(
    model: str, version: int, as_of: datetime, judged: Explanation, recent: ShapValues, seed: int
) -> ImportanceReport:
    """Compare the ranking on recent rows with the one on the champion's holdout.

    Args:
        model: Name of the model.
        version: The champion's version.
        as_of: Instant of the report.
        judged: The champion's ranking.
        recent: SHAP values of recent rows by the same model, in order of time.
        seed: Of the resampling.

    Returns:
        The report; `unmeasurable` with fewer than MIN_ROWS rows on either side, with rows worth fewer than MIN_PERIODS
        independent ones, or without a feature that matters.
    """
    sizes = np.abs(recent.values)
    by_name = dict(judged.ranking)
    before = np.array([by_name.get(name, 0.0) for name in recent.names])
    rows = len(sizes)
    if min(rows, judged.rows) < MIN_ROWS:
        reason = f"{rows} recent rows and {judged.rows} of the holdout were explained; {MIN_ROWS} are needed"
        return ImportanceReport(model, version, as_of, "unmeasurable", reason, rows, recent.method)
    if not (np.isfinite(sizes).all() and sizes.sum() > 0 and before.sum() > 0):
        reason = "no feature moves the predictions, or their SHAP values are not finite"
        return ImportanceReport(model, version, as_of, "unmeasurable", reason, rows, recent.method)
    runs = [long_run(column) for column in sizes.T]
    periods = min((run.periods for run in runs if math.isfinite(run.periods)), default=float(rows))
    if periods < MIN_PERIODS:
        reason = (
            f"{rows} recent rows resemble their neighbors so much that they are worth {periods:.0f} independent ones; "
            f"{MIN_PERIODS} are needed, which a longer monitoring.window has"
        )
        return ImportanceReport(model, version, as_of, "unmeasurable", reason, rows, recent.method)
    random = np.random.default_rng(seed)
    length = math.ceil(max(block_length(column) for column in sizes.T))
    picked = _widened(resample(sizes, length, random, RESAMPLES) / rows, sizes.mean(axis=0), runs, rows)
    scale = picked.std(axis=0) * np.sqrt(rows / judged.rows) * before.sum() / sizes.mean(axis=0).sum()
    drawn = np.maximum(before + random.normal(size=picked.shape) * scale, 0.0)
    correlations = [_correlation(one, other) for one, other in zip(picked, drawn, strict=True)]
    low, high = np.quantile(correlations, INTERVAL)
    correlation = _correlation(sizes.mean(axis=0), before)
    features = _features(recent.names, before, sizes.mean(axis=0), picked)
    moved_share = sum(abs(one.recent - one.judged) for one in features) / 2
    by_chance = _moved_by_chance(picked, sizes.mean(axis=0), drawn, before)
    changed = bool(high < LEAST_CORRELATION) and moved_share >= max(LEAST_MOVED, by_chance)
    moved = [one for one in features if one.has_moved]
    strongest = ", ".join(
        f"{one.feature} (rank {one.judged_rank}, now {one.rank})" for one in (moved or features)[:3]
    )
    interval = f"{correlation:.2f} ({low:.2f} to {high:.2f})"
    sentence = f"the same features matter as on the holdout: rank correlation {interval}"
    if changed:
        sentence = (
            f"{moved_share:.0%} of the importance went to other features; the rank correlation with the holdout is "
            f"{interval}, below {LEAST_CORRELATION:g}: {strongest}"
        )
    return ImportanceReport(
        model=model,
        version=version,
        as_of=as_of,
        level="changed" if changed else "unchanged",
        sentence=sentence,
        rows=rows,
        method=recent.method,
        correlation=correlation,
        low=float(low),
        high=float(high),
        features=features,
    )


def _features(
    names: tuple[str, ...], before: Floats, recent: Floats, picked: Floats
) -> tuple[FeatureImportance, ...]:
    shares = _shares(picked)
    ranks = np.stack([_ranks(one) for one in picked])
    share_low, share_high = np.quantile(shares, INTERVAL, axis=0)
    rank_low, rank_high = np.quantile(ranks, INTERVAL, axis=0)
    judged_ranks, recent_ranks = _ranks(before), _ranks(recent)
    return tuple(
        FeatureImportance(
            feature=names[index],
            judged=float(before[index] / before.sum()),
            judged_rank=int(judged_ranks[index]),
            recent=float(recent[index] / recent.sum()),
            low=float(share_low[index]),
            high=float(share_high[index]),
            rank=int(recent_ranks[index]),
            rank_low=int(rank_low[index]),
            rank_high=int(np.ceil(rank_high[index])),
        )
        for index in np.argsort(-recent, kind="stable").tolist()
    )


def _widened(picked: Floats, center: Floats, runs: Sequence[LongRun], rows: int) -> Floats:
    """Return the resamples with the long-run variance where that is larger: few long blocks resemble each other."""
    scale = np.array([math.sqrt(run.variance) / rows for run in runs])
    factors = np.maximum(scale / np.maximum(picked.std(axis=0), 1e-300), 1.0)
    wider: Floats = np.maximum(center + (picked - center) * factors, 0.0)
    return wider


def _moved_by_chance(picked: Floats, recent: Floats, drawn: Floats, before: Floats) -> float:
    """Return the share of the importance that moves in 1 of 40 cases although the features matter as before."""
    noise = (_shares(picked) - _shares(recent)) - (_shares(drawn) - _shares(before))
    return float(np.quantile(np.abs(noise).sum(axis=1) / 2, INTERVAL[1]))


def _shares(sizes: Floats) -> Floats:
    shares: Floats = sizes / sizes.sum(axis=-1, keepdims=True)
    return shares


def _ranks(sizes: Floats) -> NDArray[np.int64]:
    """Return the rank of each size; 1 is the largest."""
    ranks = np.empty(len(sizes), dtype=np.int64)
    ranks[np.argsort(-sizes, kind="stable")] = np.arange(1, len(sizes) + 1)
    return ranks


def _correlation(one: Floats, other: Floats) -> float:
    """Spearman correlation; constant sizes, as of a single feature, agree."""
    pair = midranks(one), midranks(other)
    if any(np.ptp(ranks) == 0 for ranks in pair):
        return 1.0
    return float(np.corrcoef(*pair)[0, 1])
