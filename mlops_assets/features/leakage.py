"""Leakage checks of a split: rows in two parts, training on the future, proxies of the target.

Comes in: the model file and a split. Goes out: one sentence per finding; a gate refuses a challenger that has any.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import polars as pl

from mlops_assets.artifacts import PARTS, Part, Split
from mlops_assets.features.columns import feature_names
from mlops_assets.features.splitting import purge, strategy
from mlops_assets.model_file import ModelSpec

PROXY_CORRELATION: Final = 0.9999
"""Absolute rank correlation of a feature with the target from which the two say the same."""
SAMPLE_ROWS: Final = 20_000
FEWEST_OF_A_CLASS: Final = 50
"""Rows of each class below which several values per class are no proof."""
FEWEST_VALUES: Final = 25
"""Different values below which equal order is no proof: a few steps of a scale agree by chance."""


def leakage(spec: ModelSpec, split: Split) -> tuple[str, ...]:
    """Check a split for target leakage: shared rows, shared groups, future rows, and proxies of the target.

    Args:
        spec: The model file.
        split: The split to check.

    Returns:
        One sentence for each leak.
    """
    return (
        *_shared_rows(spec, split),
        *_shared_groups(spec, split),
        *_future(spec, split),
        *_proxies(spec, split),
    )


def _shared_rows(spec: ModelSpec, split: Split) -> Iterator[str]:
    """Rows with the same keys in two parts; without keys, rows that are equal in every column."""
    keys = [name for name in (spec.timestamp, spec.entity) if name is not None] if spec.timestamp else []
    names = keys or sorted(split.train.columns)
    what = " and ".join(keys) or "every column"
    for index, one in enumerate(PARTS):
        for other in PARTS[index + 1 :]:
            shared = (
                split.part(one)
                .select(names)
                .join(split.part(other).select(names).unique(), on=names, how="semi", nulls_equal=True)
            )
            if shared.height:
                yield f"{shared.height:,} rows of {one} are in {other} too (same {what})"


def _shared_groups(spec: ModelSpec, split: Split) -> Iterator[str]:
    group = spec.split.group
    if group is None or group not in split.train.columns:
        return
    known: dict[object, str] = {}
    shared = {
        value
        for part in PARTS
        for value in split.part(part)[group].unique().to_list()
        if known.setdefault(value, part) != part
    }
    if shared:
        yield f"{len(shared):,} values of {group!r} are in more than one part"


def _future(spec: ModelSpec, split: Split) -> Iterator[str]:
    if spec.timestamp is None or strategy(spec) != "temporal":
        return
    at = spec.timestamp
    neighbors: tuple[tuple[Part, Part], ...] = (("train", "validation"), ("validation", "test"))
    for one, other in neighbors:
        reach, begin = split.part(one)[at].max(), split.part(other)[at].min()
        if not isinstance(reach, datetime) or not isinstance(begin, datetime):
            continue
        if reach >= begin or reach + purge(spec) > begin:
            yield f"{one} reaches to {reach}, which is not before {other} begins ({begin}) by the gap"


def _proxies(spec: ModelSpec, split: Split) -> Iterator[str]:
    """Features that order the rows as the target does, or that name its class."""
    frame = split.train
    if frame.height > SAMPLE_ROWS:
        frame = frame.gather_every(frame.height // SAMPLE_ROWS + 1)
    target = frame[spec.target]
    names = feature_names(spec, frame.columns)
    if spec.problem == "classification":
        yield from (sentence for name in names if (sentence := _names_the_class(frame[name], target)))
        return
    ranks = target.cast(pl.Float64).rank()
    for name in names:
        column = frame[name]
        if not column.dtype.is_numeric():
            continue
        rows = pl.DataFrame(
            {"feature": column.cast(pl.Float64).fill_nan(None).rank(), "target": ranks}
        ).drop_nulls()
        if rows.height < 30:
            continue
        correlation = rows.select(pl.corr("feature", "target")).item()
        distinct = min(rows["feature"].n_unique(), rows["target"].n_unique())
        if distinct >= FEWEST_VALUES and correlation is not None and abs(correlation) >= PROXY_CORRELATION:
            yield f"feature {name!r} is a proxy of the target: rank correlation {correlation:.5f}"


def _names_the_class(column: pl.Series, target: pl.Series) -> str | None:
    """Return a feature with few values, each of which occurs with one class only, and as many of them as classes."""
    rows = pl.DataFrame({"feature": column.cast(pl.String), "target": target.cast(pl.String)}).drop_nulls()
    values, classes = rows["feature"].n_unique(), rows["target"].n_unique()
    if rows.height < 30 or values < classes or values > max(2 * classes, 10) or classes < 2:
        return None
    if values > classes and int(rows["target"].value_counts()["count"].to_numpy().min()) < FEWEST_OF_A_CLASS:
        return None
    pairs = rows.unique().height
    return (
        f"feature {column.name!r} is a proxy of the target: each value has one class"
        if pairs == values
        else None
    )
