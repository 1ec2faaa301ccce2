"""Two models on the same rows: is the challenger really better, or would other rows have said otherwise?

Comes in: both models' predictions of the same rows. Goes out: a `Comparison` with the relative improvement and its
interval. What to do about it is for the gates in `promotion`.

The test is paired: both models are measured on every resample together. Rows of one instant (temporal split; with
entities, one bin of their usual step), one group (group split) or one entity (other splits) are drawn together, and
instants in blocks whose length comes from the autocorrelation of the difference. The interval is point +- Student's t
(blocks - 1 degrees of freedom) x bootstrap standard error, on the logarithm of the ratio for
errors, on the difference otherwise.
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
"""With fewer independent blocks their variance is not known well enough."""
FEWEST_ENTITIES: Final = 10
"""With fewer entities the result speaks for these entities only."""
BLOCK_LENGTH_FACTOR: Final = 2.0
"""Blocks are taken this much longer than the rule says, which aims at the variance and not at the error of a test. With
errors of autocorrelation 0.9 and 200 rows, equally good models then pass 4 % of the time instead of 7 %."""
POSITIVE_CLASS_METRICS: Final = frozenset({"roc_auc", "pr_auc", "f1", "precision", "recall"})
FEWEST_OF_A_CLASS: Final = 10
"""Of two classes; with 2 of 30 rows positive, models of pure noise beat the most frequent class 13 % of the time."""
ROUNDING: Final = 1e-9
"""Twins differ by rounding only, whose autocorrelation means nothing."""
SHORTEST_BLOCK: Final = 1.5
"""Shorter blocks than this mean that rows do not depend on each other."""


def relative_improvement(metric: str, challenger: float, champion: float) -> float:
    """Return how much better the challenger is, as a share of what it could gain; above 0 is better.

    The share is of the champion's size; for metrics with an upper bound, of the gap between champion and bound: from
    0.90 to 0.92 is 20 % of what an area under the curve could still gain. NaN when either is not finite, or when the
    champion leaves nothing to gain and the challenger differs.

    Args:
        metric: Name of the metric.
        challenger: Its value.
        champion: Its value.
    """
    if not (math.isfinite(challenger) and math.isfinite(champion)):
        return float("nan")
    better = METRICS[metric].direction
    gain = challenger - champion if better == "higher" else champion - challenger
    if better == "zero":
        gain = abs(champion) - abs(challenger)
    scale = _scale(metric, champion)
    if scale == 0:
        return 0.0 if gain == 0 else float("nan")
    return gain / scale


def _scale(metric: str, champion: float) -> float:
    """Return what a gain is a share of."""
    known = METRICS[metric]
    return abs(champion if known.direction != "higher" or known.bound is None else known.bound - champion)


def spent_confidence(confidence: float, look: int) -> float:
    """Return the two-sided confidence of the `look`-th comparison (from 1) with the same champion.

    Repeated testing inflates the false-positive rate, so alpha is spent over looks: look k may err with probability
    (1 - confidence) / (k (k + 1)), which adds up to 1 - confidence over any number of looks. The first look has
    `confidence` itself.

    Args:
        confidence: Two-sided, for all looks together.
        look: Number of this comparison.
    """
    return 1.0 - 2.0 * (1.0 - confidence) / (look * (look + 1))


def clusters_of(
    frame: pl.DataFrame, strategy: str, *, timestamp: str | None, group: str | None, entity: str | None = None
) -> NDArray[np.int64] | None:
    """Return which rows depend on each other, as codes from 0 in order; None when rows stand alone.

    Split by time: one instant is one cluster; with entities, one bin of the usual step with all entities together,
    because entities that report at their own second share the weather of the minute. Split by group: one group.
    Otherwise rows of an entity follow no time, and one entity is one cluster.

    Args:
        frame: The rows, in order.
        strategy: Of the split.
        timestamp: Column of the instants.
        group: Column of a group split.
        entity: Column of the entities.
    """
    column = {"temporal": timestamp, "group": group}.get(strategy, entity)
    if column is None or column not in frame.columns:
        return None
    values = frame[column]
    if strategy == "temporal" and entity is not None and entity in frame.columns:
        values = _bins(frame, column, entity)
    return _codes(values)


def entities_of(frame: pl.DataFrame, strategy: str, entity: str | None) -> NDArray[np.int64] | None:
    """Return the entity of each row, as codes from 0, where clusters are instants; None elsewhere.

    Args:
        frame: The rows, in order.
        strategy: Of the split.
        entity: Column of the entities.
    """
    return _codes(frame[entity]) if strategy == "temporal" and entity in frame.columns and entity else None


def _bins(frame: pl.DataFrame, timestamp: str, entity: str) -> pl.Series:
    """Instants in bins of the usual step: the median time between two rows of one entity."""
    times = frame.select(entity, at=pl.col(timestamp).dt.epoch("us")).sort(entity, "at")
    steps = times.select(pl.col("at").diff().over(entity)).to_series().drop_nulls()
    step = steps.filter(steps > 0).median()
    micros = frame[timestamp].dt.epoch("us")
    return micros if not isinstance(step, int | float) else (micros - micros.min()) // max(int(step), 1)


def _codes(values: pl.Series) -> NDArray[np.int64]:
    return (values.rank("dense").cast(pl.Int64).fill_null(0) - 1).to_numpy().clip(min=0)


def compare(  # noqa: PLR0913
    metric: str,
    challenger: Scored,
    champion: Scored,
    *,
    part: Part = "test",
    confidence: float = 0.95,
    clusters: NDArray[np.int64] | None = None,
    ordered: bool = False,
    entities: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Comparison:
    """Return the comparison of two models on one metric; low and high are NaN when they cannot be estimated.

    Args:
        metric: Name of the metric.
        challenger: Truth and predictions.
        champion: The same rows, predicted by the champion (or by a naive baseline).
        part: Part of the split, for the record.
        confidence: Two-sided, of the interval.
        clusters: As from `clusters_of`.
        ordered: Whether clusters (or rows) follow time.
        entities: As from `entities_of`; rows of one entity then depend on each other across time too.
        seed: Of the resampling.

    Raises:
        EvidenceError: The two did not predict the same rows.
    """
    if not np.array_equal(challenger.truth, champion.truth, equal_nan=True):
        raise EvidenceError("challenger and champion were scored on different rows and cannot be compared")
    challenger_value, champion_value = (METRICS[metric].measure(scored) for scored in (challenger, champion))
    point = relative_improvement(metric, challenger_value, champion_value)
    rows = challenger.truth.size
    low = high = float("nan")
    method, needed = "no interval: a metric could not be measured", None
    if (few := _few_of_a_class(metric, challenger)) is not None:
        method = f"no interval: {few}"
    elif math.isfinite(point):
        low, high, method = _interval(
            metric, challenger, champion, point, champion_value, confidence, clusters, ordered, entities, seed
        )
        if metric == "accuracy" and clusters is None and not ordered:
            low, high, method = _with_mcnemar(challenger, champion, low, high, confidence, method)
        needed = _rows_needed(point, low, rows)
    return Comparison(
        metric, part, challenger_value, champion_value, point, low, high, confidence, method, rows, needed
    )


def _few_of_a_class(metric: str, scored: Scored) -> str | None:
    """Why a metric of the positive class cannot be compared: an area over two positive rows is a draw of two rows."""
    if metric not in POSITIVE_CLASS_METRICS or len(scored.classes) != 2:
        return None
    rows = min(int((scored.truth == code).sum()) for code in (0, 1))
    return (
        f"{rows} rows of the rarer class are fewer than {FEWEST_OF_A_CLASS}"
        if rows < FEWEST_OF_A_CLASS
        else None
    )


def _interval(  # noqa: PLR0913
    metric: str,
    challenger: Scored,
    champion: Scored,
    point: float,
    champion_value: float,
    confidence: float,
    clusters: NDArray[np.int64] | None,
    ordered: bool,
    entities: NDArray[np.int64] | None,
    seed: int,
) -> tuple[float, float, str]:
    influence = METRICS[metric].influence
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        most = resampling.MOST_ORDERED if ordered else resampling.MOST_ALONE

        def moved(challenger_value: Floats, beside: Floats) -> Floats:
            return _moved(metric, challenger_value, beside, champion_value, logarithmic=point < 1.0)

        if influence is None:
            per_row = paired_error_differences(challenger, champion)
            sums = resampling.sums_by(clusters, per_row[:, None])
            length = _length(sums[:, 0]) if ordered else 1

            def draw() -> Floats:
                values = resampled_metrics(
                    METRICS[metric], challenger, champion, clusters=clusters, length=length, rng=rng
                )
                differences = moved(*values)
                finite: Floats = differences[np.isfinite(differences)]
                return finite

        else:
            both = np.concatenate(
                [influence.contributions(scored) for scored in (challenger, champion)], axis=1
            )
            sums = resampling.joined(resampling.sums_by(clusters, both), most)
            width, value = both.shape[1] // 2, influence.value

            def statistic(totals: Floats) -> Floats:
                return moved(value(totals[..., :width]), value(totals[..., width:]))

            length = _length(_influence(statistic, sums)) if ordered else 1
            per_row = _influence(statistic, both) if entities is not None else np.empty(0)

            def draw() -> Floats:
                return statistic(resampling.resample(sums, length, rng))

        blocks = sums.shape[0] // length
        unit = (
            "instants" if clusters is not None and ordered else "groups" if clusters is not None else "rows"
        )
        if blocks < FEWEST_BLOCKS:
            few = f"{sums.shape[0]} {unit}" + ("" if length == 1 else f" in blocks of {length}")
            return float("nan"), float("nan"), f"no interval: {few} are too few to judge"
        drawn = draw()
        spread = float(np.std(drawn)) * math.sqrt(blocks / (blocks - 1))
    inflation, freedom, among = _between_entities(per_row, entities, blocks - 1)
    spread *= inflation
    margin = student_quantile(0.5 + confidence / 2, freedom) * spread if spread else 0.0
    over = f"over {unit}" if length == 1 else f"in blocks of {length} {unit}"
    resampled = f"paired bootstrap {'of DeLong components ' if metric == 'roc_auc' else ''}{over}{among}"
    if METRICS[metric].direction == "lower" and point < 1.0:
        centre = math.log1p(-point)
        return -math.expm1(min(centre + margin, 700.0)), -math.expm1(centre - margin), resampled
    return point - margin, point + margin, resampled


def _between_entities(
    per_row: Floats, entities: NDArray[np.int64] | None, freedom: int
) -> tuple[float, int, str]:
    """How much wider the interval is because rows of one entity depend on each other however far apart they are.

    Two-way clustering: variance by time plus variance by entity less variance by row (Cameron, Gelbach & Miller 2011).
    Below `FEWEST_ENTITIES` the result speaks for these entities only, and says so.
    """
    if entities is None:
        return 1.0, freedom, ""
    count = int(entities.max()) + 1
    if count < FEWEST_ENTITIES:
        return 1.0, freedom, f", for these {count} entities only: too few to speak for others"
    centered = np.nan_to_num(per_row - per_row.mean())
    by_row = float(centered @ centered)
    by_entity = float((np.bincount(entities, centered) ** 2).sum())
    if by_row <= ROUNDING**2 or by_entity <= by_row:
        return 1.0, freedom, f" and {count} entities"
    return math.sqrt(by_entity / by_row), min(freedom, count - 1), f" and {count} entities"


def _length(series: Floats) -> int:
    if np.abs(series).sum() < ROUNDING:
        return 1
    length = resampling.block_length(series)
    return 1 if length < SHORTEST_BLOCK else math.ceil(BLOCK_LENGTH_FACTOR * length)


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
    return gain / (_scale(metric, champion) or 1.0)


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
    """Return the interval, widened to 0 where an exact test sees chance.

    The test is McNemar's (1947) on the rows of disagreement.
    """
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
