"""One column that explains the target almost alone: perhaps a leak, perhaps physics. A person has to say.

Comes in: the model file and a split. Goes out: one sentence per column. Proofs of leakage are the business of `leaks`;
what is found here is suspicion, which asks a person and refuses nothing.

A column alone explains what the means (or class shares) of the target in its quantile bins explain on rows that did
not make them: the share of the variance, or of the errors of the most frequent class, that they remove.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import Split
from mlops_assets.features.columns import computed_names, feature_names
from mlops_assets.model_file import ModelSpec

NEARLY_ALL: Final = 0.9
"""Share of the target that a column explains alone, from which it is suspected."""
FAR_ABOVE: Final = 4.0
"""How many times more the second best column must leave unexplained."""
BINS: Final = 64
FEWEST_ROWS: Final = 100
SAMPLE_ROWS: Final = 20_000


def suspicions(spec: ModelSpec, split: Split) -> tuple[str, ...]:
    """Return a sentence for each column that explains the target almost alone, far better than the next column.

    Columns computed from earlier readings are left out: that the last value explains the next is no leak.

    Args:
        spec: The model file.
        split: Its training part is looked at.

    Returns:
        Sentences; empty for none.
    """
    frame = split.train
    if frame.height > SAMPLE_ROWS:
        frame = frame.gather_every(frame.height // SAMPLE_ROWS + 1)
    computed = {*computed_names(spec), *computed_names(spec, "grid")}
    names = [name for name in feature_names(spec, frame.columns) if name not in computed]
    if frame.height < FEWEST_ROWS or len(names) < 2:
        return ()
    classes = spec.problem == "classification"
    target = _codes(frame[spec.target]) if classes else frame[spec.target].cast(pl.Float64).to_numpy()
    explained = sorted(((_explained(frame[name], target, classes), name) for name in names), reverse=True)
    (best, name), (second, other) = explained[:2]
    if best < NEARLY_ALL or (1.0 - second) < FAR_ABOVE * (1.0 - best):
        return ()
    shares = f"{best:.1%} of the target, the next best ({other!r}) {max(second, 0):.1%}"
    return (f"column {name!r} alone explains {shares}: is it known before the target?",)


def _explained(column: pl.Series, target: NDArray[np.float64], classes: bool) -> float:
    """Share of the target that the column's bins explain on rows that did not make them (two halves, crossed)."""
    bins = _bins(column)
    half = np.random.default_rng(0).permutation(target.size) % 2
    left = total = 0.0
    for made, judged in ((half == 0, half == 1), (half == 1, half == 0)):
        if classes:
            size = int(target.max()) + 1
            table = np.zeros((BINS + 2, size))
            np.add.at(table, (bins[made], target[made].astype(int)), 1)
            overall = table.sum(axis=0)
            best = np.where(table.sum(axis=1) > 0, table.argmax(axis=1), overall.argmax())
            left += float((best[bins[judged]] != target[judged]).sum())
            total += float((overall.argmax() != target[judged]).sum())
        else:
            sums, counts = np.zeros(BINS + 2), np.zeros(BINS + 2)
            np.add.at(sums, bins[made], target[made])
            np.add.at(counts, bins[made], 1)
            mean = float(target[made].mean())
            means = np.where(counts > 0, sums / np.maximum(counts, 1), mean)
            left += float(((means[bins[judged]] - target[judged]) ** 2).sum())
            total += float(((mean - target[judged]) ** 2).sum())
    return 1.0 - left / total if total > 0 else 0.0


def _bins(column: pl.Series) -> NDArray[np.int64]:
    """Quantile bins of numbers, the most frequent values of text; a bin of its own for missing values."""
    if column.dtype.is_numeric():
        values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        known = values[np.isfinite(values)]
        if not known.size:
            return np.zeros(values.size, dtype=np.int64)
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
        return np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), BINS + 1)
    codes = _codes(column)
    return np.where(np.isfinite(codes), np.minimum(np.nan_to_num(codes), BINS), BINS + 1).astype(np.int64)


def _codes(column: pl.Series) -> NDArray[np.float64]:
    """Values by falling frequency, from 0; NaN for missing ones."""
    text = column.cast(pl.String)
    counted = text.drop_nulls().value_counts(sort=True)
    order = {value: float(index) for index, value in enumerate(counted[text.name].to_list())}
    codes = text.replace_strict(order, default=None, return_dtype=pl.Float64)
    return np.asarray(codes.fill_null(float("nan")).to_numpy(), dtype=np.float64)
