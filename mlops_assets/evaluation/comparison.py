"""Two models on the same rows: is the challenger really better, or would other rows have said otherwise?

Comes in: both models' answers to the same rows. Goes out: a `Comparison` with the relative improvement and its
interval. What to do about it is for the gates in `promotion`.

The test is paired: both models are measured on every resample together. Rows of one instant (temporal split) or one
group (group split) are drawn together, and instants in blocks whose length comes from the autocorrelation of the
difference. The interval is point +- Student's t (blocks - 1 degrees of freedom) x bootstrap standard error, on the
logarithm of the ratio for errors, on the difference otherwise.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import Comparison, Part
from mlops_assets.errors import EvidenceError
from mlops_assets.evaluation import resampling
from mlops_assets.evaluation.row_resampling import paired_error_differences, resampled_metrics
from mlops_assets.metrics import METRICS, Floats, Scored

FEWEST_BLOCKS: Final = 5
"""With fewer independent stretches there is nothing to estimate a spread from."""
WIDER: Final = 2.0
"""Blocks are taken this much longer than the rule says, which aims at the variance and not at the error of a test. With
errors of autocorrelation 0.9 and 200 rows, equally good models then pass 4 % of the time instead of 7 %."""
ROUNDING: Final = 1e-9
"""Twins differ by rounding only, whose autocorrelation means nothing."""
WORTH_BLOCKS: Final = 1.5
"""Shorter blocks than this mean that rows do not depend on each other."""


def relative_improvement(metric: str, challenger: float, champion: float) -> float:
    """How much better, as a share of the champion's size; above 0 is better, whatever the metric's direction.

    NaN when either is not finite, or when the champion is 0 and the challenger is not.
    """
    if not (math.isfinite(challenger) and math.isfinite(champion)):
        return float("nan")
    better = METRICS[metric].direction
    gain = challenger - champion if better == "higher" else champion - challenger
    if better == "zero":
        gain = abs(champion) - abs(challenger)
    if champion == 0:
        return 0.0 if gain == 0 else float("nan")
    return gain / abs(champion)


def spent_confidence(confidence: float, look: int) -> float:
    """Two-sided confidence asked for at the `look`-th comparison (from 1) with the same champion.

    Asking again every week finds a lucky week in the end. Look k may err with probability
    (1 - confidence) / (k (k + 1)), which adds up to 1 - confidence however long one keeps asking. The first look asks
    for `confidence` itself.
    """
    return 1.0 - 2.0 * (1.0 - confidence) / (look * (look + 1))


def clusters_of(
    frame: pl.DataFrame, strategy: str, *, timestamp: str | None, group: str | None
) -> NDArray[np.int64] | None:
    """Which rows belong together (one instant, one group), counted from 0 in order; None when rows stand alone."""
    column = timestamp if strategy == "temporal" else group if strategy == "group" else None
    if column is None or column not in frame.columns:
        return None
    return (frame[column].rank("dense").cast(pl.Int64).fill_null(0) - 1).to_numpy().clip(min=0)


def compare(
    metric: str,
    challenger: Scored,
    champion: Scored,
    *,
    part: Part = "test",
    confidence: float = 0.95,
    clusters: NDArray[np.int64] | None = None,
    ordered: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare on one metric. `clusters` as from `clusters_of`; `ordered` when clusters (or rows) follow time.

    low and high are NaN when they cannot be estimated. Raises EvidenceError when the two did not answer the same rows.
    """
    if not np.array_equal(challenger.truth, champion.truth, equal_nan=True):
        raise EvidenceError("challenger and champion were scored on different rows and cannot be compared")
    challenger_value, champion_value = (METRICS[metric].measure(scored) for scored in (challenger, champion))
    point = relative_improvement(metric, challenger_value, champion_value)
    rows = challenger.truth.size
    low = high = float("nan")
    method, needed = "no interval: a metric could not be measured", None
    if math.isfinite(point):
        low, high, method = _interval(
            metric, challenger, champion, point, champion_value, confidence, clusters, ordered, seed
        )
        if metric == "accuracy" and clusters is None and not ordered:
            low, high, method = _with_mcnemar(challenger, champion, low, high, confidence, method)
        needed = _rows_needed(point, low, rows)
    return Comparison(
        metric, part, challenger_value, champion_value, point, low, high, confidence, method, rows, needed
    )


