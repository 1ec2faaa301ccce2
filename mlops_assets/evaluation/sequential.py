"""Evidence that adds up over weeks: one anytime-valid test per champion and recipe.

Comes in: the per-row losses of challenger and champion on rows that came after both were fixed, and the state after the
previous look. Goes out: the new state, whose `e_value` may be read at any time. A look adds only rows that no earlier
look has used.

Under the hypothesis that the challengers of a recipe are no better, the difference of losses over a block is symmetric
around 0 or below, and exp(c z - c^2 z^2 / 2) has expectation at most 1 for every c > 0 (de la Pena 1999, Annals of
Probability 27, lemma 6.1). Products over blocks, averaged over a grid of c, are a test martingale: it exceeds 1 / alpha
at any time with probability at most alpha (Ville 1939). z is a block's difference divided by the root mean square of
the blocks before it, which is known before the block.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.artifacts import SequentialTest
from mlops_assets.evaluation.resampling import block_length
from mlops_assets.metrics import Floats, Scored
from mlops_assets.metrics.probabilities import log_losses

BETS: Final = (0.1, 0.2, 0.4, 0.8)
"""The grid of c: small ones find small gains over many weeks, large ones find large gains at once."""
LENGTH_FACTOR: Final = 3.0
"""Blocks are this much longer than the rule for a variance, so that they hardly depend on each other."""
FEWEST_BLOCKS: Final = 4
SQUARED: Final = frozenset({"rmse", "r2"})


def losses(metric: str, scored: Scored) -> Floats:
    """Return a loss per row that fits the metric: squared or absolute error, log loss, or a wrong class.

    Args:
        metric: Name of the metric.
        scored: Truth and predictions.

    Returns:
        Shape (rows,); smaller is better.
    """
    if not scored.classes:
        error = scored.predicted - scored.truth
        loss: Floats = error**2 if metric in SQUARED else np.abs(error)
        return loss
    if metric == "log_loss" and scored.probabilities is not None:
        return log_losses(scored)
    wrong: Floats = (scored.predicted != scored.truth).astype(np.float64)
    return wrong


def sequential_test(
    metric: str,
    challenger: Scored,
    champion: Scored,
    times: pl.Series,
    *,
    recipe: str,
    before: SequentialTest | None,
) -> SequentialTest | None:
    """Return the state after this look; None where the rows do not fill enough blocks to begin.

    Args:
        metric: Name of the metric.
        challenger: Scored rows that came after the challenger was fixed.
        champion: The same rows, scored by the champion.
        times: Their instants, ascending.
        recipe: What the challengers of this test have in common: the digest of their model file.
        before: The state after the previous look with the same champion and recipe.

    Returns:
        The state, to be stored with the evidence; None to begin later.
    """
    each = pl.DataFrame(
        {
            "at": times.dt.epoch("us"),
            "challenger": losses(metric, challenger),
            "champion": losses(metric, champion),
        }
    )
    rows = each.group_by("at").mean().with_columns(gain=pl.col("champion") - pl.col("challenger")).sort("at")
    if before is not None:
        width, used = before.block_seconds, int(before.until.timestamp() * 1e6)
        rows = rows.filter(pl.col("at") >= used)
    else:
        width, used = _block_seconds(rows), None
    if rows.is_empty() or not np.isfinite(rows["gain"].to_numpy()).all():
        return before
    start = used if used is not None else int(rows["at"].to_numpy()[0])
    number = (rows["at"] - start) // int(width * 1e6)
    blocks = rows.with_columns(block=number).group_by("block").mean().sort("block")
    complete = blocks.filter(pl.col("block") < number.to_numpy()[-1])
    if complete.is_empty() or (before is None and complete.height < FEWEST_BLOCKS):
        return before
    last = int(complete["block"].to_numpy()[-1]) + 1
    until = times[0] + timedelta(microseconds=start - int(times.dt.epoch("us")[0]) + int(last * width * 1e6))
    return _continued(metric, recipe, until, width, complete, before)


def _continued(
    metric: str,
    recipe: str,
    until: datetime,
    width: float,
    blocks: pl.DataFrame,
    before: SequentialTest | None,
) -> SequentialTest:
    squares, count = (before.squares, before.blocks) if before else (0.0, 0)
    logs = list(before.log_wealth) if before else [0.0] * len(BETS)
    for gain in blocks["gain"].to_list():
        if count and squares > 0:
            z = gain / math.sqrt(squares / count)
            logs = [value + bet * z - (bet * z) ** 2 / 2 for value, bet in zip(logs, BETS, strict=True)]
        squares, count = squares + gain * gain, count + 1
    looks = (before.looks if before else 0) + 1
    earlier = (before.challenger_loss, before.champion_loss) if before else (0.0, 0.0)
    totals = [
        total + float(blocks[name].sum())
        for total, name in zip(earlier, ("challenger", "champion"), strict=True)
    ]
    return SequentialTest(metric, recipe, until, width, squares, count, tuple(logs), looks, *totals)


def _block_seconds(rows: pl.DataFrame) -> float:
    """Length of a block, from the autocorrelation of the differences at the first look."""
    instants = rows["at"].to_numpy()
    step = float(np.median(np.diff(instants))) / 1e6 if instants.size > 1 else 1.0
    length = block_length(rows["gain"].to_numpy() - float(rows["gain"].to_numpy().mean()))
    return max(1.0, math.ceil(LENGTH_FACTOR * length)) * max(step, 1e-3)


def spent_confidence(confidence: float, look: int) -> float:
    """Return the two-sided confidence of the `look`-th comparison (from 1) with the same champion.

    Repeated testing inflates the false-positive rate, so alpha is spent over looks: look k may err with probability
    (1 - confidence) / (k (k + 1)), which adds up to 1 - confidence over any number of looks. The first look has
    `confidence` itself.

    Args:
        confidence: Two-sided, for all looks together.
        look: Number of this comparison.

    Returns:
        Between `confidence` and 1.
    """
    return 1.0 - 2.0 * (1.0 - confidence) / (look * (look + 1))
