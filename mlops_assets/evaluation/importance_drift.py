"""Whether other features move the predictions than on the champion's holdout, with the uncertainty of few rows.

Comes in: SHAP values of recent rows, the champion's ranking. Goes out: an `ImportanceReport`. Recent rows are resampled
with replacement; the champion's shares vary in the resamples as much as those of as many rows as it was explained on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.artifacts import Explanation, FeatureImportance, ImportanceReport
from mlops_assets.evaluation.explanation import ShapValues
from mlops_assets.metrics.areas import midranks

RESAMPLES: Final = 500
INTERVAL: Final = (0.025, 0.975)
LEAST_CORRELATION: Final = 0.5
"""The gate `importance_shift` passes from this rank correlation on, unless the model file says otherwise."""
LEAST_MOVED: Final = 0.1
"""Share of the importance that has to go to other features: ranks of features that matter alike change by chance."""
MIN_ROWS: Final = 30
"""Fewer rows say too little about ranks."""

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
        recent: SHAP values of recent rows by the same model.
        seed: Of the resampling.

    Returns:
        The report; `unmeasurable` with fewer than MIN_ROWS rows on either side, or without a feature that matters.
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
    random = np.random.default_rng(seed)
    picked = sizes[random.integers(0, rows, (RESAMPLES, rows))].mean(axis=1)
    scale = sizes.std(axis=0) * before.sum() / sizes.mean(axis=0).sum() / np.sqrt(judged.rows)
    drawn = np.maximum(before + random.normal(size=picked.shape) * scale, 0.0)
    correlations = [_correlation(one, other) for one, other in zip(picked, drawn, strict=True)]
    low, high = np.quantile(correlations, INTERVAL)
    correlation = _correlation(sizes.mean(axis=0), before)
    features = _features(recent.names, before, sizes.mean(axis=0), picked)
    moved_share = sum(abs(one.recent - one.judged) for one in features) / 2
    changed = bool(high < LEAST_CORRELATION) and moved_share >= LEAST_MOVED
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
    shares = picked / picked.sum(axis=1, keepdims=True)
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