def _interval(
    metric: str,
    challenger: Scored,
    champion: Scored,
    point: float,
    champion_value: float,
    confidence: float,
    clusters: NDArray[np.int64] | None,
    ordered: bool,
    seed: int,
) -> tuple[float, float, str]:
    influence = METRICS[metric].influence
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        most = resampling.MOST_ORDERED if ordered else resampling.MOST_ALONE

        def moved(challenger_value: Floats, beside: Floats) -> Floats:
            return _moved(metric, challenger_value, beside, champion_value, logarithmic=point < 1.0)

        if influence is None:
            sums = resampling.sums_by(clusters, paired_error_differences(challenger, champion)[:, None])
            length = _length(sums[:, 0]) if ordered else 1

            def draw() -> Floats:
                values = resampled_metrics(
                    METRICS[metric], challenger, champion, clusters=clusters, length=length, rng=rng
                )
                differences = moved(*values)
                finite: Floats = differences[np.isfinite(differences)]
                return finite

        else:
            both = [
                resampling.sums_by(clusters, influence.contributions(scored))
                for scored in (challenger, champion)
            ]
            sums = resampling.joined(np.concatenate(both, axis=1), most)
            width, value = both[0].shape[1], influence.value

            def statistic(totals: Floats) -> Floats:
                return moved(value(totals[..., :width]), value(totals[..., width:]))

            length = _length(_influence(statistic, sums)) if ordered else 1

            def draw() -> Floats:
                return statistic(resampling.resample(sums, length, rng))

        blocks = sums.shape[0] // length
        if blocks < FEWEST_BLOCKS:
            few = (
                f"{sums.shape[0]} rows" if length == 1 else f"{sums.shape[0]} instants in blocks of {length}"
            )
            return float("nan"), float("nan"), f"no interval: {few} are too few to judge"
        drawn = draw()
        spread = float(np.std(drawn)) * math.sqrt(blocks / (blocks - 1))
    margin = student_quantile(0.5 + confidence / 2, blocks - 1) * spread if spread else 0.0
    unit = "instants" if clusters is not None and ordered else "groups" if clusters is not None else "rows"
    over = f"over {unit}" if length == 1 else f"in blocks of {length} {unit}"
    resampled = f"paired bootstrap {'of DeLong components ' if metric == 'roc_auc' else ''}{over}"
    if METRICS[metric].direction == "lower" and point < 1.0:
        centre = math.log1p(-point)
        return -math.expm1(min(centre + margin, 700.0)), -math.expm1(centre - margin), resampled
    return point - margin, point + margin, resampled


def _length(series: Floats) -> int:
    if np.abs(series).sum() < ROUNDING:
        return 1
    length = resampling.block_length(series)
    return 1 if length < WORTH_BLOCKS else math.ceil(WIDER * length)


def _moved(
    metric: str, challenger_value: Floats, champion_value: Floats, champion: float, *, logarithmic: bool
) -> Floats:
    better = METRICS[metric].direction
    if better == "lower" and logarithmic:
        ratio: Floats = np.log(challenger_value / champion_value)
        return ratio
    gain: Floats = {
        "higher": challenger_value - champion_value,
        "lower": champion_value - challenger_value,
        "zero": np.abs(champion_value) - np.abs(challenger_value),
    }[better]
    return gain / (abs(champion) or 1.0)


def _influence(statistic: object, sums: Floats) -> Floats:
    """How each cluster pushes the statistic: its pieces times the gradient by the totals."""
    assert callable(statistic)
    totals = sums.sum(axis=0)
    steps = np.diag(np.maximum(np.abs(totals), np.abs(sums).sum(axis=0) * 1e-3) * 1e-4 + 1e-12)
    slope = (statistic(totals + steps) - statistic(totals - steps)) / (2 * np.diag(steps))
    contribution: Floats = sums @ np.nan_to_num(slope)
    return contribution


def _rows_needed(point: float, low: float, rows: int) -> int | None:
    """Rows at which the interval would leave 0 if the improvement stays as it is; its width shrinks with their root."""
    if not (point > 0 and math.isfinite(low)):
        return None
    if low > 0:
        return rows
    if point >= 1:
        return None
    centre, margin = -math.log1p(-point), -math.log1p(-point) + math.log1p(-low)
    return math.ceil(rows * (margin / centre) ** 2)


def _with_mcnemar(
    challenger: Scored, champion: Scored, low: float, high: float, confidence: float, method: str
) -> tuple[float, float, str]:
    """The interval, widened to 0 where the exact test of McNemar (1947) on the rows of disagreement sees chance."""
    challenger_value, champion_value = (scored.predicted == scored.truth for scored in (challenger, champion))
    won, lost = (
        int((challenger_value & ~champion_value).sum()),
        int((champion_value & ~challenger_value).sum()),
    )
    if mcnemar(won, lost) > 1.0 - confidence:
        low, high = min(low, 0.0), max(high, 0.0)
    return low, high, f"exact McNemar test ({won} rows won, {lost} lost), {method}"


def mcnemar(won: int, lost: int) -> float:
    """Two-sided exact p-value that rows of disagreement are won and lost by the toss of a coin."""
    from scipy.special import bdtr

    return 1.0 if won == lost else min(1.0, 2.0 * float(bdtr(min(won, lost), won + lost, 0.5)))


def student_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t above the median, with SciPy imported only here."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))
